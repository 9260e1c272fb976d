#include "bidding/fact_json.h"

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;

namespace {

/// Values at the ends of their range as often as others.
struct Maker {
  Rng rng;

  std::int64_t whole() {
    constexpr std::array<std::int64_t, 5> kEdges{0, 1, -1, INT64_MAX, INT64_MIN};
    return rng.below(2) == 0 ? kEdges.at(rng.below(kEdges.size()))
                             : static_cast<std::int64_t>(rng.next());
  }
  std::string text() {
    std::string text;
    for (auto length = rng.below(20); length > 0; --length) {
      text += static_cast<char>(rng.below(0x7f) + 1);
    }
    return text + (rng.below(2) == 0 ? "\"\\\n\t€" : "");
  }
  MarketTime time() { return MarketTime{Duration{whole()}}; }
  Session session() { return static_cast<Session>(rng.below(2)); }
  Product product() { return static_cast<Product>(rng.below(3)); }
  Gate gate() { return {time(), time(), time(), session(), product()}; }
  Bid bid() {
    Bid bid{text(), gate(), {}};
    for (auto n = rng.below(4); n > 0; --n) {
      bid.segments.push_back({Watts{whole()}, Price{whole()}});
    }
    return bid;
  }
  std::vector<PricePoint> prices() {
    std::vector<PricePoint> prices;
    for (auto n = rng.below(4); n > 0; --n) {
      prices.push_back({time(), time(), Price{whole()}, session(), product()});
    }
    return prices;
  }
  std::vector<Commitment> commitments() {
    std::vector<Commitment> all;
    for (auto n = rng.below(4); n > 0; --n) all.push_back({Watts{whole()}, time(), time()});
    return all;
  }
  ForecastKnown foreseen() {
    ForecastKnown known{{rng.next()}, text(), text(), time(), {}};
    for (auto n = 1 + rng.below(kForecastHours); n > 0; --n) {
      ForecastHour& hour = known.hours.emplace_back();
      hour.price = Price{static_cast<std::int64_t>(rng.below(2'000)) - 1'000};
      if (rng.below(2) == 0) hour.quantiles.assign(kForecastQuantiles, hour.price);
    }
    return known;
  }
  Fact fact() { return {what(), time()}; }
  decltype(Fact::what) what() {
    switch (rng.below(std::variant_size_v<decltype(Fact::what)>)) {
      case 0:
        return PricesKnown{prices()};
      case 1:
        return BidDecided{.bid = bid(),
                          .forecast = prices(),
                          .firm_curve = {Joules{whole()}, Joules{whole()}},
                          .firm_permille = static_cast<std::int32_t>(rng.below(1001)),
                          .committed = commitments(),
                          .price_min = {whole()},
                          .horizon = Duration{whole()},
                          .strategy = static_cast<BidStrategy>(rng.below(2)),
                          .called_permille = static_cast<std::int32_t>(rng.below(1001)),
                          .by_operator = rng.below(2) == 0,
                          .model = text(),
                          .foreseen = {rng.next()},
                          .optimiser = text(),
                          .advised = {rng.next()}};
      case 2:
        return BidAcknowledged{text(), rng.below(2) == 0, text()};
      case 3:
        return AwardKnown{{text(), gate(), Watts{whole()}, Price{whole()}}};
      case 4:
        return OrderScheduled{text(), OrderId{rng.next()}};
      case 5:
        return DeliveryMeasured{
            {text(), gate(), Joules{whole()}}, static_cast<std::uint32_t>(rng.next()), UINT32_MAX};
      case 6:
        return SettlementKnown{{text(), Joules{whole()}, Joules{whole()}, Amount{whole()},
                                Amount{whole()}, Amount{whole()}}};
      case 7:
        return BidAdopted{bid()};
      case 8:
        return GatePassed{text(), gate(), text()};
      case 9:
        return Disagreement{text(), text(), whole(), whole()};
      case 10:
        return OwnersCredited{text(), OrderId{rng.next()}, {whole()}, {whole()}, {whole()}};
      case 11:
        return WithdrawalAsked{text()};
      case 12:
        return WithdrawalKnown{text(), rng.below(2) == 0, text()};
      case 13:
        return CallKnown{{text(), Watts{whole()}, time(), time()}};
      case 14:
        return HomesMetered{MarketTime{kMeterQuarter * static_cast<std::int64_t>(rng.below(9'999))},
                            Joules{static_cast<std::int64_t>(rng.below(2'000)) - 1'000},
                            Duration{rng.below(900'001)},
                            static_cast<std::uint32_t>(rng.next()),
                            UINT32_MAX,
                            rng.below(2) == 0};
      case 15: {
        const auto energy = [&] {
          return rng.below(2) == 0 ? std::optional{Joules{whole()}} : std::nullopt;
        };
        return BaselineKnown{text(),   9,        rng.below(2) == 0, 700,
                             energy(), energy(), energy(),          text()};
      }
      case 16:
        return BidAdvised{text(), gate(), {rng.next()},   text(),
                          text(), text(), bid().segments, text()};
      default:
        return foreseen();
    }
  }
};

}  // namespace

TEST_CASE("every fact comes back from its text", "[bidding][journal]") {
  Maker maker{Rng{GENERATE(range(1U, 100U))}};
  for (int i = 0; i < 20; ++i) {
    const Fact fact = maker.fact();
    const std::string text = to_json(fact);
    CAPTURE(text);
    const auto back = fact_from_json(text);
    REQUIRE(back.has_value());
    CHECK(*back == fact);
    CHECK(text.find('\n') == std::string::npos);
  }
}

TEST_CASE("what a later version adds is ignored", "[bidding][journal]") {
  const auto fact = fact_from_json(
      R"({"kind":"order_scheduled","key":"bid-1","order":"18446744073709551615","new":[1,{}]})");
  REQUIRE(fact.has_value());
  CHECK(*fact == Fact{OrderScheduled{"bid-1", OrderId{UINT64_MAX}}});
}

TEST_CASE("facts of versions that did not record a time or a decision's input are read",
          "[bidding][journal]") {
  const auto fact = fact_from_json(
      R"({"kind":"bid_decided","forecast":[],"firm_curve_j":[7],)"
      R"("bid":{"key":"k","segments":[],"gate":{"from_ms":1,"until_ms":2,"closes_ms":0}}})");
  REQUIRE(fact.has_value());
  CHECK(fact->at == MarketTime{});
  CHECK(as<BidDecided>(*fact)->firm_permille == 0);
}

TEST_CASE("a fact that is not whole is refused with its reason", "[bidding][journal]") {
  const auto [text, why] = GENERATE(table<std::string, std::string>({
      {"", "not JSON"},
      {"{\"kind\":\"bid_ackno", "not JSON"},
      {"[]", "not an object"},
      {"{}", "kind is missing"},
      {R"({"kind":"from_the_future"})", "unknown kind"},
      {R"({"kind":"bid_acknowledged","key":"a","accepted":1,"why":""})", "accepted"},
      {R"({"kind":"bid_acknowledged","accepted":true,"why":""})", "key is missing"},
      {R"({"kind":"bid_acknowledged","key":7,"accepted":true,"why":""})", "key is not a text"},
      {R"({"kind":"order_scheduled","key":"a","order":"-1"})", "order"},
      {R"({"kind":"order_scheduled","key":"a","order":"1 "})", "order"},
      {R"({"kind":"prices_known","prices":{}})", "prices is not a list"},
      {R"({"kind":"prices_known","prices":[1]})", "from_ms"},
      {R"({"kind":"prices_known","prices":[{"from_ms":1.5,"until_ms":2,"price_micro_per_mwh":1}]})",
       "from_ms is not a whole number"},
      {R"({"kind":"prices_known","prices":[{"from_ms":18446744073709551615}]})",
       "from_ms is not a whole number"},
      {R"({"kind":"award_known","award":[]})", "award is not an object"},
      {R"({"kind":"bid_decided","at_ms":1,"forecast":[],"firm_curve_j":[18446744073709551615],)"
       R"("bid":{"key":"k","segments":[],"gate":{"from_ms":1,"until_ms":2,"closes_ms":0}}})",
       "an energy is not a whole number"},
  }));
  CAPTURE(text);
  const auto fact = fact_from_json(text);
  REQUIRE_FALSE(fact.has_value());
  CHECK_THAT(fact.error(), Catch::Contains(why));
}

TEST_CASE("cut or garbled text never gets through as another fact", "[bidding][journal]") {
  Maker maker{Rng{GENERATE(range(1U, 40U))}};
  const std::string text = to_json(maker.fact());
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    CHECK_FALSE(fact_from_json(text.substr(0, cut)).has_value());
  }
}
