// What a home expects of itself over a slot, and what it pays.
#include "device/tariff.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "device/load_profile.h"

namespace vpp::device {
namespace {

using namespace std::chrono_literals;

constexpr MarketTime kStart{std::chrono::days{19'000}};

TEST_CASE("the mean of a slot is of all its quarters, and unknown where one of them is",
          "[device][profile]") {
  LoadProfile::Slots slots{};
  for (std::size_t i = 0; i < 95; ++i) slots.at(i) = {Watts{100 * static_cast<int>(i)}, 1};
  const LoadProfile profile{slots};
  CHECK(profile.mean(kStart, 15min) == Watts{0});
  CHECK(profile.mean(kStart + 48h + 1h, 1h) == Watts{550});
  CHECK(profile.mean(kStart + 1h + 10min, 15min) == Watts{466});  // 5 min of one, 10 of the next
  CHECK(profile.mean(kStart, 23h + 45min));
  CHECK_FALSE(profile.mean(kStart, 24h));
  CHECK_FALSE(profile.mean(kStart + 23h + 50min, 15min));
}

TEST_CASE("a tariff holds by the time of its own day, past midnight too", "[device][tariff]") {
  const Tariff tariff{.buy = {300},
                      .sell = {80},
                      .periods = {{17h, 21h, Price{500}, Price{90}},
                                  {22h, 6h, Price{200}, Price{70}},
                                  {0h, 24h - 15min, Price{300}, Price{80}}},
                      .utc_offset = 1h,
                      .stored_value = {}};
  CHECK(prices_over(tariff, kStart + 16h, 1h) == TariffPrices{Price{500}, Price{90}});
  CHECK(prices_over(tariff, kStart + 15h + 30min, 1h) == TariffPrices{Price{400}, Price{85}});
  CHECK(prices_over(tariff, kStart + 23h + 30min, 15min) == TariffPrices{Price{200}, Price{70}});
  CHECK(prices_over(tariff, kStart + 10h, 1h) == TariffPrices{Price{300}, Price{80}});
}

}  // namespace
}  // namespace vpp::device
