#include "tools/vppctl/score_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

#include "bidding/performance_score.h"
#include "tools/vppctl/csv.h"

namespace vpp::ctl {
namespace {

constexpr std::array<std::string_view, 2> kScoreColumns{"seconds", "value"};
constexpr double kStepS = bidding::kScoreStep.count();
constexpr std::size_t kSamplesMin = bidding::kScoreWindow + bidding::kScoreLagMax;
constexpr double kSecondsMax = 1e10;  ///< three centuries: a clock since 1970 fits
constexpr double kSpanMaxS = 1e8;     ///< three years: ten million samples
constexpr double kGapS = 60;          ///< markets want a value every few seconds
constexpr double kSameTimeS = 1e-6;   ///< decimals of one time in two files

struct Samples {
  std::vector<double> seconds;  ///< rising
  std::vector<double> values;

  [[nodiscard]] bool empty() const { return seconds.empty(); }
};

/// A number within +-max; otherwise an error at the cell.
std::optional<double> take_number(const CsvRow& row, std::size_t place, double max,
                                  CsvErrors& errors, std::string_view name) {
  const auto& cell = row.cells[place];
  const auto refuse = [&](const std::string& cause, const std::string& hint) {
    errors.add(row.line, cell.column, cause, hint);
    return std::nullopt;
  };
  if (cell.text.empty()) {
    return refuse(fmt::format("{} is missing", name), "leave the line out: a value holds");
  }
  std::string_view text = cell.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const std::string what = fmt::format("{} '{}' is ", name, cell.text);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument || std::isnan(number)) {
    return refuse(what + "not a number", "digits, with a point for decimals");
  }
  if (parsed.ec != std::errc{} || std::abs(number) > max) {
    return refuse(what + "out of range", fmt::format("at most {:g} in magnitude", max));
  }
  return number;
}

Samples read_samples(const std::string& file, CsvErrors& errors,
                     std::vector<std::string>& warnings) {
  Samples out;
  const auto text = read_file(file, errors);
  if (!text) return out;
  const CsvTable table = parse_csv(*text, {kScoreColumns, {}}, errors);
  for (const auto& name : table.ignored) {
    warnings.push_back(fmt::format("column '{}' of {} is ignored", name, file));
  }
  const bool lacks_one = std::ranges::find(table.places, CsvTable::npos) != table.places.end();
  if (table.places.empty() || lacks_one) return out;
  for (const auto& row : table.rows) {
    const auto at = take_number(row, table.places[0], kSecondsMax, errors, kScoreColumns[0]);
    const auto value =
        take_number(row, table.places[1], bidding::kScoreMagnitudeMax, errors, kScoreColumns[1]);
    if (!at || !value) continue;
    if (!out.empty() && *at <= out.seconds.back()) {
      errors.add(row.line, row.cells[table.places[0]].column,
                 fmt::format("seconds {} after {}", *at, out.seconds.back()),
                 "they rise from line to line");
      continue;
    }
    out.seconds.push_back(*at);
    out.values.push_back(*value);
  }
  if (table.rows.empty() && errors.empty()) errors.add("no sample in the file");
  return out;
}

void warn_of_gaps(const std::string& file, const Samples& samples,
                  std::vector<std::string>& warnings) {
  std::size_t gaps = 0;
  std::string first;
  for (std::size_t i = 1; i < samples.seconds.size(); ++i) {
    const double before = samples.seconds[i - 1];
    if (samples.seconds[i] - before <= kGapS) continue;
    if (gaps++ == 0) first = fmt::format("{:g} s after {:g}", samples.seconds[i] - before, before);
  }
  if (gaps == 0) return;
  warnings.push_back(
      fmt::format("{} is silent for more than {:g} s {} times, first for {}: the value before it "
                  "is held",
                  file, kGapS, gaps, first));
}

/// The newest value at each of `count` times.
std::vector<double> sampled(const Samples& samples, double from_s, std::size_t count) {
  std::vector<double> out;
  out.reserve(count);
  std::size_t newest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double at = from_s + kStepS * static_cast<double>(i) + kSameTimeS;
    while (newest + 1 < samples.seconds.size() && samples.seconds[newest + 1] <= at) ++newest;
    out.push_back(samples.values[newest]);
  }
  return out;
}

void bring_together(const Samples& signal, const Samples& response, ScoreInput& input,
                    CsvErrors& errors) {
  // In step with the signal: when it was sampled decides how old the response may be.
  const double behind_s = response.seconds.front() - signal.seconds.front();
  const double steps = std::ceil(std::max(0.0, behind_s - kSameTimeS) / kStepS);
  input.from_s = signal.seconds.front() + steps * kStepS;
  const double until_s = std::min(signal.seconds.back(), response.seconds.back());
  const double span_s = until_s - input.from_s;
  const double least_s = kStepS * static_cast<double>(kSamplesMin - 1);
  if (span_s + kSameTimeS < least_s) {
    errors.add(fmt::format("{:g} s in common with the signal, {:g} s are needed",
                           std::max(0.0, span_s), least_s),
               "a window of 5 minutes, and 5 more for its lag; are both by the same clock?");
    return;
  }
  if (span_s > kSpanMaxS) {
    errors.add(fmt::format("{:g} s in common with the signal", span_s), "the unit is seconds");
    return;
  }
  const auto count = static_cast<std::size_t>((span_s + kSameTimeS) / kStepS) + 1;
  input.signal = sampled(signal, input.from_s, count);
  input.response = sampled(response, input.from_s, count);
}

}  // namespace

std::expected<ScoreInput, std::vector<std::string>> read_score_input(
    const std::string& signal_file, const std::string& response_file) {
  ScoreInput input;
  CsvErrors signal_errors{signal_file};
  CsvErrors response_errors{response_file};
  const Samples signal = read_samples(signal_file, signal_errors, input.warnings);
  const Samples response = read_samples(response_file, response_errors, input.warnings);
  if (signal_errors.empty() && response_errors.empty()) {
    warn_of_gaps(signal_file, signal, input.warnings);
    warn_of_gaps(response_file, response, input.warnings);
    bring_together(signal, response, input, response_errors);
  }
  if (!signal_errors.empty() || !response_errors.empty()) {
    auto lines = signal_errors.lines();
    const auto more = response_errors.lines();
    lines.insert(lines.end(), more.begin(), more.end());
    return std::unexpected{std::move(lines)};
  }
  return input;
}

}  // namespace vpp::ctl
