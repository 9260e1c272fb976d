#include "daemon/driver/sink.h"

#include <string>
#include <utility>

namespace vpp::driver {

void NoticeSink::take(const Now& now, std::int64_t utc_ms, const node::Notice& notice) {
  ++counts_.at(static_cast<std::size_t>(std::to_underlying(notice.severity)));
  ring_.add(utc_ms, now.market, notice);
  added_();
  const auto verdict = limiter_.ask(notice.code, now.protocol);
  std::string line = notice.code + ": " + notice.text;
  if (!verdict.speak) return log::debug(line);
  if (verdict.held_back > 0) {
    line += " (" + std::to_string(verdict.held_back) + " more of it held back)";
  }
  switch (notice.severity) {
    case node::Severity::kInfo:
      return log::info(line);
    case node::Severity::kWarning:
      return log::warning(line);
    case node::Severity::kError:
      return log::error(line);
  }
}

}  // namespace vpp::driver
