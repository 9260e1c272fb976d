#include "device/storage_watch.h"

#include <algorithm>

#include "device/whole_math.h"

namespace vpp::device {
namespace {

constexpr std::string_view kJump = "state of charge jumped";
/// A battery that was above this cannot just be at 0; counters reset and gateways fail to 0.
constexpr std::int32_t kNearEmptyPermille = 100;

bool good(const Reading<std::int32_t>& reading) {
  return reading.value && reading.quality == Quality::kGood;
}

/// What moves at the most; whatever a device says of itself, within our limits.
Watts rating_of(const std::optional<Watts>& told) {
  return std::clamp(told.value_or(limits::kSitePowerMax), kNothing, limits::kSitePowerMax);
}

Watts larger_rating(const Nameplate& nameplate) {
  return std::max(rating_of(nameplate.discharge_max), rating_of(nameplate.charge_max));
}

/// The most that the stored energy can change in `market` time, losses and slack included.
Joules reach(const Nameplate& nameplate, Joules capacity, Duration market) {
  const std::int64_t moved =
      mul_div_ceil(larger_rating(nameplate).count * 5 / 4, market.count(), 1000);
  return {moved + mul_div_ceil(capacity.count, kJumpSlackPermille, 1000)};
}

bool can_follow(const Now& now, const Nameplate& nameplate, const StorageBelief& before,
                const StorageBelief& after) {
  const Duration market = std::max(Duration{0}, after.at - before.since) * now.speed;
  const Joules most = reach(nameplate, after.capacity, market);
  return after.least - before.least <= most && before.least - after.least <= most &&
         after.most - before.most <= most && before.most - after.most <= most;
}

bool same_value(const StorageBelief& a, const StorageBelief& b) {
  return a.least == b.least && a.most == b.most && a.soc_permille == b.soc_permille;
}

bool tells_stored(const Telemetry& telemetry) {
  const auto& stored = telemetry.stored;
  return stored.value && stored.quality == Quality::kGood && *stored.value >= Joules{0};
}

/// What the device's points say, taken at their word.
std::optional<StorageBelief> as_told(const Nameplate& nameplate, const Telemetry& telemetry) {
  const auto& soc = telemetry.soc_permille;
  if (!good(soc) || !nameplate.energy_max) return std::nullopt;
  const Joules capacity = to_joules(*nameplate.energy_max);
  if (capacity <= Joules{0} || *soc.value < 0 || *soc.value > 1000) return std::nullopt;
  const Joules by_soc{mul_div_floor(capacity.count, *soc.value, 1000)};
  StorageBelief told{by_soc, by_soc, capacity, *soc.value, soc.at, soc.at};
  if (tells_stored(telemetry)) {
    told.least = std::min(told.least, *telemetry.stored.value);
    told.most = std::min(std::max(told.most, *telemetry.stored.value), capacity);
  }
  return told;
}

std::string_view why_unknown(const Nameplate& nameplate, const Telemetry& telemetry) {
  if (!nameplate.energy_max || *nameplate.energy_max <= WattHours{0}) {
    return "energy rating not implemented";
  }
  if (!good(telemetry.soc_permille)) return "state of charge not implemented";
  return "state of charge out of range";
}

}  // namespace

SiteState stored_range(const StorageBelief& belief, const SiteLimits& limits,
                       const Nameplate& nameplate, Duration age) {
  VPP_CHECK(age >= Duration{0});
  const auto unseen = [&](const std::optional<Watts>& rating) {
    return mul_div_ceil(rating_of(rating).count, age.count(), 1000);
  };
  const auto seen = [](std::int64_t flow_mj) {
    return mul_div_ceil(std::max<std::int64_t>(0, flow_mj), 1, 1000);
  };
  const std::int64_t taken = mul_div_ceil(seen(belief.flow_mj) + unseen(nameplate.discharge_max),
                                          1000, limits.discharge_efficiency_permille);
  const std::int64_t added = mul_div_ceil(seen(-belief.flow_mj) + unseen(nameplate.charge_max),
                                          limits.charge_efficiency_permille, 1000);
  return {.stored_least = std::max(Joules{0}, belief.least - Joules{taken}),
          .stored_most = std::min(belief.capacity, belief.most + Joules{added}),
          .capacity = belief.capacity};
}

void StorageWatch::step(const Now& now, const Nameplate& nameplate, const Telemetry& telemetry) {
  integrate(now, nameplate, telemetry);
  const bool news = !told_ || telemetry.soc_permille.at > told_->at;
  if (!news || (!telemetry.soc_permille.value && telemetry.soc_permille.at == Instant{})) return;
  if (lacks_stored(telemetry)) return;
  auto told = as_told(nameplate, telemetry);
  if (!told) {
    objection_ = why_unknown(nameplate, telemetry);
    agreeing_ = 0;
    return;
  }
  if (told_ && same_value(*told_, *told)) {
    told->since = told_->since;
  } else {
    flow_mj_ = 0;
  }
  agreeing_ = told_ && can_follow(now, nameplate, *told_, *told) ? agreeing_ + 1 : 1;
  told_ = told;
  objection_ = objection(now, nameplate, *told);
  if (objection_ == kJump && agreeing_ >= kRoundsToBelieve) objection_ = {};
  if (objection_.empty()) believed_ = told;
}

/// The worse of two points counts: without one of them there is no news. A device that tells it no
/// more is one that never did.
bool StorageWatch::lacks_stored(const Telemetry& telemetry) {
  if (tells_stored(telemetry)) {
    rounds_to_miss_stored_ = kRoundsToBelieve;
  } else if (rounds_to_miss_stored_ > 0 && good(telemetry.soc_permille)) {
    --rounds_to_miss_stored_;
    return true;
  }
  return false;
}

std::string_view StorageWatch::objection(const Now& now, const Nameplate& nameplate,
                                         const StorageBelief& told) const {
  if (told.soc_permille == 0) {
    const bool near = believed_ && believed_->soc_permille <= kNearEmptyPermille &&
                      can_follow(now, nameplate, *believed_, told);
    if (!near) return "state of charge is 0 without reason";
  }
  const std::int64_t frozen_mj = mul_div_floor(told.capacity.count, kFrozenPermille, 1);
  if (flow_mj_ > frozen_mj || flow_mj_ < -frozen_mj) return "state of charge stands still";
  if (believed_ && !can_follow(now, nameplate, *believed_, told)) return kJump;
  return {};
}

void StorageWatch::integrate(const Now& now, const Nameplate& nameplate,
                             const Telemetry& telemetry) {
  const auto& battery = telemetry.battery;
  if (!battery.value || battery.quality != Quality::kGood || battery.at <= flow_until_) return;
  const Duration gap = std::min(battery.at - flow_until_, kFlowGapMax) * now.speed;
  const Watts most = larger_rating(nameplate);
  const Watts standby{most.count * kStandbyPermille / 1000};
  const bool rests = *battery.value < kNothing && *battery.value >= -standby;
  if (!rests) flow_mj_ += std::clamp(*battery.value, -most, most).count * gap.count();
  flow_until_ = battery.at;
}

std::optional<StorageBelief> StorageWatch::belief(Instant now, Duration age_max) const {
  if (!objection_.empty() || !believed_ || now - believed_->at > age_max) {
    return std::nullopt;
  }
  StorageBelief belief = *believed_;
  belief.flow_mj = flow_mj_;
  return belief;
}

std::string_view StorageWatch::doubt(Instant now, Duration age_max) const {
  if (belief(now, age_max)) return {};
  return objection_.empty() ? "state of charge is old" : objection_;
}

}  // namespace vpp::device
