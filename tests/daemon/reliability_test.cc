// What a node learns of its children, and what it takes them to deliver.
#include "daemon/node/reliability.h"

#include <catch2/catch.hpp>
#include <vector>

#include "daemon/node/firm.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

constexpr NodeId kSite{0, 1};
constexpr NodeId kGroup{0, 2};
constexpr OrderId kServed{7};
constexpr aggregation::PerMillion kOnePercent{10'000};

/// An order of a minute, in which the site does that part of its share, and then nobody hears it.
void order(Reliability& reliability, Instant& now, OrderId id, std::int32_t permille,
           int seconds_heard = 61) {
  for (int second = 0; second <= 60; ++second) {
    const bool heard = second < seconds_heard;
    reliability.ordered(now, id,
                        heard ? std::vector{Reliability::Doing{kSite, permille}}
                              : std::vector<Reliability::Doing>{},
                        heard ? std::vector<NodeId>{} : std::vector{kSite});
    now += 1s;
  }
  reliability.idle();
}

mesh::ChildView view_of(NodeId id, Role role) {
  mesh::ChildView out;
  out.id = id;
  out.role = role;
  out.attached = true;
  out.counted = true;
  return out;
}

mesh::ChildView group_view(Watts power, std::uint32_t sites) {
  mesh::ChildView out = view_of(kGroup, Role::kAggregator);
  mesh::GroupSummary group;
  group.grid_id = aggregation::kGridId;
  const auto curve = aggregation::DurationCurve::of_site({power, Joules{power.count * 2 * 3600}});
  group.discharge.assign(curve.points().begin(), curve.points().end());
  group.charge = group.discharge;
  group.coverage = {sites, sites, 0, 0};
  out.summary = group;
  return out;
}

mesh::ChildView site_view(Watts power) {
  mesh::ChildView out = view_of(kSite, Role::kLeaf);
  mesh::SiteSummary site;
  site.stale = false;
  site.discharge = {power, Joules{power.count * 2 * 3600}, 1000};
  out.summary = site;
  return out;
}

}  // namespace

TEST_CASE("an order is one event: the part of its time in which the site did its share",
          "[node][reliability]") {
  Reliability reliability;
  CHECK(reliability.of(kSite).response_permille == 900);
  Instant now{1'000s};
  order(reliability, now, kServed, 1000);
  CHECK(reliability.of(kSite).response_permille == 909);  // (9 + 1) / 11
  order(reliability, now, OrderId{8}, 500);
  CHECK(reliability.of(kSite).response_permille == 875);  // (9 + 1.5) / 12
}

TEST_CASE("a site that goes silent in mid-order does nothing from then on", "[node][reliability]") {
  Reliability reliability;
  Instant now{1'000s};
  order(reliability, now, kServed, 1000, 31);
  CHECK(reliability.of(kSite).response_permille == 863);  // (9 + 0.5) / 11
}

TEST_CASE("who was asked nothing, or too shortly, is not judged", "[node][reliability]") {
  Reliability reliability;
  Instant now{1'000s};
  order(reliability, now, kServed, 0, 0);  // silent from the start: nobody knows it was asked
  CHECK(reliability.of(kSite).response_permille == 900);
  for (int second = 0; second < 4; ++second) {
    reliability.ordered(now + second * 1s, OrderId{8}, {{kSite, 0}}, {});
  }
  reliability.idle();
  CHECK(reliability.of(kSite).response_permille == 900);
}

TEST_CASE("a pause of this node is held against nobody", "[node][reliability]") {
  Reliability reliability;
  Instant now{1'000s};
  reliability.ordered(now, kServed, {{kSite, 1000}}, {});
  for (int second = 1; second <= 9; ++second) {
    reliability.ordered(now + second * 1s, kServed, {{kSite, 1000}}, {});
  }
  reliability.ordered(now + 1h, kServed, {{kSite, 0}}, {});  // frozen, and then one bad look
  reliability.idle();
  CHECK(reliability.of(kSite).response_permille == 886);  // 9 s of 12: (9 + 0.75) / 11
}

TEST_CASE("an uplink is looked at once a minute; an outage counts as an hour at most",
          "[node][reliability]") {
  Reliability reliability;
  Instant now{1'000s};
  auto view = view_of(kGroup, Role::kAggregator);
  const auto look = [&] {
    CHECK(reliability.look_due(now));
    reliability.look(now, {view});
    CHECK_FALSE(reliability.look_due(now + 59s));
    now += 1min;
  };
  CHECK(reliability.of(kGroup).availability == aggregation::PerMillion{990'000});
  for (int minute = 0; minute < 100; ++minute) look();
  CHECK(reliability.of(kGroup).availability == aggregation::PerMillion{995'000});
  view.attached = false;
  for (int minute = 0; minute < 60; ++minute) look();
  const auto after_an_hour = reliability.of(kGroup).availability;
  CHECK(after_an_hour == aggregation::PerMillion{765'384});  // 199 / 260
  for (int minute = 0; minute < 60; ++minute) look();
  CHECK(reliability.of(kGroup).availability == after_an_hour);
  for (const auto gone : {&mesh::ChildView::left, &mesh::ChildView::moved}) {
    auto goodbye = view_of(kGroup, Role::kAggregator);
    goodbye.attached = false;
    goodbye.*gone = true;
    Reliability fresh;
    fresh.look(now, {goodbye});
    CHECK(fresh.of(kGroup).availability == aggregation::PerMillion{990'000});
  }
  reliability.look(now, {});  // mesh::Children has forgotten it
  CHECK(reliability.of(kGroup).availability == aggregation::PerMillion{990'000});
}

TEST_CASE("a group of an older version counts by the prior of its sites, never as certain",
          "[node][reliability]") {
  const auto view = group_view(Watts{100'000}, 50);
  const auto& group = std::get<mesh::GroupSummary>(*view.summary);
  const auto curve = aggregation::DurationCurve::from_wire(group.grid_id, group.discharge).value();
  const auto prior = moments_of(group, Direction::kDischarge, curve);
  CHECK(prior == aggregation::Moments::by_prior(curve, 50));
  auto absurd = group;
  absurd.discharge_expected.mean.assign(aggregation::kGridPoints, Joules{INT64_MAX / 4});
  absurd.discharge_expected.deviation.assign(aggregation::kGridPoints, Joules{0});
  CHECK(moments_of(absurd, Direction::kDischarge, curve) == prior);
  auto told = group;
  told.discharge_expected.mean = group.discharge;
  told.discharge_expected.deviation.assign(aggregation::kGridPoints, Joules{0});
  CHECK(moments_of(told, Direction::kDischarge, curve).variance_mj2(5) == 0);
  CHECK(moments_of(told, Direction::kCharge, curve) == prior);
}

TEST_CASE("a site counts as it was seen to respond, and no better than it says of itself",
          "[node][reliability]") {
  const ChildRates rates{.response_permille = 950, .availability = {0}};
  CHECK(site_of({Watts{5}, Joules{7}, 1000}, rates).response_permille == 950);
  CHECK(site_of({Watts{5}, Joules{7}, 400}, rates).response_permille == 400);
}

TEST_CASE("what is firm is of those counted only, and below what they could do",
          "[node][reliability]") {
  std::vector<mesh::ChildView> children{group_view(Watts{100'000}, 50), site_view(Watts{5'000})};
  const std::vector<ChildRates> rates(2, Reliability{}.of(kSite));
  const auto both = firm_of(children, rates, {50'000}).discharge;
  const auto surer = firm_of(children, rates, {5'000}, Direction::kDischarge);
  CHECK(both.points()[11] > Joules{70'000LL * 3600});
  CHECK(both.points()[11] < Joules{95'000LL * 3600});
  CHECK(surer.points()[11] <= Joules{5'000LL * 3600});  // the group is lost once in 100
  for (const auto flag : {&mesh::ChildView::counted, &mesh::ChildView::attached}) {
    auto without = children;
    without[0].*flag = false;
    CHECK(firm_of(without, rates, {200'000}, Direction::kDischarge).points()[11] ==
          Joules{5'000LL * 3600});
  }
  CHECK(firm_of(children, rates, {50'000}, Direction::kCharge).points()[11] > Joules{0});
}

TEST_CASE("deliveries that fall short lower the level, whatever the order they are listed in",
          "[node][reliability]") {
  const auto bid = [](int hour, Joules delivered) {
    bidding::BidView out;
    const MarketTime from{hour * 1h};
    out.award = bidding::Award{"bid", {from, from + 1h, from}, Watts{1'000}, {}};
    out.delivered = delivered;
    return out;
  };
  const auto kept = bid(1, Joules{3'600'000});
  const auto nearly = bid(2, Joules{3'500'000});  // within the tolerance of metering
  const auto broken = bid(3, Joules{3'000'000});
  CHECK(calibrated({}, kOnePercent) == kOnePercent);
  CHECK(calibrated({kept, nearly}, kOnePercent) == aggregation::PerMillion{10'100});
  const auto level = calibrated({kept, broken, bidding::BidView{}}, kOnePercent);
  CHECK(level == aggregation::PerMillion{5'100});
  CHECK(calibrated({broken, bidding::BidView{}, kept}, kOnePercent) == level);
}
