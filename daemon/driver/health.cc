#include "daemon/driver/health.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace vpp::driver {
namespace {

using node::Severity;

/// Below this a deviation is noise of the meters, not of the plant.
constexpr std::int64_t kOffTargetMinW = 100;
constexpr std::int64_t kOffTargetPermille = 50;
constexpr std::uint64_t kDescriptorsPercent = 90;
constexpr std::size_t kUselessTold = limits::kAlternatesMax / 2;

std::string of(std::size_t part, std::size_t all) {
  return std::to_string(part) + " of " + std::to_string(all);
}

/// What the last search for a parent came to; nothing: no more than that it found none.
void check_search(mesh::Trouble trouble, std::vector<HealthCode>& codes) {
  if (trouble == mesh::Trouble::kNoRoot) {
    codes.push_back({"VPP_NO_ROOT", Severity::kError,
                     "whoever answers reaches no root: aggregators that name only each other as "
                     "parents never do; one of them must name the root"});
  } else if (trouble == mesh::Trouble::kLoop) {
    codes.push_back({"VPP_LOOP", Severity::kError,
                     "whoever answers lives below this node or too deep in the tree: [[parents]] "
                     "must name nodes nearer to the root"});
  }
}

void check_uplink(const node::NodeStatus& status, std::vector<HealthCode>& codes) {
  if (status.role == Role::kRoot) return;
  if (!status.parent) {
    codes.push_back(
        {"VPP_NO_PARENT", Severity::kError, "attached to no parent (" + status.uplink_state + ")"});
    check_search(status.trouble, codes);
  } else if (status.path.empty()) {
    codes.push_back({"VPP_NO_ROOT", Severity::kError, "the parent reaches no root"});
  }
}

void check_version(const Snapshot& snapshot, std::vector<HealthCode>& codes) {
  const auto& other = snapshot.vitals.other_version;
  if (!other) return;
  const bool stranded =
      other->above && snapshot.status.role != Role::kRoot && !snapshot.status.parent;
  codes.push_back({"VPP_PROTOCOL_VERSION", stranded ? Severity::kError : Severity::kWarning,
                   other->who + " speaks protocol version " + std::to_string(other->version) +
                       ", this node " + std::to_string(mesh::kProtocolVersion) +
                       ": bring both to the same release of vppd"});
}

/// One that is down is no news; a list of them is.
void check_alternates(const node::NodeStatus& status, std::vector<HealthCode>& codes) {
  if (status.useless_alternates < kUselessTold) return;
  codes.push_back({"VPP_ALTERNATES_USELESS", Severity::kWarning,
                   std::to_string(status.useless_alternates) +
                       " addresses that parents named as alternates never answered, and are left "
                       "alone for 10 minutes: are the [listen] advertise addresses right?"});
}

void check_root(const node::NodeStatus& status, std::vector<HealthCode>& codes) {
  if (!status.root) return;
  const node::RootStatus& root = *status.root;
  const bool leads = root.state == "leader";
  if (!root.lease_problem.empty()) {
    codes.push_back({"VPP_ETCD_UNREACHABLE", leads ? Severity::kWarning : Severity::kError,
                     root.lease_problem});
  }
  if (!leads && (root.holder.empty() || root.state == "fenced")) {
    codes.push_back({"VPP_NOT_LEADER", Severity::kWarning,
                     "this root is " + root.state + ", and none is known to lead"});
  }
  if (leads && !root.serves) {
    codes.push_back({"VPP_JOURNAL_INCOMPLETE", Severity::kError,
                     "waits for " + std::to_string(root.roots_to_hear) +
                         " more roots before it bids or takes orders"});
  } else if (leads && root.standbys < root.copies) {
    codes.push_back(
        {"VPP_JOURNAL_NOT_COPIED", Severity::kError,
         of(root.standbys, root.copies) + " standby roots follow: no bids, no new orders"});
  }
}

void check_tree(const node::NodeStatus& status, std::vector<HealthCode>& codes) {
  const bool stands_by = status.role == Role::kRoot && status.path.empty();
  if (status.role == Role::kLeaf || stands_by) return;
  const auto lost = static_cast<std::size_t>(std::ranges::count_if(
      status.children, [](const mesh::ChildView& c) { return state_of(c) == NodeState::kLost; }));
  if (lost == status.children.size()) {
    codes.push_back({"VPP_NO_CHILDREN", Severity::kWarning, "nobody is attached below"});
  } else if (lost > 0) {
    codes.push_back({"VPP_CHILD_LOST", Severity::kWarning,
                     of(lost, status.children.size()) + " children hold no lease"});
  }
  for (const mesh::ChildView& child : status.children) {
    if (!child.duplicated) continue;
    codes.push_back({"VPP_DUPLICATE_IDENTITY", Severity::kError,
                     "two nodes use the identity of '" + child.name + "' (" + to_string(child.id) +
                         "): give each a key of its own; only one is counted"});
  }
  const mesh::Coverage& coverage = status.group.coverage;
  if (const std::size_t silent = coverage.stale + coverage.offline; silent > 0) {
    codes.push_back({"VPP_STALE_LEAVES", Severity::kWarning,
                     of(silent, coverage.enrolled) + " sites are stale or silent"});
  }
}

void check_order(const node::NodeStatus& status, std::vector<HealthCode>& codes) {
  if (!status.target) return;
  if (status.role != Role::kLeaf && status.group.shortfall.count != 0) {
    codes.push_back({"VPP_SHORTFALL", Severity::kWarning,
                     std::to_string(status.group.shortfall.count) + " W of " +
                         std::to_string(status.target->count) + " W cannot be placed"});
  }
  const auto measured = measured_of(status);
  const auto error = error_permille(status);
  if (error && std::abs(*error) > kOffTargetPermille &&
      std::abs(measured->count - status.target->count) > kOffTargetMinW) {
    codes.push_back({"VPP_OFF_TARGET", Severity::kWarning,
                     std::to_string(measured->count) + " W measured, " +
                         std::to_string(status.target->count) + " W asked"});
  }
}

void check_site(const Snapshot& snapshot, std::vector<HealthCode>& codes) {
  const auto& device = snapshot.vitals.device;
  const auto& site = snapshot.status.site;
  if (snapshot.status.role != Role::kLeaf || !device) return;
  if (!device->connected) {
    codes.push_back({"VPP_DEVICE_UNREACHABLE", Severity::kError, device->problem});
  } else if (site && site->mode == device::Mode::kUncontrollable) {
    codes.push_back({"VPP_DEVICE_UNCONTROLLABLE", Severity::kError,
                     device->problem.empty() ? "the device does not follow" : device->problem});
  } else if (site && site->stale) {
    codes.push_back({"VPP_SITE_STALE", Severity::kWarning, "readings are too old or implausible"});
  }
  if (!device->meter_problem.empty()) {
    codes.push_back({"VPP_METER_UNKNOWN", Severity::kWarning, device->meter_problem});
  }
}

void check_workers(const node::NodeStatus& status, std::vector<HealthCode>& codes) {
  if (!status.workers || !status.root || !status.root->serves) return;
  const auto nobody = [&](bidding::TaskKind kind) {
    return std::ranges::none_of(status.workers->workers,
                                [&](const auto& worker) { return worker.kinds.contains(kind); });
  };
  if (status.workers->model != bidding::kNaiveModel && nobody(bidding::TaskKind::kForecast)) {
    codes.push_back({"VPP_NO_WORKER", Severity::kWarning,
                     "nobody forecasts prices: bids rest on the naive forecast"});
  }
  if (!status.workers->optimiser.empty() && nobody(bidding::TaskKind::kOptimise)) {
    codes.push_back({"VPP_NO_WORKER", Severity::kWarning,
                     "nobody advises on bids: the bidder decides by itself"});
  }
  const auto poisoned =
      static_cast<std::size_t>(std::ranges::count_if(status.workers->tasks, [](const auto& each) {
        return each.second.state == bidding::TaskState::kPoisoned;
      }));
  if (poisoned > 0) {
    codes.push_back({"VPP_TASK_POISONED", Severity::kWarning,
                     std::to_string(poisoned) +
                         " tasks always failed and are set aside; `vppctl workers` shows why"});
  }
}

void check_driver(const Vitals& vitals, const std::optional<bidding::openadr::VenView>& openadr,
                  std::vector<HealthCode>& codes) {
  if (vitals.market && !vitals.market->problem.empty()) {
    codes.push_back({"VPP_MARKET_UNREACHABLE", Severity::kError, vitals.market->problem});
  }
  if (openadr && !openadr->problem.empty()) {
    codes.push_back({"VPP_OPENADR_UNREACHABLE", Severity::kWarning, openadr->problem});
  }
  if (!vitals.store_problem.empty()) {
    codes.push_back({"VPP_STORE_FULL", Severity::kError, vitals.store_problem});
  } else if (vitals.store.permille() >= kStoreAlarmPermille) {
    codes.push_back({"VPP_STORE_LOW", Severity::kWarning,
                     std::to_string(vitals.store.permille() / 10) + " % of the store are used"});
  }
  if (vitals.queue_full) {
    codes.push_back({"VPP_QUEUE_FULL", Severity::kWarning, "requests were turned away"});
  }
  const std::int64_t life = vitals.cert_not_after_ms - vitals.cert_not_before_ms;
  if (life > 0 && vitals.utc_ms - vitals.cert_not_before_ms > life / 3 * 2) {
    const std::int64_t hours = (vitals.cert_not_after_ms - vitals.utc_ms) / 3'600'000;
    codes.push_back({"VPP_CERT_EXPIRING", Severity::kWarning,
                     "the certificate ends in " + std::to_string(hours) + " h"});
  }
}

void check_machine(const Vitals& vitals, std::vector<HealthCode>& codes) {
  const auto& [used, limit] = vitals.descriptors;
  if (limit > 0 && used >= limit) {
    codes.push_back({"VPP_DESCRIPTORS_LOW", Severity::kError,
                     "no file descriptor of " + std::to_string(limit) +
                         " is free: new children wait; hint: raise the limit of open files"});
  } else if (used * 100 > limit * kDescriptorsPercent) {
    codes.push_back({"VPP_DESCRIPTORS_LOW", Severity::kWarning,
                     of(used, limit) + " file descriptors are used"});
  }
  if (vitals.clock_step) {
    const std::int64_t by_s = vitals.clock_step->count() / 1000;
    codes.push_back({"VPP_CLOCK_STEPPED", Severity::kWarning,
                     "the wall clock stepped by " + std::to_string(by_s) +
                         " s; market time follows only if that lasts"});
  }
}

}  // namespace

std::vector<HealthCode> health_of(const Snapshot& snapshot) {
  std::vector<HealthCode> codes;
  check_uplink(snapshot.status, codes);
  check_version(snapshot, codes);
  check_alternates(snapshot.status, codes);
  check_root(snapshot.status, codes);
  check_tree(snapshot.status, codes);
  check_order(snapshot.status, codes);
  check_site(snapshot, codes);
  check_workers(snapshot.status, codes);
  check_driver(snapshot.vitals, snapshot.status.openadr, codes);
  check_machine(snapshot.vitals, codes);
  std::ranges::stable_sort(codes, std::greater{}, &HealthCode::severity);
  return codes;
}

std::string_view health_state(const std::vector<HealthCode>& codes) {
  if (codes.empty()) return "ok";
  return codes.front().severity == Severity::kError ? "error" : "degraded";
}

}  // namespace vpp::driver
