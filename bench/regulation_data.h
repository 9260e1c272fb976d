// What `bench_regulation` reads: a regulation signal by days, and the ratings of real homes.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "tests/sim/regulation_plant.h"

namespace vpp::bench {

/// One evening: a value every 4 s, in permille of what was awarded.
struct SignalDay {
  std::string date;
  std::vector<double> permille;
};

/// Columns seconds_of_day and one per day, in percent. The error says what is wrong, and where.
[[nodiscard]] std::expected<std::vector<SignalDay>, std::string> read_signal(
    const std::string& file);

/// Columns system_max_p, system_min_p (kW; the smaller counts, both ways) and system_capacity
/// (kWh). Systems without a rating are left out.
[[nodiscard]] std::expected<std::vector<sim::RegulationHome>, std::string> read_ratings(
    const std::string& file);

}  // namespace vpp::bench
