// Many Modbus TCP servers in one thread: each battery on its own port.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/time.h"
#include "tools/battery/sunspec_battery.h"

namespace vpp::battery {

class ModbusServer {
 public:
  /// Listens on `host`, ports `port_base`, `port_base` + 1, ...; 0: any free ports.
  [[nodiscard]] static std::expected<std::unique_ptr<ModbusServer>, std::string> listen(
      std::vector<SunspecBattery>& batteries, const std::string& host, int port_base);

  virtual ~ModbusServer() = default;

  /// One per battery.
  [[nodiscard]] virtual const std::vector<int>& ports() const = 0;

  /// Serves until SIGTERM or SIGINT. `market_now` is asked before every answer, `each_second` is
  /// called once a real second.
  virtual void run(const std::function<MarketTime()>& market_now,
                   const std::function<void()>& each_second) = 0;
};

}  // namespace vpp::battery
