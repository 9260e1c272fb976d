#include "device/sunspec.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;
using namespace vpp::device::sunspec;

namespace {

using Map = std::map<std::uint16_t, std::uint16_t>;

ReadRegisters reader(const Map& map, int* requests = nullptr) {
  return [&map, requests](
             std::uint16_t address,
             std::uint16_t count) -> std::expected<std::vector<std::uint16_t>, std::string> {
    if (requests != nullptr) ++*requests;
    std::vector<std::uint16_t> values;
    for (std::size_t i = 0; i < count; ++i) {
      const auto found = map.find(static_cast<std::uint16_t>(address + i));
      if (found == map.end()) return std::unexpected{"illegal data address"};
      values.push_back(found->second);
    }
    return values;
  };
}

/// A register image as a device's owner dumped it: address,hex,uint16,status.
Map load_dump(const std::string& name) {
  Map map;
  std::ifstream file{std::string{VPP_SHARED_DATA} + "/dumps/" + name};
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields{line};
    std::string address;
    std::string hex;
    std::string value;
    std::getline(fields, address, ',');
    std::getline(fields, hex, ',');
    std::getline(fields, value, ',');
    map[static_cast<std::uint16_t>(std::stoi(address))] =
        static_cast<std::uint16_t>(std::stoi(value));
  }
  return map;
}

Images images_of(const Map& map) {
  Images images;
  const auto read = reader(map);
  const auto chain = discover(read);
  REQUIRE(chain);
  for (const auto& block : *chain) {
    if (images.contains(block.id)) continue;
    if (auto registers = read(block.address, registers_to_read(block))) {
      images[block.id] = *registers;
    }
  }
  return images;
}

void put_chain(Map& map, std::uint16_t base,
               const std::vector<std::pair<std::uint16_t, std::uint16_t>>& models) {
  map[base] = 0x5375;
  map[static_cast<std::uint16_t>(base + 1)] = 0x6e53;
  auto at = static_cast<std::uint16_t>(base + 2);
  for (const auto& [id, length] : models) {
    map[at] = id;
    map[static_cast<std::uint16_t>(at + 1)] = length;
    for (std::uint16_t i = 0; i < length; ++i) map[static_cast<std::uint16_t>(at + 2 + i)] = 0xffff;
    at = static_cast<std::uint16_t>(at + 2 + length);
  }
  map[at] = 0xffff;
  map[static_cast<std::uint16_t>(at + 1)] = 0;
}

std::vector<std::uint16_t> control_model(std::uint16_t scale) {
  std::vector<std::uint16_t> model(67, 0);
  model[0] = 704;
  model[1] = 65;
  model[55] = scale;
  return model;
}

}  // namespace

TEST_CASE("values that are not implemented are unknown", "[device][sunspec]") {
  const std::vector<std::uint16_t> none{0x8000, 0xffff, 0xffff, 0xffff, 0xffff, 0x8000, 0};
  CHECK_FALSE(as_int16(none, 0));
  CHECK_FALSE(as_uint16(none, 1));
  CHECK_FALSE(as_uint32(none, 1));
  CHECK_FALSE(as_uint64(none, 1));
  CHECK_FALSE(as_int32(none, 5));
  CHECK_FALSE(as_scale(none, 0));
  CHECK_FALSE(as_uint16(none, 7));
  CHECK_FALSE(as_uint64(none, 4));
  const std::vector<std::uint16_t> values{0x7fc0, 0, 0x447a, 0, 0xffff, 0xfff6, 11};
  CHECK_FALSE(as_float32(values, 0));  // NaN
  CHECK(as_float32(values, 2) == 1000);
  CHECK(as_int32(values, 4) == -10);
  CHECK(as_scale(values, 5) == -10);
  CHECK_FALSE(as_scale(values, 6));
}

TEST_CASE("scaling equals repeated multiplication and division", "[device][sunspec][property]") {
  const auto seed = GENERATE(take(20, random(1, 1'000'000)));
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 200; ++i) {
    const auto raw = static_cast<std::int64_t>(rng.below(2'000'000)) - 1'000'000;
    const int scale = static_cast<int>(rng.below(13)) - 6;
    std::int64_t naive = raw * 3600;
    for (int k = 0; k < scale; ++k) naive *= 10;
    std::int64_t divisor = 1;
    for (int k = scale; k < 0; ++k) divisor *= 10;
    CHECK(scaled(raw, scale, 3600) == naive / divisor);
  }
  CHECK_FALSE(scaled(INT64_MAX, 1));
  CHECK_FALSE(scaled(std::nullopt, 1));
  CHECK_FALSE(scaled(5, std::nullopt));
  CHECK(unscaled(4321, -1) == 43'210);
  CHECK(unscaled(-4321, 2) == -43);
  CHECK_FALSE(unscaled(INT32_MAX, -1));
}

TEST_CASE("discovery finds the map at each base, past unknown models and ones of length 1",
          "[device][sunspec]") {
  const auto base = GENERATE(std::uint16_t{0}, std::uint16_t{40000}, std::uint16_t{50000});
  Map map;
  put_chain(map, base, {{1, 65}, {65'230, 1}, {64'412, 43}, {713, 7}, {999, 0}});
  const auto chain = discover(reader(map));
  REQUIRE(chain);
  REQUIRE(chain->size() == 5);
  CHECK((*chain)[1] == ModelBlock{65'230, 1, static_cast<std::uint16_t>(base + 69)});
  CHECK((*chain)[3].id == 713);
}

TEST_CASE("discovery ends, whatever a device answers", "[device][sunspec][property]") {
  const auto seed = GENERATE(take(100, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  int requests = 0;
  const std::uint64_t spread = rng.below(3) == 0 ? 3 : 70'000;
  const ReadRegisters noise =
      [&](std::uint16_t address,
          std::uint16_t count) -> std::expected<std::vector<std::uint16_t>, std::string> {
    ++requests;
    if (rng.below(50) == 0) return std::unexpected{"no answer"};
    std::vector<std::uint16_t> values;
    values.reserve(count);
    for (std::uint16_t i = 0; i < count; ++i) {
      values.push_back(static_cast<std::uint16_t>(rng.below(spread)));
    }
    if (address == 40000) values = {0x5375, 0x6e53, 1};
    return values;
  };
  const auto chain = discover(noise);
  CHECK(requests < 300);
  if (chain) CHECK(chain->size() <= kModelsMax);
}

TEST_CASE("random register images decode without harm", "[device][sunspec][property]") {
  const auto seed = GENERATE(take(100, random(1, 1'000'000)));
  Rng rng{static_cast<std::uint64_t>(seed)};
  Images images;
  for (const std::uint16_t id :
       std::vector<std::uint16_t>{1, 101, 113, 120, 124, 203, 213, 701, 702, 704, 713, 802}) {
    if (rng.below(3) == 0) continue;
    std::vector<std::uint16_t> registers(rng.below(126));
    for (auto& value : registers) value = static_cast<std::uint16_t>(rng.next());
    images[id] = registers;
  }
  const Nameplate nameplate = nameplate_of(images);
  const Telemetry telemetry = telemetry_of(images, Instant{});
  for (const auto meter : {std::uint16_t{203}, std::uint16_t{213}}) {
    const Reading<Watts> site = meter_power(images[meter], rng.below(2) == 0, Instant{});
    CHECK(size_of(site.value.value_or(Watts{0})) <= limits::kSitePowerMax);
  }
  if (nameplate.controllable) CHECK(nameplate.why_not.empty());
  if (telemetry.soc_permille.value) CHECK(*telemetry.soc_permille.value >= 0);
  const auto writes = control_writes({Watts{static_cast<std::int64_t>(rng.below(9999))}, 60},
                                     images[704], images[704]);
  if (writes) CHECK(writes->back().offset == 22);
}

TEST_CASE("a set point is written in the order of the standard", "[device][sunspec][control]") {
  const auto model = control_model(0xffff);  // tenths of a watt
  const auto writes = control_writes({Watts{-1500}, 90}, model, model);
  REQUIRE(writes);
  const std::vector<RegisterWrite> expected{
      {23, {1}}, {24, {0xffff, 0xc568}}, {31, {0, 90}}, {22, {1}}};
  CHECK(*writes == expected);
  auto taken = model;
  for (const auto& write : *writes) {
    std::ranges::copy(write.values, taken.begin() + write.offset);
  }
  CHECK(check_read_back({Watts{-1500}, 90}, taken));
  CHECK_FALSE(check_read_back({Watts{-1400}, 90}, taken));
  CHECK_FALSE(check_read_back({Watts{-1500}, 90}, model));
  CHECK_FALSE(check_read_back({}, taken));
}

TEST_CASE("a foreign fall-back is disarmed before our set point is enabled",
          "[device][sunspec][control]") {
  auto model = control_model(0);
  model[27] = 5000;  // WSetRvrt
  model[30] = 1;     // WSetEnaRvrt
  const auto writes = control_writes({Watts{100}, 60}, model, model);
  REQUIRE(writes);
  std::vector<std::uint16_t> order;
  for (const auto& write : *writes) order.push_back(write.offset);
  CHECK(order == std::vector<std::uint16_t>{23, 24, 26, 30, 31, 22});
}

TEST_CASE("a release disables first and restores what was there", "[device][sunspec][control]") {
  auto found = control_model(0);
  found[27] = 700;
  found[32] = 15;
  auto current = control_model(0);
  current[22] = 1;
  current[23] = 1;
  current[25] = 4000;
  current[32] = 60;
  const auto writes = control_writes({}, current, found);
  REQUIRE(writes);
  const std::vector<RegisterWrite> expected{
      {22, {0}}, {31, {0, 15}}, {26, {0, 700}}, {24, {0, 0}}, {23, {0}}};
  CHECK(*writes == expected);
}

TEST_CASE("a set point without a scale factor is refused", "[device][sunspec][control]") {
  const auto model = control_model(0x8000);
  CHECK_FALSE(control_writes({Watts{100}, 60}, model, model));
}

TEST_CASE("at night a PV inverter tells nothing, and nothing is what is read",
          "[device][sunspec]") {
  Map map;
  put_chain(map, 40000, {{1, 66}, {101, 50}, {120, 26}, {124, 24}});
  map[static_cast<std::uint16_t>(40000 + 2 + 68 + 14)] = 0x8000;  // W
  const Images images = images_of(map);
  const Telemetry telemetry = telemetry_of(images, Instant{});
  CHECK_FALSE(telemetry.inverter.value);
  CHECK(telemetry.inverter.quality == Quality::kNotImplemented);
  CHECK_FALSE(telemetry.battery.value);
  CHECK_FALSE(telemetry.soc_permille.value);
  CHECK_FALSE(nameplate_of(images).controllable);
}

TEST_CASE("the dump of a real SMA inverter is read, and control refused",
          "[device][sunspec][dump]") {
  const Map map = load_dump("DeviceSMASunnyBoy36Dated20230810.csv");
  if (map.empty()) {
    WARN("skipped: no dump of the SMA inverter");
    return;
  }
  const Images images = images_of(map);
  const Nameplate nameplate = nameplate_of(images);
  CHECK(nameplate.manufacturer == "SMA");
  CHECK(nameplate.model == "SB3.6-1AV-41");
  CHECK_FALSE(nameplate.controllable);
  CHECK(nameplate.why_not == "storage model 124 is there, its points are not implemented");
  const Telemetry telemetry = telemetry_of(images, Instant{});
  CHECK(telemetry.inverter.value == Watts{1080});  // 0x6c * 10
  CHECK_FALSE(telemetry.battery.value);
  CHECK_FALSE(telemetry.soc_permille.value);
}

TEST_CASE("the emulated DER can be controlled but tells no state of charge worth a promise",
          "[device][sunspec][dump]") {
  const Map map = load_dump("EmulatedDER.csv");
  if (map.empty()) {
    WARN("skipped: no dump of the emulated DER");
    return;
  }
  const Images images = images_of(map);
  const Nameplate nameplate = nameplate_of(images);
  CHECK(nameplate.controllable);
  CHECK(nameplate.has_revert_timer);
  CHECK(nameplate.discharge_max == Watts{10'000});
  CHECK_FALSE(nameplate.energy_max);
  const Telemetry telemetry = telemetry_of(images, Instant{});
  CHECK(telemetry.battery.value == Watts{9800});
  CHECK(telemetry.soc_permille.value == 0);
  CHECK_FALSE(telemetry.set_point_active);
}

namespace {

/// A battery of 5 kW that tells what it can do, with models of that length of "not implemented".
class TellingBattery {
 public:
  TellingBattery() {
    images[701] = std::vector<std::uint16_t>(123, 0xffff);
    images[702] = std::vector<std::uint16_t>(52, 0xffff);
    images[704] = std::vector<std::uint16_t>(67, 0xffff);
    images[713] = std::vector<std::uint16_t>(9, 0xffff);
    put(702, 45, 0);  // W_SF
    put(702, 2, 5000);
    put(702, 10, 4000);
  }
  void put(std::uint16_t model, std::size_t offset, std::uint16_t value) {
    images[model].at(offset) = value;
  }
  void put_battery_bank() {
    images[802] = std::vector<std::uint16_t>(64, 0xffff);
    put(802, 34, 4000);  // 400.0 V
    put(802, 59, 0xffff);
    put(802, 45, 60);  // 6.0 A
    put(802, 46, 50);
    put(802, 62, 0xffff);
  }
  [[nodiscard]] std::optional<Watts> discharge() const {
    return telemetry_of(images, Instant{}).discharge_limit.value;
  }
  [[nodiscard]] std::optional<Watts> charge() const {
    return telemetry_of(images, Instant{}).charge_limit.value;
  }
  [[nodiscard]] bool tells() const { return nameplate_of(images).tells_limits; }

  Images images;
};

}  // namespace

TEST_CASE("a device that tells no limit is not limited by it", "[device][sunspec][limits]") {
  const TellingBattery battery;
  CHECK_FALSE(battery.tells());
  CHECK_FALSE(battery.discharge());
  CHECK_FALSE(battery.charge());
}

TEST_CASE("settings that a device changes as it warms bind in the next round",
          "[device][sunspec][limits]") {
  TellingBattery battery;
  battery.put(702, 35, 3000);  // WDisChaRteMax
  battery.put(702, 34, 1000);  // WChaRteMax
  CHECK(battery.tells());
  CHECK(battery.discharge() == Watts{3000});
  CHECK(battery.charge() == Watts{1000});
  battery.images[701].clear();  // answered with an exception
  CHECK_FALSE(battery.discharge());
  CHECK_FALSE(battery.charge());
}

TEST_CASE("a limit of the injected power binds discharge while it is enabled",
          "[device][sunspec][limits]") {
  TellingBattery battery;
  battery.put(704, 15, 600);     // WMaxLimPct: 60.0
  battery.put(704, 54, 0xffff);  // SF -1
  battery.put(704, 14, 0);
  CHECK(battery.discharge() == limits::kSitePowerMax);
  battery.put(704, 14, 1);
  CHECK(battery.discharge() == Watts{3000});
  CHECK(battery.charge() == limits::kSitePowerMax);
  battery.put(704, 15, 0xffff);
  CHECK(battery.discharge() == Watts{0});  // enabled, at nobody knows what
}

TEST_CASE("throttling counts at its worse reading, but not when it is our own set point",
          "[device][sunspec][limits]") {
  TellingBattery battery;
  battery.put(701, 110, 80);
  battery.put(701, 111, 0);
  battery.put(701, 112, 1U << 1U);  // FIXED_W
  CHECK(battery.discharge() == limits::kSitePowerMax);
  battery.put(701, 112, 1U << 14U);  // DERATED
  CHECK(battery.discharge() == Watts{1000});
  CHECK(battery.charge() == Watts{800});
  battery.put(701, 110, 10);
  CHECK(battery.discharge() == Watts{500});
}

TEST_CASE("a device or a battery in fault can do nothing", "[device][sunspec][limits]") {
  TellingBattery battery;
  SECTION("inverter") {
    battery.put(701, 4, 6);
  }
  SECTION("storage") {
    battery.put(713, 6, 2);
  }
  SECTION("bank") {
    battery.put_battery_bank();
    battery.put(802, 22, 99);
  }
  CHECK(battery.discharge() == Watts{0});
  CHECK(battery.charge() == Watts{0});
}

TEST_CASE("currents that taper are power at the bank's voltage", "[device][sunspec][limits]") {
  TellingBattery battery;
  battery.put_battery_bank();
  CHECK(battery.charge() == Watts{2400});
  CHECK(battery.discharge() == Watts{1800});  // less what an inverter loses
  battery.put(802, 45, 0);
  CHECK(battery.charge() == Watts{0});
}

TEST_CASE("rates of the basic storage model bind where its mode says so",
          "[device][sunspec][limits]") {
  TellingBattery battery;
  battery.images[124] = std::vector<std::uint16_t>(26, 0xffff);
  battery.put(124, 2, 4000);
  battery.put(124, 18, 0);
  battery.put(124, 25, 0);
  battery.put(124, 12, 50);  // OutWRte
  battery.put(124, 13, static_cast<std::uint16_t>(-20));
  battery.put(124, 5, 0);
  CHECK(battery.discharge() == limits::kSitePowerMax);
  battery.put(124, 5, 3);
  CHECK(battery.discharge() == Watts{2000});
  CHECK(battery.charge() == Watts{0});  // it is made to discharge
}

TEST_CASE("the grid's frequency is read in millihertz, from whichever model tells it",
          "[device][sunspec]") {
  const auto frequency = [](const Images& images) {
    return telemetry_of(images, Instant{}).frequency_mhz.value;
  };
  Images images;
  images[701] = std::vector<std::uint16_t>(123, 0xffff);
  CHECK_FALSE(frequency(images));
  images[701][17] = 0;
  images[701][18] = 4998;
  images[701][115] = static_cast<std::uint16_t>(-2);
  CHECK(frequency(images) == 49'980);

  images.clear();
  images[103] = std::vector<std::uint16_t>(52, 0xffff);
  images[103][16] = 6001;
  images[103][17] = static_cast<std::uint16_t>(-2);
  CHECK(frequency(images) == 60'010);

  images.clear();
  images[111] = std::vector<std::uint16_t>(62, 0xffff);
  CHECK_FALSE(frequency(images));  // NaN
  images[111][24] = 0x4247;        // 49.9375
  images[111][25] = 0xc000;
  CHECK(frequency(images) == 49'937);
}

namespace {

std::vector<std::uint16_t> whole_meter(std::uint16_t id, std::int16_t power, std::int16_t scale) {
  std::vector<std::uint16_t> model(23, 0x8000);
  model[0] = id;
  model[1] = 105;
  model[18] = static_cast<std::uint16_t>(power);
  model[22] = static_cast<std::uint16_t>(scale);
  return model;
}

std::vector<std::uint16_t> float_meter(std::uint16_t id, float power) {
  std::vector<std::uint16_t> model(30, 0x7fc0);  // half of a NaN
  model[0] = id;
  model[1] = 124;
  const auto bits = std::bit_cast<std::uint32_t>(power);
  model[28] = static_cast<std::uint16_t>(bits >> 16U);
  model[29] = static_cast<std::uint16_t>(bits);
  return model;
}

}  // namespace

TEST_CASE("a meter of whole numbers is read with the scale factor beside the power",
          "[device][sunspec][meter]") {
  const auto id =
      GENERATE(std::uint16_t{201}, std::uint16_t{202}, std::uint16_t{203}, std::uint16_t{204});
  REQUIRE(tells_meter(id));
  const auto imported = [&](std::int16_t power, std::int16_t scale) {
    return meter_power(whole_meter(id, power, scale), false, Instant{7ms});
  };
  CHECK(imported(2500, 0) == Reading<Watts>{Watts{-2500}, Quality::kGood, Instant{7ms}});
  CHECK(imported(-12'345, -1).value == Watts{1234});
  CHECK(imported(-321, 1).value == Watts{3210});
  CHECK(imported(0, 0).value == Watts{0});
  CHECK(meter_power(whole_meter(id, 2500, 0), true, Instant{}).value == Watts{2500});
}

TEST_CASE("a meter of floats is read in watts", "[device][sunspec][meter]") {
  const auto id =
      GENERATE(std::uint16_t{211}, std::uint16_t{212}, std::uint16_t{213}, std::uint16_t{214});
  REQUIRE(tells_meter(id));
  CHECK(meter_power(float_meter(id, 2500.75F), false, Instant{}).value == Watts{-2500});
  CHECK(meter_power(float_meter(id, -31.5F), false, Instant{}).value == Watts{31});
  CHECK(meter_power(float_meter(id, -31.5F), true, Instant{}).value == Watts{-31});
}

TEST_CASE("what a meter does not tell is unknown, and what no home can be is not believed",
          "[device][sunspec][meter]") {
  const auto quality = [](const std::vector<std::uint16_t>& model) {
    const Reading<Watts> read = meter_power(model, false, Instant{});
    CHECK_FALSE(read.value);
    return read.quality;
  };
  constexpr auto kNone = static_cast<std::int16_t>(0x8000);
  CHECK(quality(whole_meter(203, kNone, 0)) == Quality::kNotImplemented);
  CHECK(quality(whole_meter(203, 100, kNone)) == Quality::kNotImplemented);
  CHECK(quality(whole_meter(203, 100, 11)) == Quality::kNotImplemented);
  CHECK(quality(whole_meter(203, 32'000, 2)) == Quality::kImplausible);
  CHECK(quality(float_meter(213, std::nanf(""))) == Quality::kNotImplemented);
  CHECK(quality(float_meter(213, INFINITY)) == Quality::kNotImplemented);
  CHECK(quality(float_meter(213, -1.5e6F)) == Quality::kImplausible);
  CHECK(quality({}) == Quality::kNotImplemented);          // not read this time
  CHECK(quality({203, 105}) == Quality::kNotImplemented);  // cut short
  CHECK(quality({213, 124}) == Quality::kNotImplemented);
}

TEST_CASE("of a meter no more is read than its power", "[device][sunspec][meter]") {
  CHECK(registers_to_read({203, 105, 40'070}) == 23);
  CHECK(registers_to_read({213, 124, 40'070}) == 30);
  CHECK(registers_to_read({204, 9, 40'070}) == 11);  // a map that is wrong
}
