#include "tools/vppctl/plan_number.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

namespace vpp::ctl {
namespace {

constexpr double kReadableMax = 1e15;  ///< thousandths of it still fit into 63 bits

}  // namespace

std::optional<std::int64_t> parse_milli(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  if (std::abs(value) > kReadableMax) {
    return static_cast<std::int64_t>(std::copysign(kReadableMax, value)) * kMilli;
  }
  const auto exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    return static_cast<std::int64_t>(std::llround(value * static_cast<double>(kMilli)));
  }
  // Digit by digit: 0.29 has no exact double.
  const bool negative = text.starts_with('-');
  std::int64_t milli = 0;
  int decimals = -1;
  for (const char c : text.substr(negative ? 1 : 0)) {
    if (c == '.') {
      decimals = 0;
    } else if (decimals < 3) {
      milli = milli * 10 + (c - '0');
      if (decimals >= 0) ++decimals;
    }
  }
  for (int d = std::max(decimals, 0); d < 3; ++d) milli *= 10;
  return negative ? -milli : milli;
}

std::optional<std::int64_t> take_number(const CsvRow& row, std::size_t place,
                                        const CellRange& range, CsvErrors& errors) {
  const auto& cell = row.cells[place];
  const std::string name{range.name};
  const std::string what = name + " '" + cell.text + "'";
  const auto refuse = [&](const std::string& cause, std::string_view hint) {
    errors.add(row.line, cell.column, cause, std::string{hint});
    return std::nullopt;
  };
  if (cell.text.empty()) return refuse(name + " is missing", range.missing_hint);
  const auto milli = parse_milli(cell.text);
  if (!milli) return refuse(what + " is not a number", "digits, with a point for decimals");
  if (*milli < 0 && range.least == 0) return refuse(what + " is negative", range.negative_hint);
  if (*milli > range.most * kMilli || *milli < range.least * kMilli) {
    return refuse(what + " " + std::string{range.large}, "the unit is in the column's name");
  }
  return milli;
}

}  // namespace vpp::ctl
