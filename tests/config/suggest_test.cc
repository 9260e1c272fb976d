#include "config/suggest.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <set>
#include <string>

#include "config/rng.h"

using namespace vpp;

namespace {

constexpr std::array<std::string_view, 5> kKeys{"address", "advertise", "reserve_pct", "poll_ms",
                                                "unit"};

std::string with_one_slip(std::string word, Rng& rng) {
  const std::size_t at = rng.below(word.size());
  switch (rng.below(4)) {
    case 0:
      word.erase(at, 1);
      break;
    case 1:
      word.insert(at, 1, 'x');
      break;
    case 2:
      word[at] = 'x';
      break;
    default:
      if (at + 1 < word.size()) std::swap(word[at], word[at + 1]);
  }
  return word;
}

}  // namespace

TEST_CASE("a key with one slip of the keyboard is recognised", "[config][suggest]") {
  Rng rng{9};
  for (int i = 0; i < 1'000; ++i) {
    const std::string_view key = kKeys.at(rng.below(kKeys.size()));
    const std::string slip = with_one_slip(std::string{key}, rng);
    CAPTURE(slip);
    REQUIRE(nearest_word(slip, kKeys) == key);
  }
}

TEST_CASE("nothing is suggested for a word that resembles none", "[config][suggest]") {
  CHECK(nearest_word("colour_of_the_door", kKeys).empty());
  CHECK(nearest_word("", kKeys).empty());
  CHECK(nearest_word("unit", {}).empty());
  CHECK(nearest_word(std::string(10'000, 'a'), kKeys).empty());
}

TEST_CASE("the nearest of two is suggested", "[config][suggest]") {
  constexpr std::array<std::string_view, 2> kPair{"charge_max_w", "discharge_max_w"};
  CHECK(nearest_word("dischrge_max_w", kPair) == "discharge_max_w");
  CHECK(nearest_word("charge_max_kw", kPair) == "charge_max_w");
}
