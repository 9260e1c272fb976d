// Answers of etcd, to the root that asks whether it may lead: any status and any bytes, several
// members, one answer after another. A failure has a reason of one line; a claim that counts has a
// lease, a revision and a time to live; and a root that hears them leads with rising terms only, no
// longer than its own clock allows.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "config/check.h"
#include "daemon/driver/etcd_client.h"
#include "daemon/node/root_lease.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;
using namespace std::chrono_literals;

namespace {

/// Its answers are the lines of the input, each after a byte that says what kind it is.
class Member final : public bidding::HttpPoster {
 public:
  explicit Member(fuzz::FuzzInput& input) : input_{input} {}

  std::expected<bidding::HttpResponse, std::string> post(const std::string& path,
                                                         const std::string& json) override {
    VPP_CHECK(path.starts_with("/v3/") && nlohmann::json::accept(json));
    constexpr long kStatus[] = {200, 200, 200, 400, 503, 0};
    const long status = kStatus[input_.below(std::size(kStatus))];
    if (status == 0) return std::unexpected{std::string{"no answer in time"}};
    return bidding::HttpResponse{status, std::string{input_.line()}};
  }

 private:
  fuzz::FuzzInput& input_;
};

/// What the contract of etcd_client.h says of any answer.
void holds_the_contract(const node::LeaseAsk& ask, const node::LeaseAnswered& answer) {
  VPP_CHECK(answer.id == ask.id);
  if (const auto* failed = std::get_if<node::LeaseFailed>(&answer.what)) {
    VPP_CHECK(!failed->why.empty() && failed->why.find('\n') == std::string::npos);
  } else if (const auto* claimed = std::get_if<node::KeyClaimed>(&answer.what)) {
    VPP_CHECK(std::holds_alternative<node::ClaimKey>(ask.what));
    VPP_CHECK(claimed->lease != 0 && claimed->revision > 0 && claimed->ttl > 0ms);
  } else if (const auto* taken = std::get_if<node::KeyTaken>(&answer.what)) {
    VPP_CHECK(taken->holder.find('\n') == std::string::npos);
  } else if (const auto* kept = std::get_if<node::KeptAlive>(&answer.what)) {
    VPP_CHECK(std::holds_alternative<node::KeepAlive>(ask.what) && kept->ttl > 0ms);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  std::vector<std::unique_ptr<bidding::HttpPoster>> members;
  for (int i = 0; i < 2; ++i) members.push_back(std::make_unique<Member>(input));
  driver::EtcdClient client{{"/vpp/root", "root-1"}, std::move(members)};

  Instant now{1'000s};
  std::uint64_t newest = input.byte();
  node::RootLease lease{node::LeaseKind::kEtcd, Rng{1}, now, newest};
  bool led = false;
  Instant last_asked = now;
  while (!input.empty()) {
    now = std::max(now + 20ms * input.byte(), lease.next_deadline());
    lease.advance(now);
    for (const node::LeaseAsk& ask : lease.take_asks()) {
      last_asked = now;
      const node::LeaseAnswered answer = client.carry_out(ask);
      holds_the_contract(ask, answer);
      now += 20ms * input.byte();  // in time, or too late
      lease.answered(now, answer);
    }
    const auto term = lease.term();
    if (term) {
      VPP_CHECK(led ? *term >= newest : *term > newest);
      VPP_CHECK(lease.leads_until() > now);
      VPP_CHECK(lease.leads_until() <= last_asked + node::RootLease::kTtl * 2 / 3);
      newest = *term;
    }
    led = term.has_value();
  }
  return 0;
}
