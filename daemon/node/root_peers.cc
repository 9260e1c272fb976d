#include "daemon/node/root_peers.h"

#include <algorithm>

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRedial = 500ms;
constexpr Duration kHelloEvery = 1s;
constexpr Duration kJoinMax = 3s;  ///< without a HelloAck
constexpr Duration kFollowEvery = 1s;
constexpr Duration kSilenceMax = 5s;  ///< each Follow is answered

}  // namespace

RootPeers::RootPeers(RootPeersOptions options, Rng rng, Instant now)
    : options_{std::move(options)}, rng_{rng} {
  for (const Endpoint& to : options_.peers) peers_.push_back({to, {}, {}, Waiting{now}});
}

void RootPeers::step(Instant now, const mesh::UplinkEvent& event) {
  const mesh::LinkId link = std::visit([](const auto& each) { return each.link; }, event);
  Peer* peer = peer_at(link);
  if (peer == nullptr) return;
  if (std::holds_alternative<mesh::LinkLost>(event)) return hang_up(now, *peer);
  if (const auto* from = std::get_if<mesh::FromParent>(&event)) return heard(now, *peer, *from);
  if (auto* dialling = std::get_if<Dialling>(&peer->state)) say_hello(now, *dialling);
}

void RootPeers::heard(Instant now, Peer& peer, const mesh::FromParent& event) {
  if (auto* linked = std::get_if<Linked>(&peer.state)) linked->heard_at = now;
  if (!std::holds_alternative<Dialling>(peer.state)) return;
  if (!std::holds_alternative<mesh::HelloAck>(event.message) || event.peer == kNoNode) return;
  peer.id = event.peer;
  peer.state = Linked{.link = event.link, .follow_at = now, .heard_at = now};
  advance(now);
}

void RootPeers::advance(Instant now) {
  for (Peer& peer : peers_) {
    if (auto* linked = std::get_if<Linked>(&peer.state)) {
      if (linked->heard_at + kSilenceMax <= now) hang_up(now, peer);
    } else if (auto* dialling = std::get_if<Dialling>(&peer.state)) {
      if (dialling->give_up_at <= now) hang_up(now, peer);
    }
    if (const auto* waiting = std::get_if<Waiting>(&peer.state); waiting && waiting->until <= now) {
      dial(now, peer);
    } else if (auto* dialling = std::get_if<Dialling>(&peer.state);
               dialling && dialling->hello_at <= now) {
      say_hello(now, *dialling);
    } else if (auto* linked = std::get_if<Linked>(&peer.state);
               linked && linked->follow_at <= now) {
      linked->follow_at = now + rng_.jittered(kFollowEvery);
      effects_.due.push_back(*peer.id);
    }
  }
}

Instant RootPeers::next_deadline() const {
  struct Due {
    Instant operator()(const Waiting& s) const { return s.until; }
    Instant operator()(const Dialling& s) const { return std::min(s.hello_at, s.give_up_at); }
    Instant operator()(const Linked& s) const {
      return std::min(s.follow_at, s.heard_at + kSilenceMax);
    }
  };
  Instant due = kNever;
  for (const Peer& peer : peers_) due = std::min(due, std::visit(Due{}, peer.state));
  return due;
}

bool RootPeers::send(Instant now, NodeId to, const mesh::Follow& follow) {
  bool sent = false;
  for (Peer& peer : peers_) {
    auto* linked = std::get_if<Linked>(&peer.state);
    if (linked == nullptr || peer.id != to) continue;
    linked->follow_at = now + rng_.jittered(kFollowEvery);
    effects_.up.push_back({linked->link, follow});
    sent = true;
  }
  return sent;
}

bool RootPeers::knows(NodeId id) const {
  return std::ranges::any_of(peers_, [&](const Peer& peer) { return peer.id == id; });
}

void RootPeers::connected(NodeId id, mesh::ConnectionId connection) {
  for (Peer& peer : peers_) {
    if (peer.id == id) peer.connection = connection;
  }
}

void RootPeers::unreachable(mesh::ConnectionId connection) {
  for (Peer& peer : peers_) {
    if (peer.connection == connection) peer.connection.reset();
  }
}

std::optional<mesh::ConnectionId> RootPeers::connection_of(NodeId id) const {
  const auto found = std::ranges::find(peers_, std::optional{id}, &Peer::id);
  return found != peers_.end() ? found->connection : std::nullopt;
}

std::vector<RootPeers::View> RootPeers::view() const {
  std::vector<View> out;
  for (const Peer& peer : peers_) {
    out.push_back({peer.to, peer.id, std::holds_alternative<Linked>(peer.state)});
  }
  return out;
}

RootPeers::Peer* RootPeers::peer_at(mesh::LinkId link) {
  const auto found = std::ranges::find_if(
      peers_, [&](const Peer& peer) { return link_of(peer) == std::optional{link}; });
  return found != peers_.end() ? &*found : nullptr;
}

std::optional<mesh::LinkId> RootPeers::link_of(const Peer& peer) {
  if (const auto* dialling = std::get_if<Dialling>(&peer.state)) return dialling->link;
  if (const auto* linked = std::get_if<Linked>(&peer.state)) return linked->link;
  return std::nullopt;
}

void RootPeers::dial(Instant now, Peer& peer) {
  const mesh::LinkId link = next_link_++;
  effects_.open.push_back({link, peer.to});
  peer.state = Dialling{.link = link, .give_up_at = now + rng_.jittered(kJoinMax)};
}

void RootPeers::hang_up(Instant now, Peer& peer) {
  if (const auto link = link_of(peer)) effects_.close.push_back(*link);
  if (std::holds_alternative<Linked>(peer.state)) effects_.parted.push_back(*peer.id);
  peer.state = Waiting{now + rng_.jittered(kRedial)};
}

void RootPeers::say_hello(Instant now, Dialling& dialling) {
  dialling.hello_at = now + rng_.jittered(kHelloEvery);
  effects_.up.push_back({dialling.link, mesh::Hello{.certificate = options_.certificate,
                                                    .role = Role::kRoot,
                                                    .name = options_.name,
                                                    .region = options_.region,
                                                    .session = 1,
                                                    .last_parent = {},
                                                    .hold = Duration{0},
                                                    .serves = {}}});
}

}  // namespace vpp::node
