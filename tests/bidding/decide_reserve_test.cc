#include "bidding/decide_reserve.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "bidding/clp_solver.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace std::chrono_literals;

namespace {

constexpr MarketTime kBegin{std::chrono::days{17'500}};
MakeLinearProgram* const kClp = [] { return clp_program().release(); };

/// Finds nothing.
class NoProgram final : public LinearProgram {
 public:
  using LinearProgram::add_column;
  std::size_t add_column(double /*gain*/, LinearBounds /*bounds*/,
                         std::span<const LinearTerm> /*in_rows*/) override {
    return columns_++;
  }
  std::size_t add_row(std::span<const LinearTerm> /*terms*/, LinearBounds /*bounds*/) override {
    return 0;
  }
  [[nodiscard]] std::expected<LinearSolution, LinearFailure> maximise() override {
    return std::unexpected{LinearFailure::kGivenUp};
  }

 private:
  std::size_t columns_ = 0;
};

Gate reserve_gate(MarketTime from, Duration length) {
  return {from, from + length, from - 30min, Session::kRealTime, Product::kReserveUp};
}

/// A plant, its prices of a fortnight and what it has promised.
struct Case {
  PriceSeries energy;
  PriceSeries capacity;
  std::vector<Commitment> committed;
  aggregation::DurationCurve curve;
  Gate gate = reserve_gate(kBegin + 18h, 1h);
  Duration horizon = 6h;
  Price cost{10'000'000};
  std::int32_t called_permille = 100;

  /// The same price each day at the same time.
  static void fill(PriceSeries& series, Duration step, Product product, const auto& price) {
    for (MarketTime at = kBegin - std::chrono::days{9}; at < kBegin + 17h; at += step) {
      const auto of_day = at.time_since_epoch() % std::chrono::days{1};
      series[at] = {at, at + step, price(of_day), Session::kRealTime, product};
    }
  }
  [[nodiscard]] std::expected<BidDecided, std::string_view> decide(
      MakeLinearProgram* solver = kClp) const {
    const DecideInput input{.now = gate.closes - 2min,
                            .gate = gate,
                            .price_min = cost,
                            .horizon = horizon,
                            .prices = &energy,
                            .committed = committed,
                            .capacity = &capacity,
                            .called_permille = called_permille};
    return decide_reserve(input, FirmCurve{curve, 900}, solver);
  }
};

Price per_mwh(std::int64_t units) {
  return Price{units * 1'000'000};
}

/// 100 kW for two hours; energy is worth 40 all day, reserve 60 at 18 h and nothing else.
Case plain(std::int64_t reserve = 60) {
  Case out;
  Case::fill(out.energy, 15min, Product::kEnergy, [](Duration) { return per_mwh(50); });
  Case::fill(out.capacity, 1h, Product::kReserveUp,
             [&](Duration at) { return at == 18h ? per_mwh(reserve) : per_mwh(0); });
  out.curve = aggregation::DurationCurve::of_site({Watts{100'000}, to_joules({200'000})});
  return out;
}

/// Promises and the bid, minute by minute: do any k minutes ask for more than the curve gives?
bool kept_by_the_minute(const Case& at, const BidDecided& decided) {
  const MarketTime begin = at.gate.closes - 2min;
  std::vector<std::int64_t> asked;
  for (MarketTime minute = begin; minute < begin + 48h; minute += 1min) {
    std::int64_t watts = 0;
    for (const Commitment& each : at.committed) {
      if (each.from <= minute && minute < each.until) watts += each.power.count;
    }
    if (at.gate.from <= minute && minute < at.gate.until) {
      for (const auto& segment : decided.bid.segments) watts += segment.power.count;
    }
    asked.push_back(watts);
  }
  std::ranges::sort(asked, std::greater{});
  const FirmCurve curve{at.curve, 900};
  std::int64_t energy = 0;
  for (std::size_t k = 0; k < asked.size(); ++k) {
    energy += asked[k] * 60;
    if (energy > curve.at(std::chrono::minutes{k + 1}).count) return false;
  }
  return true;
}

/// Some prices, promises that can be kept, and any plant.
Case random_case(Rng& rng) {
  const auto some = [&](std::uint64_t n) { return static_cast<std::int64_t>(rng.below(n)); };
  Case out;
  std::vector<Price> by_hour(48);
  for (Price& price : by_hour) price = per_mwh(some(120) - 10);
  const Duration step = rng.below(2) == 0 ? Duration{15min} : Duration{30min};
  Case::fill(out.energy, step, Product::kEnergy,
             [&](Duration at) { return by_hour.at(static_cast<std::size_t>(at / 30min)); });
  for (Price& price : by_hour) price = per_mwh(some(100));
  Case::fill(out.capacity, 1h, Product::kReserveUp,
             [&](Duration at) { return by_hour.at(static_cast<std::size_t>(at / 1h)); });
  out.gate = reserve_gate(kBegin + 18h, rng.below(2) == 0 ? Duration{1h} : Duration{4h});
  out.curve = aggregation::DurationCurve::of_site(
      {Watts{1 + some(100'000)}, to_joules({1 + some(300'000)})});
  out.curve += aggregation::DurationCurve::of_site(
      {Watts{1 + some(100'000)}, to_joules({1 + some(300'000)})});
  out.called_permille = static_cast<std::int32_t>(rng.below(1001));
  Profile profile{out.gate.closes - 2min};
  for (auto n = rng.below(4); n > 0; --n) {
    const MarketTime from = kBegin + 17h + std::chrono::minutes{some(600)};
    const MarketTime until = from + std::chrono::minutes{1 + some(120)};
    const Watts most = profile.largest_addition(from, until, FirmCurve{out.curve, 900});
    if (most <= Watts{0}) continue;
    const Commitment one{Watts{1 + some(static_cast<std::uint64_t>(most.count))}, from, until};
    if (one.power > most) continue;
    profile.add(one);
    out.committed.push_back(one);
  }
  return out;
}

}  // namespace

TEST_CASE("reserve that is dearer than the energy it keeps from sale is bid, and no cheaper",
          "[bidding][reserve]") {
  const Case at = plain();
  const auto decided = at.decide();
  REQUIRE(decided.has_value());
  REQUIRE(decided->bid.segments.size() == 1);
  CHECK(decided->bid.key == bid_key(at.gate));
  CHECK(decided->bid.segments.front().power == Watts{90'000});
  // 60 for keeping and a tenth of 40 for what is called, against 40 for energy: 36 is as good.
  CHECK(std::abs(decided->bid.segments.front().price.count - 36'000'000) < 1'000);
  CHECK(decided->forecast.front() == PricePoint{at.gate.from, at.gate.until, per_mwh(60),
                                                Session::kRealTime, Product::kReserveUp});
  CHECK(decided->called_permille == 100);
}

TEST_CASE("where energy earns more, nothing of reserve is bid", "[bidding][reserve]") {
  CHECK(plain(37).decide().has_value());
  CHECK(plain(35).decide().error() == no_bid::kOtherTimes);
  Case plenty = plain(35);  // and more stored than can be sold at all
  plenty.curve = aggregation::DurationCurve::of_site({Watts{100'000}, to_joules({2'000'000})});
  CHECK(plenty.decide().error() == no_bid::kEnergyIsBetter);
  Case dearer_later = plain();
  dearer_later.curve = aggregation::DurationCurve::of_site({Watts{100'000}, to_joules({100'000})});
  dearer_later.energy.clear();
  Case::fill(dearer_later.energy, 15min, Product::kEnergy,
             [](Duration at) { return at >= 20h && at < 21h ? per_mwh(500) : per_mwh(50); });
  CHECK(dearer_later.decide().error() == no_bid::kOtherTimes);
}

TEST_CASE("without prices, power or a solution nothing of reserve is bid, and it is said why",
          "[bidding][reserve]") {
  Case at = plain();
  CHECK(at.decide(nullptr).error() == no_bid::kNoSolver);
  CHECK(at.decide([]() -> LinearProgram* { return new NoProgram; }).error() == no_bid::kNoSolver);
  at.committed = {{Watts{90'000}, at.gate.from, at.gate.until}};
  CHECK(at.decide().error() == no_bid::kNothingFree);
  at = plain();
  at.capacity.clear();
  CHECK(at.decide().error() == no_bid::kNoCapacityPrice);
  at = plain();
  at.energy.clear();
  CHECK(at.decide().error() == no_bid::kNoForecast);
}

TEST_CASE("a price of reserve that is known once is expected until more is known",
          "[bidding][reserve]") {
  Case at = plain();
  at.capacity = {
      {kBegin, {kBegin, kBegin + 1h, per_mwh(70), Session::kRealTime, Product::kReserveUp}}};
  const auto decided = at.decide();
  REQUIRE(decided.has_value());
  CHECK(decided->forecast.front().price == per_mwh(70));
}

TEST_CASE("reserve and energy promised together never ask for more than is firm",
          "[bidding][reserve]") {
  Rng rng{GENERATE(range(1U, 60U))};
  for (int i = 0; i < 5; ++i) {
    const Case at = random_case(rng);
    const auto decided = at.decide();
    if (!decided) continue;
    const auto& segment = decided->bid.segments.front();
    CAPTURE(segment.power.count);
    CHECK(segment.power > Watts{0});
    CHECK(kept_by_the_minute(at, *decided));
    CHECK(segment.price >= Price{0});
    CHECK(segment.price <= decided->forecast.front().price);  // it wins at what is expected
    CHECK(*at.decide() == *decided);
  }
}

TEST_CASE("the more is paid for reserve, the more readily it is offered", "[bidding][reserve]") {
  Rng rng{GENERATE(range(1U, 60U))};
  Case at = random_case(rng);
  const Duration end = 18h + (at.gate.until - at.gate.from);
  bool offered = false;
  for (std::int64_t units = 0; units <= 200; units += 20) {
    at.capacity.clear();
    Case::fill(at.capacity, 1h, Product::kReserveUp,
               [&](Duration of_day) { return per_mwh(of_day >= 18h && of_day < end ? units : 0); });
    const auto decided = at.decide();
    CAPTURE(units);
    CHECK((decided.has_value() || !offered));
    offered |= decided.has_value();
  }
}
