// The part of RootNode about the events of an OpenADR server.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "aggregation/wide.h"
#include "config/limits.h"
#include "daemon/node/curves.h"
#include "daemon/node/root_node.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;
namespace openadr = bidding::openadr;

constexpr Duration kShortest = 60s;  // what "a moment's" power must last
constexpr Duration kLongest = 14h;   // where the curve's grid ends: all of the energy

/// Of every site in one scope. Nothing: unknown, or there are none.
std::optional<Curves> curves_for(const mesh::GroupSummary& sum, const Scope& scope) {
  const auto whole = curves_of(sum);
  if (!whole || scope == Scope{}) return whole;
  const auto found = std::ranges::find(sum.scopes, scope, &mesh::ScopeSummary::scope);
  if (found == sum.scopes.end()) return std::nullopt;
  return curves_of(*found, sum, *whole);
}

}  // namespace

void RootNode::openadr_answered(const Now& now, const openadr::Answer& answer) {
  if (!openadr_ || !journal_.serves()) return;
  openadr_->answered(now, answer, orders_.all());
  run_openadr(now);
  tick(now);
}

void RootNode::run_openadr(const Now& now) {
  if (!openadr_) return;
  openadr_->advance(now);
  openadr::VenEffects work = openadr_->take_effects();
  for (openadr::Call& call : work.calls) effects_.openadr.push_back(std::move(call));
  for (openadr::VenNotice& each : work.notices) {
    notice(each.warning ? Severity::kWarning : Severity::kInfo, std::move(each.code),
           std::move(each.text));
  }
}

/// Orders follow the events: at every tick, because operators and time change what is missing.
void RootNode::look_at_events(const Now& now) {
  if (!openadr_ || !may_commit(now)) return;
  const openadr::Changes changes = openadr_->orders(now, orders_.all());
  for (const OrderId id : changes.cancel) {
    const auto order = orders_.cancel(now, id);
    if (!order) continue;
    book(now, *order);
    notice(Severity::kInfo, "VPP_ORDER_CANCELLED",
           "order " + std::to_string(id.value) + ": its event was changed or is gone");
  }
  for (const openadr::Booking& each : changes.book) book_event(now, each);
}

void RootNode::book_event(const Now& now, const openadr::Booking& booking) {
  const openadr::Wish& wish = booking.wish;
  std::set<Scope> open = orders_.open_scopes();
  open.insert(wish.scope);
  if (open.size() > limits::kLanesMax) {
    if (told_not_booked_.insert(wish.key).second) {
      notice(Severity::kWarning, "VPP_OPENADR_NOT_OBEYED",
             "event " + wish.event + ": orders for too many programs and groups are open already");
    }
    return;
  }
  Watts power = wish.power;
  if (wish.charge) {
    const auto curves = curves_for(group_.summary(now), wish.scope);
    if (!curves) return;  // looked at again
    power = openadr::power_for(*wish.charge, curves->discharge.at(kLongest),
                               curves->charge.at(kLongest), wish.until - wish.from);
  }
  const aggregation::Order order = orders_.add(now, {.id = kNoOrder,
                                                     .key = booking.key,
                                                     .source = aggregation::OrderSource::kOpenAdr,
                                                     .scope = wish.scope,
                                                     .service = Service::kEnergy,
                                                     .power = power,
                                                     .from = wish.from,
                                                     .until = wish.until,
                                                     .issued = now.market});
  book_new(now, order);
  notice(Severity::kInfo, "VPP_ORDER_BOOKED",
         "order " + std::to_string(order.id.value) + " of " + std::to_string(power.count) +
             " W for event " + wish.event);
}

/// What reports are made of.
void RootNode::measure_for_openadr(const Now& now, const mesh::GroupSummary& sum) {
  if (!openadr_) return;
  openadr::Sample sample{.at = now.market};
  if (sum.coverage.online > 0) {
    Watts measured = sum.measured - sum.armed;
    for (const mesh::ScopeSummary& each : sum.scopes) measured += each.measured;
    sample.measured = measured;
  }
  if (sum.coverage.enrolled > 0) {
    sample.known_permille = static_cast<std::int32_t>(std::int64_t{sum.coverage.online} * 1'000 /
                                                      sum.coverage.enrolled);
  }
  for (const auto& [scope, active] : active_) {
    if (active.order.service == Service::kEnergy) sample.asked += power_of(now, active.order);
  }
  if (const auto curves = curves_of(sum)) {
    const auto power = [](const aggregation::DurationCurve& curve) {
      return Watts{curve.at(kShortest).count * 1'000 / kShortest.count()};
    };
    sample.discharge = curves->discharge.at(kLongest);
    sample.charge = curves->charge.at(kLongest);
    sample.discharge_most = power(curves->discharge);
    sample.charge_most = power(curves->charge);
    openadr_->set_abilities(
        {sample.discharge_most, sample.charge_most, sample.discharge + sample.charge});
  }
  openadr_->measured(sample);
}

/// The client lives no longer than what it asks: both are made anew with a term.
void RootNode::ask_for_baselines() {
  openadr_->set_baseline([this](const openadr::BaselineAsked& asked) {
    const bidding::HomesBaseline found = bidding::homes_baseline(
        meters_, options_.zone, {asked.begins, asked.ends}, {asked.from, asked.until});
    std::vector<openadr::BaselinePart> out;
    for (const bidding::BaselineQuarter& quarter : found.quarters) {
      if (!quarter.usual) continue;
      out.push_back({.from = quarter.from,
                     .until = quarter.from + bidding::kMeterQuarter,
                     .energy = *quarter.usual,
                     .sure_permille = found.metered_permille,
                     .estimated = !quarter.adjusted});
    }
    return out;
  });
}

/// Prices of the server's events, as far as they differ from their mean, for the head of values.
void RootNode::tell_values(const Now& now) {
  if (!openadr_ || !options_.values) return;
  const Duration slot = options_.values->slot;
  const MarketTime from{now.market.time_since_epoch() / slot * slot};
  std::vector<std::optional<Price>> told;
  std::int64_t sum = 0;
  std::int64_t known = 0;
  for (std::size_t i = 0; i < options_.values->slots; ++i) {
    const MarketTime begin = from + slot * static_cast<std::int64_t>(i);
    told.push_back(openadr_->value(std::max(now.market, begin), begin + slot));
    if (!told.back()) continue;
    sum += told.back()->count;
    ++known;
  }
  std::vector<Price> base(told.size());
  for (std::size_t i = 0; i < told.size() && known > 0; ++i) {
    if (told[i]) base[i] = *told[i] - Price{sum / known};
  }
  values_.set_base(std::move(base));
}

/// An order's part of what a server's capacity limit allows all orders together.
Watts RootNode::within_limits(const aggregation::Order& order, Watts power, MarketTime at) const {
  if (!openadr_ || order.service != Service::kEnergy || power == Watts{0}) return power;
  const bool gives = power > Watts{0};
  const auto most = openadr_->limit(at, gives ? Direction::kDischarge : Direction::kCharge);
  if (!most) return power;
  std::int64_t all = 0;
  for (const auto& [id, other] : orders_.all()) {
    const bool counts = aggregation::is_open(other.state) && other.service == Service::kEnergy &&
                        other.from <= at && at < other.until && (other.power > Watts{0}) == gives;
    if (counts) all += std::abs(other.power.count);
  }
  all = std::max(all, std::abs(power.count));
  if (all <= most->count) return power;
  return Watts{static_cast<std::int64_t>(aggregation::Int128{power.count} * most->count / all)};
}

}  // namespace vpp::node
