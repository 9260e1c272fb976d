// What an order wants of a site.
#pragma once

#include <cstdint>
#include <string_view>

namespace vpp {

enum class Service : std::uint8_t {
  kEnergy,     ///< the power of the order, for its window
  kFrequency,  ///< up to that power either way, against the deviation of the grid's frequency that
               ///< the site measures itself
};

[[nodiscard]] constexpr std::string_view to_string(Service service) {
  return service == Service::kFrequency ? "frequency" : "energy";
}

}  // namespace vpp
