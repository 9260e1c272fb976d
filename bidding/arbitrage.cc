#include "bidding/arbitrage.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "config/check.h"
#include "device/home_plan.h"

namespace vpp::bidding {
namespace {

constexpr double kWattHoursPerMwh = 1e6;
constexpr double kSecondsPerHour = 3600;
constexpr std::int64_t kPermille = 1000;

/// A home of nothing but a battery.
device::Home home_of(const Battery& battery, std::chrono::seconds slot,
                     std::span<const Price> prices, Joules stored, Price left_value) {
  device::Home home;
  home.limits.reserve_permille = 0;
  home.limits.full_permille = kPermille;
  home.limits.discharge_max = home.limits.charge_max = battery.power;
  home.limits.export_max = home.limits.import_max = battery.power;
  home.limits.charge_efficiency_permille = battery.round_trip_permille;
  home.limits.discharge_efficiency_permille = kPermille;
  home.capacity = to_joules(battery.energy);
  home.stored = stored;
  home.stored_value = left_value;
  home.wear = battery.wear;
  home.slot = slot;
  home.slots.reserve(prices.size());
  for (const Price price : prices) {
    home.slots.push_back({.net_load = {}, .buy = price, .sell = price});
  }
  return home;
}

Amount amount_of(Watts power, std::chrono::seconds slot, Price price) {
  const double hours = static_cast<double>(slot.count()) / kSecondsPerHour;
  return {std::llround(static_cast<double>(power.count) * hours * static_cast<double>(price.count) /
                       kWattHoursPerMwh)};
}

}  // namespace

BatteryCourse battery_course(const Battery& battery, std::chrono::seconds slot,
                             std::span<const Price> prices, Joules stored, Price left_value) {
  device::HomePlan plan = device::plan_home(home_of(battery, slot, prices, stored, left_value));
  BatteryCourse out{{}, std::move(plan.stored)};
  for (const Watts drawn : plan.net_load) out.power.push_back(-drawn);
  return out;
}

std::vector<Watts> plan_battery(const Battery& battery, std::chrono::seconds slot,
                                std::span<const Price> prices, Joules stored, Price left_value) {
  return battery_course(battery, slot, prices, stored, left_value).power;
}

Joules stored_after(const Battery& battery, std::chrono::seconds slot, Joules stored, Watts power) {
  const std::int64_t out = power.count * slot.count();
  const std::int64_t taken = out > 0 ? out : out * battery.round_trip_permille / kPermille;
  return std::clamp(stored - Joules{taken}, Joules{0}, to_joules(battery.energy));
}

std::vector<Joules> discharged_in(const Battery& battery, std::chrono::seconds slot, Joules stored,
                                  const BatteryCourse& course) {
  VPP_CHECK(course.power.size() == course.stored.size());
  const std::int64_t lost = kPermille - battery.round_trip_permille;  // of what is charged
  std::vector<Joules> out;
  for (std::size_t t = 0; t < course.power.size(); ++t) {
    const Joules drawn{-course.power[t].count * slot.count()};
    const Joules kept{drawn.count > 0 ? drawn.count * battery.round_trip_permille / kPermille
                                      : drawn.count};
    // What is missing went in and out again; less than a watt is rounding, where it filled up.
    const Joules missing = kept - (course.stored[t] - stored);
    const bool wastes = lost > 0 && missing.count >= slot.count();
    const Joules again{wastes ? missing.count * kPermille / lost : 0};
    out.push_back(std::max(Joules{0}, -drawn) + again);
    stored = course.stored[t];
  }
  return out;
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
    const BatteryCourse course = battery_course(battery, slot, seen, stored, Price{0});
    const auto end = static_cast<std::ptrdiff_t>(kept);
    power.insert(power.end(), course.power.begin(), course.power.begin() + end);
    stored = course.stored[kept - 1];
  }
  return earned(slot, power, real);
}

}  // namespace vpp::bidding
