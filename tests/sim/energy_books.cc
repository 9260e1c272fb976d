#include "tests/sim/energy_books.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

namespace vpp::sim {
namespace {

/// 1 Wh as the invariant says, and the battery's counters show whole watt-hours at both ends.
constexpr std::int64_t kSlackMj = 3 * kJoulesPerWattHour * 1000;

/// A device that was frozen for longer follows what its plan says of the time meanwhile, and the
/// plant may have changed its mind about that.
constexpr Duration kFrozen = std::chrono::seconds{2};

}  // namespace

void EnergyBooks::restarted(WorldTime at, NodeIndex leaf, const device::SiteStatus& status) {
  std::map<OrderId, Entry> entries;
  for (const device::OrderAccount& account : status.accounts) {
    Entry& entry = sites_[leaf].entries[account.order];
    const auto known = std::ranges::find(entry.said, account.delivered);
    if (known == entry.said.end()) {
      findings_.report(Invariant::kEnergyConserved, leaf, at,
                       "begins with " + std::to_string(account.delivered.count) + " J for order " +
                           std::to_string(account.order.value) +
                           ", which it never said before it died");
    }
    entries[account.order].delivered_mj = account.delivered.count * 1000;
  }
  sites_[leaf].entries = std::move(entries);
}

void EnergyBooks::polled(WorldTime at, NodeIndex leaf, const battery::BatteryModel& battery,
                         const device::SiteStatus& status) {
  Site& site = sites_[leaf];
  const battery::Accounts& books = battery.accounts();
  const std::int64_t net_mj = books.injected_mj - books.absorbed_mj;
  const std::int64_t moved_mj = net_mj - site.net_mj;
  if (!site.seen) {
    restarted(at, leaf, status);
  } else if (site.order == status.order) {
    site.entries[site.order].delivered_mj += moved_mj;
    if (at - site.at > kFrozen) site.entries[site.order].unsure_mj += std::abs(moved_mj);
  } else {
    site.entries[site.order].unsure_mj += std::abs(moved_mj);
    site.entries[status.order].unsure_mj += std::abs(moved_mj);
  }
  site.seen = true;
  site.at = at;
  site.net_mj = net_mj;
  site.order = status.order;
  for (const device::OrderAccount& account : status.accounts) {
    Entry& entry = site.entries[account.order];
    if (entry.said.empty() || entry.said.back() != account.delivered) {
      entry.said.push_back(account.delivered);
    }
    const std::int64_t off_mj = account.delivered.count * 1000 - entry.delivered_mj;
    if (std::abs(off_mj) <= kSlackMj + entry.unsure_mj) continue;
    findings_.report(Invariant::kEnergyConserved, leaf, at,
                     "accounts " + std::to_string(account.delivered.count) + " J for order " +
                         std::to_string(account.order.value) + ", its battery moved " +
                         std::to_string(entry.delivered_mj / 1000) + " J, " +
                         std::to_string(entry.unsure_mj / 1000) + " J unsure");
  }
}

Joules EnergyBooks::said(OrderId order) const {
  Joules sum{0};
  for (const Site& site : sites_) {
    const auto entry = site.entries.find(order);
    if (entry != site.entries.end() && !entry->second.said.empty()) {
      sum += entry->second.said.back();
    }
  }
  return sum;
}

}  // namespace vpp::sim
