// What a home that follows value signals would have paid on its own, pays, and is paid: settled
// slot by slot from what its meter said. Pure.
//
// Alone      is a home beside it with the same load and the same kind of battery, which makes the
//            best plan for itself at the beginning of every slot and knows of no signal. It goes on
//            from slot to slot with what its battery would hold.
// Settled    is a slot that was watched nearly whole and in which no order moved the battery; after
//            any other, the home alone begins anew with what is in the real battery.
// Price      of a slot is the newest value signal's at its end.
#pragma once

#include <optional>

#include "config/time.h"
#include "daemon/node/values.h"
#include "device/home_plan.h"

namespace vpp::node {

class ValueBooks {
 public:
  explicit ValueBooks(const ValueAccount& recovered) : account_{recovered} {}

  /// A slot begins, the first of `home`, with what is in its battery now.
  void begin(const device::Home& home);
  /// One reading: the net load without the battery, and all that is drawn.
  void watch(MarketTime at, Watts load, Watts drawn, Duration vouched);
  /// Somebody else moves the battery in this slot.
  void disturb() { disturbed_ = true; }
  /// The slot is over; `stored` is in the battery now. True: it was settled.
  bool end(Joules stored, Price value);
  /// No slot goes on, and the home alone is forgotten.
  void stop() {
    slot_.reset();
    shadow_.reset();
  }

  [[nodiscard]] const ValueAccount& account() const { return account_; }

 private:
  struct Slot {
    MarketTime from{};
    Duration length{0};
    device::HomeSlot prices;
    Price stored_value;
    Joules stored;        ///< when it began
    Joules alone_before;  ///< of the home alone
    Joules alone_after;
    Watts alone_charges;
    Duration watched{0};
    std::int64_t load_watt_ms = 0;
    std::int64_t drawn_watt_ms = 0;
  };
  struct Last {
    MarketTime at{};
    Watts load;
    Watts drawn;
  };

  ValueAccount account_;
  std::optional<Slot> slot_;
  std::optional<Joules> shadow_;  ///< in the battery of the home alone
  std::optional<Last> last_;
  bool disturbed_ = false;
};

}  // namespace vpp::node
