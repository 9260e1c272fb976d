// One Uplink core and the clock that drives it, with a handful of shorthands for tests.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mesh/uplink.h"
#include "tests/mesh/names_fixture.h"

namespace vpp::mesh::testing {

inline constexpr NodeId kFirst{2, 1};
inline constexpr NodeId kSecond{2, 2};

inline Endpoint endpoint_of(NodeId id) {
  return {"tcp://node" + std::to_string(id.low) + ":7000", {}};
}

template <class T>
std::vector<std::pair<LinkId, T>> sent(const UplinkEffects& effects) {
  std::vector<std::pair<LinkId, T>> out;
  for (const SendUp& up : effects.send) {
    if (const T* message = std::get_if<T>(&up.message)) out.emplace_back(up.link, *message);
  }
  return out;
}

inline UplinkOptions options_of(Role role) {
  UplinkOptions options;
  options.self = kSelf;
  options.role = role;
  options.name = "tested";
  options.region = "north";
  options.seeds = {endpoint_of(kFirst), endpoint_of(kSecond)};
  if (role != Role::kLeaf) options.serves = endpoint_of(kSelf);
  return options;
}

/// One uplink and the clock that drives it; what it asks of the world is remembered.
struct UplinkBench {
  /// By default one that was here before, that nobody counts any more, and whose next session is 1.
  explicit UplinkBench(Role role = Role::kLeaf,
                       std::optional<UplinkRecord> recovered = UplinkRecord{},
                       std::uint64_t seed = 1)
      : uplink{options_of(role), Rng{seed}, recovered} {
    uplink.advance(now);
    take();
  }

  UplinkEffects take() {
    UplinkEffects effects = uplink.take_effects();
    for (const OpenLink& link : effects.open) links[link.to] = link.link;
    if (effects.persist) record = effects.persist;
    return effects;
  }
  UplinkEffects step(const UplinkEvent& event) {
    uplink.step(now, event);
    return take();
  }
  UplinkEffects hear(NodeId from, const Message& message) {
    return step(FromParent{links.at(endpoint_of(from)), from, message});
  }
  void pass(Duration span) {
    now.protocol += span;
    now.market += span;
  }
  UplinkEffects advance(Duration span) {
    pass(span);
    uplink.advance(now);
    return take();
  }
  UplinkEffects run_to_deadline() {
    REQUIRE(uplink.next_deadline() != kNever);
    const Duration away = uplink.next_deadline() - now.protocol;
    return advance(std::max(away, Duration{0}));
  }

  /// `from` answers the probe that its opened link brings.
  UplinkEffects offer(NodeId from, const Path& path, std::uint64_t term = 1,
                      const std::string& region = {}) {
    const auto probes = sent<Probe>(step(LinkOpened{links.at(endpoint_of(from))}));
    REQUIRE(probes.size() == 1);
    return hear(from, ProbeAck{.nonce = probes[0].second.nonce,
                               .term = term,
                               .path = path,
                               .children = 0,
                               .free_slots = 10,
                               .region = region});
  }
  HelloAck ack(Session session, const Path& path, std::uint64_t term = 1) const {
    return {.session = session,
            .certificate = {},
            .lease = limits::kLease,
            .beacon_interval = limits::kBeaconInterval,
            .above = above(path),
            .spread = {},
            .term = term,
            .path = path,
            .stamp = stamp(),
            .market_time = now.market,
            .market_speed = 1,
            .alternates = {},
            .evict = {}};
  }
  Beacon beacon(const Path& path, std::uint64_t term = 1) const {
    return {.stamp = stamp(),
            .term = term,
            .path = path,
            .market_time = now.market,
            .market_speed = 1,
            .alternates = {},
            .above = above(path)};
  }
  /// Every ancestor's line is a LAN.
  static Duration above(const Path& path) {
    return path.empty() ? Duration{0} : limits::kLease * static_cast<int>(path.size() - 1);
  }
  [[nodiscard]] Stamp stamp() const { return now.protocol.time_since_epoch().count() + 500'000; }

  /// Attached to `parent` under the root; the other seed does not answer.
  void attach(NodeId parent = kFirst) {
    for (const NodeId seed : {kFirst, kSecond}) {
      if (seed != parent) step(LinkLost{links.at(endpoint_of(seed))});
    }
    offer(parent, {parent, kRoot});
    hear(parent, ack(uplink.session(), {parent, kRoot}));
    REQUIRE(uplink.parent() == parent);
  }

  Now now{Instant{std::chrono::seconds{100}}, MarketTime{}, 1};
  std::map<Endpoint, LinkId> links;  ///< newest link to each
  std::optional<UplinkRecord> record;
  Uplink uplink;
};

inline const Path kFirstPath{kFirst, kRoot};
inline const Path kSecondPath{kSecond, kRoot};

}  // namespace vpp::mesh::testing
