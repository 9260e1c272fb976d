#include "device/home_plan.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "config/check.h"

namespace vpp::device {
namespace {

constexpr double kPermille = 1000;
constexpr double kWattsPerKw = 1000;
constexpr double kWattHoursPerMwh = 1e6;
/// Rounding of doubles, far below a watt or a joule.
constexpr double kTiny = 1e-6;

/// A convex function of stored energy, by its derivative: lines between vertices, of which both
/// numbers never fall. Outside of the vertices the function is infinite.
struct Vertex {
  double marginal;  ///< price of one more watt-hour
  double energy;    ///< watt-hours
};
using Marginals = std::vector<Vertex>;

struct Range {
  double low;
  double high;
};

/// The energies at which a function has a marginal cost, asked for in rising order.
class Walker {
 public:
  explicit Walker(std::span<const Vertex> vertices) : vertices_{vertices} {}

  Range at(double marginal) {
    while (next_ < vertices_.size() && vertices_[next_].marginal < marginal) ++next_;
    if (next_ == vertices_.size()) return {vertices_.back().energy, vertices_.back().energy};
    const Vertex& right = vertices_[next_];
    if (right.marginal == marginal) return {right.energy, end_of_level(marginal)};
    if (next_ == 0) return {right.energy, right.energy};
    const Vertex& left = vertices_[next_ - 1];
    const double part = (marginal - left.marginal) / (right.marginal - left.marginal);
    const double energy = left.energy + (right.energy - left.energy) * part;
    return {energy, energy};
  }

 private:
  [[nodiscard]] double end_of_level(double marginal) const {
    std::size_t last = next_;
    while (last + 1 < vertices_.size() && vertices_[last + 1].marginal == marginal) ++last;
    return vertices_[last].energy;
  }

  std::span<const Vertex> vertices_;
  std::size_t next_ = 0;
};

/// Infimal convolution: the best division of energy between two functions.
Marginals divided(const Marginals& a, const Marginals& b) {
  Marginals sum;
  sum.reserve(a.size() + b.size());
  Walker in_a{a};
  Walker in_b{b};
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    const bool from_a = j == b.size() || (i < a.size() && a[i].marginal <= b[j].marginal);
    const double marginal = from_a ? a[i].marginal : b[j].marginal;
    while (i < a.size() && a[i].marginal <= marginal) ++i;
    while (j < b.size() && b[j].marginal <= marginal) ++j;
    const Range of_a = in_a.at(marginal);
    const Range of_b = in_b.at(marginal);
    // Rounding must not make energies fall.
    const double before = sum.empty() ? of_a.low + of_b.low : sum.back().energy;
    sum.push_back({marginal, std::max(before, of_a.low + of_b.low)});
    if (of_a.high > of_a.low || of_b.high > of_b.low) {
      sum.push_back({marginal, std::max(before, of_a.high + of_b.high)});
    }
  }
  return sum;
}

double marginal_between(const Vertex& left, const Vertex& right, double energy) {
  if (right.energy <= left.energy) return right.marginal;
  const double part = std::clamp((energy - left.energy) / (right.energy - left.energy), 0.0, 1.0);
  return left.marginal + (right.marginal - left.marginal) * part;
}

/// The same function, infinite outside of [low, high], which it covers.
Marginals within(const Marginals& all, double low, double high) {
  if (high <= low) return {{0, low}};
  const auto first = std::ranges::upper_bound(all, low, {}, &Vertex::energy);
  const auto last = std::ranges::lower_bound(first, all.end(), high, {}, &Vertex::energy);
  Marginals cut;
  cut.reserve(static_cast<std::size_t>(last - first) + 2);
  const Vertex& before = first == all.begin() ? all.front() : *(first - 1);
  const Vertex& from = first == all.end() ? all.back() : *first;
  cut.push_back({marginal_between(before, from, low), low});
  cut.insert(cut.end(), first, last);
  const Vertex& inside = last == all.begin() ? all.front() : *(last - 1);
  const Vertex& beyond = last == all.end() ? all.back() : *last;
  cut.push_back({std::max(marginal_between(inside, beyond, high), cut.back().marginal), high});
  return cut;
}

/// One slot: what drawing `x` watts costs, and what it stores.
struct Slot {
  double net_load = 0;
  double least = 0;         ///< x at full discharge
  double most = 0;          ///< x at full charge
  double stored_per_w = 0;  ///< watt-hours stored for each watt of charging
  double taken_per_w = 0;   ///< watt-hours taken out for each watt of discharging
  double buy = 0;           ///< marginal prices of x, without the pull
  double sell = 0;
  double towards = 0;
  double per_w = 0;
  double wear = 0;
  double turn = 0;  ///< the x that costs least, as if energy were worth nothing

  [[nodiscard]] double price_above(double x) const {
    return (x >= 0 ? buy : sell) + per_w * (x - towards);
  }
  [[nodiscard]] double price_below(double x) const {
    return (x > 0 ? buy : sell) + per_w * (x - towards);
  }
  /// Watt-hours that x stores at most, < 0 when it takes out: nothing is wasted.
  [[nodiscard]] double stores(double x) const {
    return (x - net_load) * (x > net_load ? stored_per_w : taken_per_w);
  }
  [[nodiscard]] double draws(double stored) const {
    return net_load + (stored > 0 ? stored / stored_per_w : stored / taken_per_w);
  }
  /// The same when the battery wastes all it can: full charge for a while, then full discharge.
  [[nodiscard]] double waste_per_w() const {
    return (stores(most) - stores(least)) / (most - least);
  }
  [[nodiscard]] double stores_wasting(double x) const {
    return stores(least) + (x - least) * waste_per_w();
  }
  [[nodiscard]] double draws_wasting(double stored) const {
    return least + (stored - stores(least)) / waste_per_w();
  }
  [[nodiscard]] bool idle() const { return most <= least; }
  [[nodiscard]] bool can_waste() const { return stored_per_w < taken_per_w; }
  /// Watts discharged, and charged, that waste a watt-hour.
  [[nodiscard]] double per_wasted_wh() const { return 1 / (taken_per_w - stored_per_w); }
  /// For each watt that is drawn to be wasted.
  [[nodiscard]] double wear_of_wasting() const { return wear * stored_per_w * per_wasted_wh(); }
  /// Where all is wasted that can be, a watt less drawn is so much more discharged.
  [[nodiscard]] double wear_wasting_all() const {
    return wear * (net_load - least) / (most - least);
  }
};

/// Where the price of x, and of the wear that wasting it takes, turns from negative to positive.
double cheapest(const Slot& slot) {
  if (!slot.can_waste()) return slot.least;
  const double wear = slot.wear_of_wasting();
  if (slot.price_above(slot.least) + wear >= 0) return slot.least;
  if (slot.price_below(slot.most) + wear <= 0) return slot.most;
  double x = 0;
  if (slot.price_below(0) + wear > 0) x = slot.towards - (slot.sell + wear) / slot.per_w;
  if (slot.price_above(0) + wear < 0) x = slot.towards - (slot.buy + wear) / slot.per_w;
  return std::clamp(x, slot.least, slot.most);
}

Slot make_slot(const Home& home, const HomeSlot& at, const Pull& pull) {
  const double hours = static_cast<double>(home.slot.count()) / 3600;
  const SiteLimits& limits = home.limits;
  const Watts discharge = std::clamp(at.net_load + limits.export_max, Watts{0},
                                     std::max(limits.discharge_max, Watts{0}));
  const Watts charge =
      std::clamp(limits.import_max - at.net_load, Watts{0}, std::max(limits.charge_max, Watts{0}));
  Slot slot;
  slot.net_load = static_cast<double>(at.net_load.count);
  slot.least = static_cast<double>((at.net_load - discharge).count);
  slot.most = static_cast<double>((at.net_load + charge).count);
  slot.stored_per_w = hours * limits.charge_efficiency_permille / kPermille;
  slot.taken_per_w = hours * kPermille / limits.discharge_efficiency_permille;
  slot.buy = static_cast<double>(at.buy.count) + static_cast<double>(pull.value.count);
  slot.sell =
      static_cast<double>(std::min(at.sell, at.buy).count) + static_cast<double>(pull.value.count);
  slot.towards = static_cast<double>(pull.towards.count);
  slot.per_w = static_cast<double>(pull.per_kw.count) / kWattsPerKw;
  slot.wear = static_cast<double>(home.wear.count);
  slot.turn = cheapest(slot);
  return slot;
}

/// The cost of one slot as a function of the energy taken out of the battery.
Marginals cost_of_taking(const Home& home, const Slot& slot) {
  if (slot.idle()) return {{0, 0}};
  const double hours = static_cast<double>(home.slot.count()) / 3600;
  Marginals taking;
  // From the most drawn to the least: energy taken and its marginal cost rise.
  const auto piece = [&](double from, double to, double stored_per_w, double wear, auto stores) {
    if (from <= to) return;
    const double scale = -hours / stored_per_w;
    taking.push_back({(slot.price_below(from) - wear) * scale, -stores(from)});
    if (from > 0 && to < 0) {
      taking.push_back({(slot.price_above(0) - wear) * scale, -stores(0)});
      taking.push_back({(slot.price_below(0) - wear) * scale, -stores(0)});
    }
    taking.push_back({(slot.price_above(to) - wear) * scale, -stores(to)});
  };
  const auto frugal = [&](double x) { return slot.stores(x); };
  const auto wasteful = [&](double x) { return slot.stores_wasting(x); };
  const double kink = std::max(slot.turn, slot.net_load);
  piece(slot.most, kink, slot.stored_per_w, 0, frugal);
  piece(kink, slot.turn, slot.taken_per_w, slot.wear, frugal);
  if (!slot.can_waste()) return taking;
  // At the turn energy is wasted for its wear alone: drawing more would cost no less.
  const double wasted = slot.wear * hours * slot.per_wasted_wh();
  taking.push_back({wasted, -slot.stores(slot.turn)});
  taking.push_back({wasted, -slot.stores_wasting(slot.turn)});
  piece(slot.turn, slot.least, slot.waste_per_w(), slot.wear_wasting_all(), wasteful);
  return taking;
}

/// How much to take out of `stored`, given the slot, what is to come, and their best division.
double best_taking(const Marginals& slot, const Marginals& ahead, const Marginals& both,
                   double stored) {
  const auto right = std::ranges::lower_bound(both, stored, {}, &Vertex::energy);
  const Vertex& to = right == both.end() ? both.back() : *right;
  const Vertex& from = right == both.begin() ? to : *(right - 1);
  const double marginal = marginal_between(from, to, stored);
  const Range now = Walker{slot}.at(marginal);
  const Range later = Walker{ahead}.at(marginal);
  const double least = std::max(now.low, stored - later.high);
  const double most = std::min(now.high, stored - later.low);
  return std::max(least, std::min(most, 0.0));  // where it is all the same, the battery rests
}

/// Carries out one slot in whole watts and joules: never more power or energy than there is.
struct Step {
  Watts net_load;
  Joules stored;
};
Step carry_out(const Slot& slot, double taken_wh, Joules stored, Range bounds_j) {
  if (slot.idle()) return {{std::llround(slot.net_load)}, stored};
  const double energy = std::clamp(-taken_wh, slot.stores(slot.least), slot.stores(slot.most));
  const double frugal = slot.draws(energy);
  const double least = std::min(std::ceil(frugal - kTiny), slot.most);
  const double x = std::max(least, std::floor(std::min(slot.turn, slot.draws_wasting(energy))));
  // What the rounding draws is stored, unless energy is wasted anyway.
  const double gained = (x > least ? energy : slot.stores(x)) * kJoulesPerWattHour;
  const double after = std::clamp(
      static_cast<double>(stored.count) + std::floor(gained + kTiny * kJoulesPerWattHour),
      bounds_j.low, bounds_j.high);
  return {{std::llround(x)}, {std::llround(after)}};
}

}  // namespace

HomePlan plan_home(const Home& home, std::span<const Pull> pulls) {
  VPP_CHECK(home.slot.count() > 0);
  VPP_CHECK(pulls.empty() || pulls.size() == home.slots.size());
  const auto part = [&](std::int32_t permille) {
    return static_cast<double>(home.capacity.count) * permille / kPermille;
  };
  const auto stored_j = static_cast<double>(home.stored.count);
  const Range bounds_j{std::min(std::ceil(part(home.limits.reserve_permille)), stored_j),
                       std::max(std::floor(part(home.limits.full_permille)), stored_j)};
  const Range bounds{bounds_j.low / kJoulesPerWattHour, bounds_j.high / kJoulesPerWattHour};

  const std::size_t count = home.slots.size();
  std::vector<Slot> slots;
  for (std::size_t t = 0; t < count; ++t) {
    slots.push_back(make_slot(home, home.slots[t], pulls.empty() ? Pull{} : pulls[t]));
  }
  const auto worth = -static_cast<double>(home.stored_value.count);
  std::vector<Marginals> now(count);
  std::vector<Marginals> both(count);
  std::vector<Marginals> ahead(count + 1);  // by what is stored when slot t begins
  ahead[count] = within({{worth, bounds.low}, {worth, bounds.high}}, bounds.low, bounds.high);
  for (std::size_t t = count; t-- > 0;) {
    now[t] = cost_of_taking(home, slots[t]);
    both[t] = divided(now[t], ahead[t + 1]);
    ahead[t] = within(both[t], bounds.low, bounds.high);
  }

  HomePlan plan;
  Joules stored = home.stored;
  for (std::size_t t = 0; t < count; ++t) {
    const double wh = static_cast<double>(stored.count) / kJoulesPerWattHour;
    const double taken = best_taking(now[t], ahead[t + 1], both[t], wh);
    const Step step = carry_out(slots[t], taken, stored, bounds_j);
    plan.net_load.push_back(step.net_load);
    plan.stored.push_back(stored = step.stored);
  }
  return plan;
}

Amount bill(const Home& home, const HomePlan& plan) {
  VPP_CHECK(plan.net_load.size() == home.slots.size());
  const double hours = static_cast<double>(home.slot.count()) / 3600;
  double sum = 0;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    const auto drawn = static_cast<double>(plan.net_load[t].count);
    const Price price = drawn > 0 ? home.slots[t].buy : home.slots[t].sell;
    sum += drawn * hours * static_cast<double>(price.count);
  }
  const Joules left = plan.stored.empty() ? home.stored : plan.stored.back();
  sum -= static_cast<double>(left.count) / kJoulesPerWattHour *
         static_cast<double>(home.stored_value.count);
  return {std::llround(sum / kWattHoursPerMwh)};
}

}  // namespace vpp::device
