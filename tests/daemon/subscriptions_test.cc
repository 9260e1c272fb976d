#include "daemon/node/subscriptions.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

constexpr MarketTime kNow{456'000h};

Subscriptions of_two() {
  return {{{.program = "energy"},
           {.program = "emergency", .priority = 10, .from = kNow - 1h, .until = kNow + 1h}},
          {"region=north"},
          {}};
}

}  // namespace

TEST_CASE("a site serves what its owner subscribed to, within its dates and its groups",
          "[node][subscriptions]") {
  const Subscriptions subscriptions = of_two();
  CHECK(subscriptions.serves(Scope{}, kNow));
  CHECK(subscriptions.serves(Scope{"emergency", "region=north"}, kNow));
  CHECK_FALSE(subscriptions.serves(Scope{"energy", "region=south"}, kNow));
  CHECK_FALSE(subscriptions.serves(Scope{"frequency", ""}, kNow));
  CHECK_FALSE(subscriptions.serves(Scope{"emergency", ""}, kNow - 2h));
  CHECK_FALSE(subscriptions.serves(Scope{"emergency", ""}, kNow + 1h));
  CHECK(subscriptions.has("emergency"));
  CHECK(subscriptions.priority("emergency") == 10);
}

TEST_CASE("who opts out serves nothing of that program until then, over a restart too",
          "[node][subscriptions]") {
  Subscriptions subscriptions = of_two();
  subscriptions.opt_out("energy", kNow + 30min);
  CHECK_FALSE(subscriptions.serves("energy", kNow));
  CHECK(subscriptions.serves("emergency", kNow));
  CHECK(subscriptions.next_change(kNow) == kNow + 30min);
  const OptOuts kept = subscriptions.opt_outs(kNow);
  REQUIRE(kept.programs == std::vector{OptOut{"energy", kNow + 30min}});
  const Subscriptions again{subscriptions.programs(), subscriptions.groups(), kept};
  CHECK_FALSE(again.serves("energy", kNow));
  CHECK(again.serves("energy", kNow + 30min));
  CHECK(again.opt_outs(kNow + 30min).programs.empty());
}

TEST_CASE("an opt-out can be taken back", "[node][subscriptions]") {
  Subscriptions subscriptions = of_two();
  CHECK_FALSE(subscriptions.opt_in("energy"));
  subscriptions.opt_out("energy", kNow + 30min);
  CHECK_FALSE(subscriptions.opt_in("emergency"));
  CHECK(subscriptions.opt_in(""));
  CHECK(subscriptions.serves("energy", kNow));
}
