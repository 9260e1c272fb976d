// The closed loop of one node: a target in, a share for every child out, each tick. Pure.
//
// Children that answer get their part of the longest-time-to-go split; a child that does not
// (measured differs from what it was asked by more than the tolerance in `ticks_to_doubt` reports)
// is held to what it was measured at, and its missing watts go to those who respond, until it does
// a little more when asked for it (a trial). Those who respond are divided among by what they could
// do at the last mark of the market's clock (held.h). The asked parts never sum to more than the
// target and all have its sign; what cannot be placed is the shortfall, known in the same tick.
//
// Why it does not oscillate: a report is judged only against the asks of the last ticks
// (`lag_ticks_*`: what a share needs to go down, act, be measured and come back up), a child on its
// way to what it was asked is not blamed, and few children at a time are on trial again, each
// failure doubling the wait. Groups correct themselves, so their lag is longer. Ticks in a burst
// (several commands, or the backlog of a frozen process) are one round: patience is time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "aggregation/child.h"
#include "aggregation/held.h"
#include "aggregation/undelivered.h"
#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::aggregation {

struct DispatcherOptions {
  Watts tolerance{50};
  std::int32_t tolerance_permille = 50;  ///< of the asked watts, whichever is larger
  int ticks_to_doubt = 3;                ///< reports in a row that are off; a group, which corrects
                                         ///< itself first, has twice as many
  int ticks_unseen_to_doubt = 10;        ///< ticks without any new measurement
  int lag_ticks_site = 2;                ///< share sent -> its effect reported; at most kLagMax
  int lag_ticks_group = 5;
  Duration retry_after = std::chrono::seconds{30};  ///< doubles per failure, 16-fold at most

  static constexpr int kLagMax = 8;
};

struct Share {
  NodeId child;
  Watts power;  ///< signed
  /// What is missing of it. Of one who is not counted on: of what it was asked when it failed, at
  /// most the target, less what it is held to; others were asked for that instead.
  Undelivered undelivered = {};
};

struct DispatchPlan {
  std::vector<Share> shares;  ///< one per child, in the order given
  Watts placed;               ///< what children that respond were asked, and what others do anyway
  /// Target less placed, same sign. It is still asked of the doubted, as far as they could: that
  /// costs nothing, and if they come back they are believed at once.
  Watts shortfall;
  Watts asked_for;  ///< sum of the shares; never beyond the target
  Watts measured;   ///< sum over the children that are measured
  std::size_t unmeasured = 0;
};

/// How the dispatcher sees one child; for people.
struct Standing {
  UndeliveredReason doubt = UndeliveredReason::kNone;  ///< none: it is believed
  Watts held_to;          ///< doubted: signed, what it is asked, a trial apart
  Instant since{};        ///< doubted
  bool on_trial = false;  ///< doubted, and asked a little more to see
  friend bool operator==(const Standing&, const Standing&) = default;
};

class Dispatcher {
 public:
  explicit Dispatcher(const DispatcherOptions& options = {});

  /// One tick. A child that is not in `children` gets nothing and is forgotten.
  [[nodiscard]] DispatchPlan tick(const Now& now, Watts target,
                                  const std::vector<ChildState>& children);

  /// How `target` would be divided later among those who respond now: magnitudes and sign as in
  /// tick(), one share per child, in the order given. Nothing is remembered of it.
  [[nodiscard]] std::vector<Watts> divide_ahead(Watts target,
                                                const std::vector<ChildState>& children) const;

  /// No order: forgets what was asked, and limits that children told of themselves, for that order;
  /// keeps who was doubted.
  void idle();

  [[nodiscard]] bool doubted(NodeId child) const;
  [[nodiscard]] Standing standing(NodeId child) const;

  /// The level of the newest tick's split (split.h). Nothing: no order, or nothing was cut.
  [[nodiscard]] std::optional<Duration> level() const { return level_; }

  /// The part of what it can do by its own account that it does when asked, in permille: all of it,
  /// unless it is doubted. A child that can do nothing does all of that.
  [[nodiscard]] std::int32_t does_permille(const ChildState& child, Direction direction) const;

 private:
  struct Trust {
    std::array<Watts, DispatcherOptions::kLagMax> asked{};  ///< newest first; 0 before the order
    Instant judged{};                                       ///< newest measurement looked at
    std::optional<Watts> measured;                          ///< that measurement
    Watts limit;                                            ///< doubted: asked this much
    bool admitted = false;                                  ///< the child itself told the limit
    int misses = 0;
    int unseen = 0;
    int failures = 0;                   ///< doubts in a row: doubles the wait
    std::optional<Instant> doubted_at;  ///< set: doubted
    UndeliveredReason reason{};         ///< of the doubt
    Watts failed_at;                    ///< magnitude asked when it was doubted
    Watts most_asked;                   ///< magnitude, since the mark
    bool on_trial = false;              ///< doubted, and asked a little more to see
    Watts extra;                        ///< magnitude asked beyond what it was held to
    std::optional<Held> held;           ///< while it is believed, and there is an order
    std::uint64_t tick = 0;             ///< last one the child was part of
  };

  struct Round;
  void keep_marks(const Now& now, Direction direction, const std::vector<Trust*>& trusts);
  [[nodiscard]] Watts divide_among_believed(Round& round);
  static void ask(Round& round, std::size_t index, bool new_round, DispatchPlan& plan);
  [[nodiscard]] static Undelivered undelivered_of(const Round& round, std::size_t index);
  [[nodiscard]] static Watts held_at(const ChildState& child, const Trust& trust,
                                     const Round& round);
  void hold_the_doubted(Round& round) const;
  static void ask_the_doubted(Round& round, Watts shortfall);
  [[nodiscard]] Watts tolerance_of(Watts asked) const;
  [[nodiscard]] std::pair<Watts, Watts> recently_asked(const ChildState& child,
                                                       const Trust& trust) const;
  [[nodiscard]] int misses_max(const ChildState& child) const;
  void judge(Instant now, const ChildState& child, Trust& trust, bool new_round) const;
  void compare(Instant now, const ChildState& child, Trust& trust) const;
  void compare_doubted(Instant now, const ChildState& child, Trust& trust) const;
  static void doubt(Instant now, Watts limit, UndeliveredReason reason, Trust& trust);
  std::optional<Duration> level_;
  static void believe(Trust& trust);
  void try_again(Instant now, Direction direction, const std::vector<ChildState>& children,
                 const std::vector<Trust*>& trusts) const;

  DispatcherOptions options_;
  std::map<NodeId, Trust> trust_;
  std::uint64_t ticks_ = 0;
  std::optional<Instant> round_at_;  ///< when the present round began
  struct Mark {
    std::int64_t number = 0;  ///< in steps since 1970
    Direction direction = Direction::kDischarge;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  std::optional<Mark> mark_;  ///< of what is held
  MarketTime tick_at_{};      ///< of the last tick
};

}  // namespace vpp::aggregation
