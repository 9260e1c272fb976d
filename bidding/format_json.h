// The shapes of bid_formats.h as JSON, for a market's HTTP API.
#pragma once

#include "bidding/bid_formats.h"
#include "bidding/market_json.h"

namespace vpp::bidding {

/// {"key", "gate", "curve": [{"until_w", "price_micro_per_mwh"}]}
[[nodiscard]] Json to_json_value(const PriceCurve& curve);
/// {"generation_micro_per_mwh": [10], "load_micro_per_mwh": [10]}
[[nodiscard]] Json to_json_value(const BandPrices& prices);
/// {"key", "gate", "generation_w": [10], "load_w": [10], "reason"}
[[nodiscard]] Json to_json_value(const BandVolumes& volumes);

[[nodiscard]] PriceCurve read_curve(JsonReader& reader, const Json& value);
[[nodiscard]] BandPrices read_band_prices(JsonReader& reader, const Json& value);
[[nodiscard]] BandVolumes read_band_volumes(JsonReader& reader, const Json& value);

}  // namespace vpp::bidding
