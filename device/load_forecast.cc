#include "device/load_forecast.h"

#include <algorithm>
#include <utility>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::device {
namespace {

/// Of a quarter, or it says nothing.
constexpr Duration kWatchedLeast = kQuarter * 4 / 5;

MarketTime quarter_begin(MarketTime at) {
  return MarketTime{at.time_since_epoch() / kQuarter * kQuarter};
}

}  // namespace

std::size_t quarter_of_day(MarketTime at) {
  const std::int64_t quarter = at.time_since_epoch() / kQuarter;
  return static_cast<std::size_t>(quarter % static_cast<std::int64_t>(kQuartersOfDay));
}

LoadForecast::LoadForecast(std::vector<Quarter> recovered) : quarters_{std::move(recovered)} {
  if (quarters_.size() != kQuartersOfDay) quarters_.assign(kQuartersOfDay, {});
  for (Quarter& each : quarters_) each.days = std::clamp(each.days, 0, kDaysMost);
}

void LoadForecast::add(MarketTime at, Watts net_load, Duration vouched) {
  if (at < MarketTime{}) return;  // before 1970: a clock that knows nothing yet
  net_load = std::clamp(net_load, -limits::kSitePowerMax, limits::kSitePowerMax);
  if (last_ && last_->at < at && at - last_->at <= vouched) {
    watch(last_->at, at, Watts{(last_->net_load.count + net_load.count) / 2});
  }
  last_ = Last{at, net_load};
}

void LoadForecast::watch(MarketTime from, MarketTime until, Watts net_load) {
  while (from < until) {
    const MarketTime begin = quarter_begin(from);
    if (begin != begins_) {
      finish();
      begins_ = begin;
    }
    const Duration piece = std::min(until, begin + kQuarter) - from;
    watt_ms_ += net_load.count * piece.count();
    watched_ += piece;
    from += piece;
  }
  if (until == begins_ + kQuarter) finish();
}

void LoadForecast::finish() {
  if (watched_ >= kWatchedLeast) {
    Quarter& quarter = quarters_[quarter_of_day(begins_)];
    quarter.days = std::min(quarter.days + 1, kDaysMost);
    quarter.mean += Watts{(watt_ms_ / watched_.count() - quarter.mean.count) / quarter.days};
  }
  watt_ms_ = 0;
  watched_ = Duration{0};
}

std::optional<Watts> LoadForecast::mean(MarketTime from, Duration length) const {
  VPP_CHECK(length > Duration{0});
  std::int64_t watt_ms = 0;
  const MarketTime until = from + length;
  for (MarketTime at = from; at < until;) {
    const Quarter& quarter = quarters_[quarter_of_day(at)];
    if (quarter.days == 0) return std::nullopt;
    const Duration piece = std::min(until, quarter_begin(at) + kQuarter) - at;
    watt_ms += quarter.mean.count * piece.count();
    at += piece;
  }
  return Watts{watt_ms / length.count()};
}

std::size_t LoadForecast::known() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(quarters_, [](const Quarter& each) { return each.days > 0; }));
}

}  // namespace vpp::device
