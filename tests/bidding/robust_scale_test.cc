#include "bidding/robust_scale.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

using namespace vpp::bidding;

TEST_CASE("a scaled price comes back as it was, spikes and negative prices too") {
  const std::vector<double> prices{30, 42.5, 28, -500, 35, 90'000, 31, 29.99};
  const RobustScale scale = RobustScale::of(prices);
  for (const double price : prices) {
    REQUIRE(scale.value(scale.scaled(price)) == Approx(price).epsilon(1e-9));
  }
  REQUIRE(scale.scaled(90'000) < 12);
  REQUIRE(scale.scaled(-500) == Approx(-scale.scaled(2 * scale.value(0) + 500)));
}

TEST_CASE("the scale is the median's and the median deviation's, which one spike cannot move") {
  const RobustScale scale = RobustScale::of(std::vector<double>{1, 2, 3, 4, 1e9});
  REQUIRE(scale.value(0) == 3);
  // One deviation in the middle: 1. A normal distribution's is 0.6745 of its standard deviation.
  REQUIRE(scale.scaled(4) == Approx(std::asinh(0.6744897501960817)));
}

TEST_CASE("a column of mostly one value is scaled by its mean deviation; a constant says nothing") {
  const RobustScale sun = RobustScale::of(std::vector<double>{0, 0, 0, 0, 10});
  REQUIRE(sun.scaled(10) == Approx(std::asinh(10 / 2.0)));
  const RobustScale constant = RobustScale::of(std::vector<double>{0.1, 0.1, 0.1});
  REQUIRE(constant.is_constant());
  REQUIRE(constant.scaled(7) == 0);
  REQUIRE(constant.value(0.5) == 0.1);
}
