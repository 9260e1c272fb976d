// Who is at the other end of each connection below. Pure: time in, answers out.
//
// A ROUTER names a peer by an opaque routing id and never says when it is gone. So every frame is
// looked up here under (routing id, CURVE key): the same routing id with another key is another
// connection. Bounded: idle entries are forgotten, and a newcomer without a free slot takes that
// of the unproven connection that has been silent for longest. Proven ones are never pushed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/ids.h"
#include "config/time.h"
#include "mesh/children.h"

namespace vpp::mesh {

/// What the certificate in a Hello has shown.
struct Proof {
  Peer peer;
  std::int64_t not_before_ms = 0;  ///< UTC
  std::int64_t not_after_ms = 0;

  [[nodiscard]] bool valid_at(std::int64_t utc_ms) const {
    return not_before_ms <= utc_ms && utc_ms < not_after_ms;
  }
};

struct Connection {
  ConnectionId id = 0;
  std::string routing_id;
  CurveKey key{};  ///< as the handshake proved it
  Instant heard_at{};
  std::optional<Proof> proof;
};

struct ConnectionTableOptions {
  std::size_t size_max = 0;
  Duration unproven_idle_max{0};
  Duration proven_idle_max{0};
};

/// Lookups O(1); forget_idle() O(n). Pointers are good until the next change.
class ConnectionTable {
 public:
  explicit ConnectionTable(const ConnectionTableOptions& options) : options_{options} {}

  /// The connection a frame came on, made when new. Null: full of proven ones.
  [[nodiscard]] Connection* heard(Instant now, std::string_view routing_id, const CurveKey& key);

  [[nodiscard]] Connection* find(ConnectionId id);

  void prove(Connection& connection, const Proof& proof);
  void erase(ConnectionId id);
  void forget_idle(Instant now);

  /// Proven connections that were forgotten by any other way than erase(), each once.
  [[nodiscard]] std::vector<ConnectionId> take_lost();

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }
  [[nodiscard]] std::uint64_t pushed_out() const { return pushed_out_; }

 private:
  struct Entry {
    Connection connection;
    std::list<ConnectionId>::iterator place;  ///< in unproven_, while without proof
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  [[nodiscard]] bool make_room();
  void lose(ConnectionId id);

  ConnectionTableOptions options_;
  std::unordered_map<ConnectionId, Entry> by_id_;
  std::unordered_map<std::string, Entry*, Hash, std::equal_to<>> by_routing_id_;
  std::list<ConnectionId> unproven_;  ///< longest silent first
  std::vector<ConnectionId> lost_;
  ConnectionId next_ = 1;
  std::uint64_t pushed_out_ = 0;
};

}  // namespace vpp::mesh
