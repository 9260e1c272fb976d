#include "device/order_ledger.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace vpp;
using namespace vpp::device;
using namespace std::chrono_literals;

namespace {

constexpr Watts kPower{3'000};

/// A battery at constant power, read every second while market time runs 60 times as fast.
struct OrderLedgerBench {
  OrderLedger ledger;
  Now now{Instant{1000s}, MarketTime{456'000h}, 60};
  SiteOrder order{OrderId{7}, kPower, now.market, now.market + 10min, now.protocol + 1h};

  void pass(Duration time) {
    now.protocol += time;
    now.market += time * now.speed;
  }
  void measure() {
    Telemetry telemetry;
    telemetry.battery = {kPower, Quality::kGood, now.protocol};
    ledger.measure(now, telemetry, Watts{5'000}, 10s);
  }
  [[nodiscard]] std::int64_t delivered() const { return ledger.accounts().at(0).delivered.count; }
};

}  // namespace

TEST_CASE("an account does not depend on what market time the node believes", "[device]") {
  OrderLedgerBench bench;
  bench.measure();
  bench.ledger.running(bench.now, bench.order);
  bench.pass(1s);
  const Duration jump = GENERATE(0ms, -3'600'000ms, -30'000ms, 30'000ms, 3'600'000ms);
  bench.now.market += jump;  // cut off: now it goes by its own wall clock
  bench.measure();
  CHECK(bench.delivered() == kPower.count * 60);
}

TEST_CASE("what is delivered past the end of an order is not accounted", "[device]") {
  OrderLedgerBench bench;
  bench.measure();
  bench.ledger.running(bench.now, bench.order);
  bench.pass(9s);
  bench.measure();
  CHECK(bench.delivered() == kPower.count * 9 * 60);
  bench.pass(4s);  // frozen over the end
  bench.measure();
  CHECK(bench.delivered() == kPower.count * 10 * 60);
}

// Seed 20001391: order 6 began before order 5. A site that had nine orders dropped 6, one that had
// eight kept it, and the root, which keeps the highest numbers, summed the one without the other.
TEST_CASE("of too many accounts the highest numbers stay, whichever began first", "[device]") {
  OrderLedgerBench bench;
  for (const std::uint64_t order : {6U, 5U, 7U, 8U, 9U, 10U, 11U, 12U, 13U}) {
    bench.order.order = OrderId{order};
    bench.ledger.running(bench.now, bench.order);
    bench.pass(1s);
  }
  std::vector<std::uint64_t> kept;
  for (const OrderAccount& account : bench.ledger.accounts()) kept.push_back(account.order.value);
  CHECK(kept == std::vector<std::uint64_t>{6, 7, 8, 9, 10, 11, 12, 13});
}

// Seed 20783310: a peak of an aggregator took the place of order 2 at some sites, and the sum above
// lacked what they had done for it.
TEST_CASE("an aggregator's own orders take no place of the plant's", "[device]") {
  OrderLedgerBench bench;
  const std::uint64_t own = kFirstLocalOrder.value;
  for (const std::uint64_t order : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    bench.order.order = OrderId{order};
    bench.ledger.running(bench.now, bench.order);
    bench.pass(1s);
  }
  for (const std::uint64_t day : {own, own + 1}) {
    bench.order.order = OrderId{day};
    bench.ledger.running(bench.now, bench.order);
    bench.pass(1s);
  }
  std::vector<std::uint64_t> kept;
  for (const OrderAccount& account : bench.ledger.accounts()) kept.push_back(account.order.value);
  CHECK(kept == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, own + 1});
}
