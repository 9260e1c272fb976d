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

}  // namespace

void Promises::told(Instant now, NodeId child, const mesh::Dispatch& form, Duration lease) {
  if (!form.share && form.ahead.empty()) {
    const auto found = promises_.find(child);
    if (found != promises_.end() && !found->second.released_at) found->second.released_at = now;
    return;
  }
  Promise& promise = promises_[child];
  promise.released_at.reset();
  const Instant expires{Duration{form.expires}};
  promise.expires = expires + std::max(Duration{0}, expires - now) / kDriftPart;
  promise.told.push_back({now, form.share.value_or(Watts{0}), form.until, form.ahead});
  while (now - promise.told.front().at > lease * kLeasesUnaware) promise.told.pop_front();
}

void Promises::seen(Instant now, const mesh::ChildView& child, bool elsewhere) {
  const auto found = promises_.find(child.id);
  if (found == promises_.end()) return;
  Promise& promise = found->second;
  const bool let_go =
      promise.released_at && child.heard_at > *promise.released_at && follows_nothing(child);
  if (elsewhere || let_go || promise.expires <= now) {
    promises_.erase(found);
    return;
  }
  if (std::exchange(promise.reported_at, child.heard_at) != child.heard_at) {
    promise.doing = does(child);
    for (const Told& told : promise.told) {
      promise.doing_until = std::max(promise.doing_until, told.until);
    }
  }
  promise.counted = child.counted;
  if (child.counted) promise.session = child.session;
}

bool Promises::keeps(const mesh::ChildView& child) const {
  const auto found = promises_.find(child.id);
  if (found == promises_.end() || found->second.released_at) return false;
  // A session more: it lost its way here and came straight back.
  return child.session <= found->second.session + 1;
}

Watts Promises::most(const Promise& promise, MarketTime market, std::int64_t sign) {
  Watts out = market < promise.doing_until ? std::max(Watts{0}, promise.doing * sign) : Watts{0};
  for (const Told& told : promise.told) {
    if (market < told.until) out = std::max(out, told.share * sign);
    for (const mesh::Step& step : told.ahead) {
      if (step.from <= market && market < step.until) out = std::max(out, step.share * sign);
    }
  }
  return out;
}

Watts Promises::reserved(Instant now, MarketTime market, Watts request) const {
  const std::int64_t sign = request < Watts{0} ? -1 : 1;
  Watts sum{0};
  for (const auto& [child, promise] : promises_) {
    if (!promise.counted && now < promise.expires) sum += most(promise, market, sign);
  }
  return std::min(sum, request * sign) * sign;
}

}  // namespace vpp::node
