// When siblings are levelled, by how much, and that it ends.
#include "mesh/balance.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;

namespace {

NodeId branch(std::uint64_t number) {
  return {2, number};
}

/// Siblings that do as they are asked, or, of those asked, only so many per thousand.
struct Siblings {
  explicit Siblings(std::vector<std::uint32_t> some, std::uint64_t willing = 1000,
                    std::uint64_t seed = 1)
      : sites{std::move(some)}, willing_permille{willing}, rng{seed} {}

  std::vector<std::uint32_t> sites;
  std::uint64_t willing_permille;
  Balance balance;
  Instant now{1000s};
  Rng rng;

  std::optional<Balance::Request> look() {
    std::vector<Balance::Load> loads;
    for (std::size_t i = 0; i < sites.size(); ++i) loads.push_back({branch(i), sites[i]});
    return balance.look(now, loads);
  }
  /// Looks each second; what was asked, which is carried out.
  std::vector<Balance::Request> run(Duration span) {
    std::vector<Balance::Request> asked;
    for (const Instant end = now + span; now < end; now += 1s) {
      const auto request = look();
      if (!request) continue;
      asked.push_back(*request);
      for (std::uint32_t i = 0; i < request->sites; ++i) {
        if (rng.below(1000) >= willing_permille) continue;
        --sites[request->from.low];
        ++sites[request->to.low];
      }
    }
    return asked;
  }
  [[nodiscard]] bool level() const {
    const auto [fewest, most] = std::ranges::minmax(sites);
    return most <= fewest + fewest / 4 + Balance::kNear;
  }
};

}  // namespace

TEST_CASE("siblings are levelled only after ten minutes without a break", "[mesh][balance]") {
  Siblings pair{{40, 2}};
  CHECK(pair.run(10min - 1s).empty());
  pair.sites = {40, 30};  // for one look
  CHECK(pair.run(1s).empty());
  pair.sites = {40, 2};
  CHECK(pair.run(10min).empty());
  CHECK(pair.look() == Balance::Request{branch(0), branch(1), 19});
}

TEST_CASE("what is not far apart is left as it is", "[mesh][balance]") {
  Siblings three{{28, 10, 20}};
  CHECK(three.run(3h).empty());
  Siblings none{{}};
  CHECK(none.run(1h).empty());
}

TEST_CASE("no more at once, and no sooner again, than the new parent and the children bear",
          "[mesh][balance]") {
  Siblings pair{{10'000, 0}};
  pair.run(10min);
  const Instant since = pair.now;
  const auto asked = pair.run(6h);
  CHECK(pair.level());
  for (const auto& request : asked) CHECK(request.sites <= Balance::kAtOnce);
  const auto rounds = (pair.now - since) / Balance::kRound;
  CHECK(std::cmp_less_equal(asked.size(), rounds));
}

TEST_CASE("any siblings level out, however few obey, and then nothing is asked any more",
          "[mesh][balance][property]") {
  Rng rng{5};
  for (int round = 0; round < 60; ++round) {
    Siblings all{{}, 200 + rng.below(801), rng.next()};
    for (auto n = 2 + rng.below(6); n > 0; --n) {
      all.sites.push_back(static_cast<std::uint32_t>(rng.below(rng.below(2) == 0 ? 30 : 2'000)));
    }
    const auto before = std::accumulate(all.sites.begin(), all.sites.end(), 0U);
    const auto [fewest, most] = std::ranges::minmax(all.sites);
    const bool far = most > fewest * 2 + Balance::kFar;
    INFO("round " << round << ", willing " << all.willing_permille);
    const auto asked = all.run(24h);
    CHECK(asked.empty() != far);
    if (far) CHECK(all.level());
    CHECK(std::accumulate(all.sites.begin(), all.sites.end(), 0U) == before);
    const auto rest = all.sites;
    CHECK(all.run(2h).empty());
    CHECK(all.sites == rest);
  }
}

TEST_CASE("where asking was in vain nothing is asked for half an hour, elsewhere it is",
          "[mesh][balance]") {
  Siblings three{{60, 20, 0}, 0};
  const auto asked = three.run(10min + Balance::kRound * 4);
  REQUIRE(asked.size() == 3);  // each pair that is apart once, the widest first
  CHECK(asked[0] == Balance::Request{branch(0), branch(2), 30});
  CHECK(asked[1] == Balance::Request{branch(0), branch(1), 20});
  CHECK(asked[2] == Balance::Request{branch(1), branch(2), 10});
}
