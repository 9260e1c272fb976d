// Evidence for aggregation/: the split and the curve against linear programs, against other
// policies at the exact boundary of what a fleet can do, and against coarser sketches. One JSON
// document; bench/flexibility makes tables and plots of it.
//
//   flexibility_evidence --ratings fleet_ratings.csv [--seed N] [--cases N]
//
// Fleets     sites drawn from the ratings (columns system_max_p, system_min_p in kW,
//            system_capacity in kWh), each with a random state of charge above a reserve of 20 %,
//            an efficiency of 95 %; without the file 1 to 10 kW that last 15 minutes to 5 hours.
// Boundary   a request that is tight for every number of slots at once, in random order: a policy
//            that wastes anything leaves something of it unserved.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "aggregation/plan.h"
#include "aggregation/split.h"
#include "config/rng.h"
#include "tests/aggregation/dispatch_tree.h"
#include "tests/aggregation/fleets.h"
#include "tests/aggregation/linear_program.h"

namespace {

using namespace vpp;
using namespace vpp::aggregation;
using aggregation::testing::between;
using Json = nlohmann::ordered_json;
using Sites = std::vector<device::Capability>;
using Request = std::vector<Watts>;

constexpr std::int64_t kTickS = 10;

struct Rating {
  std::int64_t power_w;
  std::int64_t capacity_wh;
};

/// Empty: no such file, or none of the columns.
std::vector<Rating> read_ratings(const std::string& path) {
  std::vector<Rating> out;
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields{line};
    std::vector<std::string> cells;
    for (std::string cell; std::getline(fields, cell, ',');) cells.push_back(cell);
    if (cells.size() < 5) continue;
    const double kw = std::min(std::abs(std::stod(cells[2])), std::abs(std::stod(cells[3])));
    const double kwh = std::stod(cells[4]);
    if (kw > 0 && kwh > 0) out.push_back({std::lround(kw * 1000), std::lround(kwh * 1000)});
  }
  return out;
}

struct Fleet {
  Sites sites;
  std::vector<std::int64_t> capacity;  ///< joules at the connection point, reserve taken off
};

/// `whole`: energies are multiples of this many seconds at some whole power.
Fleet random_fleet(Rng& rng, const std::vector<Rating>& ratings, std::size_t count,
                   std::int64_t whole_s) {
  Fleet fleet;
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t power = between(rng, 1'000, 10'000);
    std::int64_t usable = power * between(rng, 900, 18'000);
    if (!ratings.empty()) {
      const Rating& rating = ratings[rng.below(ratings.size())];
      power = rating.power_w;
      usable = rating.capacity_wh * 3600 / 100 * 80 / 100 * 95;
    }
    const std::int64_t energy = usable / 1000 * between(rng, 0, 1000);
    fleet.sites.push_back({Watts{power}, Joules{energy / whole_s * whole_s}});
    fleet.capacity.push_back(usable);
  }
  return fleet;
}

std::int64_t omega(const Sites& sites, std::int64_t duration_s) {
  std::int64_t sum = 0;
  for (const auto& s : sites) sum += std::min(s.energy.count, s.power.count * duration_s);
  return sum;
}

Request boundary_of(Rng& rng, const Sites& sites, std::size_t slots, std::int64_t slot_s) {
  Request request;
  std::int64_t before = 0;
  for (std::size_t k = 1; k <= slots; ++k) {
    const std::int64_t now = omega(sites, slot_s * static_cast<std::int64_t>(k));
    request.push_back({(now - before) / slot_s});
    before = now;
  }
  for (std::size_t i = request.size(); i > 1; --i) std::swap(request[i - 1], request[rng.below(i)]);
  return request;
}

Request random_request(Rng& rng, const Sites& sites, std::size_t slots, std::int64_t percent) {
  std::int64_t power = 1;
  for (const auto& site : sites) power += site.power.count;
  Request request;
  for (std::size_t t = 0; t < slots; ++t) {
    request.push_back({rng.below(5) == 0 ? 0 : between(rng, 0, power * percent / 100)});
  }
  return request;
}

double total_of(const Request& request, std::int64_t slot_s) {
  double sum = 0;
  for (const Watts power : request) sum += static_cast<double>(power.count * slot_s);
  return sum;
}

Json summary_of(std::vector<double> values) {
  std::ranges::sort(values);
  const auto count = static_cast<double>(values.size());
  return {{"mean", std::accumulate(values.begin(), values.end(), 0.0) / count},
          {"median", values[values.size() / 2]},
          {"worst", values.back()},
          {"cases", values.size()},
          {"above_1e-4", std::ranges::count_if(values, [](double v) { return v > 1e-4; })}};
}

// --- against linear programs ------------------------------------------------------------------

Json exactness(Rng& rng, const std::vector<Rating>& ratings, int cases) {
  int feasible = 0;
  int disagreements = 0;
  double apart = 0;
  for (int i = 0; i < cases; ++i) {
    const Fleet fleet = random_fleet(rng, ratings, 1 + rng.below(12), 1);
    const auto slot_s = std::vector<std::int64_t>{300, 900, 1800, 3600}[rng.below(4)];
    const Request request =
        random_request(rng, fleet.sites, 1 + rng.below(12), between(rng, 10, 200));
    auto plan = Plan::make(fleet.sites, request, std::chrono::seconds{slot_s});
    const PlanSummary& said = plan->summary();
    const auto seconds = static_cast<double>(slot_s);
    const double total = total_of(request, slot_s);
    const double lp_left = testing::lp_unserved(fleet.sites, request, seconds);
    const double left = std::abs(static_cast<double>(said.unserved.count) - lp_left);
    bool agrees = left <= 1 + total * 1e-8;
    apart = std::max(apart, left / (1 + total));
    if (said.scale_max) {
      const double lp = testing::lp_scale_max(fleet.sites, request, seconds);
      agrees = agrees && std::abs(*said.scale_max - lp) <= 1e-6 * (1 + lp);
      // At the boundary itself the linear program cannot tell 1 from 1 - 1e-9; nor is it asked to.
      agrees = agrees && (said.feasible == (lp >= 1) || std::abs(lp - 1) < 1e-6);
    }
    std::int64_t served = 0;
    std::int64_t asked = 0;
    for (std::size_t t = 0; t < request.size(); ++t) {
      const PlanStep& step = plan->next();
      served += step.served.count;
      asked += step.asked.count;
    }
    agrees = agrees && asked - served == said.unserved.count;
    feasible += said.feasible ? 1 : 0;
    disagreements += agrees ? 0 : 1;
  }
  return {{"cases", cases},
          {"feasible", feasible},
          {"disagreements", disagreements},
          {"largest_difference", apart}};
}

// --- policies at the boundary -----------------------------------------------------------------

/// Watts per site for this tick, at most `able`.
using Policy = std::function<std::vector<double>(double request, const std::vector<double>& able,
                                                 const Sites& sites)>;

/// By weight, what somebody cannot give going to the others: w * t, cut at what each can give.
std::vector<double> by_weight(double request, const std::vector<double>& able,
                              const std::vector<double>& weights) {
  std::vector<std::size_t> order;
  double open = 0;
  for (std::size_t i = 0; i < able.size(); ++i) {
    if (able[i] > 0 && weights[i] > 0) {
      order.push_back(i);
      open += weights[i];
    }
  }
  std::ranges::sort(order, {}, [&](std::size_t i) { return able[i] / weights[i]; });
  std::vector<double> out(able.size(), 0);
  double left = request;
  for (const std::size_t i : order) {
    out[i] = std::min(able[i], left * weights[i] / open);
    left -= out[i];
    open -= weights[i];
  }
  return out;
}

std::vector<double> in_order(double request, const std::vector<double>& able,
                             const std::vector<std::size_t>& order) {
  std::vector<double> out(able.size(), 0);
  for (const std::size_t i : order) {
    out[i] = std::min(able[i], request);
    request -= out[i];
  }
  return out;
}

std::map<std::string, Policy> rivals(Rng& rng, const Fleet& fleet) {
  std::vector<std::size_t> order(fleet.sites.size());
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  const auto weighted = [](const auto& weight) -> Policy {
    return [weight](double request, const std::vector<double>& able, const Sites& sites) {
      std::vector<double> weights(sites.size());
      for (std::size_t i = 0; i < sites.size(); ++i) weights[i] = weight(sites, i);
      return by_weight(request, able, weights);
    };
  };
  const auto capacity = fleet.capacity;
  return {
      {"random priority", [order](double request, const std::vector<double>& able,
                                  const Sites&) { return in_order(request, able, order); }},
      {"equal shares", weighted([](const Sites&, std::size_t) { return 1.0; })},
      {"by power", weighted([](const Sites& s, std::size_t i) {
         return static_cast<double>(s[i].power.count);
       })},
      {"by energy", weighted([](const Sites& s, std::size_t i) {
         return static_cast<double>(s[i].energy.count);
       })},
      {"by state of charge", weighted([capacity](const Sites& s, std::size_t i) {
         return static_cast<double>(s[i].energy.count) / static_cast<double>(capacity[i]);
       })},
  };
}

/// Joules left unserved by a policy that is asked anew every tick.
double left_by(const Policy& policy, Sites sites, const Request& request, std::int64_t slot_s) {
  double unserved = 0;
  std::vector<double> energy;
  for (const auto& site : sites) energy.push_back(static_cast<double>(site.energy.count));
  std::vector<double> able(sites.size());
  for (const Watts asked : request) {
    for (std::int64_t s = 0; s < slot_s; s += kTickS) {
      for (std::size_t i = 0; i < sites.size(); ++i) {
        able[i] = std::min(static_cast<double>(sites[i].power.count), energy[i] / kTickS);
        sites[i].energy = {static_cast<std::int64_t>(energy[i])};
      }
      double left = static_cast<double>(asked.count);
      const auto shares = policy(left, able, sites);
      for (std::size_t i = 0; i < sites.size(); ++i) {
        energy[i] = std::max(0.0, energy[i] - shares[i] * kTickS);
        left -= shares[i];
      }
      unserved += std::max(0.0, left) * kTickS;
    }
  }
  return unserved;
}

/// A tree of aggregators with sites below the last ones; every level splits anew, every tick.
struct Branch {
  std::vector<Branch> below;       ///< empty: the sites are this node's own
  std::vector<std::size_t> sites;  ///< of the fleet
  DurationCurve curve;
};

Branch random_tree(Rng& rng, std::vector<std::size_t> sites, int levels) {
  Branch branch;
  if (levels <= 1 || sites.size() < 2) {
    branch.sites = std::move(sites);
    return branch;
  }
  const std::size_t children = 2 + rng.below(std::min<std::size_t>(sites.size() - 1, 5));
  std::vector<std::vector<std::size_t>> parts(children);
  for (const std::size_t site : sites) parts[rng.below(children)].push_back(site);
  for (auto& part : parts) branch.below.push_back(random_tree(rng, std::move(part), levels - 1));
  return branch;
}

void sum_up(Branch& branch, const Sites& sites) {
  branch.curve = {};
  for (auto& child : branch.below) {
    sum_up(child, sites);
    branch.curve += child.curve;
  }
  for (const std::size_t i : branch.sites) branch.curve += DurationCurve::of_site(sites[i]);
}

/// Serves `request` for one tick; returns the joules that came.
std::int64_t serve(const Branch& branch, Watts request, Sites& sites, std::int64_t tick_s,
                   std::chrono::milliseconds step) {
  std::int64_t served = 0;
  if (branch.below.empty()) {
    Sites own;
    for (const std::size_t i : branch.sites) own.push_back(sites[i]);
    const Split split = split_by_sites(request, own, step);
    for (std::size_t k = 0; k < own.size(); ++k) {
      const std::int64_t came = std::min(split.shares[k].count * tick_s, own[k].energy.count);
      sites[branch.sites[k]].energy.count -= came;
      served += came;
    }
    return served;
  }
  std::vector<DurationCurve> curves;
  for (const auto& child : branch.below) curves.push_back(child.curve);
  const Split split = split_by_curves(request, curves, step);
  for (std::size_t k = 0; k < branch.below.size(); ++k) {
    served += serve(branch.below[k], split.shares[k], sites, tick_s, step);
  }
  return served;
}

double left_by_tree(Rng& rng, Sites sites, const Request& request, std::int64_t slot_s, int levels,
                    std::int64_t tick_s) {
  std::vector<std::size_t> all(sites.size());
  std::iota(all.begin(), all.end(), 0);
  Branch root = random_tree(rng, std::move(all), levels);
  double unserved = 0;
  for (const Watts asked : request) {
    for (std::int64_t s = 0; s < slot_s; s += tick_s) {
      sum_up(root, sites);
      const std::int64_t served = serve(root, asked, sites, tick_s, kEqualisationStep);
      unserved += static_cast<double>(asked.count * tick_s - served);
    }
  }
  return unserved;
}

/// The same through the dispatchers of a plant's nodes.
double left_by_dispatchers(Rng& rng, const Sites& sites, const Request& request,
                           std::int64_t slot_s, int levels, std::int64_t tick_s) {
  testing::DispatchTree tree{rng, sites, levels};
  const std::chrono::seconds tick{tick_s};
  Now now{};
  double unserved = 0;
  for (const Watts asked : request) {
    for (std::int64_t s = 0; s < slot_s; s += tick_s) {
      unserved += static_cast<double>(asked.count * tick_s - tree.serve(now, asked, tick).count);
      now.protocol += tick;
      now.market += tick;
    }
  }
  return unserved;
}

Json policies(Rng& rng, const std::vector<Rating>& ratings, int cases) {
  std::map<std::string, std::vector<double>> lost;
  for (int i = 0; i < cases; ++i) {
    const std::int64_t slot_s = std::vector<std::int64_t>{300, 900, 1800}[rng.below(3)];
    const Fleet fleet = random_fleet(rng, ratings, 20 + rng.below(181), slot_s);
    const Request request = boundary_of(rng, fleet.sites, 4 + rng.below(21), slot_s);
    const double total = total_of(request, slot_s);
    if (total <= 0) continue;
    for (int levels = 1; levels <= 4; ++levels) {
      const std::string depth = "depth " + std::to_string(levels);
      lost["time to go, " + depth + ", every slot of 5 min"].push_back(
          left_by_tree(rng, fleet.sites, request, slot_s, levels, 300) / total);
      lost["time to go, " + depth + ", anew every 10 s"].push_back(
          left_by_tree(rng, fleet.sites, request, slot_s, levels, kTickS) / total);
      for (const std::int64_t tick_s : {kTickS, std::int64_t{1}}) {
        if (tick_s == 1 && i % 10 != 0) continue;  // ten times as long
        lost["time to go, " + depth + ", dispatchers every " + std::to_string(tick_s) + " s"]
            .push_back(left_by_dispatchers(rng, fleet.sites, request, slot_s, levels, tick_s) /
                       total);
      }
    }
    for (const auto& [name, policy] : rivals(rng, fleet)) {
      lost[name].push_back(left_by(policy, fleet.sites, request, slot_s) / total);
    }
  }
  Json out = Json::object();
  for (auto& [name, values] : lost) out[name] = summary_of(std::move(values));
  return out;
}

// --- naive sums -------------------------------------------------------------------------------

/// How much more than the truth the sums of power and energy promise: 0.1 is a tenth too much.
Json naive_sums(Rng& rng, const std::vector<Rating>& ratings, int cases) {
  std::vector<double> shapes;
  std::vector<double> hour;
  for (int i = 0; i < cases; ++i) {
    const std::int64_t slot_s = 900;
    const Fleet fleet = random_fleet(rng, ratings, 20 + rng.below(181), 1);
    const Request request = random_request(rng, fleet.sites, 4 + rng.below(29), 100);
    device::Capability sum;
    for (const auto& site : fleet.sites) {
      if (site.energy > Joules{0}) sum.power += site.power;
      sum.energy += site.energy;
    }
    const auto exact = Plan::make(fleet.sites, request, std::chrono::seconds{slot_s});
    const auto naive = Plan::make({sum}, request, std::chrono::seconds{slot_s});
    if (exact->summary().scale_max && *exact->summary().scale_max > 0) {
      shapes.push_back(*naive->summary().scale_max / *exact->summary().scale_max - 1);
    }
    const auto truth = static_cast<double>(omega(fleet.sites, 3600));
    if (truth > 0) hour.push_back(static_cast<double>(omega({sum}, 3600)) / truth - 1);
  }
  return {{"random shapes", summary_of(std::move(shapes))},
          {"constant for one hour", summary_of(std::move(hour))}};
}

// --- grids ------------------------------------------------------------------------------------

using Grid = std::vector<std::int64_t>;  ///< seconds, rising

Grid even_grid(std::int64_t step_s) {
  Grid grid;
  for (std::int64_t s = step_s; s <= 14 * 3600; s += step_s) grid.push_back(s);
  return grid;
}

Grid geometric_grid(int points) {
  Grid grid;
  for (int i = 0; i < points; ++i) {
    grid.push_back(std::lround(300 * std::pow(14 * 12.0, i / (points - 1.0))));
  }
  return grid;
}

double sketched(const Grid& grid, const std::vector<double>& at, double duration_s) {
  const auto right = std::ranges::lower_bound(
      grid, duration_s, {}, [](std::int64_t s) { return static_cast<double>(s); });
  if (right == grid.end()) return at.back();
  const auto i = static_cast<std::size_t>(right - grid.begin());
  const double from = i == 0 ? 0 : static_cast<double>(grid[i - 1]);
  const double low = i == 0 ? 0 : at[i - 1];
  return low + (at[i] - low) * (duration_s - from) / (static_cast<double>(grid[i]) - from);
}

/// The part of what a request could be multiplied by that a sketch on this grid gives away.
double given_away(const Grid& grid, const Sites& sites, Request request, std::int64_t slot_s) {
  std::vector<double> at;
  for (const std::int64_t s : grid) at.push_back(static_cast<double>(omega(sites, s)));
  std::ranges::sort(request, std::greater{});
  double exact = 1e300;
  double sketch = 1e300;
  double sum = 0;
  for (std::size_t k = 0; k < request.size() && request[k] > Watts{0}; ++k) {
    sum += static_cast<double>(request[k].count * slot_s);
    const auto duration_s = static_cast<std::int64_t>(k + 1) * slot_s;
    exact = std::min(exact, static_cast<double>(omega(sites, duration_s)) / sum);
    sketch = std::min(sketch, sketched(grid, at, static_cast<double>(duration_s)) / sum);
  }
  return exact > 0 ? 1 - sketch / exact : 0;
}

Json grids(Rng& rng, const std::vector<Rating>& ratings, int cases) {
  Grid ours;
  for (const auto at : kGrid) ours.push_back(at.count());
  const std::vector<std::pair<std::string, Grid>> all{{"hybrid, 48 points", ours},
                                                      {"every 5 min, 168 points", even_grid(300)},
                                                      {"every 15 min, 56 points", even_grid(900)},
                                                      {"hourly, 14 points", even_grid(3600)},
                                                      {"geometric, 12 points", geometric_grid(12)},
                                                      {"geometric, 24 points", geometric_grid(24)},
                                                      {"geometric, 48 points", geometric_grid(48)}};
  std::map<std::string, std::vector<double>> lost;
  for (int i = 0; i < cases; ++i) {
    const std::int64_t slot_s = std::vector<std::int64_t>{60, 300, 900, 1800}[rng.below(4)];
    const Fleet fleet = random_fleet(rng, ratings, 5 + rng.below(196), 1);
    const auto slots = 1 + rng.below(static_cast<std::uint64_t>(8 * 3600 / slot_s));
    const Request request = random_request(rng, fleet.sites, slots, 100);
    if (std::ranges::none_of(request, [](Watts p) { return p > Watts{0}; })) continue;
    for (const auto& [name, grid] : all) {
      lost[name].push_back(given_away(grid, fleet.sites, request, slot_s));
    }
  }
  Json out = Json::object();
  for (const auto& [name, grid] : all) {
    out[name] = summary_of(lost[name]);
    out[name]["points"] = grid.size();
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Evidence for the split and the curve: one JSON document"};
  std::string path;
  std::uint64_t seed = 1;
  int cases = 1000;
  app.add_option("--ratings", path, "fleet_ratings.csv; without it synthetic ratings");
  app.add_option("--seed", seed);
  app.add_option("--cases", cases, "fleets against linear programs; a fifth of it at boundaries")
      ->check(CLI::Range(5, 1'000'000));
  CLI11_PARSE(app, argc, argv);
  const auto ratings = read_ratings(path);
  Rng rng{seed};
  Json out{{"schema", "vppflexibility/v1"},
           {"seed", seed},
           {"ratings", ratings.empty() ? "synthetic" : "real"},
           {"sites_rated", ratings.size()}};
  out["against_linear_programs"] = exactness(rng, ratings, cases);
  out["unserved_at_the_boundary"] = policies(rng, ratings, cases / 5);
  out["promised_by_sums"] = naive_sums(rng, ratings, cases);
  out["given_away_by_grid"] = grids(rng, ratings, cases);
  std::cout << out.dump(2) << '\n';
  return out["against_linear_programs"]["disagreements"] == 0 ? 0 : 1;
}
