#include "daemon/driver/url.h"

#include <catch2/catch.hpp>

#include "config/rng.h"

using namespace vpp::driver;

TEST_CASE("a target is taken apart into path and query", "[driver][url]") {
  const Target target = parse_target("/v1/nodes/home%207?follow=1&since_ms=60000&x&y=a%26b");
  CHECK(target.path == "/v1/nodes/home 7");
  CHECK(target.query == std::map<std::string, std::string>{
                            {"follow", "1"}, {"since_ms", "60000"}, {"x", ""}, {"y", "a&b"}});
}

TEST_CASE("what is no escape stays as it is", "[driver][url]") {
  CHECK(parse_target("/a%").path == "/a%");
  CHECK(parse_target("/a%2").path == "/a%2");
  CHECK(parse_target("/a%zz+b").path == "/a%zz+b");
  CHECK(parse_target("?&&=1&").query.empty());
}

TEST_CASE("any bytes are a target", "[driver][url]") {
  vpp::Rng rng{1};
  for (int i = 0; i < 2'000; ++i) {
    std::string text(rng.below(20), '\0');
    for (char& c : text) c = "/%?&=aF0\xff"[rng.below(9)];
    CHECK(parse_target(text).path.size() <= text.size());
  }
}
