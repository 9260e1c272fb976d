#include "bidding/decide.h"

#include <utility>

#include "bidding/price_curve.h"
#include "config/check.h"

namespace vpp::bidding {
namespace {

/// The gate's own slot first, then as many of its length as fit into the horizon and are forecast.
[[nodiscard]] std::vector<PricePoint> forecast_slots(const DecideInput& input) {
  const auto length = input.gate.until - input.gate.from;
  std::vector<PricePoint> slots;
  for (MarketTime from = input.gate.from;
       from + length <= input.gate.from + input.horizon || from == input.gate.from;
       from += length) {
    const auto price = forecast(*input.prices, from, from + length);
    if (price) slots.push_back({from, from + length, *price});
  }
  return slots;
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

std::string bid_key(const Gate& gate) {
  return "bid-" + std::to_string(gate.from.time_since_epoch().count());
}

std::optional<BidDecided> decide(const DecideInput& input, const FirmCurve& curve) {
  VPP_CHECK(input.prices != nullptr && input.gate.from < input.gate.until);
  std::vector<PricePoint> slots = forecast_slots(input);
  if (slots.empty() || slots.front().from != input.gate.from) return std::nullopt;
  Profile committed{input.now};
  for (const Commitment& commitment : input.committed) committed.add(commitment);
  Bid bid{bid_key(input.gate), input.gate, segments(input, slots, committed, curve)};
  if (bid.segments.empty()) return std::nullopt;
  return BidDecided{std::move(bid), std::move(slots), curve.points(), input.now};
}

}  // namespace vpp::bidding
