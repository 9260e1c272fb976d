#include "aggregation/plan.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "aggregation/split.h"
#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {
namespace {

/// Units of `unit` joules: power per slot, energy rounded down.
device::Capability to_units(const device::Capability& site, std::int64_t slot_s,
                            std::int64_t unit) {
  return {Watts{site.power.count * (slot_s / unit)}, Joules{site.energy.count / unit}};
}

/// Omega at 1, 2, ... slots, in units: sum of min(energy, power * k).
std::vector<std::int64_t> omega(std::span<const device::Capability> sites, std::size_t slots,
                                std::int64_t slot_s, std::int64_t unit) {
  // Each site adds its power in every slot until its energy binds, then a rest once.
  std::vector<std::int64_t> slope(slots + 2, 0);
  std::vector<std::int64_t> rest(slots + 1, 0);
  for (const auto& site : sites) {
    const auto able = to_units(site, slot_s, unit);
    const std::int64_t power = able.power.count;
    if (power == 0) continue;
    const std::int64_t full = std::min(able.energy.count / power, static_cast<std::int64_t>(slots));
    const auto end = static_cast<std::size_t>(full);
    slope[0] += power;
    slope[end] -= power;
    if (end < slots) rest[end] += able.energy.count - power * full;
  }
  std::vector<std::int64_t> out(slots);
  std::int64_t power = 0;
  std::int64_t energy = 0;
  for (std::size_t k = 0; k < slots; ++k) {
    power += slope[k];
    energy += power + rest[k];
    out[k] = energy;
  }
  return out;
}

/// S_k, the sum of the k largest requests, for k = 1, 2, ... while they are positive.
std::vector<std::int64_t> largest_sums(std::span<const Watts> request) {
  std::vector<Watts> sorted(request.begin(), request.end());
  std::ranges::sort(sorted, std::greater{});
  std::vector<std::int64_t> sums;
  Watts sum{0};
  for (const Watts power : sorted) {
    if (power <= Watts{0}) break;
    sum += power;
    sums.push_back(sum.count);
  }
  return sums;
}

/// In joules: max over k of (slot * S_k - Omega(k * slot)), not below 0.
std::int64_t unserved(std::span<const std::int64_t> sums, std::span<const std::int64_t> omega_units,
                      std::int64_t slot_s, std::int64_t unit) {
  std::int64_t worst = 0;
  for (std::size_t k = 0; k < sums.size(); ++k) {
    worst = std::max(worst, sums[k] * slot_s - omega_units[k] * unit);
  }
  return worst;
}

/// Compared as fractions, so that only the result is rounded.
std::optional<double> scale_max(std::span<const std::int64_t> sums,
                                std::span<const std::int64_t> omega_joules, std::int64_t slot_s) {
  if (sums.empty()) return std::nullopt;
  std::size_t tightest = 0;
  for (std::size_t k = 1; k < sums.size(); ++k) {
    const Int128 here = Int128{omega_joules[k]} * sums[tightest];
    if (here < Int128{omega_joules[tightest]} * sums[k]) tightest = k;
  }
  return static_cast<double>(omega_joules[tightest]) / static_cast<double>(sums[tightest] * slot_s);
}

std::optional<PlanError> refusal(std::span<const device::Capability> sites,
                                 std::span<const Watts> request, std::int64_t slot_s) {
  constexpr std::int64_t kMax = std::int64_t{1} << 62;
  Watts largest{0};
  for (const auto& site : sites) {
    if (site.power < Watts{0} || site.energy < Joules{0}) return PlanError::kNegative;
    largest = std::max(largest, site.power);
  }
  for (const Watts power : request) {
    if (power < Watts{0}) return PlanError::kNegative;
    if (Int128{power.count} * slot_s * static_cast<std::int64_t>(request.size()) > kMax) {
      return PlanError::kTooLarge;
    }
  }
  const Int128 per_slot = Int128{largest.count} * slot_s;
  const auto sites_slots = Int128{static_cast<std::int64_t>(sites.size()) + 1} *
                           (static_cast<std::int64_t>(request.size()) + 4);
  if (per_slot > kMax || per_slot * sites_slots > kMax) return PlanError::kTooLarge;
  return std::nullopt;
}

/// How many slots ahead times to go are told apart: at least the request's, by refusal(); at most
/// what the level search keeps below 2^62.
std::int64_t horizon_of(std::span<const device::Capability> sites, std::int64_t units_per_watt) {
  std::int64_t largest = 1;
  for (const auto& site : sites) largest = std::max(largest, site.power.count * units_per_watt);
  const auto n = static_cast<std::int64_t>(std::max<std::size_t>(sites.size(), 1));
  return std::min(kTimeToGoMax.count(), (std::int64_t{1} << 62) / n / largest - 2);
}

}  // namespace

std::expected<Plan, PlanError> Plan::make(std::vector<device::Capability> sites,
                                          std::vector<Watts> request, std::chrono::seconds slot) {
  VPP_CHECK(slot.count() >= 1);
  if (const auto error = refusal(sites, request, slot.count())) return std::unexpected{*error};
  Plan plan;
  plan.slot_s_ = slot.count();
  const auto sums = largest_sums(request);
  const auto exact = omega(sites, sums.size(), plan.slot_s_, 1);
  const auto coarse = omega(sites, sums.size(), plan.slot_s_, plan.slot_s_);
  const std::int64_t left = unserved(sums, exact, plan.slot_s_, 1);
  const bool whole_watts = unserved(sums, coarse, plan.slot_s_, plan.slot_s_) == left;
  plan.unit_ = whole_watts ? plan.slot_s_ : 1;
  plan.horizon_ = horizon_of(sites, plan.slot_s_ / plan.unit_);
  plan.summary_ = {left == 0, scale_max(sums, exact, plan.slot_s_), Joules{left}};
  plan.in_units_.resize(sites.size());
  plan.step_.by_site.resize(sites.size());
  plan.sites_ = std::move(sites);
  plan.request_ = std::move(request);
  return plan;
}

const PlanStep& Plan::next() {
  VPP_CHECK(done_ < request_.size());
  const Watts request = request_[done_++];
  std::ranges::transform(sites_, in_units_.begin(),
                         [&](const auto& site) { return to_units(site, slot_s_, unit_); });
  const Split split = split_slot(request.count * (slot_s_ / unit_), in_units_, horizon_);
  step_.asked = {request.count * slot_s_};
  step_.served = Joules{0};
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const Joules energy{split.shares[i].count * unit_};
    step_.by_site[i] = energy;
    step_.served += energy;
    sites_[i].energy -= energy;
  }
  return step_;
}

PlanSummary TwoWaySummary::both() const {
  PlanSummary both{discharge.feasible && charge.feasible, discharge.scale_max,
                   discharge.unserved + charge.unserved};
  if (!both.scale_max || (charge.scale_max && *charge.scale_max < *both.scale_max)) {
    both.scale_max = charge.scale_max;
  }
  return both;
}

std::expected<TwoWayPlan, PlanError> TwoWayPlan::make(std::vector<device::Capability> energy,
                                                      std::vector<device::Capability> room,
                                                      std::span<const Watts> request,
                                                      std::chrono::seconds slot) {
  VPP_CHECK(energy.size() == room.size());
  std::vector<Watts> out;
  std::vector<Watts> in;
  for (const Watts power : request) {
    if (power.count == INT64_MIN) return std::unexpected{PlanError::kTooLarge};
    out.push_back(std::max(power, Watts{0}));
    in.push_back(std::max(-power, Watts{0}));
  }
  auto discharge = Plan::make(std::move(energy), std::move(out), slot);
  if (!discharge) return std::unexpected{discharge.error()};
  auto charge = Plan::make(std::move(room), std::move(in), slot);
  if (!charge) return std::unexpected{charge.error()};
  return TwoWayPlan{*std::move(discharge), *std::move(charge)};
}

const PlanStep& TwoWayPlan::next() {
  const PlanStep& out = discharge_.next();
  const PlanStep& in = charge_.next();
  if (in.asked == Joules{0}) return out;
  charged_.asked = -in.asked;
  charged_.served = -in.served;
  charged_.by_site.resize(in.by_site.size());
  std::ranges::transform(in.by_site, charged_.by_site.begin(), std::negate{});
  return charged_;
}

}  // namespace vpp::aggregation
