// SunSpec over Modbus TCP: the driver of a battery that speaks IEEE 1547-2018's models.
//
// Control goes through model 704 (set point in watts with the device's own revert timer), readings
// come from 701 and 713, ratings from 702 and 713. Older models (101-113, 120, 124, 802) are read,
// never controlled. Source: SunSpec Alliance, "DER Information Model Specification" 1.0.
//
// Meter      of the house at its connection point: the first of models 201-204 and 211-214 in the
//            device's own map, or on a Modbus unit of its own behind the same address and
//            connection, as many devices take one client only. One that fails makes the site's
//            power unknown and no more; it is left alone for no longer than it has failed so far.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "device/site_driver.h"

namespace vpp::device {

struct SunspecOptions {
  std::string host = "127.0.0.1";
  int port = 502;
  int unit = 1;  ///< Modbus unit id; -1: of no importance on TCP
  /// Of the meter. Nothing: the device's own, if there is a meter.
  std::optional<int> meter_unit{};
  bool meter_positive_is_export = false;  ///< else import
  /// For one answer, and for connecting. Real devices take up to seconds.
  std::chrono::milliseconds timeout{2000};
  int busy_retries = 3;               ///< of exceptions 4, 5 and 6 (failure, acknowledge, busy)
  std::chrono::milliseconds pace{0};  ///< least time between two requests
  std::chrono::milliseconds backoff_min{500};
  std::chrono::milliseconds backoff_max{30'000};
  /// One that does not answer costs a timeout, in which the battery waits: asked seldom.
  std::chrono::milliseconds meter_backoff_max{300'000};
};

[[nodiscard]] std::unique_ptr<SiteDriver> make_sunspec_driver(const SunspecOptions& options);

}  // namespace vpp::device
