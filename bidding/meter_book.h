// What the homes drew from the grid, quarter by quarter, and what they would have drawn without an
// order. Pure: a fold over facts, as the rest of what a bidder knows.
//
// Metered     the sum over the homes whose meter is known; the others are in no number here, and
//             nothing is scaled up to them. Every quarter says how many of how many those were.
// Known       of a quarter, the time between readings that are at most kReadingHolds apart. Only a
//             quarter that is known from begin to end has an energy to compare with: a restart
//             leaves the one that it fell into unknown.
// Compared    with a quarter are those only in which as many homes were metered, a tenth more or
//             less: half a fleet that was out of contact is no day on which little was drawn.
// Events      days on which an order was in force, as far as this node knew it.
// Baseline    by baseline.h, by the clock of a time zone; adjusted by the same day where that is
//             known, else as it is. An event over midnight is one of each day.
// Units       joules, from the grid > 0. Bounded by kMeterKept.
// Cost        a sample is a constant; a baseline walks the quarters of its look-back.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "bidding/facts.h"
#include "bidding/gate_calendar.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

/// What is known at a moment; it holds until the next one.
struct MeterSample {
  MarketTime at{};
  std::optional<Watts> drawn = {};  ///< nothing: no home's meter is known
  std::uint32_t metered = 0;        ///< homes
  std::uint32_t enrolled = 0;       ///< likewise, with a meter or without
  bool ordered = false;             ///< an order is in force
};

class MeterBook {
 public:
  static constexpr Duration kReadingHolds = std::chrono::minutes{5};

  explicit MeterBook(const std::vector<Fact>& facts = {});

  /// Samples in the order of time; what is older than the newest is ignored. Gives the quarter that
  /// is over with this one, as a fact to be recorded; nothing: none is, or nothing of it is known.
  [[nodiscard]] std::optional<HomesMetered> add(const MeterSample& sample);

  /// By begin.
  [[nodiscard]] const std::map<MarketTime, HomesMetered>& quarters() const { return quarters_; }

 private:
  /// Sums over the time that is known, to be divided by it.
  struct Open {
    MarketTime from{};
    std::int64_t known_ms = 0;
    std::int64_t drawn = 0;
    std::int64_t metered = 0;
    std::int64_t enrolled = 0;
    bool ordered = false;
  };

  void credit(const MeterSample& sample, MarketTime from, MarketTime until);
  [[nodiscard]] std::optional<HomesMetered> close();
  void keep(const HomesMetered& quarter);

  std::map<MarketTime, HomesMetered> quarters_;
  std::optional<MeterSample> last_;
  Open open_;
};

[[nodiscard]] bool is_known(const HomesMetered& quarter);
/// Known, and of as many homes.
[[nodiscard]] bool is_comparable(const HomesMetered& quarter, const HomesMetered& with);

struct BaselineQuarter {
  MarketTime from{};
  std::optional<Joules> usual;    ///< without an order
  bool adjusted = false;          ///< by what the same day drew before
  std::optional<Joules> metered;  ///< what it was
};

struct HomesBaseline {
  std::vector<BaselineQuarter> quarters;  ///< that have any part in what was asked, all of them
  std::int32_t days = 0;                  ///< the fewest that it rests on
  std::int32_t metered_permille = 0;      ///< of the homes
};

/// [from, until)
struct TimeSpan {
  MarketTime from{};
  MarketTime until{};
};

inline constexpr Duration kWantedMost = std::chrono::days{7};

/// For the quarters of `wanted`, kWantedMost at most, that are of the event.
[[nodiscard]] HomesBaseline homes_baseline(const MeterBook& book, const Zone& zone,
                                           const TimeSpan& event, const TimeSpan& wanted);

/// The same of one settled order, as the fact that is recorded of it.
[[nodiscard]] BaselineKnown baseline_known(const std::string& key, const MeterBook& book,
                                           const Zone& zone, const TimeSpan& order);

}  // namespace vpp::bidding
