// From what events wish for to the orders that are booked: which to book, which to withdraw. Pure.
//
// Compared   what the book holds with what is wished for, each time anew: so a restart or another
//            root that takes over books nothing twice, and a change withdraws what it replaces.
// Holds      of wishes whose scopes overlap the one of lowest priority at each moment. What an
//            operator ordered goes before all of them; after it the rest of the wish goes on.
// Declined   an operator who cancels such an order is not contradicted: its time counts as had.
// Ahead      orders are booked up to kAheadMost before they begin, at most kOrderMost long; a wish
//            whose power follows from the plant's state when it begins.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "aggregation/order.h"
#include "bidding/openadr_meaning.h"
#include "config/time.h"

namespace vpp::bidding::openadr {

inline constexpr Duration kAheadMost = std::chrono::hours{24};
inline constexpr Duration kOrderMost = std::chrono::hours{24};

/// A wish, in part or in whole; `key` is the order's own.
struct Booking {
  Wish wish;
  std::string key;
  friend bool operator==(const Booking&, const Booking&) = default;
};

struct Changes {
  std::vector<OrderId> cancel;
  std::vector<Booking> book;
};

/// Parts of the wishes that hold, by priority; no two of overlapping scopes at once. In order of
/// begin. Cost: squared in the wishes.
[[nodiscard]] std::vector<Wish> resolve(std::vector<Wish> wishes);

/// `resolved`: by resolve(); `wishes`: all of them. An order of a wish that is no longer there is
/// withdrawn; one that is there, but does not hold now, stays: a newer one is in force before it.
/// `withdrawn`: orders that were cancelled for that reason, and not by an operator.
[[nodiscard]] Changes compare(MarketTime now, const std::vector<Wish>& wishes,
                              const std::vector<Wish>& resolved,
                              const std::map<OrderId, aggregation::Order>& book,
                              const std::set<OrderId>& withdrawn);

/// The next moment at which compare() may have something new to say by itself.
[[nodiscard]] MarketTime next_booking(MarketTime now, const std::vector<Wish>& resolved);

}  // namespace vpp::bidding::openadr
