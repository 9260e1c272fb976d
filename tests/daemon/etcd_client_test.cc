#include "daemon/driver/etcd_client.h"

#include <catch2/catch.hpp>
#include <deque>
#include <utility>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::driver;
using namespace std::chrono_literals;

namespace {

using Posted = std::expected<bidding::HttpResponse, std::string>;

/// What etcd 3.4 really answers.
constexpr const char* kNoKey = R"({"header":{"cluster_id":"3","revision":"1","raft_term":"2"}})";
constexpr const char* kGranted = R"({"header":{"revision":"1"},"ID":"77","TTL":"3"})";
constexpr const char* kClaimed =
    R"({"header":{"revision":"2"},"succeeded":true,"responses":[{"response_put":{}}]})";
constexpr const char* kHeld =
    R"({"header":{"revision":"2"},"kvs":[{"key":"L2s=","create_revision":"2","value":"cm9vdC0x"}]})";
constexpr const char* kLost =
    R"({"header":{"revision":"2"},"responses":[{"response_range":{"kvs":[{"value":"cm9vdC0x"}]}}]})";
constexpr const char* kKept = R"({"result":{"header":{"revision":"2"},"ID":"77","TTL":"3"}})";
constexpr const char* kGone = R"({"result":{"header":{"revision":"3"},"ID":"77"}})";

struct Script {
  std::deque<Posted> answers;
  std::vector<std::pair<std::string, std::string>> asked;
};

class FakeMember final : public bidding::HttpPoster {
 public:
  explicit FakeMember(Script& script) : script_{script} {}
  Posted post(const std::string& path, const std::string& json) override {
    script_.asked.emplace_back(path, json);
    if (script_.answers.empty()) return std::unexpected{std::string{"no answer in time"}};
    Posted answer = script_.answers.front();
    script_.answers.pop_front();
    return answer;
  }

 private:
  Script& script_;
};

class EtcdClientBench {
 public:
  explicit EtcdClientBench(std::size_t members = 1) : scripts(members) {
    std::vector<std::unique_ptr<bidding::HttpPoster>> posters;
    for (Script& script : scripts) posters.push_back(std::make_unique<FakeMember>(script));
    client = std::make_unique<EtcdClient>(EtcdOptions{"/k", "root-1"}, std::move(posters));
  }
  void answers(const std::string& body, long status = 200) {
    scripts[0].answers.emplace_back(bidding::HttpResponse{status, body});
  }
  auto ask(std::variant<node::ClaimKey, node::KeepAlive, node::GiveUp> what) {
    const auto answered = client->carry_out({++id, what});
    CHECK(answered.id == id);
    return answered.what;
  }

  std::vector<Script> scripts;
  std::unique_ptr<EtcdClient> client;
  node::LeaseAskId id = 0;
};

template <class T>
std::string why(const T& outcome) {
  const auto* failed = std::get_if<node::LeaseFailed>(&outcome);
  return failed != nullptr ? failed->why : std::string{};
}

}  // namespace

TEST_CASE("an absent key is claimed, and the term is the revision that made it", "[driver][etcd]") {
  EtcdClientBench bench;
  for (const char* body : {kNoKey, kGranted, kClaimed}) bench.answers(body);
  const auto outcome = bench.ask(node::ClaimKey{});
  const auto& claimed = std::get<node::KeyClaimed>(outcome);
  CHECK(claimed.lease == 77);
  CHECK(claimed.revision == 2);
  CHECK(claimed.ttl == 3s);
  const auto& asked = bench.scripts[0].asked;
  REQUIRE(asked.size() == 3);
  CHECK(asked[0] == std::pair<std::string, std::string>{"/v3/kv/range", R"({"key":"L2s="})"});
  CHECK(asked[1] == std::pair<std::string, std::string>{"/v3/lease/grant", R"({"TTL":"3"})"});
  CHECK(asked[2].first == "/v3/kv/txn");
  CHECK(asked[2].second ==
        R"({"compare":[{"key":"L2s=","target":"CREATE","result":"EQUAL","createRevision":"0"}],)"
        R"("success":[{"requestPut":{"key":"L2s=","value":"cm9vdC0x","lease":"77"}}],)"
        R"("failure":[{"requestRange":{"key":"L2s="}}]})");
}

TEST_CASE("a key that is held is only looked at", "[driver][etcd]") {
  EtcdClientBench bench;
  bench.answers(kHeld);
  CHECK(std::get<node::KeyTaken>(bench.ask(node::ClaimKey{})).holder == "root-1");
  CHECK(bench.scripts[0].asked.size() == 1);
}

TEST_CASE("who loses the race gives its lease back", "[driver][etcd]") {
  EtcdClientBench bench;
  for (const char* body : {kNoKey, kGranted, kLost, kNoKey}) bench.answers(body);
  CHECK(std::get<node::KeyTaken>(bench.ask(node::ClaimKey{})).holder == "root-1");
  CHECK(bench.scripts[0].asked.back().first == "/v3/lease/revoke");
}

TEST_CASE("a lease is kept alive, or gone", "[driver][etcd]") {
  EtcdClientBench bench;
  bench.answers(kKept);
  bench.answers(kGone);
  CHECK(std::get<node::KeptAlive>(bench.ask(node::KeepAlive{77})).ttl == 3s);
  CHECK(std::holds_alternative<node::LeaseGone>(bench.ask(node::KeepAlive{77})));
}

TEST_CASE("an error of etcd's is told in its own words", "[driver][etcd]") {
  EtcdClientBench bench;
  bench.answers(R"({"error":"etcdserver: no leader","code":14})", 503);
  CHECK(why(bench.ask(node::ClaimKey{})) == "HTTP 503: etcdserver: no leader");
}

TEST_CASE("whatever comes back is an answer or a failure in one line", "[driver][etcd]") {
  Rng rng{3};
  for (int i = 0; i < 3'000; ++i) {
    EtcdClientBench bench;
    for (std::string body : {kNoKey, kGranted, kClaimed, kLost, kKept, kHeld}) {
      if (rng.below(2) == 0) body.resize(rng.below(body.size()));
      if (rng.below(2) == 0 && !body.empty()) {
        body[rng.below(body.size())] = static_cast<char>(rng.next());
      }
      if (rng.below(3) != 0) bench.answers(body, rng.below(4) == 0 ? 500 : 200);
    }
    const auto outcome =
        rng.below(2) == 0 ? bench.ask(node::ClaimKey{}) : bench.ask(node::KeepAlive{77});
    CHECK(why(outcome).find('\n') == std::string::npos);
  }
}

TEST_CASE("values of another type are failures, not surprises", "[driver][etcd]") {
  for (const char* body : {"[]", "null", "7", "\"x\"", R"({"result":7})", R"({"result":{"ID":{}}})",
                           R"({"result":{"ID":"77","TTL":"x"}})", R"({"kvs":7})", R"({"kvs":[7]})",
                           R"({"ID":"99999999999999999999","TTL":"3"})"}) {
    CAPTURE(body);
    EtcdClientBench keep;
    keep.answers(body);
    CHECK_FALSE(why(keep.ask(node::KeepAlive{77})).empty());
    EtcdClientBench claim;
    claim.answers(kNoKey);
    claim.answers(body);
    CHECK_FALSE(why(claim.ask(node::ClaimKey{})).empty());
  }
}

TEST_CASE("a member that fails is followed by the next", "[driver][etcd]") {
  EtcdClientBench bench{3};
  bench.scripts[2].answers.emplace_back(bidding::HttpResponse{200, kKept});
  CHECK(why(bench.ask(node::KeepAlive{77})) == "no answer in time");
  CHECK(why(bench.ask(node::KeepAlive{77})) == "no answer in time");
  CHECK(std::holds_alternative<node::KeptAlive>(bench.ask(node::KeepAlive{77})));
  for (const Script& script : bench.scripts) CHECK(script.asked.size() == 1);
}
