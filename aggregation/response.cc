#include "aggregation/response.h"

#include <algorithm>

#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {
namespace {

constexpr std::int64_t kEvent = 1000;  ///< thousandths
constexpr std::int64_t kEventsMax = 1'000'000;

}  // namespace

ResponseRate::ResponseRate(const Prior& prior)
    : memory_{prior.memory * kEvent}, kept_{prior.kept * kEvent}, missed_{prior.missed * kEvent} {
  VPP_CHECK(prior.kept >= 1 && prior.missed >= 1 && prior.memory <= kEventsMax);
  VPP_CHECK(prior.memory >= prior.kept + prior.missed);
}

std::optional<ResponseRate> ResponseRate::restored(const Prior& prior, std::int64_t kept_milli,
                                                   std::int64_t missed_milli) {
  ResponseRate rate{prior};
  const std::int64_t most = rate.memory_ + kEvent;
  if (kept_milli < 1 || missed_milli < 1 || kept_milli > most || missed_milli > most ||
      kept_milli + missed_milli > most) {
    return std::nullopt;
  }
  rate.kept_ = kept_milli;
  rate.missed_ = missed_milli;
  return rate;
}

void ResponseRate::observe(Joules asked, Joules delivered) {
  if (asked == Joules{0}) return;
  const Int128 part = Int128{delivered.count} * kEvent / asked.count;
  add(static_cast<std::int64_t>(std::clamp(part, Int128{0}, Int128{kEvent})));
}

void ResponseRate::observe(bool kept) {
  add(kept ? kEvent : 0);
}

/// Both shrink alike, and neither to nothing: the division rounds down what is taken away.
void ResponseRate::add(std::int64_t kept_milli) {
  if (kept_ + missed_ >= memory_) {
    kept_ -= kept_ * kEvent / memory_;
    missed_ -= missed_ * kEvent / memory_;
  }
  kept_ += kept_milli;
  missed_ += kEvent - kept_milli;
}

std::int32_t ResponseRate::permille() const {
  return static_cast<std::int32_t>(kept_ * 1000 / (kept_ + missed_));
}

PerMillion ResponseRate::per_million() const {
  return {kept_ * kCertain.count / (kept_ + missed_)};
}

}  // namespace vpp::aggregation
