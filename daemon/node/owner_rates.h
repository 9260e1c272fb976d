// What owners are paid, on its way down a tree. Pure.
//
// A root makes a rate of every order that was settled; a node with children passes on what it hears
// to all who are attached, and to whoever attaches later. Only the newest few orders are told, as
// in reports: who is away for longer is not in the sum that was settled either.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "config/ids.h"
#include "mesh/children.h"
#include "mesh/messages.h"

namespace vpp::node {

class OwnerRates {
 public:
  /// The first rate of an order counts.
  void add(const std::vector<mesh::OwnerRate>& rates);

  /// Sends what a child has not been told, into `down.send`. Every time when effects are collected.
  void collect(const Now& now, mesh::Children& children, mesh::ChildrenEffects& down);

  /// Rising by order.
  [[nodiscard]] const std::map<OrderId, Price>& rates() const { return rates_; }

 private:
  std::map<OrderId, Price> rates_;
  bool changed_ = false;
  std::map<NodeId, mesh::Session> told_;  ///< all there is
};

}  // namespace vpp::node
