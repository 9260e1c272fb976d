// What the owner of one site was paid for orders that were settled: by its own receipts, at the
// rate that the root tells. Pure.
//
// Once       each order is paid once, over restarts too; never one that is older than all kept.
// Amount     floor(receipt * rate), in millionths of the market's currency; a site that drew where
// it
//            should have delivered earns nothing of that order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "config/ids.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::node {

struct OwnerPayment {
  OrderId order;
  Joules delivered;
  Price per_mwh;
  Amount paid;
  friend bool operator==(const OwnerPayment&, const OwnerPayment&) = default;
};

/// Durable.
struct OwnerAccount {
  std::int64_t orders = 0;  ///< paid, ever
  Joules delivered;         ///< for them
  Amount paid;
  std::vector<OwnerPayment> newest;  ///< rising by order, at most kPaymentsKept
  friend bool operator==(const OwnerAccount&, const OwnerAccount&) = default;
};

inline constexpr std::size_t kPaymentsKept = 32;

/// True: something new was paid, and the account is to be made durable. An order in force,
/// `running`, is not over, whatever is said of it.
bool pay(OwnerAccount& account, const std::map<OrderId, Price>& rates,
         const std::vector<device::OrderAccount>& receipts, OrderId running);

}  // namespace vpp::node
