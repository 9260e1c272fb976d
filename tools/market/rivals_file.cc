#include "tools/market/rivals_file.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include "config/limits.h"
#include "tools/market/price_file.h"

namespace vpp::market {
namespace {

[[nodiscard]] std::optional<Offer> read_offer(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t first = line.find(',');
  const std::size_t second = line.find(',', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const std::string_view power = line.substr(first + 1, second - first - 1);
  std::int64_t watts = 0;
  const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), watts);
  const auto price = parse_price(line.substr(second + 1));
  if (error != std::errc{} || end != power.data() + power.size() || !price || watts <= 0 ||
      watts > limits::kGroupPowerMax.count) {
    return std::nullopt;
  }
  return Offer{Watts{watts}, *price};
}

}  // namespace

std::expected<std::vector<Offer>, std::string> read_rivals(std::istream& csv) {
  std::string line;
  std::getline(csv, line);
  if (line.ends_with('\r')) line.pop_back();
  if (line != "bidder,power_w,price_per_mwh") {
    return std::unexpected{"line 1: the header is bidder,power_w,price_per_mwh"};
  }
  std::vector<Offer> offers;
  for (int number = 2; std::getline(csv, line); ++number) {
    if (line.empty()) continue;
    const auto offer = read_offer(line);
    if (!offer) return std::unexpected{"line " + std::to_string(number) + ": no offer"};
    offers.push_back(*offer);
  }
  return offers;
}

}  // namespace vpp::market
