#include "aggregation/feeder_cap.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;

/// What a share needs to go down two levels, act, be measured and come back up.
constexpr Duration kLag = 8s;
constexpr std::int64_t kMarginPermille = 20;
/// So much of the swing is forgotten each second: half of it in three minutes.
constexpr std::int64_t kForgottenPart = 256;
/// Of what is left of a limit, so much is asked at once at the most: 1/kRisePart each second.
constexpr std::int64_t kRisePart = 4;

}  // namespace

void FeederCap::watch(Instant now, std::int64_t homes) {
  if (seen_at_ && now - *seen_at_ < 1s) return;
  seen_at_ = now;
  swing_ -= swing_ / kForgottenPart;
  for (const std::int64_t then : homes_) swing_ = std::max(swing_, std::abs(homes - then));
  homes_.push_back(homes);
  if (homes_.size() > static_cast<std::size_t>(kLag / 1s)) homes_.erase(homes_.begin());
}

std::int64_t FeederCap::margin(Watts limit) const {
  return swing_ + limit.count / 1000 * kMarginPermille;
}

/// Towards the most that is possible, from what was asked last; all magnitudes of one sign.
std::int64_t FeederCap::rise(std::int64_t most, Duration since) const {
  const std::int64_t from = std::abs(asked_);
  if (most <= from) return most;
  const std::int64_t ms = std::clamp<std::int64_t>(since.count(), 0, 2000);
  constexpr std::int64_t kWhole = 1000 * kRisePart;
  return from + ((most - from) * ms + kWhole - 1) / kWhole;  // rounded up, or it stops short
}

Watts FeederCap::allow(Instant now, Watts target, const FeederReadings& readings) {
  const std::int64_t alone = readings.net.count - readings.batteries.count;
  watch(now, alone);
  const std::int64_t homes = alone + readings.elsewhere.count;
  const Duration since = at_ ? now - *at_ : Duration{1s};
  at_ = now;
  const std::int64_t sign = target < Watts{0} ? -1 : 1;
  if (asked_ * sign < 0) asked_ = 0;
  // Mirrored for a charge, so that the order goes up towards the limit ahead and away from the one
  // behind.
  const auto& ahead = sign > 0 ? limits_.export_max : limits_.import_max;
  const auto& behind = sign > 0 ? limits_.import_max : limits_.export_max;
  const std::int64_t unknown = static_cast<std::int64_t>(readings.unknown) * limits_.site_max.count;
  std::int64_t wanted = std::abs(target.count);
  if (behind && wanted > 0) {
    wanted = std::max(wanted, margin(*behind) - behind->count - homes * sign);
  }
  if (ahead) {
    const std::int64_t most = ahead->count - margin(*ahead) - unknown - homes * sign;
    wanted = std::min(wanted, rise(std::max<std::int64_t>(0, most), since));
  }
  asked_ = wanted * sign;
  return {asked_};
}

}  // namespace vpp::aggregation
