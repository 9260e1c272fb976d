// The part of Uplink that looks around while attached: is the most wanted parent back?
// One candidate at a time, seldom, and never while a dispatch is being delivered; always, and
// often, while the parent reaches no root.
#include <algorithm>
#include <utility>

#include "mesh/uplink.h"

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

constexpr Duration kStandbySoon = 1s;   ///< after the attach, and from one that will not do
constexpr int kBeaconsToRefresh = 15;   ///< a standby is asked again, in beacon intervals
constexpr Duration kLeaveWithin = 1s;   ///< neighbours were asked in the same moment
constexpr Duration kLevelWithin = 30s;  ///< nothing presses: few are between two parents at once
constexpr Duration kLeaveNext = 200ms;  ///< from one alternate that would not to the next
constexpr Duration kLeaveAgain = 2s;    ///< when none would
constexpr Duration kLeavingFor = 60s;  ///< a parent with 10,000 children repeats itself within 40 s

}  // namespace

void Uplink::on_redirect(Instant now, const Redirect& redirect) {
  Attached& attached = *held();
  if (candidates_.learn(redirect.alternates, now)) {
    record_.alternates = candidates_.alternates();
    persist();
  }
  const bool known = attached.leaving && attached.leaving->reason == redirect.reason;
  if (!known) {
    attached.leaving = Leaving{
        .reason = redirect.reason, .until = {}, .to = {}, .first = rng_.below(limits::kSeedsMax)};
    const bool drained = redirect.reason == RedirectReason::kDraining;
    attached.look_at = drained ? std::min(attached.look_at, now + rng_.up_to(kLeaveWithin))
                               : now + rng_.up_to(kLevelWithin);
  }
  attached.leaving->until = now + kLeavingFor;
  const bool anywhere = redirect.reason == RedirectReason::kDraining;
  attached.leaving->to = anywhere ? std::vector<Endpoint>{} : redirect.alternates;
}

/// Where one who was asked to go may ask.
std::vector<Candidate> Uplink::ways_out(Instant now, const Attached& attached) const {
  std::vector<Candidate> out = candidates_.others(now, attached.parent.candidate.to);
  const bool named = attached.leaving && !attached.leaving->to.empty();
  if (!named) return out;
  const auto& to = attached.leaving->to;
  std::erase_if(out,
                [&](const Candidate& one) { return std::ranges::find(to, one.to) == to.end(); });
  return out;
}

/// The most wanted seed every other time, the rest in turn; for one who must go, or whose parent
/// reaches no root, all in turn.
std::optional<Candidate> Uplink::look_target(Instant now, Attached& attached) {
  const bool alone = attached.parent.path.empty();
  const bool must_go = attached.leaving.has_value();
  const bool for_standby = !must_go && !alone && !standby_ && wants_standby(attached);
  const bool content = attached.elsewhere.size() == attached.parent.candidate.place;
  if (!for_standby && content && !must_go && !alone) return std::nullopt;  // no seed is wanted more
  const std::vector<Candidate> others = ways_out(now, attached);
  if (others.empty()) return std::nullopt;
  if (must_go) {
    Leaving& leaving = *attached.leaving;
    return others[(leaving.first + leaving.tried++) % others.size()];
  }
  for (const Candidate& one : others) {
    if (one.to == attached.promising) return one;
  }
  if (for_standby) return others[standby_turn_++ % others.size()];
  const std::size_t turn = look_turn_++;
  if (alone) return others[turn % others.size()];
  return turn % 2 == 0 ? others.front() : others[turn / 2 % others.size()];
}

Instant Uplink::next_look(Instant now, const Attached& attached) {
  if (attached.parent.path.empty()) return now + rng_.jittered(line().beacon_interval);
  const std::size_t others = ways_out(now, attached).size();
  if (!attached.leaving) {
    const bool soon = !standby_ && wants_standby(attached) && standby_turn_ < others;
    return now + rng_.jittered(soon ? kStandbySoon : line().look_around);
  }
  const bool round = others == 0 || attached.leaving->tried % others == 0;
  return now + rng_.jittered(round ? kLeaveAgain : kLeaveNext);
}

void Uplink::start_look(Instant now, Attached& attached) {
  if (attached.leaving && attached.leaving->until <= now) attached.leaving.reset();
  const bool alone = attached.parent.path.empty();
  const bool drained = attached.leaving && attached.leaving->reason == RedirectReason::kDraining;
  const bool told_to = drained && attached.leaving->tried == 0;
  if ((told_to || alone) && standby_) {  // asked afresh, then joined
    if (told_to) ++attached.leaving->tried;
    attached.look = std::exchange(standby_, std::nullopt);
    attached.look->attempt.nonce = rng_.next();
    attached.look->give_up_at = now + lateness_.stretch(line().join_timeout);
    return probe(now, attached.look->link, attached.look->attempt);
  }
  const bool must_go = alone || drained;
  const bool for_standby = !standby_ && wants_standby(attached);
  const bool busy = dispatch_active_ && !must_go && !for_standby;
  const auto target = busy ? std::nullopt : look_target(now, attached);
  attached.look_at = next_look(now, attached);
  if (!target) return;
  const LinkId link = next_link_++;
  attached.look = Look{.link = link,
                       .attempt = open(link, *target),
                       .give_up_at = now + lateness_.stretch(line().join_timeout),
                       .petition = {}};
}

void Uplink::end_look(Instant now, Attached& attached) {
  if (!attached.look->attempt.answer) candidates_.missed(attached.look->attempt.candidate.to, now);
  close(attached.look->link);
  attached.look.reset();
  attached.look_at = next_look(now, attached);
}

void Uplink::on_look(const Now& now, Attached& attached, const FromParent& event) {
  Look& look = *attached.look;
  const Candidate candidate = look.attempt.candidate;
  if (const auto* nak = std::get_if<HelloNak>(&event.message); nak && look.petition) {
    on_nak(now.protocol, candidate, *nak);
    return end_look(now.protocol, attached);
  }
  if (const auto* ack = std::get_if<HelloAck>(&event.message); ack && look.petition) {
    if (ack->session != look.petition->session) return;
    if (!acceptable(now.protocol, event, *ack)) return end_look(now.protocol, attached);
    const Petition petition = *look.petition;
    const MoveReason why = look.why;
    attached.look.reset();  // its link is the parent's from now on
    // A deposed root's orders end here, and who has no root is never told; any other parent stays
    // until it is.
    const bool bye = ack->term > record_.term || attached.parent.path.empty();
    lose_parent(now.protocol, bye ? Parting::kBye : Parting::kHandover, why);
    return attach(now, petition, event.peer, *ack);
  }
  const auto* answer = std::get_if<ProbeAck>(&event.message);
  if (answer == nullptr || look.petition || answer->nonce != look.attempt.nonce) return;
  look.attempt.answer = *answer;
  candidates_.answered(candidate.to);
  const bool leads_away = attached.parent.same_region && answer->region != options_.region;
  if (leads_away && candidate.place < attached.parent.candidate.place) {
    attached.elsewhere.insert(candidate.place);
  }
  const auto why = gain(now.protocol, attached, {*answer, candidate.place});
  const bool wait = why == MoveReason::kMoreWanted && attached.promising != candidate.to;
  attached.promising = why ? std::optional{candidate.to} : std::nullopt;
  if (!why || wait) {
    if (!attached.leaving && !standby_ && wants_standby(attached) &&
        suits_standby(now.protocol, attached, *answer)) {
      return keep_as_standby(now.protocol, attached);
    }
    return end_look(now.protocol, attached);
  }
  look.why = *why;
  look.attempt.probe_again = kNever;
  look.petition = petition(now.protocol, look.link, look.attempt);
  look.give_up_at = look.petition->give_up_at;
}

/// Why the offer is better than the present parent; nothing: stay.
std::optional<MoveReason> Uplink::gain(Instant now, const Attached& attached,
                                       const Offer& offer) const {
  const ProbeAck& answer = offer.answer;
  const Parent& parent = attached.parent;
  if (unfit(seeker(), answer) || !feasibility_.allows(now, answer.path.size(), answer.term)) {
    return std::nullopt;
  }
  if (parent.path.empty()) return MoveReason::kPoisoned;
  const std::size_t held_rank = rank_of(options_.role, parent.path.size());
  const std::size_t rank = rank_of(options_.role, answer.path.size());
  if (attached.leaving) {
    // Deeper only once nobody of this rank would; to even out loads, never.
    const bool draining = attached.leaving->reason == RedirectReason::kDraining;
    const bool all_tried =
        attached.leaving->tried > candidates_.others(now, parent.candidate.to).size();
    if (rank > held_rank && !(draining && all_tried)) return std::nullopt;
    if (!draining && (dispatch_active_ || crowded(answer))) return std::nullopt;
    return draining ? MoveReason::kRedirected : MoveReason::kBalanced;
  }
  const Held held{parent.path.size(), parent.candidate.place, parent.same_region};
  if (dispatch_active_ || !worth_moving(seeker(), held, offer, candidates_.seeds().size())) {
    return std::nullopt;
  }
  if (answer.term > record_.term) return MoveReason::kNewerTerm;
  if (rank < held_rank) return MoveReason::kBetterRank;
  return attached.balanced ? std::nullopt : std::optional{MoveReason::kMoreWanted};
}

void Uplink::advance_look(Instant now, Attached& attached) {
  if (!attached.look) {
    if (attached.look_at <= now) start_look(now, attached);
    return;
  }
  Look& look = *attached.look;
  if (look.give_up_at <= now) {
    attached.promising.reset();
    return end_look(now, attached);
  }
  if (look.attempt.probe_again <= now) probe(now, look.link, look.attempt);
  if (look.petition && look.petition->hello_again <= now) send_hello(now, *look.petition);
}

// --- the standby -----------------------------------------------------------------------------

bool Uplink::wants_standby(const Attached& attached) const {
  if (options_.role != Role::kLeaf) return true;
  const Duration alone{limits::kStandbySiblingsMax * 1'000 / limits::kRejoinsPerSecond};
  return attached.parent.spread < alone && attached.parent.beacon_interval <= kStandbyBeaconMax;
}

/// One whose own path leads over the present parent would be lost with it.
bool Uplink::suits_standby(Instant now, const Attached& attached, const ProbeAck& answer) const {
  return !unfit(seeker(), answer) && feasibility_.allows(now, answer.path.size(), answer.term) &&
         std::ranges::find(answer.path, attached.parent.id) == answer.path.end();
}

void Uplink::keep_as_standby(Instant now, Attached& attached) {
  standby_ = std::move(attached.look);
  attached.look.reset();
  standby_->give_up_at = kNever;
  standby_->attempt.probe_again =
      now + rng_.jittered(attached.parent.beacon_interval * kBeaconsToRefresh);
  attached.look_at = next_look(now, attached);
}

void Uplink::on_standby(const Now& now, Attached& attached, const FromParent& event) {
  const auto* answer = std::get_if<ProbeAck>(&event.message);
  if (answer == nullptr || answer->nonce != standby_->attempt.nonce) return;
  if (!suits_standby(now.protocol, attached, *answer)) return end_standby();
  standby_->attempt.answer = *answer;
  standby_->give_up_at = kNever;
  standby_->attempt.probe_again =
      now.protocol + rng_.jittered(attached.parent.beacon_interval * kBeaconsToRefresh);
}

void Uplink::advance_standby(Instant now) {
  if (!standby_) return;
  if (standby_->give_up_at <= now) {
    candidates_.avoid(standby_->attempt.candidate.to, now + rng_.jittered(line().look_around));
    return end_standby();
  }
  if (standby_->attempt.probe_again > now) return;
  if (standby_->give_up_at == kNever) {
    standby_->attempt.nonce = rng_.next();
    standby_->give_up_at = now + lateness_.stretch(line().join_timeout);
  }
  probe(now, standby_->link, standby_->attempt);
}

void Uplink::end_standby() {
  if (!standby_) return;
  close(standby_->link);
  standby_.reset();
}

}  // namespace vpp::mesh
