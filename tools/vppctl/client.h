// HTTP to one vppd over its control socket (docs/control-api.md), through libcurl.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vpp::ctl {

/// vppctl's exit codes; stable.
enum class Exit : int {
  kOk = 0,
  kFailure = 1,
  kUsage = 2,
  kUnreachable = 3,
  kDegraded = 4,
  kRefused = 5,  ///< by the daemon, or not confirmed by the operator
  kTimeout = 6,
};

struct Failure {
  Exit exit = Exit::kFailure;
  std::string text;
  std::string hint;
};

using Document = nlohmann::ordered_json;

class Client {
 public:
  Client(std::string socket_path, std::chrono::milliseconds timeout);

  [[nodiscard]] std::expected<Document, Failure> get(const std::string& path) const;
  [[nodiscard]] std::expected<Document, Failure> post(const std::string& path,
                                                      const Document& body) const;

  /// Hands over every line until the daemon closes, `line` answers false, or `stop` (asked about
  /// once a second) true.
  [[nodiscard]] std::expected<void, Failure> stream(
      const std::string& path, const std::function<bool(std::string_view)>& line, bool endless,
      const std::function<bool()>& stop = {}) const;

  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }
  [[nodiscard]] std::chrono::milliseconds timeout() const { return timeout_; }

 private:
  std::string socket_path_;
  std::chrono::milliseconds timeout_;
};

}  // namespace vpp::ctl
