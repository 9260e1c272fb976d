#include "tests/sim/market_model.h"

#include <algorithm>
#include <chrono>
#include <variant>

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPricePeriod = 1h;
constexpr int kGatesAhead = 6;

/// Any series with a daily shape will do: 20 to 180 per MWh.
Price price_at(MarketTime from) {
  const auto hour = from.time_since_epoch() / kPricePeriod;
  Rng noise{static_cast<std::uint64_t>(hour)};
  const auto daily = (hour % 24) * 5'000'000;
  return {20'000'000 + daily + static_cast<std::int64_t>(noise.below(40'000'000))};
}

}  // namespace

MarketModel::MarketModel(const MarketOptions& options, Rng rng, Findings& findings)
    : options_{options}, rng_{rng}, findings_{findings} {}

Duration MarketModel::interval() const {
  return std::max<Duration>(60s, options_.speed * Duration{10s});
}

bidding::WorkflowOptions MarketModel::workflow_options(bool enabled) const {
  bidding::WorkflowOptions out;
  out.enabled = enabled;
  out.price_min = {10'000'000};
  out.decide_before = 3 * interval();  // long enough to crash in between, and to bid again
  out.settle_after = interval() / 4;
  out.receipts_wait = interval();
  return out;
}

void MarketModel::persisted(WorldTime at, NodeIndex root, const std::vector<node::Record>& batch) {
  Books& books = books_[root];
  for (const auto& record : batch) {
    if (std::holds_alternative<node::JournalCleared>(record)) books = {};
    if (const auto* order = std::get_if<aggregation::Order>(&record)) {
      books.ordered.try_emplace(order->key, order->id);
    }
    const auto* fact = std::get_if<bidding::Fact>(&record);
    if (fact == nullptr) continue;
    if (const auto* decided = bidding::as<bidding::BidDecided>(*fact)) {
      const auto [it, is_new] = books.decided.try_emplace(decided->bid.key, decided->bid);
      if (is_new) continue;
      findings_.report(Invariant::kAcknowledgedSurvives, root, at,
                       "decides a second time on " + decided->bid.key);
    }
    if (const auto* award = bidding::as<bidding::AwardKnown>(*fact)) {
      books.known[award->award.key] = award->award;
    }
  }
}

void MarketModel::recovered(NodeIndex root, const node::Recovered& all) {
  Books& books = books_[root];
  if (options_.copies > 0) books = {};  // what an interrupted write cleared is gone
  for (const auto& order : all.orders) books.ordered.try_emplace(order.key, order.id);
  for (const auto& fact : all.facts) {
    const auto* decided = bidding::as<bidding::BidDecided>(fact);
    if (decided != nullptr) books.decided.try_emplace(decided->bid.key, decided->bid);
    const auto* award = bidding::as<bidding::AwardKnown>(fact);
    if (award != nullptr) books.known.try_emplace(award->award.key, award->award);
  }
}

std::vector<MarketModel::Answer> MarketModel::call(WorldTime at, MarketTime market,
                                                   const bidding::MarketCall& call) {
  const auto chance = [&](std::uint32_t permille) { return rng_.below(1000) < permille; };
  const Duration after = 5ms + rng_.up_to(100ms);
  const Duration late = chance(options_.failure_permille) ? rng_.up_to(5s) : Duration{0};
  if (chance(options_.failure_permille) && chance(500)) {  // the request was lost on its way
    return {{after + late, bidding::CallFailed{call, "connection refused"}}};
  }
  const bidding::MarketAnswer answered =
      std::visit([&](const auto& typed) { return answer(at, market, typed); }, call);
  if (chance(options_.failure_permille)) {  // carried out, but the answer was lost
    return {{after + late, bidding::CallFailed{call, "time-out"}}};
  }
  std::vector<Answer> out{{after + late, answered}};
  if (chance(options_.failure_permille)) out.push_back({after + late + rng_.up_to(3s), answered});
  return out;
}

bidding::MarketAnswer MarketModel::answer(WorldTime /*at*/, MarketTime market,
                                          const bidding::FetchPrices& call) {
  bidding::PricesFetched out;
  const MarketTime end = std::min(call.until, market);
  MarketTime from = call.from - call.from.time_since_epoch() % kPricePeriod;
  for (; from < end && out.prices.size() < 300; from += kPricePeriod) {
    out.prices.push_back({from, from + kPricePeriod, price_at(from)});
  }
  return out;
}

bidding::MarketAnswer MarketModel::answer(WorldTime /*at*/, MarketTime market,
                                          const bidding::FetchGates&) {
  bidding::GatesFetched out;
  const auto past = (market - options_.begin) / interval();
  for (int ahead = 1; ahead <= kGatesAhead; ++ahead) {
    const MarketTime from = options_.begin + (past + ahead) * interval();
    out.gates.push_back({from, from + interval(), from - interval() / 4});
  }
  return out;
}

bidding::MarketAnswer MarketModel::answer(WorldTime at, MarketTime market,
                                          const bidding::SubmitBid& call) {
  const bidding::Bid& bid = call.bid;
  const auto holders = std::ranges::count_if(books_, [&](const auto& root) {
    const auto decided = root.second.decided.find(bid.key);
    return decided != root.second.decided.end() && decided->second == bid;
  });
  if (static_cast<std::size_t>(holders) < 1 + options_.copies) {
    findings_.report(Invariant::kAcknowledgedSurvives, kRootIndex, at,
                     "submits bid " + bid.key + " before it is durable");
  }
  const auto standing = bids_.find(bid.gate.from);
  if (standing != bids_.end()) {
    if (standing->second == bid) return bidding::BidAccepted{bid.key};
    findings_.report(Invariant::kAcknowledgedSurvives, kRootIndex, at,
                     "bids twice for one gate: " + bid.key);
    return bidding::BidRefused{bid.key, "another bid stands", true, standing->second};
  }
  if (market >= bid.gate.closes) return bidding::BidRefused{bid.key, "closed", true, {}};
  bids_[bid.gate.from] = bid;
  ++counters_.bids;
  return bidding::BidAccepted{bid.key};
}

bidding::Award MarketModel::clear(const bidding::Bid& bid) const {
  bidding::Award award{bid.key, bid.gate, {}, price_at(bid.gate.from)};
  for (const auto& segment : bid.segments) {
    if (segment.price <= award.clearing) award.power += segment.power;
  }
  return award;
}

/// Nobody takes a bid back in these worlds.
bidding::MarketAnswer MarketModel::answer(WorldTime /*at*/, MarketTime /*market*/,
                                          const bidding::WithdrawBid& call) {
  return bidding::WithdrawalAnswered{call.key, bidding::Withdrawal::kStands, "not in this market"};
}

bidding::MarketAnswer MarketModel::answer(WorldTime /*at*/, MarketTime market,
                                          const bidding::FetchAwards& call) {
  bidding::AwardsFetched out;
  for (const auto& [from, bid] : bids_) {
    const bool asked = std::ranges::find(call.keys, bid.key) != call.keys.end();
    if (!asked || market < bid.gate.closes) continue;
    out.awards.push_back(clear(bid));
    ++counters_.awards;
  }
  return out;
}

bidding::MarketAnswer MarketModel::answer(WorldTime /*at*/, MarketTime /*market*/,
                                          const bidding::FetchCalls& /*call*/) {
  return bidding::CallsFetched{};
}

bidding::MarketAnswer MarketModel::answer(WorldTime at, MarketTime market,
                                          const bidding::SubmitDelivery& call) {
  const bidding::Delivery& delivery = call.delivery;
  if (market < delivery.gate.until) {
    findings_.report(Invariant::kEnergyConserved, kRootIndex, at,
                     "reports the delivery of " + delivery.key + " before its end");
  }
  const auto bid = bids_.find(delivery.gate.from);
  const Watts awarded = bid == bids_.end() ? Watts{0} : clear(bid->second).power;
  const auto [it, is_new] = settled_.try_emplace(delivery.key);
  if (is_new) {
    ++counters_.settlements;
    it->second = {delivery.key, {awarded.count * (interval() / 1s)}, delivery.delivered, {}, {}};
  } else if (it->second.delivered != delivery.delivered) {
    findings_.report(Invariant::kAcknowledgedSurvives, kRootIndex, at,
                     "reports two deliveries for " + delivery.key);
  }
  return bidding::Settled{it->second};
}

void MarketModel::check_nothing_forgotten(WorldTime at, NodeIndex leader) {
  for (const auto& [key, award] : books_[leader].known) {
    if (award.power <= Watts{0} || books_[leader].ordered.contains(key)) continue;
    findings_.report(Invariant::kAcknowledgedSurvives, leader, at,
                     "award " + key + " never became an order");
  }
}

}  // namespace vpp::sim
