// Plain lines on stderr: "2026-11-22T09:00:00.123Z warning VPP_STALE_LEAVES: 3 of 240 sites ...".
//
// One logger per process, behind functions; any thread may call them. Journald and a terminal both
// read stderr, so that there is no file to rotate. Colour only on a terminal without NO_COLOR.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "config/role_config.h"
#include "config/time.h"

namespace vpp::driver::log {

/// Call once, before threads start. Without it nothing is written.
void start(LogLevel level);

void debug(std::string_view text);
void info(std::string_view text);
void warning(std::string_view text);
void error(std::string_view text);

/// Lets each key speak `burst` times per `window`, and says afterwards how many were held back: a
/// peer that repeats itself cannot fill the disk. Keys are bounded; a stranger's text is no key.
class Limiter {
 public:
  struct Verdict {
    bool speak = false;
    std::uint64_t held_back = 0;  ///< since this key last spoke
  };

  explicit Limiter(int burst = 5, Duration window = std::chrono::seconds{60})
      : burst_{burst}, window_{window} {}

  [[nodiscard]] Verdict ask(std::string_view key, Instant now);

 private:
  struct Voice {
    Instant window_start{};
    int spoken = 0;
    std::uint64_t held_back = 0;
  };
  static constexpr std::size_t kVoicesMax = 256;

  int burst_;
  Duration window_;
  std::mutex mutex_;
  std::map<std::string, Voice, std::less<>> voices_;
};

}  // namespace vpp::driver::log
