// What the checkers found. The first finding ends a run.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "tests/sim/world_clock.h"

namespace vpp::sim {

/// Numbers of docs/simulation.md ("What is checked, and when").
enum class Invariant : int {
  kCountedOnce = 1,
  kPartsWithinOrder = 2,
  kNoStaleOrder = 3,
  kOneTerm = 4,
  kEnvelope = 5,
  kAcknowledgedSurvives = 6,
  kEnergyConserved = 7,
  kBounded = 9,
  kWholeAgain = 10,
  kTreeShape = 12,
  kReproducible = 15,
  kNoErrors = 16,  ///< "Error-level log lines fail a run"
  kDelivers = 17,  ///< a whole fleet delivers what it was asked, watt for watt
};

struct Violation {
  Invariant invariant = Invariant::kNoErrors;
  NodeIndex node = kNobody;
  WorldTime at{};
  std::string what;
};

class Findings {
 public:
  void report(Invariant invariant, NodeIndex node, WorldTime at, std::string what) {
    if (!first_) first_ = Violation{invariant, node, at, std::move(what)};
  }
  [[nodiscard]] const std::optional<Violation>& first() const { return first_; }

 private:
  std::optional<Violation> first_;
};

}  // namespace vpp::sim
