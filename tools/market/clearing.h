// Who sells at what price: the cheapest offers up to the demand, all at the dearest one accepted.
// Pure.
//
// Units      whole watts, micro-units per MWh.
// Exactness  what is awarded adds up to min(demand, offered). Offers at the margin are served in
//            proportion, rounded down; the watts left over go one each to those given first.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "config/units.h"

namespace vpp::market {

struct Offer {
  Watts power;  ///< > 0
  Price price;
};

struct Clearing {
  std::vector<Watts> accepted;  ///< one per offer, in the order given
  std::optional<Price> price;   ///< nothing: nothing was sold
  Watts unserved;               ///< of the demand
};

[[nodiscard]] Clearing clear_by_merit(std::span<const Offer> offers, Watts demand);

}  // namespace vpp::market
