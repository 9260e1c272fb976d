// One link to a possible parent: a DEALER that connects once. For the transport only.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mesh/outbox.h"
#include "mesh/zmq_shared.h"
#include "mesh/zmq_socket.h"

namespace vpp::mesh {

class ZmqLink {
 public:
  /// Null when the address is none; no event is told.
  [[nodiscard]] static std::unique_ptr<ZmqLink> open(zmq::context_t& context,
                                                     TransportShared& shared, LinkId id,
                                                     const Endpoint& to, Duration patience);
  /// What was sent on an open link still goes out, for a short while.
  ~ZmqLink();
  ZmqLink(const ZmqLink&) = delete;
  ZmqLink& operator=(const ZmqLink&) = delete;

  /// What the parent cannot take yet waits; too much of it, and the link is lost.
  void send(const Message& message);

  static constexpr std::size_t kPollItems = 2;
  void add_to_poll(std::vector<zmq_pollitem_t>& items);

  /// `found`: what poll has found of our items. Tells of opening, frames and loss, in this order.
  /// False: lost, to be destroyed.
  [[nodiscard]] bool drain(std::span<const zmq_pollitem_t> found);

  /// Tries to send what waits. False: there is (still) control that waits.
  [[nodiscard]] bool let_out();

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

  /// False: the parent cannot take it yet.
  [[nodiscard]] bool try_send(const Message& message);
  void put_off(const Message& message);
  [[nodiscard]] Seen watch();
  /// Each false: the parent may not be talked to.
  [[nodiscard]] bool take(zmq::message_t& frame);
  [[nodiscard]] bool deliver(Message message);
  [[nodiscard]] bool prove(const HelloAck& ack);

  TransportShared& shared_;
  LinkId id_;
  std::string to_;  ///< its address
  CurveKey server_key_;
  zmq::socket_t dealer_;
  Monitor monitor_;
  Outbox<Message> outbox_;
  bool open_ = false;
  bool overrun_ = false;  ///< more control waits than may
  std::optional<Parent> parent_;
};

}  // namespace vpp::mesh
