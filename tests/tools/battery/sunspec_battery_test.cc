#include "tools/battery/sunspec_battery.h"

#include <catch2/catch.hpp>

#include "device/sunspec.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::battery;
namespace sunspec = vpp::device::sunspec;

namespace {

constexpr MarketTime kStart = kProfileStart + 10h;

SunspecBatteryOptions plain() {
  SunspecBatteryOptions options;
  options.rating.charge_efficiency_permille = 1000;
  options.rating.discharge_efficiency_permille = 1000;
  options.rating.standby = Watts{0};
  HomeProfile profile;
  profile.load_w.assign(kHoursPerYear, 400);
  profile.pv_w.assign(kHoursPerYear, 100);
  options.household.profile = std::make_shared<const HomeProfile>(profile);
  options.serial = "S-1";
  options.start = kStart;
  return options;
}

/// What our own driver's decoder makes of the registers.
struct Decoded {
  explicit Decoded(SunspecBattery& battery) : Decoded{battery.registers()} {}
  explicit Decoded(std::span<const std::uint16_t> registers) {
    const auto read =
        [&](std::uint16_t address,
            std::uint16_t count) -> std::expected<std::vector<std::uint16_t>, std::string> {
      const std::size_t first = address - std::size_t{kMapStart};
      if (address < kMapStart || first + count > registers.size()) {
        return std::unexpected{"illegal address"};
      }
      const auto part = registers.subspan(first, count);
      return std::vector<std::uint16_t>{part.begin(), part.end()};
    };
    const auto found = sunspec::discover(read);
    REQUIRE(found);
    chain = *found;
    for (const auto& block : chain) {
      images[block.id] = read(block.address, sunspec::registers_to_read(block)).value();
    }
    telemetry = sunspec::telemetry_of(images, Instant{});
  }
  std::vector<sunspec::ModelBlock> chain;
  sunspec::Images images;
  device::Telemetry telemetry;
};

std::uint16_t control_address(SunspecBattery& battery, std::uint16_t offset) {
  for (const auto& block : Decoded{battery}.chain) {
    if (block.id == 704) return static_cast<std::uint16_t>(block.address + offset);
  }
  return 0;
}

WriteResult write(SunspecBattery& battery, std::uint16_t offset,
                  const std::vector<std::uint16_t>& values) {
  return battery.write(control_address(battery, offset), values);
}

/// As the driver commands it.
void command(SunspecBattery& battery, const device::DeviceCommand& wanted) {
  const Decoded before{battery};
  const auto writes = sunspec::control_writes(wanted, before.images.at(704), before.images.at(704));
  REQUIRE(writes);
  for (const auto& one : *writes) {
    REQUIRE(write(battery, one.offset, one.values) == WriteResult::kNone);
  }
  CHECK(sunspec::check_read_back(wanted, Decoded{battery}.images.at(704)));
}

}  // namespace

TEST_CASE("the map holds the models with their standard lengths", "[battery][sunspec]") {
  SunspecBattery battery{plain()};
  const Decoded decoded{battery};
  REQUIRE(decoded.chain.size() == 5);
  const std::vector<std::pair<int, int>> expected{
      {1, 66}, {701, 153}, {702, 50}, {704, 65}, {713, 7}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(decoded.chain[i].id == expected[i].first);
    CHECK(decoded.chain[i].length == expected[i].second);
  }
  const device::Nameplate nameplate = sunspec::nameplate_of(decoded.images);
  CHECK(nameplate.controllable);
  CHECK(nameplate.serial == "S-1");
  CHECK(nameplate.discharge_max == Watts{5000});
  CHECK(nameplate.charge_max == Watts{5000});
  CHECK(nameplate.energy_max == WattHours{13'500});
}

TEST_CASE("a large battery is told through its scale factors", "[battery][sunspec]") {
  SunspecBatteryOptions options = plain();
  options.rating.capacity = WattHours{1'234'000};
  options.rating.discharge_max = Watts{250'000};
  SunspecBattery battery{options};
  command(battery, {Watts{123'400}, 600});
  battery.advance(kStart + 1min);
  const Decoded decoded{battery};
  const device::Nameplate nameplate = sunspec::nameplate_of(decoded.images);
  CHECK(nameplate.discharge_max == Watts{250'000});
  CHECK(nameplate.energy_max == WattHours{1'234'000});
  CHECK(decoded.telemetry.battery.value == Watts{123'400});
}

TEST_CASE("a set point is followed, counted and given back by the timer", "[battery][sunspec]") {
  SunspecBattery battery{plain()};
  command(battery, {Watts{-2000}, 90});
  battery.advance(kStart + 60s);
  Decoded decoded{battery};
  CHECK(decoded.telemetry.battery.value == Watts{-2000});
  // 120 kJ, counted in thousandths of a watt-hour and decoded to whole joules.
  CHECK(decoded.telemetry.absorbed.value.value_or(Joules{}).count == 119'998);
  CHECK(decoded.telemetry.revert_remaining_s == std::uint32_t{30});
  battery.advance(kStart + 91s);
  decoded = Decoded{battery};
  CHECK_FALSE(decoded.telemetry.set_point_active);
  CHECK(decoded.telemetry.battery.value == Watts{300});
  CHECK(battery.model().accounts().absorbed_mj == 2000LL * 90'000);
  CHECK(battery.model().accounts().injected_mj == 300LL * 1000);
}

TEST_CASE("the timer falls back to the reversion set point where one is armed",
          "[battery][sunspec]") {
  SunspecBattery battery{plain()};
  command(battery, {Watts{1000}, 60});
  REQUIRE(write(battery, 26, {0, 250, 0, 0}) == WriteResult::kIllegalAddress);
  REQUIRE(write(battery, 26, {0, 250}) == WriteResult::kNone);
  REQUIRE(write(battery, 30, {1}) == WriteResult::kNone);
  battery.advance(kStart + 2min);
  const Decoded decoded{battery};
  CHECK(decoded.telemetry.set_point_active);
  CHECK(decoded.telemetry.set_point.value == Watts{250});
  CHECK(battery.model().accounts().injected_mj == 1000LL * 60'000 + 250LL * 60'000);
}

TEST_CASE("a new set point keeps the timer running, a new time restarts it", "[battery][sunspec]") {
  SunspecBattery battery{plain()};
  command(battery, {Watts{1000}, 60});
  battery.advance(kStart + 20s);
  REQUIRE(write(battery, 24, {0, 1500}) == WriteResult::kNone);
  CHECK(Decoded{battery}.telemetry.revert_remaining_s == std::uint32_t{40});
  REQUIRE(write(battery, 31, {0, 60}) == WriteResult::kNone);
  CHECK(Decoded{battery}.telemetry.revert_remaining_s == std::uint32_t{60});
}

TEST_CASE("writes elsewhere, in halves or of nonsense are refused and change nothing",
          "[battery][sunspec]") {
  SunspecBattery battery{plain()};
  const auto before = battery.registers();
  const std::vector<std::uint16_t> copy{before.begin(), before.end()};
  CHECK(battery.write(39'999, std::vector<std::uint16_t>{1}) == WriteResult::kIllegalAddress);
  CHECK(battery.write(40'000, std::vector<std::uint16_t>{1}) == WriteResult::kIllegalAddress);
  CHECK(battery.write(65'535, std::vector<std::uint16_t>{1}) == WriteResult::kIllegalAddress);
  CHECK(write(battery, 33, {0, 1}) == WriteResult::kIllegalAddress);  // the time that remains
  CHECK(write(battery, 24, {0}) == WriteResult::kIllegalValue);
  CHECK(write(battery, 25, {7}) == WriteResult::kIllegalValue);
  CHECK(write(battery, 22, {2}) == WriteResult::kIllegalValue);
  CHECK(write(battery, 23, {0}) == WriteResult::kIllegalValue);
  CHECK(write(battery, 22, {1, 1, 0}) == WriteResult::kIllegalValue);
  CHECK(write(battery, 24, {0x8000, 0}) == WriteResult::kIllegalValue);  // no value at all
  CHECK(write(battery, 31, {0xffff, 0xffff}) == WriteResult::kIllegalValue);
  const auto after = battery.registers();
  CHECK(std::vector<std::uint16_t>{after.begin(), after.end()} == copy);
}

TEST_CASE("the meter shows what crosses the connection, import positive", "[battery][sunspec]") {
  SunspecBatteryOptions options = plain();
  const auto told = std::make_shared<ToldLoads>(ToldLoads{1500});
  options.household.told = told;
  SunspecBattery home{options};
  const auto site = [&] {
    const Decoded meter{home.meter_registers()};
    REQUIRE(meter.chain.size() == 2);
    CHECK(meter.chain[1].id == 201);
    CHECK(meter.chain[1].length == 105);
    return sunspec::meter_power(meter.images.at(201), false, Instant{}).value;
  };
  command(home, {Watts{1000}, 0});
  home.advance(kStart + 1h);
  CHECK(site() == Watts{-500});
  *told = {-45'678};  // needs a scale factor
  home.advance(kStart + 1h + 1s);
  CHECK(site() == Watts{46'670});
  CHECK(home.model().site() == Watts{46'678});
  const auto registers = home.meter_registers();
  CHECK(registers[70 + 47] == 500);  // watt-hours imported in the hour
  CHECK(registers[70 + 39] == 12);   // and exported since
}

TEST_CASE("faults show as devices show them", "[battery][sunspec][fault]") {
  SunspecBatteryOptions options = plain();
  SECTION("unresponsive: shows the set point, does not follow") {
    options.faults.unresponsive = true;
    SunspecBattery battery{options};
    command(battery, {Watts{3000}, 60});
    battery.advance(kStart + 30s);
    const Decoded decoded{battery};
    CHECK(decoded.telemetry.set_point_active);
    CHECK(decoded.telemetry.set_point.value == Watts{3000});
    CHECK(decoded.telemetry.battery.value == Watts{300});
  }
  SECTION("stale: the state of charge stands still") {
    options.faults.stale_soc = true;
    SunspecBattery battery{options};
    command(battery, {Watts{3000}, 0});
    battery.advance(kStart + 1h);
    CHECK(Decoded{battery}.telemetry.soc_permille.value == 500);
    CHECK(battery.model().soc_permille() < 300);
  }
  SECTION("zero") {
    options.faults.zero_soc = true;
    SunspecBattery battery{options};
    CHECK(Decoded{battery}.telemetry.soc_permille.value == 0);
  }
  SECTION("the meter does not tell its power") {
    options.faults.meter_unknown = true;
    SunspecBattery battery{options};
    battery.advance(kStart + 1h);
    const Decoded meter{battery.meter_registers()};
    CHECK_FALSE(sunspec::meter_power(meter.images.at(201), false, Instant{}).value);
  }
}

TEST_CASE("time in one go or in pieces is the same time", "[battery][sunspec][property]") {
  SunspecBatteryOptions options = plain();
  SunspecBattery once{options};
  SunspecBattery often{options};
  command(once, {Watts{900}, 4000});
  command(often, {Watts{900}, 4000});
  once.advance(kStart + 90min);
  for (MarketTime at = kStart; at < kStart + 90min; at += 10s) often.advance(at);
  often.advance(kStart + 90min);
  CHECK(once.model().accounts() == often.model().accounts());
  once.advance(kStart);  // the past is no time
  CHECK(once.model().accounts() == often.model().accounts());
}
