#include "tools/battery/sunspec_battery.h"

#include <algorithm>
#include <array>

namespace vpp::battery {
namespace {

// Where each model's id register is, from kMapStart.
constexpr std::size_t kCommon = 2;
constexpr std::size_t kMeasure = kCommon + 2 + 66;    // 701
constexpr std::size_t kRatings = kMeasure + 2 + 153;  // 702
constexpr std::size_t kControl = kRatings + 2 + 50;   // 704
constexpr std::size_t kStorage = kControl + 2 + 65;   // 713
constexpr std::size_t kEnd = kStorage + 2 + 7;
constexpr std::size_t kMapLength = kEnd + 2;

// Points of 704 that can be written, from kMapStart.
constexpr std::size_t kWSetEna = kControl + 22;
constexpr std::size_t kWSetMod = kControl + 23;
constexpr std::size_t kWSet = kControl + 24;
constexpr std::size_t kWSetRvrt = kControl + 26;
constexpr std::size_t kWSetEnaRvrt = kControl + 30;
constexpr std::size_t kWSetRvrtTms = kControl + 31;
constexpr std::size_t kWSetRvrtRem = kControl + 33;

struct WritablePoint {
  std::size_t at;
  std::size_t size;
  std::uint32_t absent;  ///< of its type: what no value is
};
constexpr std::array<WritablePoint, 6> kWritable{{{kWSetEna, 1, 0xffff},
                                                  {kWSetMod, 1, 0xffff},
                                                  {kWSet, 2, 0x8000'0000},
                                                  {kWSetRvrt, 2, 0x8000'0000},
                                                  {kWSetEnaRvrt, 1, 0xffff},
                                                  {kWSetRvrtTms, 2, 0xffff'ffff}}};

constexpr std::array<Run, 11> kEmpty701{{{kU, 8},
                                         {kS, 5},
                                         {kU, 20},
                                         {kS, 11},
                                         {kU, 18},
                                         {kS, 5},
                                         {kU, 18},
                                         {kS, 5},
                                         {kU, 21},
                                         {kS, 10},
                                         {0, 32}}};
constexpr std::array<Run, 2> kEmpty702{{{kU, 43}, {kS, 7}}};
constexpr std::array<Run, 15> kEmpty704{{{kU, 22},
                                         {kS, 1},
                                         {0, 1},
                                         {kS, 1},
                                         {0, 1},
                                         {kS, 2},
                                         {kU, 8},
                                         {kS, 1},
                                         {0, 1},
                                         {kS, 1},
                                         {0, 1},
                                         {kS, 2},
                                         {kU, 9},
                                         {kS, 6},
                                         {kU, 8}}};
constexpr std::array<Run, 2> kEmpty713{{{kU, 5}, {kS, 2}}};

}  // namespace

SunspecBattery::SunspecBattery(const SunspecBatteryOptions& options)
    : model_{options.rating,
             Joules{to_joules(options.rating.capacity).count * options.soc_permille / 1000}},
      household_{options.household},
      faults_{options.faults},
      grid_{options.grid},
      serial_{options.serial},
      meter_{options.serial + "-M"},
      now_{options.start},
      power_scale_{scale_for(
          std::max(options.rating.discharge_max, options.rating.charge_max).count, 30'000)},
      energy_scale_{scale_for(options.rating.capacity.count, 65'000)},
      soc_at_start_{model_.soc_permille()} {
  lay_out();
}

void SunspecBattery::lay_out() {
  auto& r = registers_;
  begin_map(r, "vppbattery", serial_);
  begin_model(r, kMeasure, 701, kEmpty701);
  begin_model(r, kRatings, 702, kEmpty702);
  begin_model(r, kControl, 704, kEmpty704);
  begin_model(r, kStorage, 713, kEmpty713);
  end_map(r);
  VPP_CHECK(r.size() == kMapLength);

  const BatteryRating& rating = model_.rating();
  const std::int64_t in = scaled_down(rating.charge_max.count, power_scale_);
  const std::int64_t out = scaled_down(rating.discharge_max.count, power_scale_);
  for (const std::size_t point : {2U, 7U, 11U, 26U, 31U, 35U}) r[kRatings + point] = low16(out);
  for (const std::size_t point : {10U, 34U}) r[kRatings + point] = low16(in);
  for (const std::size_t point : {14U, 38U}) r[kRatings + point] = 230;
  put32(registers_, kRatings + 23, 0b10);  // fixed active power
  for (const std::size_t scale : {45U, 47U}) r[kRatings + scale] = low16(power_scale_);
  r[kRatings + 49] = 0;

  r[kMeasure + 2] = 0;  // single phase
  r[kMeasure + 3] = 1;  // on
  r[kMeasure + 4] = 3;  // running
  r[kMeasure + 5] = 1;  // connected
  put32(registers_, kMeasure + 6, 0);
  put32(registers_, kMeasure + 8, 1);  // grid following
  r[kMeasure + 16] = 2300;
  r[kMeasure + 114] = low16(-1);
  r[kMeasure + 115] = low16(-3);
  for (const std::size_t scale : {116U, 118U}) r[kMeasure + scale] = low16(power_scale_);
  r[kMeasure + 120] = low16(-3);

  r[kWSetEna] = 0;
  r[kWSetMod] = 1;
  for (const std::size_t point : {kWSet, kWSetRvrt, kWSetRvrtTms, kWSetRvrtRem})
    put32(registers_, point, 0);
  r[kWSetEnaRvrt] = 0;
  r[kControl + 55] = 0;

  r[kStorage + 2] = low16(scaled_down(rating.capacity.count, energy_scale_));
  r[kStorage + 5] = 1000;
  r[kStorage + 6] = 0;
  r[kStorage + 7] = low16(energy_scale_);
  r[kStorage + 8] = low16(-1);
}

void SunspecBattery::advance(MarketTime market) {
  while (now_ < market) {
    Duration piece = std::min(market - now_, until_next_hour(now_));
    if (model_.revert_remaining() > Duration{0}) {
      piece = std::min(piece, model_.revert_remaining());
    }
    model_.step(piece, household_.at(now_));
    now_ += piece;
    if (enabled() && !model_.set_point() && !faults_.unresponsive) expire();
  }
}

void SunspecBattery::expire() {
  if (registers_[kWSetEnaRvrt] == 1) {
    put32(registers_, kWSet, get32(registers_, kWSetRvrt));
    model_.set_point(Watts{static_cast<std::int32_t>(get32(registers_, kWSet))}, Duration{0});
  } else {
    registers_[kWSetEna] = 0;
  }
}

std::span<std::uint16_t> SunspecBattery::registers() {
  const std::int64_t power = model_.power().count;
  registers_[kMeasure + 10] = low16(scaled_down(power, power_scale_));
  registers_[kMeasure + 11] = low16(scaled_down(power < 0 ? -power : power, power_scale_));
  put32(registers_, kMeasure + 17, static_cast<std::uint32_t>(grid_->frequency_mhz));
  // Thousandths of a watt-hour: 3,600 mJ.
  put64(registers_, kMeasure + 19,
        static_cast<std::uint64_t>(model_.accounts().injected_mj / 3'600));
  put64(registers_, kMeasure + 23,
        static_cast<std::uint64_t>(model_.accounts().absorbed_mj / 3'600));
  const auto remaining = std::chrono::ceil<std::chrono::seconds>(model_.revert_remaining());
  put32(registers_, kWSetRvrtRem,
        faults_.unresponsive ? get32(registers_, kWSetRvrtTms)
                             : static_cast<std::uint32_t>(remaining.count()));
  std::int64_t wh = to_watt_hours(model_.stored()).count;
  std::int32_t soc = model_.soc_permille();
  if (faults_.stale_soc) {
    soc = soc_at_start_;
    wh = model_.rating().capacity.count * soc / 1000;
  }
  if (faults_.zero_soc) wh = soc = 0;
  registers_[kStorage + 3] = low16(scaled_down(wh, energy_scale_));
  registers_[kStorage + 4] = low16(soc);
  return registers_;
}

std::span<std::uint16_t> SunspecBattery::meter_registers() {
  return meter_.registers(model_, grid_->frequency_mhz, !faults_.meter_unknown);
}

WriteResult SunspecBattery::write(std::uint16_t address, std::span<const std::uint16_t> values) {
  if (address < kMapStart || values.empty()) return WriteResult::kIllegalAddress;
  const std::size_t first = address - std::size_t{kMapStart};
  const std::size_t last = first + values.size();
  for (std::size_t at = first; at < last;) {
    const auto point = std::ranges::find(kWritable, at, &WritablePoint::at);
    if (point == kWritable.end()) {
      const bool half = std::ranges::find(kWritable, at - 1, &WritablePoint::at) != kWritable.end();
      return half && at == first ? WriteResult::kIllegalValue : WriteResult::kIllegalAddress;
    }
    if (at + point->size > last) return WriteResult::kIllegalValue;
    std::uint32_t value = values[at - first];
    if (point->size == 2) value = value << 16U | values[at - first + 1];
    if (value == point->absent) return WriteResult::kIllegalValue;
    if (at == kWSetMod && value != 1) return WriteResult::kIllegalValue;  // watts only
    if ((at == kWSetEna || at == kWSetEnaRvrt) && value > 1) return WriteResult::kIllegalValue;
    at += point->size;
  }
  std::ranges::copy(values, registers_.begin() + static_cast<std::ptrdiff_t>(first));
  take_over(first, last);
  return WriteResult::kNone;
}

void SunspecBattery::take_over(std::size_t first, std::size_t last) {
  const auto written = [&](std::size_t at) { return at >= first && at < last; };
  if (faults_.unresponsive) return;
  if (!enabled()) {
    if (written(kWSetEna)) model_.release();
    return;
  }
  if (!written(kWSetEna) && !written(kWSet) && !written(kWSetRvrtTms)) return;
  const bool restart = written(kWSetEna) || written(kWSetRvrtTms);
  const Duration timer =
      restart ? std::chrono::seconds{get32(registers_, kWSetRvrtTms)} : model_.revert_remaining();
  model_.set_point(Watts{static_cast<std::int32_t>(get32(registers_, kWSet))}, timer);
}

bool SunspecBattery::enabled() const {
  return registers_[kWSetEna] == 1;
}

}  // namespace vpp::battery
