// What one child could do at the last mark: orders are divided by that until the next one. Pure.
//
// Why         Dividing by time to go is exact when shares hold for a whole step D (split.h). Solved
//             anew each second from what is left by then, sites meet at their level more slowly
//             than they could, and at the exact boundary of a fleet 1 to 3 % stay unserved
//             (docs/flexibility.md). Divided by states of the mark, the same target gives the same
//             shares without anybody remembering them, and another target its own at once.
// Marks       multiples of D on the market's clock: every level of a tree has the same ones, after
//             a restart too, and market intervals begin at one.
// In between  a site has the power that it says now, and the energy of the mark while it has any. A
//             group is taken anew when it differs from the mark by more than what it was asked
//             since explains: sites came or went below, or are limited otherwise.
// Cost        O(1) for a site, O(grid) for a group, per tick.
#pragma once

#include "aggregation/child.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::aggregation {

class Held {
 public:
  Held(const Flexibility& newest, Direction direction);

  /// For `lasted` of market time the child was asked for `magnitude`.
  void asked(Watts magnitude, Duration lasted);

  /// What the child counts for now, in the direction it was held in; the other is as it was told.
  [[nodiscard]] const Flexibility& update(const Flexibility& newest);

  [[nodiscard]] const Flexibility& flexibility() const { return flexibility_; }

 private:
  [[nodiscard]] bool explains(const DurationCurve& newest) const;

  Flexibility flexibility_;
  Direction direction_;
  Joules asked_{0};  ///< since the mark
};

}  // namespace vpp::aggregation
