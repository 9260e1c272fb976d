// vppmarket: a market to bid into, for demonstrations and tests. See docs/vppmarket.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bidding/zone_database.h"
#include "tools/market/api.h"
#include "tools/market/faults.h"
#include "tools/market/market.h"
#include "tools/market/price_file.h"
#include "tools/market/rivals_file.h"
#include "tools/market/server.h"

namespace {

using namespace vpp;
using namespace vpp::market;

constexpr int kBadInput = 2;

struct Settings {
  std::uint16_t port = 0;
  std::string prices;
  std::string rivals;
  std::string journal;
  std::string currency = "EUR";
  std::string zone;
  std::string day_ahead_prices;
  std::vector<std::string> faults;
  Format format = Format::kSegments;
  std::string anchor_utc;
  std::string anchor_market;
  Duration interval = std::chrono::minutes{15};
  Duration gate_lead = std::chrono::minutes{5};
  Duration gates_ahead = std::chrono::hours{4};
  std::int64_t speed = 1;
  std::int64_t penalty_permille = 1250;
  std::int64_t demand_w = 0;
  std::uint64_t seed = 1;
  Duration day_ahead_closes = std::chrono::hours{12};
  Duration reserve_block{0};  ///< 0: none is sold
  Duration reserve_lead = std::chrono::minutes{30};
  Duration reserve_notice = std::chrono::minutes{5};
  std::string reserve_prices;
  std::string reserve_rivals;
  std::int64_t reserve_demand_w = 0;
  std::int64_t called_permille = 100;
  bool reserve_day_ahead = false;
};

/// What is wrong, for people.
struct Refusal {
  std::string why;
};

[[nodiscard]] std::int64_t utc_now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

struct MarketTimeline {
  std::int64_t anchor_utc_ms = 0;
  MarketTime anchor_market{};
  std::int64_t speed = 1;

  [[nodiscard]] Now now() const {
    return {Instant{}, anchor_market + Duration{(utc_now_ms() - anchor_utc_ms) * speed}, speed};
  }
};

[[nodiscard]] MarketTime read_time(const std::string& option, const std::string& text) {
  const auto time = parse_time(text);
  if (!time) throw Refusal{option + ": " + time.error()};
  return *time;
}

[[nodiscard]] MarketTimeline read_timeline(const Settings& settings, const PriceSource& prices) {
  MarketTimeline timeline{utc_now_ms(), MarketTime{Duration{utc_now_ms()}}, settings.speed};
  if (!settings.anchor_utc.empty()) {
    timeline.anchor_utc_ms =
        read_time("--anchor-utc", settings.anchor_utc).time_since_epoch().count();
  }
  if (!settings.anchor_market.empty()) {
    timeline.anchor_market = read_time("--anchor-market", settings.anchor_market);
  } else if (const auto* series = std::get_if<bidding::PriceSeries>(&prices)) {
    // Early in the series, but with the week of history that a forecast needs.
    timeline.anchor_market = series->begin()->first + std::chrono::days{15};
  }
  return timeline;
}

[[nodiscard]] bidding::PriceSeries read_price_file(const std::string& option,
                                                   const std::string& path) {
  std::ifstream file{path};
  if (!file) throw Refusal{option + " " + path + ": cannot be read"};
  auto series = read_prices(file);
  if (!series) throw Refusal{option + " " + path + ": " + series.error()};
  return *std::move(series);
}

[[nodiscard]] PriceSource read_price_source(const Settings& settings) {
  if (settings.prices.empty()) return SyntheticPrices{settings.seed};
  return read_price_file("--prices", settings.prices);
}

[[nodiscard]] std::optional<DayAhead> read_day_ahead(const Settings& settings) {
  if (settings.zone.empty()) {
    if (settings.day_ahead_prices.empty()) return std::nullopt;
    throw Refusal{"--day-ahead-prices needs --day-ahead"};
  }
  auto zone = bidding::zone_named(settings.zone);
  if (!zone) throw Refusal{"--day-ahead: " + zone.error()};
  DayAhead day_ahead{.zone = *std::move(zone), .rules = DayAhead{}.rules, .prices = std::nullopt};
  day_ahead.rules.closing = bidding::ClosesDayBefore{settings.day_ahead_closes};
  if (!settings.day_ahead_prices.empty()) {
    day_ahead.prices = read_price_file("--day-ahead-prices", settings.day_ahead_prices);
  }
  return day_ahead;
}

/// "error_permille=200", each.
[[nodiscard]] Faults read_fault_options(const Settings& settings) {
  std::string json;
  for (const std::string& fault : settings.faults) {
    const std::size_t equals = std::min(fault.find('='), fault.size());
    json += (json.empty() ? "\"" : ",\"") + fault.substr(0, equals) +
            "\":" + fault.substr(std::min(equals + 1, fault.size()));
  }
  const auto faults = read_faults("{" + json + "}");
  if (!faults) throw Refusal{"--fault NAME=WHOLE-NUMBER: " + faults.error()};
  return *faults;
}

[[nodiscard]] std::vector<Offer> read_rivals_file(const std::string& option,
                                                  const std::string& path) {
  if (path.empty()) return {};
  std::ifstream file{path};
  if (!file) throw Refusal{option + " " + path + ": cannot be read"};
  auto rivals = read_rivals(file);
  if (!rivals) throw Refusal{option + " " + path + ": " + rivals.error()};
  return *std::move(rivals);
}

[[nodiscard]] std::optional<Reserve> read_reserve(const Settings& settings) {
  if (settings.reserve_block == Duration{0}) return std::nullopt;
  Reserve reserve;
  reserve.rivals = read_rivals_file("--reserve-rivals", settings.reserve_rivals);
  reserve.demand = Watts{settings.reserve_demand_w};
  reserve.called_permille = settings.called_permille;
  reserve.notice = settings.reserve_notice;
  reserve.seed = settings.seed;
  if (!reserve.rivals.empty() && reserve.demand <= Watts{0}) {
    throw Refusal{"--reserve-rivals needs --reserve-demand-w"};
  }
  reserve.rules.interval = settings.reserve_block;
  reserve.rules.closing = bidding::ClosesBefore{settings.reserve_lead};
  if (settings.reserve_day_ahead) {
    const auto day_ahead = read_day_ahead(settings);
    if (!day_ahead) throw Refusal{"--reserve-day-ahead needs --day-ahead"};
    reserve.zone = day_ahead->zone;
    reserve.rules.session = bidding::Session::kDayAhead;
    reserve.rules.closing = day_ahead->rules.closing;
  }
  if (!settings.reserve_prices.empty()) {
    reserve.prices = read_price_file("--reserve-prices", settings.reserve_prices);
  }
  return reserve;
}

[[nodiscard]] MarketOptions read_market_options(const Settings& settings) {
  MarketOptions options{settings.interval,
                        settings.gate_lead,
                        settings.gates_ahead,
                        settings.penalty_permille,
                        {},
                        Watts{settings.demand_w},
                        read_day_ahead(settings),
                        settings.format,
                        read_reserve(settings)};
  options.rivals = read_rivals_file("--rivals", settings.rivals);
  if (!options.rivals.empty() && settings.demand_w <= 0) {
    throw Refusal{"--rivals needs --demand-w"};
  }
  return options;
}

/// Continues an earlier journal, so that a restarted market forgets nothing.
class Journal {
 public:
  Journal(const std::string& path, Market& market) {
    if (path.empty()) return;
    std::ifstream before{path};
    std::string line;
    for (int number = 1; std::getline(before, line); ++number) {
      // The last line may be torn by a kill; it was not answered either.
      if (!market.restore(line) && !before.eof()) {
        throw Refusal{"--journal " + path + ": line " + std::to_string(number) + " is not ours"};
      }
    }
    file_.open(path, std::ios::app);
    if (!file_) throw Refusal{"--journal " + path + ": cannot be written"};
  }

  void write(Market& market) {
    for (const std::string& line : market.take_lines()) {
      if (file_.is_open()) file_ << line << '\n' << std::flush;
    }
  }

 private:
  std::ofstream file_;
};

void add_options(CLI::App& app, Settings& settings) {
  const CLI::AsNumberWithUnit duration{
      std::map<std::string, std::int64_t>{{"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}},
      CLI::AsNumberWithUnit::UNIT_REQUIRED};
  const auto add_duration = [&](const std::string& name, Duration& target, const char* help) {
    app.add_option_function<std::int64_t>(
           name, [&target](std::int64_t ms) { target = Duration{ms}; }, help)
        ->transform(duration);
  };
  app.add_option("--port", settings.port, "port on 127.0.0.1; 0: any, READY tells it");
  app.add_option("--prices", settings.prices, "CSV with real prices; without it: synthetic");
  add_duration("--interval", settings.interval, "length of a delivery interval, e.g. 15m");
  add_duration("--gate-lead", settings.gate_lead, "bids close this long before, e.g. 5m");
  add_duration("--gates-ahead", settings.gates_ahead, "how early gates are told, e.g. 4h");
  app.add_option("--speed", settings.speed, "market seconds per second")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--anchor-utc", settings.anchor_utc, "this time of the machine (RFC 3339) ...");
  app.add_option("--anchor-market", settings.anchor_market, "... is this market time");
  app.add_option("--seed", settings.seed, "of the synthetic prices");
  app.add_option("--journal", settings.journal, "record of bids, awards, settlements; continued");
  app.add_option("--currency", settings.currency, "for people");
  app.add_option("--penalty-permille", settings.penalty_permille,
                 "charge for a shortfall, of the clearing price")
      ->check(CLI::Range(0, 100'000));
  app.add_option("--rivals", settings.rivals, "CSV bidder,power_w,price_per_mwh: merit order");
  app.add_option("--demand-w", settings.demand_w, "with --rivals: what is bought");
  app.add_option("--day-ahead", settings.zone,
                 "time zone, e.g. Europe/Berlin: the hours of a day are sold the day before, too");
  add_duration("--day-ahead-closes", settings.day_ahead_closes,
               "local time at which its bids close, e.g. 12h");
  app.add_option("--day-ahead-prices", settings.day_ahead_prices,
                 "CSV as --prices; without it the means of those");
  app.add_option("--format", settings.format, "of bids: own, caiso (a curve) or aemo (bands)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Format>{
          {"own", Format::kSegments}, {"caiso", Format::kCurve}, {"aemo", Format::kBands}}));
  add_duration("--reserve-up", settings.reserve_block,
               "sell reserve upwards in blocks so long, e.g. 1h");
  add_duration("--reserve-lead", settings.reserve_lead,
               "its bids close this long before, e.g. 30m");
  app.add_flag("--reserve-day-ahead", settings.reserve_day_ahead,
               "its bids close with those of --day-ahead");
  app.add_option("--reserve-prices", settings.reserve_prices,
                 "CSV as --prices, per MW and hour; without it: synthetic");
  app.add_option("--reserve-rivals", settings.reserve_rivals, "CSV as --rivals");
  app.add_option("--reserve-demand-w", settings.reserve_demand_w, "with --reserve-rivals");
  app.add_option("--called-permille", settings.called_permille,
                 "of reserve, what is called on the average")
      ->check(CLI::Range(0, 1000));
  add_duration("--reserve-notice", settings.reserve_notice,
               "a call is told this long before it begins, e.g. 5m");
  app.add_option("--fault", settings.faults, "NAME=NUMBER, also again and again: see the manual")
      ->allow_extra_args(false);
}

void check(const Settings& settings) {
  if (settings.interval < std::chrono::minutes{1} || settings.interval > std::chrono::hours{24}) {
    throw Refusal{"--interval is 1m to 24h"};
  }
  if (settings.gate_lead < Duration{0} || settings.gates_ahead > std::chrono::hours{48} ||
      settings.gate_lead >= settings.gates_ahead) {
    throw Refusal{"--gate-lead is shorter than --gates-ahead, which is at most 48h"};
  }
  if (settings.reserve_block != Duration{0}) {
    if (settings.reserve_block < std::chrono::minutes{2} ||
        settings.reserve_block > std::chrono::hours{24}) {
      throw Refusal{"--reserve-up is 2m to 24h"};
    }
    if (settings.reserve_lead < Duration{0} || settings.reserve_lead >= settings.gates_ahead) {
      throw Refusal{"--reserve-lead is shorter than --gates-ahead"};
    }
    if (settings.format != Format::kSegments) {
      throw Refusal{"--reserve-up needs --format own"};
    }
  }
  if (settings.day_ahead_closes < Duration{0} ||
      settings.day_ahead_closes >= std::chrono::hours{24}) {
    throw Refusal{"--day-ahead-closes is a time of the day: 0s to below 24h"};
  }
}

void run(const Settings& settings) {
  check(settings);
  PriceSource prices = read_price_source(settings);
  const MarketTimeline timeline = read_timeline(settings, prices);
  Market market{read_market_options(settings), std::move(prices)};
  Journal journal{settings.journal, market};
  FaultyMarket faulty{market, read_fault_options(settings), settings.seed};
  serve({settings.port,
         [](std::uint16_t port) { std::cout << "READY http://127.0.0.1:" << port << std::endl; },
         [&](const Request& request) {
           Reply reply = faulty.answer({timeline.now(), settings.currency}, request);
           journal.write(market);  // before the answer leaves
           return reply;
         },
         [&] {
           market.advance(timeline.now().market);
           journal.write(market);
         }});
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A market that replays prices, takes bids, clears, awards and settles."};
  Settings settings;
  add_options(app, settings);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadInput;
  }
  try {
    run(settings);
  } catch (const Refusal& refusal) {
    std::cerr << "vppmarket: " << refusal.why << '\n';
    return kBadInput;
  } catch (const std::exception& error) {
    std::cerr << "vppmarket: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
