// A tree of dispatchers over sites that do what they are told, for tests and bench/.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "aggregation/dispatcher.h"
#include "config/rng.h"

namespace vpp::aggregation::testing {

class DispatchTree {
 public:
  /// `levels` >= 1 of dispatchers, with random numbers of children.
  DispatchTree(Rng& rng, std::vector<device::Capability> sites, int levels)
      : sites_{std::move(sites)}, came_(sites_.size()) {
    std::vector<std::size_t> all(sites_.size());
    std::iota(all.begin(), all.end(), 0);
    root_ = grow(rng, std::move(all), levels);
  }

  /// Asks for discharge for so long, by fresh reports at every level; returns what came.
  Joules serve(const Now& now, Watts request, std::chrono::seconds lasts) {
    now_ = now;
    lasts_ = lasts;
    sum_up(*root_);
    return {serve(*root_, request)};
  }

 private:
  struct Branch {
    NodeId id;
    std::vector<std::unique_ptr<Branch>> below;
    std::vector<std::size_t> sites;  ///< its own; of all
    Dispatcher dispatcher;
    GroupFlexibility flexibility;
    Watts came;
  };

  std::unique_ptr<Branch> grow(Rng& rng, std::vector<std::size_t> sites, int levels) {
    auto branch = std::make_unique<Branch>();
    branch->id = {1, ++branches_};
    if (levels <= 1 || sites.size() < 2) {
      branch->sites = std::move(sites);
      return branch;
    }
    const std::size_t children = 2 + rng.below(std::min<std::size_t>(sites.size() - 1, 5));
    std::vector<std::vector<std::size_t>> parts(children);
    for (const std::size_t site : sites) parts[rng.below(children)].push_back(site);
    for (auto& part : parts) branch->below.push_back(grow(rng, std::move(part), levels - 1));
    return branch;
  }

  void sum_up(Branch& branch) const {
    branch.flexibility = {};
    for (const auto& child : branch.below) {
      sum_up(*child);
      branch.flexibility.discharge += child->flexibility.discharge;
    }
    for (const std::size_t i : branch.sites) {
      branch.flexibility.discharge += DurationCurve::of_site(sites_[i]);
    }
  }

  std::int64_t serve(Branch& branch, Watts request) {
    std::vector<ChildState> children;
    for (const auto& child : branch.below) {
      children.push_back({child->id, child->flexibility, child->came, now_.protocol});
    }
    for (const std::size_t i : branch.sites) {
      children.push_back({{2, i}, SiteFlexibility{sites_[i], {}}, came_[i], now_.protocol});
    }
    const DispatchPlan plan = branch.dispatcher.tick(now_, request, children);
    std::int64_t joules = 0;
    for (std::size_t k = 0; k < branch.below.size(); ++k) {
      joules += serve(*branch.below[k], plan.shares[k].power);
    }
    for (std::size_t k = 0; k < branch.sites.size(); ++k) {
      const std::size_t site = branch.sites[k];
      Joules& energy = sites_[site].energy;
      const std::int64_t came = std::min(plan.shares[k].power.count * lasts_.count(), energy.count);
      energy -= Joules{came};
      came_[site] = {came / lasts_.count()};
      joules += came;
    }
    branch.came = {joules / lasts_.count()};
    return joules;
  }

  std::vector<device::Capability> sites_;
  std::vector<Watts> came_;  ///< per site, in the last tick
  std::unique_ptr<Branch> root_;
  std::uint64_t branches_ = 0;
  Now now_{};
  std::chrono::seconds lasts_{1};
};

}  // namespace vpp::aggregation::testing
