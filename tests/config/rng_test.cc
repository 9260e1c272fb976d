#include "config/rng.h"

#include <array>
#include <catch2/catch.hpp>

using namespace vpp;
using namespace std::chrono_literals;

TEST_CASE("a seed gives SplitMix64's published sequence", "[config][rng]") {
  Rng rng{1234567};
  CHECK(rng.next() == 6457827717110365317U);
  CHECK(rng.next() == 3203168211198807973U);
  CHECK(rng.next() == 9817491932198370423U);
}

TEST_CASE("one seed gives one run", "[config][rng]") {
  Rng one{42};
  Rng other{42};
  Rng fork_of_one = one.fork();
  Rng fork_of_other = other.fork();
  for (int i = 0; i < 100; ++i) {
    REQUIRE(one.next() == other.next());
    REQUIRE(fork_of_one.next() == fork_of_other.next());
  }
  CHECK(one.next() != fork_of_one.next());
}

TEST_CASE("draws stay below their bound and reach every value", "[config][rng]") {
  Rng rng{5};
  std::array<int, 7> seen{};
  for (int i = 0; i < 7'000; ++i) ++seen.at(rng.below(7));
  for (const int count : seen) CHECK(count > 800);
}

TEST_CASE("jitter adds between nothing and a quarter", "[config][rng]") {
  Rng rng{6};
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1'000; ++i) {
    const Duration drawn = rng.jittered(400ms);
    REQUIRE(drawn >= 400ms);
    REQUIRE(drawn <= 500ms);
    low = low || drawn < 410ms;
    high = high || drawn > 490ms;
    REQUIRE(rng.up_to(30ms) <= 30ms);
  }
  CHECK(low);
  CHECK(high);
  CHECK(rng.up_to(0ms) == 0ms);
}
