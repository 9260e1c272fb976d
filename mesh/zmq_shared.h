// What the two sides of a transport share. For the transport only.
#pragma once

#include <chrono>
#include <string_view>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "mesh/codec.h"
#include "mesh/node_cert.h"
#include "mesh/warn_limiter.h"
#include "mesh/zmq_transport.h"

namespace vpp::mesh {

/// Work per socket and wait(), so that a flood on one cannot hold the owner.
inline constexpr int kFramesPerWait = 1024;

enum class Unread : std::uint8_t { kBad, kOtherVersion };

struct TransportShared {
  explicit TransportShared(TransportOptions wanted) : options{std::move(wanted)} {}

  TransportOptions options;
  TransportCounters counters;
  std::optional<OtherVersion> other_version;  ///< the last one
  std::vector<TransportEvent> events;         ///< for the next or present wait()
  WarnLimiter limiter;

  /// For idle times and rates of log lines, which no core sees.
  [[nodiscard]] static Instant now() {
    return Instant{
        std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
  }

  void warn(WarnKind kind, std::string_view detail) {
    if (!options.warn) return;
    if (const auto line = limiter.admit(now(), kind, detail)) options.warn(*line);
  }
  void warn(WarnKind kind, std::string_view who, std::string_view what) {
    if (options.warn) warn(kind, std::string{who}.append(": ").append(what));
  }

  void count_refused(CertError error) {
    const bool dated = error == CertError::kExpired || error == CertError::kNotYetValid;
    ++(dated ? counters.expired : counters.bad_cert);
  }

  /// A frame ready to send; nothing when our own message breaks a limit.
  [[nodiscard]] std::optional<zmq::message_t> encoded(const Message& message) {
    const auto frame = encode(message);
    if (frame) return zmq::message_t{frame->data(), frame->size()};
    ++counters.unencodable;
    warn("own message not sent", frame.error());
    return std::nullopt;
  }

  /// A frame from a peer, above or below. What cannot be read is counted here.
  [[nodiscard]] std::expected<Message, Unread> decoded(const zmq::message_t& frame,
                                                       std::string_view who, bool above) {
    ++counters.frames_in;
    counters.bytes_in += frame.size();
    if (frame.size() > limits::kFrameBytesMax) {
      ++counters.oversize;
      warn("frame too long", who);
      return std::unexpected{Unread::kBad};
    }
    const std::span bytes{frame.data<std::uint8_t>(), frame.size()};
    auto message = decode(bytes);
    if (message) return std::move(*message);
    const auto version = mesh::other_version(bytes);
    ++(version ? counters.other_version : counters.malformed);
    if (version) other_version = OtherVersion{std::string{who}, *version, above, now()};
    if (version) {
      warn("another protocol version", who, message.error());
    } else {
      warn("malformed frame", who, message.error());
    }
    return std::unexpected{version ? Unread::kOtherVersion : Unread::kBad};
  }
};

}  // namespace vpp::mesh
