// What the battery delivered for each order: its own account, from its own readings. Pure.
//
// Energy between two readings comes from the device's lifetime counters where both readings have
// them and they are plausible, else from the newer power reading over the interval (a set point
// changes right after a reading, so that the newer power held for the interval). Counters add up
// without drift, whatever their resolution. An interval in which an order began, ended or was
// replaced is divided by protocol time: where an order ends on that clock is settled while it runs,
// because a node's idea of market time may jump from one reading to the next. What happened while
// nothing was read is not guessed.
//
// Exactness  millijoules inside; each part of a divided interval is rounded towards zero.
#pragma once

#include <optional>
#include <vector>

#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::device {

class OrderLedger {
 public:
  OrderLedger() = default;
  /// Goes on with the accounts of an earlier life.
  explicit OrderLedger(const std::vector<OrderAccount>& recovered);

  /// From now on the battery follows this order; nothing: none. Idempotent.
  void running(const Now& now, const std::optional<SiteOrder>& order);

  /// The battery is out of sight: what follows counts for nobody until it is running() again.
  void lost_sight();

  /// A round of readings. `power_max` bounds what counters may have moved; without counters, an
  /// interval longer than `gap_max` is not guessed at.
  void measure(const Now& now, const Telemetry& telemetry, Watts power_max, Duration gap_max);

  /// As they began, newest last; of more than limits::kReceiptsOfPlant those of the highest
  /// numbers, and beside them the newest of an aggregator's own.
  [[nodiscard]] std::vector<OrderAccount> accounts() const;
  /// The same, each direction for itself; without counters an interval has one direction.
  [[nodiscard]] std::vector<FrequencyAccount> both_ways() const;

 private:
  struct Segment {
    Instant since{};
    std::optional<OrderId> order;
    Instant over{};  ///< its window ends, as last known while it ran
  };
  struct Last {
    Instant at{};
    std::optional<Joules> injected;
    std::optional<Joules> absorbed;
  };
  struct Flow {  ///< both >= 0
    std::int64_t out_mj = 0;
    std::int64_t in_mj = 0;
    static Flow of(std::int64_t net_mj) { return net_mj < 0 ? Flow{0, -net_mj} : Flow{net_mj, 0}; }
  };
  struct Account {
    OrderId order;
    Flow flow;
  };

  [[nodiscard]] std::optional<Flow> flow_of(const Now& now, const Telemetry& telemetry,
                                            Watts power_max, Duration gap_max) const;
  void credit(OrderId order, const Flow& flow);
  void divide(Instant until, const Flow& flow);

  std::vector<Segment> segments_;  ///< since the last reading, oldest first
  std::optional<Last> last_;
  std::vector<Account> accounts_;
};

}  // namespace vpp::device
