#include "tests/sim/etcd_model.h"

#include <chrono>
#include <variant>

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTtl = node::RootLease::kTtl;

}  // namespace

void EtcdModel::heal() {
  down_until_ = {};
  cut_until_.clear();
  lost_permille_ = 0;
}

std::optional<Duration> EtcdModel::way(WorldTime at, NodeIndex root) {
  const Duration delay = 1ms + rng_.up_to(20ms);
  const bool lost = rng_.below(1000) < lost_permille_;
  if (lost || at < down_until_ || at < cut_until_[root]) return std::nullopt;
  return delay;
}

node::LeaseAnswered EtcdModel::take(WorldTime at, const std::string& root,
                                    const node::LeaseAsk& ask) {
  expire(at);
  if (const auto* keep = std::get_if<node::KeepAlive>(&ask.what)) {
    const auto lease = leases_.find(keep->lease);
    if (lease == leases_.end()) return {ask.id, node::LeaseGone{}};
    lease->second = at + kTtl;
    return {ask.id, node::KeptAlive{kTtl}};
  }
  if (const auto* give_up = std::get_if<node::GiveUp>(&ask.what)) {
    leases_.erase(give_up->lease);
    expire(at);
    return {ask.id, node::LeaseGone{}};
  }
  if (key_) return {ask.id, node::KeyTaken{key_->holder}};
  leases_[++last_lease_] = at + kTtl;
  key_ = Key{last_lease_, ++revision_, root};
  return {ask.id, node::KeyClaimed{last_lease_, revision_, kTtl}};
}

void EtcdModel::expire(WorldTime at) {
  std::erase_if(leases_, [&](const auto& lease) { return lease.second <= at; });
  if (key_ && !leases_.contains(key_->lease)) key_.reset();
}

}  // namespace vpp::sim
