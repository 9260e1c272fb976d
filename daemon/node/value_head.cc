#include "daemon/node/value_head.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::node {
namespace {

/// Prices that move less than this part of the highest one have settled.
constexpr std::int64_t kPricePart = 200;
/// Loads that move less than this part of the target, or the rounding of so many homes.
constexpr std::int64_t kLoadPart = 100;
constexpr std::int64_t kRoundingW = 10;

}  // namespace

ValueHead::ValueHead(NodeId self, const ValueHeadOptions& options)
    : self_{self},
      options_{options},
      coordinator_{
          {.price_max = options.price_max, .per_kw = options.per_kw, .holds = options.holds}} {
  VPP_CHECK(options.slots > 0 && options.slots <= limits::kValueSlotsMax);
  VPP_CHECK(options.slot >= std::chrono::minutes{1} && options.holds >= options.slot);
}

Duration ValueHead::patience() const {
  return options_.interval / 2;
}

mesh::ValueSignal ValueHead::signal_of(const Now& now, const device::ValueSignal& made) {
  const auto clock =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.market.time_since_epoch().count()));
  round_ = std::max(round_ + 1, clock);
  due_ = now.protocol + options_.interval;
  ++rounds_;
  std::vector<Price> values = made.values;
  for (std::size_t t = 0; t < std::min(values.size(), base_.size()); ++t) values[t] += base_[t];
  const MarketTime end = made.from + options_.slot * static_cast<std::int64_t>(options_.slots);
  return {.head = self_,
          .round = round_,
          .from = made.from,
          .slot = options_.slot,
          .until = std::min(made.until, end),
          .wait = patience(),
          .per_kw = made.per_kw,
          .values = std::move(values)};
}

void ValueHead::set_base(std::vector<Price> base) {
  if (base == base_) return;
  base_ = std::move(base);
  from_.reset();
}

mesh::ValueSignal ValueHead::begin(const Now& now, MarketTime from) {
  from_ = from;
  rounds_ = 0;
  settled_ = false;
  answer_.reset();
  before_.reset();
  const std::vector<Watts> target(options_.slots, options_.target);
  return signal_of(
      now, coordinator_.begin(from, std::chrono::duration_cast<std::chrono::seconds>(options_.slot),
                              target, now.market));
}

std::optional<mesh::ValueSignal> ValueHead::next(const Now& now) {
  if (now.market < MarketTime{}) return std::nullopt;  // a clock that knows nothing yet
  const MarketTime from{now.market.time_since_epoch() / options_.slot * options_.slot};
  if (from_ != from) return begin(now, from);
  if (!moves_on() || now.protocol < due_) return std::nullopt;
  const std::vector<Price> before{coordinator_.prices().begin(), coordinator_.prices().end()};
  const device::ValueSignal made =
      coordinator_.step({answer_->homes, answer_->net_load}, now.market);
  std::int64_t change = 0;
  for (std::size_t t = 0; t < before.size(); ++t) {
    change = std::max(change, std::abs((coordinator_.prices()[t] - before[t]).count));
  }
  const bool rests = before_ && !moved(*answer_, *before_);
  before_ = std::exchange(answer_, std::nullopt);
  settled_ = rests && change <= options_.price_max.count / kPricePart;
  if (settled_) return std::nullopt;
  return signal_of(now, made);
}

bool ValueHead::moves_on() const {
  return answer_ && !settled_ && rounds_ < kRoundsMost;
}

bool ValueHead::moved(const mesh::PlannedLoad& a, const mesh::PlannedLoad& b) const {
  if (a.homes != b.homes || a.fixed != b.fixed || a.net_load.size() != b.net_load.size()) {
    return true;
  }
  const std::int64_t homes = std::int64_t{a.homes} + a.fixed;
  const std::int64_t least =
      std::max(std::abs(options_.target.count) / kLoadPart, kRoundingW * homes);
  for (std::size_t t = 0; t < a.net_load.size(); ++t) {
    if (std::abs((a.net_load[t] - b.net_load[t]).count) > least) return true;
  }
  return false;
}

void ValueHead::answered(const Now& now, const mesh::PlannedLoad& sum) {
  if (sum.round != round_) return;
  if (settled_ && before_ && !moved(sum, *before_)) return;
  if (settled_) due_ = std::max(due_, now.protocol);
  settled_ = false;
  answer_ = sum;
}

Instant ValueHead::next_deadline(const Now& now) const {
  if (now.market < MarketTime{}) return now.protocol + options_.interval;
  if (!from_) return now.protocol;
  const Instant slot = std::max(now.protocol, protocol_at(now, *from_ + options_.slot));
  return moves_on() ? std::min(slot, std::max(now.protocol, due_)) : slot;
}

void ValueHead::fill(ValueGroupStatus& out) const {
  out.is_head = true;
  out.target = options_.target;
  out.prices.assign(coordinator_.prices().begin(), coordinator_.prices().end());
  out.rounds = rounds_;
  out.settled = settled_;
}

}  // namespace vpp::node
