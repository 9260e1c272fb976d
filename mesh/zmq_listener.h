// The side of a transport that takes children: ROUTER, ZAP handler and connection table.
// For the transport only.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mesh/connection_table.h"
#include "mesh/zmq_shared.h"
#include "mesh/zmq_socket.h"

namespace vpp::mesh {

class ZmqListener {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<ZmqListener>, std::string> open(
      zmq::context_t& context, TransportShared& shared, const std::string& address);

  void send(ConnectionId to, const Message& message);
  void drop(ConnectionId connection) { table_.erase(connection); }

  void add_to_poll(std::vector<zmq_pollitem_t>& items);
  /// Everything that has arrived, up to kFramesPerWait frames; events go to the shared list.
  void drain();

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
  void send_frame(const Connection& connection, zmq::message_t frame);
  void tell_lost();

  TransportShared& shared_;
  ConnectionTable table_;
  zmq::socket_t zap_;  // before the ROUTER: handshakes need it from the first
  zmq::socket_t router_;
  Monitor monitor_;
  std::string bound_;
  Instant swept_at_{};
  std::optional<Beacon> beacon_;  ///< last one encoded
  zmq::message_t beacon_frame_;
};

}  // namespace vpp::mesh
