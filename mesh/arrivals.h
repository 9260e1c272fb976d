// What one look at the sockets found, in the order in which it is worth hearing. Pure.
//
// Conflation  of the live values (mesh/outbox.h) of one peer only the newest stays: after a pause
//             of ours everything that was sent meanwhile arrives at once.
// Order       control goes before the live values of all peers, but nothing overtakes what came
//             before it from the same peer.
// Cost        O(events), a hash look-up each.
#pragma once

#include <cstddef>
#include <vector>

#include "mesh/zmq_transport.h"

namespace vpp::mesh {

/// Returns how many live values a newer one replaced.
std::size_t sift(std::vector<TransportEvent>& events);

}  // namespace vpp::mesh
