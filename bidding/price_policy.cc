#include "bidding/price_policy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr double kMicroPerUnit = 1e6;
constexpr double kJoulesPerMwh = 3.6e9;

/// Quantiles of the past's prices and demands that part the states: finer where the money is.
constexpr std::array kPriceLevels{0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99};
constexpr std::array kDemandLevels{0.3, 0.7, 0.93};

constexpr std::size_t kDaysMost = 365;
constexpr std::size_t kDemandDays = 60;    ///< of the mean that demand is compared with
constexpr double kHalfLifeDays = 30;       ///< a day so long ago counts half
constexpr std::chrono::minutes kNear{90};  ///< slots up to so far away count, the less the farther
constexpr double kAnyTimeCounts = 4;  ///< what is known of all times of day, as so many sightings
constexpr double kAnyStateCounts = 0.5;
constexpr int kDaysAhead = 3;
constexpr double kRare = 1e-6;

double step_quantile(const std::vector<double>& sorted, double level) {
  const auto place = static_cast<std::size_t>(level * static_cast<double>(sorted.size()));
  return sorted[std::min(place, sorted.size() - 1)];
}

}  // namespace

Watts cleared(std::span<const PriceStep> bid, double price) {
  VPP_CHECK(!bid.empty());
  Watts power = bid.front().power;
  for (const PriceStep& step : bid) {
    if (price >= step.from) power = step.power;
  }
  return power;
}

/// Weights of what followed what, and of prices, by slot of the day; the last entry is any time.
struct PricePolicy::Counts {
  explicit Counts(std::size_t slots) : follows(slots + 1), seen(slots + 1), price(slots + 1) {}
  std::vector<std::array<ByState, kStates>> follows;
  std::vector<ByState> seen;
  std::vector<ByState> price;  ///< sums, then means

  void add(std::size_t slot, std::size_t from, std::size_t to, double its_price, double weight) {
    follows[slot][from][to] += weight;
    seen[slot][from] += weight;
    price[slot][from] += weight * its_price;
  }

  /// From weights to shares: what was seen little is filled up by what is known of any time.
  void to_shares() {
    const std::size_t any = follows.size() - 1;
    const double all = std::accumulate(seen[any].begin(), seen[any].end(), 0.0);
    const ByState states = seen[any];
    for (std::size_t from = 0; from < kStates; ++from) {
      for (std::size_t to = 0; to < kStates; ++to) {
        const double share = all > 0 ? states[to] / all : 1.0 / kStates;
        follows[any][from][to] =
            (follows[any][from][to] + kAnyStateCounts * share) / (states[from] + kAnyStateCounts);
      }
      price[any][from] = states[from] > 0 ? price[any][from] / states[from] : 0;
    }
    for (std::size_t slot = 0; slot < any; ++slot) {
      for (std::size_t from = 0; from < kStates; ++from) {
        const double weight = seen[slot][from];
        for (std::size_t to = 0; to < kStates; ++to) {
          follows[slot][from][to] =
              (follows[slot][from][to] + kAnyTimeCounts * follows[any][from][to]) /
              (weight + kAnyTimeCounts);
        }
        price[slot][from] =
            (price[slot][from] + kAnyStateCounts * price[any][from]) / (weight + kAnyStateCounts);
      }
    }
  }
};

PricePolicy::PricePolicy(const Battery& battery, std::chrono::seconds slot,
                         std::span<const MarketSlot> past)
    : battery_{battery},
      slot_{slot},
      slots_a_day_{static_cast<std::size_t>(std::chrono::days{1} / slot)},
      step_mwh_{static_cast<double>(to_joules(battery.energy).count) / kJoulesPerMwh / kSteps},
      efficiency_{battery.round_trip_permille / 1000.0},
      wear_{static_cast<double>(battery.wear.count) / kMicroPerUnit} {
  VPP_CHECK(std::chrono::days{1} % slot == std::chrono::seconds{0});
  VPP_CHECK(!past.empty() && past.size() % slots_a_day_ == 0);
  const double slot_mwh =
      static_cast<double>(battery.power.count) * static_cast<double>(slot.count()) / kJoulesPerMwh;
  down_most_ = slot_mwh / step_mwh_;
  up_most_ = down_most_ * efficiency_;
  past = past.last(std::min(past.size(), kDaysMost * slots_a_day_));
  find_states(past);
  Counts counts{slots_a_day_};
  count(past, counts);
  counts.to_shares();
  value(counts);
}

std::size_t PricePolicy::price_state(double price) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(price_edges_, price) -
                                  price_edges_.begin());
}

std::size_t PricePolicy::demand_state(std::size_t slot_of_day, double demand) const {
  const double relative = demand / demand_mean_[slot_of_day];
  if (!std::isfinite(relative)) return 0;
  return static_cast<std::size_t>(std::ranges::upper_bound(demand_edges_, relative) -
                                  demand_edges_.begin());
}

void PricePolicy::find_states(std::span<const MarketSlot> past) {
  std::vector<double> prices;
  for (const MarketSlot& at : past) {
    if (std::isfinite(at.price)) prices.push_back(at.price);
  }
  VPP_CHECK(!prices.empty());
  std::ranges::sort(prices);
  for (std::size_t i = 0; i < price_edges_.size(); ++i) {
    price_edges_[i] = step_quantile(prices, kPriceLevels[i]);
  }
  for (std::size_t i = 0; i < kPricePoints; ++i) {
    constexpr std::size_t kOfState = kPricePoints / kPriceStates;
    const std::size_t state = i / kOfState;
    const double low = state == 0 ? 0 : kPriceLevels[state - 1];
    const double high = state == kPriceLevels.size() ? 1 : kPriceLevels[state];
    const double part = (static_cast<double>(i % kOfState) + 0.5) / kOfState;
    price_points_[i] = step_quantile(prices, low + (high - low) * part);
  }
  const auto recent = past.last(std::min(past.size(), kDemandDays * slots_a_day_));
  demand_mean_.assign(slots_a_day_, 0);
  std::vector<double> known(slots_a_day_);
  for (std::size_t i = 0; i < recent.size(); ++i) {
    if (!std::isfinite(recent[i].demand)) continue;
    demand_mean_[i % slots_a_day_] += recent[i].demand;
    known[i % slots_a_day_] += 1;
  }
  for (std::size_t t = 0; t < slots_a_day_; ++t) demand_mean_[t] /= known[t];
  std::vector<double> relative;
  for (std::size_t i = 0; i < past.size(); ++i) {
    const double one = past[i].demand / demand_mean_[i % slots_a_day_];
    if (std::isfinite(one)) relative.push_back(one);
  }
  std::ranges::sort(relative);
  for (std::size_t i = 0; i < demand_edges_.size(); ++i) {
    demand_edges_[i] = relative.empty() ? std::numeric_limits<double>::infinity()
                                        : step_quantile(relative, kDemandLevels[i]);
  }
}

void PricePolicy::count(std::span<const MarketSlot> past, Counts& counts) const {
  const auto near = static_cast<std::ptrdiff_t>(kNear / slot_);
  const auto day = static_cast<std::ptrdiff_t>(slots_a_day_);
  const auto state = [&](std::size_t i) {
    const std::size_t before = (i + slots_a_day_ - 1) % slots_a_day_;
    const std::size_t demand = i == 0 ? 0 : demand_state(before, past[i - 1].demand);
    return price_state(past[i].price) * kDemandStates + demand;
  };
  for (std::size_t i = 0; i + 1 < past.size(); ++i) {
    if (!std::isfinite(past[i].price) || !std::isfinite(past[i + 1].price)) continue;
    const std::size_t from = state(i);
    const std::size_t to = state(i + 1);
    const std::size_t days_ago = (past.size() - 1 - i) / slots_a_day_ + 1;
    const double weight = std::pow(2.0, -static_cast<double>(days_ago) / kHalfLifeDays);
    counts.add(slots_a_day_, from, to, past[i].price, weight);
    for (std::ptrdiff_t off = -near; off <= near; ++off) {
      const auto slot = (static_cast<std::ptrdiff_t>(i) + off % day + day) % day;
      const double part = 1 - static_cast<double>(std::abs(off)) / static_cast<double>(near + 1);
      counts.add(static_cast<std::size_t>(slot), from, to, past[i].price, weight * part);
    }
  }
}

double PricePolicy::worth_of(const Worth& later, double price, double stored, double target) const {
  const auto below = std::min(static_cast<std::size_t>(target), kSteps - 1);
  const double part = target - static_cast<double>(below);
  const double kept = later[below] + (later[below + 1] - later[below]) * part;
  const double out = stored - target;
  return kept + step_mwh_ * (out > 0 ? out * (price - wear_) : out / efficiency_ * price);
}

PricePolicy::Move PricePolicy::best(const Worth& later, double price, double stored) const {
  const double least = std::max(0.0, stored - down_most_);
  const double most = std::min(static_cast<double>(kSteps), stored + up_most_);
  // Between steps all of it is straight: the best is at a step, at an end, or to do nothing.
  Move move{stored, worth_of(later, price, stored, stored)};
  const auto consider = [&](double target) {
    const double worth = worth_of(later, price, stored, target);
    if (worth > move.worth + 1e-9) move = {target, worth};
  };
  consider(least);
  consider(most);
  const auto last = static_cast<std::size_t>(most);
  for (auto step = static_cast<std::size_t>(std::ceil(least)); step <= last; ++step) {
    consider(static_cast<double>(step));
  }
  return move;
}

void PricePolicy::value(const Counts& counts) {
  later_.resize(slots_a_day_);
  expected_.resize(slots_a_day_);
  std::array<Worth, kStates> next{};
  for (std::size_t back = 0; back < kDaysAhead * slots_a_day_; ++back) {
    const std::size_t t = slots_a_day_ - 1 - back % slots_a_day_;
    auto& later = later_[t];
    later = {};
    for (std::size_t from = 0; from < kStates; ++from) {
      for (std::size_t to = 0; to < kStates; ++to) {
        const double share = counts.follows[t][from][to];
        if (share < kRare) continue;
        for (std::size_t s = 0; s <= kSteps; ++s) later[from][s] += share * next[to][s];
      }
    }
    for (std::size_t state = 0; state < kStates; ++state) {
      for (std::size_t s = 0; s <= kSteps; ++s) {
        next[state][s] = best(later[state], counts.price[t][state], static_cast<double>(s)).worth;
      }
    }
  }
  for (std::size_t t = 0; t < slots_a_day_; ++t) {
    const std::size_t before = (t + slots_a_day_ - 1) % slots_a_day_;
    expected_[t] = {};
    for (std::size_t from = 0; from < kStates; ++from) {
      const double weight = counts.seen[before][from] + kRare;
      for (std::size_t to = 0; to < kStates; ++to) {
        expected_[t][from / kDemandStates][to] += weight * counts.follows[before][from][to];
      }
    }
  }
}

double PricePolicy::steps_of(Joules stored) const {
  const double steps = static_cast<double>(stored.count) / (step_mwh_ * kJoulesPerMwh);
  return std::clamp(steps, 0.0, static_cast<double>(kSteps));
}

Watts PricePolicy::power_to(double stored, double target) const {
  const double out_j = (stored - target) * step_mwh_ * kJoulesPerMwh;
  const double drawn_j = out_j > 0 ? out_j : out_j / efficiency_;
  const double watts = drawn_j / static_cast<double>(slot_.count());
  const auto most = static_cast<double>(battery_.power.count);
  return {static_cast<std::int64_t>(std::clamp(watts, -most, most))};
}

Watts PricePolicy::power(std::size_t slot_of_day, const MarketSlot& at, Joules stored) const {
  const std::size_t before = (slot_of_day + slots_a_day_ - 1) % slots_a_day_;
  const std::size_t state = price_state(at.price) * kDemandStates + demand_state(before, at.demand);
  const double in_store = steps_of(stored);
  return power_to(in_store, best(later_[slot_of_day][state], at.price, in_store).target);
}

std::vector<PriceStep> PricePolicy::bid(std::size_t slot_of_day, const MarketSlot& before,
                                        Joules stored) const {
  const std::size_t slot_before = (slot_of_day + slots_a_day_ - 1) % slots_a_day_;
  const std::size_t demand = demand_state(slot_before, before.demand);
  const ByState& expected = expected_[slot_of_day][price_state(before.price)];
  const double in_store = steps_of(stored);
  const double least = std::max(0.0, in_store - down_most_);
  const double most = std::min(static_cast<double>(kSteps), in_store + up_most_);
  std::vector<double> targets{least, most, in_store};
  for (double step = std::ceil(least); step <= most; ++step) targets.push_back(step);
  std::ranges::sort(targets);
  // From the highest price down: the best for a price and all above it, which keep no more.
  std::vector<double> above(targets.size(), 0.0);
  std::vector<std::vector<std::size_t>> choice(kPricePoints);
  for (std::size_t point = kPricePoints; point-- > 0;) {
    const std::size_t state = point * kPriceStates / kPricePoints * kDemandStates + demand;
    std::size_t chosen = 0;
    std::vector<double> with(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      with[i] = above[i] + (expected[state] + kRare) * worth_of(later_[slot_of_day][state],
                                                                price_points_[point], in_store,
                                                                targets[i]);
      if (with[i] > with[chosen]) chosen = i;
      choice[point].push_back(chosen);
    }
    for (std::size_t i = 0; i < targets.size(); ++i) above[i] = with[choice[point][i]];
  }
  std::vector<PriceStep> out;
  std::size_t at = targets.size() - 1;
  for (std::size_t point = 0; point < kPricePoints; ++point) {
    at = choice[point][at];
    const double from =
        point == 0 ? price_points_[0] : (price_points_[point - 1] + price_points_[point]) / 2;
    const Watts power = power_to(in_store, targets[at]);
    if (out.empty() || out.back().power != power) out.push_back({from, power});
  }
  return out;
}

}  // namespace vpp::bidding
