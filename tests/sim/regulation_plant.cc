#include "tests/sim/regulation_plant.h"

#include <algorithm>
#include <utility>

#include "config/check.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr device::SiteLimits kLimits{};
/// Of homes that come and go: how long they stay and are away.
constexpr Duration kHereMin = 5min;
constexpr Duration kHereMax = 30min;
constexpr Duration kAwayMin = 1min;
constexpr Duration kAwayMax = 10min;

device::Nameplate nameplate_of(const RegulationHome& home) {
  device::Nameplate out;
  out.discharge_max = home.power;
  out.charge_max = home.power;
  out.controllable = true;
  return out;
}

Duration between(Rng& rng, Duration least, Duration most) {
  return least + rng.up_to(most - least);
}

}  // namespace

std::vector<RegulationHome> draw_homes(const std::vector<RegulationHome>& ratings,
                                       std::size_t count, std::int64_t ignore,
                                       std::int64_t come_and_go, Rng& rng) {
  std::vector<RegulationHome> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(ratings[rng.below(ratings.size())]);
  // Exactly so many, anywhere.
  const auto part = [&](std::int64_t permille) {
    return static_cast<std::int64_t>(count) * permille / 1000;
  };
  for (auto [kind, left] : {std::pair{RegulationHome::Kind::kIgnores, part(ignore)},
                            std::pair{RegulationHome::Kind::kComesAndGoes, part(come_and_go)}}) {
    while (left > 0) {
      RegulationHome& home = out[rng.below(count)];
      if (home.kind != RegulationHome::Kind::kFollows) continue;
      home.kind = kind;
      --left;
    }
  }
  return out;
}

aggregation::GroupFlexibility flexibility_of(const std::vector<RegulationHome>& homes) {
  aggregation::GroupFlexibility out;
  for (const RegulationHome& home : homes) {
    const auto nameplate = nameplate_of(home);
    const Joules half{home.capacity.count / 2};
    const device::SiteState state{half, half, home.capacity, std::nullopt};
    out.discharge += aggregation::DurationCurve::of_site(
        device::discharge_capability(kLimits, nameplate, state, 0ms));
    out.charge += aggregation::DurationCurve::of_site(
        device::charge_capability(kLimits, nameplate, state, 0ms));
  }
  return out;
}

RegulationPlant::RegulationPlant(const std::vector<RegulationHome>& homes,
                                 const RegulationOptions& options, Rng rng)
    : root_{options.dispatch}, rng_{rng} {
  VPP_CHECK(options.aggregators > 0);
  for (std::size_t i = 0; i < options.aggregators; ++i) {
    aggregators_.push_back({.leaves = {},
                            .dispatcher = aggregation::Dispatcher{options.dispatch},
                            .promises = {},
                            .target = {},
                            .sent = {},
                            .heard = {}});
    at(kGroupReport, {Event::Kind::kGroupReport, i, {}});
  }
  for (std::size_t i = 0; i < homes.size(); ++i) {
    Leaf leaf;
    leaf.home = homes[i];
    leaf.nameplate = nameplate_of(homes[i]);
    leaf.aggregator = i % options.aggregators;
    leaf.responds_in = between(rng_, options.responds_min, options.responds_max);
    leaf.stored_mj = homes[i].capacity.count * 500;
    leaf.view.id = {1, i + 1};
    leaf.view.attached = leaf.view.counted = true;
    leaf.view.summary = mesh::SiteSummary{};
    leaves_.push_back(std::move(leaf));
    aggregators_[i % options.aggregators].leaves.push_back(i);
    at(between(rng_, kStep, kPoll), {Event::Kind::kPoll, i, {}});
    if (homes[i].kind == RegulationHome::Kind::kComesAndGoes) {
      later_.push_back({now_ + between(rng_, 0ms, kHereMax), {Event::Kind::kLeave, i, {}}});
    }
  }
  pass(2 * kPoll);  // everybody has reported
}

Now RegulationPlant::now() const {
  return {now_, MarketTime{now_.time_since_epoch()}, 1};
}

void RegulationPlant::at(Duration delay, const Event& event) {
  const auto steps = static_cast<std::size_t>(std::max(delay, kStep) / kStep);
  VPP_CHECK(steps < kBuckets);
  events_[(bucket_ + steps) % kBuckets].push_back(event);
}

void RegulationPlant::order(Watts target) {
  target_is_new_ = target != target_ || order_ == 0;
  if (target_is_new_) ++order_;
  target_ = target;
  tick_due_ = now_;
}

void RegulationPlant::pass(Duration duration) {
  for (const Instant until = now_ + duration; now_ < until; now_ += kStep) {
    if (order_ > 0 && tick_due_ <= now_) root_tick();
    std::erase_if(later_, [this](const Later& later) {
      const bool due = later.at <= now_;
      if (due) events_[bucket_].push_back(later.event);
      return due;
    });
    due_.swap(events_[bucket_]);
    for (const Event& event : due_) carry_out(event);
    due_.clear();
    bucket_ = (bucket_ + 1) % kBuckets;
  }
}

void RegulationPlant::carry_out(const Event& event) {
  switch (event.kind) {
    case Event::Kind::kShare:
      return told(leaves_[event.index], event);
    case Event::Kind::kDevice:
      return set_power(leaves_[event.index], event.power);
    case Event::Kind::kPoll:
      return poll(event.index);
    case Event::Kind::kReport:
      return heard(leaves_[event.index]);
    case Event::Kind::kGroupShare:
      return group_tick(event.index, event);
    case Event::Kind::kGroupReport:
      at(kHop, {Event::Kind::kGroupHeard, event.index, {}});
      at(kGroupReport, event);
      return report_group(aggregators_[event.index]);
    case Event::Kind::kGroupHeard:
      aggregators_[event.index].heard = aggregators_[event.index].sent;
      aggregators_[event.index].heard_at = now_;
      return;
    case Event::Kind::kLeave:
      return leave(event.index);
    case Event::Kind::kReturn:
      leaves_[event.index].away = Away::kNo;
      later_.push_back(
          {now_ + between(rng_, kHereMin, kHereMax), {Event::Kind::kLeave, event.index, {}}});
      return;
  }
}

// --- root and aggregators --------------------------------------------------------------------

void RegulationPlant::root_tick() {
  tick_due_ = now_ + limits::kControlTick;
  std::vector<aggregation::ChildState> children;
  for (std::size_t i = 0; i < aggregators_.size(); ++i) {
    const Aggregator& aggregator = aggregators_[i];
    children.push_back({.id = {2, i + 1},
                        .flexibility = aggregator.heard.flexibility,
                        .measured = aggregator.heard.measured,
                        .measured_since = aggregator.heard_at});
  }
  const auto plan = root_.tick(now(), target_, children);
  for (std::size_t i = 0; i < aggregators_.size(); ++i) {
    at(kHop, {Event::Kind::kGroupShare, i, plan.shares[i].power, target_is_new_});
  }
  target_is_new_ = false;
}

void RegulationPlant::group_tick(std::size_t index, const Event& event) {
  Aggregator& aggregator = aggregators_[index];
  aggregator.target = event.power;
  std::vector<aggregation::ChildState> children;
  std::vector<std::size_t> counted;
  children.reserve(aggregator.leaves.size());
  counted.reserve(aggregator.leaves.size());
  for (const std::size_t i : aggregator.leaves) {
    Leaf& leaf = leaves_[i];
    leaf.view.attached = leaf.view.counted = now_ - leaf.view.heard_at < limits::kLease;
    aggregator.promises.seen(now_, leaf.view, node::Promises::Lives::kHere);
    if (!leaf.view.counted) continue;
    counted.push_back(i);
    children.push_back(
        {.id = leaf.view.id,
         .flexibility = aggregation::SiteFlexibility{leaf.heard.discharge, leaf.heard.charge},
         .measured = leaf.heard.measured,
         .measured_since = leaf.view.heard_at});
  }
  const Watts reserved = aggregator.promises.reserved(now_, now().market, event.power);
  const auto plan = aggregator.dispatcher.tick(now(), event.power - reserved, children);
  mesh::Dispatch form{.order = {order_},
                      .term = 1,
                      .sequence = order_,
                      .tick = 0,
                      .share = std::nullopt,
                      .from = now().market,
                      .until = now().market + 2 * limits::kCutOffHold,
                      .expires = (now_ + limits::kCutOffHold).time_since_epoch().count(),
                      .repeat = 0,
                      .ahead = {}};
  for (std::size_t i = 0; i < counted.size(); ++i) {
    form.share = plan.shares[i].power;
    aggregator.promises.told(now_, plan.shares[i].child, form, limits::kLease);
    at(kHop, {Event::Kind::kShare, counted[i], plan.shares[i].power, event.is_new});
  }
}

void RegulationPlant::report_group(Aggregator& aggregator) {
  std::vector<device::Capability> discharge;
  std::vector<device::Capability> charge;
  Watts measured{0};
  discharge.reserve(aggregator.leaves.size());
  charge.reserve(aggregator.leaves.size());
  for (const std::size_t i : aggregator.leaves) {
    const Leaf& leaf = leaves_[i];
    if (!leaf.view.counted) continue;
    measured += leaf.heard.measured.value_or(Watts{0});
    discharge.push_back(leaf.heard.discharge);
    charge.push_back(leaf.heard.charge);
  }
  const Watts reserved = aggregator.promises.outstanding(now_, now().market, aggregator.target);
  const auto [low, high] = std::minmax({Watts{0}, aggregator.target});
  aggregator.sent = {{aggregation::DurationCurve::of_sites(discharge),
                      aggregation::DurationCurve::of_sites(charge)},
                     measured + std::clamp(reserved, low, high)};
}

// --- homes -----------------------------------------------------------------------------------

void RegulationPlant::told(Leaf& leaf, const Event& event) {
  if (leaf.away == Away::kContact) return;
  if (leaf.away == Away::kNo) leaf.told_at = now_;
  std::get<mesh::SiteSummary>(*leaf.view.summary).set_point = event.power;
  const auto index = event.index;
  at(leaf.responds_in, {Event::Kind::kDevice, index, event.power});
  // A new order is told at once, with the power that was read last.
  if (event.is_new) at(kGather, {Event::Kind::kReport, index, {}});
}

/// The guard and the battery: no more than its energy allows, and nothing if it does not listen.
void RegulationPlant::set_power(Leaf& leaf, Watts power) {
  if (leaf.away == Away::kDevice || leaf.home.kind == RegulationHome::Kind::kIgnores) return;
  settle(leaf);
  const auto state = state_of(leaf);
  const auto most = device::discharge_capability(kLimits, leaf.nameplate, state, kPoll).power;
  const auto least = device::charge_capability(kLimits, leaf.nameplate, state, kPoll).power;
  power = std::clamp(power, -least, most);
  power_ += power - leaf.power;
  leaf.power = power;
}

/// Energy flows up to now.
void RegulationPlant::settle(Leaf& leaf) const {
  const std::int64_t flow_mj = leaf.power.count * (now_ - leaf.settled_at).count();
  leaf.stored_mj -= flow_mj > 0 ? flow_mj * 1000 / kLimits.discharge_efficiency_permille
                                : flow_mj * kLimits.charge_efficiency_permille / 1000;
  leaf.settled_at = now_;
}

device::SiteState RegulationPlant::state_of(const Leaf& leaf) const {
  const Joules stored{leaf.stored_mj / 1000};
  return {stored, stored, leaf.home.capacity, std::nullopt};
}

void RegulationPlant::poll(std::size_t index) {
  Leaf& leaf = leaves_[index];
  at(kPoll, {Event::Kind::kPoll, index, {}});
  // What nobody renews ends, be it the order or the device's own timer.
  if (leaf.away != Away::kNo && now_ - leaf.told_at > limits::kCutOffHold) {
    power_ -= leaf.power;
    settle(leaf);
    leaf.power = Watts{0};
  } else if (leaf.away == Away::kNo && leaf.power != Watts{0}) {
    set_power(leaf, leaf.power);  // until it is empty or full
  }
  if (leaf.away != Away::kDevice) {
    const auto state = state_of(leaf);
    leaf.read_at = now_;
    leaf.newest = {device::discharge_capability(kLimits, leaf.nameplate, state, 2 * kPoll),
                   device::charge_capability(kLimits, leaf.nameplate, state, 2 * kPoll),
                   leaf.power};
  } else if (now_ - leaf.read_at > kLimits.reading_age_max) {
    leaf.newest = {{}, {}, std::nullopt};
  }
  if (leaf.away != Away::kContact) at(kGather + kHop, {Event::Kind::kReport, index, {}});
}

void RegulationPlant::heard(Leaf& leaf) {
  if (leaf.away == Away::kContact) return;
  leaf.heard = leaf.newest;
  leaf.view.heard_at = now_;
  leaf.view.attached = leaf.view.counted = true;
}

void RegulationPlant::leave(std::size_t index) {
  Leaf& leaf = leaves_[index];
  leaf.away = rng_.below(2) == 0 ? Away::kContact : Away::kDevice;
  later_.push_back({now_ + between(rng_, kAwayMin, kAwayMax), {Event::Kind::kReturn, index, {}}});
}

std::size_t RegulationPlant::doubted() const {
  std::size_t out = 0;
  for (const Leaf& leaf : leaves_) {
    if (aggregators_[leaf.aggregator].dispatcher.doubted(leaf.view.id)) ++out;
  }
  return out;
}

}  // namespace vpp::sim
