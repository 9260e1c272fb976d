#include "daemon/node/value_books.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "config/limits.h"

namespace vpp::node {
namespace {

/// Micro-units for so many watts over a time: a product of the three is far beyond 64 bits.
Amount worth(Price price, Watts power, Duration length) {
  constexpr double kWattMsPerMwh = 3.6e12;
  return {std::llround(static_cast<double>(price.count) * static_cast<double>(power.count) *
                       static_cast<double>(length.count()) / kWattMsPerMwh)};
}

Amount worth(Price price, Joules energy) {
  constexpr double kJoulesPerMwh = 3.6e9;
  return {std::llround(static_cast<double>(price.count) * static_cast<double>(energy.count) /
                       kJoulesPerMwh)};
}

void add(Amount& to, Amount more) {
  to = std::clamp(to + more, -limits::kAmountMax, limits::kAmountMax);
}

}  // namespace

void ValueBooks::begin(const device::Home& home) {
  device::Home alone = home;
  alone.stored = std::min(shadow_.value_or(home.stored), home.capacity);
  const device::HomePlan plan = device::plan_home(alone);
  slot_ = Slot{.from = home.from,
               .length = home.slot,
               .prices = home.slots.front(),
               .stored_value = home.stored_value,
               .stored = home.stored,
               .alone_before = alone.stored,
               .alone_after = plan.stored.front(),
               .alone_charges = plan.net_load.front() - home.slots.front().net_load};
  disturbed_ = false;
}

void ValueBooks::watch(MarketTime at, Watts load, Watts drawn, Duration vouched) {
  const auto before = std::exchange(last_, Last{at, load, drawn});
  if (!slot_ || !before || at <= before->at || at - before->at > vouched) return;
  const MarketTime from = std::max(before->at, slot_->from);
  const Duration piece = std::min(at, slot_->from + slot_->length) - from;
  if (piece <= Duration{0}) return;
  slot_->watched += piece;
  slot_->load_watt_ms += (before->load.count + load.count) / 2 * piece.count();
  slot_->drawn_watt_ms += (before->drawn.count + drawn.count) / 2 * piece.count();
}

bool ValueBooks::end(Joules stored, Price value) {
  if (!slot_) return false;
  const Slot slot = *std::exchange(slot_, std::nullopt);
  shadow_.reset();
  if (disturbed_ || slot.watched < slot.length * 9 / 10) return false;
  const auto mean = [&](std::int64_t watt_ms) { return Watts{watt_ms / slot.watched.count()}; };
  const auto bill = [&](Watts drawn, Joules gained) {
    const Price price = drawn > Watts{0} ? slot.prices.buy : slot.prices.sell;
    return worth(price, drawn, slot.length) - worth(slot.stored_value, gained);
  };
  const Watts drawn = mean(slot.drawn_watt_ms);
  const Watts alone = mean(slot.load_watt_ms) + slot.alone_charges;
  add(account_.alone, bill(alone, slot.alone_after - slot.alone_before));
  add(account_.bill, bill(drawn, stored - slot.stored));
  add(account_.by_value, worth(value, alone - drawn, slot.length));
  ++account_.slots;
  shadow_ = slot.alone_after;
  return true;
}

}  // namespace vpp::node
