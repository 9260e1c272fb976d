// What a home will draw without its battery, from what its own meter said. Pure.
//
// For each quarter of an hour of the day, the mean of the days seen, the newest kDaysMost of them
// weighing the most. Days are UTC's; workdays and Sundays are not told apart, nor is the weather
// known. A quarter that was never watched is unknown, and so is every forecast that it is part of:
// a new home forecasts nothing before its first full day.
//
// Cost       96 numbers; adding a reading is O(quarters since the last one).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "config/time.h"
#include "config/units.h"

namespace vpp::device {

inline constexpr Duration kQuarter = std::chrono::minutes{15};
inline constexpr std::size_t kQuartersOfDay = 96;

/// Which quarter of an hour of its day a time is in.
[[nodiscard]] std::size_t quarter_of_day(MarketTime at);

class LoadForecast {
 public:
  static constexpr std::int32_t kDaysMost = 7;

  struct Quarter {
    Watts mean;             ///< load - PV
    std::int32_t days = 0;  ///< seen, at most kDaysMost; 0: unknown
    friend bool operator==(const Quarter&, const Quarter&) = default;
  };

  /// `recovered`: quarters() of an earlier life; of any other size it counts for nothing.
  explicit LoadForecast(std::vector<Quarter> recovered = {});

  /// `vouched`: the time since the reading before, if no longer than this, counts as watched.
  void add(MarketTime at, Watts net_load, Duration vouched);

  /// The mean over `length` > 0 from `from` on; nothing: a part of it was never seen.
  [[nodiscard]] std::optional<Watts> mean(MarketTime from, Duration length) const;

  [[nodiscard]] const std::vector<Quarter>& quarters() const { return quarters_; }
  /// How many quarters of the day are known.
  [[nodiscard]] std::size_t known() const;

 private:
  void watch(MarketTime from, MarketTime until, Watts net_load);
  void finish();

  struct Last {
    MarketTime at{};
    Watts net_load;
  };
  std::vector<Quarter> quarters_;
  std::optional<Last> last_;
  MarketTime begins_{};       ///< of the quarter that is watched now
  std::int64_t watt_ms_ = 0;  ///< seen in it
  Duration watched_{0};
};

}  // namespace vpp::device
