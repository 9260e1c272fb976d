#include "tools/market/market.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "bidding/market_json.h"
#include "config/limits.h"
#include "config/rng.h"
#include "tools/market/journal.h"
#include "tools/market/price_file.h"

namespace vpp::market {
namespace {

__extension__ typedef __int128 Wide;

constexpr std::int64_t kJoulesPerMegawattHour = 3'600'000'000;
/// From the closing for one day to the end of the next one, whose clocks may go back.
constexpr Duration kDayAheadTold = std::chrono::hours{24 + 24 + 25};

[[nodiscard]] Amount worth(Joules energy, Price price) {
  return {static_cast<std::int64_t>(static_cast<Wide>(energy.count) * price.count /
                                    kJoulesPerMegawattHour)};
}

[[nodiscard]] Joules energy_of(Watts power, Duration length) {
  return {power.count * (length.count() / 1000)};  // whole seconds: intervals are
}

[[nodiscard]] bool is_reserve(const bidding::Gate& gate) {
  return gate.product == bidding::Product::kReserveUp;
}

/// So much cheaper than energy is the reserve whose price is made up.
constexpr std::int64_t kCapacityPart = 4;

[[nodiscard]] Watts won_at(const bidding::Bid& bid, Price price) {
  Watts won{0};
  for (const auto& segment : bid.segments) {
    if (segment.price <= price) won += segment.power;
  }
  return won;
}

/// Of the next day that is still open, all.
[[nodiscard]] std::vector<bidding::Gate> of_next_day(std::vector<bidding::Gate> gates,
                                                     MarketTime now) {
  std::erase_if(gates, [&](const bidding::Gate& gate) { return gate.closes <= now; });
  const MarketTime closes = gates.empty() ? now : gates.front().closes;
  std::erase_if(gates, [&](const bidding::Gate& gate) { return gate.closes != closes; });
  return gates;
}

[[nodiscard]] bool printable(const std::string& key) {
  return std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7f' && c != ','; });
}

}  // namespace

Market::Market(MarketOptions options, PriceSource prices)
    : options_{std::move(options)},
      prices_{std::move(prices)},
      bands_{options_.day_ahead ? options_.day_ahead->zone : bidding::Zone{}} {}

void Market::advance(MarketTime now) {
  while (!open_.empty() && std::get<0>(open_.begin()->first) <= now) {
    const auto node = open_.extract(open_.begin());
    std::vector<BidEntry*> entries;
    for (const std::string& key : node.mapped()) entries.push_back(&bids_.at(key));
    clear_gate(entries.front()->bid.gate, entries);
  }
}

std::vector<bidding::Gate> Market::gates(MarketTime now) const {
  std::vector<bidding::Gate> gates;
  for (MarketTime from = aligned(now); from <= now + options_.gates_ahead;
       from += options_.interval) {
    gates.push_back({from, from + options_.interval, from - options_.gate_lead});
  }
  const auto add = [&](const std::vector<bidding::Gate>& more) {
    std::ranges::copy(more, std::back_inserter(gates));
  };
  add(of_next_day(day_ahead_gates(now, now + kDayAheadTold), now));
  if (options_.reserve && options_.reserve->rules.session == bidding::Session::kDayAhead) {
    add(of_next_day(reserve_gates(now, now + kDayAheadTold), now));
  } else {
    add(reserve_gates(now, now + options_.gates_ahead));
  }
  std::erase_if(gates,
                [&](const bidding::Gate& gate) { return gate.closes <= now || !price_of(gate); });
  return gates;
}

std::vector<bidding::PricePoint> Market::prices(MarketTime now, MarketTime from, MarketTime until,
                                                bidding::Session session,
                                                bidding::Product product) const {
  // Nobody asks for more than a year; a hostile question must not walk the epoch.
  from = std::max(from, now - std::chrono::days{366});
  std::vector<bidding::PricePoint> points;
  const bool energy = product == bidding::Product::kEnergy;
  if (session == bidding::Session::kDayAhead || !energy) {
    const MarketTime end = std::min(until, now + kDayAheadTold);
    for (const bidding::Gate& gate :
         energy ? day_ahead_gates(from, end) : reserve_gates(from, end)) {
      const bool told = gate.session == session && gate.product == product && gate.closes <= now;
      const auto price = told ? price_of(gate) : std::nullopt;
      if (price) points.push_back({gate.from, gate.until, *price, session, product});
      if (std::ssize(points) == kPricesPerAnswer) break;
    }
    return points;
  }
  for (MarketTime at = aligned(from);
       at < until && at <= now && std::ssize(points) < kPricesPerAnswer; at += options_.interval) {
    const auto price = price_of({at, at + options_.interval, at - options_.gate_lead});
    if (price) points.push_back({at, at + options_.interval, *price});
  }
  return points;
}

std::optional<Price> Market::price_of(const bidding::Gate& gate) const {
  if (is_reserve(gate)) {
    if (!options_.reserve) return std::nullopt;
    const Reserve& reserve = *options_.reserve;
    if (reserve.prices) return bidding::mean_price(*reserve.prices, gate.from, gate.until);
    return Price{std::max<std::int64_t>(
        0, synthetic_price(reserve.seed + 2, gate.from).count / kCapacityPart)};
  }
  const bool day_ahead = gate.session == bidding::Session::kDayAhead;
  if (day_ahead && options_.day_ahead && options_.day_ahead->prices) {
    return bidding::mean_price(*options_.day_ahead->prices, gate.from, gate.until);
  }
  if (const auto* synthetic = std::get_if<SyntheticPrices>(&prices_)) {
    // The day before nobody knows the noise that the day will have.
    return synthetic_price(synthetic->seed + (day_ahead ? 1 : 0), gate.from);
  }
  return bidding::mean_price(std::get<bidding::PriceSeries>(prices_), gate.from, gate.until);
}

BidResult Market::submit(MarketTime now, const bidding::Bid& bid) {
  advance(now);
  BidResult result = judge(now, bid);
  switch (result.outcome) {
    case Outcome::kAccepted: {
      auto& keys = open_[open_gate(bid.gate)];
      if (!keys.empty()) ++counters_.bids_second;
      keys.push_back(bid.key);
      bids_.emplace(bid.key, BidEntry{bid, now, 0, std::nullopt, std::nullopt, std::nullopt});
      break;
    }
    case Outcome::kRepeated:
      ++bids_.at(bid.key).repeats;
      break;
    case Outcome::kConflict:
    case Outcome::kLate:
    case Outcome::kInvalid:
      break;
  }
  count(result.outcome);
  lines_.push_back(journal::bid_line(now, bid, result.outcome));
  return result;
}

Outcome Market::withdraw(MarketTime now, const std::string& key) {
  advance(now);
  const auto it = bids_.find(key);
  if (it == bids_.end()) return Outcome::kInvalid;
  BidEntry& entry = it->second;
  if (entry.award) {
    return entry.award->clearing == Price{} && entry.award->power == Watts{0} ? Outcome::kRepeated
                                                                              : Outcome::kLate;
  }
  if (entry.bid.gate.closes <= now) return Outcome::kLate;
  const auto open = open_.find(open_gate(entry.bid.gate));
  if (open != open_.end()) std::erase(open->second, key);
  entry.award = bidding::Award{key, entry.bid.gate, Watts{0}, Price{}};
  lines_.push_back(journal::award_line(now, *entry.award));
  return Outcome::kAccepted;
}

std::vector<bidding::Award> Market::awards(MarketTime now, const std::vector<std::string>& keys) {
  advance(now);
  std::vector<bidding::Award> awards;
  for (const std::string& key : keys) {
    const auto it = bids_.find(key);
    if (it != bids_.end() && it->second.award) awards.push_back(*it->second.award);
  }
  return awards;
}

std::vector<bidding::ReserveCall> Market::calls(MarketTime now,
                                                const std::vector<std::string>& keys) {
  advance(now);
  std::vector<bidding::ReserveCall> told;
  for (const std::string& key : keys) {
    const auto it = bids_.find(key);
    if (it == bids_.end() || !it->second.call || !options_.reserve) continue;
    const bidding::ReserveCall& call = *it->second.call;
    const bool called = call.power > Watts{0};
    if (now >= (called ? call.from - options_.reserve->notice : it->second.award->gate.until)) {
      told.push_back(call);
    }
  }
  return told;
}

DeliveryResult Market::deliver(MarketTime now, const bidding::Delivery& delivery) {
  advance(now);
  DeliveryResult result = judge(now, delivery);
  if (result.outcome == Outcome::kAccepted) {
    BidEntry& entry = bids_.at(delivery.key);
    entry.settlement = settle(entry, delivery.delivered);
    result.settlement = entry.settlement;
    lines_.push_back(journal::settlement_line(now, *entry.settlement));
  }
  if (result.outcome == Outcome::kRepeated) ++counters_.deliveries_repeated;
  if (result.outcome == Outcome::kConflict) ++counters_.deliveries_conflicting;
  if (result.outcome == Outcome::kInvalid) ++counters_.deliveries_invalid;
  lines_.push_back(journal::delivery_line(now, delivery, result.outcome));
  return result;
}

BandsResult Market::tell_bands(MarketTime now, MarketTime begin,
                               const bidding::BandPrices& prices) {
  BandsResult result = bands_.tell(now, begin, prices);
  if (result.outcome == Outcome::kAccepted) {
    lines_.push_back(journal::bands_line(now, begin, prices));
  }
  return result;
}

bool Market::restore(const std::string& line) {
  const auto event = journal::read(line);
  if (!event) return false;
  if (const auto* bands = std::get_if<journal::BandsEvent>(&*event)) {
    bands_.restore(bands->begin, bands->prices);
  }
  if (const auto* bid = std::get_if<journal::BidEvent>(&*event)) {
    if (bid->outcome == Outcome::kAccepted) {
      auto& keys = open_[open_gate(bid->bid.gate)];
      if (!keys.empty()) ++counters_.bids_second;
      keys.push_back(bid->bid.key);
      bids_.emplace(bid->bid.key,
                    BidEntry{bid->bid, bid->at, 0, std::nullopt, std::nullopt, std::nullopt});
    }
    count(bid->outcome);
  } else if (const auto* award = std::get_if<bidding::Award>(&*event)) {
    const auto it = bids_.find(award->key);
    if (it == bids_.end()) return false;
    it->second.award = *award;
    if (is_reserve(award->gate)) it->second.call = call_of(*award);
    open_.erase(open_gate(award->gate));
  } else if (const auto* call = std::get_if<bidding::ReserveCall>(&*event)) {
    const auto it = bids_.find(call->key);
    if (it == bids_.end()) return false;
    it->second.call = *call;
  } else if (const auto* settlement = std::get_if<bidding::Settlement>(&*event)) {
    const auto it = bids_.find(settlement->key);
    if (it == bids_.end()) return false;
    it->second.settlement = *settlement;
  }
  return true;
}

std::vector<std::string> Market::take_lines() {
  return std::exchange(lines_, {});
}

bool Market::synthetic() const {
  return std::holds_alternative<SyntheticPrices>(prices_);
}

std::vector<bidding::Gate> Market::day_ahead_gates(MarketTime from, MarketTime until) const {
  if (!options_.day_ahead || !bidding::is_sane(from)) return {};
  return bidding::gates_between(options_.day_ahead->zone, options_.day_ahead->rules, from, until);
}

std::vector<bidding::Gate> Market::reserve_gates(MarketTime from, MarketTime until) const {
  if (!options_.reserve || !bidding::is_sane(from)) return {};
  auto gates = bidding::gates_between(options_.reserve->zone, options_.reserve->rules, from, until);
  for (bidding::Gate& gate : gates) gate.product = bidding::Product::kReserveUp;
  return gates;
}

std::optional<bidding::Gate> Market::gate_like(const bidding::Gate& gate) const {
  const MarketTime from = gate.from;
  if (!bidding::is_sane(from)) return std::nullopt;
  if (is_reserve(gate) || gate.session == bidding::Session::kDayAhead) {
    const auto gates = is_reserve(gate) ? reserve_gates(from, from + Duration{1})
                                        : day_ahead_gates(from, from + Duration{1});
    return gates.empty() ? std::nullopt : std::optional{gates.front()};
  }
  if (aligned(from) != from) return std::nullopt;
  return bidding::Gate{from, from + options_.interval, from - options_.gate_lead};
}

MarketTime Market::aligned(MarketTime at) const {
  const auto since = at.time_since_epoch();
  return MarketTime{since - (since % options_.interval)};
}

/// Empty: the bid can be taken, apart from its gate being closed.
std::string Market::fault_of(const bidding::Bid& bid) const {
  if (bid.key.empty() || bid.key.size() > kKeyBytesMax || !printable(bid.key)) {
    return "a key is 1 to 64 printable characters without space and comma";
  }
  if (bid.gate != gate_like(bid.gate)) return "there is no such gate";
  if (!price_of(bid.gate)) return "this market has no price for that gate";
  if (bid.segments.empty() || bid.segments.size() > kSegmentsMax) return "1 to 10 segments";
  Watts total{0};
  Price before = -bidding::kPriceMax;
  for (const auto& segment : bid.segments) {
    if (segment.power <= Watts{0} || segment.power > limits::kGroupPowerMax) {
      return "the power of a segment is more than 0 W and at most 10 GW";
    }
    if (segment.price < before || segment.price > bidding::kPriceMax) {
      return "prices do not fall from segment to segment, within +-100000 per MWh";
    }
    total += segment.power;
    before = segment.price;
  }
  return total > limits::kGroupPowerMax ? "more than 10 GW in total" : "";
}

BidResult Market::judge(MarketTime now, const bidding::Bid& bid) {
  const auto known = bids_.find(bid.key);
  if (known != bids_.end()) {
    if (known->second.bid == bid) return {Outcome::kRepeated, {}, std::nullopt};
    return {Outcome::kConflict, "another bid under this key stands", known->second.bid};
  }
  if (std::string fault = fault_of(bid); !fault.empty()) {
    return {Outcome::kInvalid, std::move(fault), std::nullopt};
  }
  if (bid.gate.closes <= now) return {Outcome::kLate, "the gate is closed", std::nullopt};
  const bool day_ahead = bid.gate.session == bidding::Session::kDayAhead;
  if (bid.gate.from > now + (day_ahead ? kDayAheadTold : options_.gates_ahead)) {
    return {Outcome::kInvalid, "the gate is not open yet", std::nullopt};
  }
  if (bids_.size() >= kBidsMax) return {Outcome::kInvalid, "too many bids", std::nullopt};
  return {Outcome::kAccepted, {}, std::nullopt};
}

DeliveryResult Market::judge(MarketTime now, const bidding::Delivery& delivery) {
  const auto it = bids_.find(delivery.key);
  if (it == bids_.end() || !it->second.award) return {Outcome::kInvalid, "no such award", {}};
  const BidEntry& entry = it->second;
  if (entry.award->power == Watts{0}) return {Outcome::kInvalid, "that bid lost", {}};
  if (delivery.gate != entry.award->gate) return {Outcome::kInvalid, "not the award's gate", {}};
  if (now < entry.award->gate.until) return {Outcome::kInvalid, "the delivery is not over", {}};
  if (!entry.settlement) return {Outcome::kAccepted, {}, {}};
  const bool same = entry.settlement->delivered == delivery.delivered;
  return {same ? Outcome::kRepeated : Outcome::kConflict,
          same ? "" : "settled before with another amount", entry.settlement};
}

void Market::clear_gate(const bidding::Gate& gate, const std::vector<BidEntry*>& entries) {
  const Price price = price_of(gate).value_or(Price{0});
  const bool reserve = is_reserve(gate) && options_.reserve.has_value();
  const std::vector<Offer>& rivals = reserve ? options_.reserve->rivals : options_.rivals;
  std::vector<Offer> offers = rivals;
  for (const BidEntry* entry : entries) {
    for (const auto& segment : entry->bid.segments)
      offers.push_back({segment.power, segment.price});
  }
  const Clearing clearing =
      rivals.empty() ? Clearing{}
                     : clear_by_merit(offers, reserve ? options_.reserve->demand : options_.demand);
  std::size_t offer = rivals.size();
  for (BidEntry* entry : entries) {
    bidding::Award award{entry->bid.key, gate, won_at(entry->bid, price), price};
    if (!rivals.empty()) {
      award.clearing = clearing.price.value_or(price);
      award.power = Watts{0};
      for (std::size_t i = 0; i < entry->bid.segments.size(); ++i) {
        award.power += clearing.accepted[offer++];
      }
    }
    entry->award = award;
    lines_.push_back(journal::award_line(gate.closes, award));
    if (!reserve || award.power == Watts{0}) continue;
    entry->call = call_of(award);
    lines_.push_back(journal::call_line(gate.closes, *entry->call));
  }
}

/// One stretch of half the block, or of more if more is called than that; as often as it takes.
bidding::ReserveCall Market::call_of(const bidding::Award& award) const {
  const bidding::Gate& gate = award.gate;
  const bidding::ReserveCall none{award.key, Watts{0}, gate.from, gate.from};
  if (!options_.reserve || award.power == Watts{0}) return none;
  constexpr Duration kMinute = std::chrono::minutes{1};
  const std::int64_t permille = options_.reserve->called_permille;
  const std::int64_t part = std::max<std::int64_t>(permille, 500);
  const std::int64_t minutes = (gate.until - gate.from) / kMinute;
  const std::int64_t called = std::clamp<std::int64_t>(minutes * part / 1000, 1, minutes);
  Rng rng{options_.reserve->seed ^
          static_cast<std::uint64_t>(gate.from.time_since_epoch().count())};
  const bool comes =
      static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(part))) < permille;
  const auto later = static_cast<std::uint64_t>(minutes - called + 1);
  const MarketTime from = gate.from + kMinute * static_cast<std::int64_t>(rng.below(later));
  if (!comes) return none;
  return {award.key, award.power, from, from + kMinute * called};
}

bidding::Settlement Market::settle(const BidEntry& entry, Joules delivered) const {
  const bidding::Award& award = *entry.award;
  const Joules counted = std::max(delivered, Joules{0});
  const Joules kept = energy_of(award.power, award.gate.until - award.gate.from);
  const Amount pay = worth(kept, award.clearing);
  if (!is_reserve(award.gate)) {
    return {award.key, kept, delivered, pay, penalty_of(kept - counted, award.clearing), {}};
  }
  const auto call = entry.call.value_or(call_of(award));
  const Joules called = energy_of(call.power, call.until - call.from);
  const MarketTime from = aligned(call.from);
  const Price price = price_of({from, from + options_.interval, {}}).value_or(Price{0});
  return {award.key,
          called,
          delivered,
          pay + worth(called, price),
          penalty_of(called - counted, std::max(price, award.clearing)),
          pay};
}

Amount Market::penalty_of(Joules shortfall, Price price) const {
  // A negative price rewards nobody.
  const Amount charge = worth(std::max(Joules{0}, shortfall), std::max(price, Price{0}));
  return {static_cast<std::int64_t>(static_cast<Wide>(charge.count) * options_.penalty_permille /
                                    1000)};
}

void Market::count(Outcome outcome) {
  if (outcome == Outcome::kRepeated) ++counters_.bids_repeated;
  if (outcome == Outcome::kConflict) ++counters_.bids_conflicting;
  if (outcome == Outcome::kLate) ++counters_.bids_late;
  if (outcome == Outcome::kInvalid) ++counters_.bids_invalid;
}

}  // namespace vpp::market
