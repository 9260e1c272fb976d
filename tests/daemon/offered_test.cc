// What the root offers to a market of what its sites claim.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <vector>

#include "daemon/node/node.h"

using namespace vpp;
using namespace vpp::node;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kSites = 20;
constexpr Watts kOfEach{5'000};
constexpr Price kFlatPrice{50'000'000};

/// The only root, and sites that all claim the same, of which some do nothing when asked.
class OfferingRoot {
 public:
  OfferingRoot() {
    NodeOptions options;
    options.self = {0, 1};
    options.role = Role::kRoot;
    options.bidding.enabled = true;
    options.bidding.firm_permille = 1000;
    options.bidding.horizon = 1h;
    node_.emplace(options, Rng{1}, now(), Recovered{});
    for (std::size_t i = 0; i < kSites; ++i) {
      mesh::Hello hello;
      hello.session = 1;
      from(i, hello);
    }
    pass(3s);
    bidding::PricesFetched prices;
    const MarketTime hour = std::chrono::floor<std::chrono::hours>(now().market);
    for (MarketTime at = hour - 24h * 8; at < now().market; at += 1h) {
      prices.prices.push_back({at, at + 1h, kFlatPrice});
    }
    step(MarketAnswered{prices});
  }

  /// What it bids for a quarter of an hour that begins ten minutes from now.
  Watts offered() {
    const MarketTime begin = now().market + 10min;
    offer_.reset();
    step(MarketAnswered{bidding::GatesFetched{{{begin, begin + 15min, begin - 5min}}}});
    for (int i = 0; i < 600 && !offer_; ++i) pass(1s);
    return offer_.value_or(Watts{0});
  }

  void order_all(const std::string& key) {
    const Watts all{kOfEach.count * static_cast<std::int64_t>(kSites)};
    step(OperatorAsked{1, SendOrder{key, all, {}, 2min}});
    pass(150s);
  }

  std::vector<bool> delivers = std::vector<bool>(kSites, true);

 private:
  [[nodiscard]] Now now() const {
    return {at_, MarketTime{24h * 20'000} + at_.time_since_epoch(), 1};
  }
  static mesh::ConnectionId connection(std::size_t i) { return 100 + i; }

  void step(const Event& event) {
    node_->step(now(), event);
    take();
  }
  void from(std::size_t i, const mesh::Message& message) {
    const mesh::Peer site{{0, 100 + i},
                          Role::kLeaf,
                          limits::kGroupPowerMax,
                          limits::kGroupPowerMax,
                          Joules{1'000'000'000}};
    step(mesh::FromChild{connection(i), site, message});
  }
  void take() {
    const Effects effects = node_->take_effects();
    for (const mesh::SendDown& send : effects.down) {
      if (const auto* ack = std::get_if<mesh::HelloAck>(&send.message)) {
        heard_[send.connection] = ack->stamp;
      } else if (const auto* beacon = std::get_if<mesh::Beacon>(&send.message)) {
        heard_[send.connection] = beacon->stamp;
      } else if (const auto* told = std::get_if<mesh::Dispatch>(&send.message)) {
        told_[send.connection] = *told;
      }
    }
    for (const Record& record : effects.persist) {
      const auto* fact = std::get_if<bidding::Fact>(&record);
      const auto* decided = fact == nullptr ? nullptr : bidding::as<bidding::BidDecided>(*fact);
      if (decided != nullptr) offer_ = decided->bid.segments.front().power;
    }
  }
  void pass(Duration span) {
    for (const Instant end = at_ + span; at_ < end;) {
      at_ += 1s;
      node_->advance(now());
      take();
      ++sequence_;
      for (std::size_t i = 0; i < kSites; ++i) report(i);
    }
  }
  void report(std::size_t i) {
    mesh::SiteSummary site;
    site.discharge = {kOfEach, Joules{360'000'000}};
    site.measured = Watts{0};
    site.measured_at = now().market;
    site.stale = false;
    const auto told = told_.find(connection(i));
    if (told != told_.end() && told->second.share && told->second.until > now().market) {
      site.order = told->second.order;
      site.set_point = *told->second.share;
      if (delivers.at(i)) site.measured = *told->second.share;
    }
    from(i, mesh::Report{.session = 1,
                         .sequence = sequence_,
                         .beacon = heard_[connection(i)],
                         .summary = site,
                         .attached = {},
                         .evicted = {}});
  }

  Instant at_{10s};
  std::optional<Node> node_;
  std::uint64_t sequence_ = 0;
  std::map<mesh::ConnectionId, mesh::Stamp> heard_;
  std::map<mesh::ConnectionId, mesh::Dispatch> told_;
  std::optional<Watts> offer_;
};

/// The most that so many equal, independent sites deliver with a probability of 95 %, by counting.
Watts surely_of(double rate) {
  double exactly = 1;  // P(k sites do it), from 0 on
  for (std::size_t i = 0; i < kSites; ++i) exactly *= 1 - rate;
  double fewer = 0;
  std::int64_t k = 0;
  for (; k < static_cast<std::int64_t>(kSites) && fewer + exactly <= 0.05; ++k) {
    fewer += exactly;
    const auto left = static_cast<double>(kSites) - static_cast<double>(k);
    exactly *= left / (static_cast<double>(k) + 1) * rate / (1 - rate);
  }
  return Watts{kOfEach.count * k};
}

}  // namespace

TEST_CASE("sites that never delivered count by their prior in what is offered, not by their claim",
          "[node][root][offer]") {
  OfferingRoot root;
  const Watts offered = root.offered();
  CHECK(offered > surely_of(0.7));
  CHECK(offered <= surely_of(0.9));  // all together claim 100 kW
}

TEST_CASE("what is offered follows what was measured: sites that did nothing hardly count",
          "[node][root][offer]") {
  OfferingRoot root;
  const Watts before = root.offered();
  for (std::size_t i = 0; i < kSites; i += 2) root.delivers.at(i) = false;
  for (int i = 0; i < 8; ++i) root.order_all("order-" + std::to_string(i));
  const Watts after = root.offered();
  CHECK(after < before);
  CHECK(after > Watts{0});
  // Half of them did it 8 times of 8, the others never: 17 of 18 and 9 of 18, the prior included.
  CHECK(after.count <= kOfEach.count * static_cast<std::int64_t>(kSites) * (17 + 9) / 36);

  OfferingRoot good;
  for (int i = 0; i < 8; ++i) good.order_all("order-" + std::to_string(i));
  CHECK(good.offered() >= before);
}
