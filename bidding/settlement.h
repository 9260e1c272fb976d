// What a delivery is worth, what of it the owners are paid, and where two accounts of it differ.
// Pure.
//
// Units      joules at the connection points, micro-units of the market's currency.
// Rounding   down, always: what is left of a division stays with the plant, never with nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bidding/facts.h"
#include "bidding/market.h"
#include "config/units.h"

namespace vpp::bidding {

/// floor(energy * price), at most limits::kAmountMax either way.
[[nodiscard]] Amount worth(Joules energy, Price per_mwh);

[[nodiscard]] Joules awarded_energy(const Award& award);

/// What was to be delivered: of energy what was awarded, of reserve what was called.
[[nodiscard]] Joules owed_energy(const Award& award, const std::optional<ReserveCall>& call);

/// For each MWh of an owner's own receipt: the share of (revenue - penalty) divided by all that the
/// receipts sum up to, so that owners together are paid no more than was earned for them. Of energy
/// not above the clearing price; of reserve not above what all that was called would get. 0:
/// nothing was earned, or nothing was delivered.
[[nodiscard]] Price owner_rate(const Settlement& settlement, const Award& award, Joules receipts,
                               std::int32_t share_permille);

/// Of what the market settled: energy owed and delivered to the watt-hour, revenue to the rounding
/// of a market; of reserve the pay for keeping it, since the price of what is called is the
/// market's. The penalty is the market's rule; a negative one differs.
[[nodiscard]] std::vector<Disagreement> compare(const Award& award,
                                                const std::optional<ReserveCall>& call,
                                                const DeliveryMeasured& measured,
                                                const Settlement& settlement);

/// Between the settlement that stands and another one under the same key.
[[nodiscard]] std::vector<Disagreement> compare(const Settlement& stands, const Settlement& other);

}  // namespace vpp::bidding
