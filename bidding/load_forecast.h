// What homes will draw in each of the next hours, learned from what they drew. Pure.
//
// Method     The mean of the same hour on the days before, newer days and those of the same day of
//            the week weighing more; plus the part of the last three hours' deviation from it that
//            is left by then, which is learned for each lead.
// Quantiles  of the errors at the same lead and about the same hour, of the last kLoadErrorDays:
//            so that each level is met as often as it was.
// Units      watts, load less PV, > 0 when drawn from the grid. Hours follow each other.
// Unknown    an hour that is not known teaches nothing. No forecast where no day before had the
//            hour; no quantiles from fewer errors than kLoadErrorsMin.
// Cost       kLoadHours sums of four weeks for each hour added; memory of four weeks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "bidding/error_quantiles.h"

namespace vpp::bidding {

inline constexpr std::size_t kLoadHours = 24;  ///< ahead: beyond, yesterday is not known yet
inline constexpr std::size_t kLoadErrorDays = 28;
inline constexpr std::size_t kLoadErrorsMin = 38;  ///< twice as many as there are levels

struct LoadHour {
  double expected = 0;
  std::optional<Quantiles> quantiles;
};

class LoadForecaster {
 public:
  /// The next hour.
  void add(std::optional<double> load);

  /// Of the `lead`-th hour after the last one that was added, 0 being the next; lead < kLoadHours.
  [[nodiscard]] std::optional<LoadHour> at(std::size_t lead) const;

 private:
  /// Of what is left of a deviation after so many hours, a regression through zero.
  struct Left {
    double product = 0;
    double square = 0;
    [[nodiscard]] double part() const;
  };
  struct Hour {
    std::optional<double> load;
    std::optional<double> deviation;                      ///< of the load from its usual
    std::array<std::optional<double>, kLoadHours> error;  ///< by lead
  };

  [[nodiscard]] const Hour* back(std::size_t hours) const;
  [[nodiscard]] std::optional<double> usual(std::size_t lead) const;
  [[nodiscard]] std::optional<double> recent(std::size_t hours_ago) const;
  [[nodiscard]] std::optional<Quantiles> quantiles(std::size_t lead, double expected) const;

  std::deque<Hour> hours_;  ///< oldest first
  std::array<Left, kLoadHours> left_{};
};

}  // namespace vpp::bidding
