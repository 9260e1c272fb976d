#include "mesh/zmq_listener.h"

#include <cerrno>
#include <cstring>
#include <iterator>

#include "config/check.h"
#include "config/limits.h"
#include "config/z85.h"

namespace vpp::mesh {
namespace {

constexpr const char* kZapEndpoint = "inproc://zeromq.zap.01";
constexpr std::string_view kZapDomain = "vpp";
constexpr int kBacklog = 4096;  // with the default of 100 a storm of 5,000 joins took 15 s, not 2
constexpr int kZapEnforceDomain = 93;  // ZMQ_ZAP_ENFORCE_DOMAIN: in libzmq 4.3.4, a draft in zmq.h
constexpr Duration kRetryInterval = std::chrono::milliseconds{20};
constexpr Duration kSweepInterval = std::chrono::seconds{5};
constexpr Duration kRefusedRetry = std::chrono::seconds{30};
// Not ACCEPT_FAILED: out of descriptors, libzmq tells it again and again without a pause.
constexpr int kListenerEvents = kHandshakeFailed | ZMQ_EVENT_DISCONNECTED;

/// Kinds that come from below.
bool goes_up(const Message& message) {
  return std::holds_alternative<Probe>(message) || std::holds_alternative<Hello>(message) ||
         std::holds_alternative<Report>(message) || std::holds_alternative<DispatchAck>(message) ||
         std::holds_alternative<Bye>(message) || std::holds_alternative<Follow>(message) ||
         std::holds_alternative<PlannedLoad>(message);
}

/// Kinds that tell a stranger nothing.
bool is_for_anyone(const Message& message) {
  return std::holds_alternative<ProbeAck>(message) || std::holds_alternative<HelloNak>(message);
}

std::string_view text_of(const zmq::message_t& frame) {
  return {frame.data<char>(), frame.size()};
}

/// Metadata of the BODY frame; on 4.3.4 the routing frame has none after a poll.
std::optional<CurveKey> key_of(zmq::message_t& body) {
  const char* user = zmq_msg_gets(body.handle(), "User-Id");
  return user == nullptr ? std::nullopt : parse_z85(user);
}

std::string who_is(zmq::message_t& body) {
  const char* address = zmq_msg_gets(body.handle(), "Peer-Address");
  return address == nullptr ? "unknown" : address;
}

/// The answer to one ZAP request (RFC 27): any well-formed CURVE client of our domain may connect
/// and is known by its key from then on.
std::array<std::string, 6> zap_answer(const std::vector<zmq::message_t>& request) {
  const std::string id = request.size() > 1 ? request[1].to_string() : "";
  CurveKey key{};
  const bool accepted = request.size() == 7 && text_of(request[0]) == "1.0" &&
                        text_of(request[2]) == kZapDomain && text_of(request[5]) == "CURVE" &&
                        request[6].size() == key.size();
  if (!accepted) return {"1.0", id, "400", "CURVE is needed", "", ""};
  std::memcpy(key.data(), request[6].data(), key.size());
  return {"1.0", id, "200", "OK", to_z85(key), ""};
}

}  // namespace

ZmqListener::ZmqListener(zmq::context_t& context, TransportShared& shared)
    : shared_{shared},
      table_{{shared.options.connections_max, shared.options.unproven_idle_max,
              shared.options.proven_idle_max}},
      zap_{context, zmq::socket_type::rep},
      router_{context, zmq::socket_type::router},
      monitor_{context, router_, "listener", kListenerEvents} {}

std::expected<std::unique_ptr<ZmqListener>, std::string> ZmqListener::open(
    zmq::context_t& context, TransportShared& shared, const std::string& address) {
  std::unique_ptr<ZmqListener> listener{new ZmqListener{context, shared}};
  set_option(listener->zap_, ZMQ_LINGER, 0);
  if (zmq_bind(listener->zap_.handle(), kZapEndpoint) != 0) {
    return std::unexpected{std::string{"cannot handle handshakes: "} + zmq_strerror(errno)};
  }
  zmq::socket_t& router = listener->router_;
  set_common_options(router, shared.options.keys, address);
  set_option(router, ZMQ_CURVE_SERVER, 1);
  // How long a handshake may take is for the child to say, who knows how often it failed before.
  set_option(router, ZMQ_HANDSHAKE_IVL, kHandshakeMaxMs);
  set_option(router, kZapEnforceDomain, 1);
  VPP_CHECK(zmq_setsockopt(router.handle(), ZMQ_ZAP_DOMAIN, kZapDomain.data(), kZapDomain.size()) ==
            0);
  set_option(router, ZMQ_ROUTER_MANDATORY, 1);
  set_option(router, ZMQ_ROUTER_HANDOVER, 0);
  set_option(router, ZMQ_BACKLOG, kBacklog);
  if (zmq_bind(router.handle(), address.c_str()) != 0) {
    return std::unexpected{"cannot listen on " + address + ": " + zmq_strerror(errno)};
  }
  std::array<char, 256> bound{};
  std::size_t size = bound.size();
  if (zmq_getsockopt(router.handle(), ZMQ_LAST_ENDPOINT, bound.data(), &size) == 0) {
    listener->bound_ = bound.data();
  }
  return listener;
}

void ZmqListener::add_to_poll(std::vector<zmq_pollitem_t>& items) {
  items.push_back({zap_.handle(), 0, ZMQ_POLLIN, 0});
  items.push_back({router_.handle(), 0, ZMQ_POLLIN, 0});
  items.push_back({monitor_.pipe().handle(), 0, ZMQ_POLLIN, 0});
}

void ZmqListener::drain(std::span<const zmq_pollitem_t> found) {
  if (found[0].revents != 0) answer_handshakes();
  if (found[2].revents != 0) watch();
  for (int i = 0; found[1].revents != 0 && i < kFramesPerWait; ++i) {
    auto frame = receive_frame();
    if (!frame) break;
    take(*frame);
  }
  const Instant now = TransportShared::now();
  if (!behind_.empty() && now >= retried_at_ + kRetryInterval) retry(now);
  if (now >= swept_at_ + kSweepInterval) {
    swept_at_ = now;
    table_.forget_idle(now);
  }
  tell_lost();
}

Duration ZmqListener::patience() const {
  return behind_.empty() ? Duration::max() : kRetryInterval;
}

void ZmqListener::answer_handshakes() {
  for (int i = 0; i < kFramesPerWait; ++i) {
    std::vector<zmq::message_t> request;
    do {
      auto part = receive(zap_);
      if (!part) return;
      request.push_back(std::move(*part));
    } while (request.back().more());
    const auto answer = zap_answer(request);
    for (std::size_t part = 0; part < answer.size(); ++part) {
      zmq::message_t frame{answer[part].data(), answer[part].size()};
      (void)mesh::send(zap_, frame, part + 1 < answer.size());
    }
  }
}

void ZmqListener::watch() {
  for (int i = 0; i < kFramesPerWait; ++i) {
    const auto event = monitor_.next();
    if (!event) return;
    if ((event->event & kHandshakeFailed) != 0) {
      ++shared_.counters.handshakes_failed;
      shared_.warn("handshake failed", "a client without our CURVE key, or broken off");
    } else {
      ++shared_.counters.disconnects;
    }
  }
}

std::optional<ZmqListener::Received> ZmqListener::receive_frame() {
  auto routing_id = receive(router_);
  if (!routing_id) return std::nullopt;
  Received frame;
  frame.routing_id = std::move(*routing_id);
  bool more = frame.routing_id.more();
  for (int part = 0; more; ++part) {
    auto body = receive(router_);
    if (!body) break;  // cannot be: libzmq hands out whole messages
    more = body->more();
    if (part == 0) frame.body = std::move(*body);
    frame.one_part = part == 0;
  }
  return frame;
}

void ZmqListener::take(Received& frame) {
  const std::string who = who_is(frame.body);
  auto message = shared_.decoded(frame.body, who, false);
  if (!message && message.error() == Unread::kBad) return;
  const auto key = key_of(frame.body);
  if (!frame.one_part || !key) {
    ++shared_.counters.malformed;
    return shared_.warn("malformed frame", who, "not one part of a CURVE connection");
  }
  if (message && !goes_up(*message)) {
    ++shared_.counters.misdirected;
    return shared_.warn("misdirected frame", who, "a kind that only parents send");
  }
  const std::uint64_t pushed_out = table_.pushed_out();
  Connection* connection = table_.heard(TransportShared::now(), text_of(frame.routing_id), *key);
  shared_.counters.table_full += table_.pushed_out() - pushed_out;
  if (connection == nullptr) {
    ++shared_.counters.table_full;
    return shared_.warn("no free connection slot", who);
  }
  // Whoever speaks another version can read ours off the answer.
  if (!message) return refuse(*connection);
  deliver(*connection, std::move(*message), who);
}

void ZmqListener::deliver(Connection& connection, Message message, std::string_view who) {
  if (auto* hello = std::get_if<Hello>(&message)) return greet(connection, std::move(*hello), who);
  const bool anyone = std::holds_alternative<Probe>(message);
  if (connection.proof && !still_valid(connection)) return;
  if (!connection.proof && !anyone) {
    ++shared_.counters.unproven;
    return shared_.warn("unproven peer", who, "no Hello with a good certificate before");
  }
  std::optional<Peer> peer;
  if (connection.proof) peer = connection.proof->peer;
  shared_.events.emplace_back(FromChild{connection.id, peer, std::move(message)});
}

void ZmqListener::greet(Connection& connection, Hello hello, std::string_view who) {
  const auto proof = prove(connection, hello);
  if (!proof) {
    shared_.warn("child refused", who, proof.error());
    return refuse(connection);
  }
  table_.prove(connection, *proof);
  shared_.events.emplace_back(FromChild{connection.id, proof->peer, std::move(hello)});
}

void ZmqListener::refuse(Connection& connection) {
  if (auto nak = encoded(HelloNak{NakReason::kNotAuthorised, kRefusedRetry, {}})) {
    if (send_frame(connection, *nak) == Sent::kFull) ++shared_.counters.slow_peer;
  }
}

std::expected<Proof, std::string> ZmqListener::prove(const Connection& connection,
                                                     const Hello& hello) {
  TransportCounters& counters = shared_.counters;
  const auto cert = verify_cert(hello.certificate, shared_.options.fleet, shared_.options.utc_ms());
  if (!cert) {
    shared_.count_refused(cert.error());
    return std::unexpected{"certificate " + std::string{to_string(cert.error())}};
  }
  if (cert->curve != connection.key) {
    ++counters.key_mismatch;
    return std::unexpected{"certificate of " + to_string(cert->node) + ", not its connection"};
  }
  if (cert->role != hello.role) {
    ++counters.bad_cert;
    return std::unexpected{"certificate is for another role"};
  }
  if (cert->scope != 0 && cert->scope != scope_of(hello.region)) {
    ++counters.bad_cert;
    return std::unexpected{"certificate is for another region"};
  }
  return Proof{{.id = cert->node,
                .role = cert->role,
                .discharge_max = cert->discharge_max(),
                .charge_max = cert->charge_max(),
                .energy_max = cert->energy_max()},
               cert->not_before_ms,
               cert->not_after_ms};
}

bool ZmqListener::still_valid(const Connection& connection) {
  if (connection.proof->valid_at(shared_.options.utc_ms())) return true;
  ++shared_.counters.expired;
  shared_.warn("certificate expired", to_string(connection.proof->peer.id));
  shared_.events.emplace_back(ChildUnreachable{connection.id});
  table_.erase(connection.id);
  return false;
}

void ZmqListener::send(ConnectionId to, const Message& message) {
  Connection* connection = table_.find(to);
  if (connection == nullptr) {
    ++shared_.counters.unknown_connection;
    return;
  }
  if (connection->proof && !still_valid(*connection)) return;
  if (!connection->proof && !is_for_anyone(message)) {
    ++shared_.counters.unproven;
    return;
  }
  auto frame = encoded(message);
  if (!frame) return;
  const bool first = !behind_.contains(to);
  if (first && send_frame(*connection, *frame) != Sent::kFull) return;
  put_off(*connection, lane_of(message), std::move(*frame));
}

std::optional<zmq::message_t> ZmqListener::encoded(const Message& message) {
  const auto* beacon = std::get_if<Beacon>(&message);
  if (beacon == nullptr) return shared_.encoded(message);
  if (!beacon_ || *beacon_ != *beacon) {
    auto frame = shared_.encoded(message);
    if (!frame) return std::nullopt;
    beacon_ = *beacon;
    beacon_frame_ = std::move(*frame);
  }
  zmq::message_t shared_bytes;  // libzmq counts references to long bodies
  shared_bytes.copy(beacon_frame_);
  return shared_bytes;
}

/// Nobody unproven is waited for: strangers would fill our memory.
void ZmqListener::put_off(const Connection& connection, Lane lane, zmq::message_t frame) {
  if (!connection.proof) {
    ++shared_.counters.slow_peer;
    return;
  }
  auto& outbox = behind_[connection.id];
  if (is_live(lane) && outbox.newest(lane)) ++shared_.counters.conflated;
  if (outbox.put(lane, std::move(frame)) || lane == Lane::kBackfill) return;
  ++shared_.counters.slow_peer;
  // It has missed something that it had to know: better lost and back than obeyed in part.
  shared_.warn("slow child cut off", to_string(connection.proof->peer.id));
  const ConnectionId id = connection.id;
  shared_.events.emplace_back(ChildUnreachable{id});
  behind_.erase(id);
  table_.erase(id);
}

void ZmqListener::retry(Instant now) {
  retried_at_ = now;
  for (auto it = behind_.begin(); it != behind_.end();) {
    it = let_out(it->first, it->second) ? behind_.erase(it) : std::next(it);
  }
}

/// Whether nothing waits any more, be it that the child is gone.
bool ZmqListener::let_out(ConnectionId to, Outbox<zmq::message_t>& outbox) {
  for (; !outbox.empty(); outbox.pop()) {
    const Connection* connection = table_.find(to);
    if (connection == nullptr || !still_valid(*connection)) return true;
    if (send_frame(*connection, outbox.front()) == Sent::kFull) return false;
  }
  return true;
}

Sent ZmqListener::send_frame(const Connection& connection, zmq::message_t& frame) {
  const std::size_t size = frame.size();
  zmq::message_t routing_id{connection.routing_id.data(), connection.routing_id.size()};
  Sent sent = mesh::send(router_, routing_id, true);
  if (sent == Sent::kYes) sent = mesh::send(router_, frame, false);
  if (sent == Sent::kYes) {
    ++shared_.counters.frames_out;
    shared_.counters.bytes_out += size;
  }
  if (sent == Sent::kUnreachable) {
    if (connection.proof) shared_.events.emplace_back(ChildUnreachable{connection.id});
    table_.erase(connection.id);
  }
  return sent;
}

void ZmqListener::tell_lost() {
  for (const ConnectionId id : table_.take_lost()) {
    shared_.events.emplace_back(ChildUnreachable{id});
  }
}

}  // namespace vpp::mesh
