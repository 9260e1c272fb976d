// What the payloads of an event ask of the plant, by rules of the config. Pure.
//
// Order      SIMPLE by the watts of its level (0 asks nothing), DISPATCH_SETPOINT and
//            CONTROL_SETPOINT in W, kW or MW; DISPATCH_SETPOINT_RELATIVE is added to the set point
//            of the same interval, or else to nothing; CHARGE_STATE_SETPOINT in percent or Wh,
//            reached by an even power by the interval's end; an ALERT_* whose rule has a level.
// Value      PRICE and EXPORT_PRICE per kWh or MWh, GHG by the rule's price of a tonne.
// Limit      IMPORT_CAPACITY_LIMIT, EXPORT_CAPACITY_LIMIT: of what the plant is asked.
// Told       every ALERT_*, with or without a rule.
// Refused    whatever else: a payload without a rule, a unit that is not known, a number out of
//            range. It has a cause, and reports say it.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bidding/openadr.h"
#include "bidding/openadr_intervals.h"
#include "config/scope.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding::openadr {

/// The sign of a positive number.
enum class Positive : std::uint8_t { kImport, kExport };

/// How one type of payload is obeyed.
struct Rule {
  std::string payload;
  Scope scope = {};
  Positive positive = Positive::kImport;  ///< the standard: set points are consumption
  std::vector<Watts> levels = {};         ///< SIMPLE: of 0, 1, 2, 3; ALERT_*: one; export > 0
  Price per_tonne = {};                   ///< GHG: of a tonne of CO2
};

/// Of what the sites can store, as they offer it.
struct ChargeTarget {
  std::int64_t permille = -1;  ///< < 0: `energy` counts
  Joules energy;
  friend bool operator==(const ChargeTarget&, const ChargeTarget&) = default;
};

/// An order that an event asks for. Of several at a time the lowest priority holds, of equal ones
/// the newer event's.
struct Wish {
  std::string key;  ///< event, version, interval, time and power: never two wishes of one key
  std::string event;
  std::int64_t priority = 0;
  MarketTime modified{};
  Scope scope = {};
  Watts power;                         ///< export > 0
  std::optional<ChargeTarget> charge;  ///< then the power follows from the plant's state
  MarketTime from{};
  MarketTime until{};
  friend bool operator==(const Wish&, const Wish&) = default;
};

enum class ValueKind : std::uint8_t { kPrice, kExportPrice, kEmissions };
struct ValueSlot {
  ValueKind kind = ValueKind::kPrice;
  std::int64_t priority = 0;
  MarketTime modified{};
  MarketTime from{};
  MarketTime until{};
  Price price;
  friend bool operator==(const ValueSlot&, const ValueSlot&) = default;
};

/// What holds in [from, until), as a mean by time over the part of it that has a value: at each
/// moment PRICE before EXPORT_PRICE before emissions, then priority, then the newer event. Nothing:
/// no part has one. Rounded to the nearest. Cost: squared in the values that overlap.
[[nodiscard]] std::optional<Price> mean_value(const std::vector<ValueSlot>& values, MarketTime from,
                                              MarketTime until);

struct CapacityLimit {
  Direction direction = Direction::kDischarge;  ///< of flow: discharge is export
  Watts most;
  MarketTime from{};
  MarketTime until{};
  friend bool operator==(const CapacityLimit&, const CapacityLimit&) = default;
};

struct Alert {
  std::string type;
  std::string text;
  MarketTime from{};
  MarketTime until{};
  friend bool operator==(const Alert&, const Alert&) = default;
};

struct Meaning {
  std::vector<Wish> wishes;
  std::vector<ValueSlot> values;
  std::vector<CapacityLimit> limits;
  std::vector<Alert> alerts;
  std::map<std::string, std::string> refused;  ///< type of payload -> why
};

/// A priority that nothing gave: below all others.
inline constexpr std::int64_t kPriorityLast = INT64_MAX;

/// Of the intervals that `placed` has. `program`: null when it is not known.
[[nodiscard]] Meaning meaning_of(const Event& event, const Program* program,
                                 const std::vector<Rule>& rules, const std::vector<Placed>& placed);

/// What wishes of the event begin with, whatever its version: "openadr/<event>/".
[[nodiscard]] std::string key_prefix(std::string_view event);
/// When an event that starts now was first seen, by the key of an order for this version of it: so
/// it keeps its place over a restart. Nothing: the key does not say.
[[nodiscard]] std::optional<MarketTime> seen_of_key(std::string_view key, const Event& event,
                                                    Duration shift);

/// The even power that reaches `target` in `time`; a plant that can still give `discharge` and take
/// `charge`.
[[nodiscard]] Watts power_for(const ChargeTarget& target, Joules discharge, Joules charge,
                              Duration time);

}  // namespace vpp::bidding::openadr
