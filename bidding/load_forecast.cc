#include "bidding/load_forecast.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr std::size_t kHoursKept = kDayHours * (kLoadErrorDays + 1);
constexpr std::size_t kWeekDays = 7;
constexpr double kFade = 0.85;                ///< of a day's weight, from one day to the next
constexpr double kSameWeekday = 0.35;         ///< more weight, for each week alike
constexpr std::array kRecent{0.7, 0.2, 0.1};  ///< weights of the last hours' deviations
constexpr double kForget = 0.998;  ///< of what was learned, from hour to hour: three weeks

/// Of sorted values: the one that the next of exchangeable ones stays below with that probability.
double load_quantile(const std::vector<double>& sorted, double level) {
  const double last = static_cast<double>(sorted.size()) - 1;
  const double place = std::clamp(level * (last + 2) - 1, 0.0, last);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - std::floor(place));
}

}  // namespace

double LoadForecaster::Left::part() const {
  return square > 0 ? std::clamp(product / square, 0.0, 1.0) : 0;
}

/// 1: the last one added. Null: not known any more.
const LoadForecaster::Hour* LoadForecaster::back(std::size_t hours) const {
  return hours >= 1 && hours <= hours_.size() ? &hours_[hours_.size() - hours] : nullptr;
}

/// Of an hour to come. Every same hour of the days before is known: lead < kLoadHours.
std::optional<double> LoadForecaster::usual(std::size_t lead) const {
  double sum = 0;
  double weights = 0;
  double fade = 1;
  for (std::size_t day = 1; day <= kLoadErrorDays; ++day) {
    fade *= kFade;
    const Hour* hour = back(day * kDayHours - lead);
    if (hour == nullptr) break;
    if (!hour->load) continue;
    const double weight = fade + (day % kWeekDays == 0 ? kSameWeekday : 0);
    sum += weight * *hour->load;
    weights += weight;
  }
  return weights > 0 ? std::optional{sum / weights} : std::nullopt;
}

/// How far the hours just before then were from their usual.
std::optional<double> LoadForecaster::recent(std::size_t hours_ago) const {
  double sum = 0;
  for (std::size_t i = 0; i < kRecent.size(); ++i) {
    const Hour* hour = back(hours_ago + i + 1);
    if (hour == nullptr || !hour->deviation) return std::nullopt;
    sum += kRecent.at(i) * *hour->deviation;
  }
  return sum;
}

void LoadForecaster::add(std::optional<double> load) {
  Hour hour;
  hour.load = load;
  const auto expected = usual(0);
  if (load && expected) hour.deviation = *load - *expected;
  for (std::size_t lead = 0; lead < kLoadHours && hour.deviation; ++lead) {
    const auto then = recent(lead);
    if (!then) continue;
    Left& left = left_.at(lead);
    hour.error.at(lead) = *hour.deviation - left.part() * *then;
    left.product = kForget * left.product + *then * *hour.deviation;
    left.square = kForget * left.square + *then * *then;
  }
  hours_.push_back(hour);
  if (hours_.size() > kHoursKept) hours_.pop_front();
}

std::optional<LoadHour> LoadForecaster::at(std::size_t lead) const {
  VPP_CHECK(lead < kLoadHours);
  const auto mean = usual(lead);
  if (!mean) return std::nullopt;
  const double expected = *mean + left_.at(lead).part() * recent(0).value_or(0);
  return LoadHour{expected, quantiles(lead, expected)};
}

std::optional<Quantiles> LoadForecaster::quantiles(std::size_t lead, double expected) const {
  std::vector<double> errors;
  for (std::size_t day = 1; day <= kLoadErrorDays; ++day) {
    for (const std::size_t beside : {0U, 1U, 2U}) {  // an hour later, the same, an hour earlier
      const std::size_t ago = day * kDayHours - lead + beside;
      const Hour* hour = ago >= 1 ? back(ago - 1) : nullptr;
      if (hour != nullptr && hour->error.at(lead)) errors.push_back(*hour->error.at(lead));
    }
  }
  if (errors.size() < kLoadErrorsMin) return std::nullopt;
  std::ranges::sort(errors);
  Quantiles out{};
  for (std::size_t place = 0; place < kQuantiles; ++place) {
    out.at(place) = expected + load_quantile(errors, quantile_level(place));
  }
  return out;
}

}  // namespace vpp::bidding
