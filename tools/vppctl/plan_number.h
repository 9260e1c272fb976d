// Numbers in the cells of a plan's files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/limits.h"
#include "tools/vppctl/csv.h"

namespace vpp::ctl {

inline constexpr std::int64_t kMilli = 1'000;

/// A site may be as large as any group; its energy lasts for a week of that, and the numbers below
/// stay whole in 63 bits.
inline constexpr std::int64_t kPowerMaxW = limits::kGroupPowerMax.count;
inline constexpr std::int64_t kEnergyMaxWh = kPowerMaxW * 24 * 7;

/// Thousandths, digits beyond cut off; beyond +-10^15 counts as that. Nothing: no number.
[[nodiscard]] std::optional<std::int64_t> parse_milli(std::string_view text);

/// What a cell may hold.
struct CellRange {
  std::string_view name;  ///< of the column
  std::int64_t least;     ///< 0, or -most
  std::int64_t most;
  std::string_view missing_hint;
  std::string_view negative_hint;
  std::string_view large;  ///< what is wrong with more than `most`
};

/// In thousandths; otherwise an error at the cell.
[[nodiscard]] std::optional<std::int64_t> take_number(const CsvRow& row, std::size_t place,
                                                      const CellRange& range, CsvErrors& errors);

}  // namespace vpp::ctl
