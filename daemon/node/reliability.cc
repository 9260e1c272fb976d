#include "daemon/node/reliability.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration kUplinkLookEvery = 1min;
constexpr int kMissedLooksMax = 60;  ///< in a row, that count
constexpr Duration kEventMax = 15min;
/// Shorter orders say more about the way down and back than about the site.
constexpr Duration kEventMin = limits::kControlTick * 5;
/// More between two ticks was a pause of this node, of which it knows nothing.
constexpr Duration kTickMax = limits::kControlTick * 3;

}  // namespace

void Reliability::close(Known& known) {
  const Event event = std::exchange(known.event, Event{});
  if (event.asked < kEventMin) return;
  known.response.observe(Joules{event.asked.count() * 1000}, Joules{event.kept});
}

void Reliability::ordered(Instant now, OrderId order, const std::vector<Doing>& asked,
                          const std::vector<NodeId>& silent) {
  const Duration since = ordered_at_ ? std::min(now - *ordered_at_, kTickMax) : Duration{0};
  ordered_at_ = now;
  const auto add = [&](Known& known, std::int32_t permille) {
    if (known.event.order != order || known.event.asked >= kEventMax) {
      close(known);
      known.event.order = order;
    }
    known.event.asked += since;
    known.event.kept += since.count() * permille;
  };
  for (const Doing& doing : asked) add(known_[doing.site], doing.permille);
  for (const NodeId site : silent) {
    const auto found = known_.find(site);
    const bool was_asked = found != known_.end() && found->second.event.order == order;
    if (was_asked && order != kNoOrder) add(found->second, 0);
  }
}

void Reliability::idle() {
  if (!ordered_at_) return;
  ordered_at_.reset();
  for (auto& [id, known] : known_) close(known);
}

void Reliability::look(Instant now, const std::vector<mesh::ChildView>& children) {
  look_at_ = now + kUplinkLookEvery;
  std::map<NodeId, Known> kept;
  for (const auto& child : children) {
    const auto found = known_.find(child.id);
    if (found != known_.end()) kept.insert(known_.extract(found));
    if (child.role == Role::kLeaf || (!child.attached && (child.moved || child.left))) continue;
    Known& known = kept[child.id];
    known.missed_looks = child.attached ? 0 : known.missed_looks + 1;
    if (known.missed_looks <= kMissedLooksMax) known.uplink.observe(child.attached);
  }
  known_ = std::move(kept);
}

ChildRates Reliability::of(NodeId child) const {
  static const Known unknown;
  const auto found = known_.find(child);
  const Known& known = found == known_.end() ? unknown : found->second;
  return {known.response.permille(), known.uplink.per_million()};
}

}  // namespace vpp::node
