#include "mesh/uplink.h"

#include <algorithm>
#include <utility>

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

// What a parent may tell, so that no peer can stretch or shrink our timers beyond reason.
constexpr Session kFirstSessionMax = Session{1} << 31;
constexpr Duration kLeaseMin = 1s;
constexpr Duration kLeaseMax = 180s;
constexpr Duration kBeaconMin = 50ms;
constexpr Duration kBeaconMax = 30s;
constexpr Duration kSpreadMax = 60s;
constexpr Duration kAboveMax = kLeaseMax * static_cast<Duration::rep>(limits::kDepthMax);

/// After a restart an old bound stands: whoever was below may still believe it.
std::optional<std::size_t> advertised_before(const UplinkRecord& record) {
  return record.path_length > 0 ? std::optional{record.path_length + 1} : std::nullopt;
}

}  // namespace

std::string_view to_string(MoveReason reason) {
  constexpr std::string_view kNames[] = {
      "started",  "parent silent", "disconnected", "poisoned",    "parent unfit", "redirected",
      "balanced", "newer term",    "better rank",  "more wanted", "left"};
  return kNames[static_cast<std::size_t>(reason)];
}

std::string_view to_string(Trouble trouble) {
  constexpr std::string_view kNames[] = {"none", "nobody answers", "no root", "loop", "refused"};
  return kNames[static_cast<std::size_t>(trouble)];
}

Uplink::Uplink(const UplinkOptions& options, Rng rng, std::optional<UplinkRecord> recovered)
    : options_{options},
      rng_{rng},
      record_{recovered ? *std::move(recovered) : newborn()},
      candidates_{options.seeds, options.serves, record_.alternates},
      feasibility_{options.role, advertised_before(record_), record_.term} {
  VPP_CHECK(options_.self != kNoNode);
  VPP_CHECK(options_.role != Role::kRoot);
}

void Uplink::step(const Now& now, const UplinkEvent& event) {
  begin(now.protocol);
  flush_closes();
  std::visit([&](const auto& e) { on(now, e); }, event);
}

void Uplink::advance(const Now& now) {
  const bool fresh = !begun_;
  const Instant due = next_deadline();
  begin(now.protocol);
  if (!fresh) lateness_.ran(now.protocol, due);
  flush_closes();
  if (former_ && former_->until <= now.protocol) end_former(true);
  if (const auto* orphan = std::get_if<Orphan>(&state_)) {
    if (orphan->until <= now.protocol) search(now.protocol);
  } else if (auto* probing = std::get_if<Probing>(&state_)) {
    advance(now.protocol, *probing);
  } else if (auto* joining = std::get_if<Joining>(&state_)) {
    advance(now.protocol, *joining);
  } else if (Attached* attached = held()) {
    advance(now.protocol, *attached);
  }
}

Instant Uplink::next_deadline() const {
  if (!close_next_.empty()) return flush_at_;
  if (const auto* orphan = std::get_if<Orphan>(&state_)) return orphan->until;
  if (const auto* probing = std::get_if<Probing>(&state_)) {
    Instant due = std::min({probing->more_at, probing->decide_at, probing->give_up_at});
    for (const auto& [link, attempt] : probing->asked) due = std::min(due, attempt.probe_again);
    return due;
  }
  if (const auto* joining = std::get_if<Joining>(&state_)) {
    return std::min(joining->petition.hello_again, joining->petition.give_up_at);
  }
  const Attached* attached = held();
  if (attached == nullptr) return kNever;
  const Parent& parent = attached->parent;
  const int missed = std::holds_alternative<Suspect>(state_) ? limits::kBeaconsToOrphan
                                                             : limits::kBeaconsToSuspect;
  Instant due = parent.heard_at + lateness_.stretch(parent.beacon_interval * missed) +
                parent.beacon_interval / 4;
  if (standby_) {
    due = std::min({due, standby_->attempt.probe_again, standby_->give_up_at});
  }
  if (former_) due = std::min(due, former_->until);
  if (!attached->look) return std::min(due, attached->look_at);
  due = std::min({due, attached->look->give_up_at, attached->look->attempt.probe_again});
  return attached->look->petition ? std::min(due, attached->look->petition->hello_again) : due;
}

UplinkEffects Uplink::take_effects() {
  return std::exchange(effects_, {});
}

void Uplink::report(const Now& now, std::variant<SiteSummary, GroupSummary> summary,
                    std::vector<Attachment> attached, std::vector<Attachment> evicted, bool more) {
  begin(now.protocol);
  Attached* held_now = held();
  if (held_now == nullptr || moving()) return;
  Parent& parent = held_now->parent;
  Report report{.session = parent.session,
                .sequence = ++parent.sequence,
                .beacon = parent.stamp,
                .summary = std::move(summary),
                .attached = std::move(attached),
                .evicted = std::move(evicted),
                .more = more};
  effects_.send.push_back({parent.link, std::move(report)});
}

void Uplink::acknowledge(const DispatchAck& ack) {
  if (const Attached* attached = held()) effects_.send.push_back({attached->parent.link, ack});
}

void Uplink::answer(const PlannedLoad& load) {
  if (const Attached* attached = held()) effects_.send.push_back({attached->parent.link, load});
}

void Uplink::leave(const Now& now) {
  begin(now.protocol);
  if (held() != nullptr) lose_parent(now.protocol, Parting::kBye, MoveReason::kLeft);
  end_standby();
  if (const auto* probing = std::get_if<Probing>(&state_)) {
    for (const auto& [link, attempt] : probing->asked) close(link);
  }
  if (const auto* joining = std::get_if<Joining>(&state_)) {
    for (const auto& [link, attempt] : joining->others) close(link);
    close(joining->petition.link);
  }
  state_ = Left{};
}

void Uplink::set_children(const Now& now, bool any, Duration lease) {
  feasibility_.set_children(now.protocol, any, lease);
}

bool Uplink::attached() const {
  return held() != nullptr;
}

std::optional<NodeId> Uplink::parent() const {
  const Attached* attached = held();
  return attached != nullptr ? std::optional{attached->parent.id} : std::nullopt;
}

Path Uplink::path() const {
  const Attached* attached = held();
  if (attached == nullptr || attached->parent.path.empty()) return {};
  Path path{options_.self};
  path.insert(path.end(), attached->parent.path.begin(), attached->parent.path.end());
  return path;
}

std::uint64_t Uplink::term() const {
  return record_.term;
}

Session Uplink::session() const {
  return record_.session;
}

std::optional<Instant> Uplink::last_beacon() const {
  const Attached* attached = held();
  return attached != nullptr ? std::optional{attached->parent.heard_at} : std::nullopt;
}

std::vector<Endpoint> Uplink::alternates() const {
  return candidates_.alternates();
}

std::vector<Endpoint> Uplink::alternates_below() const {
  std::vector<Endpoint> out = candidates_.alternates();
  const Attached* attached = held();
  if (attached == nullptr) return out;
  const Endpoint& parent = attached->parent.candidate.to;
  std::erase(out, parent);
  if (out.size() >= limits::kAlternatesMax) out.resize(limits::kAlternatesMax - 1);
  out.push_back(parent);
  return out;
}

std::optional<Endpoint> Uplink::standby() const {
  return standby_ ? std::optional{standby_->attempt.candidate.to} : std::nullopt;
}

std::string_view Uplink::state() const {
  constexpr std::string_view kNames[] = {"orphan",   "probe",   "joining",
                                         "attached", "suspect", "left"};
  return kNames[state_.index()];
}

std::optional<Now> Uplink::market_now(Instant now) const {
  std::optional<Now> told = market_;
  if (const Attached* attached = held()) {
    const Parent& parent = attached->parent;
    told = Now{parent.clock.local_time_of(parent.stamp), parent.market, parent.market_speed};
  }
  if (!told) return std::nullopt;
  const Duration since = std::max(Duration{0}, now - told->protocol);
  return Now{now, told->market + since * told->speed, told->speed};
}

Duration Uplink::counted_for() const {
  const Attached* attached = held();
  return attached == nullptr ? Duration{0} : attached->parent.lease + attached->parent.above;
}

Instant Uplink::local_time_of(Stamp stamp) const {
  const Attached* attached = held();
  return attached != nullptr ? attached->parent.clock.local_time_of(stamp) : Instant{};
}

void Uplink::begin(Instant now) {
  flush_at_ = std::max(flush_at_, now);
  if (std::exchange(begun_, true)) return;
  // A restart: the last beacon came before now; one lease more for a path that had just grown.
  if (record_.counted_for == Duration{0}) return;
  counted_until_ = now + with_drift(record_.counted_for + limits::kLease);
}

void Uplink::on(const Now& now, const LinkOpened& event) {
  if (auto* probing = std::get_if<Probing>(&state_)) {
    const auto found = probing->asked.find(event.link);
    if (found == probing->asked.end()) return;
    found->second.opened = true;
    probe(now.protocol, event.link, found->second);
    return;
  }
  Attached* attached = held();
  if (attached == nullptr || !attached->look || attached->look->link != event.link) return;
  attached->look->attempt.opened = true;
  probe(now.protocol, event.link, attached->look->attempt);
}

void Uplink::on(const Now& now, const LinkLost& event) {
  if (auto* probing = std::get_if<Probing>(&state_)) {
    const auto lost = probing->asked.find(event.link);
    if (lost == probing->asked.end()) return;
    candidates_.missed(lost->second.candidate.to, now.protocol);
    probing->asked.erase(lost);
    close(event.link);
    open_more(now.protocol, *probing);
    decide(now.protocol, *probing, true);
    return;
  }
  if (auto* joining = std::get_if<Joining>(&state_)) {
    if (joining->others.erase(event.link) != 0) close(event.link);
    if (joining->petition.link != event.link) return;
    close(event.link);
    join_best(now.protocol, std::move(joining->others));
    return;
  }
  Attached* attached = held();
  if (attached == nullptr) return;
  if (former_ && former_->link == event.link) return end_former(false);
  if (standby_ && standby_->link == event.link) return end_standby();
  if (attached->look && attached->look->link == event.link) end_look(now.protocol, *attached);
  if (attached->parent.link == event.link) {
    orphan(now.protocol, Parting::kSilent, MoveReason::kDisconnected);
  }
}

void Uplink::on(const Now& now, const FromParent& event) {
  if (const auto* nak = std::get_if<HelloNak>(&event.message))
    candidates_.learn(nak->alternates, now.protocol);
  const auto* answer = std::get_if<ProbeAck>(&event.message);
  if (auto* probing = std::get_if<Probing>(&state_)) {
    if (answer == nullptr) return;
    on_answer(now.protocol, probing->asked, event.link, *answer);
    if (!will_do(*probing)) open_more(now.protocol, *probing);
    decide(now.protocol, *probing, true);
    return;
  }
  if (auto* joining = std::get_if<Joining>(&state_)) {
    if (answer != nullptr) on_answer(now.protocol, joining->others, event.link, *answer);
    if (event.link != joining->petition.link) return;
    const auto* ack = std::get_if<HelloAck>(&event.message);
    if (ack != nullptr && ack->session == joining->petition.session) {
      const Joining was = std::move(*joining);
      if (!acceptable(now.protocol, event, *ack)) {
        effects_.send.push_back({event.link, Bye{ack->session}});
        close_next_.push_back(event.link);
        join_best(now.protocol, was.others);
        return;
      }
      for (const auto& [link, attempt] : was.others) close(link);
      attach(now, was.petition, event.peer, *ack);
    } else if (const auto* nak = std::get_if<HelloNak>(&event.message)) {
      on_nak(now.protocol, joining->petition.candidate, *nak);
      close(event.link);
      join_best(now.protocol, std::move(joining->others));
    }
    return;
  }
  Attached* attached = held();
  if (attached == nullptr) return;
  if (event.link == attached->parent.link) {
    on_parent(now, event);
  } else if (attached->look && attached->look->link == event.link) {
    on_look(now, *attached, event);
  } else if (standby_ && event.link == standby_->link) {
    on_standby(now, *attached, event);
  } else if (former_ && event.link == former_->link) {
    on_former(now.protocol, event.message);
  }
}

void Uplink::attach(const Now& now, const Petition& petition, NodeId peer, const HelloAck& ack) {
  Parent parent{.link = petition.link,
                .candidate = petition.candidate,
                .same_region = petition.same_region,
                .id = peer,
                .session = petition.session,
                .path = ack.path,
                .lease = std::clamp(ack.lease, kLeaseMin, kLeaseMax),
                .beacon_interval = std::clamp(ack.beacon_interval, kBeaconMin, kBeaconMax),
                .above = std::clamp(ack.above, Duration{0}, kAboveMax),
                .spread = std::clamp(ack.spread, Duration{0}, kSpreadMax),
                .stamp = ack.stamp,
                .heard_at = now.protocol,
                .sequence = 0,
                .clock = {},
                .market = ack.market_time,
                .market_speed = std::max<std::int64_t>(ack.market_speed, 1)};
  parent.clock.heard(now.protocol, ack.stamp);
  record_.last_parent = peer;
  record_.term = std::max(record_.term, ack.term);
  candidates_.learn(ack.alternates, now.protocol);
  record_.alternates = candidates_.alternates();
  counted_under(now.protocol, parent);
  persist();
  feasibility_.advertise(now.protocol, parent.path.size(), record_.term);
  if (standby_ && standby_->attempt.candidate.to == parent.candidate.to) end_standby();
  spread_ = parent.spread;
  failures_ = silent_ = 0;
  trouble_ = seen_ = Trouble::kNone;
  state_ = Attached{.parent = std::move(parent),
                    .look_at = kNever,
                    .look = {},
                    .promising = {},
                    .elsewhere = {},
                    .leaving = {},
                    .balanced = false};
  standby_turn_ = 0;
  held()->look_at = next_look(now.protocol, *held());
  if (moves_.empty() || moves_.back().to)
    moves_.push_back({.at = now.protocol, .from = {}, .to = {}});
  moves_.back().to = peer;
  moves_.back().gap = now.protocol - moves_.back().at;
  held()->balanced = moves_.back().reason == MoveReason::kBalanced;
  if (moves_.size() > kMovesKept) moves_.erase(moves_.begin());
  effects_.attachment_changed = true;
  effects_.path_changed = true;
  effects_.deliver.emplace_back(ack);
}

void Uplink::on_parent(const Now& now, const FromParent& event) {
  if (const auto* beacon = std::get_if<Beacon>(&event.message)) return on_beacon(now, *beacon);
  if (const auto* redirect = std::get_if<Redirect>(&event.message)) {
    return on_redirect(now.protocol, *redirect);
  }
  const bool for_the_node = std::holds_alternative<Dispatch>(event.message) ||
                            std::holds_alternative<Evict>(event.message) ||
                            std::holds_alternative<Cleared>(event.message) ||
                            std::holds_alternative<Unload>(event.message) ||
                            std::holds_alternative<ValueSignal>(event.message) ||
                            std::holds_alternative<OwnerRates>(event.message);
  if (for_the_node) effects_.deliver.push_back(event.message);
}

void Uplink::on_beacon(const Now& now, const Beacon& beacon) {
  Attached& attached = *held();
  Parent& parent = attached.parent;
  if (beacon.stamp <= parent.stamp || beacon.stamp > kStampMax) return;  // late, repeated, nonsense
  if (options_.role == Role::kLeaf && beacon.alone && beacon.path.empty()) {
    if (!parent.path.empty()) attached.look_at = now.protocol;
  } else if (!obeyable(now.protocol, parent, beacon)) {
    candidates_.learn(beacon.alternates, now.protocol);
    candidates_.avoid(parent.candidate.to, now.protocol + rng_.jittered(limits::kBeaconInterval));
    const auto asked = take_asked();
    const auto why = beacon.path.empty() ? MoveReason::kPoisoned : MoveReason::kUnfit;
    lose_parent(now.protocol, Parting::kBye, asked ? asked->why : why);
    if (asked) {
      state_ = Joining{*asked->petition, {}};
    } else if (!join_standby(now.protocol)) {
      search(now.protocol);
    }
    return;
  }
  parent.stamp = beacon.stamp;
  parent.heard_at = now.protocol;
  parent.clock.heard(now.protocol, beacon.stamp);
  parent.market = beacon.market_time;
  parent.market_speed = std::max<std::int64_t>(beacon.market_speed, 1);
  const Duration above = std::clamp(beacon.above, Duration{0}, kAboveMax);
  if (parent.path != beacon.path || parent.above != above || beacon.term > record_.term) {
    parent.path = beacon.path;
    parent.above = above;
    effects_.path_changed = true;
    feasibility_.advertise(now.protocol, beacon.path.size(), beacon.term);
  }
  if (beacon.term > record_.term) {
    record_.term = beacon.term;
    persist();
  }
  if (candidates_.learn(beacon.alternates, now.protocol)) {
    record_.alternates = candidates_.alternates();
    persist();
  }
  counted_under(now.protocol, parent);
  if (auto* suspect = std::get_if<Suspect>(&state_)) {
    Attached again = std::move(suspect->was);
    state_ = std::move(again);
  }
}

/// An empty path is the poison; an older term is a root that has been replaced.
bool Uplink::obeyable(Instant now, const Parent& parent, const Beacon& beacon) const {
  if (unfit_path(seeker(), beacon.path, beacon.term)) return false;
  if (beacon.path.front() != parent.id) return false;
  return feasibility_.allows(now, beacon.path.size(), beacon.term) ||
         beacon.path.size() <= parent.path.size();
}

/// From the stamp just heard on, nobody above counts this node for longer than all their leases.
void Uplink::counted_under(Instant now, const Parent& parent) {
  if (parent.path.empty()) return;  // it counts nobody
  const Duration span = parent.lease + parent.above;
  counted_until_ = std::max(counted_until_, now + with_drift(span));
  if (span <= record_.counted_for && record_.path_length == parent.path.size()) return;
  // Durable before a report echoes this stamp, and before those below are told of the path.
  record_.counted_for = std::max(record_.counted_for, span);
  record_.path_length = parent.path.size();
  persist();
}

void Uplink::lose_parent(Instant now, Parting how, MoveReason why) {
  Attached& attached = *held();
  if (attached.look) end_look(now, attached);
  end_former(true);
  const Parent& parent = attached.parent;
  market_ = Now{parent.clock.local_time_of(parent.stamp), parent.market, parent.market_speed};
  lost_ = parent.candidate.to;
  if (how == Parting::kSilent) {
    close(parent.link);
  } else {
    former_ = Former{parent.link, parent.session, parent.clock, now + parent.lease};
    if (how == Parting::kBye) end_former(true);
  }
  moves_.push_back({.at = now, .from = parent.id, .to = {}, .reason = why});
  effects_.attachment_changed = true;
  effects_.path_changed = true;
  state_ = Orphan{now};
}

/// Its poison says that an ancestor has told it of the move.
void Uplink::on_former(Instant now, const Message& message) {
  if (const auto* beacon = std::get_if<Beacon>(&message)) {
    if (beacon->path.empty()) return end_former(false);
    former_->clock.heard(now, beacon->stamp);
  }
  const Attached* attached = held();
  const auto* dispatch = std::get_if<Dispatch>(&message);
  if (attached == nullptr || dispatch == nullptr || dispatch->term != record_.term) return;
  Dispatch order = *dispatch;  // its expiry told by the clock of the present parent
  order.expires = attached->parent.clock.stamp_of(former_->clock.local_time_of(order.expires));
  effects_.deliver.emplace_back(order);
}

void Uplink::end_former(bool say_goodbye) {
  if (!former_) return;
  if (say_goodbye) {
    effects_.send.push_back({former_->link, Bye{former_->session}});
    close_next_.push_back(former_->link);  // closes come before sends in a batch
  } else {
    close(former_->link);
  }
  former_.reset();
}

void Uplink::orphan(Instant now, Parting how, MoveReason why) {
  const auto asked = take_asked();
  lose_parent(now, how, asked ? asked->why : why);
  if (asked) {
    state_ = Joining{*asked->petition, {}};
    return;
  }
  if (join_standby(now)) return;
  if (spread_ > Duration{0}) {
    state_ = Orphan{now + rng_.up_to(spread_)};
  } else {
    search(now);
  }
}

/// The look on which a Hello is out, if any: its answer is on the way, and that it was taken in
/// there may be why the parent lets it go. A search would only ask again.
std::optional<Uplink::Look> Uplink::take_asked() {
  if (!moving()) return std::nullopt;
  end_standby();
  return std::exchange(held()->look, std::nullopt);
}

/// Healing in one step: no search, no handshake, and no wait to keep neighbours apart, because
/// only so many have a standby.
bool Uplink::join_standby(Instant now) {
  if (!standby_ || !standby_->attempt.answer) {
    end_standby();
    return false;
  }
  const Look warm = *std::exchange(standby_, std::nullopt);
  state_ = Joining{petition(now, warm.link, warm.attempt), {}};
  return true;
}

void Uplink::advance(Instant now, Attached& attached) {
  const Parent& parent = attached.parent;
  const Duration silence = now - parent.heard_at - parent.beacon_interval / 4;
  if (silence >= lateness_.stretch(parent.beacon_interval * limits::kBeaconsToOrphan)) {
    return orphan(now, Parting::kBye, MoveReason::kSilent);
  }
  advance_look(now, attached);
  advance_standby(now);
  const bool suspicious =
      silence >= lateness_.stretch(parent.beacon_interval * limits::kBeaconsToSuspect);
  if (!suspicious || std::holds_alternative<Suspect>(state_)) return;
  Attached was = std::move(attached);
  state_ = Suspect{std::move(was)};
}

Seeker Uplink::seeker() const {
  return {options_.self, options_.role, options_.region, record_.term};
}

/// One that remembers nothing may be new, or counted wherever it was when its store was lost. It
/// begins anywhere, for a session that its parents know must not mean another one.
UplinkRecord Uplink::newborn() {
  UplinkRecord record;
  record.session = static_cast<Session>(rng_.below(kFirstSessionMax));
  record.counted_for = longest_counted();
  return record;
}

Duration Uplink::longest_counted() const {
  constexpr auto kLevelsAbove = static_cast<Duration::rep>(limits::kDepthMax) - 1;
  return lease_of(options_.link, options_.role) + kGroupLeaseMax * kLevelsAbove;
}

Duration Uplink::hold(Instant now) const {
  return std::max(Duration{0}, counted_until_ - now);
}

Uplink::Attached* Uplink::held() {
  if (auto* attached = std::get_if<Attached>(&state_)) return attached;
  auto* suspect = std::get_if<Suspect>(&state_);
  return suspect != nullptr ? &suspect->was : nullptr;
}

const Uplink::Attached* Uplink::held() const {
  if (const auto* attached = std::get_if<Attached>(&state_)) return attached;
  const auto* suspect = std::get_if<Suspect>(&state_);
  return suspect != nullptr ? &suspect->was : nullptr;
}

bool Uplink::moving() const {
  const Attached* attached = held();
  return attached != nullptr && attached->look && attached->look->petition;
}

void Uplink::flush_closes() {
  for (const LinkId link : std::exchange(close_next_, {})) close(link);
}

void Uplink::close(LinkId link) {
  effects_.close.push_back(link);
}

}  // namespace vpp::mesh
