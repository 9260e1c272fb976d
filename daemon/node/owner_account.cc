#include "daemon/node/owner_account.h"

#include <algorithm>

#include "bidding/settlement.h"
#include "config/limits.h"

namespace vpp::node {
namespace {

/// Paid already, or so old that nobody can tell.
[[nodiscard]] bool is_paid(const OwnerAccount& account, OrderId order) {
  if (account.newest.size() >= kPaymentsKept && order < account.newest.front().order) return true;
  return std::ranges::find(account.newest, order, &OwnerPayment::order) != account.newest.end();
}

}  // namespace

bool pay(OwnerAccount& account, const std::map<OrderId, Price>& rates,
         const std::vector<device::OrderAccount>& receipts, OrderId running) {
  bool news = false;
  for (const auto& [order, rate] : rates) {
    const auto receipt = std::ranges::find(receipts, order, &device::OrderAccount::order);
    const bool ours = receipt != receipts.end() && order != running;
    if (!ours || is_paid(account, order)) continue;
    const Joules delivered = std::max(receipt->delivered, Joules{0});
    const OwnerPayment payment{order, delivered, rate, bidding::worth(delivered, rate)};
    const auto at = std::ranges::upper_bound(account.newest, order, {}, &OwnerPayment::order);
    account.newest.insert(at, payment);
    if (account.newest.size() > kPaymentsKept) account.newest.erase(account.newest.begin());
    ++account.orders;
    account.delivered += delivered;
    account.paid = std::min(account.paid + payment.paid, limits::kAmountMax);
    news = true;
  }
  return news;
}

}  // namespace vpp::node
