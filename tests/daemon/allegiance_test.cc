#include <catch2/catch.hpp>

#include "daemon/node/role_node.h"

using namespace vpp;
using namespace vpp::node;

namespace {

const NodeId kObeyed{1, 1};
const NodeId kStranger{1, 2};
constexpr bool kRooted = true;
constexpr bool kAlone = false;

}  // namespace

TEST_CASE("a node goes on with what a parent told it that has lost its root",
          "[node][allegiance]") {
  Allegiance allegiance;
  CHECK_FALSE(allegiance.broken(kObeyed, kAlone));
  allegiance.told(kObeyed, false);
  CHECK_FALSE(allegiance.broken({}, kRooted));
  CHECK_FALSE(allegiance.broken({}, kAlone));
  CHECK(allegiance.obeys(kObeyed, kAlone));
}

TEST_CASE("it lets go once when it has asked others and nobody leads it to a root",
          "[node][allegiance]") {
  Allegiance allegiance;
  (void)allegiance.broken(kObeyed, kAlone);
  allegiance.told(kObeyed, false);
  CHECK_FALSE(allegiance.broken(kStranger, kRooted));  // a hand-over: the parent still counts it
  CHECK(allegiance.broken({}, kAlone));
  CHECK_FALSE(allegiance.broken({}, kAlone));
}

// Seeds 20001767 and 20002120: it let go as it asked the root to take it in, and then obeyed the
// parent that went on by itself, whose watts the root had begun to ask of others.
TEST_CASE("whoever goes on by itself is not obeyed any more by a node that has asked others",
          "[node][allegiance]") {
  Allegiance allegiance;
  (void)allegiance.broken(kObeyed, kAlone);
  SECTION("it was told something before") {
    allegiance.told(kObeyed, false);
    CHECK(allegiance.broken(kStranger, kAlone));
  }
  SECTION("it was told nothing before") {
    CHECK_FALSE(allegiance.broken(kStranger, kAlone));
  }
  CHECK_FALSE(allegiance.obeys(kObeyed, kAlone));
  CHECK(allegiance.obeys(kObeyed, kRooted));   // which knows where it lives
  CHECK(allegiance.obeys(kStranger, kAlone));  // taken in
}

TEST_CASE("an order that comes while others are asked does not make that undone",
          "[node][allegiance]") {
  Allegiance allegiance;
  (void)allegiance.broken(kObeyed, kAlone);
  allegiance.told(kObeyed, false);
  CHECK_FALSE(allegiance.broken(kStranger, kRooted));
  allegiance.told(kObeyed, false);
  CHECK(allegiance.broken({}, kAlone));
}
