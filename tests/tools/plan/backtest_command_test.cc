#include "tools/vppctl/backtest_command.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tools/vppctl/backtest_bids.h"
#include "tools/vppctl/backtest_input.h"

namespace vpp::ctl {
namespace {

using Json = nlohmann::ordered_json;

struct PriceFiles {
  std::filesystem::path directory;
  PriceFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "vpp-backtest-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~PriceFiles() { std::filesystem::remove_all(directory); }
  PriceFiles(const PriceFiles&) = delete;
  PriceFiles& operator=(const PriceFiles&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const {
    return (directory / name).string();
  }
  [[nodiscard]] std::string write(const std::string& text) const {
    std::ofstream{path("prices.csv"), std::ios::binary} << text;
    return path("prices.csv");
  }
};

std::string text_of(const std::string& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// A line for the hour so many hours after 2020-01-01.
std::string stamp(int hour) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1} +
                                         std::chrono::days{hour / 24}};
  std::string out(19, ' ');
  (void)std::snprintf(out.data(), out.size() + 1, "%04d-%02u-%02u %02d:00:00",
                      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                      static_cast<unsigned>(date.day()), hour % 24);
  return out;
}

/// Prices that follow the hour and a load.
std::vector<std::string> lines(int days, int series = 1) {
  std::vector<std::string> out;
  std::string header = "time_local_market,price_per_mwh";
  for (int i = 1; i <= series; ++i) header += ",exogenous_" + std::to_string(i);
  out.push_back(header);
  for (int hour = 0; hour < days * 24; ++hour) {
    const int load = (hour / 24 * 37 + hour % 24 * 5) % 41;
    std::string line = stamp(hour) + "," + std::to_string(30 + hour % 24 + load + hour % 7);
    for (int i = 0; i < series; ++i) line += "," + std::to_string(1000 + load * (i + 1));
    out.push_back(line);
  }
  return out;
}

std::string joined(const std::vector<std::string>& rows) {
  std::string out;
  for (const auto& row : rows) out += row + "\n";
  return out;
}

struct Result {
  int code;
  std::string out;
  std::string err;
};

Result test_file(const std::string& text, BacktestForecastArguments arguments) {
  const PriceFiles files;
  std::ostringstream out;
  std::ostringstream err;
  arguments.prices = files.write(text);
  const int code = run_backtest_forecast(arguments, out, err);
  return {code, out.str(), err.str()};
}

BacktestForecastArguments last_hours(std::size_t test_hours) {
  BacktestForecastArguments out;
  out.test_hours = test_hours;
  out.json = true;
  return out;
}

/// What is wrong with a file.
std::string refusal(const std::string& text) {
  const Result result = test_file(text, last_hours(24));
  REQUIRE(result.code == 2);
  REQUIRE(result.out.empty());
  return result.err;
}

BacktestInput input_of(const std::string& text) {
  const PriceFiles files;
  const auto input = read_backtest_input(files.write(text));
  REQUIRE(input.has_value());
  return *input;
}

}  // namespace

TEST_CASE("a back-test tells errors, quantiles and what it tested, as JSON and for people") {
  for (const int series : {0, 1, 3}) {
    const Result result = test_file(joined(lines(80, series)), last_hours(48));
    REQUIRE(result.code == 0);
    const Json document = Json::parse(result.out);
    REQUIRE(document["hours_tested"] == 48);
    REQUIRE(document["hours_left_out"] == 0);
    REQUIRE(document["hours_with_quantiles"] == 48);
    REQUIRE(document["mae"] > 0.0);
    if (series > 0) REQUIRE(document["rmae"] < 0.5);
    REQUIRE(document["pinball"] < document["mae"]);
    for (const auto& [nominal, share] : document["coverage"].items()) {
      REQUIRE(share >= 0.0);
      REQUIRE(share <= 1.0);
    }
    REQUIRE(document["time_per_day_ms"] > 0.0);
    REQUIRE(result.err.find("days") != std::string::npos);
  }
  BacktestForecastArguments for_people = last_hours(24);
  for_people.json = false;
  const Result table = test_file(joined(lines(80)), for_people);
  REQUIRE(table.code == 0);
  REQUIRE(table.out.find("HOURS TESTED    24") != std::string::npos);
}

TEST_CASE("a back-test leaves its forecasts and a plot") {
  const PriceFiles files;
  std::ostringstream out;
  std::ostringstream err;
  BacktestForecastArguments arguments = last_hours(24);
  arguments.prices = files.write(joined(lines(60)));
  arguments.out = files.path("out.csv");
  arguments.plot = files.path("out.svg");
  REQUIRE(run_backtest_forecast(arguments, out, err) == 0);
  const std::string csv = text_of(arguments.out);
  REQUIRE(std::count(csv.begin(), csv.end(), '\n') == 25);
  REQUIRE(csv.find("\n2020-02-29 23:00:00,") != std::string::npos);
  REQUIRE(text_of(arguments.plot).find("<svg") == 0);
  arguments.out = files.path("absent/out.csv");
  REQUIRE(run_backtest_forecast(arguments, out, err) == 1);
  REQUIRE(err.str().find("cannot be written") != std::string::npos);
}

TEST_CASE("hours that are missing, empty, not finite, absurd or twice are unknown, and told") {
  const auto with = [](const std::function<void(std::vector<std::string>&)>& change) {
    auto rows = lines(60);
    change(rows);
    return joined(rows);
  };
  const auto price = [&](const std::string& value) {
    return with(
        [&](auto& rows) { rows[1 + 24 * 58 + 3] = stamp(24 * 58 + 3) + "," + value + ",1000"; });
  };
  for (const auto* value : {"", "NaN", "nan", "inf", "-inf", "1e300", "1e999", "250000", "NA"}) {
    const Result result = test_file(price(value), last_hours(48));
    REQUIRE(result.code == 0);
    const Json document = Json::parse(result.out);
    REQUIRE(document["hours_left_out"] == 25);  // it, and the day after, which would need it
    REQUIRE(document["hours_tested"] == 23);
    REQUIRE(result.err.find("prices.csv:1397: price_per_mwh is") != std::string::npos);
  }
  const Result gap = test_file(with([](auto& rows) { rows.erase(rows.begin() + 1 + 24 * 58 + 3); }),
                               last_hours(71));
  REQUIRE(Json::parse(gap.out)["hours_tested"] == 24);  // its day lacks a series, the next a price
  REQUIRE(gap.err.find("missing") != std::string::npos);
  const Result twice =
      test_file(with([](auto& rows) {
                  rows.insert(rows.begin() + 1 + 24 * 58 + 3, stamp(24 * 58 + 2) + ",7,7");
                }),
                last_hours(72));
  REQUIRE(Json::parse(twice.out)["hours_tested"] == 24);
  REQUIRE(twice.err.find("twice, with other values") != std::string::npos);
  const Result same = test_file(with([](auto& rows) {
                                  const auto row = rows[1 + 24 * 58 + 3];
                                  rows.insert(rows.begin() + 1 + 24 * 58 + 3, row);
                                }),
                                last_hours(48));
  REQUIRE(Json::parse(same.out)["hours_tested"] == 48);
}

TEST_CASE(
    "an hour that the clock skips in spring is no gap, and one that it doubles is tested "
    "twice") {
  auto rows = lines(310);
  const auto spring = std::size_t{1 + 24 * 88 + 2};   // 2020-03-29 02:00
  const auto autumn = std::size_t{1 + 24 * 298 + 2};  // 2020-10-25 02:00
  REQUIRE(rows[spring].starts_with("2020-03-29 02"));
  REQUIRE(rows[autumn].starts_with("2020-10-25 02"));
  rows[autumn] = "2020-10-25 02:00:00,10,1000";
  rows.insert(rows.begin() + autumn + 1, "2020-10-25 02:00:00,20,1010");
  rows[spring - 1] = "2020-03-29 01:00:00,10,1000";
  rows[spring + 1] = "2020-03-29 03:00:00,30,1020";
  rows.erase(rows.begin() + spring);
  const BacktestInput input = input_of(joined(rows));
  REQUIRE(input.warnings.empty());
  REQUIRE(input.hours.size() == std::size_t{310 * 24});
  REQUIRE(input.market.days[88].price[2] == 20);
  REQUIRE(input.market.days[298].price[2] == 15);
  REQUIRE(input.market.days[298].exogenous[0][2] == 1005);
  REQUIRE(input.hours[autumn - 2].price == 10);
  REQUIRE(input.hours[autumn - 1].price == 20);
  REQUIRE(input.hours[autumn - 1].hour == 2);
}

TEST_CASE("a file that is none is refused with place, cause and hint") {
  const std::string head = "time_local_market,price_per_mwh\n";
  REQUIRE(refusal("").find("prices.csv:1:1:") != std::string::npos);
  REQUIRE(refusal(head).find("no hour in the file") != std::string::npos);
  REQUIRE(refusal("time,price_per_mwh\n").find("no column 'time_local_market'") !=
          std::string::npos);
  REQUIRE(refusal(head + "2020-01-01 00:00:00,dear\n").find(":2:21: price_per_mwh 'dear'") !=
          std::string::npos);
  REQUIRE(refusal(head + "2020-01-01 00:30:00,1\n")
              .find(":2:1: time '2020-01-01 00:30:00' is not "
                    "a full hour") != std::string::npos);
  REQUIRE(refusal(head + "2020-02-30 00:00:00,1\n").find("not on the calendar") !=
          std::string::npos);
  REQUIRE(refusal(head + "01.02.2020 00:00,1\n").find("is not of the form") != std::string::npos);
  REQUIRE(refusal(head + "2020-01-01 00:00:00+01:00,1\n").find("is not of the form") !=
          std::string::npos);
  REQUIRE(refusal(head + "2020-01-02 00:00:00,1\n2020-01-01 00:00:00,1\n")
              .find(":3:1: time goes back; hint: sort") != std::string::npos);
  REQUIRE(refusal(head + "2020-01-02 00:00:00,1\n2090-01-01 00:00:00,1\n")
              .find("days are missing; hint: is the year right?") != std::string::npos);
  REQUIRE(refusal(head + "2020-01-01 00:00:00,1\n").find("days must come before the test") !=
          std::string::npos);
  REQUIRE(refusal(joined(lines(30))).find("days must come before") != std::string::npos);
}

TEST_CASE("a series of which nothing is known leaves nothing to test, which is said") {
  auto rows = lines(60);
  for (std::size_t i = 1; i < rows.size(); ++i) rows[i] = rows[i].substr(0, rows[i].rfind(',') + 1);
  const Result result = test_file(joined(rows), last_hours(24));
  REQUIRE(result.code == 1);
  REQUIRE(result.err.find("no hour could be tested") != std::string::npos);
}

namespace {

/// `change` alters the arguments of a battery of 100 kW and 200 kWh over the last three days.
Result bids_on(
    const std::string& text,
    const std::function<void(BacktestBidsArguments&)>& change = [](BacktestBidsArguments&) {}) {
  const PriceFiles files;
  BacktestBidsArguments arguments{.prices = files.write(text),
                                  .power_kw = 100,
                                  .energy_kwh = 200,
                                  .test_hours = 72,
                                  .json = true};
  change(arguments);
  std::ostringstream out;
  std::ostringstream err;
  const int code = run_backtest_bids(arguments, out, err);
  return {code, out.str(), err.str()};
}

}  // namespace

TEST_CASE("a battery earns on forecasts no more than on perfect foresight") {
  const Result result = bids_on(joined(lines(80)));
  REQUIRE(result.code == 0);
  const Json document = Json::parse(result.out);
  REQUIRE(document["days_tested"] == 3);
  REQUIRE(document["days_without_forecast"] == 0);
  REQUIRE(document["revenue"] > 0.0);
  REQUIRE(document["capture"] > 0.5);
  REQUIRE(document["capture"] <= 1.0);
  const double part =
      document["revenue"].get<double>() / document["perfect_foresight"].get<double>();
  REQUIRE(document["capture"].get<double>() == Approx(part));
  REQUIRE(document["cycles"] <= document["perfect_cycles"].get<double>() + 3);
  const Result table = bids_on(joined(lines(80)), [](auto& each) { each.json = false; });
  REQUIRE(table.out.find("perfect foresight") != std::string::npos);
  const Result worn = bids_on(joined(lines(80)), [](auto& each) { each.wear_per_mwh = 99'999; });
  REQUIRE(Json::parse(worn.out)["cycles"] == 0.0);
  REQUIRE(Json::parse(worn.out)["capture"].is_null());
}

TEST_CASE(
    "a day whose prices are not all known is not traded, one without forecast earns nothing") {
  auto rows = lines(80);
  rows[1 + 24 * 78 + 5] = stamp(24 * 78 + 5) + ",,1000";
  const Json document = Json::parse(bids_on(joined(rows)).out);
  REQUIRE(document["days_left_out"] == 1);
  REQUIRE(document["days_tested"] == 2);
  REQUIRE(document["days_without_forecast"] == 1);  // the day after
}

TEST_CASE("a battery that is none is refused") {
  const auto refused = [](const std::function<void(BacktestBidsArguments&)>& change) {
    const Result result = bids_on(joined(lines(80)), change);
    REQUIRE(result.code == 2);
    REQUIRE(result.out.empty());
    return result.err;
  };
  REQUIRE(refused([](auto& each) { each.power_kw = -1; }).find("--power-kw -1") !=
          std::string::npos);
  REQUIRE(refused([](auto& each) { each.energy_kwh = std::nan(""); }).find("--energy-kwh nan") !=
          std::string::npos);
  REQUIRE(refused([](auto& each) { each.efficiency = 90; }).find("--efficiency 90") !=
          std::string::npos);
  REQUIRE(refused([](auto& each) { each.test_hours = 2'000'000; }).find("--test-hours") !=
          std::string::npos);
  REQUIRE(refused([](auto& each) { each.test_hours = 5; }).find("no whole day") !=
          std::string::npos);
}

TEST_CASE("forecasts from a file are worth what they are worth when made") {
  const PriceFiles files;
  const std::string prices = files.write(joined(lines(80)));
  std::ostringstream out;
  std::ostringstream err;
  REQUIRE(run_backtest_forecast({.prices = prices,
                                 .test_hours = 72,
                                 .out = files.path("forecasts.csv"),
                                 .plot = {},
                                 .json = true},
                                out, err) == 0);
  const auto revenue = [&](const std::string& forecasts) {
    std::ostringstream document;
    REQUIRE(run_backtest_bids({.prices = prices,
                               .power_kw = 100,
                               .energy_kwh = 200,
                               .forecasts = forecasts,
                               .test_hours = 72,
                               .json = true},
                              document, err) == 0);
    return Json::parse(document.str())["revenue"].get<double>();
  };
  REQUIRE(revenue(files.path("forecasts.csv")) == Approx(revenue("")).epsilon(1e-3));
}

TEST_CASE("the worst outcomes weigh as much as they are told to, and nothing at weight 0") {
  const PriceFiles files;
  // Two hours compete for the day's best, and the dearer of both is the less sure one.
  auto rows = lines(100);
  for (int hour = 0; hour < 100 * 24; ++hour) {
    const int luck = (hour / 24 * 29 + 7) % 31 - 15;
    const int at = hour % 24;
    const double price = at == 18 ? 104 + 4 * luck : at == 19 ? 100 : at < 6 ? 20 : 60;
    rows[static_cast<std::size_t>(hour) + 1] = stamp(hour) + "," + std::to_string(price) + ",1000";
  }
  const std::string prices = files.write(joined(rows));
  std::ostringstream err;
  // What `backtest forecast --out` would write of a forecast that is right on average.
  std::string text = "time_local_market,price_per_mwh,forecast";
  for (int i = 1; i <= 19; ++i) text += ",q" + std::to_string(5 * i);
  for (int hour = 40 * 24; hour < 100 * 24; ++hour) {
    const int at = hour % 24;
    const double forecast = at == 18 ? 104 : at == 19 ? 100 : at < 6 ? 20 : 60;
    text += "\n" + stamp(hour) + ",0," + std::to_string(forecast);
    for (int i = 1; i <= 19; ++i) {
      text += "," + std::to_string(forecast + (at == 18 ? 6 * (i - 10) : 0));
    }
  }
  std::ofstream{files.path("forecasts.csv")} << text << "\n";
  const auto earned = [&](std::optional<double> risk) {
    std::ostringstream document;
    REQUIRE(run_backtest_bids({.prices = prices,
                               .power_kw = 100,
                               .energy_kwh = 100,
                               .forecasts = files.path("forecasts.csv"),
                               .risk = risk,
                               .test_hours = 24 * 60,
                               .json = true},
                              document, err) == 0);
    return Json::parse(document.str());
  };
  const Json plain = earned(std::nullopt);
  REQUIRE(!plain.contains("risk"));
  const Json none = earned(0);
  REQUIRE(none["days_weighed"] == 60 - 28);  // what four weeks of errors come before
  REQUIRE(none["revenue"] == plain["revenue"]);
  REQUIRE(none["worst_days_mean"] == plain["worst_days_mean"]);
  const Json half = earned(0.5);
  REQUIRE(half["risk"] == 0.5);
  REQUIRE(half["revenue"] != plain["revenue"]);
  REQUIRE(earned(1)["worst_days_mean"] >= plain["worst_days_mean"]);
}

TEST_CASE("risk is weighed for one battery's schedule, on quantiles, within its bounds") {
  const auto refused = [](const std::function<void(BacktestBidsArguments&)>& change) {
    const Result result = bids_on(joined(lines(80)), [&](auto& each) {
      each.risk = 0.5;
      change(each);
    });
    REQUIRE(result.code == 2);
    return result.err;
  };
  REQUIRE(refused([](auto& each) { each.risk = 1.5; }).find("--risk 1.5: is not within 0 to 1") !=
          std::string::npos);
  REQUIRE(refused([](auto& each) { each.risk = std::nan(""); }).find("--risk nan") !=
          std::string::npos);
  REQUIRE(refused([](auto& each) { each.risk_level_pct = 0; }).find("--risk-level 0") !=
          std::string::npos);
  for (const auto& change : std::vector<std::function<void(BacktestBidsArguments&)>>{
           [](auto& each) { each.real_time = true; }, [](auto& each) { each.strategy = "curve"; },
           [](auto& each) { each.fleet = "fleet.csv"; }}) {
    REQUIRE(refused(change).find("--risk: is of one battery's schedule") != std::string::npos);
  }
  const PriceFiles files;
  REQUIRE(refused([&](auto& each) {
            each.forecasts = files.write(joined(lines(80)));
          }).find("prices.csv:1: 0 columns after the forecast") != std::string::npos);
}

TEST_CASE("a fleet earns what its batteries earn, and its earnings can be seen") {
  const PriceFiles files;
  const std::string fleet = files.path("fleet.csv");
  std::ofstream{fleet} << "id,power_w,energy_wh\na,50000,100000\nb,50000,100000\nc,0,5000\n";
  const Json one = Json::parse(bids_on(joined(lines(80))).out);
  const Json both = Json::parse(bids_on(joined(lines(80)), [&](auto& each) {
                                  each.power_kw = each.energy_kwh = 0;
                                  each.fleet = fleet;
                                  each.plot = files.path("plot.svg");
                                }).out);
  REQUIRE(both["revenue"].get<double>() == Approx(one["revenue"].get<double>()).epsilon(1e-4));
  REQUIRE(both["cycles"].get<double>() == Approx(one["cycles"].get<double>()).epsilon(1e-4));
  REQUIRE(text_of(files.path("plot.svg")).starts_with("<svg"));
  const Result bad = bids_on(joined(lines(80)), [&](auto& each) { each.fleet = fleet; });
  REQUIRE(bad.code == 2);
  REQUIRE(bad.err.find("--fleet: says power and energy itself") != std::string::npos);
}

TEST_CASE("selling hour by hour earns no more than who knows the prices") {
  for (const char* strategy : {"curve", "segment"}) {
    const Json document =
        Json::parse(bids_on(joined(lines(80)), [&](auto& each) { each.strategy = strategy; }).out);
    REQUIRE(document["capture"] > 0.5);
    REQUIRE(document["capture"] <= 1.000001);
    REQUIRE(document["cycles"] <= 3.0);
  }
  const Result bad = bids_on(joined(lines(80)), [](auto& each) { each.strategy = "luck"; });
  REQUIRE(bad.code == 2);
  REQUIRE(bad.err.find("--strategy luck") != std::string::npos);
}

namespace {

std::string half_hours(int days, bool with_gap) {
  std::string out = "period_end_nem_time,demand_mw,rrp_aud_per_mwh\n";
  for (int i = 1; i <= days * 48; ++i) {
    std::string at = stamp(i / 2);
    at[10] = 'T';
    if (i % 2 == 1) at.replace(14, 2, "30");
    const int price = 20 + (i % 48 > 34 && i % 48 < 40 ? 100 + i % 7 : i % 5);
    const bool unknown = with_gap && i % 200 == 0;
    out += at + "+10:00,1500," + (unknown ? "" : std::to_string(price)) + "\n";
  }
  return out;
}

Result real_time(const std::string& text) {
  return bids_on(text, [](auto& each) {
    each.real_time = true;
    each.test_hours = 240;
  });
}

}  // namespace

TEST_CASE("a battery earns in a market of half-hours, as far as prices are known") {
  const Json all = Json::parse(real_time(half_hours(40, false)).out);
  REQUIRE(all["strategy"] == "real-time");
  REQUIRE(all["days_tested"] == 10);
  REQUIRE(all["capture"] > 0.8);
  REQUIRE(all["capture"] <= 1.0);
  const Result gaps = real_time(half_hours(40, true));
  REQUIRE(gaps.err.find("9 intervals have no price") != std::string::npos);
  REQUIRE(Json::parse(gaps.out)["capture"] > 0.7);
}

TEST_CASE("a real-time file that cannot be read says where") {
  const auto refused = [](const std::string& text) {
    const Result result = real_time(text);
    REQUIRE(result.code == 2);
    return result.err;
  };
  REQUIRE(refused("demand_mw\n1\n").find("no column with the time") != std::string::npos);
  auto text = half_hours(40, false);
  const auto place = text.find("2020-01-01T02:00");
  REQUIRE(refused(std::string{text}.replace(place, 16, "2020-01-01T01:00"))
              .find("prices.csv:5:1: time does not rise") != std::string::npos);
  REQUIRE(refused(std::string{text}.replace(place + 19, 6, "+11:00")).find("another offset") !=
          std::string::npos);
  REQUIRE(refused(std::string{text}.replace(place + 14, 2, "10")).find("full marks") !=
          std::string::npos);
  REQUIRE(refused(half_hours(20, false)).find("nothing to test") != std::string::npos);
}

}  // namespace vpp::ctl
