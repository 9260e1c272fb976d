// How a node's link to its parent is used: what a kind of line bears, and what it costs its owner.
//
// Who says it   the child, in its config and its Hello; the parent grants what the table says.
// Lease         a leaf's lasts for three idle reports: two may be lost. Aggregators report
//               with every beacon, whatever their line, and hold five beacons' worth.
// Traffic       docs/config.md has what an idle leaf was measured to cost a day.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "config/ids.h"
#include "config/limits.h"
#include "config/time.h"

namespace vpp {

enum class LinkKind : std::uint8_t {
  kLan,       ///< no line to speak of, or one that nobody counts
  kWan,       ///< a home's or an office's own line
  kCellular,  ///< metered, slow to answer, often away
};
inline constexpr std::size_t kLinkKinds = 3;

struct LinkProfile {
  std::string_view name;
  Duration beacon_interval;
  Duration leaf_lease;
  Duration join_timeout;    ///< of one handshake
  Duration report_idle;     ///< between two reports that say nothing new
  Duration report_spacing;  ///< between two reports that changes bring about
  Duration look_around;     ///< between two looks at a better parent
  Duration decide_after;    ///< how long a better offer may come after the first
};

inline constexpr std::array<LinkProfile, kLinkKinds> kLinkProfiles = [] {
  using namespace std::chrono_literals;
  return std::array<LinkProfile, kLinkKinds>{{
      {"lan", limits::kBeaconInterval, limits::kLease, limits::kJoinTimeout, 1s, 200ms, 10s, 250ms},
      {"wan", 2s, 30s, 5s, 8s, 1s, 60s, 500ms},
      {"cellular", 10s, 150s, 15s, 50s, 5s, 15min, 2s},
  }};
}();

[[nodiscard]] constexpr const LinkProfile& profile_of(LinkKind kind) {
  return kLinkProfiles[static_cast<std::size_t>(kind)];
}

/// How long a parent counts a node after the beacon that its last report echoes.
[[nodiscard]] constexpr Duration lease_of(LinkKind kind, Role role) {
  const LinkProfile& profile = profile_of(kind);
  return role == Role::kLeaf ? profile.leaf_lease : profile.beacon_interval * 5;
}

static_assert(lease_of(LinkKind::kLan, Role::kAggregator) == limits::kLease);

/// No ancestor of a parent counts what that reported for longer, level by level.
inline constexpr Duration kGroupLeaseMax = lease_of(LinkKind::kWan, Role::kAggregator);

[[nodiscard]] constexpr std::optional<LinkKind> parse_link_kind(std::string_view name) {
  for (std::size_t i = 0; i < kLinkKinds; ++i) {
    if (profile_of(static_cast<LinkKind>(i)).name == name) return static_cast<LinkKind>(i);
  }
  return std::nullopt;
}

}  // namespace vpp
