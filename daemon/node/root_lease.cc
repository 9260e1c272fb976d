#include "daemon/node/root_lease.h"

#include <algorithm>
#include <array>

#include "config/planted_bug.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration kKeepAliveEvery = 500ms;  ///< three or four tries before leadership ends
constexpr Duration kKeepAliveAgain = 100ms;  ///< after a failure
constexpr Duration kLookEvery = 250ms;       ///< a candidate looks for the key to be gone
constexpr Duration kClaimAgain = 500ms;      ///< etcd does not answer
constexpr Duration kGivenBack = 100ms;       ///< each claim raises the revision

/// Leadership ends before etcd lets the key go, by a third: two clocks may differ in rate, and
/// etcd counts from when it heard, which is after we asked.
Duration leads_for(Duration ttl) {
  if (planted(Bug::kLeaseOutlived)) return RootLease::kTtl * 2;
  return std::min(ttl, RootLease::kTtl) * 2 / 3;
}

}  // namespace

RootLease::RootLease(LeaseKind kind, Rng rng, Instant now, std::uint64_t newest_term)
    : kind_{kind}, rng_{rng}, newest_term_{newest_term} {
  if (kind_ == LeaseKind::kStatic) {
    state_ = Leader{.term = ++newest_term_};
  } else {
    state_ = Candidate{now};
  }
}

void RootLease::advance(Instant now) {
  if (const auto* leader = std::get_if<Leader>(&state_); leader && leader->until <= now) {
    step_down(now);
  }
  if (const auto* fenced = std::get_if<Fenced>(&state_); fenced && fenced->until <= now) {
    state_ = Candidate{now};
  }
  if (asked_ && asked_->at + kAnswerMax <= now) asked_.reset();
  if (asked_) return;
  if (const auto* candidate = std::get_if<Candidate>(&state_);
      candidate && candidate->try_at <= now) {
    ask(now, ClaimKey{});
  } else if (const auto* leader = std::get_if<Leader>(&state_);
             leader && leader->keep_alive_at <= now) {
    ask(now, KeepAlive{leader->lease});
  }
}

void RootLease::answered(Instant now, const LeaseAnswered& answer) {
  advance(now);
  if (!asked_ || asked_->id != answer.id) {
    // A claim that came too late holds the key for nobody.
    if (const auto* claim = std::get_if<KeyClaimed>(&answer.what)) {
      asks_.push_back({next_ask_++, GiveUp{claim->lease}});
    }
    return;
  }
  const Instant asked_at = asked_->at;
  asked_.reset();
  const auto* failed = std::get_if<LeaseFailed>(&answer.what);
  problem_ = failed != nullptr ? failed->why : std::string{};
  if (const auto* claim = std::get_if<KeyClaimed>(&answer.what)) {
    claimed(now, asked_at, *claim);
  } else if (const auto* taken = std::get_if<KeyTaken>(&answer.what)) {
    holder_ = taken->holder;
    try_again(now, kLookEvery);
  } else if (const auto* kept = std::get_if<KeptAlive>(&answer.what)) {
    auto* leader = std::get_if<Leader>(&state_);
    if (leader == nullptr) return;
    leader->until = std::max(leader->until, asked_at + leads_for(kept->ttl));
    leader->lost_at = std::max(leader->lost_at, now + kept->ttl);
    leader->keep_alive_at = now + rng_.jittered(kKeepAliveEvery);
  } else if (std::holds_alternative<LeaseGone>(answer.what)) {
    if (std::holds_alternative<Leader>(state_)) step_down(now);
  } else if (auto* leader = std::get_if<Leader>(&state_)) {
    leader->keep_alive_at = now + rng_.jittered(kKeepAliveAgain);
  } else {
    try_again(now, kClaimAgain);
  }
}

void RootLease::claimed(Instant now, Instant asked_at, const KeyClaimed& claim) {
  const Instant until = asked_at + leads_for(claim.ttl);
  const bool newer = claim.revision > newest_term_;
  if (!std::holds_alternative<Candidate>(state_) || until <= now || !newer) {
    if (!newer) {
      problem_ = "etcd's revision " + std::to_string(claim.revision) +
                 " is not above the newest term " + std::to_string(newest_term_);
    }
    asks_.push_back({next_ask_++, GiveUp{claim.lease}});
    return try_again(now, newer ? kLookEvery : kGivenBack);
  }
  newest_term_ = claim.revision;
  holder_.clear();
  state_ = Leader{.term = claim.revision,
                  .lease = claim.lease,
                  .until = until,
                  .lost_at = now + claim.ttl,
                  .keep_alive_at = now + rng_.jittered(kKeepAliveEvery)};
}

void RootLease::heard_of(Instant now, std::uint64_t term) {
  if (term <= newest_term_) return;
  newest_term_ = term;
  if (std::holds_alternative<Leader>(state_)) step_down(now);
}

void RootLease::resign(Instant now) {
  if (std::holds_alternative<Leader>(state_)) step_down(now);
  state_ = Fenced{kNever};
}

void RootLease::step_down(Instant now) {
  const auto& leader = std::get<Leader>(state_);
  if (kind_ == LeaseKind::kEtcd) asks_.push_back({next_ask_++, GiveUp{leader.lease}});
  // A static root that is not the newest stays down: somebody started two.
  const Instant until = kind_ == LeaseKind::kStatic ? kNever : std::max(now, leader.lost_at);
  state_ = Fenced{until};
}

void RootLease::try_again(Instant now, Duration base) {
  if (auto* candidate = std::get_if<Candidate>(&state_))
    candidate->try_at = now + rng_.jittered(base);
}

void RootLease::ask(Instant now, std::variant<ClaimKey, KeepAlive, GiveUp> what) {
  asked_ = Asked{next_ask_++, now};
  asks_.push_back({asked_->id, what});
}

Instant RootLease::next_deadline() const {
  Instant due = asked_ ? asked_->at + kAnswerMax : kNever;
  if (const auto* candidate = std::get_if<Candidate>(&state_); candidate && !asked_) {
    due = std::min(due, candidate->try_at);
  }
  if (const auto* leader = std::get_if<Leader>(&state_)) {
    due = std::min(due, leader->until);
    if (!asked_) due = std::min(due, leader->keep_alive_at);
  }
  if (const auto* fenced = std::get_if<Fenced>(&state_)) due = std::min(due, fenced->until);
  return due;
}

std::optional<std::uint64_t> RootLease::term() const {
  const auto* leader = std::get_if<Leader>(&state_);
  return leader != nullptr ? std::optional{leader->term} : std::nullopt;
}

Instant RootLease::leads_until() const {
  const auto* leader = std::get_if<Leader>(&state_);
  return leader != nullptr ? leader->until : Instant{};
}

std::string_view RootLease::state() const {
  constexpr std::array<std::string_view, 3> kNames{"candidate", "leader", "fenced"};
  return kNames.at(state_.index());
}

}  // namespace vpp::node
