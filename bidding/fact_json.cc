#include "bidding/fact_json.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "bidding/baseline.h"
#include "bidding/market_json.h"

namespace vpp::bidding {
namespace {

// Names in the journal. Never change one: old journals must stay readable.
constexpr const char* kPricesKnown = "prices_known";
constexpr const char* kBidDecided = "bid_decided";
constexpr const char* kBidAcknowledged = "bid_acknowledged";
constexpr const char* kAwardKnown = "award_known";
constexpr const char* kOrderScheduled = "order_scheduled";
constexpr const char* kDeliveryMeasured = "delivery_measured";
constexpr const char* kSettlementKnown = "settlement_known";
constexpr const char* kBidAdopted = "bid_adopted";
constexpr const char* kGatePassed = "gate_passed";
constexpr const char* kDisagreement = "disagreement";
constexpr const char* kOwnersCredited = "owners_credited";
constexpr const char* kWithdrawalAsked = "withdrawal_asked";
constexpr const char* kWithdrawalKnown = "withdrawal_known";
constexpr const char* kForecastKnown = "forecast_known";
constexpr const char* kCallKnown = "call_known";
constexpr const char* kHomesMetered = "homes_metered";
constexpr const char* kBaselineKnown = "baseline_known";
constexpr const char* kBidAdvised = "bid_advised";

[[nodiscard]] Json commitments_to_json(const std::vector<Commitment>& committed) {
  Json list = Json::array();
  for (const Commitment& c : committed) {
    list.push_back({{"power_w", c.power.count},
                    {"from_ms", c.from.time_since_epoch().count()},
                    {"until_ms", c.until.time_since_epoch().count()}});
  }
  return list;
}

[[nodiscard]] Json energy_or_null(const std::optional<Joules>& energy) {
  return energy ? Json(energy->count) : Json();
}

struct Writer {
  Json operator()(const PricesKnown& fact) const {
    return {{"kind", kPricesKnown}, {"prices", to_json_list(fact.prices)}};
  }
  Json operator()(const BidDecided& fact) const {
    return {{"kind", kBidDecided},
            {"bid", to_json_value(fact.bid)},
            {"forecast", to_json_list(fact.forecast)},
            {"firm_curve_j", to_json_list(fact.firm_curve)},
            {"firm_permille", fact.firm_permille},
            {"committed", commitments_to_json(fact.committed)},
            {"price_min_micro_per_mwh", fact.price_min.count},
            {"horizon_ms", fact.horizon.count()},
            {"strategy", to_string(fact.strategy)},
            {"called_permille", fact.called_permille},
            {"by_operator", fact.by_operator},
            {"model", fact.model},
            {"foreseen_by", to_string(fact.foreseen)},
            {"optimiser", fact.optimiser},
            {"advised_by", to_string(fact.advised)}};
  }
  Json operator()(const BidAcknowledged& fact) const {
    return {{"kind", kBidAcknowledged},
            {"key", fact.key},
            {"accepted", fact.accepted},
            {"why", fact.why}};
  }
  Json operator()(const AwardKnown& fact) const {
    return {{"kind", kAwardKnown}, {"award", to_json_value(fact.award)}};
  }
  Json operator()(const OrderScheduled& fact) const {
    // As text: an order id uses all 64 bits.
    return {
        {"kind", kOrderScheduled}, {"key", fact.key}, {"order", std::to_string(fact.order.value)}};
  }
  Json operator()(const DeliveryMeasured& fact) const {
    return {{"kind", kDeliveryMeasured},
            {"delivery", to_json_value(fact.delivery)},
            {"sites_counted", fact.sites_counted},
            {"sites_enrolled", fact.sites_enrolled}};
  }
  Json operator()(const SettlementKnown& fact) const {
    return {{"kind", kSettlementKnown}, {"settlement", to_json_value(fact.settlement)}};
  }
  Json operator()(const BidAdopted& fact) const {
    return {{"kind", kBidAdopted}, {"bid", to_json_value(fact.bid)}};
  }
  Json operator()(const ForecastKnown& fact) const {
    return {{"kind", kForecastKnown},
            {"task", to_string(fact.task)},
            {"model", fact.model},
            {"worker", fact.worker},
            {"from_ms", fact.from.time_since_epoch().count()},
            {"hours", to_json_list(fact.hours)}};
  }
  Json operator()(const GatePassed& fact) const {
    return {{"kind", kGatePassed},
            {"key", fact.key},
            {"gate", to_json_value(fact.gate)},
            {"why", fact.why}};
  }
  Json operator()(const Disagreement& fact) const {
    return {{"kind", kDisagreement},
            {"key", fact.key},
            {"about", fact.about},
            {"ours", fact.ours},
            {"theirs", fact.theirs}};
  }
  Json operator()(const OwnersCredited& fact) const {
    return {{"kind", kOwnersCredited},
            {"key", fact.key},
            {"order", std::to_string(fact.order.value)},
            {"receipts_j", fact.receipts.count},
            {"per_mwh_micro", fact.per_mwh.count},
            {"paid_micro", fact.paid.count}};
  }
  Json operator()(const WithdrawalAsked& fact) const {
    return {{"kind", kWithdrawalAsked}, {"key", fact.key}};
  }
  Json operator()(const CallKnown& fact) const {
    return {{"kind", kCallKnown}, {"call", to_json_value(fact.call)}};
  }
  Json operator()(const HomesMetered& fact) const {
    return {{"kind", kHomesMetered},       {"from_ms", fact.from.time_since_epoch().count()},
            {"drawn_j", fact.drawn.count}, {"known_ms", fact.known.count()},
            {"metered", fact.metered},     {"enrolled", fact.enrolled},
            {"ordered", fact.ordered}};
  }
  Json operator()(const BaselineKnown& fact) const {
    return {{"kind", kBaselineKnown},
            {"key", fact.key},
            {"days", fact.days},
            {"adjusted", fact.adjusted},
            {"metered_permille", fact.metered_permille},
            {"usual_j", energy_or_null(fact.usual)},
            {"metered_j", energy_or_null(fact.metered)},
            {"delivered_j", energy_or_null(fact.delivered)},
            {"why", fact.why}};
  }
  Json operator()(const BidAdvised& fact) const {
    return {{"kind", kBidAdvised},
            {"key", fact.key},
            {"gate", to_json_value(fact.gate)},
            {"task", to_string(fact.task)},
            {"model", fact.model},
            {"worker", fact.worker},
            {"outlook", fact.outlook},
            {"segments", to_json_list(fact.segments)},
            {"why", fact.why}};
  }
  Json operator()(const WithdrawalKnown& fact) const {
    return {{"kind", kWithdrawalKnown},
            {"key", fact.key},
            {"withdrawn", fact.withdrawn},
            {"why", fact.why}};
  }
};

[[nodiscard]] OrderId read_order(JsonReader& reader, const Json& value) {
  const std::string text = reader.text(value, "order");
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) {
    reader.fail("order is not an order id");
  }
  return OrderId{id};
}

[[nodiscard]] BidDecided read_decided(JsonReader& reader, const Json& value) {
  BidDecided fact;
  reader.read(reader.object(value, "bid"), fact.bid);
  fact.forecast = reader.list<PricePoint>(value, "forecast");
  fact.firm_curve = reader.list<Joules>(value, "firm_curve_j");
  if (!value.contains("firm_permille")) return fact;  // as older versions wrote it
  fact.firm_permille = static_cast<std::int32_t>(reader.whole(value, "firm_permille"));
  for (const Json& item : reader.array(value, "committed")) {
    fact.committed.push_back({{reader.whole(item, "power_w")},
                              reader.time(item, "from_ms"),
                              reader.time(item, "until_ms")});
  }
  fact.price_min = {reader.whole(value, "price_min_micro_per_mwh")};
  fact.horizon = Duration{reader.whole(value, "horizon_ms")};
  if (value.contains("strategy")) {
    const auto strategy = parse_bid_strategy(reader.text(value, "strategy"));
    if (!strategy) reader.fail("strategy is unknown");
    fact.strategy = strategy.value_or(BidStrategy::kSegment);
  }
  if (value.contains("called_permille")) {
    fact.called_permille = static_cast<std::int32_t>(reader.whole(value, "called_permille"));
  }
  fact.by_operator = value.contains("by_operator") && reader.yes_or_no(value, "by_operator");
  if (!value.contains("model")) return fact;
  fact.model = reader.text(value, "model");
  fact.foreseen = reader.task(value, "foreseen_by");
  if (!value.contains("optimiser")) return fact;
  fact.optimiser = reader.text(value, "optimiser");
  fact.advised = reader.task(value, "advised_by");
  return fact;
}

[[nodiscard]] BidAdvised read_advised(JsonReader& reader, const Json& value) {
  BidAdvised fact;
  fact.key = reader.text(value, "key");
  reader.read(reader.object(value, "gate"), fact.gate);
  fact.task = reader.task(value, "task");
  fact.model = reader.text(value, "model");
  fact.worker = reader.text(value, "worker");
  fact.outlook = reader.text(value, "outlook");
  fact.segments = reader.list<BidSegment>(value, "segments");
  fact.why = reader.text(value, "why");
  return fact;
}

[[nodiscard]] DeliveryMeasured read_measured(JsonReader& reader, const Json& value) {
  DeliveryMeasured fact;
  reader.read(reader.object(value, "delivery"), fact.delivery);
  fact.sites_counted = reader.count(value, "sites_counted");
  fact.sites_enrolled = reader.count(value, "sites_enrolled");
  return fact;
}

[[nodiscard]] HomesMetered read_homes_metered(JsonReader& reader, const Json& value) {
  HomesMetered fact{.from = reader.time(value, "from_ms"),
                    .drawn = {reader.whole(value, "drawn_j")},
                    .known = Duration{reader.whole(value, "known_ms")},
                    .metered = reader.count(value, "metered"),
                    .enrolled = reader.count(value, "enrolled"),
                    .ordered = reader.yes_or_no(value, "ordered")};
  if (fact.from.time_since_epoch() % kMeterQuarter != Duration{0}) {
    reader.fail("from_ms begins no quarter of an hour");
  }
  if (fact.known < Duration{0} || fact.known > kMeterQuarter) reader.fail("known_ms is no part");
  if (fact.drawn > kMeterMax || fact.drawn < -kMeterMax) reader.fail("drawn_j is beyond any fleet");
  return fact;
}

[[nodiscard]] BaselineKnown read_baseline(JsonReader& reader, const Json& value) {
  const auto energy = [&](const char* name) -> std::optional<Joules> {
    if (!value.contains(name) || value[name].is_null()) return std::nullopt;
    return Joules{reader.whole(value, name)};
  };
  return {.key = reader.text(value, "key"),
          .days = static_cast<std::int32_t>(reader.whole(value, "days")),
          .adjusted = reader.yes_or_no(value, "adjusted"),
          .metered_permille = static_cast<std::int32_t>(reader.whole(value, "metered_permille")),
          .usual = energy("usual_j"),
          .metered = energy("metered_j"),
          .delivered = energy("delivered_j"),
          .why = reader.text(value, "why")};
}

[[nodiscard]] decltype(Fact::what) read_what(JsonReader& reader, const Json& value) {
  const std::string kind = reader.text(value, "kind");
  if (kind == kPricesKnown) return PricesKnown{reader.list<PricePoint>(value, "prices")};
  if (kind == kBidDecided) return read_decided(reader, value);
  if (kind == kBidAcknowledged) {
    return BidAcknowledged{reader.text(value, "key"), reader.yes_or_no(value, "accepted"),
                           reader.text(value, "why")};
  }
  if (kind == kAwardKnown) {
    AwardKnown fact;
    reader.read(reader.object(value, "award"), fact.award);
    return fact;
  }
  if (kind == kOrderScheduled) {
    return OrderScheduled{reader.text(value, "key"), read_order(reader, value)};
  }
  if (kind == kDeliveryMeasured) return read_measured(reader, value);
  if (kind == kSettlementKnown) {
    SettlementKnown fact;
    reader.read(reader.object(value, "settlement"), fact.settlement);
    return fact;
  }
  if (kind == kBidAdopted) {
    BidAdopted fact;
    reader.read(reader.object(value, "bid"), fact.bid);
    return fact;
  }
  if (kind == kForecastKnown) {
    ForecastKnown fact{reader.task(value, "task"), reader.text(value, "model"),
                       reader.text(value, "worker"), reader.time(value, "from_ms"),
                       reader.list<ForecastHour>(value, "hours")};
    if (const auto sound = check({fact.model, fact.hours}); !sound) reader.fail(sound.error());
    return fact;
  }
  if (kind == kGatePassed) {
    GatePassed fact;
    fact.key = reader.text(value, "key");
    reader.read(reader.object(value, "gate"), fact.gate);
    fact.why = reader.text(value, "why");
    return fact;
  }
  if (kind == kDisagreement) {
    return Disagreement{reader.text(value, "key"), reader.text(value, "about"),
                        reader.whole(value, "ours"), reader.whole(value, "theirs")};
  }
  if (kind == kOwnersCredited) {
    return OwnersCredited{reader.text(value, "key"),
                          read_order(reader, value),
                          {reader.whole(value, "receipts_j")},
                          {reader.whole(value, "per_mwh_micro")},
                          {reader.whole(value, "paid_micro")}};
  }
  if (kind == kWithdrawalAsked) return WithdrawalAsked{reader.text(value, "key")};
  if (kind == kWithdrawalKnown) {
    return WithdrawalKnown{reader.text(value, "key"), reader.yes_or_no(value, "withdrawn"),
                           reader.text(value, "why")};
  }
  if (kind == kHomesMetered) return read_homes_metered(reader, value);
  if (kind == kBaselineKnown) return read_baseline(reader, value);
  if (kind == kBidAdvised) return read_advised(reader, value);
  if (kind == kCallKnown) {
    CallKnown fact;
    reader.read(reader.object(value, "call"), fact.call);
    return fact;
  }
  reader.fail("unknown kind of fact: " + kind.substr(0, 40));
  return PricesKnown{};
}

}  // namespace

std::string to_json(const Fact& fact) {
  // A text from a market may be no UTF-8: such bytes are replaced rather than refused.
  Json value = std::visit(Writer{}, fact.what);
  if (fact.at != MarketTime{}) value["at_ms"] = fact.at.time_since_epoch().count();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::expected<Fact, std::string> fact_from_json(std::string_view text) {
  const auto value = parse_json_object(text);
  if (!value) return std::unexpected{"fact: " + value.error()};
  JsonReader reader;
  Fact fact{read_what(reader, *value), {}};
  if (value->contains("at_ms")) fact.at = reader.time(*value, "at_ms");
  if (!reader.error().empty()) return std::unexpected{"fact: " + reader.error()};
  return fact;
}

}  // namespace vpp::bidding
