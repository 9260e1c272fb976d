// The small version of bench_regulation: a signal of our own, and a plant of 200 homes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "bidding/performance_score.h"
#include "config/rng.h"
#include "tests/sim/regulation_plant.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kAwardW = 400'000;

/// Home batteries as they are sold.
const std::vector<RegulationHome> kRatings{{Watts{5'000}, to_joules(WattHours{13'500})},
                                           {Watts{3'300}, to_joules(WattHours{6'400})},
                                           {Watts{2'500}, to_joules(WattHours{10'000})},
                                           {Watts{5'000}, to_joules(WattHours{20'800})}};

/// Watts every 4 s: a walk within the award that crosses zero now and then.
std::vector<std::int64_t> walk(Rng& rng, std::size_t count) {
  std::vector<std::int64_t> out;
  std::int64_t value = kAwardW / 2;
  std::int64_t pace = 0;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(value);
    pace = pace * 8 / 10 + static_cast<std::int64_t>(rng.below(20'001)) - 10'000;
    value = std::clamp(value * 99 / 100 + pace, -kAwardW, kAwardW);
  }
  return out;
}

struct Followed {
  std::vector<double> signal;
  std::vector<double> response;
  std::size_t doubted = 0;
};

Followed follow(std::int64_t ignore, std::int64_t come_and_go, std::uint64_t seed,
                Duration duration, const RegulationOptions& options = {.aggregators = 4}) {
  Rng rng{seed};
  RegulationPlant plant{draw_homes(kRatings, 200, ignore, come_and_go, rng), options, rng.fork()};
  const auto signal = walk(rng, static_cast<std::size_t>(duration / 4s) + 1);
  Followed out;
  for (Duration at{0}; at < duration; at += 2s) {
    const std::int64_t target = signal[static_cast<std::size_t>(at / 4s)];
    if (at % 4s == 0ms) plant.order(Watts{target});
    if (at % 10s == 0ms) {
      out.signal.push_back(static_cast<double>(target));
      out.response.push_back(static_cast<double>(plant.power().count));
    }
    plant.pass(2s);
  }
  out.doubted = plant.doubted();
  return out;
}

TEST_CASE("homes follow a regulation signal though some ignore it and some come and go",
          "[sim][regulation]") {
  const auto run = follow(50, 20, 1, 1500s);
  const auto score = bidding::performance_score(run.signal, run.response);
  REQUIRE(score.has_value());
  CHECK(score->windows.size() == 4);
  CHECK(score->parts.score >= 0.95);
  CHECK(score->parts.delay >= 0.99);
}

TEST_CASE("of homes that all follow nobody is doubted, be they two seconds late",
          "[sim][regulation]") {
  const RegulationOptions slow{.aggregators = 4, .responds_min = 1s, .responds_max = 2s};
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    CHECK(follow(0, 0, seed, 200s).doubted == 0);
    CHECK(follow(0, 0, seed, 200s, slow).doubted == 0);
  }
}

TEST_CASE("homes that ignore every order are found and made up for", "[sim][regulation]") {
  Rng rng{4};
  RegulationPlant plant{draw_homes(kRatings, 200, 100, 0, rng), {.aggregators = 4}, rng.fork()};
  plant.order(Watts{kAwardW});
  plant.pass(60s);
  CHECK(plant.doubted() > 0);
  CHECK(std::abs(plant.power().count - kAwardW) <= kAwardW / 100);
}

TEST_CASE("a plant under a signal replays from its seed", "[sim][regulation]") {
  const auto one = follow(50, 100, 9, 120s);
  const auto other = follow(50, 100, 9, 120s);
  CHECK(one.response == other.response);
  CHECK(one.doubted == other.doubted);
  CHECK(one.response != follow(50, 100, 10, 120s).response);
}

}  // namespace
}  // namespace vpp::sim
