// Everything that can happen in the simulated world.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>

#include "bidding/market.h"
#include "daemon/node/root_lease.h"
#include "mesh/children.h"
#include "mesh/messages.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/world_clock.h"

namespace vpp::sim {

// A node's own doings.
struct Wake {
  NodeIndex node = 0;
  Incarnation incarnation = 0;
};
struct PollSite {
  NodeIndex node = 0;
  Incarnation incarnation = 0;
};

struct Serve {  ///< a slow node has time for the next event of its inbox
  NodeIndex node = 0;
  Incarnation incarnation = 0;
};
struct RetryStore {  ///< records wait for the disk
  NodeIndex node = 0;
  Incarnation incarnation = 0;
};

// The network.
struct AttemptArrives {  ///< at the parent's host
  mesh::ConnectionId connection = 0;
};
struct ChildHearsOpen {
  mesh::ConnectionId connection = 0;
};
struct ChildHearsLoss {
  mesh::ConnectionId connection = 0;
};
struct ParentHearsClose {
  mesh::ConnectionId connection = 0;
};
struct ParentSendFails {  ///< the parent used a connection that is gone
  mesh::ConnectionId connection = 0;
};
// What a frame carries lies apart: there are millions of timers for each frame, and copies share
// it.
using Payload = std::shared_ptr<const mesh::Message>;
struct FrameUp {
  mesh::ConnectionId connection = 0;
  Payload message;
};
struct FrameDown {
  mesh::ConnectionId connection = 0;
  Payload message;
};

// The world around.
struct CrashTurn {};  ///< the fault process draws its next victim
struct PauseTurn {};
struct PartitionTurn {};
struct PartitionEnds {
  std::uint32_t slot = 0;
  std::uint32_t number = 0;  ///< slots are used again
};
struct SwizzleTurn {};
struct Clog {
  NodeIndex node = 0;
  WorldTime until{};
};
struct FlapTurn {
  NodeIndex node = 0;
};
struct DiskTurn {};  ///< some disk is full, or has room again
struct ClockTurn {};
struct JoinStorm {};
struct RegionalOutage {};
struct UpgradeTurn {
  NodeIndex node = 0;
};
struct RootFails {};
struct EtcdHears {
  NodeIndex node = 0;
  Incarnation incarnation = 0;
  node::LeaseAsk ask;
};
struct EtcdAnswers {
  NodeIndex node = 0;
  Incarnation incarnation = 0;
  node::LeaseAnswered answer;
};
struct EtcdTurn {};  ///< it is away for some time, from one root or from all
struct FirstStart {
  NodeIndex node = 0;
};
struct Restart {
  NodeIndex node = 0;
};
struct Resume {
  NodeIndex node = 0;
  std::uint32_t pause = 0;  ///< which one
};
struct FaultsEnd {};
struct OperatorTurn {};
struct OwnerTurn {};  ///< of one home, which opts out or in again
struct Sample {};     ///< of who counts whom, in a large plant
struct Inspect {};    ///< of the whole tree, in the liveness phase
struct MarketReplies {
  NodeIndex node = 0;
  Incarnation incarnation = 0;
  std::shared_ptr<const bidding::MarketAnswer> answer;
};

using WorldEvent =
    std::variant<Wake, PollSite, Serve, RetryStore, SwizzleTurn, Clog, FlapTurn, DiskTurn,
                 ClockTurn, JoinStorm, Sample, RegionalOutage, UpgradeTurn, RootFails, EtcdHears,
                 EtcdAnswers, EtcdTurn, FirstStart, AttemptArrives, ChildHearsOpen, ChildHearsLoss,
                 ParentHearsClose, ParentSendFails, FrameUp, FrameDown, CrashTurn, PauseTurn,
                 PartitionTurn, PartitionEnds, Restart, Resume, FaultsEnd, OperatorTurn, OwnerTurn,
                 Inspect, MarketReplies>;
// A large plant has several in the queue for each node.
static_assert(sizeof(WorldEvent) <= 64);
using WorldQueue = EventQueue<WorldEvent>;

}  // namespace vpp::sim
