// One link to a possible parent: a DEALER that connects once. For the transport only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mesh/zmq_shared.h"
#include "mesh/zmq_socket.h"

namespace vpp::mesh {

class ZmqLink {
 public:
  /// Null when the address is none; no event is told.
  [[nodiscard]] static std::unique_ptr<ZmqLink> open(zmq::context_t& context,
                                                     TransportShared& shared, LinkId id,
                                                     const Endpoint& to);
  /// What was sent on an open link still goes out, for a short while.
  ~ZmqLink();
  ZmqLink(const ZmqLink&) = delete;
  ZmqLink& operator=(const ZmqLink&) = delete;

  void send(const Message& message);
  void add_to_poll(std::vector<zmq_pollitem_t>& items);

  /// Tells of opening, frames and loss, in this order. False: lost, to be destroyed.
  [[nodiscard]] bool drain();

 private:
  struct Parent {
    NodeId id;
    std::int64_t not_before_ms = 0;  ///< UTC
    std::int64_t not_after_ms = 0;
  };
  struct Seen {
    bool opened = false;
    bool lost = false;
  };

  ZmqLink(zmq::context_t& context, TransportShared& shared, LinkId id, const Endpoint& to);

  [[nodiscard]] Seen watch();
  /// Each false: the parent may not be talked to.
  [[nodiscard]] bool take(zmq::message_t& frame);
  [[nodiscard]] bool deliver(Message message);
  [[nodiscard]] bool prove(const HelloAck& ack);

  TransportShared& shared_;
  LinkId id_;
  CurveKey server_key_;
  zmq::socket_t dealer_;
  Monitor monitor_;
  bool open_ = false;
  std::optional<Parent> parent_;
};

}  // namespace vpp::mesh
