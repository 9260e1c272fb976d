#include "bidding/format_json.h"

#include <array>
#include <cstddef>
#include <string>

namespace vpp::bidding {
namespace {

template <class Quantity>
[[nodiscard]] Json ten_numbers(const std::array<Quantity, kBands>& values) {
  Json list = Json::array();
  for (const Quantity value : values) list.push_back(value.count);
  return list;
}

template <class Quantity>
void read_ten(JsonReader& reader, const Json& value, const char* name,
              std::array<Quantity, kBands>& into) {
  const Json& list = reader.array(value, name);
  if (list.size() != kBands) {
    reader.fail(std::string{name} + " is not a list of ten whole numbers");
    return;
  }
  for (std::size_t i = 0; i < kBands; ++i) {
    // As a field, so that a wrong one is told by its name.
    into.at(i) = Quantity{reader.whole(Json{{name, list.at(i)}}, name)};
  }
}

}  // namespace

Json to_json_value(const PriceCurve& curve) {
  Json steps = Json::array();
  for (const CurveStep& step : curve.steps) {
    steps.push_back({{"until_w", step.until.count}, {"price_micro_per_mwh", step.price.count}});
  }
  return {{"key", curve.key}, {"gate", to_json_value(curve.gate)}, {"curve", std::move(steps)}};
}

Json to_json_value(const BandPrices& prices) {
  return {{"generation_micro_per_mwh", ten_numbers(prices.generation)},
          {"load_micro_per_mwh", ten_numbers(prices.load)}};
}

Json to_json_value(const BandVolumes& volumes) {
  return {{"key", volumes.key},
          {"gate", to_json_value(volumes.gate)},
          {"generation_w", ten_numbers(volumes.generation)},
          {"load_w", ten_numbers(volumes.load)},
          {"reason", volumes.reason}};
}

PriceCurve read_curve(JsonReader& reader, const Json& value) {
  PriceCurve curve;
  curve.key = reader.text(value, "key");
  reader.read(reader.object(value, "gate"), curve.gate);
  for (const Json& step : reader.array(value, "curve")) {
    curve.steps.push_back(
        {Watts{reader.whole(step, "until_w")}, Price{reader.whole(step, "price_micro_per_mwh")}});
  }
  return curve;
}

BandPrices read_band_prices(JsonReader& reader, const Json& value) {
  BandPrices prices;
  read_ten(reader, value, "generation_micro_per_mwh", prices.generation);
  read_ten(reader, value, "load_micro_per_mwh", prices.load);
  return prices;
}

BandVolumes read_band_volumes(JsonReader& reader, const Json& value) {
  BandVolumes volumes;
  volumes.key = reader.text(value, "key");
  reader.read(reader.object(value, "gate"), volumes.gate);
  read_ten(reader, value, "generation_w", volumes.generation);
  read_ten(reader, value, "load_w", volumes.load);
  volumes.reason = reader.text(value, "reason");
  return volumes;
}

}  // namespace vpp::bidding
