#include "daemon/node/peak.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "aggregation/peak_shaving.h"
#include "config/limits.h"
#include "daemon/node/curves.h"
#include "daemon/node/role_node.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;
using device::LoadProfile;

/// Of protocol time: a load that swings around the level does not switch homes to and fro.
constexpr Duration kQuiet = 30s;
/// How long a share holds that is not renewed.
constexpr Duration kHold = limits::kCutOffHold;
/// Readings further apart do not tell what was between them.
constexpr Duration kWatchedMost = 5min;
/// A profile is of all homes, or nearly: a tenth may be without a meter.
constexpr std::uint32_t kUnknownPart = 10;

/// What comes later finds batteries that were charged in between: nothing is kept for it.
constexpr std::chrono::hours kAhead{12};

/// Of shorter steps the curve tells too little.
constexpr Duration kStepMin = 5min;

/// What is ahead, as far as it is known: first the slot that runs, as measured now.
std::vector<aggregation::NetLoadStep> forecast(const LoadProfile& profile, MarketTime now,
                                               Watts load) {
  constexpr Duration kSlot = LoadProfile::kSlot;
  MarketTime begins{(now.time_since_epoch() / kSlot + 1) * kSlot};
  std::vector<aggregation::NetLoadStep> out{{load, std::max(begins - now, kStepMin)}};
  for (; begins < now + kAhead; begins += kSlot) {
    if (const auto mean = profile.at(begins)) out.push_back({*mean, kSlot});
  }
  return out;
}

std::optional<aggregation::DurationCurve> discharge_of(const mesh::GroupSummary& sum,
                                                       const Scope& scope) {
  const auto whole = curves_of(sum);
  const auto found = std::ranges::find(sum.scopes, scope, &mesh::ScopeSummary::scope);
  if (!whole || found == sum.scopes.end()) return std::nullopt;
  const auto curves = curves_of(*found, sum, *whole);
  return curves ? std::optional{curves->discharge} : std::nullopt;
}

/// By the batteries below, for orders of others.
Watts done_for_others(const mesh::GroupSummary& sum, const Scope& scope) {
  Watts out = sum.measured;
  for (const auto& each : sum.scopes) {
    if (each.scope != scope) out += each.measured;
  }
  return out;
}

}  // namespace

Peak::Peak(const PeakOptions& options, const LoadProfile::Slots& learned)
    : target_{options.target}, scope_{options.program, ""}, profile_{learned} {}

std::optional<mesh::Dispatch> Peak::tick(const Now& now, const mesh::GroupSummary& sum) {
  begin_or_end(now, needed(now, sum));
  status_.asked.reset();
  if (order_) {
    status_.asked = order_->share;
    return order_;
  }
  if (!std::exchange(releasing_, false)) return std::nullopt;
  return form(now, std::nullopt);
}

/// What is above the level; nothing: not known. Not yet what is asked.
std::optional<Watts> Peak::needed(const Now& now, const mesh::GroupSummary& sum) {
  const std::uint32_t known =
      sum.coverage.enrolled - std::min(sum.net_unknown, sum.coverage.enrolled);
  status_ = {.target = target_,
             .scope = scope_,
             .load = std::nullopt,
             .drawn = std::nullopt,
             .unknown = sum.net_unknown,
             .level = std::nullopt,
             .over = {},
             .over_most = order_ ? status_.over_most : Watts{0},
             .asked = std::nullopt,
             .slots_learned = profile_.learned()};
  if (known == 0) return std::nullopt;
  status_.load = sum.load;
  status_.drawn = -sum.net;
  if (sum.net_unknown * kUnknownPart <= sum.coverage.enrolled) {
    learned_ = profile_.add(now.market, sum.load, kWatchedMost) || learned_;
  }
  const auto curve = discharge_of(sum, scope_);
  if (!curve) return std::nullopt;
  const Watts left = sum.load - done_for_others(sum, scope_);
  const auto steps = forecast(profile_, now.market, left);
  const aggregation::Shaving shaving = aggregation::shave(steps, *curve, target_);
  status_.level = shaving.level;
  status_.over = shaving.over;
  return left - shaving.level;
}

void Peak::begin_or_end(const Now& now, std::optional<Watts> need) {
  const bool peak = need && *need > Watts{0};
  if (peak && (order_ || *status_.drawn > *status_.level)) {
    status_.over_most = std::max(status_.over_most, status_.over);
    needed_at_ = now.protocol;
    order_ = form(now, need);
    return;
  }
  if (!order_) return;
  if (need && now.protocol - needed_at_ < kQuiet) {
    order_ = form(now, Watts{0});
    return;
  }
  order_.reset();
  releasing_ = true;
}

/// Whatever newer came from a clock that was behind is older than this.
mesh::Dispatch Peak::form(const Now& now, std::optional<Watts> share) {
  constexpr Duration kSlot = LoadProfile::kSlot;
  const auto since = now.market.time_since_epoch();
  const auto day = static_cast<std::uint64_t>(since / std::chrono::days{1});
  tick_ = std::max(tick_ + 1, static_cast<std::uint64_t>(since.count()));
  mesh::Dispatch out;
  out.order = order_ ? order_->order : OrderId{kFirstLocalOrder.value + day};
  out.from = order_ ? order_->from : now.market;
  out.tick = tick_;
  out.share = share;
  // The same for a while: a line that is paid for is told what changes only.
  out.until = std::max(MarketTime{(since / kSlot + 2) * kSlot}, now.market + kHold * now.speed);
  out.expires = stamp_of(now.protocol + kHold);
  out.scope = scope_;
  return out;
}

std::optional<LoadProfile::Slots> Peak::take_learned() {
  return std::exchange(learned_, false) ? std::optional{profile_.slots()} : std::nullopt;
}

}  // namespace vpp::node
