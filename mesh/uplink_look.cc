// The part of Uplink that looks around while attached: is the most wanted parent back?
// One candidate at a time, seldom, and never while a dispatch is being delivered.
#include <utility>

#include "mesh/uplink.h"

namespace vpp::mesh {

/// The most wanted seed every other time, the rest in turn.
std::optional<Candidate> Uplink::look_target(Instant now, const Attached& attached) {
  if (attached.parent.candidate.place == 0) return std::nullopt;  // nothing more is wanted
  const std::vector<Candidate> others = candidates_.others(now, attached.parent.candidate.to);
  if (others.empty()) return std::nullopt;
  for (const Candidate& one : others) {
    if (one.to == attached.promising) return one;
  }
  const std::size_t turn = look_turn_++;
  return turn % 2 == 0 ? others.front() : others[turn / 2 % others.size()];
}

void Uplink::start_look(Instant now, Attached& attached) {
  attached.look_at = now + rng_.jittered(kLookAround);
  if (dispatch_active_) return;
  const auto target = look_target(now, attached);
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
  attached.look_at = now + rng_.jittered(kLookAround);
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
    attached.look.reset();  // its link is the parent's from now on
    lose_parent(now.protocol, true);
    return attach(now, petition, event.peer, *ack);
  }
  const auto* answer = std::get_if<ProbeAck>(&event.message);
  if (answer == nullptr || look.petition || answer->nonce != look.attempt.nonce) return;
  const Offer offer{*answer, candidate.place};
  const Parent& parent = attached.parent;
  const bool wanted = !unfit(seeker(), *answer) && !dispatch_active_ &&
                      feasibility_.allows(now.protocol, answer->path.size(), answer->term) &&
                      worth_moving(seeker(), parent.path.size(), parent.candidate.place, offer,
                                   candidates_.seeds().size());
  const bool better_rank =
      rank_of(options_.role, answer->path.size()) < rank_of(options_.role, parent.path.size());
  const bool stable = better_rank || attached.promising == candidate.to;
  attached.promising = wanted ? std::optional{candidate.to} : std::nullopt;
  if (!wanted || !stable) return end_look(now.protocol, attached);
  look.attempt.probe_again = kNever;
  look.petition = petition(now.protocol, look.link, candidate, answer->path.size());
  look.give_up_at = look.petition->give_up_at;
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
