// What a root asks of etcd (daemon/node/root_lease.h), over etcd's v3 JSON gateway. No socket here:
// it posts through whatever it is given.
//
// Members    one at a time; one that fails is followed by the next, at the next ask.
// Answers    half, slow, of another shape or an error of etcd's: LeaseFailed with one line, never
//            an exception.
// Source     etcd 3.4 API reference and its gRPC gateway: bytes are base64, int64 are strings, what
//            is zero is left out. A lease that is gone is kept alive with a TTL of 0.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bidding/http_adapter.h"
#include "daemon/node/root_lease.h"

namespace vpp::driver {

struct EtcdOptions {
  std::string key;
  std::string value;  ///< who we are, for people
};

class EtcdClient {
 public:
  /// A third of the time that a leader may go without a good answer, so that two members may fail.
  static constexpr long kTimeoutMs = 600;

  EtcdClient(EtcdOptions options, std::vector<std::unique_ptr<bidding::HttpPoster>> members);

  /// May wait for the time-out, a few times over.
  [[nodiscard]] node::LeaseAnswered carry_out(const node::LeaseAsk& ask);

 private:
  using Outcome = decltype(node::LeaseAnswered::what);

  Outcome claim();
  Outcome keep_alive(node::EtcdLease lease);
  Outcome give_up(node::EtcdLease lease);

  const EtcdOptions options_;
  std::vector<std::unique_ptr<bidding::HttpPoster>> members_;
  std::size_t present_ = 0;
};

}  // namespace vpp::driver
