#include "bidding/market_feed.h"

#include <algorithm>
#include <chrono>

namespace vpp::bidding {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHealthSpan = std::chrono::days{8};
/// Further ahead nobody sells, and nothing is priced.
constexpr Duration kPricedAhead = std::chrono::days{8};
constexpr Duration kQuietMax = 1h;  ///< protocol time

/// An answer may have been under way for a while, in protocol time.
[[nodiscard]] Duration clock_tolerance(const Now& now) {
  return std::max<Duration>(30s, 15s * now.speed);
}

}  // namespace

SeriesHealth health_of(const PriceSeries& series) {
  SeriesHealth health;
  if (series.empty()) return health;
  health.last = series.rbegin()->second;
  auto it = series.lower_bound(health.last->until - kHealthSpan);
  MarketTime end = it->second.from;
  for (; it != series.end(); ++it) {
    if (it->second.from > end) {
      ++health.gaps;
      health.missing += it->second.from - end;
    }
    end = it->second.until;
  }
  return health;
}

bool MarketFeed::heard(const Now& now, std::optional<MarketTime> told_at) {
  health_.last_answer_at = now.market;
  if (told_at && is_sane(*told_at)) {
    health_.clock_ahead = *told_at - now.market;
    health_.clock_agrees = std::chrono::abs(*health_.clock_ahead) <= clock_tolerance(now);
  } else if (told_at) {
    health_.clock_ahead.reset();
    health_.clock_agrees = false;
  }
  return health_.clock_agrees;
}

std::vector<PricePoint> MarketFeed::believable(const Now& now, const PricesFetched& told,
                                               std::chrono::days kept) {
  std::vector<PricePoint> out;
  for (PricePoint point : told.prices) {
    point.session = told.session;
    point.product = told.product;
    const bool ahead = told.session == Session::kDayAhead || told.product != Product::kEnergy;
    const bool may_be_known = ahead ? point.from <= now.market + kPricedAhead
                                    : point.from <= now.market + clock_tolerance(now);
    if (!plausible(point) || !may_be_known) {
      ++health_.prices_refused;
    } else if (point.until > now.market - kept) {
      out.push_back(point);
    }
  }
  health_.prices_refused += told.unreadable;
  return out;
}

void MarketFeed::failed(const Now& now, const std::string& why,
                        std::optional<Duration> retry_after) {
  ++health_.failures;
  health_.last_error = why;
  health_.last_error_at = now.market;
  if (!retry_after || *retry_after <= Duration{0}) return;
  const Duration wait = std::min(*retry_after, kQuietMax) * std::max<std::int64_t>(now.speed, 1);
  quiet_until_ = std::max(quiet_until_, now.market + wait);
}

void MarketFeed::award_again(const Award& known, const Award& told) {
  if (told == known) {
    ++health_.awards_repeated;
    return;
  }
  ++health_.awards_contradicted;
  health_.contradiction = known.key + ": " + std::to_string(known.power.count) +
                          " W were awarded first, then " + std::to_string(told.power.count) + " W";
}

MarketHealth MarketFeed::health(const Now& now) const {
  MarketHealth out = health_;
  if (quiet(now)) out.quiet_until = quiet_until_;
  return out;
}

}  // namespace vpp::bidding
