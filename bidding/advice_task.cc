#include "bidding/advice_task.h"

#include <algorithm>
#include <cstdlib>

#include "bidding/task_queue.h"
#include "config/limits.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] std::unexpected<std::string> beyond_the_curve(Watts all, Watts most) {
  return std::unexpected{std::to_string(all.count) + " W is more than the " +
                         std::to_string(most.count) + " W that are firm and free then"};
}

}  // namespace

bool alike(const AdviceAsk& before, const AdviceAsk& now) {
  constexpr std::int64_t kPartOf = 10;
  if (std::abs(before.most.count - now.most.count) * kPartOf > before.most.count) return false;
  AdviceAsk same = now;
  same.firm = before.firm;
  same.most = before.most;
  return same == before;
}

std::string outlook_name(Price price_min, const std::vector<AdviceSlot>& slots) {
  std::string text = std::to_string(price_min.count);
  const auto put = [&](std::int64_t value) { text += ' ' + std::to_string(value); };
  for (const AdviceSlot& slot : slots) {
    put(slot.from.time_since_epoch().count());
    put(slot.until.time_since_epoch().count());
    put(slot.price.count);
    for (const Price& each : slot.quantiles) put(each.count);
    text += ';';
  }
  return to_string(id_of({TaskKind::kOptimise, kAdviceTaskVersion, {}, std::move(text)}));
}

bool can_be_bid(const std::vector<BidSegment>& segments) {
  return std::ranges::is_sorted(segments, {}, &BidSegment::price) &&
         std::ranges::all_of(segments, [](const BidSegment& segment) {
           return segment.power > Watts{0} && segment.power <= limits::kGroupPowerMax &&
                  segment.price >= -kPriceMax && segment.price <= kPriceMax;
         });
}

std::expected<void, std::string> check(const AdviceAnswer& answer, const AdviceAsk& ask) {
  const auto& segments = answer.segments;
  if (segments.empty()) {
    if (answer.why.empty()) return std::unexpected{"there is neither a segment nor a why"};
    return {};
  }
  if (segments.size() > ask.limits.segments_max) {
    return std::unexpected{std::to_string(segments.size()) + " segments; the market takes " +
                           std::to_string(ask.limits.segments_max)};
  }
  if (!can_be_bid(segments)) {
    return std::unexpected{"a segment without power, or with a price that falls or is absurd"};
  }
  if (segments.front().price < ask.price_min) {
    return std::unexpected{"a price below price_min_micro_per_mwh"};
  }
  if (segments.front().price < ask.limits.price_least ||
      segments.back().price > ask.limits.price_most) {
    return std::unexpected{"a price that the market does not take"};
  }
  Watts all{0};
  for (const BidSegment& segment : segments) all += segment.power;
  if (all > ask.most) return beyond_the_curve(all, ask.most);
  return {};
}

}  // namespace vpp::bidding
