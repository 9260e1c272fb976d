// The root: children below, markets and operators above, other roots beside it. Pure.
//
// Leads     while its lease says so (root_lease.h), which is looked at first of all at every
//           step. Otherwise its children hear the poison, it sends no dispatch and calls no market.
// Serves    once it leads and has taken the journal over (journal.h): from then on it has orders
//           and a workflow, made of that journal. Until then it only holds the tree together.
// Held      whatever rests on an entry of the journal waits until enough standbys hold it: calls to
//           the market, replies to operators, the first share of an order. Orders that run go on.
//           While standbys are missing it neither bids nor takes orders.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "aggregation/order.h"
#include "bidding/meter_book.h"
#include "bidding/workflow.h"
#include "daemon/node/group.h"
#include "daemon/node/journal.h"
#include "daemon/node/owner_rates.h"
#include "daemon/node/role_node.h"
#include "daemon/node/root_lease.h"
#include "daemon/node/root_peers.h"
#include "daemon/node/value_group.h"
#include "daemon/node/worker_desk.h"

namespace vpp::node {

class RootNode final : public RoleNode {
 public:
  RootNode(const NodeOptions& options, Rng rng, const Now& now, const Recovered& recovered);

  void step(const Now& now, const Event& event) override;
  void advance(const Now& now) override;
  [[nodiscard]] Instant next_deadline(const Now& now) const override;
  [[nodiscard]] NodeStatus status(const Now& now) const override;
  [[nodiscard]] std::optional<std::vector<bidding::Fact>> trace(
      const std::string& key) const override;
  [[nodiscard]] std::vector<bidding::Fact> facts() const override;

 private:
  /// Something that leaves only once the journal is acknowledged up to `after`.
  struct Held {
    std::uint64_t after = 0;
    Instant since{};
    std::variant<bidding::MarketCall, Reply> what;
  };

  // Orders and bids.
  void on_operator(const Now& now, const OperatorAsked& asked);
  [[nodiscard]] Reply carry_out(const Now& now, const OperatorAsked& asked);
  [[nodiscard]] Reply send_order(const Now& now, const SendOrder& command);
  [[nodiscard]] std::string change_bids(const Now& now, const OperatorAsked& asked);
  [[nodiscard]] Reply cancel_order(const Now& now, OrderId id);
  [[nodiscard]] std::string why_not(const Now& now, const SendOrder& command) const;
  [[nodiscard]] std::string why_not(const Scope& scope, const mesh::GroupSummary& sum) const;
  using Schedule = std::map<Scope, std::vector<aggregation::Order>>;
  /// An order that is dispatched, one for each scope.
  struct Active {
    aggregation::Order order;
    Instant activated_at{};
    Watts told_shortfall;
  };
  void tick(const Now& now);
  void tick(const Now& now, const Scope& scope, const std::optional<aggregation::Order>& next,
            const std::vector<aggregation::Order>& schedule);
  [[nodiscard]] std::optional<aggregation::Order> acknowledged(
      const Now& now, const Scope& scope, const std::optional<aggregation::Order>& order) const;
  void activate(const Now& now, const Scope& scope,
                const std::optional<aggregation::Order>& active);
  [[nodiscard]] bool is_acknowledged(OrderId order) const;
  [[nodiscard]] mesh::Dispatch form(const Now& now, const Scope& scope,
                                    const std::optional<aggregation::Order>& active,
                                    const std::vector<aggregation::Order>& schedule) const;
  /// Its ramps followed.
  [[nodiscard]] Watts power_of(const Now& now, const aggregation::Order& order) const;
  void say_shortfall(Active& active, Watts asked, Watts shortfall);
  [[nodiscard]] Instant activated_at(OrderId order) const;
  [[nodiscard]] aggregation::PerMillion shortfall_level() const;
  [[nodiscard]] bidding::PlantState plant(const Now& now, bool decides) const;
  void run_workflow(const Now& now);
  void retry_task(const Now& now, const TaskRetryAsked& asked);
  void read_meters(const Now& now, const mesh::GroupSummary& sum);
  void settle_by_meters(const Now& now);
  void note_decision(const bidding::Fact& fact);
  void note_forecast(const bidding::BidDecided& decided);
  void note_advice(const bidding::BidDecided& decided);
  void collect_desk(const Now& now);
  void collect_children(const Now& now);

  // What the events of an OpenADR server ask for: root_node_openadr.cc.
  void openadr_answered(const Now& now, const bidding::openadr::Answer& answer);
  void run_openadr(const Now& now);
  void look_at_events(const Now& now);
  void book_event(const Now& now, const bidding::openadr::Booking& booking);
  void measure_for_openadr(const Now& now, const mesh::GroupSummary& sum);
  void ask_for_baselines();
  void tell_values(const Now& now);
  [[nodiscard]] Watts within_limits(const aggregation::Order& order, Watts power,
                                    MarketTime at) const;

  // Terms, other roots and the journal: root_node_term.cc.
  void look_at_lease(const Now& now);
  void begin_term(const Now& now, std::uint64_t term);
  void end_term(const Now& now);
  void take_over();
  [[nodiscard]] bool may_commit(const Now& now) const { return journal_.copied(now.protocol); }
  [[nodiscard]] bool from_root(const Now& now, const mesh::FromChild& event);
  void to_root(const Now& now, const mesh::UplinkEvent& event);
  [[nodiscard]] mesh::HelloAck welcome(const Now& now, const mesh::Hello& hello) const;
  void book(const Now& now, JournalEntry entry);
  void book_new(const Now& now, const aggregation::Order& order);
  void hold(const Now& now, std::variant<bidding::MarketCall, Reply> what);
  void let_go(const Now& now);
  void tell_owner_rates();
  void give_up_held(const Now& now);
  void collect_journal(const Now& now);
  void collect_peers(const Now& now);
  void collect(const Now& now);
  [[nodiscard]] RootStatus root_status(const Now& now) const;

  NodeOptions options_;
  RootLease lease_;
  Journal journal_;
  RootPeers peers_;
  Group group_;
  ValueGroup values_;
  OwnerRates owner_rates_;
  std::optional<std::uint64_t> term_;  ///< nothing: does not lead
  aggregation::OrderBook orders_;
  bidding::Workflow workflow_;
  bidding::MeterBook meters_;
  std::optional<WorkerDesk> desk_;
  std::optional<bool> bids_naively_;         ///< as told last
  std::optional<bool> bids_alone_;           ///< without an optimiser; as told last
  std::map<OrderId, std::uint64_t> booked_;  ///< not yet acknowledged -> its place in the journal
  std::deque<Held> held_;
  std::map<Scope, Active> active_;
  std::uint64_t sequence_ = 0;  ///< of activations in this term
  std::uint64_t tick_ = 0;
  Instant tick_due_{};
  bool told_not_copied_ = false;
  bool told_trouble_ = false;
  Rng openadr_rng_;
  std::optional<bidding::openadr::Ven> openadr_;  ///< while it serves
  std::set<std::string> told_not_booked_;
};

}  // namespace vpp::node
