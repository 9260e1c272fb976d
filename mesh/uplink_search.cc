// The part of Uplink that looks for a parent: probe several, choose by the ladder, join one.
#include <algorithm>
#include <utility>

#include "config/planted_bug.h"
#include "mesh/uplink.h"

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kProbesAtOnce = 4;
constexpr Duration kManySpread = 200ms;  ///< of 250 siblings or more: see one_of_many()
constexpr int kMorePart = 6;      ///< of a time-out: silent ones do not hold up those behind them
constexpr int kMorePartMany = 2;  ///< a parent that many want at once is slow, not silent
constexpr int kRepeatPart = 3;    ///< of a time-out: a Probe or Hello that was not answered
constexpr int kPatienceMax = 8;   ///< times the time-out, for whichever reason
constexpr int kPatienceDoublingsMax = 3;  ///< as much
constexpr Duration kRetryMax = 60s;       ///< no refusal keeps us away for longer
constexpr Duration kAvoidAfterTimeout = 1s;
/// Back-off while somebody answers but reaches no root yet: a tree that comes back from its root
/// downwards would otherwise lose kBackoffMax at every level.
constexpr Duration kBackoffHeard = 5s;
constexpr int kDoublingsMax = 10;
constexpr Session kSessionMax = Session{1} << 62;  ///< nobody attaches so often

}  // namespace

void Uplink::search(Instant now) {
  Probing probing{.left = candidates_.usable(now), .asked = {}};
  if (probing.left.empty()) {
    const Instant next = candidates_.next_usable(now);
    if (next == kNever) return rest(now);
    state_ = Orphan{next + rng_.up_to(limits::kBackoffMin)};
    return;
  }
  if (one_of_many()) {
    std::ranges::stable_partition(probing.left, [&](const auto& one) { return one.to != lost_; });
  }
  state_ = std::move(probing);
  open_more(now, std::get<Probing>(state_));
}

/// Keeps a few under way; a time-out starts when the last one was asked.
void Uplink::open_more(Instant now, Probing& probing) {
  std::size_t under_way = 0;
  for (const auto& [link, attempt] : probing.asked) under_way += attempt.answer ? 0U : 1U;
  const bool overdue = probing.more_at <= now;
  const std::size_t at_once = one_of_many() ? 1 : kProbesAtOnce;
  const std::size_t wanted = overdue ? under_way + kProbesAtOnce : at_once;
  bool opened = false;
  while (under_way < wanted && !probing.left.empty()) {
    const LinkId link = next_link_++;
    probing.asked.emplace(link, open(link, probing.left.front()));
    probing.left.erase(probing.left.begin());
    ++under_way;
    opened = true;
  }
  if (opened) {
    probing.give_up_at = now + patience(silent_);
    probing.more_at = now + line().join_timeout / (one_of_many() ? kMorePartMany : kMorePart);
  }
  if (probing.left.empty()) probing.more_at = kNever;
}

/// How long an answer may take. A parent that thousands want at once may need longer than one
/// attempt takes; an attempt given up is a handshake it did in vain, and one more to do. So each
/// failure in a row gives the next attempt twice the time. One that runs late itself is patient as
/// well, but both are no reason to wait for minutes: who died amid it would be waited for as long.
Duration Uplink::patience(int failed_before) const {
  const Duration wanted = std::max(line().join_timeout, spread_ * 2);
  const int doubled = 1 << std::min(failed_before, kPatienceDoublingsMax);
  return std::min(lateness_.stretch(wanted) * doubled, wanted * kPatienceMax);
}

Uplink::Attempt Uplink::open(LinkId link, const Candidate& candidate) {
  effects_.open.push_back({link, candidate.to, patience(silent_)});
  return {.candidate = candidate, .nonce = rng_.next(), .opened = false, .answer = {}};
}

void Uplink::probe(Instant now, LinkId link, Attempt& attempt) {
  effects_.send.push_back({link, Probe{attempt.nonce}});
  attempt.probe_again = now + rng_.jittered(line().join_timeout / kRepeatPart);
}

void Uplink::on_answer(Instant now, Attempts& attempts, LinkId link, const ProbeAck& answer) {
  const auto found = attempts.find(link);
  if (found == attempts.end() || found->second.nonce != answer.nonce) return;
  heard_somebody_ = true;
  candidates_.answered(found->second.candidate.to);
  const bool fit =
      !unfit(seeker(), answer) && feasibility_.allows(now, answer.path.size(), answer.term);
  if (!fit) {
    const auto why = unfit(seeker(), answer);
    note_trouble(why == Unfit::kNoRoot || why == Unfit::kOldTerm ? Trouble::kNoRoot
                 : why == Unfit::kFull                           ? Trouble::kRefused
                                                                 : Trouble::kLoop);
    close(link);
    attempts.erase(found);
    return;
  }
  found->second.answer = answer;
  found->second.probe_again = kNever;
}

/// `in_time`: an event came; otherwise a timer is due.
void Uplink::decide(Instant now, Probing& probing, bool in_time) {
  const auto answered = std::ranges::count_if(
      probing.asked, [](const auto& one) { return one.second.answer.has_value(); });
  const bool all = probing.left.empty() && std::cmp_equal(answered, probing.asked.size());
  if (answered == 0) probing.decide_at = kNever;
  if (answered > 0 && probing.decide_at == kNever) probing.decide_at = now + line().decide_after;
  const bool due = probing.decide_at <= now || (!in_time && probing.give_up_at <= now);
  if (!all && !due && !will_do(probing)) return;
  Attempts offers;
  for (auto& [link, attempt] : probing.asked) {
    if (attempt.answer) {
      offers.emplace(link, std::move(attempt));
    } else {
      candidates_.missed(attempt.candidate.to, now);
      close(link);
    }
  }
  join_best(now, std::move(offers));
}

/// For a leaf one fit parent is as good as another, and a better one is found later (start_look).
/// Once that did not help, it searches as everybody does.
bool Uplink::one_of_many() const {
  return options_.role == Role::kLeaf && spread_ >= kManySpread && failures_ == 0;
}

/// Whether no other has to be asked.
bool Uplink::will_do(const Probing& probing) const {
  return one_of_many() && std::ranges::any_of(probing.asked, [](const auto& one) {
           return one.second.answer && !crowded(*one.second.answer);
         });
}

void Uplink::join_best(Instant now, Attempts offers) {
  std::erase_if(offers, [&](const auto& one) {
    const bool answered = one.second.answer.has_value();
    if (!answered) close(one.first);
    return !answered;
  });
  if (offers.empty()) return rest(now);
  const auto offer_of = [](const Attempt& attempt) {
    return Offer{*attempt.answer, attempt.candidate.place};
  };
  const auto best = std::ranges::min_element(offers, [&](const auto& a, const auto& b) {
    return wanted_more(seeker(), offer_of(a.second), offer_of(b.second));
  });
  const LinkId link = best->first;
  const Attempt chosen = best->second;
  offers.erase(best);
  Petition asked = petition(now, link, chosen);
  state_ = Joining{std::move(asked), std::move(offers)};
}

/// Full jitter: neighbours that lost the same parent must not come back in step.
void Uplink::rest(Instant now) {
  trouble_ = seen_ == Trouble::kNone ? Trouble::kSilent : seen_;
  seen_ = Trouble::kNone;
  const bool heard = std::exchange(heard_somebody_, false);
  silent_ = heard ? 0 : std::min(silent_ + 1, kDoublingsMax);
  const Duration cap = heard ? kBackoffHeard : limits::kBackoffMax;
  const Duration most = std::min(cap, limits::kBackoffMin * (1 << failures_));
  failures_ = std::min(failures_ + 1, kDoublingsMax);
  Instant until = now + std::max(rng_.up_to(most), Duration{1});
  // Who was told when to come back need not wait for longer.
  const Instant told = candidates_.next_usable(now);
  if (told != kNever) until = std::min(until, told + rng_.up_to(limits::kBackoffMin));
  state_ = Orphan{until};
  if (planted(Bug::kBackoffEnds) && failures_ > 5) state_ = Orphan{kNever};
}

Uplink::Petition Uplink::petition(Instant now, LinkId link, const Attempt& attempt) {
  const Path& path = attempt.answer->path;
  ++record_.session;
  effects_.asks = path.front();
  record_.counted_for = hold(now);  // whoever takes this node in adds to it
  if (!planted(Bug::kSessionNotPersisted)) persist();
  Petition petition{.link = link,
                    .candidate = attempt.candidate,
                    .same_region = attempt.answer->region == options_.region,
                    .session = record_.session};
  petition.give_up_at = now + patience(failures_);
  send_hello(now, petition);
  return petition;
}

void Uplink::send_hello(Instant now, Petition& petition) {
  petition.hello_again = now + rng_.jittered(line().join_timeout / kRepeatPart);
  effects_.send.push_back(
      {petition.link, Hello{.certificate = options_.certificate,
                            .role = options_.role,
                            .name = options_.name,
                            .region = options_.region,
                            .session = petition.session,
                            .last_parent = record_.last_parent,
                            .hold = planted(Bug::kHoldForgotten) ? Duration{0} : hold(now),
                            .serves = options_.serves,
                            .handover = !path().empty(),
                            .link = options_.link}});
}

void Uplink::on_nak(Instant now, const Candidate& candidate, const HelloNak& nak) {
  const Duration wait = std::clamp(nak.retry_after, Duration{1}, kRetryMax);
  candidates_.avoid(candidate.to, now + wait);
  note_trouble(nak.reason == NakReason::kNoRoot ? Trouble::kNoRoot
               : nak.reason == NakReason::kLoop ? Trouble::kLoop
                                                : Trouble::kRefused);
  if (nak.reason != NakReason::kOldSession || nak.newest <= record_.session ||
      nak.newest >= kSessionMax) {
    return;
  }
  // What this node knew of itself was lost: it goes on from there, and is counted nowhere until
  // whoever counts the session that was attached cannot any more.
  record_.session = nak.newest;
  counted_until_ = std::max(counted_until_, now + with_drift(longest_counted()));
  record_.counted_for = std::max(record_.counted_for, longest_counted());
  persist();
}

bool Uplink::acceptable(Instant now, const FromParent& event, const HelloAck& ack) const {
  if (event.peer == kNoNode || unfit_path(seeker(), ack.path, ack.term)) return false;
  if (ack.stamp < 0 || ack.stamp > kStampMax) return false;
  return ack.path.front() == event.peer && feasibility_.allows(now, ack.path.size(), ack.term);
}

void Uplink::note_trouble(Trouble seen) {
  if (held() == nullptr) seen_ = std::max(seen_, seen);
}

void Uplink::advance(Instant now, Probing& probing) {
  // Not when it is time to decide: a link would be closed in the batch that opens it.
  if (probing.more_at <= now && now < probing.decide_at) open_more(now, probing);
  decide(now, probing, false);
  auto* still = std::get_if<Probing>(&state_);
  if (still == nullptr) return;
  for (auto& [link, attempt] : still->asked) {
    if (attempt.probe_again <= now) probe(now, link, attempt);
  }
}

void Uplink::advance(Instant now, Joining& joining) {
  if (joining.petition.give_up_at <= now) {
    candidates_.avoid(joining.petition.candidate.to, now + rng_.jittered(kAvoidAfterTimeout));
    close(joining.petition.link);
    return join_best(now, std::move(joining.others));
  }
  if (joining.petition.hello_again <= now) send_hello(now, joining.petition);
}

}  // namespace vpp::mesh
