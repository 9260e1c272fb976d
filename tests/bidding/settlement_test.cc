#include "bidding/settlement.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace std::chrono_literals;

namespace {

constexpr Gate kHour{MarketTime{1h}, MarketTime{2h}, MarketTime{}};

std::vector<std::string> abouts(const std::vector<Disagreement>& all) {
  std::vector<std::string> out;
  for (const Disagreement& each : all) out.push_back(each.about);
  return out;
}

}  // namespace

TEST_CASE("owners together are never paid more than their share of what was earned",
          "[bidding][settlement]") {
  Rng rng{GENERATE(range(1U, 200U))};
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(rng.below(n)); };
  const Award award{"a", kHour, {below(50'000'000)}, {below(1'000'000'000) - 50'000'000}};
  std::vector<Joules> sites(1 + rng.below(50));
  Joules all;
  for (Joules& site : sites) all += site = {below(40'000'000)};
  const Settlement settlement{
      "a", awarded_energy(award), all, {below(10'000'000'000)}, {below(3'000'000'000)}};
  const auto share = static_cast<std::int32_t>(rng.below(1001));
  const Price rate = owner_rate(settlement, award, all, share);
  Amount paid;
  for (const Joules site : sites) paid += worth(site, rate);
  const double net = static_cast<double>((settlement.revenue - settlement.penalty).count);
  CHECK(paid <= worth(all, rate));
  CHECK(static_cast<double>(worth(all, rate).count) <= std::max(0.0, net * share / 1000));
  CHECK(rate <= std::max(award.clearing, Price{0}));
  CHECK(rate >= Price{0});
  // And no less than that but for rounding, unless the clearing price holds it.
  if (rate > Price{0} && rate < award.clearing) {
    const double lost =
        static_cast<double>(all.count) / 3.6e9 + static_cast<double>(sites.size()) + 2;
    CHECK(static_cast<double>(paid.count) >= net * share / 1000 - lost);
  }
}

TEST_CASE("energy at a price is floored, either way", "[bidding][settlement]") {
  CHECK(worth({3'600'000'000}, {55'200'000}) == Amount{55'200'000});
  CHECK(worth({1}, {1}) == Amount{0});
  CHECK(worth({1}, {-1}) == Amount{-1});
  CHECK(worth({INT64_MAX}, {INT64_MAX}) ==
        worth({INT64_MAX}, {INT64_MAX - 1}));  // held at the limit
}

TEST_CASE("what a market settles otherwise is told to the watt-hour and the cent",
          "[bidding][settlement]") {
  const Award award{"a", kHour, {10'000}, {60'000'000}};
  const DeliveryMeasured measured{{"a", kHour, {36'000'000}}, 3, 3};
  const Settlement right{"a", {36'000'000}, {36'000'000}, {600'000}, {0}};
  CHECK(compare(award, {}, measured, right).empty());
  Settlement other = right;
  other.delivered += Joules{3'600};
  CHECK(compare(award, {}, measured, other).empty());
  other.delivered += Joules{1};
  CHECK(abouts(compare(award, {}, measured, other)) == std::vector<std::string>{"delivered_j"});
  other = right;
  other.awarded = {18'000'000};  // and revenue that does not fit it
  CHECK(abouts(compare(award, {}, measured, other)) ==
        std::vector<std::string>{"awarded_j", "revenue_micro"});
  other = right;
  other.penalty = {-1};
  CHECK(abouts(compare(award, {}, measured, other)) == std::vector<std::string>{"penalty_micro"});
  CHECK(compare(right, right).empty());
  CHECK(abouts(compare(right, other)) == std::vector<std::string>{"settled_again_penalty_micro"});
}

TEST_CASE("of reserve what was called is owed, and keeping it is what must agree",
          "[bidding][settlement][reserve]") {
  Gate gate = kHour;
  gate.product = Product::kReserveUp;
  const Award award{"a", gate, {10'000}, {20'000'000}};
  const ReserveCall call{"a", {8'000}, MarketTime{75min}, MarketTime{105min}};
  CHECK(owed_energy(award, call) == Joules{14'400'000});
  CHECK(owed_energy(award, {}) == Joules{0});
  const DeliveryMeasured measured{{"a", gate, {14'400'000}}, 3, 3};
  const Settlement right{"a", {14'400'000}, {14'400'000}, {800'000}, {0}, {200'000}};
  CHECK(compare(award, call, measured, right).empty());
  Settlement other = right;
  other.availability -= Amount{10'001};
  CHECK(abouts(compare(award, call, measured, other)) ==
        std::vector<std::string>{"availability_micro"});
  CHECK(abouts(compare(right, other)) ==
        std::vector<std::string>{"settled_again_availability_micro"});
  other = right;
  other.awarded = awarded_energy(award);
  CHECK(abouts(compare(award, call, measured, other)) == std::vector<std::string>{"awarded_j"});
  // All of what was earned goes to those who delivered, and no more if others deliver later.
  CHECK(worth({14'400'000}, owner_rate(right, award, {14'400'000}, 1000)) == Amount{800'000});
  CHECK(worth({14'400'000}, owner_rate(right, award, {7'200'000}, 1000)) == Amount{800'000});
  CHECK(owner_rate(right, award, {0}, 1000) == Price{0});
}
