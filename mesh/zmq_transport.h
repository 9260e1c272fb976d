// The links of one node over ZeroMQ: one ROUTER for the children, one DEALER per possible parent.
//
// Security   CURVE on every link. ZAP lets any well-formed CURVE client connect; the fleet is
//            proven by the certificate in its Hello, bound to the connection's CURVE key as ZAP
//            reports it on the BODY frame (libzmq 4.3.4 has none on the routing frame). Binding
//            and expiry are checked again on every frame, both ways. Before that only Probe is
//            let through; a Hello that proves nothing is answered HelloNak kNotAuthorised.
// Parents    are proven by the certificate in their HelloAck: fleet, dates, role, and the CURVE
//            key of the endpoint that was dialled. Otherwise the link is lost.
// Bad input  is dropped, counted, and told to `warn` at a bounded rate. Nothing throws.
// Blocking   only wait() waits. Sends never do: what a slow peer cannot take yet waits for it,
//            apart from all others, control first and of live values only the newest
//            (mesh/outbox.h). One that lets too much control wait is cut off.
// Conflation of what one wait() finds, the newest live value of a peer replaces older ones, and
//            control comes first (mesh/arrivals.h).
// Ownership  one thread owns it and must keep calling wait(), which also answers the handshakes
//            of new children; only wake() may come from others.
// Source     ZMTP 3.1, ZAP (RFC 27), CurveZMQ (RFC 26).
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/time.h"
#include "mesh/children.h"
#include "mesh/keys.h"
#include "mesh/messages.h"
#include "mesh/uplink.h"

namespace vpp::mesh {

struct TransportOptions {
  NodeKeys keys;
  FleetPublic fleet;
  std::optional<std::string> listen;  ///< "tcp://host:port", port "*": any; nothing on leaves
  /// ZMTP's own, on links to parents: the back-stop behind beacons. Zero: none, where each byte is
  /// paid for.
  Duration heartbeat = std::chrono::seconds{15};
  int io_threads = 1;                                         ///< 2 above 3,000 children
  std::size_t connections_max = limits::kChildrenMax + 1024;  ///< beyond: strangers wait
  Duration unproven_idle_max = std::chrono::seconds{30};      ///< then its slot is taken back
  Duration proven_idle_max = std::chrono::minutes{10};
  std::function<std::int64_t()> utc_ms;        ///< wall clock, for certificates only
  std::function<void(std::string_view)> warn;  ///< optional; at most a few lines a second
};

using TransportEvent = std::variant<FromChild, ChildUnreachable, LinkOpened, LinkLost, FromParent>;

/// Since start; none ever decreases. One refused frame counts once.
struct TransportCounters {
  std::uint64_t frames_in = 0;  ///< everything that reached us, good or bad
  std::uint64_t frames_out = 0;
  std::uint64_t bytes_in = 0;  ///< of frame bodies
  std::uint64_t bytes_out = 0;
  std::uint64_t other_version = 0;       ///< of another protocol version
  std::uint64_t malformed = 0;           ///< not decodable, more than one part, broken limit
  std::uint64_t oversize = 0;            ///< above kFrameBytesMax; far above, libzmq cuts the link
  std::uint64_t misdirected = 0;         ///< a kind that never goes this way
  std::uint64_t unproven = 0;            ///< needs a proven peer, came without
  std::uint64_t bad_cert = 0;            ///< malformed, not our fleet's, forged, or of another role
  std::uint64_t key_mismatch = 0;        ///< a good certificate on somebody else's connection
  std::uint64_t expired = 0;             ///< or not yet valid; also in mid-session
  std::uint64_t unknown_connection = 0;  ///< send_down to one that is gone
  std::uint64_t slow_peer = 0;           ///< control dropped: a peer lets too much wait
  std::uint64_t conflated = 0;           ///< live value that a newer one replaced, either way
  std::uint64_t table_full = 0;          ///< frame of a newcomer without a free slot
  std::uint64_t handshakes_failed = 0;   ///< not CURVE, wrong server key, broken off
  std::uint64_t disconnects = 0;         ///< connections below that ended, for whatever reason
  std::uint64_t unencodable = 0;         ///< our own message broke a limit: a bug
  friend bool operator==(const TransportCounters&, const TransportCounters&) = default;
};

/// Somebody who speaks another protocol version than this node.
struct OtherVersion {
  std::string who;  ///< its address
  std::uint16_t version = 0;
  bool above = false;  ///< a parent that was asked; otherwise one who connected to us
  Instant heard_at{};  ///< on the machine's monotonic clock
};

class ZmqTransport {
 public:
  /// Fails with one line for people: address in use, bad address, ... Where it listens, it raises
  /// the process's limit of open files to what connections_max needs.
  [[nodiscard]] static std::expected<std::unique_ptr<ZmqTransport>, std::string> open(
      TransportOptions options);

  ~ZmqTransport();  ///< lets what close_link() left behind (a Bye) go out, 200 ms at most
  ZmqTransport(const ZmqTransport&) = delete;
  ZmqTransport& operator=(const ZmqTransport&) = delete;

  /// Starts to connect; LinkOpened or LinkLost follows (or nothing: an address that does not
  /// resolve, a dead host within 3 s; the caller has a time-out of its own). `link` is new.
  /// A handshake that takes longer than `patience` (5 s at least, 30 s at most) is a lost link.
  void open_link(LinkId link, const Endpoint& to, Duration patience = limits::kJoinTimeout);

  /// What was sent before still goes out. Unknown or lost links are ignored.
  void close_link(LinkId link);

  void send_up(LinkId link, const Message& message);

  /// A beacon equal to the one before is not encoded again.
  void send_down(ConnectionId connection, const Message& message);

  /// Forgets who is there; a further frame from it starts over with a new ConnectionId.
  void drop(ConnectionId connection);

  /// Waits at most `timeout` (0: not at all) for sockets or wake(), and appends events. May
  /// return early without any. Bounded work per call: a flood cannot hold the caller.
  void wait(Duration timeout, std::vector<TransportEvent>& out);

  /// From any thread: makes the present or the next wait() return.
  void wake();

  [[nodiscard]] const TransportCounters& counters() const;

  /// The last one heard within kVersionShown. It is told ours by a HelloNak, and tries again.
  [[nodiscard]] std::optional<OtherVersion> other_version() const;
  static constexpr Duration kVersionShown = std::chrono::minutes{2};  ///< no back-off is longer

  /// With the real port; empty when not listening.
  [[nodiscard]] std::string bound_address() const;

  /// Connections below that hold a slot, proven or not.
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  explicit ZmqTransport(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::mesh
