#include "daemon/node/root_lease.h"

#include <catch2/catch.hpp>
#include <map>

using namespace vpp;
using namespace vpp::node;
using namespace std::chrono_literals;

namespace {

Instant at(Duration since) {
  return Instant{10s + since};
}

/// The only ask that is out now, which must be of this kind.
template <class Kind>
LeaseAsk only(RootLease& lease) {
  const auto asks = lease.take_asks();
  REQUIRE(asks.size() == 1);
  REQUIRE(std::holds_alternative<Kind>(asks[0].what));
  return asks[0];
}

RootLease candidate(std::uint64_t newest_term = 0) {
  return {LeaseKind::kEtcd, Rng{1}, at(0s), newest_term};
}

/// Claimed with an ask sent at 0 and answered at once.
RootLease leader() {
  RootLease lease = candidate();
  lease.advance(at(0s));
  lease.answered(at(0s), {only<ClaimKey>(lease).id, KeyClaimed{77, 5, 3s}});
  return lease;
}

}  // namespace

TEST_CASE("a static root leads at once, and for good", "[node][lease]") {
  RootLease lease{LeaseKind::kStatic, Rng{1}, at(0s), 4};
  CHECK(lease.term() == 5);
  lease.advance(at(1000h));
  CHECK(lease.term() == 5);
  CHECK(lease.leads_until() == kNever);
  CHECK(lease.next_deadline() == kNever);
  CHECK(lease.take_asks().empty());
}

TEST_CASE("a static root that hears of a newer one never leads again", "[node][lease]") {
  RootLease lease{LeaseKind::kStatic, Rng{1}, at(0s), 4};
  lease.heard_of(at(0s), 9);
  CHECK_FALSE(lease.term());
  lease.advance(at(1000h));
  CHECK_FALSE(lease.term());
}

TEST_CASE("the term is the revision that created the key", "[node][lease]") {
  RootLease lease = leader();
  CHECK(lease.term() == 5);
  CHECK(lease.state() == "leader");
  CHECK(lease.leads_until() == at(2s));
}

TEST_CASE("leadership ends two thirds of the time after the last good keep-alive was sent",
          "[node][lease]") {
  RootLease lease = leader();
  lease.advance(at(900ms));
  const LeaseAsk ask = only<KeepAlive>(lease);
  SECTION("however late its answer is") {
    lease.answered(at(1900ms), {ask.id, KeptAlive{3s}});
    CHECK(lease.leads_until() == at(2900ms));
    lease.advance(at(2899ms));
    CHECK(lease.term() == 5);
    lease.advance(at(2900ms));
    CHECK_FALSE(lease.term());
    CHECK(lease.state() == "fenced");
  }
  SECTION("an answer that comes when it is over changes nothing") {
    lease.answered(at(2100ms), {ask.id, KeptAlive{3s}});
    CHECK_FALSE(lease.term());
  }
  SECTION("failures do not shorten it, nor stretch it") {
    lease.answered(at(1000ms), {ask.id, LeaseFailed{"no answer"}});
    CHECK(lease.term() == 5);
    CHECK(lease.problem() == "no answer");
    CHECK(lease.leads_until() == at(2s));
    CHECK(lease.next_deadline() < at(1200ms));
  }
  SECTION("a lease that etcd knows no more ends it at once") {
    lease.answered(at(1000ms), {ask.id, LeaseGone{}});
    CHECK_FALSE(lease.term());
  }
  SECTION("etcd granted less than was asked for") {
    lease.answered(at(1000ms), {ask.id, KeptAlive{1s}});
    CHECK(lease.leads_until() == at(2s));
  }
}

TEST_CASE("a root that was stopped knows that it no longer leads before anything else",
          "[node][lease]") {
  RootLease lease = leader();
  lease.advance(at(1h));
  CHECK_FALSE(lease.term());
}

TEST_CASE("a fenced root stands again once its lease has run out", "[node][lease]") {
  RootLease lease = leader();
  (void)lease.take_asks();
  lease.advance(at(2s));
  CHECK(lease.state() == "fenced");
  (void)lease.take_asks();
  lease.advance(at(2900ms));
  CHECK(lease.state() == "fenced");
  lease.advance(at(8s));
  CHECK(lease.state() == "candidate");
}

TEST_CASE("a candidate looks again and again, while another holds the key or etcd is silent",
          "[node][lease]") {
  RootLease lease = candidate();
  lease.advance(at(0s));
  const LeaseAsk first = only<ClaimKey>(lease);
  SECTION("taken") {
    lease.answered(at(10ms), {first.id, KeyTaken{"root-2"}});
    CHECK(lease.holder() == "root-2");
    CHECK(lease.next_deadline() > at(10ms));
    lease.advance(lease.next_deadline());
    (void)only<ClaimKey>(lease);
  }
  SECTION("not understood") {
    lease.answered(at(10ms), {first.id, LeaseFailed{"half an answer"}});
    CHECK(lease.problem() == "half an answer");
    lease.advance(lease.next_deadline());
    (void)only<ClaimKey>(lease);
  }
  SECTION("no answer at all") {
    lease.advance(lease.next_deadline());
    CHECK(only<ClaimKey>(lease).id != first.id);
  }
}

TEST_CASE("a claim that comes too late, or twice, is given back", "[node][lease]") {
  RootLease lease = candidate();
  lease.advance(at(0s));
  const LeaseAsk ask = only<ClaimKey>(lease);
  SECTION("its time is over already") {
    lease.answered(at(2s), {ask.id, KeyClaimed{77, 5, 3s}});
  }
  SECTION("another ask is out") {
    lease.advance(at(6s));
    (void)only<ClaimKey>(lease);
    lease.answered(at(6s), {ask.id, KeyClaimed{77, 5, 3s}});
  }
  CHECK_FALSE(lease.term());
  CHECK(std::get<GiveUp>(only<GiveUp>(lease).what).lease == 77);
}

TEST_CASE("a term is always above every term known", "[node][lease]") {
  RootLease lease = candidate(5);
  lease.advance(at(0s));
  lease.answered(at(0s), {only<ClaimKey>(lease).id, KeyClaimed{77, 5, 3s}});
  CHECK_FALSE(lease.term());
  CHECK_FALSE(lease.problem().empty());
  CHECK(std::get<GiveUp>(only<GiveUp>(lease).what).lease == 77);
  lease.advance(lease.next_deadline());
  lease.answered(at(1s), {only<ClaimKey>(lease).id, KeyClaimed{78, 6, 3s}});
  CHECK(lease.term() == 6);
  lease.heard_of(at(1s), 7);
  CHECK_FALSE(lease.term());
}

TEST_CASE("a root that stops gives the key back", "[node][lease]") {
  RootLease lease = leader();
  lease.resign(at(1s));
  CHECK_FALSE(lease.term());
  CHECK(std::get<GiveUp>(only<GiveUp>(lease).what).lease == 77);
  CHECK(lease.next_deadline() == kNever);
}

namespace {

/// etcd as little as it takes: one key, leases that run out on its own clock.
class NaiveEtcd {
 public:
  std::optional<LeaseAnswered> answer(Instant now, const LeaseAsk& ask) {
    run(now);
    if (const auto* keep = std::get_if<KeepAlive>(&ask.what)) {
      if (!alive(keep->lease)) return LeaseAnswered{ask.id, LeaseGone{}};
      until_ = now + RootLease::kTtl;
      return LeaseAnswered{ask.id, KeptAlive{RootLease::kTtl}};
    }
    if (const auto* give = std::get_if<GiveUp>(&ask.what)) {
      if (alive(give->lease)) held_ = false;
      return std::nullopt;
    }
    if (held_) return LeaseAnswered{ask.id, KeyTaken{"somebody"}};
    held_ = true;
    until_ = now + RootLease::kTtl;
    return LeaseAnswered{ask.id, KeyClaimed{++newest_, ++revision_, RootLease::kTtl}};
  }
  void run(Instant now) {
    if (until_ <= now) held_ = false;
  }

 private:
  [[nodiscard]] bool alive(EtcdLease lease) const { return held_ && lease == newest_; }

  bool held_ = false;
  EtcdLease newest_ = 0;
  std::uint64_t revision_ = 0;
  Instant until_{};
};

}  // namespace

TEST_CASE("of three roots at most one leads at any instant, and terms rise", "[node][lease]") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Rng rng{seed};
    NaiveEtcd etcd;
    std::vector<RootLease> roots;
    for (int i = 0; i < 3; ++i) roots.emplace_back(LeaseKind::kEtcd, rng.fork(), at(0s), 0);
    // What is on its way: to etcd, or back.
    std::multimap<Instant, std::pair<std::size_t, LeaseAsk>> asks;
    std::multimap<Instant, std::pair<std::size_t, LeaseAnswered>> answers;
    std::vector<Instant> stopped_until(3, at(0s));
    std::uint64_t newest = 0;
    std::size_t terms = 0;
    for (Instant now = at(0s); now < at(90s); now += 10ms) {
      if (rng.below(400) == 0) stopped_until[rng.below(3)] = now + rng.up_to(6s);
      while (!asks.empty() && asks.begin()->first <= now) {
        const auto [who, ask] = asks.begin()->second;
        asks.erase(asks.begin());
        if (rng.below(5) == 0) continue;  // lost on the way
        auto answer = etcd.answer(now, ask);
        if (answer && rng.below(5) != 0)
          answers.emplace(now + rng.up_to(700ms), std::pair{who, *answer});
      }
      while (!answers.empty() && answers.begin()->first <= now) {
        const auto [who, answer] = answers.begin()->second;
        answers.erase(answers.begin());
        if (now < stopped_until[who]) {
          answers.emplace(stopped_until[who], std::pair{who, answer});
        } else {
          roots[who].answered(now, answer);
        }
      }
      std::size_t leaders = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        if (now < stopped_until[i]) continue;  // it does nothing now, and looks first when it wakes
        roots[i].advance(now);
        for (const LeaseAsk& ask : roots[i].take_asks()) {
          asks.emplace(now + rng.up_to(300ms), std::pair{i, ask});
        }
        if (!roots[i].term()) continue;
        ++leaders;
        if (*roots[i].term() != newest) ++terms;
        REQUIRE(*roots[i].term() >= newest);
        newest = *roots[i].term();
      }
      REQUIRE(leaders <= 1);
    }
    REQUIRE(terms > 3);
  }
}
