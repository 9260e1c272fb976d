#include "daemon/driver/log.h"

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace vpp::driver::log {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return spdlog::level::trace;
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void write(spdlog::level::level_enum level, std::string_view text) {
  if (auto* logger = spdlog::default_logger_raw(); logger != nullptr) {
    logger->log(level, spdlog::string_view_t{text.data(), text.size()});
  }
}

}  // namespace

void start(LogLevel level) {
  // spdlog's own rule ignores NO_COLOR.
  const bool colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>(
      colour ? spdlog::color_mode::always : spdlog::color_mode::never);
  auto logger = std::make_shared<spdlog::logger>("vppd", std::move(sink));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  logger->set_level(to_spdlog(level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void debug(std::string_view text) {
  write(spdlog::level::debug, text);
}
void info(std::string_view text) {
  write(spdlog::level::info, text);
}
void warning(std::string_view text) {
  write(spdlog::level::warn, text);
}
void error(std::string_view text) {
  write(spdlog::level::err, text);
}

Limiter::Verdict Limiter::ask(std::string_view key, Instant now) {
  const std::scoped_lock lock{mutex_};
  auto found = voices_.find(key);
  if (found == voices_.end()) {
    // Who comes after the table is full shares one voice.
    const std::string_view name = voices_.size() < kVoicesMax ? key : std::string_view{"others"};
    found = voices_.try_emplace(std::string{name}, Voice{.window_start = now}).first;
  }
  Voice& voice = found->second;
  if (now - voice.window_start >= window_) {
    voice.window_start = now;
    voice.spoken = 0;
  }
  if (voice.spoken >= burst_) {
    ++voice.held_back;
    return {};
  }
  ++voice.spoken;
  return {true, std::exchange(voice.held_back, 0)};
}

}  // namespace vpp::driver::log
