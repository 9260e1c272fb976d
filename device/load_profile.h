// What a site or a group draws at each time of the day, learned from its meters. Pure.
//
// A slot's mean over the days seen, the newest of kDays weighing most: what the same quarter of an
// hour will bring tomorrow. A slot that was not watched for four fifths of its time teaches
// nothing, and one that was never learned is unknown.
//
// Units      watts, load less PV, > 0 when drawn from the grid; market time, days of UTC.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "config/time.h"
#include "config/units.h"

namespace vpp::device {

class LoadProfile {
 public:
  static constexpr std::chrono::minutes kSlot{15};
  static constexpr std::size_t kSlots = std::chrono::days{1} / kSlot;
  static constexpr std::int64_t kDays = 7;
  struct Slot {
    Watts mean;
    std::int64_t days = 0;  ///< at most kDays; 0: unknown
    friend bool operator==(const Slot&, const Slot&) = default;
  };
  using Slots = std::array<Slot, kSlots>;

  LoadProfile() = default;
  explicit LoadProfile(const Slots& learned) : slots_{learned} {}

  /// A reading; it holds since the one before, unless that is `vouched` or more ago. True: a slot
  /// was learned.
  bool add(MarketTime at, Watts load, Duration vouched);

  /// Nothing: not learned yet.
  [[nodiscard]] std::optional<Watts> at(MarketTime at) const;
  /// The mean over `length` > 0 from `from` on. Nothing: a part of it was not learned yet.
  [[nodiscard]] std::optional<Watts> mean(MarketTime from, Duration length) const;
  [[nodiscard]] const Slots& slots() const { return slots_; }
  [[nodiscard]] std::size_t learned() const;  ///< how many

 private:
  void watched(MarketTime from, MarketTime until, Watts load);
  bool close();

  struct Last {
    MarketTime at{};
    Watts load;
  };
  Slots slots_{};
  std::optional<Last> last_;
  std::int64_t open_ = 0;    ///< number of the slot being watched, since 1970
  Duration seen_{0};         ///< of it
  std::int64_t energy_ = 0;  ///< in it: watts * milliseconds
};

}  // namespace vpp::device
