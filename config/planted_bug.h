// Mistakes that a real engineer could have made in a core, for the simulator to find: in its cores
// (build option VPP_PLANTED_BUGS) a test brings one in by its name. In all that is installed
// planted() is false at compile time and nothing of it is left in the code.
#pragma once

#include <cstdint>

namespace vpp {

enum class Bug : std::uint8_t {
  kNone,
  kHoldForgotten,         ///< a mover does not say how long it may still be counted elsewhere
  kSessionNotPersisted,   ///< the Hello leaves before its session is durable
  kEvictAnsweredEarly,    ///< "nobody counts it" before everybody below has said so
  kClearedEarly,          ///< a mover is counted before the other branches have answered
  kFeasibleWhenEqual,     ///< a path as long as the one advertised is accepted: <= for <
  kEpochKept,             ///< children stay counted though this node's path has changed
  kLeaseFromArrival,      ///< the lease begins when the report came, not at the stamp it echoes
  kBackoffEnds,           ///< after five searches a node without a parent gives up
  kSumsUncounted,         ///< the sum takes in children that may not be counted yet
  kUncountedNotReleased,  ///< who may not be counted keeps doing what it was asked before
  kWattGained,            ///< rounding the shares up gives one watt too many
  kTermNotPersisted,      ///< the root's new term is used, not stored
  kOrderNotPersisted,     ///< the operator is answered, the order is not stored
  kFenceTakesEqual,       ///< an order of the same tick is obeyed again: >= for >
  kFenceNotRecovered,     ///< after a restart any order is new
  kExpiryIgnored,         ///< an order that came too late is obeyed
  kClockTakesLatest,      ///< the parent's clock is guessed from the slowest beacon
  kBidForgotten,          ///< after a restart the bidder decides again
  kLeaseOutlived,         ///< a root leads for twice the time that etcd granted
  kAcknowledgedAlone,     ///< an order or bid counts as kept before a standby root has it
  kTakenOverAlone,        ///< a new leader goes on with what it has, without asking the others
  kHoldBackForgotten,     ///< the disk fails, and what rests on it is sent all the same
  kCountedUnheard,        ///< a newcomer nobody else counts is counted before its ancestors know it
  kCountedUnnamed,        ///< a branch is counted before it has named those it brings along
  kNamedTooEarly,         ///< a branch says that it has named all when not all fitted in
  kTakenAlongForgotten,   ///< a branch is not asked for those that an aggregator took along from it
};

#ifdef VPP_PLANTED_BUGS
/// The one that is in; the simulator sets it before a run.
inline Bug& planted_bug() {
  static Bug bug = Bug::kNone;
  return bug;
}
inline bool planted(Bug bug) {
  return planted_bug() == bug;
}
#else
[[nodiscard]] constexpr bool planted(Bug /*bug*/) {
  return false;
}
#endif

}  // namespace vpp
