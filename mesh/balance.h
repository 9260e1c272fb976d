// Siblings below one node that carry very different numbers of sites: who is to send how many to
// whom. Pure.
//
// Begins      when one has twice as many as another and kFar more, unbroken for `patience`.
// Ends        when no one has a quarter more than another and kNear more.
// Never back  a request moves half of a difference at most, from the fuller to the emptier one, and
//             the next one waits until nobody looks for a place any more (kRound): no difference
//             changes its sign, so a tree that nothing else changes comes to rest.
// Rate        one pair at a time, kAtOnce sites in each kRound.
// In vain     between a pair whose difference did not shrink (nobody can reach the other, it is
//             full or drained, an order is under way) nothing is asked for kVain.
// Bound       a difference of d sites between two is gone `patience` and one kRound for every
//             halving of d, or for every kAtOnce of d / 2, after it arose.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/time.h"

namespace vpp::mesh {

/// Not thread-safe; one owner drives it. look() costs O(n log n) of the siblings.
class Balance {
 public:
  static constexpr std::uint32_t kFar = 8;
  static constexpr std::uint32_t kNear = 4;
  static constexpr std::uint32_t kAtOnce = 250;  ///< a fifth of what a parent admits
  static constexpr Duration kRound{90'000};      ///< a child looks for 60 s
  static constexpr Duration kVain = std::chrono::minutes{30};
  static constexpr Duration kPatience = std::chrono::minutes{10};

  struct Load {
    NodeId group;
    std::uint32_t sites = 0;
  };
  struct Request {
    NodeId from;
    NodeId to;
    std::uint32_t sites = 0;  ///< above 0
    friend bool operator==(const Request&, const Request&) = default;
  };

  explicit Balance(Duration patience = kPatience) : patience_{patience} {}

  /// `loads`: every sibling, all of them known for certain.
  [[nodiscard]] std::optional<Request> look(Instant now, std::vector<Load> loads);

 private:
  struct Calm {};
  struct Uneven {
    Instant since{};
  };
  struct Levelling {
    Instant next{};
    Request asked;
    std::uint32_t difference = 0;  ///< when it was asked
  };
  enum class Degree : std::uint8_t { kNear, kFar };

  [[nodiscard]] std::optional<Request> widest(const std::vector<Load>& loads, Degree than) const;
  void note_vain(Instant now, const Levelling& round, const std::vector<Load>& loads);

  Duration patience_;
  std::variant<Calm, Uneven, Levelling> state_;
  std::map<std::pair<NodeId, NodeId>, Instant> vain_;  ///< until when
};

}  // namespace vpp::mesh
