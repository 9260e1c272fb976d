#include "tools/vppctl/plan_cases.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "aggregation/duration_curve.h"
#include "aggregation/firm.h"
#include "aggregation/moments.h"
#include "aggregation/split.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;
using aggregation::DurationCurve;
using aggregation::PlanSummary;
using aggregation::SiteReliability;

constexpr std::array kHorizons{300s, 900s, 3'600s, 14'400s};

/// What the firm curve is made of, in whole watts and joules, rounded down.
class Reliabilities {
 public:
  Reliabilities(const PlanInput& input, const std::vector<bool>& left_out,
                const std::vector<device::Capability>& side) {
    std::map<std::string, std::vector<SiteReliability>> behind;
    std::vector<device::Capability> whole;
    for (std::size_t i = 0; i < side.size(); ++i) {
      if (left_out[i]) continue;
      const device::Capability able{{side[i].power.count / input.parts},
                                    {side[i].energy.count / input.parts}};
      const std::string& uplink = input.uplinks.of_site[i];
      (uplink.empty() ? alone_ : behind[uplink]).push_back({able, input.response_permille[i]});
      whole.push_back(able);
    }
    nominal_ = DurationCurve::of_sites(whole);
    for (const auto& [uplink, sites] : behind) {
      groups_.push_back(
          {input.uplinks.availability.at(uplink), aggregation::Moments::of_sites(sites)});
    }
  }

  [[nodiscard]] const DurationCurve& nominal() const { return nominal_; }
  [[nodiscard]] DurationCurve firm(aggregation::PerMillion shortfall) const {
    return aggregation::firm_curve(nominal_, groups_, alone_, shortfall);
  }

 private:
  DurationCurve nominal_;
  std::vector<aggregation::Block> groups_;
  std::vector<SiteReliability> alone_;
};

std::vector<HeldPower> held(const DurationCurve& nominal, const DurationCurve& firm) {
  std::vector<HeldPower> out;
  for (const auto horizon : kHorizons) {
    const auto power = [&](const DurationCurve& curve) {
      return Watts{curve.at(horizon).count / horizon.count()};
    };
    out.push_back({horizon, power(nominal), power(firm)});
  }
  return out;
}

PlanSummary summary_of(const std::vector<Watts>& request, std::chrono::seconds step,
                       const DurationCurve& curve) {
  const Joules unserved = aggregation::unserved_min(request, step, curve);
  const std::int64_t millionths = aggregation::scale_max_millionths(request, step, curve);
  PlanSummary summary{unserved == Joules{0}, std::nullopt, unserved};
  if (millionths != aggregation::kUnboundedScale) {
    summary.scale_max = static_cast<double>(millionths) / 1e6;
  }
  return summary;
}

/// Of one sign, as magnitudes in whole watts, rounded up: what is firm is in whole watts.
std::vector<Watts> magnitudes(const PlanInput& input, std::int64_t sign) {
  std::vector<Watts> out;
  for (const Watts power : input.request) {
    const std::int64_t magnitude = std::max<std::int64_t>(power.count * sign, 0);
    out.push_back({(magnitude + input.parts - 1) / input.parts});
  }
  return out;
}

FirmAnswer firm_answer(const PlanInput& input, const std::vector<bool>& left_out,
                       std::chrono::seconds step, aggregation::PerMillion shortfall) {
  const Reliabilities out{input, left_out, input.energy};
  const Reliabilities in{input, left_out, input.room};
  const DurationCurve discharge = out.firm(shortfall);
  const DurationCurve charge = in.firm(shortfall);
  return {{summary_of(magnitudes(input, 1), step, discharge),
           summary_of(magnitudes(input, -1), step, charge)},
          held(out.nominal(), discharge),
          held(in.nominal(), charge)};
}

std::vector<device::Capability> remaining(const std::vector<device::Capability>& sites,
                                          const std::vector<bool>& left_out) {
  std::vector<device::Capability> out;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (!left_out[i]) out.push_back(sites[i]);
  }
  return out;
}

}  // namespace

std::optional<std::vector<PlanCase>> plan_cases(const PlanInput& input, const PlanSelection& select,
                                                std::chrono::seconds step,
                                                std::optional<aggregation::PerMillion> shortfall) {
  const std::vector<bool> nobody(input.ids.size(), false);
  std::vector<std::pair<std::vector<std::string>, std::vector<bool>>> left_out{{{}, nobody}};
  for (std::size_t i = 0; i < select.without.size(); ++i) {
    left_out.push_back({{select.without[i]}, input.without[i]});
  }
  if (select.without.size() > 1) {
    std::vector<bool> all = nobody;
    for (const auto& group : input.without) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = all[i] || group[i];
    }
    left_out.emplace_back(select.without, std::move(all));
  }
  std::vector<PlanCase> cases;
  for (auto& [without, sites] : left_out) {
    const auto plan = aggregation::TwoWayPlan::make(
        remaining(input.energy, sites), remaining(input.room, sites), input.request, step);
    if (!plan) return std::nullopt;
    PlanCase next{std::move(without),
                  static_cast<std::size_t>(std::ranges::count(sites, false)),
                  plan->summary(),
                  {}};
    if (shortfall) next.firm = firm_answer(input, sites, step, *shortfall);
    cases.push_back(std::move(next));
  }
  return cases;
}

}  // namespace vpp::ctl
