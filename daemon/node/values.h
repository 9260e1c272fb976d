// Value signals: what a node is told about them, what is durable of them, and what people may look
// at. How they work: value_head.h at the head, value_gather.h in between, value_home.h at the leaf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"
#include "device/site.h"
#include "device/tariff.h"

namespace vpp::node {

/// A head: an aggregator or a root that makes signals for the homes below.
struct ValueHeadOptions {
  Watts target;                          ///< of their net load together, drawn > 0
  Price price_max;                       ///< of a MWh beyond it, > 0
  Price per_kw;                          ///< stiffness, > 0 (aggregation/value_coordinator.h)
  Duration slot{std::chrono::hours{1}};  ///< of market time, that a day is a multiple of
  std::size_t slots = 24;                ///< ahead, at most limits::kValueSlotsMax
  Duration interval{std::chrono::seconds{10}};  ///< between two rounds, protocol time
  Duration holds{std::chrono::hours{2}};        ///< market time; at least a slot
};

/// A leaf whose owner follows them.
struct ValueHomeOptions {
  device::Tariff tariff;
  device::SiteLimits limits;
  Price most;  ///< a value beyond it counts as this; likewise below zero
};

/// What a home would have paid on its own, pays, and is paid, by its own meter; micro-units. Energy
/// that one of the two has more in store at the end counts with the tariff's value of it. Leaf
/// only, written when a slot is settled.
struct ValueAccount {
  Amount alone;
  Amount bill;
  Amount by_value;         ///< for what it drew less than alone
  std::int64_t slots = 0;  ///< settled

  /// So that it did not lose by following.
  [[nodiscard]] Amount top_up() const {
    const Amount lost = bill - alone - by_value;
    return lost > Amount{0} ? lost : Amount{0};
  }
  [[nodiscard]] Amount paid() const { return by_value + top_up(); }
  friend bool operator==(const ValueAccount&, const ValueAccount&) = default;
};

/// Leaf.
struct ValueHomeStatus {
  std::string why_not;         ///< it takes no part; empty: it does, or was not asked yet
  std::optional<NodeId> head;  ///< of the signal that holds; nothing: none does
  std::uint64_t round = 0;
  MarketTime from{};
  Duration slot{0};
  MarketTime until{};
  std::vector<Price> values;
  std::vector<Watts> net_load;  ///< as planned, from `plan_from` on
  MarketTime plan_from{};
  std::size_t quarters_known = 0;  ///< of the day, of its forecast
  ValueAccount account;
};

/// Aggregator and root.
struct ValueGroupStatus {
  bool is_head = false;
  NodeId head;  ///< of the newest signal passed on
  std::uint64_t round = 0;
  MarketTime from{};
  Duration slot{0};
  MarketTime until{};
  std::vector<Price> values;
  std::vector<Watts> net_load;  ///< newest sum; empty: nobody follows, or none has come yet
  std::int64_t homes = 0;       ///< in it
  std::int64_t fixed = 0;       ///< likewise, of heads further down
  Amount paid;
  std::uint64_t refused = 0;  ///< answers that no such child can give
  // Head.
  Watts target;
  std::vector<Price> prices;
  std::size_t rounds = 0;  ///< in this horizon
  bool settled = false;
};

}  // namespace vpp::node
