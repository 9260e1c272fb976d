#include "mesh/zmq_link.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>

namespace vpp::mesh {
namespace {

constexpr int kConnectMs = 3'000;
// An aggregator's report may take 12 kB: more than a few wait where the newest replaces the others.
constexpr int kLinkSendQueue = 4;
constexpr int kHeartbeatTimeoutMs = 10'000;
constexpr int kByeMs = 200;  // for a last message to leave, on a link that works
constexpr int kLinkEvents =
    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | kHandshakeFailed | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED;

/// Kinds that come from above.
bool goes_down(const Message& message) {
  return !std::holds_alternative<Probe>(message) && !std::holds_alternative<Hello>(message) &&
         !std::holds_alternative<Report>(message) &&
         !std::holds_alternative<DispatchAck>(message) && !std::holds_alternative<Bye>(message) &&
         !std::holds_alternative<PlannedLoad>(message) && !std::holds_alternative<Follow>(message);
}

/// What a parent may say before it has proven itself.
bool is_from_anyone(const Message& message) {
  return std::holds_alternative<ProbeAck>(message) || std::holds_alternative<HelloNak>(message);
}

/// Unique within the process: a context may carry the links of many nodes.
std::string next_monitor_name() {
  static std::atomic<std::uint64_t> made = 0;
  return "link." + std::to_string(++made);
}

}  // namespace

ZmqLink::ZmqLink(zmq::context_t& context, TransportShared& shared, LinkId id, const Endpoint& to)
    : shared_{shared},
      id_{id},
      to_{to.address},
      server_key_{to.server_key},
      dealer_{context, zmq::socket_type::dealer},
      monitor_{context, dealer_, next_monitor_name(), kLinkEvents} {}

ZmqLink::~ZmqLink() {
  if (open_) set_option(dealer_, ZMQ_LINGER, kByeMs);
}

std::unique_ptr<ZmqLink> ZmqLink::open(zmq::context_t& context, TransportShared& shared, LinkId id,
                                       const Endpoint& to, Duration patience) {
  std::unique_ptr<ZmqLink> link{new ZmqLink{context, shared, id, to}};
  zmq::socket_t& dealer = link->dealer_;
  set_common_options(dealer, shared.options.keys, to.address);
  set_option(dealer, ZMQ_CURVE_PUBLICKEY, shared.options.keys.curve);
  set_option(dealer, ZMQ_CURVE_SERVERKEY, to.server_key);
  const auto handshake_ms =
      std::clamp<Duration::rep>(patience.count(), kHandshakeMinMs, kHandshakeMaxMs);
  set_option(dealer, ZMQ_HANDSHAKE_IVL, static_cast<int>(handshake_ms));
  // One socket is one attempt: nothing meant for this parent may reach its next incarnation.
  set_option(dealer, ZMQ_RECONNECT_IVL, -1);
  set_option(dealer, ZMQ_IMMEDIATE, 1);
  set_option(dealer, ZMQ_SNDHWM, kLinkSendQueue);
  set_option(dealer, ZMQ_CONNECT_TIMEOUT, std::max(kConnectMs, static_cast<int>(handshake_ms)));
  // Without a TTL, so that the parent only answers and keeps no timer for it (see zmq_socket.cc).
  if (const Duration every = shared.options.heartbeat; every > Duration{0}) {
    set_option(dealer, ZMQ_HEARTBEAT_IVL, static_cast<int>(every.count()));
    set_option(dealer, ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatTimeoutMs);
  }
  if (zmq_connect(dealer.handle(), to.address.c_str()) != 0) {
    shared.warn("cannot connect", to.address + ": " + zmq_strerror(errno));
    return nullptr;
  }
  return link;
}

void ZmqLink::send(const Message& message) {
  if (!outbox_.empty() || !try_send(message)) put_off(message);
}

bool ZmqLink::try_send(const Message& message) {
  auto frame = shared_.encoded(message);
  if (!frame) return true;  // never can be
  const std::size_t size = frame->size();
  if (mesh::send(dealer_, *frame, false) != Sent::kYes) return false;
  ++shared_.counters.frames_out;
  shared_.counters.bytes_out += size;
  return true;
}

void ZmqLink::put_off(const Message& message) {
  Message latest = message;
  const Lane lane = lane_of(message);
  if (is_live(lane)) {
    if (const auto& older = outbox_.newest(lane)) {
      (void)absorb(latest, *older);  // what finds no room is announced again
      ++shared_.counters.conflated;
    }
  }
  if (outbox_.put(lane, std::move(latest)) || lane == Lane::kBackfill) return;
  ++shared_.counters.slow_peer;
  overrun_ = true;
}

bool ZmqLink::let_out() {
  while (!outbox_.empty() && try_send(outbox_.front())) outbox_.pop();
  return !outbox_.has_control();
}

void ZmqLink::add_to_poll(std::vector<zmq_pollitem_t>& items) {
  const short wanted = outbox_.empty() ? ZMQ_POLLIN : ZMQ_POLLIN | ZMQ_POLLOUT;
  items.push_back({dealer_.handle(), 0, wanted, 0});
  items.push_back({monitor_.pipe().handle(), 0, ZMQ_POLLIN, 0});
}

bool ZmqLink::drain(std::span<const zmq_pollitem_t> found) {
  const short of_dealer = found[0].revents;
  const Seen seen = found[1].revents != 0 ? watch() : Seen{};
  if (seen.opened && !open_) {
    open_ = true;
    process_commands(dealer_);
    shared_.events.emplace_back(LinkOpened{id_});
  }
  bool usable = !overrun_;
  // Of a lost link everything is heard that came before.
  const bool readable = (of_dealer & ZMQ_POLLIN) != 0 || seen.lost;
  for (int i = 0; readable && usable && i < kFramesPerWait; ++i) {
    auto frame = receive(dealer_);
    if (!frame) break;
    usable = take(*frame);
  }
  if ((of_dealer & ZMQ_POLLOUT) != 0) (void)let_out();
  if (usable && !seen.lost) return true;
  open_ = false;  // nothing lingers
  shared_.events.emplace_back(LinkLost{id_});
  return false;
}

ZmqLink::Seen ZmqLink::watch() {
  Seen seen;
  while (const auto event = monitor_.next()) {
    if (event->event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      seen.opened = true;
      continue;
    }
    if ((event->event & kHandshakeFailed) != 0) ++shared_.counters.handshakes_failed;
    seen.lost = true;
  }
  return seen;
}

bool ZmqLink::take(zmq::message_t& frame) {
  bool one_part = true;
  for (bool more = frame.more(); more;) {
    const auto part = receive(dealer_);
    one_part = false;
    more = part && part->more();
  }
  auto message = shared_.decoded(frame, to_, true);
  if (!message) return true;
  if (!one_part) {
    ++shared_.counters.malformed;
    shared_.warn("malformed frame", "a parent", "more than one part");
    return true;
  }
  return deliver(std::move(*message));
}

bool ZmqLink::deliver(Message message) {
  if (!goes_down(message)) {
    ++shared_.counters.misdirected;
    shared_.warn("misdirected frame", "a parent", "a kind that only children send");
    return true;
  }
  if (const auto* ack = std::get_if<HelloAck>(&message); ack != nullptr && !prove(*ack)) {
    return false;
  }
  if (!parent_ && !is_from_anyone(message)) {
    ++shared_.counters.unproven;
    shared_.warn("unproven peer", "a parent", "no HelloAck with a good certificate before");
    return true;
  }
  const std::int64_t utc_ms = shared_.options.utc_ms();
  if (parent_ && (utc_ms < parent_->not_before_ms || parent_->not_after_ms <= utc_ms)) {
    ++shared_.counters.expired;
    shared_.warn("parent's certificate expired", to_string(parent_->id));
    return false;
  }
  const NodeId peer = parent_ ? parent_->id : kNoNode;
  shared_.events.emplace_back(FromParent{id_, peer, std::move(message)});
  return true;
}

bool ZmqLink::prove(const HelloAck& ack) {
  const auto cert = verify_cert(ack.certificate, shared_.options.fleet, shared_.options.utc_ms());
  if (!cert) {
    shared_.count_refused(cert.error());
    shared_.warn("parent refused", "certificate", to_string(cert.error()));
    return false;
  }
  if (cert->curve != server_key_) {
    ++shared_.counters.key_mismatch;
    shared_.warn("parent refused", "certificate not of the key that was dialled");
    return false;
  }
  if (cert->role == Role::kLeaf) {
    ++shared_.counters.bad_cert;
    shared_.warn("parent refused", "certificate of a leaf");
    return false;
  }
  parent_ = {cert->node, cert->not_before_ms, cert->not_after_ms};
  return true;
}

}  // namespace vpp::mesh
