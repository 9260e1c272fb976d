// A market and a plant in a few lines each, for tests of the workflow.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <ranges>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "aggregation/duration_curve.h"
#include "bidding/settlement.h"
#include "bidding/workflow.h"

namespace vpp::bidding::test {

using namespace std::chrono_literals;

inline constexpr MarketTime kStart{std::chrono::days{17'500}};
inline constexpr Duration kInterval = 15min;

/// Hours 17 to 20 are dear.
inline Price price_at(MarketTime at) {
  const auto hour = (at.time_since_epoch() % std::chrono::days{1}) / 1h;
  return Price{hour >= 17 && hour <= 20 ? 90'000'000 : 30'000'000};
}

/// Of reserve: dear in hours 18 and 19.
inline Price capacity_at(MarketTime at) {
  const auto hour = (at.time_since_epoch() % std::chrono::days{1}) / 1h;
  return Price{hour == 18 || hour == 19 ? 150'000'000 : 1'000'000};
}

/// For half of an even hour, and not at all in an odd one.
inline ReserveCall call_of(const Award& award) {
  const MarketTime from = award.gate.from;
  const bool called = (from.time_since_epoch() / 1h) % 2 == 0;
  if (!called) return {award.key, Watts{0}, from, from};
  return {award.key, award.power, from + 10min, from + 40min};
}

/// Keeps its word, and writes down everything that a bidder must not do.
struct FakeMarket {
  Duration gate_lead = 5min;
  std::map<std::string, Bid> bids;
  std::map<std::string, Bid> spent;  ///< taken back; a copy of one that arrives later is no bid
  std::map<std::string, Settlement> settlements;
  std::set<std::tuple<Session, Product, MarketTime>> gates_bid;
  int conflicts = 0;       ///< a key with another content, or a second key for a gate
  int late = 0;            ///< after the gate
  int premature = 0;       ///< delivered before the end
  int other_delivery = 0;  ///< delivered twice, with another amount
  bool gates_offered = true;
  std::int64_t meter_permille = 1000;  ///< of what was delivered, what it settles
  bool reserve = false;                ///< sells reserve in hours, too, until half an hour before
  bool day_ahead = false;  ///< sells the hours of a day of UTC, too, until noon of the day before

  MarketAnswer operator()(MarketTime now, const MarketCall& call) {
    return std::visit([&](const auto& c) { return answer(now, c); }, call);
  }

  [[nodiscard]] Award award_of(const Bid& bid) const {
    Watts power{0};
    const bool energy = bid.gate.product == Product::kEnergy;
    const Price price = energy ? price_at(bid.gate.from) : capacity_at(bid.gate.from);
    for (const auto& s : bid.segments) {
      if (s.price <= price) power += s.power;
    }
    return {bid.key, bid.gate, power, price};
  }

 private:
  MarketAnswer answer(MarketTime now, const FetchPrices& c) const {
    PricesFetched answer{{}, c.session, 0, now, c.product};
    const bool ahead = c.session == Session::kDayAhead;
    if (ahead && !day_ahead) return answer;
    const bool energy = c.product == Product::kEnergy;
    if (!energy && !reserve) return answer;
    const MarketTime told = ahead ? std::chrono::floor<std::chrono::days>(now + 12h) + 23h : now;
    const auto since = c.from.time_since_epoch();
    for (MarketTime at{since - since % 1h}; at < c.until && at <= told; at += 1h) {
      const Price price = energy ? price_at(at) : capacity_at(at);
      answer.prices.push_back({at, at + 1h, price, c.session, c.product});
    }
    return answer;
  }
  MarketAnswer answer(MarketTime now, const FetchGates&) const {
    GatesFetched answer;
    const auto since = now.time_since_epoch();
    for (MarketTime at{since - since % kInterval}; at < now + 2h; at += kInterval) {
      const Gate gate{at, at + kInterval, at - gate_lead};
      if (gates_offered && gate.closes > now) answer.gates.push_back(gate);
    }
    const auto hour = std::chrono::floor<std::chrono::hours>(now);
    for (MarketTime at = hour; reserve && gates_offered && at < now + 2h; at += 1h) {
      const Gate gate{at, at + 1h, at - 30min, Session::kRealTime, Product::kReserveUp};
      if (gate.closes > now) answer.gates.push_back(gate);
    }
    const auto tomorrow = std::chrono::floor<std::chrono::days>(now) + 24h;
    for (MarketTime at = tomorrow; day_ahead && gates_offered && at < tomorrow + 24h; at += 1h) {
      const Gate gate{at, at + 1h, tomorrow - 12h, Session::kDayAhead};
      if (gate.closes > now) answer.gates.push_back(gate);
    }
    answer.told_at = now;
    return answer;
  }
  MarketAnswer answer(MarketTime now, const SubmitBid& c) {
    if (spent.contains(c.bid.key)) return BidAccepted{c.bid.key};
    const auto known = bids.find(c.bid.key);
    if (known != bids.end()) {
      if (known->second == c.bid) return BidAccepted{c.bid.key};
      ++conflicts;
      return BidRefused{c.bid.key, "conflict", true, known->second};
    }
    if (c.bid.gate.closes <= now) {
      ++late;
      return BidRefused{c.bid.key, "late", true, {}};
    }
    const Gate& gate = c.bid.gate;
    conflicts += gates_bid.emplace(gate.session, gate.product, gate.from).second ? 0 : 1;
    bids[c.bid.key] = c.bid;
    return BidAccepted{c.bid.key};
  }
  MarketAnswer answer(MarketTime now, const WithdrawBid& c) {
    if (spent.contains(c.key)) return WithdrawalAnswered{c.key, Withdrawal::kDone, {}};
    const auto known = bids.find(c.key);
    if (known == bids.end()) return WithdrawalAnswered{c.key, Withdrawal::kNotKnown, "no such bid"};
    if (known->second.gate.closes <= now) {
      return WithdrawalAnswered{c.key, Withdrawal::kStands, "late"};
    }
    const Gate& gate = known->second.gate;
    gates_bid.erase({gate.session, gate.product, gate.from});
    spent.insert(bids.extract(known));
    return WithdrawalAnswered{c.key, Withdrawal::kDone, {}};
  }
  MarketAnswer answer(MarketTime now, const FetchAwards& c) const {
    AwardsFetched answer;
    for (const auto& key : c.keys) {
      const auto gone = spent.find(key);
      if (gone != spent.end()) answer.awards.push_back({key, gone->second.gate, Watts{0}, Price{}});
      const auto known = bids.find(key);
      if (known == bids.end() || known->second.gate.closes > now) continue;
      answer.awards.push_back(award_of(known->second));
    }
    return answer;
  }
  MarketAnswer answer(MarketTime now, const FetchCalls& c) const {
    CallsFetched answer;
    for (const auto& key : c.keys) {
      const auto known = bids.find(key);
      if (known == bids.end() || known->second.gate.closes > now) continue;
      const ReserveCall call = call_of(award_of(known->second));
      const bool called = call.power > Watts{0};
      const MarketTime told = called ? call.from - 5min : known->second.gate.until;
      if (told <= now) answer.calls.push_back(call);
    }
    return answer;
  }
  MarketAnswer answer(MarketTime now, const SubmitDelivery& c) {
    const auto known = bids.find(c.delivery.key);
    if (known == bids.end()) return CallFailed{c, "no such award"};
    const Award award = award_of(known->second);
    if (now < award.gate.until) {
      ++premature;
      return CallFailed{c, "not over"};
    }
    const bool energy = award.gate.product == Product::kEnergy;
    const Joules awarded = owed_energy(award, call_of(award));
    const Joules metered{c.delivery.delivered.count * meter_permille / 1000};
    const Amount kept = energy ? Amount{} : worth(awarded_energy(award), award.clearing);
    const Price price = energy ? award.clearing : price_at(award.gate.from);
    const auto [it, fresh] = settlements.try_emplace(
        c.delivery.key, Settlement{c.delivery.key, awarded, metered, kept + worth(awarded, price),
                                   Amount{0}, kept});
    if (!fresh && it->second.delivered != metered) ++other_delivery;
    return Settled{it->second};
  }
};

/// Delivers every order in full.
struct FakePlant {
  aggregation::DurationCurve curve =
      aggregation::DurationCurve::of_site({Watts{100'000}, to_joules({200'000})});
  std::map<std::string, OrderId> book;  ///< durable
  std::map<OrderId, OrderWanted> orders;
  bool receipts = true;
  std::map<OrderId, Joules> late;  ///< receipts of sites that were away

  OrderId add(const OrderWanted& wanted) {
    const auto [it, fresh] = book.try_emplace(wanted.key, OrderId{book.size() + 1});
    if (fresh) orders[it->second] = wanted;
    return it->second;
  }

  [[nodiscard]] PlantState state(MarketTime now) const {
    PlantState state{curve, 3, 4, {}, {}};
    // Order ids rise with time, but for those of a day that was sold the day before.
    for (const auto& [id, order] : orders | std::views::reverse | std::views::take(200)) {
      if (!receipts || now < order.from || now > order.until + 1h) continue;
      const auto end = std::clamp(now, order.from, order.until);
      state.delivered[id] = Joules{order.power.count * ((end - order.from) / 1s)};
      if (const auto more = late.find(id); more != late.end()) state.delivered[id] += more->second;
    }
    return state;
  }
};

}  // namespace vpp::bidding::test
