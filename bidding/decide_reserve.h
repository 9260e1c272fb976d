// What to bid at one gate of reserve upwards, together with the energy that competes with it: a
// pure function of facts, and of whoever solves its linear programs.
//
// Slots      from the gate on, as long as energy prices are (15 minutes at the least where the
//            horizon is a day), each with its energy; and blocks as long as the gate, each with its
//            reserve, as far as prices are expected. What is promised already counts where it lies.
// Either     energy or reserve: at one time one order of a market is in force. So two programs are
//            solved (co_optimise.h), with the gate's reserve and with its energy instead. In other
//            blocks both are allowed, which makes what competes rather too good.
// Bid        the reserve of the first program, if it gains more than the second one, at the price
//            at which both gain the same: below it the energy would have been the better deal.
// Ties       of what is worth the same, what comes sooner is sold.
// Rounding   never beyond the curve: looked at once more to the millisecond (optimise.h).
// Cost       two linear programs; at most kReserveSlotsMax slots each, beside those promised.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>

#include "bidding/decide.h"
#include "bidding/linear_program.h"

namespace vpp::bidding {

inline constexpr std::size_t kReserveSlotsMax = 96;

/// `input.capacity` is needed. Error: one of no_bid. Precondition: a gate of reserve upwards.
[[nodiscard]] std::expected<BidDecided, std::string_view> decide_reserve(const DecideInput& input,
                                                                         const FirmCurve& curve,
                                                                         MakeLinearProgram* solver);

}  // namespace vpp::bidding
