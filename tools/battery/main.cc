// vppbattery: simulates home batteries, each a SunSpec device on its own Modbus TCP port.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "config/rng.h"
#include "tools/battery/home_profile.h"
#include "tools/battery/modbus_server.h"
#include "tools/battery/sunspec_battery.h"

namespace vpp::battery {
namespace {

struct Options {
  std::size_t count = 1;
  std::string host = "127.0.0.1";
  int port_base = 15'020;
  std::int64_t speed = 1;
  std::uint64_t seed = 1;
  std::string fleet;
  std::string homes;
  bool idle_homes = false;
  int start_soc_pct = -1;
  std::string start;
  std::string accounts;
  std::string unresponsive;
  std::string stale_soc;
  std::string zero_soc;
  std::string meter_mute;
  std::string meter_unknown;
  double frequency_hz = 50;
  std::string frequency_file;
  std::string load_file;
};

/// "3,5-7": those batteries, counted from 0.
std::expected<std::set<std::size_t>, std::string> parse_list(const std::string& text) {
  std::set<std::size_t> all;
  std::istringstream parts{text};
  for (std::string part; std::getline(parts, part, ',');) {
    unsigned first = 0;
    unsigned last = 0;
    char rest = 0;
    const int fields = std::sscanf(part.c_str(), "%u-%u%c", &first, &last, &rest);
    if (fields == 1 && part.find_first_not_of("0123456789") == std::string::npos) last = first;
    if ((fields != 1 && fields != 2) || last < first || last > 1'000'000) {
      return std::unexpected{"\"" + text + "\": write numbers and ranges like 3,5-7"};
    }
    for (std::size_t i = first; i <= last; ++i) all.insert(i);
  }
  return all;
}

/// "2016-08-01T06:00:00Z", or milliseconds since 1970.
std::expected<MarketTime, std::string> parse_time(const std::string& text) {
  using namespace std::chrono;
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
      text.size() <= 15) {
    return MarketTime{milliseconds{std::stoll(text)}};
  }
  int y = 0;
  unsigned month = 0;
  unsigned d = 0;
  int h = 0;
  int m = 0;
  double s = 0;
  char zone[8] = "";
  const int fields =
      std::sscanf(text.c_str(), "%d-%u-%uT%d:%d:%lf%7s", &y, &month, &d, &h, &m, &s, zone);
  const year_month_day date{year{y}, std::chrono::month{month}, day{d}};
  const std::string utc{zone};
  const bool sane = fields == 7 && (utc == "Z" || utc == "+00:00") && date.ok() && h >= 0 &&
                    h < 24 && m >= 0 && m < 60 && s >= 0 && s < 60;
  if (!sane) return std::unexpected{"\"" + text + "\": write UTC like 2016-08-01T06:00:00Z"};
  return MarketTime{sys_days{date}.time_since_epoch() + hours{h} + minutes{m} +
                    milliseconds{static_cast<std::int64_t>(s * 1000)}};
}

struct Faults {
  std::set<std::size_t> unresponsive;
  std::set<std::size_t> stale_soc;
  std::set<std::size_t> zero_soc;
  std::set<std::size_t> meter_mute;
  std::set<std::size_t> meter_unknown;
};

std::expected<Faults, std::string> parse_faults(const Options& options) {
  Faults faults;
  const std::pair<const std::string*, std::set<std::size_t>*> lists[] = {
      {&options.unresponsive, &faults.unresponsive},
      {&options.stale_soc, &faults.stale_soc},
      {&options.zero_soc, &faults.zero_soc},
      {&options.meter_mute, &faults.meter_mute},
      {&options.meter_unknown, &faults.meter_unknown}};
  for (const auto& [text, into] : lists) {
    auto list = parse_list(*text);
    if (!list) return std::unexpected{list.error()};
    *into = std::move(*list);
  }
  return faults;
}

std::expected<std::vector<std::shared_ptr<const HomeProfile>>, std::string> homes_of(
    const Options& options, Rng& rng) {
  std::vector<std::shared_ptr<const HomeProfile>> homes;
  if (options.idle_homes) {  // whatever a battery moves then, it moves for the plant
    HomeProfile idle;
    idle.load_w.assign(kHoursPerYear, 0);
    idle.pv_w.assign(kHoursPerYear, 0);
    homes.push_back(std::make_shared<const HomeProfile>(std::move(idle)));
    return homes;
  }
  if (options.homes.empty()) {
    for (int i = 0; i < 24; ++i) {
      homes.push_back(std::make_shared<const HomeProfile>(synthetic_home(rng)));
    }
    return homes;
  }
  auto read = read_homes(options.homes);
  if (!read) return std::unexpected{read.error()};
  for (auto& home : *read) homes.push_back(std::make_shared<const HomeProfile>(std::move(home)));
  return homes;
}

/// What the file says now, in Hz; whatever is no frequency changes nothing.
void read_frequency(const std::string& file, Grid& grid) {
  double hz = 0;
  std::ifstream in{file};
  if (in >> hz && hz >= 0 && hz <= 100) {
    grid.frequency_mhz = static_cast<std::int32_t>(std::lround(hz * 1000));
  }
}

/// What the file says now, in W; whatever is no list of powers changes nothing.
void read_loads(const std::string& file, ToldLoads& loads) {
  ToldLoads told;
  std::ifstream in{file};
  for (std::int32_t watts = 0; in >> watts;) {
    if (std::abs(std::int64_t{watts}) > limits::kSitePowerMax.count) return;
    told.push_back(watts);
  }
  if (in.eof() && !told.empty()) loads = std::move(told);
}

std::expected<std::vector<SunspecBattery>, std::string> build(
    const Options& options, MarketTime start, const std::shared_ptr<const Grid>& grid,
    const std::shared_ptr<const ToldLoads>& loads) {
  Rng rng{options.seed};
  const auto faults = parse_faults(options);
  if (!faults) return std::unexpected{faults.error()};
  const auto homes = homes_of(options, rng);
  if (!homes) return std::unexpected{homes.error()};
  std::vector<BatteryRating> fleet;
  if (!options.fleet.empty()) {
    auto read = read_fleet(options.fleet);
    if (!read) return std::unexpected{read.error()};
    fleet = std::move(*read);
  }
  std::vector<SunspecBattery> batteries;
  for (std::size_t i = 0; i < options.count; ++i) {
    Rng own = rng.fork();
    SunspecBatteryOptions one;
    one.rating = fleet.empty() ? synthetic_rating(own) : fleet[own.below(fleet.size())];
    one.household = {(*homes)[i % homes->size()], static_cast<std::int32_t>(700 + own.below(601)),
                     static_cast<std::int32_t>(700 + own.below(601)), loads, i};
    const auto some = static_cast<std::int32_t>(350 + own.below(501));
    one.soc_permille = options.start_soc_pct < 0 ? some : options.start_soc_pct * 10;
    one.serial = "VB-" + std::to_string(options.seed) + "-" + std::to_string(i);
    one.start = start;
    one.grid = grid;
    one.faults = {faults->unresponsive.contains(i), faults->stale_soc.contains(i),
                  faults->zero_soc.contains(i), faults->meter_mute.contains(i),
                  faults->meter_unknown.contains(i)};
    batteries.emplace_back(one);
  }
  return batteries;
}

/// Exact in millijoules; joules rounded towards zero, for people.
nlohmann::ordered_json accounts_of(const SunspecBattery& battery, std::size_t index, int port) {
  const BatteryModel& model = battery.model();
  const Accounts& accounts = model.accounts();
  nlohmann::ordered_json json;
  json["index"] = index;
  json["port"] = port;
  json["serial"] = battery.serial();
  json["capacity_wh"] = model.rating().capacity.count;
  json["discharge_max_w"] = model.rating().discharge_max.count;
  json["charge_max_w"] = model.rating().charge_max.count;
  json["power_w"] = model.power().count;
  json["site_w"] = model.site().count;
  json["soc_permille"] = model.soc_permille();
  json["set_point_w"] = nullptr;
  if (const auto set_point = model.set_point()) json["set_point_w"] = set_point->count;
  const auto put = [&](const std::string& name, std::int64_t millijoules) {
    json[name + "_j"] = millijoules / 1000;
    json[name + "_mj"] = millijoules;
  };
  put("initial", model.initial_mj());
  put("stored", model.stored_mj());
  put("injected", accounts.injected_mj);
  put("absorbed", accounts.absorbed_mj);
  put("losses", accounts.losses_mj);
  put("load", accounts.load_mj);
  put("pv", accounts.pv_mj);
  put("exported", accounts.exported_mj);
  put("imported", accounts.imported_mj);
  return json;
}

std::chrono::sys_time<Duration> wall_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

/// By rename: a reader sees the old file or the new one, never a part.
void write_accounts(const std::string& path, MarketTime now, std::int64_t speed,
                    std::vector<SunspecBattery>& batteries, const std::vector<int>& ports) {
  nlohmann::ordered_json json;
  json["schema"] = "vpp.batteries/1";
  json["written_ms"] = wall_now().time_since_epoch().count();
  json["market_time_ms"] = now.time_since_epoch().count();
  json["speed"] = speed;
  json["batteries"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < batteries.size(); ++i) {
    batteries[i].advance(now);
    json["batteries"].push_back(accounts_of(batteries[i], i, ports[i]));
  }
  const std::string draft = path + ".new";
  {
    std::ofstream file{draft};
    file << json.dump(1) << '\n';
    if (!file) {
      std::cerr << "vppbattery: " << draft << ": cannot be written\n";
      return;
    }
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0) {
    std::cerr << "vppbattery: " << path << ": cannot be renamed into place\n";
  }
}

void announce(const std::vector<int>& ports) {
  std::cout << "READY batteries=" << ports.size() << " ports=";
  const bool run = ports.back() - ports.front() + 1 == static_cast<int>(ports.size());
  if (run) {
    std::cout << ports.front() << "-" << ports.back();
  } else {
    for (std::size_t i = 0; i < ports.size(); ++i) std::cout << (i == 0 ? "" : ",") << ports[i];
  }
  std::cout << std::endl;
}

int fail(const std::string& why) {
  std::cerr << "vppbattery: " << why << '\n';
  return 2;
}

int serve(const Options& options) {
  using Steady = std::chrono::steady_clock;
  MarketTime start{wall_now().time_since_epoch()};
  if (!options.start.empty()) {
    const auto parsed = parse_time(options.start);
    if (!parsed) return fail("--start " + parsed.error());
    start = *parsed;
  }
  const auto grid = std::make_shared<Grid>();
  grid->frequency_mhz = static_cast<std::int32_t>(std::lround(options.frequency_hz * 1000));
  const auto loads = std::make_shared<ToldLoads>();
  if (!options.load_file.empty()) read_loads(options.load_file, *loads);
  auto batteries = build(options, start, grid, loads);
  if (!batteries) return fail(batteries.error());
  auto server = ModbusServer::listen(*batteries, options.host, options.port_base);
  if (!server) return fail(server.error());
  const auto begin = Steady::now();
  const auto market_now = [&] {  // before every answer
    if (!options.frequency_file.empty()) read_frequency(options.frequency_file, *grid);
    if (!options.load_file.empty()) read_loads(options.load_file, *loads);
    const auto passed =
        std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - begin);
    return start + std::chrono::duration_cast<Duration>(passed * options.speed);
  };
  const auto keep_accounts = [&] {
    const MarketTime now = market_now();
    if (options.accounts.empty()) {
      for (auto& battery : *batteries) battery.advance(now);
    } else {
      write_accounts(options.accounts, now, options.speed, *batteries, (*server)->ports());
    }
  };
  keep_accounts();
  announce((*server)->ports());
  (*server)->run(market_now, keep_accounts);
  keep_accounts();
  return 0;
}

}  // namespace
}  // namespace vpp::battery

int main(int argc, char** argv) {
  vpp::battery::Options options;
  CLI::App app{
      "Simulates home batteries: SunSpec models 1, 701, 702, 704, 713 over Modbus TCP, and the "
      "home's meter, model 201, at unit 240."};
  app.add_option("--count", options.count, "batteries")->check(CLI::Range(1, 60'000));
  app.add_option("--host", options.host, "IPv4 address to listen on");
  app.add_option("--port-base", options.port_base, "battery i listens on this + i; 0: any free")
      ->check(CLI::Range(0, 65'535));
  app.add_option("--speed", options.speed, "market seconds per second")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--seed", options.seed, "of everything that is made up");
  app.add_option("--fleet", options.fleet,
                 "CSV of ratings: id,state,system_max_p,system_min_p,system_capacity (kW, kWh)");
  auto* const homes = app.add_option("--homes", options.homes,
                                     "directory with load_kwh.csv, pv_w_per_kw.csv, buildings.csv");
  app.add_flag("--idle-homes", options.idle_homes, "no load and no PV")->excludes(homes);
  app.add_option("--load-file", options.load_file,
                 "holds the load less PV of each home in W, read before every answer; the last "
                 "stands for all further homes")
      ->excludes(homes);
  app.add_option("--start-soc-pct", options.start_soc_pct, "state of charge; else 35-85, seeded")
      ->check(CLI::Range(0, 100));
  app.add_option("--start", options.start, "market time at the start (UTC); else now");
  app.add_option("--accounts", options.accounts, "JSON file of energy accounts, each second");
  app.add_option("--unresponsive", options.unresponsive,
                 "batteries (3,5-7; from 0) that show set points but do not follow");
  app.add_option("--stale-soc", options.stale_soc, "batteries whose state of charge stands still");
  auto* const frequency = app.add_option("--frequency-hz", options.frequency_hz, "of the grid")
                              ->check(CLI::Range(0.0, 100.0));
  app.add_option("--frequency-file", options.frequency_file,
                 "holds the grid's frequency in Hz, read before every answer")
      ->excludes(frequency);
  app.add_option("--zero-soc", options.zero_soc, "batteries whose state of charge reads 0");
  app.add_option("--meter-mute", options.meter_mute, "batteries whose meter does not answer");
  app.add_option("--meter-unknown", options.meter_unknown,
                 "batteries whose meter does not tell its power");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return 2;
  }
  return vpp::battery::serve(options);
}
