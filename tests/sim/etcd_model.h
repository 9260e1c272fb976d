// An etcd as several roots see it: one key with a lease, linearised, and unreachable at times.
//
// An ask takes effect when it arrives, whether or not its answer comes back.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/rng.h"
#include "daemon/node/root_lease.h"
#include "tests/sim/world_clock.h"

namespace vpp::sim {

class EtcdModel {
 public:
  explicit EtcdModel(std::uint32_t lost_permille, Rng rng)
      : lost_permille_{lost_permille}, rng_{rng} {}

  /// Nobody reaches it until then, or only this root does not.
  void down(WorldTime until) { down_until_ = until; }
  void cut(NodeIndex root, WorldTime until) { cut_until_[root] = until; }
  void heal();

  /// How long an ask or an answer of now is on its way; nothing: it is lost.
  [[nodiscard]] std::optional<Duration> way(WorldTime at, NodeIndex root);
  /// An ask arrives.
  [[nodiscard]] node::LeaseAnswered take(WorldTime at, const std::string& root,
                                         const node::LeaseAsk& ask);

 private:
  struct Key {
    node::EtcdLease lease = 0;
    std::uint64_t revision = 0;
    std::string holder;
  };

  void expire(WorldTime at);

  std::uint32_t lost_permille_;
  Rng rng_;
  WorldTime down_until_{};
  std::map<NodeIndex, WorldTime> cut_until_;
  std::map<node::EtcdLease, WorldTime> leases_;  ///< and when each ends
  std::optional<Key> key_;
  node::EtcdLease last_lease_ = 0;
  std::uint64_t revision_ = 1;
};

}  // namespace vpp::sim
