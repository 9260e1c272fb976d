#include "tools/market/price_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "config/rng.h"

namespace vpp::market {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMicro = 1'000'000;
constexpr int kMicroDigits = 6;

[[nodiscard]] std::vector<std::string_view> split(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::vector<std::string_view> fields;
  for (std::size_t begin = 0;;) {
    const std::size_t end = line.find(',', begin);
    fields.push_back(line.substr(begin, end - begin));
    if (end == std::string_view::npos) return fields;
    begin = end + 1;
  }
}

/// Takes `digits` digits off the front.
[[nodiscard]] std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int value = 0;
  if (text.size() < digits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc{} || end != text.data() + digits || value < 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

[[nodiscard]] bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || !any_of.contains(text.front())) return false;
  text.remove_prefix(1);
  return true;
}

/// "hh:mm" after a sign, "Z" or nothing: what to take off local time to get UTC.
[[nodiscard]] std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (text.empty() || take(text, "Zz")) return 0min;
  const bool west = text.front() == '-';
  if (!take(text, "+-")) return std::nullopt;
  const auto hours = take_number(text, 2);
  (void)take(text, ":");  // "+1000" is as good
  const auto minutes = take_number(text, 2);
  if (!hours || !minutes || *hours > 15 || *minutes > 59) return std::nullopt;
  const auto offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return west ? -offset : offset;
}

[[nodiscard]] Duration take_fraction(std::string_view& text) {
  if (!take(text, ".")) return Duration{0};
  Duration fraction{0};
  for (Duration unit = 100ms; !text.empty() && text.front() >= '0' && text.front() <= '9';
       unit /= 10) {
    fraction += unit * (text.front() - '0');
    text.remove_prefix(1);
  }
  return fraction;
}

[[nodiscard]] std::optional<MarketTime> parse_rfc3339(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || !take(text, "T ")) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take(text, ":")) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  const Duration fraction = take_fraction(text);
  const auto offset = take_offset(text);
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!offset || !text.empty() || !date.ok()) return std::nullopt;
  const auto since = std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours{*hour} +
                     std::chrono::minutes{*minute} + std::chrono::seconds{*second} - *offset;
  return MarketTime{std::chrono::duration_cast<Duration>(since) + fraction};
}

struct Columns {
  std::size_t time = 0;
  std::size_t price = 0;
  bool time_is_end = false;
};

[[nodiscard]] std::expected<Columns, std::string> find_columns(std::string_view header) {
  std::optional<std::size_t> time;
  std::optional<std::size_t> price;
  Columns columns;
  const auto fields = split(header);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i] == "price_per_mwh" || fields[i].starts_with("rrp_")) price = i;
    if (fields[i] == "time_local_market") time = i;
    if (fields[i].starts_with("period_end_")) {
      time = i;
      columns.time_is_end = true;
    }
  }
  if (!time) return std::unexpected{"line 1: no column time_local_market or period_end_..."};
  if (!price) return std::unexpected{"line 1: no column price_per_mwh or rrp_..."};
  columns.time = *time;
  columns.price = *price;
  return columns;
}

using Row = std::pair<MarketTime, Price>;

[[nodiscard]] std::expected<Row, std::string> read_row(std::string_view line,
                                                       const Columns& columns) {
  const auto fields = split(line);
  if (fields.size() <= std::max(columns.time, columns.price)) return std::unexpected{"too short"};
  const auto time = parse_time(fields[columns.time]);
  if (!time) return std::unexpected{time.error()};
  const auto price = parse_price(fields[columns.price]);
  if (!price) return std::unexpected{price.error()};
  return Row{*time, *price};
}

}  // namespace

std::expected<Price, std::string> parse_price(std::string_view text) {
  const auto refuse = [&] { return std::unexpected{"'" + std::string{text} + "' is no price"}; };
  std::string_view rest = text;
  const bool negative = take(rest, "-");
  std::int64_t units = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), units);
  if (error != std::errc{} || rest.starts_with('-') || units > bidding::kPriceMax.count / kMicro) {
    return refuse();
  }
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  std::int64_t micro = 0;
  if (take(rest, ".")) {
    for (int digit = 0; digit < kMicroDigits; ++digit) {
      micro *= 10;
      if (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
        micro += rest.front() - '0';
        rest.remove_prefix(1);
      }
    }
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789"), rest.size()));
  }
  if (!rest.empty()) return refuse();
  const Price price{units * kMicro + micro};
  return negative ? -price : price;
}

std::expected<MarketTime, std::string> parse_time(std::string_view text) {
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  constexpr std::int64_t kMsMax = 4'102'444'800'000;  // the year 2100
  if (error == std::errc{} && end == text.data() + text.size() && ms >= 0 && ms < kMsMax) {
    return MarketTime{Duration{ms}};
  }
  const auto time = parse_rfc3339(text);
  if (!time) return std::unexpected{"'" + std::string{text} + "' is no time"};
  return *time;
}

std::expected<bidding::PriceSeries, std::string> read_prices(std::istream& csv) {
  std::string line;
  if (!std::getline(csv, line)) return std::unexpected{"line 1: nothing there"};
  const auto columns = find_columns(line);
  if (!columns) return std::unexpected{columns.error()};
  std::vector<Row> rows;
  for (int number = 2; std::getline(csv, line); ++number) {
    if (line.empty()) continue;
    const auto row = read_row(line, *columns);
    const std::string where = "line " + std::to_string(number) + ": ";
    if (!row) return std::unexpected{where + row.error()};
    if (!rows.empty() && row->first <= rows.back().first) {
      return std::unexpected{where + "time does not rise"};
    }
    rows.push_back(*row);
  }
  if (rows.size() < 2) return std::unexpected{"fewer than two prices"};
  const auto step = rows[1].first - rows[0].first;
  bidding::PriceSeries series;
  for (const auto& [time, price] : rows) {
    const MarketTime from = columns->time_is_end ? time - step : time;
    series.emplace_hint(series.end(), from, bidding::PricePoint{from, from + step, price});
  }
  return series;
}

Price synthetic_price(std::uint64_t seed, MarketTime from) {
  // Units per MWh by hour of the day (UTC): a morning and an evening peak.
  constexpr std::array<int, 24> kShape{31, 29, 28, 28, 30, 36, 48, 60, 62, 52, 44, 40,
                                       38, 37, 39, 45, 58, 78, 92, 84, 66, 50, 41, 35};
  const auto since = from.time_since_epoch();
  const auto day = std::chrono::floor<std::chrono::days>(since);
  const auto hour = std::chrono::floor<std::chrono::hours>(since - day).count();
  const bool weekend = (day.count() + 3) % 7 >= 5;  // 1970-01-01 was a Thursday; Monday is 0
  Rng slot_noise{seed ^ static_cast<std::uint64_t>(since.count())};
  Rng day_noise{seed ^ static_cast<std::uint64_t>(day.count())};
  const std::int64_t level = kShape.at(static_cast<std::size_t>(hour)) * (weekend ? 80 : 100);
  const auto day_permille = 850 + static_cast<std::int64_t>(day_noise.below(301));
  const auto slot_permille = 900 + static_cast<std::int64_t>(slot_noise.below(201));
  return Price{level * kMicro / 100 * day_permille / 1000 * slot_permille / 1000};
}

}  // namespace vpp::market
