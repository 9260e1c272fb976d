#include "device/order_ledger.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "device/whole_math.h"

namespace vpp::device {
namespace {

/// Two counters, each rounded to at most a watt-hour by the device.
constexpr std::int64_t kCounterSlackJoules = 2 * kJoulesPerWattHour;
/// Changes of order between two readings; a tick brings one a second at the most.
constexpr std::size_t kSegmentsMax = 32;

template <class T>
std::optional<T> good(const Reading<T>& reading) {
  return reading.quality == Quality::kGood ? reading.value : std::nullopt;
}

}  // namespace

OrderLedger::OrderLedger(const std::vector<OrderAccount>& recovered) {
  for (const OrderAccount& account : recovered)
    credit(account.order, Flow::of(account.delivered.count * 1000));
}

void OrderLedger::running(const Now& now, const std::optional<SiteOrder>& order) {
  Segment next{now.protocol, std::nullopt, kNever};
  if (order) next = {now.protocol, order->order, protocol_at(now, order->until)};
  if (!segments_.empty() && segments_.back().order == next.order) {
    segments_.back().over = next.over;
    return;
  }
  if (segments_.size() == kSegmentsMax) segments_.erase(segments_.begin());
  segments_.push_back(next);
  if (order) credit(order->order, Flow{});
}

void OrderLedger::lost_sight() {
  segments_.clear();
  last_.reset();
}

void OrderLedger::measure(const Now& now, const Telemetry& telemetry, Watts power_max,
                          Duration gap_max) {
  const auto& battery = telemetry.battery;
  if (!good(battery) || (last_ && battery.at <= last_->at)) return;
  if (last_) {
    if (const auto flow = flow_of(now, telemetry, power_max, gap_max)) divide(battery.at, *flow);
  }
  last_ = Last{battery.at, good(telemetry.injected), good(telemetry.absorbed)};
  // The newest segment that began by this reading is where the next interval starts.
  while (segments_.size() > 1 && segments_[1].since <= battery.at) {
    segments_.erase(segments_.begin());
  }
}

std::optional<OrderLedger::Flow> OrderLedger::flow_of(const Now& now, const Telemetry& telemetry,
                                                      Watts power_max, Duration gap_max) const {
  const Duration gap = telemetry.battery.at - last_->at;
  const Duration market = gap * now.speed;
  const auto injected = good(telemetry.injected);
  const auto absorbed = good(telemetry.absorbed);
  if (injected && absorbed && last_->injected && last_->absorbed) {
    const Joules out = *injected - *last_->injected;
    const Joules in = *absorbed - *last_->absorbed;
    const Joules most{mul_div_ceil(power_max.count * 5 / 4, market.count(), 1000) +
                      kCounterSlackJoules};
    if (out >= Joules{0} && in >= Joules{0} && out <= most && in <= most) {
      return Flow{out.count * 1000, in.count * 1000};
    }
  }
  if (gap > gap_max) return std::nullopt;
  return Flow::of(telemetry.battery.value->count * market.count());
}

void OrderLedger::divide(Instant until, const Flow& flow) {
  const std::int64_t whole = (until - last_->at).count();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    if (!segment.order) continue;
    const Instant end = i + 1 < segments_.size() ? segments_[i + 1].since : until;
    const Instant begin = std::max(segment.since, last_->at);
    const std::int64_t part = (std::min({end, until, segment.over}) - begin).count();
    if (part <= 0) continue;
    credit(*segment.order,
           {mul_div_floor(flow.out_mj, part, whole), mul_div_floor(flow.in_mj, part, whole)});
  }
}

void OrderLedger::credit(OrderId order, const Flow& flow) {
  const auto found = std::ranges::find(accounts_, order, &Account::order);
  if (found != accounts_.end()) {
    found->flow.out_mj += flow.out_mj;
    found->flow.in_mj += flow.in_mj;
    return;
  }
  // The lowest number and not the one that ran first, as at every node above: else a sum would hold
  // what some sites did for an order and lack the others. An aggregator's own order takes no
  // place of the plant's, which other sites may still account for.
  const bool local = is_local(order);
  const auto alike = [&](const Account& account) { return is_local(account.order) == local; };
  const std::size_t most =
      local ? limits::kReceiptsMax - limits::kReceiptsOfPlant : limits::kReceiptsOfPlant;
  if (std::cmp_equal(std::ranges::count_if(accounts_, alike), most)) {
    const auto lowest =
        std::ranges::min(accounts_ | std::views::filter(alike), {}, &Account::order).order;
    std::erase_if(accounts_, [&](const Account& account) { return account.order == lowest; });
  }
  accounts_.push_back({order, flow});
}

std::vector<OrderAccount> OrderLedger::accounts() const {
  std::vector<OrderAccount> out;
  out.reserve(accounts_.size());
  for (const Account& account : accounts_) {
    out.push_back({account.order, Joules{(account.flow.out_mj - account.flow.in_mj) / 1000}});
  }
  return out;
}

std::vector<FrequencyAccount> OrderLedger::both_ways() const {
  std::vector<FrequencyAccount> out;
  out.reserve(accounts_.size());
  for (const Account& account : accounts_) {
    out.push_back(
        {account.order, Joules{account.flow.out_mj / 1000}, Joules{account.flow.in_mj / 1000}});
  }
  return out;
}

}  // namespace vpp::device
