// What a market does wrong, for tests of those who deal with it. Pure: the same seed and the same
// requests give the same faults.
//
// Request    GET /v1/faults tells them, POST /v1/faults sets them anew: a JSON object of the names
//            below, whole numbers; what is not named is 0, which is: no such fault.
// Books      are never wrong: what is accepted is cleared and settled as always. /v1/state and
//            /v1/faults answer in any case.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bidding/market_json.h"
#include "config/rng.h"
#include "tools/market/api.h"

namespace vpp::market {

struct Faults {
  std::int64_t outage = 0;              ///< 1: every request is left without an answer
  std::int64_t error_permille = 0;      ///< of answers that are a 500; half of them did their work
  std::int64_t busy_permille = 0;       ///< of requests refused with 429 ...
  std::int64_t retry_after_s = 0;       ///< ... and this Retry-After, if above 0
  std::int64_t half_body_permille = 0;  ///< of answers that break off in the middle
  std::int64_t late_prices_ms = 0;      ///< prices are told so much market time later
  std::int64_t corrected_permille = 0;  ///< of prices that are first told 10 per MWh too high
  std::int64_t corrected_after_ms = 0;  ///< ... until so much after their interval began
  std::int64_t gap_permille = 0;        ///< of prices that are never told
  std::int64_t odd_permille = 0;        ///< of prices told as null, or as absurd, this time
  std::int64_t duplicate_awards = 0;    ///< 1: every award is told twice
  std::int64_t changed_awards = 0;      ///< 1: told with half the power, too, from then on
  std::int64_t clock_shift_ms = 0;      ///< the market's clock is so much ahead
  friend bool operator==(const Faults&, const Faults&) = default;
};

inline constexpr std::array<std::pair<std::string_view, std::int64_t Faults::*>, 13> kFaults{
    {{"outage", &Faults::outage},
     {"error_permille", &Faults::error_permille},
     {"busy_permille", &Faults::busy_permille},
     {"retry_after_s", &Faults::retry_after_s},
     {"half_body_permille", &Faults::half_body_permille},
     {"late_prices_ms", &Faults::late_prices_ms},
     {"corrected_permille", &Faults::corrected_permille},
     {"corrected_after_ms", &Faults::corrected_after_ms},
     {"gap_permille", &Faults::gap_permille},
     {"odd_permille", &Faults::odd_permille},
     {"duplicate_awards", &Faults::duplicate_awards},
     {"changed_awards", &Faults::changed_awards},
     {"clock_shift_ms", &Faults::clock_shift_ms}}};

/// Error: the name that is none, or the value that is no whole number.
[[nodiscard]] std::expected<Faults, std::string> read_faults(std::string_view text);

class FaultyMarket {
 public:
  FaultyMarket(Market& market, const Faults& faults, std::uint64_t seed)
      : market_{market}, faults_{faults}, rng_{seed} {}

  [[nodiscard]] Reply answer(const Setting& setting, const Request& request);

 private:
  [[nodiscard]] Reply control(const Request& request);
  [[nodiscard]] bool strikes(std::int64_t permille);
  void spoil_prices(const Setting& setting, bidding::Json& json);
  void spoil_awards(bidding::Json& json) const;

  Market& market_;
  Faults faults_;
  Rng rng_;
};

}  // namespace vpp::market
