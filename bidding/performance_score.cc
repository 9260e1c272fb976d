#include "bidding/performance_score.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace vpp::bidding {
namespace {

using Samples = std::span<const double>;

constexpr auto kCount = static_cast<double>(kScoreWindow);
/// What rounding makes of a constant, as part of its magnitude.
constexpr double kRounded = 1e-9;

double mean(Samples samples) {
  double sum = 0;
  for (const double value : samples) sum += value;
  return sum / static_cast<double>(samples.size());
}

double mean_magnitude(Samples samples) {
  double sum = 0;
  for (const double value : samples) sum += std::abs(value);
  return sum / static_cast<double>(samples.size());
}

double mean_error(Samples signal, Samples response) {
  double sum = 0;
  for (std::size_t i = 0; i < signal.size(); ++i) sum += std::abs(response[i] - signal[i]);
  return sum / static_cast<double>(signal.size());
}

/// Mean product of the deviations from both means.
double covariance(Samples a, Samples b) {
  const double mean_a = mean(a);
  const double mean_b = mean(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - mean_a) * (b[i] - mean_b);
  return sum / static_cast<double>(a.size());
}

double deviation(Samples samples) {
  return std::sqrt(covariance(samples, samples));
}

bool is_constant(Samples samples) {
  return deviation(samples) <= kRounded * mean_magnitude(samples);
}

/// Change over the window, by regression.
double slope(Samples samples) {
  const double middle = (kCount - 1) / 2;
  double product = 0;
  double square = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) - middle;
    product += t * samples[i];
    square += t * t;
  }
  return product / square * kCount;
}

class Scoring {
 public:
  Scoring(Samples signal, Samples response, const ScoreOptions& options)
      : signal_{signal},
        response_{response},
        options_{options},
        mean_{mean_magnitude(signal)},
        peak_{std::ranges::max(signal, {}, [](double value) { return std::abs(value); })} {}

  [[nodiscard]] WindowScore window(std::size_t begin) const {
    const Samples signal = signal_.subspan(begin, kScoreWindow);
    // No lag shows where the signal hardly moves: the highest slope score would be noise.
    const bool by_sum = options_.lag_rule == LagRule::kDelayAndCorrelation || hardly_moves(signal);
    WindowScore out;
    double best = -1;
    for (std::size_t lag = 0; lag <= kScoreLagMax; ++lag) {
      const double delay = delay_of(lag);
      const double correlation =
          correlation_of(signal, response_.subspan(begin + lag, kScoreWindow));
      const double merit = by_sum ? delay + correlation : correlation;
      if (merit <= best + kRounded) continue;
      best = merit;
      out.lag = static_cast<int>(lag) * kScoreStep;
      out.parts.correlation = correlation;
      out.parts.delay = correlation > 0 ? delay : 0;
    }
    out.parts.precision = precision_of(signal, response_.subspan(begin, kScoreWindow));
    out.parts.score = (out.parts.delay + out.parts.correlation + out.parts.precision) / 3;
    return out;
  }

 private:
  [[nodiscard]] double delay_of(std::size_t lag) const {
    const auto late = static_cast<int>(lag) * kScoreStep - options_.latency_allowed;
    const auto most = static_cast<int>(kScoreLagMax) * kScoreStep;
    return 1 - static_cast<double>(std::max(late, std::chrono::seconds{0}).count()) /
                   static_cast<double>(most.count());
  }

  [[nodiscard]] bool hardly_moves(Samples signal) const {
    return deviation(signal) < options_.hardly_moves * mean_ || is_constant(signal);
  }

  [[nodiscard]] double correlation_of(Samples signal, Samples response) const {
    double out = 0;
    if (hardly_moves(signal)) {
      out = 1 - std::abs(slope(signal) - slope(response)) / mean_;
    } else if (!is_constant(response)) {
      out = covariance(signal, response) / deviation(signal) / deviation(response);
    }
    return std::clamp(out, 0.0, 1.0);
  }

  [[nodiscard]] double precision_of(Samples signal, Samples response) const {
    const double error = mean_error(signal, response);
    const double norm = normaliser(signal);
    if (norm <= 0) return error > 0 ? 0 : 1;
    return std::clamp(1 - error / norm, 0.0, 1.0);
  }

  [[nodiscard]] double normaliser(Samples signal) const {
    switch (options_.normaliser) {
      case ScoreNormaliser::kWindow:
        return mean_magnitude(signal);
      case ScoreNormaliser::kSeries:
        return mean_;
      case ScoreNormaliser::kPeak:
        return std::abs(peak_);
    }
    VPP_CHECK(false);
  }

  Samples signal_;  ///< the windows that count
  Samples response_;
  const ScoreOptions& options_;
  double mean_;
  double peak_;
};

bool in_range(Samples samples) {
  return std::ranges::all_of(samples, [](double value) {
    return std::isfinite(value) && std::abs(value) <= kScoreMagnitudeMax;
  });
}

ScoreParts mean_of(const std::vector<WindowScore>& windows) {
  ScoreParts sum;
  for (const auto& window : windows) {
    sum.score += window.parts.score;
    sum.delay += window.parts.delay;
    sum.correlation += window.parts.correlation;
    sum.precision += window.parts.precision;
  }
  const auto count = static_cast<double>(windows.size());
  return {sum.score / count, sum.delay / count, sum.correlation / count, sum.precision / count};
}

}  // namespace

std::expected<PerformanceScore, ScoreError> performance_score(Samples signal, Samples response,
                                                              const ScoreOptions& options) {
  VPP_CHECK(options.latency_allowed >= std::chrono::seconds{0});
  if (signal.size() != response.size()) return std::unexpected{ScoreError::kUnequalLengths};
  if (signal.size() < kScoreWindow + kScoreLagMax) return std::unexpected{ScoreError::kTooShort};
  if (!in_range(signal) || !in_range(response)) return std::unexpected{ScoreError::kOutOfRange};
  const std::size_t windows = (signal.size() - kScoreLagMax) / kScoreWindow;
  const Scoring scoring{signal.first(windows * kScoreWindow), response, options};
  if (mean_magnitude(signal.first(windows * kScoreWindow)) <= 0) {
    return std::unexpected{ScoreError::kNoSignal};
  }
  PerformanceScore out;
  for (std::size_t i = 0; i < windows; ++i) {
    out.windows.push_back(scoring.window(i * kScoreWindow));
  }
  out.parts = mean_of(out.windows);
  return out;
}

}  // namespace vpp::bidding
