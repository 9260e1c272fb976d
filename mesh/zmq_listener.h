// The side of a transport that takes children: ROUTER, ZAP handler and connection table.
// For the transport only.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mesh/connection_table.h"
#include "mesh/outbox.h"
#include "mesh/zmq_shared.h"
#include "mesh/zmq_socket.h"

namespace vpp::mesh {

class ZmqListener {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<ZmqListener>, std::string> open(
      zmq::context_t& context, TransportShared& shared, const std::string& address);

  /// What a child cannot take yet waits; too much of it, and the child is unreachable.
  void send(ConnectionId to, const Message& message);
  void drop(ConnectionId connection) { table_.erase(connection); }

  static constexpr std::size_t kPollItems = 3;
  void add_to_poll(std::vector<zmq_pollitem_t>& items);
  /// `found`: what poll has found of our items. Everything that has arrived, up to kFramesPerWait
  /// frames; events go to the shared list.
  void drain(std::span<const zmq_pollitem_t> found);
  /// A ROUTER never tells that one child can be sent to again: how long drain() may wait.
  [[nodiscard]] Duration patience() const;

  [[nodiscard]] const std::string& bound_address() const { return bound_; }
  [[nodiscard]] std::size_t connections() const { return table_.size(); }

 private:
  struct Received {
    zmq::message_t routing_id;
    zmq::message_t body;
    bool one_part = true;
  };

  ZmqListener(zmq::context_t& context, TransportShared& shared);

  void answer_handshakes();
  void watch();
  [[nodiscard]] std::optional<Received> receive_frame();
  void take(Received& frame);
  void deliver(Connection& connection, Message message, std::string_view who);
  void greet(Connection& connection, Hello hello, std::string_view who);
  void refuse(Connection& connection);
  [[nodiscard]] std::expected<Proof, std::string> prove(const Connection& connection,
                                                        const Hello& hello);
  /// Whether its certificate still holds; if not, the connection is over.
  [[nodiscard]] bool still_valid(const Connection& connection);
  [[nodiscard]] std::optional<zmq::message_t> encoded(const Message& message);
  [[nodiscard]] Sent send_frame(const Connection& connection, zmq::message_t& frame);
  void put_off(const Connection& connection, Lane lane, zmq::message_t frame);
  void retry(Instant now);
  [[nodiscard]] bool let_out(ConnectionId to, Outbox<zmq::message_t>& outbox);
  void tell_lost();

  TransportShared& shared_;
  ConnectionTable table_;
  zmq::socket_t zap_;  // before the ROUTER: handshakes need it from the first
  zmq::socket_t router_;
  Monitor monitor_;
  std::string bound_;
  std::map<ConnectionId, Outbox<zmq::message_t>> behind_;  ///< children that could not take all
  Instant retried_at_{};
  Instant swept_at_{};
  std::optional<Beacon> beacon_;  ///< last one encoded
  zmq::message_t beacon_frame_;
};

}  // namespace vpp::mesh
