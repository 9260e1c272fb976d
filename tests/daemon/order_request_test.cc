#include "daemon/driver/order_request.h"

#include <catch2/catch.hpp>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::driver;
using namespace std::chrono_literals;

TEST_CASE("an order request is read with its optional fields", "[driver][api]") {
  const auto order = parse_order_request(
      R"({"key":"op-1","power_w":-2500,"duration_s":900,"from_ms":1767222000000,"ramp_s":60,
         "dry_run":true})");
  REQUIRE(order.has_value());
  CHECK(order->command.key == "op-1");
  CHECK(order->command.power == Watts{-2500});
  CHECK(order->command.duration == 900s);
  CHECK(order->command.from == MarketTime{1'767'222'000'000ms});
  CHECK(order->command.ramp == 60s);
  CHECK(order->dry_run);
  const auto plain = parse_order_request(R"({"key":"k","power_w":1,"duration_s":1})");
  REQUIRE(plain.has_value());
  CHECK(plain->command.from == MarketTime{});
  CHECK(plain->command.ramp == 0s);
  CHECK_FALSE(plain->dry_run);
}

TEST_CASE("a mistaken order request is refused with the field's name", "[driver][api]") {
  const auto [body, name] = GENERATE(table<std::string, std::string>(
      {{"", "JSON"},
       {"[]", "JSON"},
       {R"({"power_w":1,"duration_s":1})", "key"},
       {R"({"key":"a b","power_w":1,"duration_s":1})", "key"},
       {R"({"key":"","power_w":1,"duration_s":1})", "key"},
       {R"({"key":"k","duration_s":1})", "power_w"},
       {R"({"key":"k","power_w":1.5,"duration_s":1})", "power_w"},
       {R"({"key":"k","power_w":"1","duration_s":1})", "power_w"},
       {R"({"key":"k","power_w":10000000001,"duration_s":1})", "power_w"},
       {R"({"key":"k","power_w":18446744073709551615,"duration_s":1})", "power_w"},
       {R"({"key":"k","power_w":1,"duration_s":0})", "duration_s"},
       {R"({"key":"k","power_w":1,"duration_s":86401})", "duration_s"},
       {R"({"key":"k","power_w":1,"duration":60})", "duration"},
       {R"({"key":"k","power_w":1,"duration_s":60,"from_ms":-5})", "from_ms"},
       {R"({"key":"k","power_w":1,"duration_s":60,"ramp_s":-1})", "ramp_s"},
       {R"({"key":"k","power_w":1,"duration_s":60,"dry_run":1})", "dry_run"}}));
  CAPTURE(body);
  const auto order = parse_order_request(body);
  REQUIRE_FALSE(order.has_value());
  CHECK(order.error().find(name) != std::string::npos);
}

TEST_CASE("no mutation of an order request crashes the parser", "[driver][api]") {
  const std::string good = R"({"key":"op-1","power_w":-2500,"duration_s":900,"dry_run":true})";
  Rng rng{4};
  for (int i = 0; i < 5'000; ++i) {
    std::string bad = good;
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
      bad[rng.below(bad.size())] = static_cast<char>(rng.next());
    }
    const auto order = parse_order_request(bad);
    if (order) CHECK(order->command.duration > 0s);
  }
}

TEST_CASE("an order may be for a program, a group and a service", "[driver][order]") {
  const auto order = parse_order_request(
      R"({"key":"k","power_w":1,"duration_s":1,"program":"emergency","group":"region=north",)"
      R"("service":"frequency"})");
  REQUIRE(order);
  CHECK(order->command.scope == Scope{"emergency", "region=north"});
  CHECK(order->command.service == Service::kFrequency);
  for (const char* bad : {R"("program":"Not One")", R"("program":7)", R"("group":"north")",
                          R"("group":"=x")", R"("service":"heat")"}) {
    const auto refused =
        parse_order_request(R"({"key":"k","power_w":1,"duration_s":1,)" + std::string{bad} + "}");
    CHECK_FALSE(refused);
  }
}

TEST_CASE("an opt-out names a program and a time, or neither", "[driver][order]") {
  const auto plain = parse_opt_out_request(R"({"out":true})");
  REQUIRE(plain);
  CHECK(plain->program.empty());
  const auto full = parse_opt_out_request(R"({"out":true,"program":"energy","duration_s":3600})");
  REQUIRE(full);
  CHECK(full->duration == std::chrono::hours{1});
  for (const char* bad : {"[]", "{}", R"({"out":1})", R"({"out":true,"program":""})",
                          R"({"out":true,"duration_s":0})", R"({"out":true,"for":"1h"})"}) {
    CHECK_FALSE(parse_opt_out_request(bad));
  }
}
