// The virtual disk of one node: typed records, a batch at a time, and what a restart reads back.
#pragma once

#include <map>
#include <variant>
#include <vector>

#include "daemon/node/node.h"
#include "tests/sim/scenario.h"

namespace vpp::sim {

/// A batch is durable when commit() returns. With a planted bug it says so and loses a part.
class Disk {
 public:
  explicit Disk(PlantedBug bug) : bug_{bug} {}

  void commit(const std::vector<node::Record>& batch);
  [[nodiscard]] node::Recovered recover() const;
  /// What was read is what is now there: truth for the checkers.
  [[nodiscard]] const node::Recovered& content() const { return content_; }

 private:
  void apply(const mesh::UplinkRecord& record);
  void apply(const node::Fence& record);
  void apply(const node::TermRecord& record);
  void apply(const node::DrainRecord& record);
  void apply(const aggregation::Order& record);
  void apply(const bidding::Fact& record);

  PlantedBug bug_;
  node::Recovered content_;
  std::map<OrderId, std::size_t> order_at_;
};

}  // namespace vpp::sim
