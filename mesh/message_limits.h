// What a message may hold, apart from how it is encoded. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "config/time.h"
#include "mesh/messages.h"

namespace vpp::mesh {

inline constexpr std::size_t kCertificateBytesMax = 512;  ///< a NodeCert has 232; room to grow
inline constexpr std::size_t kCurvePointsMax = 64;        ///< the grid has 48
inline constexpr std::size_t kGroupBytesMax = 97;         ///< "key=value": 32, '=', 64
inline constexpr std::int64_t kJoulesMax = std::int64_t{1} << 50;  ///< 10 GW for 31 hours
inline constexpr Duration kSpanMax = std::chrono::hours{24};       ///< leases, waits, holds

/// The first limit that `message` breaks, as a text for the log; nothing when it holds them all.
///
/// Numbers are bounded so that a core may add thousands of them without overflow: watts within
/// +-kGroupPowerMax, joules within +-kJoulesMax, times within [0, kStampMax] (market time also
/// its end, but for a clock). Texts are UTF-8 without control characters: they end up in logs and
/// terminals.
[[nodiscard]] std::optional<std::string> broken_limit(const Message& message);

}  // namespace vpp::mesh
