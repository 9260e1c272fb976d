// What the device thread drives: one site's device, whatever its protocol.
//
// Every call may block for as long as the driver's time-outs say; that is why the device has its
// own thread. Not thread-safe: one owner per device, as many devices take one client only.
#pragma once

#include <expected>
#include <string>

#include "config/time.h"
#include "device/site.h"

namespace vpp::device {

class SiteDriver {
 public:
  SiteDriver() = default;
  SiteDriver(const SiteDriver&) = delete;
  SiteDriver& operator=(const SiteDriver&) = delete;
  virtual ~SiteDriver() = default;

  /// Connects and finds out what the device is; again after every failure of read() or write().
  /// Backs off by itself: called too early after a failure it fails at once, without a packet.
  virtual std::expected<Nameplate, std::string> connect() = 0;

  /// One round of readings, stamped `now`. An error means that the connection is gone; what the
  /// device merely does not implement is unknown in the result.
  virtual std::expected<Telemetry, std::string> read(Instant now) = 0;

  /// Between two rounds: only the grid's frequency, with what the protocol needs for it and no
  /// more. A device that does not tell it is unknown without a request.
  virtual std::expected<Reading<std::int32_t>, std::string> read_frequency(Instant now) = 0;

  /// Writes and reads back. An error that says "refused" leaves the connection usable.
  virtual std::expected<void, std::string> write(const DeviceCommand& command) = 0;

  /// Closes the connection; the device's revert timer does the rest. To give control back first,
  /// write({}).
  virtual void disconnect() = 0;

  [[nodiscard]] virtual bool connected() const = 0;
};

}  // namespace vpp::device
