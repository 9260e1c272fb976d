// Series over local time in CSV: when a line is, what it holds, and what of it is unknown.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <expected>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/vppctl/csv.h"

namespace vpp::ctl {

inline constexpr double kUnknownValue = std::numeric_limits<double>::quiet_NaN();

/// By the clock of a place, without its zone: an hour may be missing on a day, or come twice.
struct LocalTime {
  std::chrono::local_days day;
  std::chrono::seconds at{0};  ///< since midnight by that clock
  friend auto operator<=>(const LocalTime&, const LocalTime&) = default;
};

struct Refusal {
  std::string cause;
  std::string hint;
};

/// "2016-12-27 18:00", also with seconds and with a T; 1970 to 2099.
[[nodiscard]] std::expected<LocalTime, Refusal> parse_local_time(std::string_view text);
/// "2016-12-27".
[[nodiscard]] std::expected<std::chrono::local_days, Refusal> parse_local_day(
    std::string_view text);

/// Of such a cell; nothing, with an error at its place, if it is none.
[[nodiscard]] std::optional<LocalTime> take_local_time(const CsvRow& row, std::size_t place,
                                                       CsvErrors& errors);

/// The night of a Sunday in spring or autumn: an hour from 1 to 3.
[[nodiscard]] bool may_change_clocks(std::chrono::local_days day, std::chrono::hours hour);

/// What is unknown, by cause: how often, and the first line.
class SeriesNotes {
 public:
  void add(const std::string& cause, std::size_t line);
  [[nodiscard]] std::vector<std::string> lines(const std::string& file) const;

 private:
  std::map<std::string, std::pair<std::size_t, std::size_t>> notes_;
};

/// Unknown if empty, not finite or absurd, which is noted; nothing, with an error, if it is no
/// number.
[[nodiscard]] std::optional<double> take_value(const CsvRow& row, std::size_t place,
                                               const std::string& name, double max,
                                               SeriesNotes& notes, CsvErrors& errors);

}  // namespace vpp::ctl
