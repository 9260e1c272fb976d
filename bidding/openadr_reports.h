// Reports as an event's descriptors ask for them, from what the plant measured. Pure.
//
// When       historical: at the end of the start interval, of as many intervals up to it as asked;
//            else at its begin, of as many from it on. Then again every `frequency` intervals.
// Sign       powers and energies of USAGE, DEMAND, READING and SETPOINT are consumption > 0, as
//            OpenADR has them; those of storage and of regulation are never negative.
// Baseline   of BASELINE the owner knows: what the homes would have drawn, consumption > 0. An
//            interval that its parts do not cover is missing; one that shares a part has so much of
//            it as of its time.
// Quality    every interval has a DATA_QUALITY: OK, ESTIMATED when less than 95 % of its time or of
//            the sites is known, MISSING when nothing is or the plant knows no such value, BAD when
//            the event asked for what cannot be obeyed. `confidence` is the part that is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bidding/openadr.h"
#include "bidding/openadr_intervals.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding::openadr {

/// What the plant was and could do at a time. It holds until the next one.
struct Sample {
  MarketTime at{};
  std::optional<Watts> measured = {};  ///< export > 0; nothing: nobody is measured
  Watts asked = {};                    ///< export > 0
  Joules discharge = {};               ///< that can be given
  Joules charge = {};                  ///< that can be taken
  Watts discharge_most = {};           ///< power, for a while
  Watts charge_most = {};
  std::int32_t known_permille = 0;  ///< of the sites
};

/// The newest samples; older ones are thinned out.
class History {
 public:
  static constexpr std::size_t kSamplesMost = 40'000;

  /// A sample says nothing of what is longer after it than `holds`.
  explicit History(Duration holds) : holds_{holds} {}

  void add(const Sample& sample);

  struct Mean {
    std::int64_t measured_w = 0;
    std::int64_t asked_w = 0;
    std::int64_t known_permille = 0;     ///< of time and sites
    std::int64_t measured_permille = 0;  ///< of time, that is measured
    std::optional<Sample> last;          ///< within the interval
  };
  [[nodiscard]] Mean over(MarketTime from, MarketTime until) const;

 private:
  Duration holds_;
  std::deque<Sample> samples_;
};

/// The n-th report of one descriptor.
struct Occurrence {
  std::int64_t number = 0;
  MarketTime due{};
  std::vector<Placed> intervals;
  friend bool operator==(const Occurrence&, const Occurrence&) = default;
};

inline constexpr std::size_t kReportIntervalsMost = 500;

/// Nothing: there is no such report, or it is never due.
[[nodiscard]] std::optional<Occurrence> occurrence(const Timetable& table,
                                                   const ReportDescriptor& descriptor,
                                                   std::int64_t number);

/// What would have been drawn without an event, in a part of its time.
struct BaselinePart {
  MarketTime from{};
  MarketTime until{};
  Joules energy;                   ///< drawn > 0
  std::int32_t sure_permille = 0;  ///< of the homes
  bool estimated = false;          ///< not by all of its method
};
/// Of the event's time [begins, ends) the part in [from, until): parts in the order of time, which
/// do not overlap; what is not known is not there.
struct BaselineAsked {
  MarketTime begins{};
  MarketTime ends{};
  MarketTime from{};
  MarketTime until{};
};
using BaselineSource = std::function<std::vector<BaselinePart>(const BaselineAsked&)>;

struct ReportContext {
  const Event& event;
  std::string client;
  std::string resource;
  bool refused = false;  ///< something of the event cannot be obeyed
  MarketTime begins = {};
  MarketTime ends = {};
  BaselineSource baseline = {};  ///< empty: not known
};

[[nodiscard]] Report report_of(const ReportContext& context, const ReportDescriptor& descriptor,
                               const Occurrence& occurrence, const History& history);

/// The same for the same report of the same version of an event.
[[nodiscard]] std::string report_name(const ReportContext& context,
                                      const ReportDescriptor& descriptor, std::int64_t number);

}  // namespace vpp::bidding::openadr
