#include "bidding/openadr_time.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <span>

namespace vpp::bidding::openadr {
namespace {

using namespace std::chrono_literals;

constexpr int kYearLast = 2199;
constexpr std::int64_t kForeverYears = 1'000;

/// Takes what is read off the front of a text.
class TextCursor {
 public:
  explicit TextCursor(std::string_view text) : rest_{text} {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// From `least` to `most` digits.
  [[nodiscard]] std::optional<std::int64_t> digits(std::size_t least, std::size_t most) {
    std::int64_t value = 0;
    std::size_t n = 0;
    while (n < most && n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') {
      value = value * 10 + (rest_[n++] - '0');
    }
    if (n < least) return std::nullopt;
    rest_.remove_prefix(n);
    return value;
  }
  /// What comes after a point, in thousandths; finer digits are cut off.
  [[nodiscard]] std::optional<std::int64_t> thousandths() {
    if (!take('.') && !take(',')) return 0;
    std::int64_t value = 0;
    std::size_t n = 0;
    for (; n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9'; ++n) {
      if (n < 3) value = value * 10 + (rest_[n] - '0');
    }
    if (n == 0) return std::nullopt;
    for (std::size_t i = n; i < 3; ++i) value *= 10;
    rest_.remove_prefix(n);
    return value;
  }

 private:
  std::string_view rest_;
};

std::optional<std::chrono::sys_days> take_date(TextCursor& text) {
  const auto year = text.digits(4, 4);
  if (!year || !text.take('-')) return std::nullopt;
  const auto month = text.digits(2, 2);
  if (!month || !text.take('-')) return std::nullopt;
  const auto day = text.digits(2, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

std::optional<Duration> take_time_of_day(TextCursor& text) {
  const auto hour = text.digits(2, 2);
  if (!hour || *hour > 23 || !text.take(':')) return std::nullopt;
  const auto minute = text.digits(2, 2);
  if (!minute || *minute > 59) return std::nullopt;
  Duration out = std::chrono::hours{*hour} + std::chrono::minutes{*minute};
  if (!text.take(':')) return out;
  const auto second = text.digits(2, 2);
  if (!second || *second > 60) return std::nullopt;
  const auto fraction = text.thousandths();
  if (!fraction) return std::nullopt;
  return out + std::chrono::seconds{*second} + Duration{*fraction};
}

/// East of Greenwich; nothing written is UTC.
std::optional<Duration> take_offset(TextCursor& text) {
  if (text.done() || text.take('Z') || text.take('z')) return Duration{0};
  const bool west = text.take('-');
  if (!west && !text.take('+')) return std::nullopt;
  const auto hours = text.digits(2, 2);
  if (!hours || *hours > 23) return std::nullopt;
  (void)text.take(':');
  const auto minutes = text.done() ? std::optional<std::int64_t>{0} : text.digits(2, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const Duration out = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return west ? -out : out;
}

struct DurationUnit {
  char name;
  Duration length;
};
constexpr std::array<DurationUnit, 4> kDateUnits{
    {{'Y', 24h * 365}, {'M', 24h * 30}, {'W', 24h * 7}, {'D', 24h}}};
constexpr std::array<DurationUnit, 3> kTimeUnits{{{'H', 1h}, {'M', 1min}, {'S', 1s}}};

/// Units come in order and at most once; stops at what is no number. False: not a duration.
bool take_parts(TextCursor& text, std::span<const DurationUnit> units, Duration& sum, bool& any) {
  std::size_t next = 0;
  while (const auto whole = text.digits(1, 9)) {
    const auto fraction = text.thousandths();
    std::size_t unit = next;
    while (unit < units.size() && !text.take(units[unit].name)) ++unit;
    if (!fraction || unit == units.size()) return false;
    if (*fraction != 0 && units[unit].name != 'S') return false;
    const bool endless = Duration{24h * 365} * kForeverYears / units[unit].length <= *whole;
    if (endless || sum == kForever) {
      sum = kForever;
    } else {
      sum += units[unit].length * *whole + Duration{*fraction};
    }
    any = true;
    next = unit + 1;
  }
  return true;
}

/// With zeros before it.
std::string padded(std::int64_t number, std::size_t width) {
  std::string out = std::to_string(number);
  return out.size() < width ? std::string(width - out.size(), '0') + out : out;
}

}  // namespace

std::optional<MarketTime> parse_date_time(std::string_view text) {
  TextCursor rest{text};
  const auto date = take_date(rest);
  if (!date) return std::nullopt;
  Duration time{0};
  Duration offset{0};
  if (!rest.done()) {
    if (!rest.take('T') && !rest.take('t') && !rest.take(' ')) return std::nullopt;
    const auto of_day = take_time_of_day(rest);
    if (!of_day) return std::nullopt;
    const auto east = take_offset(rest);
    if (!east || !rest.done()) return std::nullopt;
    time = *of_day;
    offset = *east;
  }
  const std::chrono::year year = std::chrono::year_month_day{*date}.year();
  if (year <= std::chrono::year{1}) return kStartsNow;
  const MarketTime out{date->time_since_epoch() + time - offset};
  if (out < MarketTime{} || year > std::chrono::year{kYearLast}) return std::nullopt;
  return out;
}

std::optional<Duration> parse_duration(std::string_view text) {
  TextCursor rest{text};
  if (!rest.take('P') || rest.done()) return std::nullopt;
  Duration sum{0};
  bool any = false;
  if (!rest.take('T')) {
    if (!take_parts(rest, kDateUnits, sum, any)) return std::nullopt;
    if (rest.done()) return any ? std::optional{sum} : std::nullopt;
    if (!rest.take('T')) return std::nullopt;
  }
  any = false;
  if (!take_parts(rest, kTimeUnits, sum, any) || !any || !rest.done()) return std::nullopt;
  return sum;
}

std::string to_date_time(MarketTime time) {
  const auto days = std::chrono::floor<std::chrono::days>(time.time_since_epoch());
  const std::chrono::year_month_day date{std::chrono::sys_days{days}};
  const std::chrono::hh_mm_ss of_day{time.time_since_epoch() - days};
  std::string out = padded(static_cast<int>(date.year()), 4) + "-" +
                    padded(static_cast<unsigned>(date.month()), 2) + "-" +
                    padded(static_cast<unsigned>(date.day()), 2) + "T" +
                    padded(of_day.hours().count(), 2) + ":" + padded(of_day.minutes().count(), 2) +
                    ":" + padded(of_day.seconds().count(), 2);
  if (of_day.subseconds() != Duration{0}) out += "." + padded(of_day.subseconds().count(), 3);
  return out + "Z";
}

std::string to_duration(Duration duration) {
  if (duration == kForever) return "P9999Y";
  const std::chrono::hh_mm_ss parts{duration};
  std::string out = "PT";
  if (parts.hours().count() != 0) out += std::to_string(parts.hours().count()) + "H";
  if (parts.minutes().count() != 0) out += std::to_string(parts.minutes().count()) + "M";
  const std::int64_t ms = parts.subseconds().count();
  if (parts.seconds().count() != 0 || ms != 0 || out == "PT") {
    out += std::to_string(parts.seconds().count());
    if (ms != 0) out += "." + padded(ms, 3);
    out += "S";
  }
  return out;
}

}  // namespace vpp::bidding::openadr
