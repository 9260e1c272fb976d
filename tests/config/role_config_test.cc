#include "config/role_config.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tests/config/random_role_config.h"

using namespace vpp;
using vpp::testing::random_role_config;
using namespace std::chrono_literals;

namespace {

RoleConfig of_role(Role role) {
  Rng rng{1};
  for (;;) {
    RoleConfig config = random_role_config(rng);
    if (role_of(config) == role) return config;
  }
}

std::vector<std::string> keys_of(const std::vector<ConfigProblem>& problems) {
  std::vector<std::string> keys;
  for (const ConfigProblem& problem : problems) keys.push_back(problem.key);
  return keys;
}

LeafConfig& leaf_of(RoleConfig& config) {
  return std::get<LeafConfig>(config.of_role);
}

struct Spoiler {
  Role role;
  std::string key;
  std::function<void(RoleConfig&)> spoil;
};

const std::vector<Spoiler>& leaf_spoilers() {
  static const std::vector<Spoiler> kSpoilers{
      {Role::kLeaf, "name", [](RoleConfig& c) { c.name.clear(); }},
      {Role::kLeaf, "name", [](RoleConfig& c) { c.name = std::string(65, 'n'); }},
      {Role::kLeaf, "region", [](RoleConfig& c) { c.region = "a\nb"; }},
      {Role::kLeaf, "state_dir", [](RoleConfig& c) { c.state_dir.clear(); }},
      {Role::kLeaf, "identity.fleet_key", [](RoleConfig& c) { c.identity.fleet_key.clear(); }},
      {Role::kLeaf, "http.address", [](RoleConfig& c) { c.http = HttpConfig{"0.0.0.0", 9470}; }},
      {Role::kLeaf, "time.speed", [](RoleConfig& c) { c.time = TimeConfig{0, {}, {}}; }},
      {Role::kLeaf, "time.anchor_market",
       [](RoleConfig& c) { c.time = TimeConfig{1, {}, kEndOfTime}; }},
      {Role::kLeaf, "parents", [](RoleConfig& c) { leaf_of(c).parents.clear(); }},
      {Role::kLeaf, "parents[0].address",
       [](RoleConfig& c) { leaf_of(c).parents.at(0).address = "udp://a:1"; }},
      {Role::kLeaf, "parents[0].server_key",
       [](RoleConfig& c) { leaf_of(c).parents.at(0).server_key = {}; }},
      {Role::kLeaf, "device.address", [](RoleConfig& c) { leaf_of(c).device.port = 0; }},
      {Role::kLeaf, "device.unit", [](RoleConfig& c) { leaf_of(c).device.unit = 248; }},
      {Role::kLeaf, "device.poll_ms", [](RoleConfig& c) { leaf_of(c).device.poll = 99ms; }},
      {Role::kLeaf, "meter.unit", [](RoleConfig& c) { leaf_of(c).meter.unit = 248; }},
      {Role::kLeaf, "site.reserve_pct",
       [](RoleConfig& c) { leaf_of(c).site.reserve_permille = 1001; }},
      {Role::kLeaf, "site.charge_max_w",
       [](RoleConfig& c) { leaf_of(c).site.charge_max = Watts{-1}; }},
      {Role::kLeaf, "site.ramp_w_per_s", [](RoleConfig& c) { leaf_of(c).site.ramp_w_per_s = 0; }},
      {Role::kLeaf, "site.charge_efficiency_pct",
       [](RoleConfig& c) { leaf_of(c).site.charge_efficiency_permille = 0; }},
      {Role::kLeaf, "site.own_use_wh",
       [](RoleConfig& c) { leaf_of(c).site.own_use = WattHours{-1}; }},
      {Role::kLeaf, "site.min_power_w",
       [](RoleConfig& c) { leaf_of(c).site.power_min = Watts{-1}; }},
      {Role::kLeaf, "site.net_load_window_min",
       [](RoleConfig& c) { leaf_of(c).site.net_load_window = 4min; }},
      {Role::kLeaf, "frequency.nominal_hz",
       [](RoleConfig& c) { leaf_of(c).frequency.nominal_hz = 55; }},
      {Role::kLeaf, "frequency.dead_band_mhz",
       [](RoleConfig& c) { leaf_of(c).frequency.dead_band_mhz = -1; }},
      {Role::kLeaf, "frequency.full_at_mhz",
       [](RoleConfig& c) {
         leaf_of(c).frequency.full_at_mhz = leaf_of(c).frequency.dead_band_mhz;
       }},
      {Role::kLeaf, "frequency.poll_ms", [](RoleConfig& c) { leaf_of(c).frequency.poll = 1001ms; }},
  };
  return kSpoilers;
}

const std::vector<Spoiler>& group_spoilers() {
  static const std::vector<Spoiler> kSpoilers{
      {Role::kAggregator, "listen.address",
       [](RoleConfig& c) { std::get<AggregatorConfig>(c.of_role).listen.address = "*:9450"; }},
      {Role::kAggregator, "parents",
       [](RoleConfig& c) { std::get<AggregatorConfig>(c.of_role).parents.clear(); }},
      {Role::kAggregator, "parents[0].address",
       [](RoleConfig& c) {
         auto& group = std::get<AggregatorConfig>(c.of_role);
         group.parents.at(0).address = group.listen.advertise;
       }},
      {Role::kRoot, "listen.advertise",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).listen = {"tcp://*:1", "tcp://*:1"}; }},
      {Role::kRoot, "listen.advertise",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).listen.advertise = "tcp://*:1"; }},
      {Role::kRoot, "market.url",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).market = MarketConfig{"ftp://a"}; }},
      {Role::kRoot, "market.url",
       [](RoleConfig& c) {
         std::get<RootConfig>(c.of_role).market = MarketConfig{"http://a:b@c"};
       }},
      {Role::kRoot, "peers",
       [](RoleConfig& c) {
         auto& root = std::get<RootConfig>(c.of_role);
         root.etcd.reset();
         root.peers = {{"tcp://a:1", {1}}};
         root.journal_copies = 1;
       }},
      {Role::kRoot, "journal.copies",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).journal_copies = 0; }},
      {Role::kRoot, "etcd.endpoints",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).etcd = EtcdConfig{}; }},
      {Role::kRoot, "etcd.endpoints[0]",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).etcd = EtcdConfig{{"a:2379"}}; }},
      {Role::kAggregator, "feeder.export_max_w",
       [](RoleConfig& c) { std::get<AggregatorConfig>(c.of_role).feeder.export_max = Watts{-1}; }},
      {Role::kAggregator, "feeder.import_max_w",
       [](RoleConfig& c) {
         std::get<AggregatorConfig>(c.of_role).feeder.import_max = Watts{10'000'000'001};
       }},
      {Role::kAggregator, "peak.target_w",
       [](RoleConfig& c) {
         std::get<AggregatorConfig>(c.of_role).peak = PeakConfig{.target = Watts{-1}};
       }},
      {Role::kAggregator, "peak.program",
       [](RoleConfig& c) {
         std::get<AggregatorConfig>(c.of_role).peak =
             PeakConfig{.target = Watts{1}, .program = "energy"};
       }},
      {Role::kAggregator, "peak.program",
       [](RoleConfig& c) {
         std::get<AggregatorConfig>(c.of_role).peak =
             PeakConfig{.target = Watts{1}, .program = "the peak"};
       }},
      {Role::kAggregator, "feeder.site_max_w",
       [](RoleConfig& c) {
         std::get<AggregatorConfig>(c.of_role).feeder.site_max = Watts{1'000'001};
       }},
      {Role::kRoot, "capacity.confidence_pct",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).capacity.confidence_permille = 1000; }},
      {Role::kRoot, "capacity.confidence_pct",
       [](RoleConfig& c) { std::get<RootConfig>(c.of_role).capacity.confidence_permille = 499; }},
      {Role::kRoot, "market.firm_pct",
       [](RoleConfig& c) {
         std::get<RootConfig>(c.of_role).market = MarketConfig{"http://a", Price{0}, 1001};
       }},
  };
  return kSpoilers;
}

}  // namespace

TEST_CASE("a config of possible values has no problem", "[config][role]") {
  Rng rng{2};
  for (int i = 0; i < 500; ++i) REQUIRE(keys_of(check(random_role_config(rng))).empty());
}

TEST_CASE("each impossible value is reported at its key, and only there", "[config][role]") {
  for (const auto* spoilers : {&leaf_spoilers(), &group_spoilers()}) {
    for (const Spoiler& spoiler : *spoilers) {
      RoleConfig config = of_role(spoiler.role);
      spoiler.spoil(config);
      CAPTURE(spoiler.key);
      CHECK(keys_of(check(config)) == std::vector{spoiler.key});
    }
  }
}

TEST_CASE("all impossible values are reported in one go", "[config][role]") {
  RoleConfig config = of_role(Role::kLeaf);
  config.name.clear();
  leaf_of(config).device.unit = 0;
  leaf_of(config).site.reserve_permille = -1;
  leaf_of(config).parents.push_back(leaf_of(config).parents.front());
  const std::string twice =
      "parents[" + std::to_string(leaf_of(config).parents.size() - 1) + "].address";
  CHECK(keys_of(check(config)) ==
        std::vector<std::string>{"name", twice, "device.unit", "site.reserve_pct"});
}

TEST_CASE("parents and listen address are found whatever the role", "[config][role]") {
  CHECK_FALSE(parents_of(of_role(Role::kLeaf)).empty());
  CHECK_FALSE(parents_of(of_role(Role::kAggregator)).empty());
  CHECK(parents_of(of_role(Role::kRoot)).empty());
  const RoleConfig root = of_role(Role::kRoot);
  CHECK(listen_of(root) == &std::get<RootConfig>(root.of_role).listen);
  CHECK(listen_of(of_role(Role::kLeaf)) == nullptr);
}

TEST_CASE("an address is a host and a port", "[config][role]") {
  CHECK(parse_host_port("127.0.0.1:502") == HostPort{"127.0.0.1", 502});
  CHECK(parse_host_port("[::1]:9470") == HostPort{"[::1]", 9470});
  CHECK(parse_tcp_address("tcp://*:9450") == HostPort{"*", 9450});
  for (const char* wrong : {"", ":", "a", "a:", ":1", "a:65536", "a:-1", "a:1x", "a b:1", "[::1:1",
                            "[]:1", "::1:9470", "a:+1", "tcp://a:1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_host_port(wrong));
  }
  CHECK_FALSE(parse_tcp_address("a:1"));
  CHECK_FALSE(parse_tcp_address("ipc://a:1"));
}

TEST_CASE("only this machine's own addresses are loopback", "[config][role]") {
  for (const char* mine : {"127.0.0.1", "127.1.2.3", "localhost", "[::1]"})
    CHECK(is_loopback(mine));
  for (const char* other : {"0.0.0.0", "*", "[::]", "192.168.1.1", "127.example.org", "127.0.0.1.a",
                            "localhost.example.org", "1127.0.0.1"}) {
    CAPTURE(other);
    CHECK_FALSE(is_loopback(other));
  }
}

TEST_CASE("log levels are read as they are written", "[config][role]") {
  for (const auto level : {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning,
                           LogLevel::kError}) {
    CHECK(parse_log_level(to_string(level)) == level);
  }
  CHECK_FALSE(parse_log_level("INFO"));
  CHECK_FALSE(parse_log_level(""));
}
