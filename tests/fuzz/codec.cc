// Frames of the mesh. Any bytes decode to an error, or to a message that holds the limits and is
// the same after encoding and decoding it again.
#include "mesh/codec.h"

#include <cstddef>
#include <cstdint>

#include "config/check.h"
#include "mesh/message_limits.h"

using namespace vpp::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = decode({data, size});
  if (!message) return 0;
  VPP_CHECK(!broken_limit(*message));
  const auto frame = encode(*message);
  VPP_CHECK(frame);
  const auto again = decode(*frame);
  VPP_CHECK(again && *again == *message);
  return 0;
}
