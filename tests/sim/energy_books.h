// Invariant 7 at the meter: what a site says it delivered for an order is what its battery did.
//
// Between two polls that name the same order, the battery's own books (exact to the millijoule)
// must move the site's account alike. An interval in which the order changed belongs to either:
// it widens the tolerance. After a restart the account goes on from something it said before: a
// little may be forgotten, nothing is ever accounted twice.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "device/site.h"
#include "tests/sim/findings.h"
#include "tools/battery/battery_model.h"

namespace vpp::sim {

class EnergyBooks {
 public:
  EnergyBooks(std::size_t nodes, Findings& findings) : findings_{findings}, sites_(nodes) {}

  void polled(WorldTime at, NodeIndex leaf, const battery::BatteryModel& battery,
              const device::SiteStatus& status);
  /// The gateway's process is gone, and with it what was not durable.
  void stopped(NodeIndex leaf) { sites_[leaf].seen = false; }

  /// What all sites say now that they delivered for an order.
  [[nodiscard]] Joules said(OrderId order) const;

 private:
  struct Entry {
    std::int64_t delivered_mj = 0;
    std::int64_t unsure_mj = 0;
    std::vector<Joules> said;  ///< every value that the account had, newest last
  };
  struct Site {
    bool seen = false;        ///< since its process began
    WorldTime at{};           ///< of the last poll
    std::int64_t net_mj = 0;  ///< injected less absorbed, at the last poll
    OrderId order;            ///< at the last poll
    std::map<OrderId, Entry> entries;
  };

  void restarted(WorldTime at, NodeIndex leaf, const device::SiteStatus& status);

  Findings& findings_;
  std::vector<Site> sites_;
};

}  // namespace vpp::sim
