#include "bidding/arbitrage.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"
#include "device/home_plan.h"

namespace vpp::bidding {
namespace {

constexpr double kWattHoursPerMwh = 1e6;
constexpr double kSecondsPerHour = 3600;

/// A home of nothing but a battery.
device::Home home_of(const Battery& battery, std::chrono::seconds slot,
                     std::span<const Price> prices, Joules stored, Price left_value) {
  device::Home home;
  home.limits.reserve_permille = 0;
  home.limits.full_permille = 1000;
  home.limits.discharge_max = home.limits.charge_max = battery.power;
  home.limits.export_max = home.limits.import_max = battery.power;
  home.limits.charge_efficiency_permille = battery.round_trip_permille;
  home.limits.discharge_efficiency_permille = 1000;
  home.capacity = to_joules(battery.energy);
  home.stored = stored;
  home.stored_value = left_value;
  home.slot = slot;
  home.slots.reserve(prices.size());
  for (const Price price : prices) {
    home.slots.push_back({.net_load = {}, .buy = price, .sell = price - battery.wear});
  }
  return home;
}

Amount amount_of(Watts power, std::chrono::seconds slot, Price price) {
  const double hours = static_cast<double>(slot.count()) / kSecondsPerHour;
  return {std::llround(static_cast<double>(power.count) * hours * static_cast<double>(price.count) /
                       kWattHoursPerMwh)};
}

/// What a plan of a battery says for its first `count` slots, and what is stored after them.
struct Course {
  std::vector<Watts> power;
  Joules stored;
};

Course course_of(const Battery& battery, std::chrono::seconds slot, std::span<const Price> prices,
                 Joules stored, Price left_value, std::size_t count) {
  const device::HomePlan plan =
      device::plan_home(home_of(battery, slot, prices, stored, left_value));
  Course out{{}, count > 0 ? plan.stored[count - 1] : stored};
  for (std::size_t t = 0; t < count; ++t) out.power.push_back(-plan.net_load[t]);
  return out;
}

}  // namespace

std::vector<Watts> plan_battery(const Battery& battery, std::chrono::seconds slot,
                                std::span<const Price> prices, Joules stored, Price left_value) {
  return course_of(battery, slot, prices, stored, left_value, prices.size()).power;
}

Joules stored_after(const Battery& battery, std::chrono::seconds slot, Joules stored, Watts power) {
  const std::int64_t out = power.count * slot.count();
  const std::int64_t taken = out > 0 ? out : out * battery.round_trip_permille / 1000;
  return std::clamp(stored - Joules{taken}, Joules{0}, to_joules(battery.energy));
}

double Earnings::cycles(const Battery& battery) const {
  return static_cast<double>(discharged.count) /
         static_cast<double>(to_joules(battery.energy).count);
}

Amount Earnings::after_wear(const Battery& battery) const {
  const double mwh = static_cast<double>(discharged.count) / kSecondsPerHour / kWattHoursPerMwh;
  return revenue - Amount{std::llround(mwh * static_cast<double>(battery.wear.count))};
}

Earnings& Earnings::operator+=(const Earnings& other) {
  revenue += other.revenue;
  discharged += other.discharged;
  slots += other.slots;
  return *this;
}

Earnings earned(std::chrono::seconds slot, std::span<const Watts> power,
                std::span<const Price> real) {
  VPP_CHECK(power.size() == real.size());
  Earnings out;
  for (std::size_t t = 0; t < real.size(); ++t) {
    out.revenue += amount_of(power[t], slot, real[t]);
    out.discharged += Joules{std::max(power[t], Watts{0}).count * slot.count()};
  }
  out.slots = real.size();
  return out;
}

Earnings day_ahead(const Battery& battery, std::chrono::seconds slot,
                   std::span<const Price> forecast, std::span<const Price> real) {
  return earned(slot, plan_battery(battery, slot, forecast, Joules{0}, Price{0}), real);
}

Earnings perfect_foresight(const Battery& battery, std::chrono::seconds slot,
                           std::span<const Price> real) {
  const auto day = static_cast<std::size_t>(std::chrono::days{1} / slot);
  Joules stored{0};
  std::vector<Watts> power;
  while (power.size() < real.size()) {
    const auto rest = real.subspan(power.size());
    const auto seen = rest.first(std::min(rest.size(), 8 * day));
    const std::size_t kept = seen.size() == rest.size() ? seen.size() : 7 * day;
    const Course course = course_of(battery, slot, seen, stored, Price{0}, kept);
    power.insert(power.end(), course.power.begin(), course.power.end());
    stored = course.stored;
  }
  return earned(slot, power, real);
}

}  // namespace vpp::bidding
