#include <catch2/catch.hpp>

#include "daemon/node/role_node.h"

using namespace vpp;
using namespace vpp::node;

namespace {

const NodeId kParent{1, 1};
const NodeId kOther{1, 2};
constexpr bool kRooted = true;
constexpr bool kAlone = false;

}  // namespace

TEST_CASE("a node goes on with what a parent told it that has lost its root",
          "[node][allegiance]") {
  Allegiance allegiance;
  CHECK_FALSE(allegiance.broken(kParent, kAlone));
  allegiance.told(kParent, false);
  CHECK_FALSE(allegiance.broken({}, kRooted));
  CHECK_FALSE(allegiance.broken({}, kAlone));
  CHECK(allegiance.obeys(kParent, kAlone));
}

TEST_CASE("it lets go once when it has asked others and nobody leads it to a root",
          "[node][allegiance]") {
  Allegiance allegiance;
  (void)allegiance.broken(kParent, kAlone);
  allegiance.told(kParent, false);
  CHECK_FALSE(allegiance.broken(kOther, kRooted));  // a hand-over: the parent still counts it
  CHECK(allegiance.broken({}, kAlone));
  CHECK_FALSE(allegiance.broken({}, kAlone));
}

// Seeds 20001767 and 20002120: it let go as it asked the root to take it in, and then obeyed the
// parent that went on by itself, whose watts the root had begun to ask of others.
TEST_CASE("whoever goes on by itself is not obeyed any more by a node that has asked others",
          "[node][allegiance]") {
  Allegiance allegiance;
  (void)allegiance.broken(kParent, kAlone);
  SECTION("it was told something before") {
    allegiance.told(kParent, false);
    CHECK(allegiance.broken(kOther, kAlone));
  }
  SECTION("it was told nothing before") {
    CHECK_FALSE(allegiance.broken(kOther, kAlone));
  }
  CHECK_FALSE(allegiance.obeys(kParent, kAlone));
  CHECK(allegiance.obeys(kParent, kRooted));  // which knows where it lives
  CHECK(allegiance.obeys(kOther, kAlone));    // taken in
}

TEST_CASE("an order that comes while others are asked does not make that undone",
          "[node][allegiance]") {
  Allegiance allegiance;
  (void)allegiance.broken(kParent, kAlone);
  allegiance.told(kParent, false);
  CHECK_FALSE(allegiance.broken(kOther, kRooted));
  allegiance.told(kParent, false);
  CHECK(allegiance.broken({}, kAlone));
}
