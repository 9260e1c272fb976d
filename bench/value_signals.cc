// How many rounds of a value signal bring homes under a target together, and what that is worth.
//
//   value_signals [--data DIR] [--homes N] [--slots N] [-o text|json]
//
// Real homes of DIR/homes, hour by hour, the same home again with whole days shifted. Each has a
// tariff by the hour, a battery and its own bill; together they are to stay under a target, and a
// kWh beyond it costs. The judge is one linear program of all of them (Clp). Everything that is
// printed but times comes out the same in every run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "aggregation/peak_shaving.h"
#include "aggregation/split.h"
#include "aggregation/value_coordinator.h"
#include "config/rng.h"
#include "device/home_plan.h"
#include "device/value_follower.h"
#include "tests/device/home_program.h"
#include "tools/battery/home_profile.h"

namespace {

using namespace vpp;
using namespace std::chrono_literals;
using device::Home;
using device::HomePlan;

constexpr double kMicros = 1e6;
constexpr std::int64_t kMicrosPerMwh = 1'000'000'000;  // of a price of 1 per kWh
constexpr MarketTime kStart = battery::kProfileStart;

Price per_kwh(double price) {
  return {std::llround(price * static_cast<double>(kMicrosPerMwh))};
}

struct Arguments {
  std::string data = VPP_SHARED_DATA;
  std::string output = "text";
  std::size_t homes = 120;
  std::size_t slots = 48;
  std::int64_t start_h = 169;
  double target_part = 0.6;  ///< of the peak that the homes have without batteries
  double penalty = 1.0;      ///< for a kWh beyond the target
  double stiffness = 0.5;    ///< for a kWh, each kW away
  double sell = 0.08;
  int rounds = 60;
  int warm = 12;
};

/// What all homes have in common, and what each draws in every hour.
struct Place {
  std::vector<battery::HomeProfile> profiles;
  std::vector<Price> buy;  ///< by the hour of the year
};

std::vector<Price> read_tariff(const std::string& file) {
  constexpr int kPriceColumn = 4;  // h,month,hour,day_type,price_usd_per_kwh
  std::ifstream in{file};
  std::vector<Price> prices;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream row{line};
    std::string field;
    for (int i = 0; i <= kPriceColumn; ++i) std::getline(row, field, ',');
    prices.push_back(per_kwh(std::stod(field)));
  }
  return prices;
}

/// The homes as they see the slots from hour `from_h` on, each with its battery half full.
std::vector<Home> make_homes(const Arguments& arguments, const Place& place, std::int64_t from_h) {
  constexpr std::int64_t kHoursPerDay = 24;
  std::vector<Home> homes;
  for (std::size_t i = 0; i < arguments.homes; ++i) {
    const auto& profile = place.profiles[i % place.profiles.size()];
    const auto days = static_cast<std::int64_t>(i / place.profiles.size());
    Home home;
    home.capacity = to_joules({6'400});
    home.stored = to_joules({3'200});
    home.limits.full_permille = 1000;
    home.limits.charge_max = home.limits.discharge_max = {5'000};
    // The data's 0.9 is for there and back.
    home.limits.charge_efficiency_permille = home.limits.discharge_efficiency_permille = 949;
    home.stored_value = per_kwh(0.22);  // neither worth buying for nor selling at the cheap hour
    home.from = kStart + std::chrono::hours{from_h};
    home.slot = 1h;
    for (std::size_t t = 0; t < arguments.slots; ++t) {
      const auto hour = static_cast<std::size_t>(from_h) + t;
      const auto own = (hour + static_cast<std::size_t>(days * kHoursPerDay)) % place.buy.size();
      home.slots.push_back({Watts{profile.load_w[own] - profile.pv_w[own]},
                            place.buy[hour % place.buy.size()], per_kwh(arguments.sell)});
    }
    homes.push_back(std::move(home));
  }
  return homes;
}

Watts peak_of(const std::vector<Watts>& loads) {
  return std::ranges::max(loads);
}

double money(double micros) {
  return micros / kMicros;
}
double money(Amount amount) {
  return money(static_cast<double>(amount.count));
}
double kw(Watts power) {
  return static_cast<double>(power.count) / 1000;
}

/// All the homes, their followers, and aggregators of a dozen homes each in between.
class Street {
 public:
  Street(std::vector<Home> homes, const Arguments& arguments)
      : homes_{std::move(homes)},
        followers_(homes_.size()),
        plans_(homes_.size()),
        penalty_{per_kwh(arguments.penalty)} {}

  aggregation::PlannedLoad answer(const device::ValueSignal& signal, MarketTime now) {
    constexpr std::size_t kBelowOne = 12;
    aggregation::PlannedLoad all;
    for (std::size_t first = 0; first < homes_.size(); first += kBelowOne) {
      aggregation::PlannedLoad group;
      for (std::size_t i = first; i < std::min(first + kBelowOne, homes_.size()); ++i) {
        plans_[i] = followers_[i].answer(homes_[i], signal, now);
        group += aggregation::planned_load(plans_[i]);
      }
      all += group;
    }
    return all;
  }

  [[nodiscard]] double penalty(const std::vector<Watts>& sum, Watts target) const {
    double beyond_wh = 0;
    for (const Watts load : sum) {
      beyond_wh += static_cast<double>(std::max(Watts{0}, load - target).count);
    }
    return beyond_wh / 1e6 * static_cast<double>(penalty_.count);
  }
  [[nodiscard]] double cost(const std::vector<Watts>& sum, Watts target) const {
    double bills = 0;
    for (std::size_t i = 0; i < homes_.size(); ++i) {
      bills += static_cast<double>(device::bill(homes_[i], plans_[i]).count);
    }
    return bills + penalty(sum, target);
  }
  [[nodiscard]] double best(Watts target) const {
    const std::vector<Watts> targets(homes_.front().slots.size(), target);
    return device::testing::lp_least_cost(homes_, targets, penalty_);
  }

  /// An hour later: batteries as planned, another hour in sight, and every load up to a tenth
  /// otherwise than was thought: half of that by itself, half with all others (the weather).
  void move_on(std::vector<Home> later, Rng& rng) {
    const auto permille = [&] { return static_cast<std::int64_t>(rng.below(101)) - 50; };
    std::vector<std::int64_t> weather;
    for (std::size_t t = 0; t < later.front().slots.size(); ++t) weather.push_back(permille());
    for (std::size_t i = 0; i < homes_.size(); ++i) {
      later[i].stored = plans_[i].stored.front();
      for (std::size_t t = 0; t < weather.size(); ++t) {
        Watts& load = later[i].slots[t].net_load;
        load += Watts{load.count * (weather[t] + permille()) / 1000};
      }
    }
    homes_ = std::move(later);
  }

  [[nodiscard]] const std::vector<Home>& homes() const { return homes_; }
  [[nodiscard]] const std::vector<HomePlan>& plans() const { return plans_; }

 private:
  std::vector<Home> homes_;
  std::vector<device::ValueFollower> followers_;
  std::vector<HomePlan> plans_;
  Price penalty_;
};

struct Round {
  double gap;  ///< cost above the best, as a part of the best
  Watts peak;
};

struct Run {
  double best = 0;
  std::vector<Round> rounds;
  std::vector<Watts> sum;
  /// The first round that is as near and stays so; 0: none.
  [[nodiscard]] std::size_t within(double part) const {
    std::size_t first = 0;
    for (std::size_t i = rounds.size(); i > 0 && rounds[i - 1].gap <= part; --i) first = i;
    return first;
  }
};

Run run(Street& street, aggregation::ValueCoordinator& coordinator, device::ValueSignal signal,
        Watts target, int rounds) {
  Run out;
  out.best = street.best(target);
  for (int round = 0; round < rounds; ++round) {
    const auto sum = street.answer(signal, signal.from);
    out.sum = sum.net_load;
    const double gap = street.cost(out.sum, target) / out.best - 1;
    out.rounds.push_back({gap, peak_of(out.sum)});
    signal = coordinator.step(sum, signal.from);
  }
  return out;
}

struct Payments {
  double by_value = 0;
  double top_ups = 0;
  double penalty_saved = 0;
  double worst_before_top_up = 0;  ///< of one home: what it gains by the values alone
  double worst = 0;                ///< with its top-up
  std::size_t worst_home = 0;
  double bills_alone = 0;
  double bills = 0;
};

Payments pay(const Street& street, const std::vector<HomePlan>& alone,
             std::span<const Price> prices) {
  Payments out;
  for (std::size_t i = 0; i < alone.size(); ++i) {
    const auto settled = device::settle(street.homes()[i], alone[i], street.plans()[i], prices);
    const double by_value = money(settled.gain() - settled.top_up);
    if (i == 0 || by_value < out.worst_before_top_up) {
      out.worst_before_top_up = by_value;
      out.worst_home = i;
    }
    out.worst = i == 0 ? money(settled.gain()) : std::min(out.worst, money(settled.gain()));
    out.by_value += money(settled.by_value);
    out.top_ups += money(settled.top_up);
    out.bills_alone += money(settled.alone);
    out.bills += money(settled.bill);
  }
  return out;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What all homes draw together without batteries.
std::vector<Watts> idle_load(const std::vector<Home>& homes) {
  aggregation::PlannedLoad idle;
  for (const Home& home : homes) {
    HomePlan rest;
    for (const auto& slot : home.slots) rest.net_load.push_back(slot.net_load);
    idle += aggregation::planned_load(rest);
  }
  return idle.net_load;
}

/// All batteries full.
std::vector<device::Capability> full_sites(const std::vector<Home>& homes) {
  std::vector<device::Capability> sites;
  for (const Home& home : homes) {
    const Joules usable{(home.capacity.count * (1000 - home.limits.reserve_permille) / 1000) *
                        home.limits.discharge_efficiency_permille / 1000};
    sites.push_back({home.limits.discharge_max, usable});
  }
  return sites;
}

std::vector<aggregation::NetLoadStep> steps_of(std::span<const Watts> loads) {
  std::vector<aggregation::NetLoadStep> steps;
  for (const Watts load : loads) steps.push_back({load, 1h});
  return steps;
}

/// The highest net load of the slots when the closed form, solved again every hour, shaves it by
/// what is forecast then. `forecast(t)`: the loads from slot t on, the first as measured.
template <class Forecast>
Watts shaved_peak(const std::vector<Watts>& actual, std::vector<device::Capability> sites,
                  const Forecast& forecast) {
  constexpr std::int64_t kSlotS = 3600;
  Watts peak = actual.front();
  for (std::size_t t = 0; t < actual.size(); ++t) {
    const auto curve = aggregation::DurationCurve::of_sites(sites);
    const Watts asked = aggregation::shave(steps_of(forecast(t)), curve, Watts{0}).dispatch;
    auto in_units = sites;
    for (auto& site : in_units) site.energy = {site.energy.count / kSlotS};
    const auto left = static_cast<std::int64_t>(actual.size() - t);
    const aggregation::Split split = aggregation::split_slot(asked.count, in_units, left);
    for (std::size_t i = 0; i < sites.size(); ++i) {
      sites[i].energy -= Joules{split.shares[i].count * kSlotS};
    }
    peak = t == 0 ? actual[t] - (asked - split.shortfall)
                  : std::max(peak, actual[t] - (asked - split.shortfall));
  }
  return peak;
}

/// One day, batteries full when it begins and not charged again.
struct Shaved {
  Watts before;
  Watts threshold;  ///< the closed form with the right forecast
  Watts right;      ///< what comes of it, hour by hour
  Watts yesterday;  ///< the forecast is the day before
  Watts flat;       ///< the forecast is the load of now
};

Shaved shave_a_day(Arguments arguments, const Place& place) {
  constexpr std::int64_t kDayH = 24;
  arguments.slots = kDayH;
  const auto homes = make_homes(arguments, place, arguments.start_h + kDayH);
  const auto sites = full_sites(homes);
  const auto actual = idle_load(homes);
  const auto yesterday = idle_load(make_homes(arguments, place, arguments.start_h));
  const auto curve = aggregation::DurationCurve::of_sites(sites);
  Shaved out;
  out.before = peak_of(actual);
  out.threshold = aggregation::peak_threshold(steps_of(actual), curve);
  const auto tail = [](const std::vector<Watts>& loads, std::size_t t) {
    return std::vector<Watts>(loads.begin() + static_cast<std::ptrdiff_t>(t), loads.end());
  };
  out.right = shaved_peak(actual, sites, [&](std::size_t t) { return tail(actual, t); });
  out.yesterday = shaved_peak(actual, sites, [&](std::size_t t) {
    auto loads = tail(yesterday, t);
    loads.front() = actual[t];
    return loads;
  });
  out.flat = shaved_peak(actual, sites, [&](std::size_t t) {
    return std::vector<Watts>(actual.size() - t, actual[t]);
  });
  return out;
}

struct Result {
  Watts peak_idle;   ///< without batteries
  Watts peak_alone;  ///< each home on its own
  Shaved shaved;     ///< by the closed form alone
  Watts target;
  double alone_gap = 0;
  Run cold;
  Payments paid;
  std::vector<std::size_t> warm_5;
  std::vector<std::size_t> warm_1;
  double plan_us = 0;  ///< one home's plan
  double lp_s = 0;
};

void run_warm(const Arguments& arguments, const Place& place, Street& street,
              aggregation::ValueCoordinator& coordinator, Result& result) {
  Rng rng{1};
  for (int step = 1; step <= arguments.warm; ++step) {
    const std::int64_t from_h = arguments.start_h + step;
    street.move_on(make_homes(arguments, place, from_h), rng);
    const MarketTime now = kStart + std::chrono::hours{from_h};
    const std::vector<Watts> target(arguments.slots, result.target);
    const Run warm = run(street, coordinator, coordinator.begin(now, 1h, target, now),
                         result.target, arguments.rounds / 2);
    result.warm_5.push_back(warm.within(0.05));
    result.warm_1.push_back(warm.within(0.01));
  }
}

Result measure(const Arguments& arguments, const Place& place) {
  Result result;
  Street street{make_homes(arguments, place, arguments.start_h), arguments};
  std::vector<HomePlan> alone;
  aggregation::PlannedLoad sum;
  const auto start = std::chrono::steady_clock::now();
  for (const Home& home : street.homes()) alone.push_back(device::plan_home(home));
  result.plan_us = seconds_since(start) * 1e6 / static_cast<double>(alone.size());
  for (const HomePlan& plan : alone) sum += aggregation::planned_load(plan);
  const std::vector<Watts> idle = idle_load(street.homes());
  result.peak_idle = peak_of(idle);
  result.peak_alone = peak_of(sum.net_load);
  result.shaved = shave_a_day(arguments, place);
  result.target = {
      std::llround(static_cast<double>(result.peak_idle.count) * arguments.target_part)};

  aggregation::ValueCoordinator coordinator{{.price_max = per_kwh(arguments.penalty),
                                             .per_kw = per_kwh(arguments.stiffness),
                                             .holds = 2h}};
  const MarketTime now = street.homes().front().from;
  const std::vector<Watts> target(arguments.slots, result.target);
  const auto lp = std::chrono::steady_clock::now();
  (void)street.best(result.target);
  result.lp_s = seconds_since(lp);
  result.cold = run(street, coordinator, coordinator.begin(now, 1h, target, now), result.target,
                    arguments.rounds);
  result.alone_gap = result.cold.rounds.front().gap;
  result.paid = pay(street, alone, coordinator.prices());
  result.paid.penalty_saved = money(street.penalty(sum.net_load, result.target) -
                                    street.penalty(result.cold.sum, result.target));
  run_warm(arguments, place, street, coordinator, result);
  return result;
}

void print_text(const Result& result) {
  std::cout << "peak: " << kw(result.peak_idle) << " kW without batteries, "
            << kw(result.peak_alone) << " kW each home on its own, " << kw(peak_of(result.cold.sum))
            << " kW together (target " << kw(result.target) << " kW)\n";
  const Shaved& day = result.shaved;
  std::cout << "closed form, one day from full batteries: " << kw(day.before) << " kW before, "
            << kw(day.threshold) << " the threshold; hour by hour " << kw(day.right)
            << " by the right forecast, " << kw(day.yesterday) << " by the day before, "
            << kw(day.flat) << " by the load of now\n";
  std::cout << "best together " << money(result.cold.best) << ", alone " << 100 * result.alone_gap
            << " % above it\n";
  std::cout << "rounds to 5 %: " << result.cold.within(0.05)
            << ", to 1 %: " << result.cold.within(0.01)
            << ", to 0.1 %: " << result.cold.within(0.001) << '\n';
  for (std::size_t i = 0; i < result.cold.rounds.size(); ++i) {
    if (i >= 10 && i % 5 != 4) continue;
    std::cout << "  round " << i + 1 << ": " << 100 * result.cold.rounds[i].gap << " % above, peak "
              << kw(result.cold.rounds[i].peak) << " kW\n";
  }
  std::cout << "warm, an hour later each: to 5 %:";
  for (const auto rounds : result.warm_5) std::cout << ' ' << rounds;
  std::cout << "; to 1 %:";
  for (const auto rounds : result.warm_1) std::cout << ' ' << rounds;
  const Payments& paid = result.paid;
  std::cout << "\nbills " << paid.bills_alone << " alone, " << paid.bills << " together; paid "
            << paid.by_value << " by value and " << paid.top_ups << " in top-ups; penalty saved "
            << paid.penalty_saved << '\n'
            << "worst home (" << paid.worst_home << ") gains " << paid.worst_before_top_up
            << " by value; the worst with top-ups " << paid.worst << '\n'
            << "one plan " << result.plan_us << " us; the linear program " << result.lp_s << " s\n";
}

void print_json(const Arguments& arguments, const Result& result) {
  nlohmann::ordered_json rounds = nlohmann::ordered_json::array();
  for (const Round& round : result.cold.rounds) {
    rounds.push_back({{"gap", round.gap}, {"peak_kw", kw(round.peak)}});
  }
  const Payments& paid = result.paid;
  const nlohmann::ordered_json document{
      {"schema", "vpp-value-signals/v1"},
      {"homes", arguments.homes},
      {"slots", arguments.slots},
      {"peak_kw",
       {{"without_batteries", kw(result.peak_idle)},
        {"alone", kw(result.peak_alone)},
        {"together", kw(peak_of(result.cold.sum))},
        {"target", kw(result.target)}}},
      {"closed_form_kw",
       {{"before", kw(result.shaved.before)},
        {"threshold", kw(result.shaved.threshold)},
        {"right_forecast", kw(result.shaved.right)},
        {"day_before", kw(result.shaved.yesterday)},
        {"load_of_now", kw(result.shaved.flat)}}},
      {"cost", {{"best", money(result.cold.best)}, {"alone_gap", result.alone_gap}}},
      {"rounds_to",
       {{"5_percent", result.cold.within(0.05)}, {"1_percent", result.cold.within(0.01)}}},
      {"warm_rounds_to", {{"5_percent", result.warm_5}, {"1_percent", result.warm_1}}},
      {"payments",
       {{"bills_alone", paid.bills_alone},
        {"bills", paid.bills},
        {"by_value", paid.by_value},
        {"top_ups", paid.top_ups},
        {"penalty_saved", paid.penalty_saved},
        {"worst_home", paid.worst_home},
        {"worst_home_gain_by_value", paid.worst_before_top_up},
        {"worst_gain", paid.worst}}},
      {"seconds", {{"plan", result.plan_us / 1e6}, {"linear_program", result.lp_s}}},
      {"rounds", rounds}};
  std::cout << document.dump(2) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"Rounds of a value signal on real homes"};
  app.add_option("--data", arguments.data, "Directory that holds homes/");
  app.add_option("--homes", arguments.homes)->check(CLI::Range(1, 10'000));
  app.add_option("--slots", arguments.slots, "Hours ahead")->check(CLI::Range(1, 336));
  app.add_option("--start", arguments.start_h, "Hour of the data")->check(CLI::Range(0, 8'000));
  app.add_option("--target", arguments.target_part, "Of the peak without batteries");
  app.add_option("--penalty", arguments.penalty, "For a kWh beyond the target");
  app.add_option("--stiffness", arguments.stiffness, "For a kWh, each kW away");
  app.add_option("--rounds", arguments.rounds)->check(CLI::Range(1, 10'000));
  app.add_option("--warm", arguments.warm, "Restarts, an hour later each");
  app.add_option("-o", arguments.output)->check(CLI::IsMember({"text", "json"}));
  CLI11_PARSE(app, argc, argv);
  auto profiles = battery::read_homes(arguments.data + "/homes");
  if (!profiles) {
    std::cerr << "value_signals: " << profiles.error() << '\n';
    return 1;
  }
  const Place place{std::move(*profiles), read_tariff(arguments.data + "/homes/shared.csv")};
  const Result result = measure(arguments, place);
  if (arguments.output == "json") {
    print_json(arguments, result);
  } else {
    print_text(result);
  }
  return 0;
}
