#include "daemon/node/membership_news.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "config/rng.h"
#include "tests/mesh/children_fixture.h"

using namespace vpp;
using namespace vpp::node;
using namespace vpp::mesh::testing;
using namespace std::chrono_literals;
using mesh::Bye;
using mesh::Hello;
using mesh::Session;

namespace {

struct Told {
  ChildrenBench bench;
  MembershipNews news;
  std::vector<Notice> all;

  /// As a node does it after every step.
  std::vector<Notice> after(const mesh::ChildrenEffects& effects) {
    if (effects.membership_changed) news.changed(bench.now.protocol);
    auto fresh = news.advance(bench.now.protocol, bench.children);
    all.insert(all.end(), fresh.begin(), fresh.end());
    return fresh;
  }
  std::vector<Notice> hello(std::uint64_t n, Session session) {
    return after(bench.hello(n, leaf(n), session));
  }
  std::vector<Notice> pass(Duration span) { return after(bench.advance(span)); }
  [[nodiscard]] std::size_t count(std::string_view code) const {
    return static_cast<std::size_t>(std::ranges::count(all, code, &Notice::code));
  }
};

}  // namespace

TEST_CASE("whoever comes alone is told at once, by name and session", "[node][news]") {
  Told told;
  told.pass(10s);
  const auto first = told.hello(1, 7);
  REQUIRE(first.size() == 1);
  CHECK(first[0].code == "VPP_CHILD_ATTACHED");
  CHECK(first[0].text == "attached: child, session 7");
  CHECK(told.news.next_deadline() == kNever);
}

TEST_CASE("a storm is told in one line a second", "[node][news]") {
  Told told;
  told.pass(10s);
  for (std::uint64_t n = 1; n <= 40; ++n) told.hello(n, 1);
  CHECK(told.all.size() == 1);  // the very first
  CHECK(told.news.next_deadline() == told.bench.now.protocol + MembershipNews::kSpacing);
  const auto rest = told.pass(1s);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].text == "39 children attached in the last second");
}

TEST_CASE("lost, left and moved are told apart", "[node][news]") {
  Told told;
  told.pass(10s);
  for (std::uint64_t n = 1; n <= 3; ++n) told.hello(n, 1);
  told.pass(1s);
  told.bench.take();
  told.all.clear();

  told.after(told.bench.from(1, leaf(1), Bye{1}));
  told.bench.children.evict(told.bench.now, {{leaf(2), 5}});
  told.after(told.bench.take());
  told.pass(1s);
  CHECK(told.count("VPP_CHILD_LEFT") == 1);
  CHECK(told.count("VPP_CHILD_MOVED") == 1);
  CHECK(told.count("VPP_CHILD_LOST") == 0);
  told.pass(20s);  // a lease and more
  CHECK(told.count("VPP_CHILD_LOST") == 1);
  CHECK(told.all.size() == 3);
}

TEST_CASE("a child that comes back at once is told with its new session", "[node][news]") {
  Told told;
  told.pass(10s);
  told.hello(1, 1);
  told.after(told.bench.step(mesh::ChildUnreachable{1}));
  told.after(told.bench.hello(2, leaf(1), 2));
  told.pass(1s);
  REQUIRE(told.all.size() == 2);
  CHECK(told.all[1].text == "attached: child, session 2");
}

TEST_CASE("whatever comes and goes, few lines a second tell of it", "[node][news]") {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
    Rng rng{seed};
    Told told;
    told.pass(10s);
    std::map<std::uint64_t, Session> sessions;
    std::map<std::uint64_t, std::uint64_t> connections;  // of those attached
    std::uint64_t connection = 0;
    for (int second = 0; second < 30; ++second) {
      const std::size_t before = told.all.size();
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t n = 1 + rng.below(6);
        if (const auto held = connections.find(n); held != connections.end()) {
          told.after(told.bench.step(mesh::ChildUnreachable{held->second}));
          connections.erase(held);
        } else {
          connections[n] = ++connection;
          told.after(told.bench.hello(connection, leaf(n), ++sessions[n]));
        }
        told.pass(50ms);
      }
      // Two kinds, and a second of the test touches at most two of the news'.
      CHECK(told.all.size() - before <= 2 * 2 * MembershipNews::kNamedMax);
    }
    told.pass(1s);
    CHECK(told.news.next_deadline() == kNever);
    CHECK(told.count("VPP_CHILD_ATTACHED") > 0);
    CHECK(told.count("VPP_CHILD_LOST") > 0);
  }
}
