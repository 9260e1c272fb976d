#include "bidding/decide.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "aggregation/duration_curve.h"
#include "bidding/price_curve.h"
#include "config/check.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] std::optional<Price> foreseen_price(const DecideInput& input, MarketTime from,
                                                  MarketTime until) {
  if (input.foreseen == nullptr) return std::nullopt;
  return price_of_hours(input.foreseen->from, input.foreseen->hours, from, until);
}

/// The gate's own slot first, then as many of its length as fit into the horizon and are forecast.
[[nodiscard]] std::vector<PricePoint> forecast_slots(const DecideInput& input) {
  const auto length = input.gate.until - input.gate.from;
  std::vector<PricePoint> slots;
  for (MarketTime from = input.gate.from;
       from + length <= input.gate.from + input.horizon || from == input.gate.from;
       from += length) {
    const auto price = expected_price(input, from, from + length);
    if (price) slots.push_back({from, from + length, *price});
  }
  return slots;
}

/// With what else a worker foresees of them.
[[nodiscard]] std::vector<AdviceSlot> outlook_of(const DecideInput& input,
                                                 const std::vector<PricePoint>& slots) {
  std::vector<AdviceSlot> out;
  for (const PricePoint& slot : slots) {
    out.push_back({slot.from, slot.until, slot.price, {}});
    if (input.foreseen == nullptr) continue;
    const ForecastHour* hour =
        hour_of(input.foreseen->from, input.foreseen->hours, slot.from, slot.until);
    if (hour != nullptr) out.back().quantiles = hour->quantiles;
  }
  return out;
}

/// Null: there is none, or it rests on what is not expected any more.
[[nodiscard]] const BidAdvised* advice_for(const DecideInput& input,
                                           const std::vector<PricePoint>& slots) {
  const BidAdvised* advised = input.advised;
  if (input.optimiser.empty() || advised == nullptr || advised->gate != input.gate) return nullptr;
  const auto& wanted = advised->segments;
  if (!wanted.empty() && wanted.front().price < input.price_min) return nullptr;
  return advised->outlook == outlook_name(input.price_min, outlook_of(input, slots)) ? advised
                                                                                     : nullptr;
}

/// As much of it as fits, the cheapest first.
[[nodiscard]] std::vector<BidSegment> within(const std::vector<BidSegment>& wanted, Watts most) {
  std::vector<BidSegment> out;
  for (const BidSegment& segment : wanted) {
    const Watts power = std::min(segment.power, most);
    if (power <= Watts{0}) break;
    out.push_back({power, segment.price});
    most -= power;
  }
  return out;
}

[[nodiscard]] Profile promises_of(const DecideInput& input) {
  Profile committed{input.now};
  for (const Commitment& commitment : input.committed) committed.add(commitment);
  return committed;
}

std::vector<BidSegment> segments(const DecideInput& input, const std::vector<PricePoint>& slots,
                                 const Profile& committed, const FirmCurve& curve) {
  const Gate& gate = input.gate;
  const bool closes_late = gate.from - gate.closes <= gate.until - gate.from;
  if (input.strategy == BidStrategy::kCurve && closes_late) {
    return price_curve(slots, input.price_min, committed, curve);
  }
  const Watts power = allocate(slots, input.price_min, committed, curve).front();
  if (power <= Watts{0}) return {};
  return {{power, input.price_min}};
}

}  // namespace

std::optional<Price> expected_price(const DecideInput& input, MarketTime from, MarketTime until) {
  const auto foreseen = foreseen_price(input, from, until);
  return foreseen ? foreseen : forecast(*input.prices, from, until);
}

bool is_foreseen(const DecideInput& input, MarketTime from, MarketTime until) {
  return foreseen_price(input, from, until).has_value();
}

std::string bid_key(const Gate& gate) {
  std::string key = "bid-";
  if (gate.session == Session::kDayAhead) key += "da-";
  if (gate.product == Product::kReserveUp) key += "up-";
  if (gate.product == Product::kReserveDown) key += "down-";
  return key + std::to_string(gate.from.time_since_epoch().count());
}

std::optional<AdviceAsk> advice_ask(const DecideInput& input, const FirmCurve& curve,
                                    const BidLimits& limits) {
  const Gate& gate = input.gate;
  const std::vector<PricePoint> slots = forecast_slots(input);
  if (slots.empty() || slots.front().from != gate.from) return std::nullopt;
  AdviceAsk ask{.model = input.optimiser,
                .gate = gate,
                .price_min = input.price_min,
                .slots = outlook_of(input, slots),
                .firm = {},
                .committed = {},
                .most = promises_of(input).largest_addition(gate.from, gate.until, curve),
                .limits = limits};
  if (ask.most <= Watts{0}) return std::nullopt;
  for (const auto duration : aggregation::kGrid) ask.firm.push_back(curve.at(duration));
  std::ranges::copy_if(
      input.committed, std::back_inserter(ask.committed),
      [&](const Commitment& each) { return each.power > Watts{0} && each.until > input.now; });
  return ask;
}

std::expected<BidDecided, std::string_view> decide(const DecideInput& input,
                                                   const FirmCurve& curve) {
  VPP_CHECK(input.prices != nullptr && input.gate.from < input.gate.until);
  const Gate& gate = input.gate;
  std::vector<PricePoint> slots = forecast_slots(input);
  if (slots.empty() || slots.front().from != gate.from) return std::unexpected{no_bid::kNoForecast};
  const Profile committed = promises_of(input);
  const Watts most = committed.largest_addition(gate.from, gate.until, curve);
  if (most <= Watts{0}) return std::unexpected{no_bid::kNothingFree};
  const BidAdvised* advice = advice_for(input, slots);
  auto offered =
      advice != nullptr ? within(advice->segments, most) : segments(input, slots, committed, curve);
  if (offered.empty()) {
    if (advice != nullptr) return std::unexpected{no_bid::kAdvisedAgainst};
    const bool cheap = slots.front().price <= input.price_min;
    return std::unexpected{cheap ? no_bid::kTooCheap : no_bid::kOtherTimes};
  }
  const bool foreseen = is_foreseen(input, gate.from, gate.until);
  const auto firm = curve.firm().points();
  return BidDecided{.bid = {bid_key(gate), gate, std::move(offered)},
                    .forecast = std::move(slots),
                    .firm_curve = {firm.begin(), firm.end()},
                    .firm_permille = curve.permille(),
                    .committed = input.committed,
                    .price_min = input.price_min,
                    .horizon = input.horizon,
                    .strategy = input.strategy,
                    .model = foreseen ? input.foreseen->model : kNaiveModel,
                    .foreseen = foreseen ? input.foreseen->task : TaskId{},
                    .optimiser = input.optimiser,
                    .advised = advice != nullptr ? advice->task : TaskId{}};
}

}  // namespace vpp::bidding
