#include "daemon/node/promises.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "config/limits.h"

namespace vpp::node {
namespace {

/// A lease runs from a beacon that was echoed: a child may be out of contact this long before its
/// parent knows, and some of what it was told before may be lost.
constexpr int kLeasesUnaware = 2;
/// Two clocks drift apart by at most 0.1 % each while a share lasts.
constexpr std::int64_t kDriftPart = 500;

/// Its newest summary says that it does nothing for the plant.
bool follows_nothing(const mesh::ChildView& child) {
  if (!child.summary) return false;
  if (const auto* site = std::get_if<mesh::SiteSummary>(&*child.summary)) {
    return site->order == kNoOrder;
  }
  const auto& group = std::get<mesh::GroupSummary>(*child.summary);
  return group.asked == Watts{0} && group.reserved == Watts{0};
}

/// What its newest summary says that it does for the plant.
Watts does(const mesh::ChildView& child) {
  if (!child.summary) return Watts{0};
  if (const auto* site = std::get_if<mesh::SiteSummary>(&*child.summary)) {
    return site->set_point;
  }
  return std::get<mesh::GroupSummary>(*child.summary).asked;
}

Watts lost_below(const mesh::ChildView& child) {
  const auto* group = child.summary ? std::get_if<mesh::GroupSummary>(&*child.summary) : nullptr;
  return group != nullptr ? group->reserved : Watts{0};
}

Instant with_drift(Instant now, Instant expires) {
  return expires + std::max(Duration{0}, expires - now) / kDriftPart;
}

}  // namespace

void Promises::told(Instant now, NodeId child, const mesh::Dispatch& form, Duration lease) {
  if (!form.share && form.ahead.empty()) {
    const auto found = promises_.find(child);
    if (found != promises_.end() && !found->second.released_at) found->second.released_at = now;
    return;
  }
  Promise& promise = promises_[child];
  promise.released_at.reset();
  promise.let_go = false;
  const Instant expires{Duration{form.expires}};
  hold_ = std::max(hold_, expires - now);
  promise.expires = with_drift(now, expires);
  promise.told.push_back({now, form.share.value_or(Watts{0}), form.until, form.ahead});
  while (now - promise.told.front().at > lease * kLeasesUnaware) promise.told.pop_front();
}

void Promises::seen(Instant now, const mesh::ChildView& child, Lives lives) {
  auto found = promises_.find(child.id);
  if (found == promises_.end()) {
    if (lives != Lives::kHere || child.counted || lost_below(child) == Watts{0}) return;
    found = promises_.try_emplace(child.id).first;
  }
  Promise& promise = found->second;
  if (std::exchange(promise.reported_at, child.heard_at) != child.heard_at) {
    reported(child, promise);
  }
  promise.let_go =
      promise.released_at && child.heard_at > *promise.released_at && follows_nothing(child);
  if (promise.let_go) {
    promise.doing = Watts{0};
    std::erase_if(promise.told, [](const Told& told) { return told.ahead.empty(); });
    for (Told& told : promise.told) told.share = Watts{0};
  }
  if (lives == Lives::kAllBelowMoved) {
    promise.doing = Watts{0};
    promise.told.clear();
  }
  const bool over = promise.told.empty() && promise.lost_below == Watts{0} &&
                    (promise.let_go || lives == Lives::kAllBelowMoved);
  if (over || lives == Lives::kMoved || promise.expires <= now) {
    promises_.erase(found);
    return;
  }
  promise.counted = child.counted;
  if (child.counted) promise.session = child.session;
}

void Promises::reported(const mesh::ChildView& child, Promise& promise) const {
  promise.doing = does(child);
  for (const Told& told : promise.told) {
    promise.doing_until = std::max(promise.doing_until, told.until);
  }
  promise.lost_below = lost_below(child);
  if (promise.lost_below == Watts{0}) return;
  const Instant latest = with_drift(child.heard_at, child.heard_at + hold_);
  promise.expires = std::max(promise.expires, latest);
}

bool Promises::keeps(const mesh::ChildView& child) const {
  const auto found = promises_.find(child.id);
  if (found == promises_.end() || found->second.released_at) return false;
  if (found->second.told.empty()) return false;
  // A session more: it lost its way here and came straight back.
  return child.session <= found->second.session + 1;
}

bool Promises::owes_answer(NodeId child) const {
  const auto found = promises_.find(child);
  return found != promises_.end() && owes_answer(found->second);
}

Watts Promises::most(const Promise& promise, MarketTime market, std::int64_t sign, When when) {
  Watts out = std::max(Watts{0}, promise.lost_below * sign);
  if (market < promise.doing_until) out = std::max(out, promise.doing * sign);
  for (const Told& told : promise.told) {
    if (market < told.until) out = std::max(out, told.share * sign);
    for (const mesh::Step& step : told.ahead) {
      const bool begun = step.from <= market || when == When::kFromNow;
      if (begun && market < step.until) out = std::max(out, step.share * sign);
    }
  }
  return out;
}

Watts Promises::sum(Instant now, MarketTime market, std::int64_t sign, When when) const {
  Watts sum{0};
  for (const auto& [child, promise] : promises_) {
    const bool may_do = !promise.counted || (when == When::kFromNow && owes_answer(promise));
    if (may_do && now < promise.expires) sum += most(promise, market, sign, when);
  }
  return sum;
}

Watts Promises::reserved(Instant now, MarketTime market, Watts request) const {
  const std::int64_t sign = request < Watts{0} ? -1 : 1;
  return std::min(sum(now, market, sign, When::kNow), request * sign) * sign;
}

Watts Promises::outstanding(Instant now, MarketTime market, Watts asked) const {
  const Watts discharge = sum(now, market, 1, When::kFromNow);
  const Watts charge = sum(now, market, -1, When::kFromNow);
  if (asked != Watts{0}) return asked > Watts{0} ? discharge : -charge;
  return discharge >= charge ? discharge : -charge;
}

}  // namespace vpp::node
