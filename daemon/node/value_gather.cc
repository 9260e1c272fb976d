#include "daemon/node/value_gather.h"

#include <algorithm>

#include "config/limits.h"

namespace vpp::node {
namespace {

/// A sum that was told is told anew no sooner: many children change at once.
constexpr Duration kAgain = std::chrono::seconds{1};

std::uint32_t sum_of(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::uint32_t>(std::min(std::uint64_t{a} + b, std::uint64_t{UINT32_MAX}));
}

}  // namespace

void add(mesh::PlannedLoad& to, const mesh::PlannedLoad& from) {
  to.homes = sum_of(to.homes, from.homes);
  to.fixed = sum_of(to.fixed, from.fixed);
  to.net_load.resize(std::max(to.net_load.size(), from.net_load.size()));
  for (std::size_t t = 0; t < from.net_load.size(); ++t) {
    to.net_load[t] = std::clamp(to.net_load[t] + from.net_load[t], -limits::kGroupPowerMax,
                                limits::kGroupPowerMax);
  }
  to.paid = std::clamp(to.paid + from.paid, -limits::kAmountMax, limits::kAmountMax);
}

bool ValueGather::same_horizon(const mesh::ValueSignal& signal) const {
  return signal_ && signal_->head == signal.head && signal_->from == signal.from &&
         signal_->slot == signal.slot && signal_->values.size() == signal.values.size();
}

void ValueGather::ask(const Now& now, mesh::ValueSignal signal, Duration patience) {
  if (!same_horizon(signal)) {
    first_round_ = signal.round;
    for (auto& [id, child] : children_) child = {child.session, false, std::nullopt};
  }
  signal.wait = patience;
  signal_ = std::move(signal);
  waiting_.clear();
  for (const auto& [id, child] : children_) {
    if (child.absent) continue;
    down_.emplace_back(id, *signal_);
    waiting_.insert(id);
  }
  sum_due_ = waiting_.empty() ? now.protocol : now.protocol + patience;
}

void ValueGather::attached(const Now& now, const std::map<NodeId, mesh::Session>& children) {
  const auto gone = [&](const auto& entry) {
    const auto at = children.find(entry.first);
    return at == children.end() || at->second != entry.second.session;
  };
  for (const auto& entry : children_) {
    if (!gone(entry)) continue;
    waiting_.erase(entry.first);
    if (entry.second.answer) changed(now);
  }
  std::erase_if(children_, gone);
  for (const auto& [id, session] : children) {
    if (!children_.try_emplace(id, Child{session, false, std::nullopt}).second) continue;
    if (signal_ && now.market < signal_->until) down_.emplace_back(id, *signal_);
  }
}

/// Between rounds; in one, its end comes soon enough.
void ValueGather::changed(const Now& now) {
  if (waiting_.empty()) sum_due_ = std::min(sum_due_, now.protocol + kAgain);
}

bool ValueGather::answered(const Now& now, NodeId id, const mesh::PlannedLoad& load,
                           std::uint32_t sites) {
  const auto found = children_.find(id);
  const bool known = signal_ && found != children_.end() && load.head == signal_->head &&
                     load.round >= first_round_ && load.round <= signal_->round;
  if (!known) return true;  // of another time
  const bool nobody = load.homes == 0 && load.fixed == 0;
  const bool cut_alike = load.net_load.size() == signal_->values.size();
  if (std::uint64_t{load.homes} + load.fixed > sites || (!nobody && !cut_alike)) return false;
  Child& child = found->second;
  if (child.answer && child.answer->round > load.round) return true;
  const bool news = nobody ? child.answer.has_value()
                           : !child.answer || child.answer->net_load != load.net_load ||
                                 child.answer->paid != load.paid;
  child.absent = nobody;
  child.answer = nobody ? std::nullopt : std::optional{load};
  const bool awaited = load.round == signal_->round && waiting_.erase(id) > 0;
  if (awaited && waiting_.empty()) {
    sum_due_ = now.protocol;
  } else if (!awaited && news) {
    changed(now);
  }
  return true;
}

std::optional<mesh::PlannedLoad> ValueGather::take_sum(const Now& now) {
  if (!signal_ || now.protocol < sum_due_) return std::nullopt;
  sum_due_ = kNever;
  waiting_.clear();
  return sum();
}

mesh::PlannedLoad ValueGather::sum() const {
  mesh::PlannedLoad out;
  if (!signal_) return out;
  out.head = signal_->head;
  out.round = signal_->round;
  for (const auto& [id, child] : children_) {
    if (child.answer) add(out, *child.answer);
  }
  return out;
}

}  // namespace vpp::node
