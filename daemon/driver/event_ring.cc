#include "daemon/driver/event_ring.h"

#include <nlohmann/json.hpp>

#include "daemon/driver/names.h"

namespace vpp::driver {

std::uint64_t EventRing::add(std::int64_t utc_ms, MarketTime market, const node::Notice& notice) {
  const std::scoped_lock lock{mutex_};
  ++last_;
  const nlohmann::ordered_json line{{"schema", "vppctl/v1"},
                                    {"kind", "event"},
                                    {"seq", last_},
                                    {"utc_ms", utc_ms},
                                    {"market_ms", market.time_since_epoch().count()},
                                    {"severity", to_string(notice.severity)},
                                    {"code", notice.code},
                                    {"text", notice.text}};
  constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
  lines_.push_back({last_, utc_ms, line.dump(-1, ' ', false, kReplace) + "\n"});
  if (lines_.size() > kEventsMax) lines_.pop_front();
  return last_;
}

std::vector<EventRing::Line> EventRing::read(std::uint64_t after, std::int64_t since_utc_ms,
                                             std::size_t most) const {
  const std::scoped_lock lock{mutex_};
  std::vector<Line> out;
  for (const Line& line : lines_) {
    if (out.size() >= most) break;
    if (line.sequence > after && line.utc_ms >= since_utc_ms) out.push_back(line);
  }
  return out;
}

}  // namespace vpp::driver
