// The documents of docs/control-api.md, as JSON text. Pure: a snapshot in, text out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/driver/health.h"
#include "daemon/driver/snapshot.h"

namespace vpp::driver {

[[nodiscard]] std::string version_document();
[[nodiscard]] std::string health_document(const std::vector<HealthCode>& codes);
[[nodiscard]] std::string status_document(const Snapshot& snapshot);
[[nodiscard]] std::string tree_document(const Snapshot& snapshot);
[[nodiscard]] std::string nodes_document(const Snapshot& snapshot);
/// Nothing: no such id or name.
[[nodiscard]] std::optional<std::string> node_document(const Snapshot& snapshot,
                                                       std::string_view id_or_name);
/// Whether this node is being drained, and who is still there.
[[nodiscard]] std::string drain_document(const Snapshot& snapshot);
/// Orders in force, and what can be done for each program and group; of a leaf, what its owner
/// subscribed to.
[[nodiscard]] std::string programs_document(const Snapshot& snapshot);
[[nodiscard]] std::string values_document(const Snapshot& snapshot);
[[nodiscard]] std::string settlement_document(const Snapshot& snapshot);
[[nodiscard]] std::string capacity_document(const Snapshot& snapshot);
[[nodiscard]] std::string config_document(std::string_view file, std::string_view toml);

[[nodiscard]] std::string orders_document(const Snapshot& snapshot);
[[nodiscard]] std::optional<std::string> order_document(const Snapshot& snapshot, OrderId id);
/// Of an order as the node has just booked or cancelled it.
[[nodiscard]] std::string order_document(const Snapshot& snapshot, const aggregation::Order& order);
[[nodiscard]] std::string dry_run_document(const Snapshot& snapshot,
                                           const node::SendOrder& command);
[[nodiscard]] std::string bids_document(const Snapshot& snapshot);
[[nodiscard]] std::optional<std::string> bid_document(const Snapshot& snapshot,
                                                      std::string_view key,
                                                      const std::vector<bidding::Fact>& trace);
/// What was known and decided by `at`, and whether it comes out again; see bidding/replay.h.
[[nodiscard]] std::string replay_document(const std::vector<bidding::Fact>& facts, MarketTime at,
                                          bidding::MakeLinearProgram* solver = nullptr);
/// The newest of a worker, beside what is known by now.
[[nodiscard]] std::string forecast_document(const Snapshot& snapshot);
/// What the homes will draw in the next day by what their meters had, beside the day before.
[[nodiscard]] std::string load_forecast_document(const Snapshot& snapshot,
                                                 const std::vector<bidding::Fact>& facts);
/// Who takes tasks, which wait, and which were set aside.
[[nodiscard]] std::string workers_document(const Snapshot& snapshot);
[[nodiscard]] std::string prices_document(const Snapshot& snapshot);
[[nodiscard]] std::string gates_document(const Snapshot& snapshot);
/// What is known, and what is not, of the market and its prices.
[[nodiscard]] std::string market_document(const Snapshot& snapshot);
/// What was offered, sold and delivered of each interval that is not forgotten.
[[nodiscard]] std::string position_document(const Snapshot& snapshot);
[[nodiscard]] std::string openadr_document(const Snapshot& snapshot);
[[nodiscard]] std::string error_document(std::string_view code, std::string_view what,
                                         std::string_view hint);

}  // namespace vpp::driver
