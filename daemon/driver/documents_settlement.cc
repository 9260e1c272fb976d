// The document about settlement: at a root by order and program, above sites by child, at a leaf
// what its owner was paid.
#include <algorithm>
#include <map>
#include <variant>

#include "bidding/settlement.h"
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"

namespace vpp::driver {
namespace {

using namespace parts;

/// What an order came to; sums of them are a program's.
struct Books {
  std::int64_t orders = 0;
  Joules awarded;
  Joules receipts;
  Amount revenue;
  Amount penalty;
  Amount owners;
  Amount availability;

  void add(const Books& other) {
    orders += other.orders;
    awarded += other.awarded;
    receipts += other.receipts;
    revenue += other.revenue;
    penalty += other.penalty;
    owners += other.owners;
    availability += other.availability;
  }
};

Json books_part(const Books& books) {
  return {{"awarded_wh", watt_hours(books.awarded)},
          {"receipts_wh", watt_hours(books.receipts)},
          {"shortfall_wh", watt_hours(std::max(books.awarded - books.receipts, Joules{0}))},
          {"revenue", money(books.revenue.count)},
          {"availability", money(books.availability.count)},
          {"penalty", money(books.penalty.count)},
          {"owners", money(books.owners.count)},
          {"plant", money((books.revenue - books.penalty - books.owners).count)}};
}

std::string program_of(const node::NodeStatus& status, OrderId id) {
  const auto order = std::ranges::find(status.orders, id, &aggregation::Order::id);
  return order == status.orders.end() ? Scope{}.program : order->scope.program;
}

Json disagreements_part(const bidding::BidView& bid) {
  Json out = Json::array();
  for (const bidding::Disagreement& each : bid.disagreements) {
    out.push_back({{"about", each.about}, {"ours", each.ours}, {"theirs", each.theirs}});
  }
  return out;
}

/// Beside the batteries' receipts: the homes' own meters, which have all that a home did.
Json meters_part(const bidding::BidView& bid) {
  bidding::BaselineKnown known = bid.metered.value_or(bidding::BaselineKnown{});
  if (!bid.metered) known.why = "no home's meter was known for a quarter of an hour since then";
  return {{"baseline_wh", watt_hours(known.usual)},
          {"metered_wh", watt_hours(known.metered)},
          {"delivered_wh", watt_hours(known.delivered)},
          {"days", known.days},
          {"adjusted", known.adjusted},
          {"metered_pct", static_cast<double>(known.metered_permille) / 10.0},
          {"why", known.why.empty() ? Json() : Json(known.why)}};
}

void add_orders(Json& out, const node::NodeStatus& status) {
  Json orders = Json::array();
  std::map<std::string, Books> programs;
  for (const bidding::BidView& bid : status.bids) {
    if (!bid.settlement || !bid.credited) continue;
    const Books books{1,
                      bid.settlement->awarded,
                      bid.credited->receipts,
                      bid.settlement->revenue,
                      bid.settlement->penalty,
                      bid.credited->paid,
                      bid.settlement->availability};
    const std::string program = program_of(status, bid.order);
    programs[program].add(books);
    Json part{{"key", bid.bid.key}, {"order", order_id(bid.order)}, {"program", program}};
    part.update(gate_part(bid.bid.gate));
    part.update(books_part(books));
    part["settled_wh"] = watt_hours(bid.settlement->delivered);
    part["clearing"] = bid.award ? money(bid.award->clearing.count) : Json();
    part["per_mwh"] = money(bid.credited->per_mwh.count);
    part["meters"] = meters_part(bid);
    part["disagreements"] = disagreements_part(bid);
    orders.push_back(std::move(part));
  }
  Json totals = Json::array();
  for (const auto& [program, books] : programs) {
    Json part{{"program", program}, {"orders", books.orders}};
    part.update(books_part(books));
    totals.push_back(std::move(part));
  }
  out["orders"] = std::move(orders);
  out["programs"] = std::move(totals);
}

const std::vector<mesh::Receipt>& receipts_of(const mesh::ChildView& child) {
  static const std::vector<mesh::Receipt> kNone;
  if (!child.summary) return kNone;
  return std::visit([](const auto& sum) -> const auto& { return sum.receipts; }, *child.summary);
}

/// Of the newest settled orders; a group's is the sum over its sites but for their rounding.
Json children_part(const node::NodeStatus& status) {
  Json out = Json::array();
  for (const mesh::ChildView& child : status.children) {
    Joules delivered;
    Amount paid;
    std::int64_t orders = 0;
    for (const mesh::Receipt& receipt : receipts_of(child)) {
      const auto rate = status.owner_rates.find(receipt.order);
      if (rate == status.owner_rates.end() || !child.counted) continue;
      ++orders;
      delivered += receipt.delivered;
      paid += bidding::worth(std::max(receipt.delivered, Joules{0}), rate->second);
    }
    if (orders == 0) continue;
    out.push_back({{"id", to_string(child.id)},
                   {"name", child.name},
                   {"orders", orders},
                   {"delivered_wh", watt_hours(delivered)},
                   {"earned", money(paid.count)}});
  }
  return out;
}

Json owner_part(const node::OwnerAccount& account) {
  Json newest = Json::array();
  for (const node::OwnerPayment& each : account.newest) {
    newest.push_back({{"order", order_id(each.order)},
                      {"delivered_wh", watt_hours(each.delivered)},
                      {"per_mwh", money(each.per_mwh.count)},
                      {"earned", money(each.paid.count)}});
  }
  return {{"orders", account.orders},
          {"delivered_wh", watt_hours(account.delivered)},
          {"earned", money(account.paid.count)},
          {"newest", std::move(newest)}};
}

}  // namespace

std::string settlement_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  Json out = document("settlement");
  Json rates = Json::array();
  for (const auto& [order, rate] : status.owner_rates) {
    rates.push_back({{"order", order_id(order)}, {"per_mwh", money(rate.count)}});
  }
  out["rates"] = std::move(rates);
  if (status.role == Role::kRoot) add_orders(out, status);
  if (status.role == Role::kLeaf) {
    out["owner"] = owner_part(status.owner);
  } else {
    out["children"] = children_part(status);
  }
  return text(out);
}

}  // namespace vpp::driver
