// How often one site, or one uplink, does what it is asked: a Beta posterior, learned event by
// event. An event is one order for a site, one look for an uplink.
//
//   rate = (prior kept + sum of delivered / asked) / (prior events + events)
//
// Units      events in thousandths; a part of an event is delivered over asked, rounded down.
// Exactness  whole numbers: the same events in the same order give the same rate everywhere. A rate
//            is rounded down: never more is promised for it.
// Invariant  0 < rate < 1: nobody is certain, and nobody is given up for good.
// Memory     of `Prior::memory` events at most: then each new one pushes that part of the old ones
//            out, so that a rate follows a site that changes.
#pragma once

#include <cstdint>
#include <optional>

#include "config/units.h"

namespace vpp::aggregation {

/// A probability in millionths, from 0 to kCertain.
using PerMillion = Quantity<struct PerMillionTag>;
inline constexpr PerMillion kCertain{1'000'000};

class ResponseRate {
 public:
  /// What is expected before the first event, as if so many had been seen.
  struct Prior {
    std::int64_t kept = 1;      ///< events; >= 1
    std::int64_t missed = 1;    ///< events; >= 1
    std::int64_t memory = 200;  ///< events; >= kept + missed
  };
  /// A site that nobody has asked yet: nine in ten.
  static constexpr Prior kSite{9, 1, 200};
  /// An uplink that nobody has watched yet: 99 in 100.
  static constexpr Prior kUplink{99, 1, 5'000};

  explicit ResponseRate(const Prior& prior);

  /// What kept_milli() and missed_milli() gave once; nothing: they are no posterior of this prior.
  [[nodiscard]] static std::optional<ResponseRate> restored(const Prior& prior,
                                                            std::int64_t kept_milli,
                                                            std::int64_t missed_milli);

  /// One order. More than asked counts as all of it, the wrong sign as nothing; nothing asked is no
  /// event.
  void observe(Joules asked, Joules delivered);
  /// One look: there, or not.
  void observe(bool kept);

  [[nodiscard]] std::int32_t permille() const;
  [[nodiscard]] PerMillion per_million() const;
  [[nodiscard]] std::int64_t kept_milli() const { return kept_; }
  [[nodiscard]] std::int64_t missed_milli() const { return missed_; }

  friend bool operator==(const ResponseRate&, const ResponseRate&) = default;

 private:
  void add(std::int64_t kept_milli);

  std::int64_t memory_;  ///< in thousandths of an event, as the two below
  std::int64_t kept_;
  std::int64_t missed_;
};

}  // namespace vpp::aggregation
