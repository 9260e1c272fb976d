#include "bidding/openadr_meaning.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "aggregation/wide.h"
#include "config/limits.h"

namespace vpp::bidding::openadr {
namespace {

using aggregation::Int128;
template <class T>
using Read = std::expected<T, std::string>;

constexpr Price kPriceMost{1'000'000'000'000};  // a million per MWh, as in [market]
constexpr std::size_t kAlertTextMax = 200;
constexpr std::int64_t kRoundsMost = 10'000'000;

const Payload* find_payload(const Interval& interval, std::string_view type) {
  const auto it = std::ranges::find(interval.payloads, type, &Payload::type);
  return it == interval.payloads.end() ? nullptr : &*it;
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

Read<std::int64_t> number_of(const Value& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) return std::unexpected{"its value is not a number"};
  return *number;
}

Read<std::int64_t> only_number(const Payload& payload) {
  if (payload.values.size() != 1) {
    return std::unexpected{"it has " + std::to_string(payload.values.size()) +
                           " values where one counts"};
  }
  return number_of(payload.values.front());
}

/// One event's payloads, interval by interval, into a Meaning.
class Reader {
 public:
  Reader(const Event& event, const Program* program, const std::vector<Rule>& rules)
      : event_{event}, program_{program}, rules_{rules} {}

  void read(const Placed& placed);
  [[nodiscard]] Meaning take() { return std::move(out_); }

 private:
  [[nodiscard]] std::string units(std::string_view type) const;
  [[nodiscard]] Read<Watts> watts(const Payload& payload) const;
  [[nodiscard]] Read<Watts> signed_watts(const Payload& payload, const Rule& rule) const;
  [[nodiscard]] Read<Watts> level(const Payload& payload, const Rule& rule) const;
  [[nodiscard]] Read<Watts> set_point(const Interval& interval, const Payload& payload,
                                      const Rule& rule) const;
  [[nodiscard]] Read<ChargeTarget> charge(const Payload& payload) const;
  [[nodiscard]] Read<Price> price(const Value& value, const Rule& rule) const;

  Read<void> obey(const Placed& placed, const Payload& payload, const Rule& rule);
  Read<void> read_values(const Placed& placed, const Payload& payload, const Rule& rule,
                         ValueKind kind);
  Read<void> read_limit(const Placed& placed, const Payload& payload, Direction direction);
  void alert(const Placed& placed, const Payload& payload);
  void wish(const Placed& placed, const Rule& rule, Watts power,
            std::optional<ChargeTarget> target);
  void refuse(const std::string& type, const std::string& why) {
    out_.refused.try_emplace(type, why);
  }

  const Event& event_;
  const Program* program_;
  const std::vector<Rule>& rules_;
  Meaning out_;
};

std::string Reader::units(std::string_view type) const {
  const auto of = [&](const std::vector<PayloadDescriptor>& payloads) -> std::string {
    const auto it = std::ranges::find(payloads, type, &PayloadDescriptor::type);
    return it == payloads.end() ? std::string{} : upper(it->units);
  };
  std::string out = of(event_.payloads);
  if (out.empty() && program_ != nullptr) out = of(program_->payloads);
  return out;
}

Read<Watts> Reader::watts(const Payload& payload) const {
  const auto number = only_number(payload);
  if (!number) return std::unexpected{number.error()};
  const std::string unit = units(payload.type);
  Int128 micro_watts{*number};
  if (unit.empty() || unit == "KW") {
    micro_watts *= 1'000;
  } else if (unit == "MW") {
    micro_watts *= 1'000'000;
  } else if (unit != "W") {
    return std::unexpected{"its unit is " + unit + ": W, KW and MW are known"};
  }
  const Int128 out = micro_watts / kMillion;
  if (out > limits::kGroupPowerMax.count || out < -limits::kGroupPowerMax.count) {
    return std::unexpected{"its power is beyond any fleet (10 GW)"};
  }
  return Watts{static_cast<std::int64_t>(out)};
}

Read<Watts> Reader::signed_watts(const Payload& payload, const Rule& rule) const {
  auto power = watts(payload);
  if (power && rule.positive == Positive::kImport) power = -*power;
  return power;
}

Read<Watts> Reader::level(const Payload& payload, const Rule& rule) const {
  const bool alert = payload.type != "SIMPLE";
  std::int64_t level = 0;
  if (!alert) {
    const auto number = only_number(payload);
    if (!number) return std::unexpected{number.error()};
    if (*number % kMillion != 0 || *number < 0 || *number > 3 * kMillion) {
      return std::unexpected{"its level is none of 0, 1, 2, 3"};
    }
    level = *number / kMillion;
  }
  if (level >= std::ssize(rule.levels)) {
    return std::unexpected{"the config has no watts for level " + std::to_string(level)};
  }
  return rule.levels[static_cast<std::size_t>(level)];
}

/// A change is added to the set point of the same interval, by that one's own rule.
Read<Watts> Reader::set_point(const Interval& interval, const Payload& payload,
                              const Rule& rule) const {
  auto power = signed_watts(payload, rule);
  if (!power || payload.type != "DISPATCH_SETPOINT_RELATIVE") return power;
  const Payload* base = find_payload(interval, "DISPATCH_SETPOINT");
  const auto base_rule = std::ranges::find(rules_, "DISPATCH_SETPOINT", &Rule::payload);
  if (base == nullptr || base_rule == rules_.end()) return power;
  const auto from = signed_watts(*base, *base_rule);
  if (from) power = *power + *from;
  return power;
}

Read<ChargeTarget> Reader::charge(const Payload& payload) const {
  const auto number = only_number(payload);
  if (!number) return std::unexpected{number.error()};
  const std::string unit = units(payload.type);
  if (unit.empty() || unit == "PERCENT" || unit == "%") {
    if (*number < 0 || *number > 100 * kMillion) return std::unexpected{"it is not 0 to 100 %"};
    return ChargeTarget{*number / (kMillion / 10), Joules{0}};
  }
  Int128 micro_wh{*number};
  if (unit == "KWH") {
    micro_wh *= 1'000;
  } else if (unit == "MWH") {
    micro_wh *= 1'000'000;
  } else if (unit != "WH") {
    return std::unexpected{"its unit is " + unit + ": PERCENT, WH, KWH and MWH are known"};
  }
  const Int128 joules = micro_wh * kJoulesPerWattHour / kMillion;
  if (joules < 0 || joules > (Int128{1} << 50))
    return std::unexpected{"it is no energy of a fleet"};
  return ChargeTarget{-1, Joules{static_cast<std::int64_t>(joules)}};
}

Read<Price> Reader::price(const Value& value, const Rule& rule) const {
  const auto number = number_of(value);
  if (!number) return std::unexpected{number.error()};
  const std::string unit = units(rule.payload);
  Int128 out{*number};
  if (rule.payload == "GHG") {
    if (!unit.empty() && unit != "GHG" && unit != "G/KWH") {
      return std::unexpected{"its unit is " + unit + ": g/kWh is known"};
    }
    out = out * rule.per_tonne.count / (1'000 * kMillion);  // g/kWh is kg/MWh
  } else if (unit.empty() || unit == "KWH") {
    out *= 1'000;
  } else if (unit != "MWH") {
    return std::unexpected{"its unit is " + unit + ": KWH and MWH are known"};
  }
  if (out > kPriceMost.count || out < -kPriceMost.count) {
    return std::unexpected{"it is beyond a million per MWh"};
  }
  return Price{static_cast<std::int64_t>(out)};
}

void Reader::wish(const Placed& placed, const Rule& rule, Watts power,
                  std::optional<ChargeTarget> target) {
  const auto ms = [](MarketTime at) { return std::to_string(at.time_since_epoch().count()); };
  std::string what = std::to_string(power.count);
  if (target && target->permille >= 0) what = std::to_string(target->permille) + "pm";
  if (target && target->permille < 0) what = std::to_string(target->energy.count) + "J";
  const std::string key = key_prefix(event_.id) + ms(event_.modified) + "/" +
                          std::to_string(placed.interval) + "/" + std::to_string(placed.round) +
                          "/" + ms(placed.from) + "/" + what;
  out_.wishes.push_back({.key = key,
                         .event = event_.id,
                         .priority = event_.priority.value_or(kPriorityLast),
                         .modified = event_.modified,
                         .scope = rule.scope,
                         .power = power,
                         .charge = target,
                         .from = placed.from,
                         .until = placed.until});
}

Read<void> Reader::read_values(const Placed& placed, const Payload& payload, const Rule& rule,
                               ValueKind kind) {
  const std::size_t n = payload.values.size();
  if (n == 0) return std::unexpected{"it has no value"};
  if (n > 1 && placed.until == kEndOfTime) {
    return std::unexpected{"several values cannot split an interval without end"};
  }
  if (kind == ValueKind::kEmissions && rule.per_tonne == Price{0}) {
    return std::unexpected{"the config has no price of a tonne for it"};
  }
  const std::vector<Placed> parts = split(placed, n);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto value = price(payload.values[i], rule);
    if (!value) return std::unexpected{value.error()};
    out_.values.push_back({.kind = kind,
                           .priority = event_.priority.value_or(kPriorityLast),
                           .modified = event_.modified,
                           .from = parts[i].from,
                           .until = parts[i].until,
                           .price = *value});
  }
  return {};
}

Read<void> Reader::read_limit(const Placed& placed, const Payload& payload, Direction direction) {
  const auto most = watts(payload);
  if (!most) return std::unexpected{most.error()};
  if (*most < Watts{0}) return std::unexpected{"a limit is 0 or above"};
  out_.limits.push_back({direction, *most, placed.from, placed.until});
  return {};
}

void Reader::alert(const Placed& placed, const Payload& payload) {
  std::string text;
  for (const Value& value : payload.values) {
    if (const auto* said = std::get_if<std::string>(&value)) {
      text += (text.empty() ? "" : " ") + said->substr(0, kAlertTextMax);
    }
  }
  text.resize(std::min(text.size(), kAlertTextMax));
  out_.alerts.push_back({payload.type, text, placed.from, placed.until});
}

Read<void> Reader::obey(const Placed& placed, const Payload& payload, const Rule& rule) {
  const std::string& type = payload.type;
  if (type == "PRICE") return read_values(placed, payload, rule, ValueKind::kPrice);
  if (type == "EXPORT_PRICE") return read_values(placed, payload, rule, ValueKind::kExportPrice);
  if (type == "GHG") return read_values(placed, payload, rule, ValueKind::kEmissions);
  if (type == "IMPORT_CAPACITY_LIMIT") return read_limit(placed, payload, Direction::kCharge);
  if (type == "EXPORT_CAPACITY_LIMIT") return read_limit(placed, payload, Direction::kDischarge);
  if (type == "CHARGE_STATE_SETPOINT") {
    const auto target = charge(payload);
    if (!target) return std::unexpected{target.error()};
    if (placed.until == kEndOfTime)
      return std::unexpected{"its interval has no end to reach it by"};
    wish(placed, rule, Watts{0}, *target);
    return {};
  }
  const Interval& interval = event_.intervals[placed.interval];
  Read<Watts> power = std::unexpected{"this kind of payload is not known"};
  if (type == "SIMPLE" || type.starts_with("ALERT_")) {
    power = level(payload, rule);
    if (power && type == "SIMPLE" && number_of(payload.values.front()) == 0) return {};
  } else if (type == "DISPATCH_SETPOINT") {
    // Its change, if it has one that is obeyed, brings the sum.
    const bool changed =
        find_payload(interval, "DISPATCH_SETPOINT_RELATIVE") != nullptr &&
        std::ranges::find(rules_, "DISPATCH_SETPOINT_RELATIVE", &Rule::payload) != rules_.end();
    power = set_point(interval, payload, rule);
    if (power && changed) return {};
  } else if (type == "DISPATCH_SETPOINT_RELATIVE" || type == "CONTROL_SETPOINT") {
    power = set_point(interval, payload, rule);
  }
  if (!power) return std::unexpected{power.error()};
  wish(placed, rule, *power, std::nullopt);
  return {};
}

void Reader::read(const Placed& placed) {
  std::set<std::string> seen;
  for (const Payload& payload : event_.intervals[placed.interval].payloads) {
    const bool is_alert = payload.type.starts_with("ALERT_");
    if (is_alert) alert(placed, payload);
    if (!seen.insert(payload.type).second) {
      refuse(payload.type, "an interval has it twice: the first one counts");
      continue;
    }
    const auto rule = std::ranges::find(rules_, payload.type, &Rule::payload);
    const bool told_only = is_alert && (rule == rules_.end() || rule->levels.empty());
    if (told_only) continue;
    if (rule == rules_.end()) {
      refuse(payload.type, "the config has no rule for it");
      continue;
    }
    if (auto obeyed = obey(placed, payload, *rule); !obeyed) refuse(payload.type, obeyed.error());
  }
}

}  // namespace

Meaning meaning_of(const Event& event, const Program* program, const std::vector<Rule>& rules,
                   const std::vector<Placed>& placed) {
  Reader reader{event, program, rules};
  for (const Placed& each : placed) reader.read(each);
  return reader.take();
}

std::optional<Price> mean_value(const std::vector<ValueSlot>& values, MarketTime from,
                                MarketTime until) {
  std::vector<ValueSlot> best_first;
  std::set<MarketTime> bounds{from, until};  // between two of them nothing changes
  for (const ValueSlot& each : values) {
    if (each.until <= from || until <= each.from) continue;
    best_first.push_back(each);
    bounds.insert(std::max(from, each.from));
    bounds.insert(std::min(until, each.until));
  }
  std::ranges::stable_sort(best_first, {}, [](const ValueSlot& slot) {
    return std::tuple{slot.kind, slot.priority, -slot.modified.time_since_epoch().count()};
  });
  Int128 sum = 0;
  std::int64_t known_ms = 0;
  for (auto begin = bounds.begin(); std::next(begin) != bounds.end(); ++begin) {
    const auto holds = std::ranges::find_if(best_first, [&](const ValueSlot& slot) {
      return slot.from <= *begin && *begin < slot.until;
    });
    if (holds == best_first.end()) continue;
    const std::int64_t ms = (*std::next(begin) - *begin).count();
    sum += Int128{holds->price.count} * ms;
    known_ms += ms;
  }
  if (known_ms == 0) return std::nullopt;
  const Int128 half = known_ms / 2;
  return Price{static_cast<std::int64_t>((sum < 0 ? sum - half : sum + half) / known_ms)};
}

std::string key_prefix(std::string_view event) {
  return "openadr/" + std::string{event} + "/";
}

std::optional<MarketTime> seen_of_key(std::string_view key, const Event& event, Duration shift) {
  const std::string prefix = key_prefix(event.id);
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  std::array<std::int64_t, 4> parts{};  // version, interval, round, begin
  for (std::int64_t& part : parts) {
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), part);
    if (error != std::errc{} || end == key.data() + key.size() || *end != '/') return std::nullopt;
    key.remove_prefix(static_cast<std::size_t>(end - key.data()) + 1);
  }
  if (parts[0] != event.modified.time_since_epoch().count()) return std::nullopt;
  // Where that interval would be had the event been seen at the epoch: the rest is when it was. An
  // interval that does not move with it says nothing.
  const auto begin_if_seen = [&](MarketTime seen) -> std::optional<MarketTime> {
    const auto table = Timetable::make(event, {.seen = seen, .shift = shift});
    if (!table || parts[2] < 0 || parts[2] > kRoundsMost) return std::nullopt;
    const auto n = static_cast<std::size_t>(table->per_round());
    for (const Placed& each : table->from_number(parts[2] * table->per_round(), n)) {
      if (static_cast<std::int64_t>(each.interval) == parts[1]) return each.from;
    }
    return std::nullopt;
  };
  constexpr Duration kLater = std::chrono::hours{1};
  const auto at_epoch = begin_if_seen(MarketTime{});
  const auto later = begin_if_seen(MarketTime{} + kLater);
  if (!at_epoch || !later || *later - *at_epoch != kLater) return std::nullopt;
  return MarketTime{MarketClock::duration{parts[3]} - at_epoch->time_since_epoch()};
}

Watts power_for(const ChargeTarget& target, Joules discharge, Joules charge, Duration time) {
  if (time <= Duration{0}) return {};
  const Int128 all = Int128{discharge.count} + charge.count;
  const Int128 wanted = target.permille >= 0 ? all * target.permille / 1'000
                                             : std::min(Int128{target.energy.count}, all);
  const Int128 watts = (discharge.count - wanted) * 1'000 / time.count();
  const Int128 most = limits::kGroupPowerMax.count;
  return Watts{static_cast<std::int64_t>(std::clamp(watts, -most, most))};
}

}  // namespace vpp::bidding::openadr
