// How well a response followed a regulation signal: delay, correlation, precision. Pure.
//
// Windows     5 minutes each, 30 samples at 10 s, one after the other from the first sample. A
//             window counts if the response goes on for kLagMax after it: n samples have
//             (n - kLagMax) / kWindow of them; an hour and its 5 minutes are 12.
// Delay       1 - lag / 5 min; `latency_allowed` of the lag is free.
// Correlation of the window of the signal with the response `lag` later (Pearson), not below 0.
//             Where the signal hardly moves: 1 - |difference of both slopes|, as change over the
//             window by regression, in units of the signal's mean magnitude.
// Precision   1 - mean |response - signal| / normaliser, at the same time, not below 0.
// Lag         one of 0, 10, ..., 300 s, by `lag_rule`; of equals the shortest. Where the signal
//             hardly moves none shows, and the sum of both scores decides. A response that
//             correlates at no lag has none: its delay and its correlation count 0.
// Units       any, the same for both; results from 0 to 1. Sign as everywhere.
// Cost        O(windows * lags * samples).
// Source      PJM Manual 12, section 4.5.6. Published implementations differ where it is silent:
//             those choices are options.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

namespace vpp::bidding {

inline constexpr std::chrono::seconds kScoreStep{10};
inline constexpr std::size_t kScoreWindow = 30;     ///< samples
inline constexpr std::size_t kScoreLagMax = 30;     ///< steps
inline constexpr double kScoreQualifies = 0.75;     ///< what a resource needs to be let in
inline constexpr double kScoreMagnitudeMax = 1e15;  ///< of a sample: squares stay exact enough

enum class LagRule : std::uint8_t {
  kCorrelation,          ///< where the correlation is highest
  kDelayAndCorrelation,  ///< where the sum of both scores is highest; flatters slow responses
};

/// What an error is measured against.
enum class ScoreNormaliser : std::uint8_t {
  kWindow,  ///< the signal's mean magnitude in the window; one that is zero is met or missed
  kSeries,  ///< over all windows that count
  kPeak,    ///< the largest magnitude in them, as of what was awarded
};

struct ScoreOptions {
  LagRule lag_rule = LagRule::kCorrelation;
  ScoreNormaliser normaliser = ScoreNormaliser::kWindow;
  std::chrono::seconds latency_allowed{0};  ///< >= 0
  /// The signal hardly moves where its standard deviation is below this part of its mean magnitude
  /// over all windows.
  double hardly_moves = 0.01;
};

struct ScoreParts {
  double score = 0;  ///< mean of the three
  double delay = 0;
  double correlation = 0;
  double precision = 0;
};

struct WindowScore {
  ScoreParts parts;
  std::chrono::seconds lag{0};
};

struct PerformanceScore {
  ScoreParts parts;                  ///< means over the windows
  std::vector<WindowScore> windows;  ///< in the order of time
};

enum class ScoreError : std::uint8_t {
  kUnequalLengths,
  kTooShort,    ///< fewer than kScoreWindow + kScoreLagMax samples
  kOutOfRange,  ///< a sample is NaN, infinite or beyond kScoreMagnitudeMax
  kNoSignal,    ///< the signal is zero in all windows: there was nothing to follow
};

/// Both sampled every kScoreStep, at the same times.
[[nodiscard]] std::expected<PerformanceScore, ScoreError> performance_score(
    std::span<const double> signal, std::span<const double> response,
    const ScoreOptions& options = {});

}  // namespace vpp::bidding
