// SunSpec registers, from both ends. Whatever map a device shows: discovery ends, its models lie in
// the address space and do not overlap, nothing read from them is beyond the limits of what a site
// can be, and control writes only whole points inside the model and reads back as written. The
// simulated battery takes a write whole or not at all, and stays a map that can be discovered.
#include "device/sunspec.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "config/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tools/battery/sunspec_battery.h"

using namespace vpp;
using namespace vpp::device;
using namespace vpp::device::sunspec;

namespace {

constexpr std::uint32_t kAddresses = 65'536;

/// Registers from `base` on; beyond them lies nothing.
struct Map {
  std::uint32_t base = 0;
  std::vector<std::uint16_t> registers;

  std::expected<std::vector<std::uint16_t>, std::string> read(std::uint32_t address,
                                                              std::uint32_t count) const {
    VPP_CHECK(count > 0 && count <= kReadMax);
    if (address < base || address + count > base + registers.size()) {
      return std::unexpected{"illegal data address"};
    }
    const auto from = registers.begin() + static_cast<std::ptrdiff_t>(address - base);
    return std::vector(from, from + static_cast<std::ptrdiff_t>(count));
  }
};

std::vector<ModelBlock> models_of(const Map& map) {
  std::size_t requests = 0;
  const auto chain = discover([&](std::uint16_t address, std::uint16_t count) {
    ++requests;
    return map.read(address, count);
  });
  VPP_CHECK(requests <= kModelsMax + 4);
  if (!chain) return {};
  VPP_CHECK(chain->size() <= kModelsMax);
  std::uint32_t free_from = 0;
  for (const ModelBlock& block : *chain) {
    VPP_CHECK(block.address >= free_from);
    free_from = std::uint32_t{block.address} + 2 + block.length;
  }
  return *chain;
}

Images images_of(const Map& map) {
  Images images;
  for (const ModelBlock& block : models_of(map)) {
    const std::uint16_t count = registers_to_read(block);
    VPP_CHECK(count <= std::uint32_t{block.length} + 2);
    auto registers = map.read(block.address, count);
    if (registers) images.try_emplace(block.id, *std::move(registers));
  }
  return images;
}

void check_meaning(const Images& images) {
  const Nameplate plate = nameplate_of(images);
  VPP_CHECK(!plate.discharge_max || *plate.discharge_max > Watts{0});
  VPP_CHECK(!plate.charge_max || *plate.charge_max > Watts{0});
  VPP_CHECK(!plate.energy_max || *plate.energy_max > WattHours{0});
  VPP_CHECK(plate.controllable == plate.why_not.empty());
  for (const std::string* text : {&plate.manufacturer, &plate.model, &plate.serial}) {
    VPP_CHECK(std::ranges::all_of(*text, [](char c) { return c >= ' ' && c < '\x7f'; }));
  }
  const Telemetry telemetry = telemetry_of(images, Instant{Duration{7}});
  const auto whole = [](const auto& reading) {
    VPP_CHECK(reading.value.has_value() == (reading.quality == Quality::kGood));
  };
  whole(telemetry.battery);
  whole(telemetry.site);
  whole(telemetry.soc_permille);
  whole(telemetry.stored);
  whole(telemetry.injected);
  whole(telemetry.absorbed);
  whole(telemetry.inverter);
  whole(telemetry.set_point);
  for (const auto& [id, registers] : images) {
    if (!tells_meter(id)) continue;
    const Reading<Watts> site = meter_power(registers, false, Instant{Duration{7}});
    whole(site);
    VPP_CHECK(size_of(site.value.value_or(Watts{0})) <= limits::kSitePowerMax);
    const Reading<Watts> other = meter_power(registers, true, Instant{Duration{7}});
    VPP_CHECK(other.value.value_or(Watts{0}) == -site.value.value_or(Watts{0}));
  }
}

void check_control(const Images& images, const DeviceCommand& command) {
  const auto found = images.find(kControlModel);
  if (found == images.end()) return;
  std::vector<std::uint16_t> model = found->second;
  const auto writes = control_writes(command, model, model);
  if (!writes) {
    VPP_CHECK(!writes.error().empty() && command.set_point);
    return;
  }
  for (const RegisterWrite& write : *writes) {
    // A model cut short is not controllable; the driver asks no such device.
    if (write.offset + write.values.size() > model.size()) return;
    std::ranges::copy(write.values, model.begin() + write.offset);
  }
  VPP_CHECK(check_read_back(command, model));
}

void real(fuzz::FuzzInput input) {
  constexpr std::uint32_t kBases[] = {40'000, 0, 50'000, 65'000};
  Map map{kBases[input.below(std::size(kBases))], {0x5375, 0x6e53}};
  DeviceCommand command;
  if (input.coin()) command.set_point = Watts{static_cast<std::int32_t>(input.number(4))};
  command.revert_s = static_cast<std::uint32_t>(input.number(2));
  while (!input.empty() && map.base + map.registers.size() < kAddresses) {
    const auto value = static_cast<std::uint16_t>(input.number(2));
    // Real models are long runs of nothing: short inputs should reach far.
    const std::size_t times = value == 0xffff || value == 0x8000 ? input.byte() + 1U : 1U;
    map.registers.insert(map.registers.end(), times, value);
  }
  map.registers.resize(std::min<std::size_t>(map.registers.size(), kAddresses - map.base));
  const Images images = images_of(map);
  check_meaning(images);
  check_control(images, command);
}

battery::SunspecBattery made_battery() {
  static const auto home = [] {
    Rng rng{1};
    return std::make_shared<battery::HomeProfile>(battery::synthetic_home(rng));
  }();
  battery::SunspecBatteryOptions options;
  options.household.profile = home;
  options.serial = "1";
  return battery::SunspecBattery{options};
}

void simulated(fuzz::FuzzInput input) {
  battery::SunspecBattery battery = made_battery();
  MarketTime now{};
  for (int steps = 0; !input.empty() && steps < 100; ++steps) {
    const auto address = static_cast<std::uint16_t>(battery::kMapStart + input.number(2) % 512);
    std::vector<std::uint16_t> values(input.below(5));
    for (auto& value : values) value = static_cast<std::uint16_t>(input.number(2));
    const auto shown = battery.registers();
    const std::vector<std::uint16_t> before{shown.begin(), shown.end()};
    const auto result = battery.write(address, values);
    if (result != battery::WriteResult::kNone) {
      VPP_CHECK(std::ranges::equal(battery.registers(), before));
    }
    now += Duration{static_cast<std::int64_t>(input.number(2))};
    battery.advance(now);
    const auto after = battery.registers();
    const Images images = images_of({battery::kMapStart, {after.begin(), after.end()}});
    VPP_CHECK(images.size() == 5 && nameplate_of(images).controllable);
    check_meaning(images);
    const auto meter = battery.meter_registers();
    const Images metered = images_of({battery::kMapStart, {meter.begin(), meter.end()}});
    check_meaning(metered);
    VPP_CHECK(meter_power(metered.at(201), false, Instant{}).value);
    const auto& rating = battery.model().rating();
    VPP_CHECK(battery.model().power() <= rating.discharge_max);
    VPP_CHECK(battery.model().power() >= -rating.charge_max - rating.standby);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  if (input.coin()) {
    simulated(input);
  } else {
    real(input);
  }
  return 0;
}
