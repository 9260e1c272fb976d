// The head's rounds: when a value signal is made anew. Pure.
//
// Rounds     one every `interval` while prices or loads still move, at most kRoundsMost in a
//            horizon; then none until the next slot begins. A round is 0.17 kB down to each child
//            and 0.16 kB up at 24 slots (tests/daemon/values_test.cc holds the bounds): some 0.1 MB
//            a day and home in hourly slots of a dozen rounds each.
// Horizon    begins anew with every slot, warm: prices of the same times are kept.
// Number     of a round: market time in milliseconds where that is more than the last one's plus
//            one. So it rises over restarts, and nothing needs to be durable. A head that restarts
//            begins with the prices of nothing, as on its first day.
#pragma once

#include <optional>
#include <vector>

#include "aggregation/value_coordinator.h"
#include "daemon/node/values.h"
#include "mesh/messages.h"

namespace vpp::node {

class ValueHead {
 public:
  static constexpr std::size_t kRoundsMost = 30;  ///< cold, 1 % of the optimum takes 22

  ValueHead(NodeId self, const ValueHeadOptions& options);

  /// The next signal, if it is time for one.
  [[nodiscard]] std::optional<mesh::ValueSignal> next(const Now& now);
  /// What is added to the price of each slot of the present horizon, from outside; a change begins
  /// it anew.
  void set_base(std::vector<Price> base);
  /// A sum of answers to the newest signal.
  void answered(const Now& now, const mesh::PlannedLoad& sum);
  /// Earliest time at which next() has one.
  [[nodiscard]] Instant next_deadline(const Now& now) const;
  /// How long it waits for answers.
  [[nodiscard]] Duration patience() const;

  void fill(ValueGroupStatus& out) const;

 private:
  [[nodiscard]] mesh::ValueSignal begin(const Now& now, MarketTime from);
  [[nodiscard]] mesh::ValueSignal signal_of(const Now& now, const device::ValueSignal& made);
  [[nodiscard]] bool moved(const mesh::PlannedLoad& a, const mesh::PlannedLoad& b) const;
  [[nodiscard]] bool moves_on() const;

  NodeId self_;
  ValueHeadOptions options_;
  aggregation::ValueCoordinator coordinator_;
  std::optional<MarketTime> from_;  ///< of the present horizon
  std::vector<Price> base_;
  std::uint64_t round_ = 0;
  std::size_t rounds_ = 0;
  bool settled_ = false;
  Instant due_{};
  std::optional<mesh::PlannedLoad> answer_;  ///< to the newest signal
  std::optional<mesh::PlannedLoad> before_;  ///< to the one before, or as settled
};

}  // namespace vpp::node
