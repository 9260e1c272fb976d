#include "daemon/node/owner_account.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "bidding/settlement.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::node;

TEST_CASE("an owner is paid once for every order, however often and in whatever order rates come",
          "[node][settlement]") {
  Rng rng{GENERATE(range(1U, 60U))};
  std::map<OrderId, Price> all;
  std::vector<device::OrderAccount> receipts;
  Amount due;
  Joules delivered;
  for (std::uint64_t id = 1; id <= 20; ++id) {
    const Price rate{static_cast<std::int64_t>(rng.below(300'000'000))};
    const Joules energy{static_cast<std::int64_t>(rng.below(20'000'000)) - 1'000'000};
    all[{id}] = rate;
    if (rng.below(4) == 0) continue;  // it did not take part
    receipts.push_back({{id}, energy});
    if (energy <= Joules{0}) continue;
    // In floating point it is the same to a millionth.
    due += Amount{static_cast<std::int64_t>(static_cast<double>(energy.count) / 3.6e9 *
                                            static_cast<double>(rate.count))};
    delivered += energy;
  }
  OwnerAccount account;
  for (int told = 0; told < 100; ++told) {
    std::map<OrderId, Price> some;
    for (const auto& [order, rate] : all) {
      // A second rate of an order is a mistake of somebody: the first counts.
      if (rng.below(3) == 0) some[order] = told < 50 ? rate : rate + Price{7'000'000};
    }
    const OwnerAccount before = account;
    const bool news = pay(account, some, receipts, kNoOrder);
    CHECK(news == !(account == before));
  }
  CHECK(account.orders == static_cast<std::int64_t>(receipts.size()));
  CHECK(account.delivered == delivered);
  CHECK(std::abs(account.paid.count - due.count) <= 20);
}

TEST_CASE("an order in force is not paid, nor one older than all that is kept",
          "[node][settlement]") {
  OwnerAccount account;
  const std::vector<device::OrderAccount> receipts{{{5}, {3'600'000}}};
  CHECK_FALSE(pay(account, {{{5}, {1'000'000}}}, receipts, OrderId{5}));
  CHECK(pay(account, {{{5}, {1'000'000}}}, receipts, kNoOrder));
  CHECK(account.paid == Amount{1'000});
  for (std::uint64_t id = 6; id < 6 + kPaymentsKept; ++id) {
    CHECK(pay(account, {{{id}, {1'000'000}}}, {{{id}, {3'600'000}}}, kNoOrder));
  }
  CHECK(account.newest.size() == kPaymentsKept);
  CHECK_FALSE(
      pay(account, {{{5}, {1'000'000}}}, receipts, kNoOrder));  // forgotten, still not twice
}
