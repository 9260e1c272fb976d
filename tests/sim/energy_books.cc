#include "tests/sim/energy_books.h"

#include <cstdlib>
#include <string>

namespace vpp::sim {
namespace {

/// 1 Wh as the invariant says, and the battery's counters show whole watt-hours at both ends.
constexpr std::int64_t kSlackMj = 3 * kJoulesPerWattHour * 1000;

}  // namespace

void EnergyBooks::polled(WorldTime at, NodeIndex leaf, const battery::BatteryModel& battery,
                         const device::SiteStatus& status) {
  Site& site = sites_[leaf];
  const battery::Accounts& books = battery.accounts();
  const std::int64_t net_mj = books.injected_mj - books.absorbed_mj;
  const std::int64_t moved_mj = net_mj - site.net_mj;
  if (site.seen && site.order == status.order) {
    site.entries[site.order].delivered_mj += moved_mj;
  } else if (site.seen) {
    site.entries[site.order].unsure_mj += std::abs(moved_mj);
    site.entries[status.order].unsure_mj += std::abs(moved_mj);
  }
  site.seen = true;
  site.net_mj = net_mj;
  site.order = status.order;
  for (const device::OrderAccount& account : status.accounts) {
    const Entry& entry = site.entries[account.order];
    const std::int64_t off_mj = account.delivered.count * 1000 - entry.delivered_mj;
    if (std::abs(off_mj) <= kSlackMj + entry.unsure_mj) continue;
    findings_.report(Invariant::kEnergyConserved, leaf, at,
                     "accounts " + std::to_string(account.delivered.count) + " J for order " +
                         std::to_string(account.order.value) + ", its battery moved " +
                         std::to_string(entry.delivered_mj / 1000) + " J, " +
                         std::to_string(entry.unsure_mj / 1000) + " J unsure");
  }
}

}  // namespace vpp::sim
