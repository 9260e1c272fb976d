// Time zones by name, from the database of the operating system.
#pragma once

#include <expected>
#include <string>

#include "bidding/gate_calendar.h"

namespace vpp::bidding {

/// "Europe/Berlin". All changes from 1970 on that the database tells: its files end in 2037, and
/// the last offset holds from then on. Error: for people, one line.
[[nodiscard]] std::expected<Zone, std::string> zone_named(const std::string& name);

}  // namespace vpp::bidding
