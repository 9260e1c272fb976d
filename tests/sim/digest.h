// A run's fingerprint: everything that happens is folded into one number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/ids.h"
#include "daemon/node/node.h"
#include "mesh/messages.h"

namespace vpp::sim {

/// FNV-1a over 64-bit words.
class Digest {
 public:
  void add(std::uint64_t word) { state_ = (state_ ^ word) * 0x100000001b3U; }
  void add(std::int64_t word) { add(static_cast<std::uint64_t>(word)); }
  void add(std::string_view text) {
    add(std::uint64_t{text.size()});
    for (const char c : text) add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  void add(NodeId id) {
    add(id.high);
    add(id.low);
  }
  [[nodiscard]] std::uint64_t value() const { return state_; }
  [[nodiscard]] static std::uint64_t of(std::string_view text) {
    Digest digest;
    digest.add(text);
    return digest.value();
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325U;
};

[[nodiscard]] std::uint64_t digest_of(const mesh::Message& message);
[[nodiscard]] std::uint64_t digest_of(
    const std::variant<mesh::SiteSummary, mesh::GroupSummary>& summary);
[[nodiscard]] std::uint64_t digest_of(const device::SiteStatus& status);
[[nodiscard]] std::uint64_t digest_of(const node::Record& record);

/// One line for people.
[[nodiscard]] std::string text_of(const mesh::Message& message);
[[nodiscard]] std::string text_of(const node::Record& record);

}  // namespace vpp::sim
