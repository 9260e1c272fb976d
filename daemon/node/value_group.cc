#include "daemon/node/value_group.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vpp::node {

ValueGroup::ValueGroup(NodeId self, const std::optional<ValueHeadOptions>& head) {
  if (head) head_.emplace(self, *head);
}

void ValueGroup::heard(const Now& now, const mesh::ValueSignal& signal) {
  if (signal.until <= now.market) return;
  if (head_) {
    outer_ = signal;
    effects_.up = answer_to_outer();
    return;
  }
  const auto& known = gather_.signal();
  const bool older = known && known->head == signal.head && signal.round <= known->round &&
                     now.market < known->until;
  if (older) {  // a new parent tells what the old one did
    if (signal.round == known->round && sum_) effects_.up = *sum_;
    return;
  }
  gather_.ask(now, signal, signal.wait * 3 / 4);  // whoever waits above must hear in time
  sum_.reset();
  advance(now);
}

void ValueGroup::attached(const Now& now, const std::map<NodeId, mesh::Session>& children) {
  gather_.attached(now, children);
}

void ValueGroup::answered(const Now& now, NodeId child, const mesh::PlannedLoad& load,
                          std::uint32_t sites) {
  if (!gather_.answered(now, child, load, sites)) {
    ++refused_;
    effects_.refused.push_back(child);
  }
  advance(now);
}

void ValueGroup::advance(const Now& now) {
  if (head_) {
    if (auto signal = head_->next(now)) {
      if (gather_.signal() && gather_.signal()->from != signal->from) sum_.reset();
      gather_.ask(now, *std::move(signal), head_->patience());
    }
  }
  auto sum = gather_.take_sum(now);
  if (!sum) return;
  sum_ = std::move(sum);
  if (!head_) {
    effects_.up = *sum_;
    return;
  }
  head_->answered(now, *sum_);
  if (outer_ && now.market < outer_->until) effects_.up = answer_to_outer();
}

/// What the own homes plan, as it was last answered: nothing from above moves it.
mesh::PlannedLoad ValueGroup::answer_to_outer() const {
  mesh::PlannedLoad out;
  out.head = outer_->head;
  out.round = outer_->round;
  const auto& own = gather_.signal();
  const std::size_t slots = outer_->values.size();
  const bool alike = own && own->from == outer_->from && own->slot == outer_->slot;
  if (!alike || !sum_ || sum_->net_load.size() < slots) return out;
  mesh::PlannedLoad own_homes = *sum_;
  own_homes.net_load.resize(slots);
  add(out, own_homes);
  add(out, {.fixed = std::exchange(out.homes, 0)});
  return out;
}

void ValueGroup::set_base(std::vector<Price> base) {
  if (head_) head_->set_base(std::move(base));
}

Instant ValueGroup::next_deadline(const Now& now) const {
  return head_ ? std::min(gather_.next_deadline(), head_->next_deadline(now))
               : gather_.next_deadline();
}

ValueGroup::Effects ValueGroup::take_effects() {
  for (auto& each : gather_.take_down()) effects_.down.push_back(std::move(each));
  return std::exchange(effects_, {});
}

ValueGroup::Effects ValueGroup::collect(const Now& now, mesh::Children& children,
                                        mesh::ChildrenEffects& down) {
  if (down.membership_changed) attached(now, children.attached());
  for (const auto& [child, load] : down.planned) {
    answered(now, child, load, children.sites(child));
  }
  Effects effects = take_effects();
  for (const auto& [child, signal] : std::exchange(effects.down, {})) {
    children.tell(now, child, signal);
  }
  std::ranges::move(children.take_effects().send, std::back_inserter(down.send));
  return effects;
}

std::optional<ValueGroupStatus> ValueGroup::status() const {
  const auto& signal = gather_.signal();
  if (!signal) return std::nullopt;
  ValueGroupStatus out;
  out.head = signal->head;
  out.round = signal->round;
  out.from = signal->from;
  out.slot = signal->slot;
  out.until = signal->until;
  out.values = signal->values;
  const mesh::PlannedLoad sum = gather_.sum();
  out.net_load = sum.net_load;
  out.homes = sum.homes;
  out.fixed = sum.fixed;
  out.paid = sum.paid;
  out.refused = refused_;
  if (head_) head_->fill(out);
  return out;
}

}  // namespace vpp::node
