#include "config/ids.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "config/rng.h"

using namespace vpp;

TEST_CASE("every node id is read back from its 32 hex digits", "[config][ids]") {
  Rng rng{7};
  for (int i = 0; i < 2'000; ++i) {
    const NodeId id{rng.next() >> rng.below(64), rng.next() >> rng.below(64)};
    std::string naive(33, '\0');
    std::snprintf(naive.data(), naive.size(), "%016llx%016llx",
                  static_cast<unsigned long long>(id.high),
                  static_cast<unsigned long long>(id.low));
    naive.resize(32);
    REQUIRE(to_string(id) == naive);
    REQUIRE(parse_node_id(naive) == id);
  }
}

TEST_CASE("what is not 32 hex digits is no node id", "[config][ids]") {
  const std::string good(32, 'a');
  REQUIRE(parse_node_id(good));
  CHECK_FALSE(parse_node_id(""));
  CHECK_FALSE(parse_node_id(good + "a"));
  CHECK_FALSE(parse_node_id(good.substr(1)));
  Rng rng{8};
  for (int i = 0; i < 2'000; ++i) {
    std::string text = good;
    const char c = static_cast<char>(rng.below(256));
    text[rng.below(32)] = c;
    const bool hex = std::string_view{"0123456789abcdefABCDEF"}.find(c) != std::string::npos;
    CAPTURE(static_cast<int>(c));
    REQUIRE(parse_node_id(text).has_value() == hex);
  }
}

TEST_CASE("roles are named as in config files", "[config][ids]") {
  CHECK(to_string(Role::kLeaf) == "leaf");
  CHECK(to_string(Role::kAggregator) == "aggregator");
  CHECK(to_string(Role::kRoot) == "root");
}
