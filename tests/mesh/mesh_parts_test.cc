// The small units that Uplink and Children are made of.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "config/rng.h"
#include "mesh/candidates.h"
#include "mesh/evictions.h"
#include "mesh/feasibility.h"
#include "mesh/lateness.h"
#include "mesh/parent_clock.h"
#include "mesh/token_bucket.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;

namespace {

Endpoint at(int port) {
  return {"tcp://host:" + std::to_string(port), {}};
}

std::vector<Endpoint> addresses(const std::vector<Candidate>& list) {
  std::vector<Endpoint> out;
  for (const Candidate& one : list) out.push_back(one.to);
  return out;
}

}  // namespace

TEST_CASE("candidates are the seeds in order, then what was learned", "[mesh][candidates]") {
  Candidates known{{at(2), at(1)}, at(9), {at(5)}};
  CHECK(known.learn({at(1), at(7), at(9), at(7)}, Instant{}));
  CHECK(addresses(known.usable(Instant{})) == std::vector{at(2), at(1), at(7), at(5)});
  CHECK_FALSE(known.learn({at(5), at(7)}, Instant{}));  // nothing new: nothing to write to disk
}

TEST_CASE("a flood of alternates is bounded and keeps the newest", "[mesh][candidates][limits]") {
  Candidates known{{at(1)}, {}, {}};
  for (int port = 100; port < 200; ++port) known.learn({at(port)}, Instant{});
  CHECK(known.alternates().size() == limits::kAlternatesMax);
  CHECK(known.alternates().front() == at(199));
}

TEST_CASE("alternates that have answered are not pushed out by any number that have not",
          "[mesh][candidates][limits]") {
  Candidates known{{at(1)}, {}, {at(5), at(6)}};
  known.answered(at(5));
  for (int port = 100; port < 300; port += 8) {
    std::vector<Endpoint> nonsense;
    for (int i = 0; i < 8; ++i) nonsense.push_back(at(port + i));
    known.learn(nonsense, Instant{});
  }
  CHECK(known.alternates().size() == limits::kAlternatesMax);
  CHECK(std::ranges::count(known.alternates(), at(5)) == 1);
  CHECK(std::ranges::count(known.alternates(), at(6)) == 0);
}

TEST_CASE("an alternate that never answers is forgotten, and not believed again for ten minutes",
          "[mesh][candidates][limits]") {
  Candidates known{{at(1)}, {}, {at(5), at(6)}};
  known.answered(at(5));
  for (int i = 0; i < 3; ++i) {
    for (const int port : {1, 5, 6}) known.missed(at(port), Instant{1s});
  }
  CHECK(addresses(known.usable(Instant{1s})) == std::vector{at(1), at(5)});  // both worth a try
  CHECK_FALSE(known.learn({at(6)}, Instant{600s}));
  CHECK(known.learn({at(6)}, Instant{601s}));
}

TEST_CASE("patience grows with what a node was late itself, eightfold at most, and shrinks again",
          "[mesh][lateness]") {
  Lateness lateness;
  CHECK(lateness.stretch(3s) == 3s);
  lateness.ran(Instant{10s}, Instant{9'600ms});
  CHECK(lateness.stretch(3s) == 3s);
  lateness.ran(Instant{20s}, Instant{19s});
  CHECK(lateness.stretch(3s) == 9s);
  lateness.ran(Instant{100s}, Instant{30s});
  CHECK(lateness.stretch(3s) == 24s);
  for (int i = 1; i <= 4; ++i) lateness.ran(Instant{100s + i * 1s}, kNever);
  CHECK(lateness.stretch(3s) == 12s);
  lateness.ran(Instant{200s}, Instant{200s});
  CHECK(lateness.stretch(3s) == 3s);
}

TEST_CASE("a candidate that refused is left alone until its time", "[mesh][candidates]") {
  Candidates known{{at(1), at(2)}, {}, {}};
  known.avoid(at(1), Instant{5s});
  CHECK(addresses(known.usable(Instant{4999ms})) == std::vector{at(2)});
  CHECK(known.next_usable(Instant{1s}) == Instant{5s});
  CHECK(addresses(known.usable(Instant{5s})) == std::vector{at(1), at(2)});
  CHECK(known.next_usable(Instant{5s}) == kNever);
  CHECK(addresses(known.others(Instant{5s}, at(1))) == std::vector{at(2)});
}

TEST_CASE("feasible is only a path shorter than any advertised in this term",
          "[mesh][feasibility]") {
  Feasibility rule{Role::kAggregator, std::nullopt, 0};
  CHECK(rule.allows(Instant{}, 6, 1));
  rule.set_children(Instant{}, true, limits::kLease);
  rule.advertise(Instant{}, 2, 1);  // own path: 3
  CHECK(rule.allows(Instant{}, 2, 1));
  CHECK_FALSE(rule.allows(Instant{}, 3, 1));
  rule.advertise(Instant{}, 1, 1);  // own path: 2
  CHECK_FALSE(rule.allows(Instant{}, 2, 1));
  CHECK(rule.allows(Instant{}, 7, 2));  // a newer root: nobody holds an advert of its term
}

TEST_CASE("feasibility is reset once there was no child for a lease", "[mesh][feasibility]") {
  Feasibility rule{Role::kAggregator, std::nullopt, 0};
  rule.set_children(Instant{}, true, limits::kLease);
  rule.advertise(Instant{}, 1, 1);
  rule.set_children(Instant{10s}, false, limits::kLease);
  CHECK_FALSE(rule.allows(Instant{10s} + limits::kLease - 1ms, 2, 1));
  CHECK(rule.allows(Instant{10s} + limits::kLease, 2, 1));
  rule.set_children(Instant{16s}, true, limits::kLease);
  CHECK_FALSE(rule.allows(Instant{16s}, 2, 1));
}

TEST_CASE("a leaf advertises nothing, so everything is feasible", "[mesh][feasibility]") {
  Feasibility rule{Role::kLeaf, 2, 1};
  rule.advertise(Instant{}, 1, 1);
  CHECK(rule.allows(Instant{}, 7, 1));
}

TEST_CASE("the parent's clock is read from its quickest beacon", "[mesh][clock]") {
  ParentClock clock;
  CHECK(clock.local_time_of(1234) == Instant{});  // unknown: it has passed
  clock.heard(Instant{1080ms}, 5000);
  clock.heard(Instant{2007ms}, 6000);
  clock.heard(Instant{3055ms}, 7000);
  CHECK(clock.local_time_of(9000) == Instant{5007ms});
}

TEST_CASE("a parent's clock that drifts is followed both ways", "[mesh][clock]") {
  const auto drift_per_beacon = GENERATE(-1, 1);  // ms in 1 s
  ParentClock clock;
  std::int64_t now = 10'000;
  std::int64_t stamp = 50'000;
  for (int i = 0; i < 5'000; ++i) {
    now += 1'000;
    stamp += 1'000 + drift_per_beacon;
    clock.heard(Instant{Duration{now}}, stamp);
  }
  const auto error = (clock.local_time_of(stamp) - Instant{Duration{now}}).count();
  CHECK(std::abs(error) <= 128);  // two windows of 64 beacons
}

TEST_CASE("nonsense stamps do not overflow", "[mesh][clock]") {
  ParentClock clock;
  clock.heard(Instant{1s}, std::numeric_limits<Stamp>::max());
  clock.heard(Instant{1s}, std::numeric_limits<Stamp>::min());
  CHECK(clock.local_time_of(std::numeric_limits<Stamp>::max()) > Instant{});
}

TEST_CASE("a bucket admits its rate over any stretch of time, plus one burst",
          "[mesh][bucket][property]") {
  constexpr std::int64_t kRate = 50;
  constexpr std::int64_t kBurst = 10;
  Rng rng{3};
  TokenBucket bucket{kRate, kBurst};
  std::vector<std::int64_t> admitted;  // when, ms
  std::int64_t now = 0;
  for (int i = 0; i < 3'000; ++i) {
    now += static_cast<std::int64_t>(rng.below(40));
    if (bucket.take(Instant{Duration{now}})) admitted.push_back(now);
  }
  for (std::size_t a = 0; a < admitted.size(); a += 7) {
    for (std::size_t b = a; b < admitted.size(); b += 5) {
      const auto most = kBurst + (admitted[b] - admitted[a]) * kRate / 1000 + 1;
      CHECK(static_cast<std::int64_t>(b - a + 1) <= most);
    }
  }
  CHECK(static_cast<std::int64_t>(admitted.size()) >= now * kRate / 1000 * 9 / 10);
}

TEST_CASE("questions to children agree with a naive set of pairs", "[mesh][evict][property]") {
  Rng rng{5};
  Evictions evictions;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Session> naive;  // (child, node)
  for (int i = 0; i < 5'000; ++i) {
    const std::uint64_t child = 1 + rng.below(4);
    const Attachment what{{0, 10 + rng.below(5)}, 1 + rng.below(3)};
    const auto key = std::pair{child, what.node.low};
    switch (rng.below(8)) {
      case 0: {
        const auto gone = evictions.forget({0, child});
        const auto erased = std::erase_if(naive, [&](auto& e) { return e.first.first == child; });
        CHECK(gone.size() == erased);
        break;
      }
      case 1:
      case 2:
      case 3: {
        const bool answers = naive.contains(key) && what.session >= naive[key];
        if (!naive.contains(key) || answers) naive.erase(key);
        CHECK(evictions.answer({0, child}, what) == answers);
        break;
      }
      default:
        evictions.ask({0, child}, what);
        naive[key] = std::max(naive[key], what.session);
    }
    const auto open = std::ranges::any_of(naive, [&](const auto& e) {
      return e.first.second == what.node.low && e.first.first != child;
    });
    CHECK(evictions.open(what.node, {0, child}) == open);
    CHECK(evictions.empty() == naive.empty());
  }
}
