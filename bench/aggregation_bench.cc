// What a node pays for its children: sketches, merges, levels and splits. One core.
//
// The label of a row is its aim; `peer_*` is what a textbook would do, for comparison.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "aggregation/dispatcher.h"
#include "aggregation/duration_curve.h"
#include "aggregation/level.h"
#include "aggregation/split.h"
#include "config/rng.h"

namespace {

using namespace vpp;
using namespace vpp::aggregation;

constexpr std::size_t kSites = 1'000'000;
constexpr std::size_t kSitesOfTen = 10'000'000;
constexpr std::size_t kGroups = 1'000;

/// Home batteries of 1 to 10 kW that last 15 min to 5 h.
std::vector<device::Capability> make_sites(std::size_t count) {
  Rng rng{1};
  std::vector<device::Capability> sites;
  sites.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto power = 1'000 + static_cast<std::int64_t>(rng.below(9'001));
    const auto lasts_s = 900 + static_cast<std::int64_t>(rng.below(17'101));
    sites.push_back({Watts{power}, Joules{power * lasts_s}});
  }
  return sites;
}

const std::vector<device::Capability>& million() {
  static const auto sites = make_sites(kSites);
  return sites;
}

const std::vector<DurationCurve>& thousand() {
  static const auto curves = [] {
    std::vector<DurationCurve> out(kGroups);
    const auto sites = make_sites(kGroups * 20);
    for (std::size_t i = 0; i < sites.size(); ++i) {
      out[i % kGroups] += DurationCurve::of_site(sites[i]);
    }
    return out;
  }();
  return curves;
}

Watts total_power(const std::vector<device::Capability>& sites) {
  Watts sum{0};
  for (const auto& site : sites) sum += site.power;
  return sum;
}

/// In the column for labels: what this must not exceed.
void aim(benchmark::State& state, const std::string& text) {
  state.SetLabel("aim " + text);
}

void sketch_million_sites(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(DurationCurve::of_sites(million()));
  aim(state, "15 ms");
}
BENCHMARK(sketch_million_sites)->Unit(benchmark::kMillisecond);

void merge_thousand_curves(benchmark::State& state) {
  for (auto _ : state) {
    DurationCurve sum;
    for (const auto& curve : thousand()) sum += curve;
    benchmark::DoNotOptimize(sum);
  }
  aim(state, "10 us");
}
BENCHMARK(merge_thousand_curves)->Unit(benchmark::kMicrosecond);

/// What a node pays for a level on a curve that is summed already, and the share that goes with it.
void level_on_a_sketch(benchmark::State& state) {
  DurationCurve sum;
  for (const auto& curve : thousand()) sum += curve;
  const Watts request{sum.points()[0].count / 300 / 1000 * state.range(0)};
  for (auto _ : state) benchmark::DoNotOptimize(split_by_curves(request, {&sum, 1}));
  aim(state, "5 us");
}
BENCHMARK(level_on_a_sketch)->Arg(100)->Arg(500)->Arg(900)->Unit(benchmark::kMicrosecond);

void split_over_thousand_curves(benchmark::State& state) {
  Watts request{0};
  for (const auto& curve : thousand()) request += Watts{curve.points()[0].count / 600};
  for (auto _ : state) benchmark::DoNotOptimize(split_by_curves(request, thousand()));
  aim(state, "1 ms");
}
BENCHMARK(split_over_thousand_curves)->Unit(benchmark::kMillisecond);

void level_of_million_sites(benchmark::State& state) {
  const std::int64_t permille = state.range(0);
  const std::int64_t energy = total_power(million()).count / 1000 * permille * 300;
  const SiteGroup group{million(), 300, kTimeToGoMax.count(), -300};
  for (auto _ : state) benchmark::DoNotOptimize(find_level(group, energy));
  aim(state, "25 ms");
}
BENCHMARK(level_of_million_sites)->Arg(100)->Arg(500)->Arg(900)->Unit(benchmark::kMillisecond);

void split_over_million_sites(benchmark::State& state) {
  const Watts request{total_power(million()).count / 1000 * state.range(0)};
  for (auto _ : state) benchmark::DoNotOptimize(split_by_sites(request, million()));
  aim(state, "30 ms");
}
BENCHMARK(split_over_million_sites)->Arg(100)->Arg(500)->Arg(900)->Unit(benchmark::kMillisecond);

void split_over_million_sites_alike(benchmark::State& state) {
  const std::vector<device::Capability> sites(kSites, {Watts{5'000}, Joules{5'000 * 7'200}});
  for (auto _ : state) benchmark::DoNotOptimize(split_by_sites(Watts{1'234'567'890}, sites));
  aim(state, "30 ms");
}
BENCHMARK(split_over_million_sites_alike)->Unit(benchmark::kMillisecond);

const std::vector<device::Capability>& ten_million() {
  static const auto sites = make_sites(kSitesOfTen);
  return sites;
}

void sketch_ten_million_sites(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(DurationCurve::of_sites(ten_million()));
}
BENCHMARK(sketch_ten_million_sites)->Unit(benchmark::kMillisecond);

void split_over_ten_million_sites(benchmark::State& state) {
  const Watts request{total_power(ten_million()).count / 1000 * state.range(0)};
  for (auto _ : state) benchmark::DoNotOptimize(split_by_sites(request, ten_million()));
}
BENCHMARK(split_over_ten_million_sites)
    ->Arg(100)
    ->Arg(500)
    ->Arg(900)
    ->Unit(benchmark::kMillisecond);

/// The level by sorting every point at which a share bends.
void peer_sort_of_million_sites(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<double> bends;
    bends.reserve(2 * kSites);
    for (const auto& site : million()) {
      const double lasts_s =
          static_cast<double>(site.energy.count) / static_cast<double>(site.power.count);
      bends.push_back(lasts_s);
      bends.push_back(lasts_s - 300);
    }
    std::ranges::sort(bends);
    benchmark::DoNotOptimize(bends.data());
  }
  state.SetLabel("peer of level_of_million_sites");
}
BENCHMARK(peer_sort_of_million_sites)->Unit(benchmark::kMillisecond);

/// One tick of an aggregator with as many leaves as a parent takes at most.
void tick_over_ten_thousand_sites(benchmark::State& state) {
  std::vector<ChildState> children;
  for (const auto& site : make_sites(10'000)) {
    children.push_back({{1, children.size()}, SiteFlexibility{site, site}, Watts{0}, Instant{}});
  }
  Dispatcher dispatcher;
  Now now{};
  for (auto _ : state) {
    now.protocol += std::chrono::seconds{1};
    benchmark::DoNotOptimize(dispatcher.tick(now, Watts{20'000'000}, children));
  }
  aim(state, "10 ms");
}
BENCHMARK(tick_over_ten_thousand_sites)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
