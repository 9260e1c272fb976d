// The market at the other end of the root's calls: gates, bids, awards and settlement in a few
// plain rules, with answers that come late, twice, or not at all. It keeps its own books, so that
// a double bid or a forgotten award shows here and not in the bidder's mirror.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bidding/market.h"
#include "bidding/workflow.h"
#include "config/rng.h"
#include "daemon/node/node.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

struct MarketOptions {
  std::int64_t speed = 1;
  std::uint32_t failure_permille = 0;
  MarketTime begin{};
  std::size_t copies = 0;  ///< further roots that must hold a bid before it leaves
};

struct MarketCounters {
  std::uint64_t bids = 0;
  std::uint64_t awards = 0;
  std::uint64_t settlements = 0;
};

class MarketModel {
 public:
  MarketModel(const MarketOptions& options, Rng rng, Findings& findings);

  /// What the root's workflow is configured with, to fit the gates.
  [[nodiscard]] bidding::WorkflowOptions workflow_options(bool enabled) const;

  /// What a root made durable: the other side of the books.
  void persisted(WorldTime at, NodeIndex root, const std::vector<node::Record>& batch);

  /// What a root read back when it started; also what a crash interrupted and was whole after
  /// all.
  void recovered(NodeIndex root, const node::Recovered& all);

  struct Answer {
    Duration after;  ///< protocol time
    bidding::MarketAnswer answer;
  };
  [[nodiscard]] std::vector<Answer> call(WorldTime at, MarketTime market,
                                         const bidding::MarketCall& call);

  /// At the end of a run: every award that the root which leads knows of has its order.
  void check_nothing_forgotten(WorldTime at, NodeIndex leader);

  /// From now on a good market.
  void heal() { options_.failure_permille = 0; }
  [[nodiscard]] const MarketCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                             const bidding::FetchPrices& call);
  [[nodiscard]] bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                             const bidding::FetchGates& call);
  [[nodiscard]] bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                             const bidding::SubmitBid& call);
  [[nodiscard]] bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                             const bidding::FetchAwards& call);
  /// It sells no reserve.
  [[nodiscard]] static bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                                    const bidding::FetchCalls& call);
  [[nodiscard]] bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                             const bidding::SubmitDelivery& call);
  [[nodiscard]] bidding::MarketAnswer answer(WorldTime at, MarketTime market,
                                             const bidding::WithdrawBid& call);
  [[nodiscard]] Duration interval() const;
  [[nodiscard]] bidding::Award clear(const bidding::Bid& bid) const;

  MarketOptions options_;
  Rng rng_;
  Findings& findings_;
  MarketCounters counters_;
  std::map<MarketTime, bidding::Bid> bids_;  ///< by the gate's begin: one bidder, one bid
  std::map<std::string, bidding::Settlement> settled_;
  struct Books {  ///< what one root holds durably, by key
    std::map<std::string, bidding::Bid> decided;
    std::map<std::string, bidding::Award> known;
    std::map<std::string, OrderId> ordered;
  };
  std::map<NodeIndex, Books> books_;
};

}  // namespace vpp::sim
