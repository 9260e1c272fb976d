#include "tools/market/clearing.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::market;

namespace {

Watts sum(const std::vector<Watts>& parts) {
  Watts total{0};
  for (const Watts part : parts) total += part;
  return total;
}

}  // namespace

TEST_CASE("the textbook case: A sells 35, B 80, at 60", "[market][clearing]") {
  const std::vector<Offer> offers{
      {Watts{20}, Price{50}}, {Watts{20}, Price{60}}, {Watts{5}, Price{100}},   // A
      {Watts{50}, Price{50}}, {Watts{30}, Price{55}}, {Watts{10}, Price{80}}};  // B
  const Clearing clearing = clear_by_merit(offers, Watts{115});
  CHECK(clearing.accepted ==
        std::vector<Watts>{Watts{20}, Watts{15}, Watts{0}, Watts{50}, Watts{30}, Watts{0}});
  CHECK(clearing.price == Price{60});
  CHECK(clearing.unserved == Watts{0});
}

TEST_CASE("nothing is sold without demand or offers", "[market][clearing]") {
  CHECK_FALSE(clear_by_merit(std::vector<Offer>{{Watts{5}, Price{1}}}, Watts{0}).price);
  CHECK_FALSE(clear_by_merit({}, Watts{7}).price);
  CHECK(clear_by_merit({}, Watts{7}).unserved == Watts{7});
}

TEST_CASE("equal offers at the margin share it to the watt", "[market][clearing]") {
  const std::vector<Offer> offers(3, {Watts{10}, Price{5}});
  CHECK(clear_by_merit(offers, Watts{20}).accepted ==
        std::vector<Watts>{Watts{7}, Watts{7}, Watts{6}});
}

TEST_CASE("clearing agrees with selling watt by watt", "[market][clearing]") {
  Rng rng{GENERATE(range(1U, 200U))};
  std::vector<Offer> offers;
  for (auto n = rng.below(8); n > 0; --n) {
    offers.push_back({Watts{static_cast<std::int64_t>(1 + rng.below(20))},
                      Price{static_cast<std::int64_t>(rng.below(5)) - 1}});
  }
  const Watts demand{static_cast<std::int64_t>(rng.below(100))};
  std::vector<Price> single;
  for (const Offer& offer : offers) {
    single.insert(single.end(), static_cast<std::size_t>(offer.power.count), offer.price);
  }
  std::ranges::sort(single);
  const auto sold = std::min(single.size(), static_cast<std::size_t>(demand.count));

  const Clearing clearing = clear_by_merit(offers, demand);
  CHECK(sum(clearing.accepted).count == static_cast<std::int64_t>(sold));
  CHECK(clearing.unserved == demand - sum(clearing.accepted));
  REQUIRE(clearing.price.has_value() == (sold > 0));
  if (sold == 0) return;
  CHECK(clearing.price == single[sold - 1]);
  for (std::size_t i = 0; i < offers.size(); ++i) {
    CHECK(clearing.accepted[i] >= Watts{0});
    CHECK(clearing.accepted[i] <= offers[i].power);
    if (offers[i].price < *clearing.price) CHECK(clearing.accepted[i] == offers[i].power);
    if (offers[i].price > *clearing.price) CHECK(clearing.accepted[i] == Watts{0});
  }
}
