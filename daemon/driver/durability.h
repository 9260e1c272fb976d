// What may still leave while something is not durable yet. Pure.
//
// A record that could not be written (disk or map full) stays pending, and the node has already
// moved on as if it were written. So whatever depends on it is held back until it is: the same
// record written a second later makes everything true again, and what was held back is repeated by
// the protocols (joins time out, dispatches are renewed each tick, calls are retried).
//
//   pending          held back
//   TermRecord       everything that leaves the process: an old term must not speak for a new one
//   UplinkRecord     everything up: a session that a restart would use again must not be seen
//   Fence            set points and their acknowledgements, and shares sent down
//   Order            shares sent down; an operator's reply becomes a refusal
//   Fact             calls to the market (answered CallFailed, so that they are retried)
//   JournalHead      likewise, and what this root would tell others that it holds
//
// An operator's order that was refused so is the caller's to cancel, so that it does not begin
// later.
//
// A release (no share, no order) always goes out: it can only make things safer. What is not held
// back keeps the tree together on a full disk: probes, beacons, leases.
#pragma once

#include <cstddef>
#include <vector>

#include "bidding/market.h"
#include "daemon/node/node.h"

namespace vpp::driver {

class Durability {
 public:
  /// More than this cannot be pending: calls to the market are held back, so facts stop coming.
  static constexpr std::size_t kPendingMax = 10'000;

  /// Of one batch, in order. The newest of a kind replaces older ones (an order by its id); facts
  /// are appended.
  void add(std::vector<node::Record> records);

  /// Oldest first. Empty: all is durable.
  [[nodiscard]] const std::vector<node::Record>& pending() const { return pending_; }
  void written() { pending_.clear(); }

  /// Takes out of `effects` what depends on a pending record. Returns what the node must be told
  /// in place of the market.
  [[nodiscard]] std::vector<bidding::MarketAnswer> hold_back(node::Effects& effects) const;

 private:
  template <class T>
  [[nodiscard]] bool holds() const;

  std::vector<node::Record> pending_;
};

}  // namespace vpp::driver
