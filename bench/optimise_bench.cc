// What the optimisers take: energy and reserve of a day in quarters of an hour.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>

#include "bidding/clp_solver.h"
#include "bidding/co_optimise.h"
#include "config/rng.h"
#include "tests/bidding/random_curve.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr std::uint64_t kHomes = 500;

/// Energy in every slot, and a reserve in blocks of `block` slots.
void co_optimise_day(benchmark::State& state, std::size_t block) {
  Rng rng{7};
  const FirmCurve curve{bidding::testing::random_curve(rng, kHomes), 900};
  const Watts most{curve.at(15min).count / 900};
  CoProblem problem{.slot = 15min, .committed = {}, .caps = {}, .products = {}};
  const auto slots = static_cast<std::size_t>(state.range(0));
  for (std::size_t t = 0; t < slots; ++t) {
    const Price price{static_cast<std::int64_t>(rng.below(200)) - 20};
    problem.committed.push_back(t % 7 == 0 ? Watts{most.count / 20} : Watts{0});
    problem.caps.push_back(most);
    problem.products.push_back({t, 1, energy_worth(price, Price{10}), most});
    if (t % block != 0) continue;
    const Price capacity{static_cast<std::int64_t>(rng.below(100))};
    problem.products.push_back({t, block, reserve_worth(capacity, price, Price{10}, 100), most});
  }
  CoPlan plan;
  for (auto _ : state) {
    const auto program = clp_program();
    plan = co_optimise(problem, curve, *program).value();
    benchmark::DoNotOptimize(plan);
  }
  state.counters["rounds"] = plan.rounds;
  state.counters["rows"] = static_cast<double>(plan.rows);
}

void BM_co_optimise(benchmark::State& state) {
  co_optimise_day(state, 1);
}
void BM_co_optimise_blocks(benchmark::State& state) {
  co_optimise_day(state, 16);
}

}  // namespace

BENCHMARK(BM_co_optimise)->Arg(16)->Arg(48)->Arg(96)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_co_optimise_blocks)->Arg(96)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
