// The part of Uplink that looks around while attached: is the most wanted parent back?
// One candidate at a time, seldom, and never while a dispatch is being delivered; always, and
// often, while the parent reaches no root.
#include <utility>

#include "mesh/uplink.h"

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLeaveWithin = 1s;   ///< neighbours were asked in the same moment
constexpr Duration kLeaveNext = 200ms;  ///< from one alternate that would not to the next
constexpr Duration kLeaveAgain = 2s;    ///< when none would
constexpr Duration kLeavingFor = 60s;  ///< a parent with 10,000 children repeats itself within 40 s

}  // namespace

void Uplink::on_redirect(Instant now, const Redirect& redirect) {
  Attached& attached = *held();
  if (candidates_.learn(redirect.alternates)) {
    record_.alternates = candidates_.alternates();
    persist();
  }
  const bool known = attached.leaving && attached.leaving->reason == redirect.reason;
  if (!known) {
    attached.leaving = Leaving{.reason = redirect.reason, .first = rng_.below(limits::kSeedsMax)};
    attached.look_at = std::min(attached.look_at, now + rng_.up_to(kLeaveWithin));
  }
  attached.leaving->until = now + kLeavingFor;
}

/// The most wanted seed every other time, the rest in turn; for one who must go, or whose parent
/// reaches no root, all in turn.
std::optional<Candidate> Uplink::look_target(Instant now, Attached& attached) {
  const bool alone = attached.parent.path.empty();
  const bool must_go = attached.leaving.has_value();
  if (attached.parent.candidate.place == 0 && !must_go && !alone)
    return std::nullopt;  // nothing more is wanted
  const std::vector<Candidate> others = candidates_.others(now, attached.parent.candidate.to);
  if (others.empty()) return std::nullopt;
  if (must_go) {
    Leaving& leaving = *attached.leaving;
    return others[(leaving.first + leaving.tried++) % others.size()];
  }
  for (const Candidate& one : others) {
    if (one.to == attached.promising) return one;
  }
  const std::size_t turn = look_turn_++;
  if (alone) return others[turn % others.size()];
  return turn % 2 == 0 ? others.front() : others[turn / 2 % others.size()];
}

Instant Uplink::next_look(Instant now, const Attached& attached) {
  if (attached.parent.path.empty()) return now + rng_.jittered(kLookAroundAlone);
  if (!attached.leaving) return now + rng_.jittered(kLookAround);
  const std::size_t others = candidates_.others(now, attached.parent.candidate.to).size();
  const bool round = others == 0 || attached.leaving->tried % others == 0;
  return now + rng_.jittered(round ? kLeaveAgain : kLeaveNext);
}

void Uplink::start_look(Instant now, Attached& attached) {
  if (attached.leaving && attached.leaving->until <= now) attached.leaving.reset();
  const bool must_go = attached.parent.path.empty() ||
                       (attached.leaving && attached.leaving->reason == RedirectReason::kDraining);
  const auto target = dispatch_active_ && !must_go ? std::nullopt : look_target(now, attached);
  attached.look_at = next_look(now, attached);
  if (!target) return;
  const LinkId link = next_link_++;
  attached.look = Look{.link = link,
                       .attempt = open(link, *target),
                       .give_up_at = now + options_.join_timeout,
                       .petition = {}};
}

void Uplink::end_look(Instant now, Attached& attached) {
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
  const auto why = gain(now.protocol, attached, {*answer, candidate.place});
  const bool wait = why == MoveReason::kMoreWanted && attached.promising != candidate.to;
  attached.promising = why ? std::optional{candidate.to} : std::nullopt;
  if (!why || wait) return end_look(now.protocol, attached);
  look.why = *why;
  look.attempt.probe_again = kNever;
  look.petition = petition(now.protocol, look.link, candidate, answer->path);
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
    return MoveReason::kRedirected;
  }
  if (dispatch_active_ || !worth_moving(seeker(), parent.path.size(), parent.candidate.place, offer,
                                        candidates_.seeds().size())) {
    return std::nullopt;
  }
  if (answer.term > record_.term) return MoveReason::kNewerTerm;
  return rank < held_rank ? MoveReason::kBetterRank : MoveReason::kMoreWanted;
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

}  // namespace vpp::mesh
