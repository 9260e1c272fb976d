// The links between roots: each dials every other, and says Hello and then Follow on what it
// dialled; answers come down the same link. Pure.
//
// Known    a root of the config is known by its id once the link to it was proven (its certificate
//          is the one of the key that the config names). Nobody else takes part, whatever its
//          certificate says.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/rng.h"
#include "config/time.h"
#include "mesh/children.h"
#include "mesh/messages.h"
#include "mesh/uplink.h"

namespace vpp::node {

struct RootPeersOptions {
  std::vector<Endpoint> peers;
  std::string name;
  std::string region;
  std::vector<std::uint8_t> certificate;
};

/// Carried out in field order.
struct RootPeersEffects {
  std::vector<mesh::LinkId> close;
  std::vector<mesh::OpenLink> open;
  std::vector<mesh::SendUp> up;
  std::vector<NodeId> parted;  ///< their links were lost
  std::vector<NodeId> due;     ///< send them a Follow
};

class RootPeers {
 public:
  RootPeers(RootPeersOptions options, Rng rng, Instant now);

  void step(Instant now, const mesh::UplinkEvent& event);
  void advance(Instant now);
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] RootPeersEffects take_effects() { return std::exchange(effects_, {}); }

  /// On the link to it; false: there is none.
  bool send(Instant now, NodeId to, const mesh::Follow& follow);

  [[nodiscard]] bool knows(NodeId id) const;

  /// The connection that a root dialled to us; newest wins.
  void connected(NodeId id, mesh::ConnectionId connection);
  void unreachable(mesh::ConnectionId connection);
  [[nodiscard]] std::optional<mesh::ConnectionId> connection_of(NodeId id) const;

  struct View {
    Endpoint to;
    std::optional<NodeId> id;
    bool linked = false;
  };
  [[nodiscard]] std::vector<View> view() const;

 private:
  struct Waiting {
    Instant until{};
  };
  struct Dialling {
    mesh::LinkId link = 0;
    Instant hello_at = kNever;  ///< the next one, once open
    Instant give_up_at{};
  };
  struct Linked {
    mesh::LinkId link = 0;
    Instant follow_at{};
    Instant heard_at{};
  };
  struct Peer {
    Endpoint to;
    std::optional<NodeId> id;
    std::optional<mesh::ConnectionId> connection;
    std::variant<Waiting, Dialling, Linked> state;
  };

  [[nodiscard]] Peer* peer_at(mesh::LinkId link);
  [[nodiscard]] static std::optional<mesh::LinkId> link_of(const Peer& peer);
  void dial(Instant now, Peer& peer);
  void hang_up(Instant now, Peer& peer);
  void say_hello(Instant now, Dialling& dialling);
  void heard(Instant now, Peer& peer, const mesh::FromParent& event);

  RootPeersOptions options_;
  Rng rng_;
  std::vector<Peer> peers_;
  mesh::LinkId next_link_ = 1;
  RootPeersEffects effects_;
};

}  // namespace vpp::node
