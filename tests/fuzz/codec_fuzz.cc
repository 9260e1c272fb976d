// Any bytes decode to an error or to a message that holds the limits and survives a round trip.
#include <cstddef>
#include <cstdint>

#include "mesh/codec.h"
#include "mesh/message_limits.h"

using namespace vpp::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = decode({data, size});
  if (!message) return 0;
  if (broken_limit(*message)) __builtin_trap();
  const auto frame = encode(*message);
  if (!frame) __builtin_trap();
  const auto again = decode(*frame);
  if (!again || *again != *message) __builtin_trap();
  return 0;
}
