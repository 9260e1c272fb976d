#include "tools/market/price_file.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include "tools/market/rivals_file.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::market;

namespace {

std::string why_not(const std::string& csv) {
  std::istringstream stream{csv};
  const auto prices = read_prices(stream);
  REQUIRE_FALSE(prices.has_value());
  return prices.error();
}

}  // namespace

TEST_CASE("a price is read exactly", "[market][prices]") {
  CHECK(parse_price("32.542") == Price{32'542'000});
  CHECK(parse_price("-0.5") == Price{-500'000});
  CHECK(parse_price("44") == Price{44'000'000});
  CHECK(parse_price("1.23456789") == Price{1'234'567});
  CHECK(parse_price("-1000") == Price{-1'000'000'000});
  for (const char* wrong :
       {"", "-", "x", "1.2.3", "1e3", "nan", "--1", "1 ", "99999999999999999999"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_price(wrong).has_value());
  }
}

TEST_CASE("a time is read with its offset", "[market][prices]") {
  const MarketTime noon{std::chrono::sys_days{std::chrono::year{2018} / 1 / 25}.time_since_epoch() +
                        12h};
  CHECK(parse_time("2018-01-25T12:00:00Z") == noon);
  CHECK(parse_time("2018-01-25 12:00:00") == noon);
  CHECK(parse_time("2018-01-25T22:00:00+10:00") == noon);
  CHECK(parse_time("2018-01-25T08:30:00.250-03:30") == noon + 250ms);
  CHECK(parse_time("1516881600000") == noon);
  for (const char* wrong : {"", "2018-02-30T00:00:00Z", "2018-01-25T24:00:00Z", "2018-01-25",
                            "2018-01-25T12:00:00Zx", "-1", "2018-1-25T12:00:00Z"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_time(wrong).has_value());
  }
}

TEST_CASE("a file's interval ends where its column says so", "[market][prices]") {
  std::istringstream begin{
      "time_local_market,price_per_mwh\n2018-01-01 00:00:00,10\n"
      "2018-01-01 01:00:00,20\r\n"};
  const auto hourly = read_prices(begin).value();
  CHECK(hourly.begin()->second.until - hourly.begin()->first == 1h);
  CHECK(hourly.rbegin()->second.price == Price{20'000'000});

  std::istringstream end{
      "period_end_nem_time,demand_mw,rrp_aud_per_mwh\n"
      "2008-01-01T00:30:00+10:00,1882.33,44.77\n"
      "2008-01-01T01:00:00+10:00,1790.94,41.62\n"};
  const auto half_hourly = read_prices(end).value();
  CHECK(half_hourly.begin()->first == parse_time("2007-12-31T14:00:00Z"));
  CHECK(half_hourly.begin()->second.until == parse_time("2007-12-31T14:30:00Z"));
}

TEST_CASE("a file that is no price series is refused with its line", "[market][prices]") {
  CHECK_THAT(why_not(""), Catch::StartsWith("line 1"));
  CHECK_THAT(why_not("a,b\n"), Catch::StartsWith("line 1"));
  CHECK_THAT(why_not("time_local_market,price_per_mwh\n2018-01-01 00:00:00\n"),
             Catch::StartsWith("line 2"));
  CHECK_THAT(why_not("time_local_market,price_per_mwh\n2018-01-01 00:00:00,x\n"),
             Catch::StartsWith("line 2"));
  CHECK_THAT(why_not("time_local_market,price_per_mwh\n2018-01-01 00:00:00,1\n"
                     "2018-01-01 00:00:00,1\n"),
             Catch::StartsWith("line 3"));
  CHECK_THAT(why_not("time_local_market,price_per_mwh\n2018-01-01 00:00:00,1\n"),
             Catch::Contains("fewer than two"));
}

TEST_CASE("made-up prices repeat, differ by seed and are dearer in the evening",
          "[market][prices]") {
  const auto monday = parse_time("2026-01-12T00:00:00Z").value();
  CHECK(synthetic_price(1, monday + 18h) == synthetic_price(1, monday + 18h));
  CHECK(synthetic_price(1, monday + 18h) != synthetic_price(2, monday + 18h));
  for (unsigned seed = 0; seed < 50; ++seed) {
    CHECK(synthetic_price(seed, monday + 18h) > synthetic_price(seed, monday + 3h));
    CHECK(synthetic_price(seed, monday) > Price{0});
  }
}

TEST_CASE("real series are read whole", "[market][prices][data]") {
  const auto [name, hours, step] = GENERATE(table<std::string, int, int>(
      {{"prices_day_ahead/NP.csv", 52'416, 60}, {"prices_real_time/SA1_2008.csv", 17'568, 30}}));
  std::ifstream file{std::string{VPP_SHARED_DATA} + "/" + name};
  if (!file) {
    WARN("skipped: no shared data");
    return;
  }
  const auto series = read_prices(file);
  REQUIRE(series.has_value());
  CHECK(std::ssize(*series) == hours);
  for (const auto& [from, point] : *series) {
    REQUIRE(point.until - from == std::chrono::minutes{step});
  }
}

TEST_CASE("rivals are read, or refused with their line", "[market][prices]") {
  std::istringstream good{"bidder,power_w,price_per_mwh\nA,20,50\nB,50,50.5\r\n"};
  const auto rivals = read_rivals(good).value();
  REQUIRE(rivals.size() == 2);
  CHECK(rivals[1].price == Price{50'500'000});
  for (const char* line : {"A,20", "A,0,5", "A,x,5", "A,20,x"}) {
    std::istringstream bad{std::string{"bidder,power_w,price_per_mwh\n"} + line};
    CHECK(read_rivals(bad).error().starts_with("line 2"));
  }
  std::istringstream headless{"A,20,50\n"};
  CHECK(read_rivals(headless).error().starts_with("line 1"));
}
