#include <catch2/catch.hpp>
#include <set>

#include "uplink_fixture.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

/// Throws anything at an uplink and checks what every batch of effects promises.
class Storm {
 public:
  explicit Storm(std::uint64_t seed)
      : rng_{seed}, bench_{rng_.below(2) == 0 ? Role::kLeaf : Role::kAggregator, {}, seed} {
    for (const auto& [to, link] : bench_.links) opened_.insert(link);
  }

  void blow() {
    const bool any = rng_.below(5) == 0;  // mostly those that the search is about just now
    const LinkId link = any ? rng_.below(opened_.size() + 2) : *opened_.rbegin() - rng_.below(2);
    switch (rng_.below(5)) {
      case 0:
        check(bench_.step(LinkOpened{link}));
        break;
      case 1:
        if (rng_.below(4) == 0) check(bench_.step(LinkLost{link}));
        break;
      case 2:
        check(bench_.step(FromParent{link, any_peer(), any_message(link)}));
        break;
      case 3:
        bench_.uplink.report(bench_.now, SiteSummary{}, {}, {});
        check(bench_.take());
        break;
      default:
        check(bench_.advance(rng_.up_to(800ms)));
        check(bench_.advance(0ms));
        CHECK(bench_.uplink.next_deadline() > bench_.now.protocol);
    }
    CHECK(bench_.uplink.attached() == !bench_.uplink.path().empty());
  }

  [[nodiscard]] Session sessions() const { return newest_; }

 private:
  NodeId any_peer() { return rng_.below(2) == 0 ? kFirst : kSecond; }

  Message any_message(LinkId link) {
    const Path paths[] = {
        {}, kFirstPath, kSecondPath, {kRoot}, {kFirst, kSelf, kRoot}, {kSecond, {3, 1}, kRoot}};
    const Path path = paths[rng_.below(std::size(paths))];
    const std::uint64_t term = 1 + rng_.below(2);
    switch (rng_.below(4)) {
      case 0:
        return ProbeAck{.nonce = nonces_[link],
                        .term = term,
                        .path = path,
                        .children = 1,
                        .free_slots = 1,
                        .region = {}};
      case 1:
        return bench_.ack(newest_, path, term);
      case 2:
        return bench_.beacon(path, term);
      default:
        return HelloNak{.retry_after = 1s, .alternates = {}};
    }
  }

  void check(const UplinkEffects& effects) {
    for (const LinkId link : effects.close) {
      CHECK(opened_.contains(link));
      closed_.insert(link);
    }
    for (const OpenLink& link : effects.open) CHECK(opened_.insert(link.link).second);
    for (const SendUp& up : effects.send) CHECK_FALSE(closed_.contains(up.link));
    for (const auto& [link, probe] : sent<Probe>(effects)) nonces_[link] = probe.nonce;
    for (const auto& [link, hello] : sent<Hello>(effects)) {
      if (hello.session > newest_) {
        REQUIRE(effects.persist);
        CHECK(effects.persist->session == hello.session);
      }
      newest_ = std::max(newest_, hello.session);
    }
  }

  Rng rng_;
  UplinkBench bench_;
  std::set<LinkId> opened_;
  std::set<LinkId> closed_;
  std::map<LinkId, std::uint64_t> nonces_;
  Session newest_ = 0;
};

}  // namespace

TEST_CASE("whatever comes in whatever order, the contracts of the effects hold",
          "[mesh][uplink][property]") {
  Session sessions = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Storm storm{seed};
    for (int i = 0; i < 400; ++i) storm.blow();
    sessions += storm.sessions();
  }
  CHECK(sessions > 100);  // the storms did get somewhere
}
