#include "daemon/driver/durability.h"

#include <catch2/catch.hpp>

#include "random_records.h"

using namespace vpp;
using namespace vpp::driver;

namespace {

/// One of everything that may leave.
node::Effects everything() {
  node::Effects out;
  out.site = node::SiteInstruction{device::SiteOrder{}};
  out.up = {{1, mesh::Hello{}}, {1, mesh::Report{}}, {1, mesh::DispatchAck{}}};
  mesh::Dispatch share;
  share.share = Watts{100};
  out.down = {{1, mesh::Beacon{}}, {1, share}, {1, mesh::Dispatch{}}};
  out.market.emplace_back(bidding::FetchGates{});
  out.replies.push_back({1, aggregation::Order{}, ""});
  return out;
}

node::Effects after(const node::Record& pending) {
  Durability durability;
  durability.add({pending});
  node::Effects effects = everything();
  (void)durability.hold_back(effects);
  return effects;
}

}  // namespace

TEST_CASE("nothing is held back while all is durable", "[driver][durability]") {
  Durability durability;
  durability.add({node::Fence{1, 1}});
  durability.written();
  node::Effects effects = everything();
  CHECK(durability.hold_back(effects).empty());
  CHECK(effects.up.size() == 3);
  CHECK(effects.down.size() == 3);
  CHECK(effects.market.size() == 1);
  CHECK(effects.site.has_value());
}

TEST_CASE("a term that is not durable speaks to nobody", "[driver][durability]") {
  const auto effects = after(node::TermRecord{2});
  CHECK(effects.up.empty());
  CHECK(effects.down.empty());
  CHECK(effects.market.empty());
  CHECK_FALSE(effects.site.has_value());
  CHECK_FALSE(effects.replies[0].order.has_value());
  CHECK_FALSE(effects.replies[0].refused.empty());
}

TEST_CASE("a session that is not durable is not seen above, and the tree below lives on",
          "[driver][durability]") {
  const auto effects = after(mesh::UplinkRecord{});
  CHECK(effects.up.empty());
  CHECK(effects.down.size() == 3);
}

TEST_CASE("a fence that is not durable lets no order through, but every release",
          "[driver][durability]") {
  const auto effects = after(node::Fence{1, 1});
  CHECK(effects.up.size() == 2);    // Hello, Report
  CHECK(effects.down.size() == 2);  // Beacon, release
  CHECK_FALSE(effects.site.has_value());

  Durability durability;
  durability.add({node::Fence{1, 1}});
  node::Effects release;
  release.site = node::SiteInstruction{};
  (void)durability.hold_back(release);
  CHECK(release.site.has_value());
}

TEST_CASE("an order that is not durable is refused to the operator and asked of nobody",
          "[driver][durability]") {
  const auto effects = after(aggregation::Order{});
  CHECK(effects.down.size() == 2);
  CHECK_FALSE(effects.replies[0].order.has_value());
  CHECK(effects.up.size() == 3);
}

TEST_CASE("a cancelled order is released all the same, and the operator is told the whole truth",
          "[driver][durability]") {
  Durability durability;
  aggregation::Order order;
  order.state = aggregation::OrderState::kCancelled;
  durability.add({order});
  node::Effects effects;
  effects.down = {{1, mesh::Dispatch{}}};
  effects.replies.push_back({1, order, ""});
  (void)durability.hold_back(effects);
  CHECK(effects.down.size() == 1);
  CHECK_FALSE(effects.replies[0].order.has_value());
  CHECK(effects.replies[0].refused.find("released") != std::string::npos);
}

TEST_CASE("a fact that is not durable keeps the market waiting, and the node is told",
          "[driver][durability]") {
  Durability durability;
  durability.add({bidding::Fact{bidding::PricesKnown{}}});
  node::Effects effects = everything();
  const auto answers = durability.hold_back(effects);
  CHECK(effects.market.empty());
  REQUIRE(answers.size() == 1);
  const auto& failed = std::get<bidding::CallFailed>(answers[0]);
  CHECK(std::holds_alternative<bidding::FetchGates>(failed.call));
  CHECK(effects.down.size() == 3);
}

TEST_CASE("a journal that is not durable is told to no other root and to no market",
          "[driver][durability]") {
  Durability durability;
  durability.add({node::JournalHead{1, 1}});
  node::Effects effects = everything();
  effects.up.push_back({2, mesh::Follow{}});
  CHECK(durability.hold_back(effects).size() == 1);
  CHECK(effects.up.size() == 3);
  CHECK(effects.market.empty());
  CHECK(effects.down.size() == 3);
}

TEST_CASE("what is pending is what a plain replay of all batches would hold",
          "[driver][durability]") {
  Rng rng{11};
  Durability durability;
  std::vector<node::Record> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(test::random_record(rng));
    durability.add({all.back()});
  }
  // Naive: a record counts if nothing later replaces it.
  std::vector<node::Record> expected;
  for (std::size_t i = 0; i < all.size(); ++i) {
    bool replaced = false;
    for (std::size_t j = i + 1; j < all.size(); ++j) {
      const bool of_journal = std::holds_alternative<bidding::Fact>(all[i]) ||
                              std::holds_alternative<aggregation::Order>(all[i]);
      replaced |= of_journal && std::holds_alternative<node::JournalCleared>(all[j]);
      if (all[i].index() != all[j].index() || std::holds_alternative<bidding::Fact>(all[i])) {
        continue;
      }
      if (const auto* order = std::get_if<aggregation::Order>(&all[i])) {
        replaced |= order->id == std::get<aggregation::Order>(all[j]).id;
      } else if (const auto* task = std::get_if<bidding::Task>(&all[i])) {
        replaced |= task->id == std::get<bidding::Task>(all[j]).id;
      } else {
        replaced = true;
      }
    }
    if (!replaced) expected.push_back(all[i]);
  }
  CHECK(durability.pending() == expected);
}
