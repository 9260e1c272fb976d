#include "bidding/performance_score.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <optional>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

using Series = std::vector<double>;

/// An hour and its five minutes of a sine with a period of ten minutes.
Series sine() {
  Series out;
  for (int i = 0; i < 391; ++i) out.push_back(std::sin(2 * std::numbers::pi * i * 10 / 600));
  return out;
}

/// Late by `steps`; before that what the signal began with.
Series late(const Series& signal, std::size_t steps, double factor = 1) {
  Series out;
  for (std::size_t i = 0; i < signal.size(); ++i) {
    out.push_back(factor * signal[i < steps ? 0 : i - steps]);
  }
  return out;
}

double random_share(Rng& rng) {
  return static_cast<double>(rng.below(2'000'001)) / 1e6 - 1;
}

Series random_series(Rng& rng, std::size_t length) {
  Series out;
  double value = random_share(rng);
  const double pace = rng.below(4) == 0 ? 0 : 0.3;  // some never move
  for (std::size_t i = 0; i < length; ++i) {
    out.push_back(value);
    value += pace * random_share(rng);
  }
  return out;
}

PerformanceScore score_of(const Series& signal, const Series& response,
                          const ScoreOptions& options = {}) {
  const auto score = performance_score(signal, response, options);
  REQUIRE(score.has_value());
  return *score;
}

/// Written from the definition a second time: index by index, sums of squares, wide numbers.
struct Naive {
  const Series& x;
  const Series& y;
  ScoreOptions options;
  std::size_t windows = (x.size() - 30) / 30;

  [[nodiscard]] long double mean_of_all() const {
    long double sum = 0;
    for (std::size_t i = 0; i < windows * 30; ++i) sum += std::abs(x[i]);
    return sum / static_cast<long double>(windows * 30);
  }

  [[nodiscard]] long double correlation(std::size_t t, std::size_t lag) const {
    long double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0, stx = 0, sty = 0;
    for (std::size_t i = 0; i < 30; ++i) {
      const long double a = x[t + i];
      const long double b = y[t + lag + i];
      sx += a, sy += b, sxx += a * a, syy += b * b, sxy += a * b;
      stx += static_cast<long double>(i) * a, sty += static_cast<long double>(i) * b;
    }
    const long double vx = std::max(0.0L, sxx / 30 - sx / 30 * (sx / 30));
    const long double vy = std::max(0.0L, syy / 30 - sy / 30 * (sy / 30));
    if (hardly_moves(t)) {
      const long double slope_x = (30 * stx - 435 * sx) / (30.0L * 8555 - 435.0L * 435) * 30;
      const long double slope_y = (30 * sty - 435 * sy) / (30.0L * 8555 - 435.0L * 435) * 30;
      return std::clamp(1 - std::abs(slope_x - slope_y) / mean_of_all(), 0.0L, 1.0L);
    }
    if (std::sqrt(vy) < 1e-8L) return 0;
    return std::max(0.0L, (sxy / 30 - sx / 30 * (sy / 30)) / std::sqrt(vx * vy));
  }

  [[nodiscard]] bool hardly_moves(std::size_t t) const {
    long double sum = 0, squares = 0;
    for (std::size_t i = t; i < t + 30; ++i) {
      sum += x[i];
      squares += static_cast<long double>(x[i]) * x[i];
    }
    const long double variance = std::max(0.0L, squares / 30 - sum / 30 * (sum / 30));
    return std::sqrt(variance) < 0.01L * mean_of_all();
  }

  [[nodiscard]] ScoreParts window(std::size_t t) const {
    std::optional<std::size_t> best;
    const auto merit = [&](std::size_t lag) {
      const bool by_sum = options.lag_rule == LagRule::kDelayAndCorrelation || hardly_moves(t);
      return correlation(t, lag) + (by_sum ? delay(lag) : 0);
    };
    for (std::size_t lag = 0; lag <= 30; ++lag) {
      if (!best || merit(lag) > merit(*best) + 1e-9L) best = lag;
    }
    long double error = 0, size = 0, peak = 0;
    for (std::size_t i = t; i < t + 30; ++i) {
      error += std::abs(static_cast<long double>(y[i]) - x[i]) / 30;
      size += std::abs(static_cast<long double>(x[i])) / 30;
    }
    for (std::size_t i = 0; i < windows * 30; ++i) {
      peak = std::max<long double>(peak, std::abs(x[i]));
    }
    if (options.normaliser == ScoreNormaliser::kSeries) size = mean_of_all();
    if (options.normaliser == ScoreNormaliser::kPeak) size = peak;
    ScoreParts out;
    out.correlation = static_cast<double>(correlation(t, *best));
    out.delay = out.correlation > 0 ? static_cast<double>(delay(*best)) : 0;
    out.precision = static_cast<double>(std::max(0.0L, 1 - error / size));
    out.score = (out.delay + out.correlation + out.precision) / 3;
    return out;
  }

  [[nodiscard]] long double delay(std::size_t lag) const {
    const auto free = static_cast<long double>(options.latency_allowed.count());
    return 1 - std::max(0.0L, static_cast<long double>(lag) * 10 - free) / 300;
  }
};

}  // namespace

TEST_CASE("the check vectors of the performance score are reproduced", "[bidding][score]") {
  const Series x = sine();
  const auto score = [&](const Series& y) { return score_of(x, y).parts.score; };
  constexpr double kSixDigits = 0.5e-6;
  CHECK(score(x) == Approx(1.0).margin(kSixDigits));
  CHECK(score(late(x, 1)) == Approx(0.954103).margin(kSixDigits));
  CHECK(score(late(x, 2)) == Approx(0.908547).margin(kSixDigits));
  CHECK(score(late(x, 6)) == Approx(0.730402).margin(kSixDigits));
  CHECK(score(late(x, 0, 0.8)) == Approx(0.933333).margin(kSixDigits));
  CHECK(score(late(x, 2, 0.8)) == Approx(0.886787).margin(kSixDigits));
  CHECK(score(Series(x.size(), 0)) == 0);
  CHECK(score(late(x, 0, -1)) == Approx(0.333333).margin(kSixDigits));
}

TEST_CASE("a score tells its parts, window by window", "[bidding][score]") {
  const auto score = score_of(sine(), late(sine(), 6));
  REQUIRE(score.windows.size() == 12);
  for (const auto& window : score.windows) {
    CHECK(window.lag == 60s);
    CHECK(window.parts.delay == Approx(0.8));
    CHECK(window.parts.correlation == Approx(1.0));
  }
  CHECK(score.parts.delay == Approx(0.8));
  CHECK(score.parts.precision == Approx(score.parts.score * 3 - 1.8));
}

TEST_CASE("a score equals a naive second implementation, whatever the options",
          "[bidding][score]") {
  Rng rng{11};
  for (int round = 0; round < 40; ++round) {
    const std::size_t length = 60 + rng.below(60);
    const Series x = random_series(rng, length);
    Series y = late(x, rng.below(12), 0.5 + 0.5 * random_share(rng));
    if (rng.below(3) == 0) y = random_series(rng, length);
    for (double& value : y) value += 0.05 * random_share(rng);
    const ScoreOptions options{
        .lag_rule = static_cast<LagRule>(rng.below(2)),
        .normaliser = static_cast<ScoreNormaliser>(rng.below(3)),
        .latency_allowed = std::chrono::seconds{rng.below(3) * 10},
    };
    const Naive naive{x, y, options};
    const auto score = score_of(x, y, options);
    REQUIRE(score.windows.size() == naive.windows);
    for (std::size_t i = 0; i < naive.windows; ++i) {
      const ScoreParts expected = naive.window(i * 30);
      const ScoreParts& parts = score.windows[i].parts;
      REQUIRE(parts.delay == Approx(expected.delay).margin(1e-9));
      REQUIRE(parts.correlation == Approx(expected.correlation).margin(1e-6));
      REQUIRE(parts.precision == Approx(expected.precision).margin(1e-9));
      REQUIRE(parts.score == Approx(expected.score).margin(1e-6));
    }
  }
}

TEST_CASE("a score does not depend on the unit, nor on who charges", "[bidding][score]") {
  Rng rng{12};
  const Series x = random_series(rng, 391);
  Series y = late(x, 1, 0.9);
  for (double& value : y) value += 0.1 * random_share(rng);
  const double score = score_of(x, y).parts.score;
  for (const double unit : {1e-6, -1.0, 1e9}) {
    CHECK(score_of(late(x, 0, unit), late(y, 0, unit)).parts.score == Approx(score).epsilon(1e-9));
  }
}

TEST_CASE("of lags that are as good the shortest counts", "[bidding][score]") {
  Series x;
  for (int i = 0; i < 391; ++i) x.push_back(std::sin(2 * std::numbers::pi * i / 30));
  CHECK(score_of(x, x).windows[3].lag == 0s);  // and 300 s are one period
  const ScoreOptions sum{.lag_rule = LagRule::kDelayAndCorrelation};
  CHECK(score_of(sine(), late(sine(), 1)).windows[3].lag == 10s);
  CHECK(score_of(sine(), late(sine(), 1), sum).windows[3].lag == 0s);
}

TEST_CASE("an allowance makes that much of the lag free, and no more", "[bidding][score]") {
  const auto delay = [](std::size_t steps, std::chrono::seconds allowed) {
    return score_of(sine(), late(sine(), steps), {.latency_allowed = allowed}).parts.delay;
  };
  CHECK(delay(1, 10s) == Approx(1.0));
  CHECK(delay(2, 10s) == Approx(1 - 10.0 / 300));
  CHECK(delay(0, 10s) == Approx(1.0));
}

TEST_CASE("where the signal holds still, a response must hold still, too", "[bidding][score]") {
  const Series x(91, 50);
  CHECK(score_of(x, x).parts.score == Approx(1.0));
  Series drifting = x;
  for (std::size_t i = 0; i < drifting.size(); ++i) drifting[i] += 0.5 * static_cast<double>(i);
  const auto score = score_of(x, drifting);
  CHECK(score.windows[0].lag == 0s);
  CHECK(score.windows[0].parts.correlation == Approx(1 - 15.0 / 50));
}

// A plant held at the most it had been awarded, to the watt, was told of lags of minutes.
TEST_CASE("where the signal holds still, noise of the response is no lag", "[bidding][score]") {
  Rng rng{14};
  const Series x(391, 50);
  Series y = x;
  for (double& value : y) value += 0.01 * random_share(rng);
  for (const auto& window : score_of(x, y).windows) CHECK(window.lag == 0s);
}

TEST_CASE("a window in which the signal is zero is met by zero alone", "[bidding][score]") {
  Series x(91, 0);
  std::fill(x.begin() + 30, x.end(), 5.0);
  Series y = x;
  CHECK(score_of(x, y).windows[0].parts.precision == 1);
  y[7] = 0.001;
  CHECK(score_of(x, y).windows[0].parts.precision == 0);
  const ScoreOptions series{.normaliser = ScoreNormaliser::kSeries};
  CHECK(score_of(x, y, series).windows[0].parts.precision > 0.9999);
}

TEST_CASE("what cannot be scored is an error that says why", "[bidding][score]") {
  const Series x = sine();
  const auto error = [](const Series& signal, const Series& response) {
    const auto score = performance_score(signal, response);
    REQUIRE_FALSE(score.has_value());
    return score.error();
  };
  CHECK(error(x, Series(x.begin(), x.end() - 1)) == ScoreError::kUnequalLengths);
  CHECK(error({}, {}) == ScoreError::kTooShort);
  CHECK(error(Series(59, 1), Series(59, 1)) == ScoreError::kTooShort);
  CHECK(performance_score(Series(60, 1), Series(60, 1)).has_value());
  CHECK(error(Series(60, 0), Series(60, 1)) == ScoreError::kNoSignal);
  using Limits = std::numeric_limits<double>;
  for (const double bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), 1.1e15}) {
    for (const std::size_t place : {std::size_t{0}, x.size() - 1}) {
      Series broken = x;
      broken[place] = bad;
      CHECK(error(broken, x) == ScoreError::kOutOfRange);
      CHECK(error(x, broken) == ScoreError::kOutOfRange);
    }
  }
}

TEST_CASE("numbers of any size give a score from 0 to 1", "[bidding][score]") {
  Rng rng{13};
  for (const double size : {1e15, 1.0, 1e-15, 1e-150, 1e-300}) {
    Series x = random_series(rng, 120);
    const Series y = late(x, 0, 1e15 / 100);
    for (double& value : x) value = std::clamp(value, -1.0, 1.0) * size;
    const ScoreParts parts = score_of(x, late(y, 0, 0.9)).parts;
    for (const double part : {parts.score, parts.delay, parts.correlation, parts.precision}) {
      CHECK((part >= 0 && part <= 1));
    }
  }
}
