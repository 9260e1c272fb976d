// One Children core and the clock that drives it, with a handful of shorthands for tests.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "mesh/children.h"
#include "tests/mesh/names_fixture.h"

namespace vpp::mesh::testing {

inline constexpr Watts kRated{5'000};
inline constexpr Joules kContent{36'000'000};

constexpr NodeId leaf(std::uint64_t n) {
  return {1, n};
}
constexpr NodeId group(std::uint64_t n) {
  return {2, n};
}

template <class T>
std::vector<std::pair<ConnectionId, T>> sent(const ChildrenEffects& effects) {
  std::vector<std::pair<ConnectionId, T>> out;
  for (const SendDown& down : effects.send) {
    if (const T* message = std::get_if<T>(&down.message))
      out.emplace_back(down.connection, *message);
  }
  return out;
}

/// What one child is told of a kind, all messages in one list.
template <class T>
std::vector<Attachment> told(const ChildrenEffects& effects, ConnectionId connection) {
  std::vector<Attachment> out;
  for (const auto& [to, message] : sent<T>(effects)) {
    if (to == connection) out.insert(out.end(), message.nodes.begin(), message.nodes.end());
  }
  return out;
}

struct ChildrenBench {
  explicit ChildrenBench(Role role = Role::kRoot, const Path& path = {kSelf})
      : ChildrenBench{options_of(role), path} {}
  explicit ChildrenBench(const ChildrenOptions& options, const Path& path = {kSelf})
      : children{options, Rng{1}} {
    children.set_upstream(now, path, 3, {});
    heard = stamp();
  }

  static ChildrenOptions options_of(Role role) {
    ChildrenOptions options;
    options.self = kSelf;
    options.role = role;
    options.region = "north";
    options.children_max = 50;
    return options;
  }

  static Peer peer_of(NodeId id) {
    const Role role = id.high == 1 ? Role::kLeaf : Role::kAggregator;
    return {id, role, kRated, kRated, kContent};
  }

  /// An event, and what becomes due by it.
  ChildrenEffects step(const ChildrenEvent& event) {
    children.step(now, event);
    if (children.next_deadline() <= now.protocol) children.advance(now);
    return take();
  }
  ChildrenEffects take() {
    ChildrenEffects effects = children.take_effects();
    for (const auto& [to, beacon] : sent<Beacon>(effects)) heard = std::max(heard, beacon.stamp);
    for (const auto& [to, ack] : sent<HelloAck>(effects)) heard = std::max(heard, ack.stamp);
    return effects;
  }
  ChildrenEffects from(ConnectionId connection, NodeId id, const Message& message) {
    return step(FromChild{connection, peer_of(id), message});
  }
  ChildrenEffects hello(ConnectionId connection, NodeId id, Session session, Duration hold = {}) {
    return from(connection, id,
                Hello{.certificate = {},
                      .role = peer_of(id).role,
                      .name = "child",
                      .region = {},
                      .session = session,
                      .last_parent = {},
                      .hold = hold,
                      .serves = {}});
  }
  /// A report that echoes the newest beacon, unless told otherwise.
  Report report_of(NodeId id, Session session, std::uint64_t number) const {
    Report report;
    report.session = session;
    report.sequence = number;
    report.beacon = heard;
    if (id.high != 1) report.summary = GroupSummary{};
    return report;
  }
  ChildrenEffects report(ConnectionId connection, NodeId id, Session session,
                         std::vector<Attachment> attached = {},
                         std::vector<Attachment> evicted = {}, bool more = false) {
    Report message = report_of(id, session, ++sequence);
    message.more = more;
    message.attached = std::move(attached);
    message.evicted = std::move(evicted);
    return from(connection, id, message);
  }
  /// Joins and reports once.
  void join(ConnectionId connection, NodeId id, Session session = 1, Duration hold = {}) {
    REQUIRE(sent<HelloAck>(hello(connection, id, session, hold)).size() == 1);
    report(connection, id, session);
  }
  /// Joins, and is counted: the root says that all its ancestors know it.
  void join_cleared(ConnectionId connection, NodeId id, Session session = 1) {
    join(connection, id, session);
    children.cleared(now, {{id, session}});
    take();
  }
  ChildrenEffects advance(Duration span) {
    now.protocol += span;
    children.advance(now);
    return take();
  }
  [[nodiscard]] Stamp stamp() const { return now.protocol.time_since_epoch().count(); }

  [[nodiscard]] ChildView view(NodeId id) const {
    for (const ChildView& child : children.view(now)) {
      if (child.id == id) return child;
    }
    FAIL("no such child");
    return {};
  }
  [[nodiscard]] bool counted(NodeId id) const { return view(id).counted; }
  [[nodiscard]] bool attached(NodeId id) const { return view(id).attached; }

  Now now{Instant{std::chrono::seconds{1000}}, MarketTime{}, 1};
  std::uint64_t sequence = 0;
  Stamp heard = 0;  ///< the newest any child was sent
  Children children;
};

}  // namespace vpp::mesh::testing
