#include "device/sunspec_modbus.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>

#include "device/site_controller.h"
#include "tests/device/child_process.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

namespace {

constexpr Instant kAt{5s};

std::string dump(const std::string& name) {
  return std::string{VPP_SHARED_DATA} + "/dumps/" + name;
}

/// False, and said, when the data or the foreign server is not on this machine.
bool can_serve(const std::string& image) {
  if (!std::filesystem::exists(image)) {
    WARN("skipped: no register image " << std::filesystem::path{image}.filename());
    return false;
  }
  if (!std::filesystem::exists("/usr/lib/python3/dist-packages/pymodbus")) {
    WARN("skipped: python3-pymodbus is not installed");
    return false;
  }
  return true;
}

std::vector<std::string> pymodbus(const std::string& image,
                                  const std::vector<std::string>& more = {}) {
  std::vector<std::string> command{"/usr/bin/python3", VPP_PYMODBUS_SERVER, image};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

SunspecOptions at_port(int port) {
  SunspecOptions options;
  options.port = port;
  options.timeout = 5s;  // a busy machine is not a broken device
  options.backoff_min = 0ms;
  options.backoff_max = 0ms;
  return options;
}

/// A register image in a file of its own: "SunS" and a chain of models of which nothing is
/// implemented, but for what is set.
class ImageFile {
 public:
  using Models = std::vector<std::pair<int, int>>;
  explicit ImageFile(const Models& models, const std::map<int, int>& set = {})
      : path_{std::filesystem::temp_directory_path() /
              ("vpp-image-" + std::to_string(getpid()) + "-" + std::to_string(models.size()) +
               ".csv")} {
    std::map<int, int> registers{{40000, 0x5375}, {40001, 0x6e53}};
    int at = 40002;
    for (const auto& [id, length] : models) {
      registers[at] = id;
      registers[at + 1] = length;
      for (int i = 0; i < length; ++i) registers[at + 2 + i] = 0xffff;
      at += 2 + length;
    }
    registers[at] = 0xffff;
    registers[at + 1] = 0;
    for (const auto& [address, value] : set) registers[address] = value;
    std::ofstream file{path_};
    file << "address,hex,uint16,status\n";
    for (const auto& [address, value] : registers) file << address << ",," << value << ",ok\n";
  }
  ~ImageFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a real SMA inverter is read and its control refused", "[device][modbus][dump]") {
  const std::string image = dump("DeviceSMASunnyBoy36Dated20230810.csv");
  if (!can_serve(image)) return;
  const ChildProcess server{pymodbus(image)};
  REQUIRE(server.port() != 0);
  const auto driver = make_sunspec_driver(at_port(server.port()));
  const auto nameplate = driver->connect();
  REQUIRE(nameplate);
  CHECK(nameplate->manufacturer == "SMA");
  CHECK_FALSE(nameplate->controllable);
  const auto telemetry = driver->read(kAt);
  REQUIRE(telemetry);
  CHECK(telemetry->inverter.value == Watts{1080});
  CHECK_FALSE(telemetry->soc_permille.value);
  CHECK_FALSE(driver->write({Watts{100}, 60}));
  CHECK(driver->connected());
}

TEST_CASE("the same inverter at night tells unknown, not zero", "[device][modbus][dump]") {
  const std::string image = dump("DeviceSMASunnyBoy36Dated20250608.csv");
  if (!can_serve(image)) return;
  const ChildProcess server{pymodbus(image)};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  REQUIRE(driver->connect());
  const auto telemetry = driver->read(kAt);
  REQUIRE(telemetry);
  CHECK_FALSE(telemetry->inverter.value);
}

TEST_CASE("an inverter with vendor models of length 1 is walked to its end",
          "[device][modbus][dump]") {
  const std::string real = dump("DeviceFimerPVSDated20240722.csv");
  const ImageFile made{{{1, 66}, {103, 50}, {65'230, 1}, {65'232, 5}, {120, 26}},
                       {{40002 + 68 + 14, 1234}, {40002 + 68 + 15, 0}}};
  const bool have_real = std::filesystem::exists(real);
  if (!have_real) WARN("no dump of the Fimer inverter: a made-up image of its shape instead");
  const std::string image = have_real ? real : made.path();
  if (!can_serve(image)) return;
  const ChildProcess server{pymodbus(image)};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  const auto nameplate = driver->connect();
  REQUIRE(nameplate);
  CHECK_FALSE(nameplate->controllable);
  CHECK(nameplate->why_not == "no storage model");
  const auto telemetry = driver->read(kAt);
  REQUIRE(telemetry);
  CHECK_FALSE(telemetry->battery.value);
  if (!have_real) CHECK(telemetry->inverter.value == Watts{1234});
}

TEST_CASE("the emulated DER obeys 704 and promises nothing without a state of charge",
          "[device][modbus][dump]") {
  const std::string image = dump("EmulatedDER.csv");
  if (!can_serve(image)) return;
  const ChildProcess server{pymodbus(image)};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  const auto nameplate = driver->connect();
  REQUIRE(nameplate);
  CHECK(nameplate->controllable);
  CHECK(driver->write({Watts{-2500}, 90}));
  auto telemetry = driver->read(kAt);
  REQUIRE(telemetry);
  CHECK(telemetry->set_point_active);
  CHECK(telemetry->set_point.value == Watts{-2500});
  CHECK(driver->write({}));
  telemetry = driver->read(kAt);
  REQUIRE(telemetry);
  CHECK_FALSE(telemetry->set_point_active);

  SiteController controller{SiteLimits{}};
  const Now now{kAt, MarketTime{1h}, 1};
  controller.connected(*nameplate);
  controller.plant_heard(now);
  controller.set_order(now, SiteOrder{.order = OrderId{1},
                                      .power = Watts{4000},
                                      .from = now.market,
                                      .until = now.market + 1h,
                                      .expires = now.protocol + 1h});
  const SiteEffects effects = controller.step(now, *telemetry);
  CHECK(effects.status.stale);
  CHECK(effects.status.discharge == Capability{});
  REQUIRE(effects.write);
  CHECK(effects.write->set_point == Watts{0});
}

TEST_CASE("a device that acknowledges and forgets is found out by reading back",
          "[device][modbus][dump]") {
  const std::string image = dump("EmulatedDER.csv");
  if (!can_serve(image)) return;
  const ChildProcess server{pymodbus(image, {"--deaf"})};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  REQUIRE(driver->connect());
  const auto written = driver->write({Watts{1000}, 60});
  REQUIRE_FALSE(written);
  CHECK(written.error().starts_with("refused: read back"));
  CHECK(driver->connected());
}

TEST_CASE("a busy device is asked again", "[device][modbus][dump]") {
  const std::string image = dump("EmulatedDER.csv");
  if (!can_serve(image)) return;
  const ChildProcess server{pymodbus(image, {"--busy", "2"})};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  REQUIRE(driver->connect());
  CHECK(driver->write({Watts{1000}, 60}));
}

TEST_CASE("a device that goes away is an error at once and found again later", "[device][modbus]") {
  std::optional<ChildProcess> server;
  server.emplace(std::vector<std::string>{VPP_BATTERY_BIN, "--port-base", "0"});
  REQUIRE(server->port() != 0);
  const std::string port = std::to_string(server->port());
  const auto driver = make_sunspec_driver(at_port(server->port()));
  REQUIRE(driver->connect());
  REQUIRE(driver->read(kAt));
  server.reset();
  CHECK_FALSE(driver->read(kAt));
  CHECK_FALSE(driver->connected());
  CHECK_FALSE(driver->read(kAt));
  CHECK_FALSE(driver->connect());
  server.emplace(std::vector<std::string>{VPP_BATTERY_BIN, "--port-base", port});
  REQUIRE(server->port() != 0);
  CHECK(driver->connect());
  CHECK(driver->read(kAt));
}

TEST_CASE("a failed connection backs off without a packet", "[device][modbus]") {
  SunspecOptions options = at_port(1);
  options.backoff_min = options.backoff_max = 1h;
  const auto driver = make_sunspec_driver(options);
  const auto first = driver->connect();
  REQUIRE_FALSE(first);
  CHECK(first.error().find("backing off") == std::string::npos);
  const auto second = driver->connect();
  REQUIRE_FALSE(second);
  CHECK(second.error().find("backing off") != std::string::npos);
}

TEST_CASE("vppbattery is understood whole and controlled", "[device][modbus]") {
  const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0", "--start-soc-pct", "60",
                             "--start", "2016-08-02T00:00:00Z", "--seed", "7"}};
  REQUIRE(server.port() != 0);
  const auto driver = make_sunspec_driver(at_port(server.port()));
  const auto nameplate = driver->connect();
  REQUIRE(nameplate);
  CHECK(nameplate->controllable);
  CHECK(nameplate->has_revert_timer);
  CHECK(nameplate->model == "vppbattery");
  CHECK(nameplate->serial == "VB-7-0");
  CHECK(nameplate->warning.empty());
  REQUIRE(nameplate->discharge_max);
  REQUIRE(nameplate->charge_max);
  REQUIRE(nameplate->energy_max);
  REQUIRE(driver->write({Watts{1500}, 3600}));
  auto telemetry = driver->read(kAt);
  for (int i = 0; i < 10'000 && telemetry && telemetry->battery.value != Watts{1500}; ++i) {
    telemetry = driver->read(kAt);  // the battery moves when market time passes
  }
  REQUIRE(telemetry);
  CHECK(telemetry->battery.value == Watts{1500});
  CHECK(telemetry->set_point.value == Watts{1500});
  CHECK(telemetry->set_point_active);
  CHECK(telemetry->soc_permille.value.value_or(0) > 590);
  CHECK(telemetry->stored.value.has_value());
  CHECK(telemetry->injected.value.has_value());
  REQUIRE(telemetry->revert_remaining_s);
  CHECK(*telemetry->revert_remaining_s <= 3600);
  CHECK(*telemetry->revert_remaining_s > 0);
  CHECK(driver->write({}));
  CHECK_FALSE(driver->read(kAt)->set_point_active);
}

TEST_CASE("the revert timer of vppbattery gives the battery back in market time",
          "[device][modbus]") {
  const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0", "--speed", "3600"}};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  REQUIRE(driver->connect());
  REQUIRE(driver->write({Watts{500}, 600}));
  bool active = true;
  for (int i = 0; i < 100'000 && active; ++i) active = driver->read(kAt)->set_point_active;
  CHECK_FALSE(active);
}

TEST_CASE("several clients may talk to one battery", "[device][modbus]") {
  const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0"}};
  const auto one = make_sunspec_driver(at_port(server.port()));
  const auto two = make_sunspec_driver(at_port(server.port()));
  REQUIRE(one->connect());
  REQUIRE(two->connect());
  REQUIRE(one->write({Watts{700}, 600}));
  CHECK(two->read(kAt)->set_point.value == Watts{700});
  CHECK(one->read(kAt)->set_point.value == Watts{700});
}

TEST_CASE("vppbattery ends cleanly and leaves its accounts behind", "[device][modbus]") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("vpp-accounts-" + std::to_string(getpid()) + ".json");
  ChildProcess server{
      {VPP_BATTERY_BIN, "--port-base", "0", "--count", "3", "--accounts", path.string()}};
  REQUIRE(server.port() != 0);
  server.signal(SIGTERM);
  CHECK(server.wait() == 0);
  std::ifstream file{path};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  CHECK(text.find("\"schema\": \"vpp.batteries/1\"") != std::string::npos);
  CHECK(text.find("\"serial\": \"VB-1-2\"") != std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("the whole loop: an order reaches a battery, is delivered, accounted for and released",
          "[device][modbus]") {
  constexpr std::int64_t kSpeed = 60;
  const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0", "--start-soc-pct", "70",
                             "--speed", std::to_string(kSpeed)}};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  const auto nameplate = driver->connect();
  REQUIRE(nameplate);
  SiteController controller{SiteLimits{}};
  controller.connected(*nameplate);
  const auto begin = std::chrono::steady_clock::now();
  const auto now_of = [&] {
    const auto passed = std::chrono::steady_clock::now() - begin;
    const auto ms = std::chrono::duration_cast<Duration>(passed);
    return Now{Instant{1000s} + ms, MarketTime{400'000h} + ms * kSpeed, kSpeed};
  };
  Telemetry telemetry;
  SiteStatus status;
  Instant last = now_of().protocol;
  Duration longest{1};
  const auto round = [&] {
    const Now now = now_of();
    longest = std::max(longest, now.protocol - std::exchange(last, now.protocol));
    telemetry = driver->read(now.protocol).value();
    controller.plant_heard(now);
    const SiteEffects effects = controller.step(now, telemetry);
    if (effects.write) REQUIRE(driver->write(*effects.write));
    status = effects.status;
  };
  const auto counted = [&] {
    return (*telemetry.injected.value - *telemetry.absorbed.value).count;
  };
  round();
  CHECK(status.mode == Mode::kLocalDefault);
  CHECK(status.discharge.power > Watts{0});

  const Now now = now_of();
  controller.set_order(now, SiteOrder{.order = OrderId{42},
                                      .power = Watts{1700},
                                      .from = now.market,
                                      .until = now.market + 24h,
                                      .expires = now.protocol + 10min});
  round();
  REQUIRE(status.accounts.size() == 1);
  // What came before this reading is shared out by time: compare what both count from here on.
  const std::int64_t before = counted();
  const std::int64_t credited = status.accounts[0].delivered.count;
  for (int i = 0; i < 20'000 && counted() - before < 100'000; ++i) round();
  CHECK(status.mode == Mode::kDispatched);
  CHECK(status.measured == Watts{1700});
  REQUIRE(status.accounts.size() == 1);
  const std::int64_t delivered = status.accounts[0].delivered.count - credited;
  // Readings of one millisecond are one to the ledger, and on a busy machine a reading may be as
  // old as a round is long: the newest may not be in the account yet.
  const std::int64_t round_j = 1700 * kSpeed * longest.count() / 1000;
  CHECK(std::abs(delivered - (counted() - before)) <= 2 * round_j);

  controller.set_order(now_of(), std::nullopt);
  for (int i = 0; i < 20'000 && status.mode != Mode::kLocalDefault; ++i) round();
  CHECK(status.mode == Mode::kLocalDefault);
  CHECK_FALSE(telemetry.set_point_active);
}

TEST_CASE("a step of the grid's frequency is a response of the battery", "[device][modbus]") {
  const auto path = std::filesystem::temp_directory_path() /
                    ("vpp-frequency-" + std::to_string(getpid()) + ".txt");
  const auto grid_is = [&](const char* hz) { std::ofstream{path} << hz << '\n'; };
  grid_is("50.000");
  const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0", "--start-soc-pct", "60",
                             "--frequency-file", path.string()}};
  REQUIRE(server.port() != 0);
  const auto driver = make_sunspec_driver(at_port(server.port()));
  const auto nameplate = driver->connect();
  REQUIRE(nameplate);
  SiteController controller{SiteLimits{}};
  controller.connected(*nameplate);
  Now now{kAt, MarketTime{1h}, 1};
  const auto round = [&] {
    now.protocol += 1s;
    now.market += 1s;
    auto telemetry = driver->read(now.protocol).value();
    controller.plant_heard(now);
    const SiteEffects effects = controller.step(now, telemetry);
    if (effects.write) REQUIRE(driver->write(*effects.write));
    return effects.status;
  };
  CHECK(round().frequency.measured_mhz == 50'000);
  controller.set_order(now, SiteOrder{.order = OrderId{1},
                                      .power = Watts{1900},
                                      .from = now.market,
                                      .until = now.market + 1h,
                                      .expires = now.protocol + 10min,
                                      .service = Service::kFrequency});
  CHECK(round().frequency.armed);
  grid_is("49.895");
  CHECK(driver->read_frequency(now.protocol)->value == 49'895);
  CHECK(round().set_point == Watts{950});
  SiteStatus status = round();
  for (int i = 0; i < 10'000 && status.measured != Watts{950}; ++i) status = round();
  CHECK(status.measured == Watts{950});
  grid_is("50.5");
  CHECK(round().set_point == Watts{-1900});
  grid_is("nonsense");
  CHECK(round().frequency.measured_mhz == 50'500);
  std::filesystem::remove(path);
}

namespace {

/// Of an inverter: of a battery that could be controlled nothing is needed here.
const ImageFile::Models kInverter{{1, 66}, {103, 50}};
constexpr int kBehindInverter = 40'002 + 68 + 52;

/// What the meter says, or why it says nothing; the rest must be in order.
std::string site_of(SiteDriver& driver) {
  const auto telemetry = driver.read(kAt);
  if (!telemetry) return telemetry.error();
  CHECK(driver.connected());
  CHECK(telemetry->site.value.has_value() == telemetry->meter_problem.empty());
  if (!telemetry->site.value) return telemetry->meter_problem;
  CHECK(telemetry->site.at == kAt);
  return std::to_string(telemetry->site.value->count);
}

}  // namespace

TEST_CASE("the first meter in the device's own map is the house's", "[device][modbus][meter]") {
  ImageFile::Models models = kInverter;
  models.insert(models.end(), {{1, 66}, {203, 105}, {201, 105}});
  const int meter = kBehindInverter + 68;
  const ImageFile image{
      models, {{meter + 18, 420}, {meter + 22, 1}, {meter + 107 + 18, 1}, {meter + 107 + 22, 0}}};
  if (!can_serve(image.path())) return;
  const ChildProcess server{pymodbus(image.path())};
  SunspecOptions options = at_port(server.port());
  SECTION("positive is import") {
    const auto driver = make_sunspec_driver(options);
    REQUIRE(driver->connect());
    CHECK(site_of(*driver) == "-4200");
  }
  SECTION("positive is export") {
    options.meter_positive_is_export = true;
    const auto driver = make_sunspec_driver(options);
    REQUIRE(driver->connect());
    CHECK(site_of(*driver) == "4200");
  }
}

TEST_CASE("a device without a meter is not asked for one", "[device][modbus][meter]") {
  const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0"}};
  const auto driver = make_sunspec_driver(at_port(server.port()));
  REQUIRE(driver->connect());
  const auto telemetry = driver->read(kAt);
  REQUIRE(telemetry);
  CHECK_FALSE(telemetry->site.value);
  CHECK(telemetry->meter_problem.empty());
}

TEST_CASE("a meter on a unit of its own is read over the same connection",
          "[device][modbus][meter]") {
  const ImageFile inverter{kInverter, {{40'070 + 14, 1234}, {40'070 + 15, 0}}};
  const ImageFile meter{{{1, 66}, {213, 124}, {999, 1}},
                        {{40'070 + 28, 0xc47a}, {40'070 + 29, 0}}};  // -1000.0
  if (!can_serve(inverter.path())) return;
  const ChildProcess server{pymodbus(inverter.path(), {"--meter", meter.path()})};
  SunspecOptions options = at_port(server.port());
  SECTION("there") {
    options.meter_unit = 240;
    const auto driver = make_sunspec_driver(options);
    REQUIRE(driver->connect());
    CHECK(site_of(*driver) == "1000");
    CHECK(driver->read(kAt)->inverter.value == Watts{1234});
  }
  SECTION("elsewhere: a gateway says that nobody responds") {
    options.meter_unit = 17;
    const auto driver = make_sunspec_driver(options);
    REQUIRE(driver->connect());
    CHECK(site_of(*driver).find("meter at unit 17: no SunSpec map found: ") == 0);
    CHECK(driver->read(kAt)->inverter.value == Watts{1234});
  }
}

TEST_CASE("vppbattery's meter measures load, PV and battery together", "[device][modbus][meter]") {
  const auto path =
      std::filesystem::temp_directory_path() / ("vpp-load-" + std::to_string(getpid()) + ".txt");
  const auto load_is = [&](const char* watts) { std::ofstream{path} << watts << '\n'; };
  load_is("1500");
  const ChildProcess server{
      {VPP_BATTERY_BIN, "--port-base", "0", "--start-soc-pct", "60", "--load-file", path.string()}};
  REQUIRE(server.port() != 0);
  SunspecOptions options = at_port(server.port());
  options.meter_unit = 240;
  const auto driver = make_sunspec_driver(options);
  REQUIRE(driver->connect());
  REQUIRE(driver->write({Watts{1000}, 3600}));
  const auto await_site = [&](const char* watts) {
    std::string site = site_of(*driver);
    // The home moves when market time passes.
    for (int i = 0; i < 10'000 && site != watts; ++i) site = site_of(*driver);
    CHECK(site == watts);
  };
  await_site("-500");
  load_is("-40000");  // PV
  await_site("41000");
  load_is("one kilowatt");
  CHECK(site_of(*driver) == "41000");
  std::filesystem::remove(path);
}

TEST_CASE("a meter that tells nothing costs its own reading only", "[device][modbus][meter]") {
  const auto check = [](const char* fault, int unit, const std::string& problem) {
    const ChildProcess server{{VPP_BATTERY_BIN, "--port-base", "0", fault, "0"}};
    REQUIRE(server.port() != 0);
    SunspecOptions options = at_port(server.port());
    options.meter_unit = unit;
    options.timeout = 1s;
    options.backoff_min = 1h;  // the meter is asked once
    options.backoff_max = 1h;
    options.meter_backoff_max = 1h;
    const auto driver = make_sunspec_driver(options);
    REQUIRE(driver->connect());
    for (int i = 0; i < 3; ++i) CHECK(site_of(*driver) == problem);
    CHECK(driver->write({Watts{700}, 3600}));
    const auto telemetry = driver->read(kAt);
    REQUIRE(telemetry);
    CHECK(telemetry->battery.value);
    CHECK(telemetry->set_point.value == Watts{700});
  };
  SECTION("its unit does not answer") {
    check("--meter-mute", 240,
          "meter at unit 240: no SunSpec map found: read: Connection timed out");
  }
  SECTION("its power is not implemented") {
    check("--meter-unknown", 240, "meter at unit 240: model 201 does not tell the power");
  }
  SECTION("another unit, where there is none") {
    check("--meter-mute", 241, "meter at unit 241: none of models 201-204 and 211-214 is there");
  }
}
