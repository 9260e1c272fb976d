// When the intervals of an event are, by all the rules of OpenADR 3. Pure.
//
// Start      an interval's own period goes before the event's. Without a start it begins where the
//            one before it ends, the first one where the event does. kStartsNow is when the event
//            was first seen, and so is a first interval without any start.
// Length     an interval's own duration, or else the event's period's; without both it lasts until
//            the next one with a start, and the last one for good. The next one's start ends it.
// Event      its `duration` cuts the set off or repeats it from its begin on. PT0S, as its duration
//            or as the period's of an event that starts now, cancels it.
// Shift      randomizeStart moves the whole set by one draw; a server's clock that is off moves
// what
//            it gave as a time, but not "now".
// Errors     intervals that run backwards, a set of no length: what is unclear is not obeyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "bidding/openadr.h"
#include "config/time.h"

namespace vpp::bidding::openadr {

/// One interval in one round of the set.
struct Placed {
  std::size_t interval = 0;  ///< index in the event
  std::int64_t round = 0;
  MarketTime from{};
  MarketTime until{};  ///< kEndOfTime: without end
  friend bool operator==(const Placed&, const Placed&) = default;
};

struct Placing {
  MarketTime seen{};         ///< what "now" is for the event
  Duration server_ahead{0};  ///< the server's clock less ours
  Duration shift{0};         ///< the draw for randomizeStart
};

class Timetable {
 public:
  /// Error: why the event cannot be placed, one line.
  [[nodiscard]] static std::expected<Timetable, std::string> make(const Event& event,
                                                                  const Placing& placing);

  /// What overlaps [from, until), oldest first, at most `most`.
  [[nodiscard]] std::vector<Placed> within(MarketTime from, MarketTime until,
                                           std::size_t most) const;
  /// Of the n-th interval, counted over all rounds. Nothing of an empty length is counted.
  [[nodiscard]] std::vector<Placed> from_number(std::int64_t n, std::size_t most) const;
  /// Intervals of a round, and of all; the latter -1 without end.
  [[nodiscard]] std::int64_t per_round() const { return static_cast<std::int64_t>(set_.size()); }
  [[nodiscard]] std::int64_t in_all() const;

  [[nodiscard]] bool cancelled() const { return cancelled_; }
  [[nodiscard]] MarketTime begins() const { return begins_; }
  [[nodiscard]] MarketTime ends() const { return ends_; }  ///< kEndOfTime: never

 private:
  [[nodiscard]] Placed in_round(std::size_t index, std::int64_t round) const;

  std::vector<Placed> set_;  ///< the first round, before it is cut off; none of them empty
  Duration round_ = kForever;
  MarketTime begins_{};
  MarketTime ends_{};
  bool loops_ = false;
  bool cancelled_ = false;
};

/// One draw for a set, the same whenever it is made for the same seed.
[[nodiscard]] Duration draw_shift(const Event& event, std::string_view seed);

/// The part of [from, until) for each of `n` values, which split it evenly.
[[nodiscard]] std::vector<Placed> split(const Placed& placed, std::size_t n);

}  // namespace vpp::bidding::openadr
