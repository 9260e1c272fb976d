// The part of Children that takes in a node, or says why not.
#include <algorithm>
#include <utility>

#include "config/planted_bug.h"
#include "mesh/children.h"

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

/// Of a node that cannot keep up with what it has: taking more would cost it those too.
constexpr Duration kLagMax = 1s;
/// One that was frozen for a minute has caught up in a moment, not in another minute.
constexpr Duration kLagToldMax = 3s;
constexpr int kOustedMax = 3;             ///< a node that restarts in haste does it once or twice
constexpr Duration kOustedWithin = 60s;   ///< apart from that they are forgotten
constexpr Duration kDuplicatedFor = 60s;  ///< the one that is attached stays

constexpr Duration kHoldMax = 10min;  ///< nobody's old ancestors count longer

Duration retry_after(NakReason reason) {
  switch (reason) {
    case NakReason::kBusy:
      return 400ms;
    case NakReason::kNoRoot:
      return 500ms;
    case NakReason::kLoop:
    case NakReason::kOldSession:
      return 1s;
    case NakReason::kFull:
    case NakReason::kDraining:
      return 5s;
    case NakReason::kNotAuthorised:
    case NakReason::kTakesNone:
      return 30s;
  }
  return 1s;
}

}  // namespace

void Children::on_probe(ConnectionId connection, const Probe& probe) {
  const std::size_t taken = by_connection_.size();
  const std::size_t slots = draining_ ? 0 : options_.children_max;
  const std::size_t free = slots - std::min(taken, slots);
  effects_.send.push_back({connection, ProbeAck{.nonce = probe.nonce,
                                                .term = term_,
                                                .path = path_,
                                                .children = static_cast<std::uint32_t>(taken),
                                                .free_slots = static_cast<std::uint32_t>(free),
                                                .region = options_.region}});
}

void Children::on_hello(const Now& now, const FromChild& event, const Hello& hello) {
  const auto found = event.peer ? children_.find(event.peer->id) : children_.end();
  if (found != children_.end() && found->second.attached &&
      found->second.connection == event.connection && found->second.session == hello.session) {
    return acknowledge_hello(now, found->second);  // it did not hear the first answer
  }
  if (const auto reason = refusal(now.protocol, event, hello)) {
    const bool old = *reason == NakReason::kOldSession;
    const bool two = found != children_.end() && now.protocol < found->second.duplicated_until;
    return refuse(event.connection, *reason, old && !two ? newest_session(event.peer->id) : 0);
  }
  admit(now, event, hello);
}

std::optional<NakReason> Children::refusal(Instant now, const FromChild& event,
                                           const Hello& hello) {
  if (options_.role == Role::kLeaf) return NakReason::kTakesNone;
  if (!event.peer) {
    ++counters_.unproven;
    return NakReason::kNotAuthorised;
  }
  if (hello.role != event.peer->role || hello.role == Role::kRoot) return NakReason::kNotAuthorised;
  if (path_.empty()) return NakReason::kNoRoot;
  if (draining_) return NakReason::kDraining;
  const NodeId id = event.peer->id;
  if (id == options_.self || std::ranges::find(path_, id) != path_.end()) return NakReason::kLoop;
  const std::size_t levels = path_.size() + (hello.role == Role::kLeaf ? 1 : 2);
  if (levels > limits::kDepthMax) return NakReason::kFull;
  const auto known = children_.find(id);
  const bool attached = known != children_.end() && known->second.attached;
  const bool two = attached && now < known->second.duplicated_until;
  if (two || hello.session <= newest_session(id)) {
    ++counters_.stale_session;
    return NakReason::kOldSession;
  }
  if (!attached && by_connection_.size() >= options_.children_max) return NakReason::kFull;
  // One without children has no timer to be in time for again.
  const bool late = lag_ >= kLagMax && now - lag_seen_ < kLagMax;
  if (late || !joins_.take(now)) return NakReason::kBusy;
  return std::nullopt;
}

/// Of those that were ever attached here or below, as far as is remembered. A Hello that is not
/// newer is late, or comes from a node that has lost its memory.
Session Children::newest_session(NodeId id) const {
  const auto known = children_.find(id);
  const auto located = locations_.find(id);
  return std::max(known == children_.end() ? 0 : known->second.session,
                  located == locations_.end() ? 0 : located->second.session);
}

void Children::refuse(ConnectionId connection, NakReason reason, Session newest) {
  ++counters_.refused;
  // One that is late itself would only be later if they came back before it has caught up.
  const Duration lag = reason == NakReason::kBusy ? std::min(lag_, kLagToldMax) : Duration{0};
  const Duration wait = retry_after(reason) + lag;
  effects_.send.push_back({connection, HelloNak{.reason = reason,
                                                .retry_after = rng_.jittered(wait),
                                                .alternates = alternates_below(),
                                                .newest = newest}});
  effects_.drop.push_back(connection);
}

void Children::admit(const Now& now, const FromChild& event, const Hello& hello) {
  const NodeId id = event.peer->id;
  Entry& entry = *children_.try_emplace(id).first;
  Child& child = entry.second;
  if (child.attached && child.connection == event.connection)
    by_connection_.erase(child.connection);
  if (child.attached && child.connection != event.connection) {
    note_ousted(now.protocol, child);
    end(now, entry, false);
  }
  const Duration hold = std::clamp(hello.hold, Duration{0}, kHoldMax);
  child.peer = *event.peer;
  child.name = hello.name;
  child.region = hello.region;
  child.serves = hello.serves;
  child.link = hello.link;
  child.session = hello.session;
  child.connection = event.connection;
  child.attached = true;
  child.moved = child.left = false;
  child.last_parent = hello.last_parent;
  child.cleared = planted(Bug::kCountedUnheard) && hold == Duration{0};
  child.introduced = hello.role == Role::kLeaf || planted(Bug::kCountedUnnamed);
  child.more = false;
  child.attached_at = child.heard_at = now.protocol;
  child.held_until = now.protocol + hold;
  child.handover_until = now.protocol + (hello.handover ? lease_of(child) : Duration{0});
  child.lease_until = now.protocol + lease_of(child);
  longest_lease_ = std::max(longest_lease_, lease_of(child));
  child.sequence = 0;
  child.proof = -1;
  refresh_counted(child, now.protocol);
  by_connection_[event.connection] = &entry;
  if (hello.role != Role::kLeaf) {
    groups_.insert(id);
    if (!child.introduced) strangers_.insert(id);
  }
  check_at_ =
      std::min({check_at_, child.lease_until, hold > Duration{0} ? child.held_until : kNever});
  next_beacon_ = std::min(next_beacon_, now.protocol + limits::kBeaconInterval);
  effects_.membership_changed = true;
  forget_branch(id);
  if (!locate(now, id, {id, hello.session, hold == Duration{0}})) ++counters_.refused;
  acknowledge_hello(now, child);
  prune();
}

/// A node that comes anew has been silent before, or was restarted. One whose sessions are replaced
/// while they report, again and again, is two nodes.
void Children::note_ousted(Instant now, Child& child) const {
  const Duration lately =
      std::max(profile_of(child.link).report_idle, profile_of(child.link).beacon_interval);
  if (child.proof < 0 || now - child.heard_at > lately * 2) return;
  if (now - child.ousted_at > kOustedWithin) child.ousted = 0;
  child.ousted_at = now;
  if (++child.ousted >= kOustedMax) child.duplicated_until = now + kDuplicatedFor;
}

void Children::acknowledge_hello(const Now& now, const Child& child) {
  // A storm of N is spread over N / kRejoinsPerSecond seconds, see mesh.md.
  const auto children = static_cast<std::int64_t>(by_connection_.size());
  const Beacon news = beacon(now, true);
  effects_.send.push_back(
      {child.connection, HelloAck{.session = child.session,
                                  .certificate = options_.certificate,
                                  .lease = lease_of(child),
                                  .beacon_interval = profile_of(child.link).beacon_interval,
                                  .above = news.above,
                                  .spread = Duration{children * 1000 / limits::kRejoinsPerSecond},
                                  .term = news.term,
                                  .path = news.path,
                                  .stamp = news.stamp,
                                  .market_time = news.market_time,
                                  .market_speed = news.market_speed,
                                  .alternates = news.alternates,
                                  .evict = {}}});
}

/// Whoever was not heard for longest is forgotten first; the attached never are.
void Children::prune() {
  if (children_.size() <= options_.children_max * 2) return;
  const auto oldest = std::ranges::min_element(children_, {}, [](const Entry& entry) {
    return std::pair{entry.second.attached, entry.second.heard_at};
  });
  if (!oldest->second.attached) children_.erase(oldest);
}

}  // namespace vpp::mesh
