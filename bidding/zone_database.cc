#include "bidding/zone_database.h"

#include <date/tz.h>

#include <chrono>
#include <exception>
#include <utility>
#include <vector>

#include "bidding/forecast.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] Zone read_zone(const date::time_zone& zone) {
  using std::chrono::seconds;
  const date::sys_seconds last{std::chrono::duration_cast<seconds>(kTimeMax.time_since_epoch())};
  date::sys_info info = zone.get_info(date::sys_seconds{seconds{0}});
  const seconds first = info.offset;
  std::vector<OffsetChange> changes;
  for (seconds before = first; info.end < last; before = info.offset) {
    info = zone.get_info(info.end);
    // Only the name or what counts as summer time may have changed.
    if (info.offset != before) {
      changes.push_back({MarketTime{info.begin.time_since_epoch()}, info.offset});
    }
  }
  return Zone{first, std::move(changes)};
}

}  // namespace

std::expected<Zone, std::string> zone_named(const std::string& name) {
  try {
    return read_zone(*date::locate_zone(name));
  } catch (const std::exception& error) {  // no such zone, or no database
    return std::unexpected{"no time zone \"" + name + "\" (as in Europe/Berlin): " + error.what()};
  }
}

}  // namespace vpp::bidding
