#include "tests/device/home_program.h"

#include <algorithm>
#include <coin/ClpSimplex.hpp>
#include <coin/CoinPackedMatrix.hpp>
#include <cstddef>

#include "config/check.h"

namespace vpp::device::testing {
namespace {

/// Kilowatts and kilowatt-hours, prices per kWh in thousands of micro-units.
class Program {
 public:
  int add_column(double low, double high, double cost) {
    low_.push_back(low);
    high_.push_back(high);
    cost_.push_back(cost);
    return static_cast<int>(cost_.size()) - 1;
  }
  int add_row(double low, double high) {
    row_low_.push_back(low);
    row_high_.push_back(high);
    return static_cast<int>(row_low_.size()) - 1;
  }
  void set(int row, int column, double value) {
    rows_.push_back(row);
    columns_.push_back(column);
    values_.push_back(value);
  }
  [[nodiscard]] double minimum() const {
    const CoinPackedMatrix matrix{true, rows_.data(), columns_.data(), values_.data(),
                                  static_cast<int>(values_.size())};
    ClpSimplex lp;
    lp.setLogLevel(0);
    lp.loadProblem(matrix, low_.data(), high_.data(), cost_.data(), row_low_.data(),
                   row_high_.data());
    lp.dual();
    VPP_CHECK(lp.isProvenOptimal());
    return lp.objectiveValue();
  }

 private:
  std::vector<double> low_, high_, cost_, row_low_, row_high_, values_;
  std::vector<int> rows_, columns_;
};

const double kInfinite = COIN_DBL_MAX;

double kilo(std::int64_t count) {
  return static_cast<double>(count) / 1000;
}
double kwh(double joules) {
  return joules / 3.6e6;
}

struct Limits {
  Watts discharge;
  Watts charge;
};
Limits limits_in(const Home& home, const HomeSlot& slot) {
  const auto& limits = home.limits;
  return {
      std::clamp(slot.net_load + limits.export_max, Watts{0}, limits.discharge_max),
      std::clamp(limits.import_max - slot.net_load, Watts{0}, limits.charge_max),
  };
}

struct Bounds {
  double low_j;
  double high_j;
};
Bounds bounds_of(const Home& home) {
  const auto capacity = static_cast<double>(home.capacity.count);
  const auto stored = static_cast<double>(home.stored.count);
  return {std::min(capacity * home.limits.reserve_permille / 1000, stored),
          std::max(capacity * home.limits.full_permille / 1000, stored)};
}

double hours_of(const Home& home) {
  return static_cast<double>(home.slot.count()) / 3600;
}

/// Adds one home; its grid power in slot t enters the row `sums[t]`.
void add_home(Program& program, const Home& home, std::span<const int> sums) {
  const double hours = hours_of(home);
  const Bounds bounds = bounds_of(home);
  int before = -1;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    const HomeSlot& slot = home.slots[t];
    const Limits limits = limits_in(home, slot);
    const bool last = t + 1 == home.slots.size();
    const int drawn = program.add_column(0, kInfinite, kilo(slot.buy.count) * hours);
    const int fed =
        program.add_column(0, kInfinite, -kilo(std::min(slot.sell, slot.buy).count) * hours);
    const int charge = program.add_column(0, kilo(limits.charge.count), 0);
    const int discharge =
        program.add_column(0, kilo(limits.discharge.count), kilo(home.wear.count) * hours);
    const int stored = program.add_column(kwh(bounds.low_j), kwh(bounds.high_j),
                                          last ? -kilo(home.stored_value.count) : 0);
    const int balance = program.add_row(kilo(slot.net_load.count), kilo(slot.net_load.count));
    program.set(balance, drawn, 1);
    program.set(balance, fed, -1);
    program.set(balance, charge, -1);
    program.set(balance, discharge, 1);
    const double at_first = t == 0 ? kwh(static_cast<double>(home.stored.count)) : 0;
    const int storage = program.add_row(at_first, at_first);
    program.set(storage, stored, 1);
    if (t > 0) program.set(storage, before, -1);
    program.set(storage, charge, -hours * home.limits.charge_efficiency_permille / 1000);
    program.set(storage, discharge, hours * 1000 / home.limits.discharge_efficiency_permille);
    before = stored;
    if (limits.charge > Watts{0} && limits.discharge > Watts{0}) {
      const int shared = program.add_row(-kInfinite, 1);  // never both at once
      program.set(shared, charge, 1 / kilo(limits.charge.count));
      program.set(shared, discharge, 1 / kilo(limits.discharge.count));
    }
    if (!sums.empty()) {
      program.set(sums[t], drawn, 1);
      program.set(sums[t], fed, -1);
    }
  }
}

}  // namespace

double lp_least_cost(std::span<const Home> homes, std::span<const Watts> target, Price penalty) {
  Program program;
  std::vector<int> sums;
  for (const Watts most : target) {
    const int sum = program.add_row(-kInfinite, kilo(most.count));
    const int excess =
        program.add_column(0, kInfinite, kilo(penalty.count) * hours_of(homes.front()));
    program.set(sum, excess, -1);
    sums.push_back(sum);
  }
  for (const Home& home : homes) add_home(program, home, sums);
  return program.minimum();
}

double lp_least_bill(const Home& home) {
  Program program;
  add_home(program, home, {});
  return program.minimum();
}

Home random_home(Rng& rng, std::size_t slots) {
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low) + 1));
  };
  constexpr std::int64_t kMicrosPerKwh = 1'000;  // of a price per MWh, for a thousandth of a unit
  Home home;
  home.slot = std::chrono::minutes{rng.below(2) == 0 ? 60 : 15};
  home.limits.reserve_permille = static_cast<std::int32_t>(between(0, 300));
  home.limits.full_permille = static_cast<std::int32_t>(between(800, 1000));
  home.limits.charge_max = {rng.below(12) == 0 ? 0 : between(500, 6'000)};
  home.limits.discharge_max = {rng.below(12) == 0 ? 0 : between(500, 6'000)};
  if (rng.below(4) == 0) home.limits.export_max = {between(0, 4'000)};
  if (rng.below(4) == 0) home.limits.import_max = {between(0, 4'000)};
  home.limits.charge_efficiency_permille = static_cast<std::int32_t>(between(800, 1000));
  home.limits.discharge_efficiency_permille = static_cast<std::int32_t>(between(800, 1000));
  home.capacity = to_joules({rng.below(15) == 0 ? 0 : between(500, 14'000)});
  home.stored = {home.capacity.count * between(0, 100) / 100};
  home.stored_value = {between(0, 200'000) * kMicrosPerKwh};
  const bool steps = rng.below(2) == 0;
  Price buy{between(100'000, 500'000) * kMicrosPerKwh};
  for (std::size_t t = 0; t < slots; ++t) {
    if (!steps || rng.below(3) == 0) buy = {between(-50'000, 500'000) * kMicrosPerKwh};
    const Price sell{std::min(buy.count, between(-20'000, 150'000) * kMicrosPerKwh)};
    home.slots.push_back({Watts{between(-5'000, 5'000)}, buy, sell});
  }
  return home;
}

std::vector<const char*> faults_of(const Home& home, const HomePlan& plan) {
  std::vector<const char*> faults;
  const auto check = [&](bool holds, const char* fault) {
    if (!holds) faults.push_back(fault);
  };
  check(plan.net_load.size() == home.slots.size(), "slots");
  check(plan.stored.size() == home.slots.size(), "stored");
  if (!faults.empty()) return faults;
  const double hours = hours_of(home);
  const Bounds bounds = bounds_of(home);
  Joules before = home.stored;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    const auto limits = limits_in(home, home.slots[t]);
    const Watts battery = plan.net_load[t] - home.slots[t].net_load;  // charging
    const double in_wh = hours * home.limits.charge_efficiency_permille / 1000;
    const double out_wh = hours * 1000 / home.limits.discharge_efficiency_permille;
    check(battery <= limits.charge, "charges too fast");
    check(-battery <= limits.discharge, "discharges too fast");
    check(static_cast<double>(plan.stored[t].count) >= bounds.low_j - 1e-3, "below the reserve");
    check(static_cast<double>(plan.stored[t].count) <= bounds.high_j + 1e-3, "above full");
    const auto power = static_cast<double>(battery.count);
    const double most_j = power * (power > 0 ? in_wh : out_wh) * 3600;
    const auto gained_j = static_cast<double>((plan.stored[t] - before).count);
    check(gained_j <= most_j + 0.01, "stores what was not drawn");
    // The other way: all charge for a while, all discharge for the rest. A watt for rounding.
    const auto charge = static_cast<double>(limits.charge.count);
    const auto discharge = static_cast<double>(limits.discharge.count);
    if (charge + discharge > 0) {
      const double slope = (charge * in_wh + discharge * out_wh) / (charge + discharge);
      const double least_j = (-discharge * out_wh + (power - 1 + discharge) * slope) * 3600;
      check(gained_j >= std::min(least_j, most_j) - 2, "wastes more than it can");
    }
    before = plan.stored[t];
  }
  return faults;
}

}  // namespace vpp::device::testing
