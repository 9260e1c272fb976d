// How values look to people: kW and kWh, unknown as "-", ages, tables.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace vpp::ctl {

/// "+12.3 kW"; "-" for null or absent. `signed_` shows a plus.
[[nodiscard]] std::string kilowatts(const nlohmann::ordered_json& watts, bool with_sign = false);
[[nodiscard]] std::string kilowatt_hours(const nlohmann::ordered_json& watt_hours);
[[nodiscard]] std::string age(const nlohmann::ordered_json& milliseconds);
/// Market time, UTC: "2018-06-01 17:15".
[[nodiscard]] std::string utc(const nlohmann::ordered_json& milliseconds);
/// This machine's clock, milliseconds since 1970.
[[nodiscard]] std::int64_t utc_ms_now();
/// A string, number or bool as it is; "-" for null or absent.
[[nodiscard]] std::string plain(const nlohmann::ordered_json& value);
/// The member, or null.
[[nodiscard]] const nlohmann::ordered_json& member(const nlohmann::ordered_json& object,
                                                   std::string_view key);

/// "200kW", "-1.5 MW", "3000", "3000W": whole watts. The error says what is wrong.
[[nodiscard]] std::expected<std::int64_t, std::string> parse_power(std::string_view text);
/// "90s", "5m", "2h", "250ms"; a bare number is refused.
[[nodiscard]] std::expected<std::chrono::milliseconds, std::string> parse_duration(
    std::string_view text);

/// "2018-06-01T17:15:00Z", "2018-06-01T17:15Z", "2018-06-01 17:15" (UTC): milliseconds since 1970.
[[nodiscard]] std::expected<std::int64_t, std::string> parse_utc(std::string_view text);

class Table {
 public:
  explicit Table(std::vector<std::string> head);
  void row(std::vector<std::string> cells);
  /// Two blanks between columns; columns that hold only numbers are right-aligned.
  void print(std::ostream& out) const;
  [[nodiscard]] bool empty() const { return rows_.size() == 1; }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace vpp::ctl
