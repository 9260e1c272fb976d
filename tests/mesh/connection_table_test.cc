#include "mesh/connection_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "config/rng.h"
#include "mesh/warn_limiter.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;

namespace {

constexpr ConnectionTableOptions kSmall{4, 30s, 600s};

CurveKey key(std::uint8_t value) {
  CurveKey out{};
  out.fill(value);
  return out;
}

/// The same rules over a plain list, searched from end to end.
class NaiveTable {
 public:
  ConnectionId heard(Instant now, const std::string& routing_id, const CurveKey& with) {
    const auto same = std::ranges::find(rows_, routing_id, &Row::routing_id);
    if (same != rows_.end() && same->key == with) {
      same->heard_at = now;
      same->turn = ++turn_;
      return same->id;
    }
    if (same != rows_.end()) lose(same);
    if (rows_.size() == kSmall.size_max) {
      auto oldest = rows_.end();
      for (auto row = rows_.begin(); row != rows_.end(); ++row) {
        if (!row->proven && (oldest == rows_.end() || row->turn < oldest->turn)) oldest = row;
      }
      if (oldest == rows_.end()) return 0;
      lose(oldest);
    }
    rows_.push_back({next_, routing_id, with, now, ++turn_, false});
    return next_++;
  }
  void prove(ConnectionId id) { std::ranges::find(rows_, id, &Row::id)->proven = true; }
  void erase(ConnectionId id) {
    std::erase_if(rows_, [&](const Row& row) { return row.id == id; });
  }
  void forget_idle(Instant now) {
    for (std::size_t i = rows_.size(); i-- > 0;) {
      const auto row = rows_.begin() + static_cast<std::ptrdiff_t>(i);
      if (row->heard_at + (row->proven ? 600s : 30s) <= now) lose(row);
    }
  }
  std::vector<ConnectionId> take_lost() { return std::exchange(lost_, {}); }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool holds(ConnectionId id) const {
    return std::ranges::find(rows_, id, &Row::id) != rows_.end();
  }

 private:
  struct Row {
    ConnectionId id;
    std::string routing_id;
    CurveKey key;
    Instant heard_at;
    std::uint64_t turn;
    bool proven;
  };
  void lose(std::vector<Row>::iterator row) {
    if (row->proven) lost_.push_back(row->id);
    rows_.erase(row);
  }
  std::vector<Row> rows_;
  std::vector<ConnectionId> lost_;
  ConnectionId next_ = 1;
  std::uint64_t turn_ = 0;
};

std::vector<ConnectionId> sorted(std::vector<ConnectionId> ids) {
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

TEST_CASE("the table does what a naive list does, over random frames", "[mesh][connections]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Rng rng{seed};
    ConnectionTable table{kSmall};
    NaiveTable naive;
    Instant now{};
    ConnectionId newest = 0;
    for (int i = 0; i < 500; ++i) {
      now += rng.up_to(20s);
      const ConnectionId any = 1 + rng.below(newest + 1);
      switch (rng.below(8)) {
        case 0:
          table.erase(any);
          naive.erase(any);
          break;
        case 1:
          table.forget_idle(now);
          naive.forget_idle(now);
          break;
        case 2:
          if (Connection* connection = table.find(any)) {
            table.prove(*connection, Proof{});
            naive.prove(any);
          }
          break;
        default: {
          const std::string routing_id(1, static_cast<char>('a' + rng.below(6)));
          const CurveKey with = key(static_cast<std::uint8_t>(rng.below(8) == 0 ? 1 : 2));
          const Connection* connection = table.heard(now, routing_id, with);
          const ConnectionId id = connection == nullptr ? 0 : connection->id;
          REQUIRE(id == naive.heard(now, routing_id, with));
          newest = std::max(newest, id);
        }
      }
      REQUIRE(table.size() == naive.size());
      REQUIRE((table.find(any) != nullptr) == naive.holds(any));
      REQUIRE(sorted(table.take_lost()) == sorted(naive.take_lost()));
    }
  }
}

TEST_CASE("a routing id in other hands is another connection", "[mesh][connections]") {
  ConnectionTable table{kSmall};
  Connection* first = table.heard(Instant{}, "r", key(1));
  const ConnectionId old = first->id;
  table.prove(*first, Proof{});
  const Connection* second = table.heard(Instant{}, "r", key(2));
  REQUIRE(second != nullptr);
  CHECK(second->id != old);
  CHECK_FALSE(second->proof);
  CHECK(table.take_lost() == std::vector{old});
}

TEST_CASE("strangers never push out a proven child", "[mesh][connections]") {
  ConnectionTable table{kSmall};
  Connection* child = table.heard(Instant{}, "child", key(1));
  const ConnectionId id = child->id;
  table.prove(*child, Proof{});
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(table.heard(Instant{}, "stranger" + std::to_string(i), key(2)) != nullptr);
    REQUIRE(table.size() <= kSmall.size_max);
  }
  CHECK(table.find(id) != nullptr);
  CHECK(table.take_lost().empty());
  CHECK(table.pushed_out() == 1000 - 3);
}

TEST_CASE("log lines of one kind come once per interval and tell what was held back",
          "[mesh][warn]") {
  WarnLimiter limiter{5s};
  CHECK(limiter.admit(Instant{}, "bad frame", "a") == "bad frame: a");
  for (int i = 0; i < 99; ++i) CHECK_FALSE(limiter.admit(Instant{4s}, "bad frame", "b"));
  CHECK(limiter.admit(Instant{4s}, "other kind", "") == "other kind");
  CHECK(limiter.admit(Instant{5s}, "bad frame", "c") == "bad frame: c (and 99 more)");
  CHECK(limiter.admit(Instant{10s}, "bad frame", "d") == "bad frame: d");
}
