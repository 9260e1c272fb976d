// Carries calls to an OpenADR server and brings the answers back.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bidding/openadr.h"

namespace vpp::bidding::openadr {

struct VtnOptions {
  std::string url;  ///< "https://host/openadr3/3.1.0"
  Version version = Version::k31;
  std::string client_id;  ///< empty: no token is asked for
  std::string client_secret;
  std::string ca_file;  ///< empty: the system's authorities
  std::vector<std::string> targets;
};

/// Not thread-safe; one thread calls it, and that thread may wait.
class VtnAdapter {
 public:
  VtnAdapter() = default;
  virtual ~VtnAdapter() = default;
  VtnAdapter(const VtnAdapter&) = delete;
  VtnAdapter& operator=(const VtnAdapter&) = delete;

  /// Blocks for a bounded time (seconds). Never throws; what goes wrong is Refused.
  [[nodiscard]] virtual Answer call(const Call& call) = 0;
};

/// What the loadable module exports as kMakeVtnSymbol. Null: out of memory. The caller deletes it.
using MakeVtn = VtnAdapter*(const VtnOptions& options);
inline constexpr const char* kMakeVtnSymbol = "vpp_make_vtn";

}  // namespace vpp::bidding::openadr
