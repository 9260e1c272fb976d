// How much to sell in each slot, as a price taker, over what the plant can surely deliver. Pure.
//
// Over a concave duration curve Omega the feasible schedules form a polymatroid, so greedy is
// optimal: in order of falling net price each slot gets the largest addition that stays feasible.
// Without commitments the k-th dearest slot thus gets (Omega(kD) - Omega((k-1)D)) / D.
//
// Units      whole watts at the connection points, discharge only; at most one watt per slot is
//            lost to rounding, and nothing is ever promised beyond the curve.
// Source     Evans, Tindemans, Angeli, IEEE TSG 2019 (feasibility by the k largest); Edmonds 1970
//            (greedy on polymatroids). Checked against brute force and a linear program.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "aggregation/duration_curve.h"
#include "bidding/market.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

/// Power promised over a window, > 0.
struct Commitment {
  Watts power;
  MarketTime from{};
  MarketTime until{};
  friend bool operator==(const Commitment&, const Commitment&) = default;
};

/// What is bid on: part of what the plant delivers with the confidence configured.
class FirmCurve {
 public:
  /// `permille` is clamped to [0, 1000].
  FirmCurve(const aggregation::DurationCurve& firm, std::int32_t permille);
  [[nodiscard]] Joules at(std::chrono::milliseconds duration) const;
  [[nodiscard]] const aggregation::DurationCurve& firm() const { return firm_; }
  [[nodiscard]] std::int32_t permille() const { return static_cast<std::int32_t>(permille_); }

 private:
  aggregation::DurationCurve firm_;
  std::int64_t permille_;
};

/// Beyond this from now nothing is looked at: the curve is flat after 14 h.
inline constexpr std::chrono::hours kProfileMax{48};

/// Promised power as a step function of time from `now` on; overlapping commitments add up.
class Profile {
 public:
  explicit Profile(MarketTime now) : now_{now} {}

  /// What lies before now or after now + kProfileMax is left out; power <= 0 is ignored.
  void add(const Commitment& commitment);

  /// Mean power promised over [from, until), rounded down. Precondition: from < until.
  [[nodiscard]] Watts mean(MarketTime from, MarketTime until) const;

  /// No set of times asks for more than the curve gives for their length.
  [[nodiscard]] bool feasible(const FirmCurve& curve) const;

  /// The most that [from, until) can get on top, in whole watts; 0 when already infeasible.
  [[nodiscard]] Watts largest_addition(MarketTime from, MarketTime until,
                                       const FirmCurve& curve) const;

 private:
  /// Power held for a time; where in time does not matter to the curve.
  struct Block {
    Watts power;
    std::chrono::milliseconds duration;
  };
  [[nodiscard]] static bool within(std::vector<Block> blocks, const FirmCurve& curve);
  /// What is promised, with `more` on top of all that begins in [from, until).
  [[nodiscard]] std::vector<Block> blocks(MarketTime from, MarketTime until, Watts more) const;
  void split_at(MarketTime at);

  MarketTime now_;
  std::map<MarketTime, Watts> steps_;  // power from the key to the next one; starts and ends at 0
};

/// Watts for each slot, in the order given. Slots worth no more than `cost` get nothing; equal
/// prices go to the earlier slot.
[[nodiscard]] std::vector<Watts> allocate(std::span<const PricePoint> slots, Price cost,
                                          Profile committed, const FirmCurve& curve);

}  // namespace vpp::bidding
