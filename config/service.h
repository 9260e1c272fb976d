// What an order asks of a site's battery.
#pragma once

#include <cstdint>

namespace vpp {

enum class Service : std::uint8_t {
  kEnergy,     ///< hold a set point
  kFrequency,  ///< answer the local frequency with up to so many watts, both ways
};

}  // namespace vpp
