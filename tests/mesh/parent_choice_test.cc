#include "mesh/parent_choice.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <tuple>

#include "config/limits.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::mesh;

namespace {

constexpr NodeId kChooser{1, 1};
constexpr NodeId kTop{9, 9};

Seeker seeker(Role role = Role::kLeaf) {
  return {.self = kChooser, .role = role, .region = "north", .term = 5};
}

ProbeAck answer(std::size_t path_length, std::uint64_t term = 5) {
  ProbeAck ack{
      .nonce = 1, .term = term, .path = {}, .children = 0, .free_slots = 100, .region = {}};
  for (std::size_t i = 1; i < path_length; ++i) ack.path.push_back({2, i});
  if (path_length > 0) ack.path.push_back(kTop);
  return ack;
}

Offer random_offer(Rng& rng, std::size_t place) {
  Offer offer{answer(1 + rng.below(4), 5 + rng.below(2)), place};
  offer.answer.region = rng.below(2) == 0 ? "north" : "south";
  offer.answer.children = static_cast<std::uint32_t>(rng.below(100));
  offer.answer.free_slots = static_cast<std::uint32_t>(1 + rng.below(100));
  return offer;
}

Held held(const Offer& offer) {
  return {offer.answer.path.size(), offer.place, offer.answer.region == "north"};
}

/// The ladder once more, as one tuple: what is wanted most is smallest.
auto naive_key(const Offer& offer) {
  const auto& ack = offer.answer;
  const bool few_left = ack.free_slots < (ack.children + ack.free_slots + 3) / 4;
  const std::size_t hops = ack.path.size() <= 2 ? 2 : ack.path.size();
  return std::tuple{~ack.term, hops, ack.region != "north", few_left, offer.place};
}

}  // namespace

TEST_CASE("an answer is no offer when it leads nowhere, back, or too deep", "[mesh][choice]") {
  CHECK_FALSE(unfit(seeker(), answer(2)));
  CHECK(unfit(seeker(), answer(0)) == Unfit::kNoRoot);
  CHECK(unfit(seeker(), answer(2, 4)) == Unfit::kOldTerm);
  ProbeAck loop = answer(3);
  loop.path[1] = kChooser;
  CHECK(unfit(seeker(), loop) == Unfit::kLoop);
  ProbeAck full = answer(2);
  full.free_slots = 0;
  CHECK(unfit(seeker(), full) == Unfit::kFull);
  CHECK_FALSE(unfit(seeker(), answer(limits::kDepthMax - 1)));
  CHECK(unfit(seeker(), answer(limits::kDepthMax)) == Unfit::kTooDeep);
}

TEST_CASE("an aggregator leaves a level for its own children", "[mesh][choice]") {
  CHECK_FALSE(unfit(seeker(Role::kAggregator), answer(limits::kDepthMax - 2)));
  CHECK(unfit(seeker(Role::kAggregator), answer(limits::kDepthMax - 1)) == Unfit::kTooDeep);
}

TEST_CASE("the ladder agrees with a naive sort key", "[mesh][choice][property]") {
  Rng rng{7};
  for (int round = 0; round < 2000; ++round) {
    const Offer a = random_offer(rng, 0);
    const Offer b = random_offer(rng, 1);
    CHECK(wanted_more(seeker(), a, b) == (naive_key(a) < naive_key(b)));
    CHECK_FALSE((wanted_more(seeker(), a, b) && wanted_more(seeker(), b, a)));
    CHECK_FALSE(wanted_more(seeker(), a, a));
  }
}

TEST_CASE("a leaf gains nothing by going right below the root", "[mesh][choice]") {
  const Offer root{answer(1), 5};
  const Offer aggregator{answer(2), 0};
  CHECK(wanted_more(seeker(Role::kLeaf), aggregator, root));
  CHECK(wanted_more(seeker(Role::kAggregator), root, aggregator));
  CHECK_FALSE(worth_moving(seeker(Role::kLeaf), {2, 0}, root, 1));
}

TEST_CASE("a move is worth it only for a rung, never for comfort", "[mesh][choice]") {
  constexpr std::size_t kSeedsNamed = 3;
  CHECK(worth_moving(seeker(), {3, 0}, {answer(2), 2}, kSeedsNamed));        // shorter
  CHECK_FALSE(worth_moving(seeker(), {3, 0}, {answer(2), 3}, kSeedsNamed));  // shorter, but no seed
  CHECK(worth_moving(seeker(), {3, 0}, {answer(4, 6), 2}, kSeedsNamed));     // newer root
  CHECK(worth_moving(seeker(), {3, 1}, {answer(3), 0}, kSeedsNamed));  // more wanted, same rank
  CHECK_FALSE(
      worth_moving(seeker(), {3, 1}, {answer(4), 0}, kSeedsNamed));  // more wanted, but deeper
  CHECK_FALSE(worth_moving(seeker(), {3, 0}, {answer(3), 1}, kSeedsNamed));  // less wanted
  CHECK_FALSE(
      worth_moving(seeker(), {3, 5}, {answer(3), 4}, kSeedsNamed));  // an alternate, no seed
}

// A leaf took the parent in its own region, as the ladder says, and left it ten seconds later for a
// seed named earlier in another region: a quarter of a simulated plant moved for nothing.
TEST_CASE("what was just chosen is not left for what was just passed over",
          "[mesh][choice][property]") {
  Rng rng{13};
  for (int round = 0; round < 2000; ++round) {
    const Offer a = random_offer(rng, rng.below(4));
    const Offer b = random_offer(rng, 4 + rng.below(4));
    if (a.answer.term != b.answer.term) continue;
    Seeker at_term = seeker(rng.below(2) == 0 ? Role::kLeaf : Role::kAggregator);
    at_term.term = a.answer.term;
    const bool a_first = wanted_more(at_term, a, b);
    const Offer& chosen = a_first ? a : b;
    const Offer& other = a_first ? b : a;
    CHECK_FALSE(worth_moving(at_term, held(chosen), other, 6));
  }
}

TEST_CASE("no move and its return are both worth it", "[mesh][choice][property]") {
  Rng rng{11};
  for (int round = 0; round < 2000; ++round) {
    const Offer a = random_offer(rng, rng.below(4));
    const Offer b = random_offer(rng, 4 + rng.below(4));
    if (a.answer.term != b.answer.term) continue;
    Seeker at_term = seeker(rng.below(2) == 0 ? Role::kLeaf : Role::kAggregator);
    at_term.term = a.answer.term;
    const bool there = worth_moving(at_term, held(a), b, 6);
    const bool back = worth_moving(at_term, held(b), a, 6);
    CHECK_FALSE((there && back));
  }
}
