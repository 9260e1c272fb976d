#include "mesh/zmq_probe.h"

#include <chrono>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mesh/zmq_transport.h"

namespace vpp::mesh {
namespace {

constexpr LinkId kLink = 1;
constexpr std::uint64_t kNonce = 1;

Duration since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begin);
}

/// True once nothing more is to be waited for.
bool take(const TransportEvent& event, ZmqTransport& transport, ParentProbe& probe) {
  if (std::holds_alternative<LinkOpened>(event)) {
    probe.outcome = ParentProbe::Outcome::kSilent;
    transport.send_up(kLink, Probe{kNonce});
  }
  if (std::holds_alternative<LinkLost>(event)) return true;
  const auto* heard = std::get_if<FromParent>(&event);
  if (heard == nullptr) return false;
  const auto* ack = std::get_if<ProbeAck>(&heard->message);
  if (ack == nullptr || ack->nonce != kNonce) return false;
  probe.outcome = ParentProbe::Outcome::kAnswered;
  probe.answer = *ack;
  return true;
}

}  // namespace

std::expected<ParentProbe, std::string> probe_parent(const NodeKeys& keys, const Endpoint& parent,
                                                     Duration most) {
  ParentProbe probe;
  TransportOptions options;
  options.keys = keys;
  options.utc_ms = [] { return std::int64_t{0}; };  // for certificates only, and none is exchanged
  options.warn = [&probe](std::string_view line) { probe.misread = line; };
  const auto transport = ZmqTransport::open(std::move(options));
  if (!transport) return std::unexpected{transport.error()};
  const auto begin = std::chrono::steady_clock::now();
  (*transport)->open_link(kLink, parent);
  bool over = false;
  while (!over && since(begin) < most) {
    std::vector<TransportEvent> events;
    (*transport)->wait(most - since(begin), events);
    for (const TransportEvent& event : events) over = over || take(event, **transport, probe);
    const TransportCounters& seen = (*transport)->counters();
    if (seen.malformed + seen.other_version > 0) {
      probe.outcome = ParentProbe::Outcome::kMisread;
      over = true;
    }
  }
  probe.took = since(begin);
  return probe;
}

}  // namespace vpp::mesh
