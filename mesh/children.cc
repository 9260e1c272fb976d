#include "mesh/children.h"

#include <algorithm>
#include <utility>

#include "config/check.h"
#include "config/planted_bug.h"

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRedirectsAtOnce = 250;  ///< per beacon: a fifth of what a parent admits
/// Orphans come at kRejoinsPerSecond, but a parent that lets children in is late itself and finds
/// half a second's worth at once. Turning them away costs it a second handshake each, several times
/// what letting them in does.
constexpr std::int64_t kJoinsPerSecond = 2 * limits::kRejoinsPerSecond;
/// Those with a standby come at once, and theirs is an open link.
constexpr std::int64_t kJoinBurst = limits::kStandbySiblingsMax;
constexpr int kBeaconsPerAlternates = 16;  ///< they change seldom, and metered links pay for them

Instant instant_of(Stamp stamp) {
  return Instant{Duration{stamp}};
}

}  // namespace

Children::Children(const ChildrenOptions& options, Rng rng)
    : options_{options},
      rng_{rng},
      joins_{kJoinsPerSecond, kJoinBurst},
      draining_{options.draining},
      balance_{options.balance_after} {
  VPP_CHECK(options_.self != kNoNode);
}

void Children::step(const Now& now, const ChildrenEvent& event) {
  now_ = now.protocol;
  std::visit([&](const auto& e) { on(now, e); }, event);
}

void Children::advance(const Now& now) {
  const Instant due = next_deadline();
  now_ = now.protocol;
  lag_ = due == kNever ? Duration{0} : std::max(Duration{0}, now.protocol - due);
  lag_seen_ = now.protocol;
  if (check_at_ <= now.protocol) expire(now);
  if (next_beacon_ <= now.protocol) {
    send_beacons(now, false);
    if (draining_) {
      send_redirects();
    } else {
      balance(now.protocol);
    }
    repeat_questions();
    age_locations(now.protocol);
  }
  flush();
}

Instant Children::next_deadline() const {
  if (!to_ask_.empty() || !to_clear_.empty()) return now_;
  return std::min(next_beacon_, check_at_);
}

ChildrenEffects Children::take_effects() {
  return std::exchange(effects_, {});
}

void Children::set_upstream(const Now& now, const Path& path, std::uint64_t term,
                            std::vector<Endpoint> alternates, Duration counted_for) {
  now_ = now.protocol;
  if (alternates_ != alternates) {
    for (Line& line : lines_) line.beacons_to_alternates = 0;
  }
  alternates_ = std::move(alternates);
  const bool moved = path_ != path || above_ != counted_for;
  if (!moved && term_ == term) return;
  term_ = term;
  if (moved) {
    path_ = path;
    above_ = counted_for;
    last_stamp_ = std::max<Stamp>(now.protocol.time_since_epoch().count(), last_stamp_ + 1);
    if (!planted(Bug::kEpochKept)) epoch_ = last_stamp_;
    for (auto& [id, child] : children_) refresh_counted(child, now.protocol);
  }
  if (!by_connection_.empty()) send_beacons(now, true);
  if (path_.empty()) {
    for (Entry& entry : children_) {
      const bool below_too = entry.second.peer.role != Role::kLeaf;
      if (entry.second.attached && below_too) end(now, entry, false);
    }
  }
  flush();
}

void Children::dispatch(const Now& now, NodeId child, Dispatch order) {
  now_ = now.protocol;
  const auto found = children_.find(child);
  if (found == children_.end() || !found->second.attached) return;
  effects_.send.push_back({found->second.connection, order});
}

void Children::tell(const Now& now, NodeId child, Message message) {
  now_ = now.protocol;
  const auto found = children_.find(child);
  if (found == children_.end() || !found->second.attached) return;
  effects_.send.push_back({found->second.connection, std::move(message)});
}

std::map<NodeId, Session> Children::attached() const {
  std::map<NodeId, Session> out;
  for (const auto& [id, child] : children_) {
    if (child.attached) out.emplace(id, child.session);
  }
  return out;
}

std::uint32_t Children::sites(NodeId child) const {
  const auto found = children_.find(child);
  if (found == children_.end()) return 0;
  if (found->second.peer.role == Role::kLeaf) return 1;
  if (!found->second.summary) return 0;
  const auto* group = std::get_if<GroupSummary>(&*found->second.summary);
  return group != nullptr ? group->coverage.enrolled : 0;
}

void Children::drain(const Now& now, bool on) {
  now_ = now.protocol;
  draining_ = on;
  if (on) send_redirects();
}

std::vector<ChildView> Children::view(const Now& now) const {
  std::vector<ChildView> out;
  out.reserve(children_.size());
  for (const auto& [id, child] : children_) {
    out.push_back({.id = id,
                   .name = child.name,
                   .region = child.region,
                   .role = child.peer.role,
                   .link = child.link,
                   .session = child.session,
                   .attached = child.attached && now.protocol < child.lease_until,
                   .counted = counted(child, now.protocol),
                   .in_transit = in_transit(child, now.protocol),
                   .moved = child.moved,
                   .duplicated = now.protocol < child.duplicated_until,
                   .left = child.left,
                   .last_parent = child.last_parent,
                   .attached_at = child.attached_at,
                   .lease_until = child.lease_until,
                   .heard_at = child.heard_at,
                   .summary = child.summary,
                   .sequence = child.sequence,
                   .serves = child.serves,
                   .discharge_max = child.peer.discharge_max,
                   .charge_max = child.peer.charge_max,
                   .energy_max = child.peer.energy_max});
  }
  return out;
}

ChildLine Children::line(NodeId id) const {
  const auto found = children_.find(id);
  if (found == children_.end()) return {0, limits::kBeaconInterval, limits::kLease};
  const Child& child = found->second;
  return {child.session, profile_of(child.link).beacon_interval, lease_of(child)};
}

const ChildrenCounters& Children::counters() const {
  return counters_;
}

bool Children::any_attached() const {
  return !by_connection_.empty();
}

void Children::on(const Now& now, const ChildUnreachable& event) {
  const auto found = by_connection_.find(event.connection);
  if (found == by_connection_.end()) return;
  end(now, *found->second, false);
}

void Children::on(const Now& now, const FromChild& event) {
  if (const auto* probe = std::get_if<Probe>(&event.message)) {
    return on_probe(event.connection, *probe);
  }
  if (const auto* hello = std::get_if<Hello>(&event.message)) {
    return on_hello(now, event, *hello);
  }
  Entry* entry = entry_of(event);
  if (entry == nullptr) return;
  if (const auto* report = std::get_if<Report>(&event.message)) {
    on_report(now, *entry, *report);
  } else if (const auto* ack = std::get_if<DispatchAck>(&event.message)) {
    effects_.acks.push_back(*ack);
    effects_.ack_from.push_back(entry->first);
  } else if (const auto* planned = std::get_if<PlannedLoad>(&event.message)) {
    effects_.planned.emplace_back(entry->first, *planned);
  } else if (const auto* bye = std::get_if<Bye>(&event.message)) {
    if (bye->session != entry->second.session) return;
    entry->second.left = true;
    end(now, *entry, false);
  } else {
    ++counters_.refused;
  }
}

/// The attached child at the other end; counts why there is none.
Children::Entry* Children::entry_of(const FromChild& event) {
  if (!event.peer) {
    ++counters_.unproven;
    effects_.drop.push_back(event.connection);
    return nullptr;
  }
  const auto found = by_connection_.find(event.connection);
  if (found == by_connection_.end() || found->second->first != event.peer->id) {
    ++counters_.refused;  // its session ended, or never began
    return nullptr;
  }
  return found->second;
}

void Children::on_report(const Now& now, Entry& entry, const Report& report) {
  Child& child = entry.second;
  if (!believable(now.protocol, child, report)) return;
  child.sequence = report.sequence;
  child.heard_at = now.protocol;
  child.proof = report.beacon;
  const bool on_arrival = planted(Bug::kLeaseFromArrival);
  child.lease_until = (on_arrival ? now.protocol : instant_of(report.beacon)) + lease_of(child);
  check_at_ = std::min(check_at_, child.lease_until);
  child.summary = report.summary;
  const bool more = std::visit(
      [&](auto& summary) { return clamp_to_certificate(child.peer, summary); }, *child.summary);
  if (more) ++counters_.clamped;
  if (more && !std::exchange(child.told_clamped, true)) effects_.clamped.push_back(entry.first);
  if (child.peer.role != Role::kLeaf) {
    const NodeId id = entry.first;
    on_evicted(id, report.evicted);
    child.more = report.more;
    for (const Attachment& one : report.attached) {
      if (one.node == id) continue;  // of itself it says all in its Hello
      if (!locate(now, id, one)) child.more = true;
    }
    introduce(entry);
  }
  refresh_counted(child, now.protocol);
}

bool Children::believable(Instant now, const Child& child, const Report& report) {
  if (report.session != child.session) {
    ++counters_.stale_session;
    return false;
  }
  if (report.sequence <= child.sequence || report.beacon < child.proof) {
    ++counters_.replayed;
    return false;
  }
  const bool never_sent = report.beacon > last_stamp_ || report.beacon < 0;
  if (never_sent || instant_of(report.beacon) + lease_of(child) <= now) {
    ++counters_.bad_stamp;
    return false;
  }
  const bool is_leaf = child.peer.role == Role::kLeaf;
  if (is_leaf != std::holds_alternative<SiteSummary>(report.summary)) {
    ++counters_.refused;
    return false;
  }
  return true;
}

namespace {

/// Brings a peer's word within its certificate, and remembers whether it had to.
struct Bound {
  const Peer& peer;
  bool changed = false;

  template <class Value>
  void operator()(Value& value, Value low, Value high) {
    const Value within = std::clamp(value, low, std::max(low, high));
    changed = changed || within != value;
    value = within;
  }
  /// What is measured: a quarter more, as inverters overshoot and meters err.
  void measured(Watts& value) {
    const auto most = [](Watts rated) { return Watts{rated.count + rated.count / 4}; };
    (*this)(value, -most(peer.charge_max), most(peer.discharge_max));
  }
  void armed(Watts& value) {
    (*this)(value, Watts{0}, std::min(peer.discharge_max, peer.charge_max));
  }
  void offer(SiteDirection& discharge, SiteDirection& charge) {
    (*this)(discharge.power, Watts{0}, peer.discharge_max);
    (*this)(charge.power, Watts{0}, peer.charge_max);
    (*this)(discharge.energy, Joules{0}, peer.energy_max);
    (*this)(charge.energy, Joules{0}, peer.energy_max);
  }
  /// A curve of another length is none, and refused elsewhere. The least of two concave curves is
  /// concave.
  void curve(std::vector<Joules>& points, std::span<const std::chrono::seconds> grid, Watts power) {
    if (points.size() != grid.size()) return;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Joules most{power.count * grid[i].count()};
      (*this)(points[i], std::min(points[i], Joules{0}), std::min(most, peer.energy_max));
    }
  }
  /// What is expected is no more than what is possible.
  static void expected(Expectation& told, const std::vector<Joules>& possible) {
    for (auto* points : {&told.mean, &told.deviation}) {
      if (points->size() != possible.size()) continue;
      for (std::size_t i = 0; i < possible.size(); ++i) {
        (*points)[i] = std::min((*points)[i], possible[i]);
      }
    }
  }
};

}  // namespace

bool Children::clamp_to_certificate(const Peer& peer, SiteSummary& site) {
  Bound bound{peer};
  bound.offer(site.discharge, site.charge);
  for (ProgramOffer& each : site.offers) bound.offer(each.discharge, each.charge);
  if (site.measured) bound.measured(*site.measured);
  bound.measured(site.droop);
  bound.armed(site.armed);
  if (site.stored) bound(*site.stored, Joules{0}, peer.energy_max);
  return bound.changed;
}

bool Children::clamp_to_certificate(const Peer& peer, GroupSummary& group) const {
  if (options_.grid.empty()) return false;
  Bound bound{peer};
  const auto curves = [&](std::vector<Joules>& discharge, std::vector<Joules>& charge) {
    bound.curve(discharge, options_.grid, peer.discharge_max);
    bound.curve(charge, options_.grid, peer.charge_max);
  };
  curves(group.discharge, group.charge);
  for (ScopeSummary& each : group.scopes) {
    curves(each.discharge, each.charge);
    bound.measured(each.measured);
  }
  bound.measured(group.measured);
  bound.measured(group.droop);
  bound.armed(group.armed);
  bound(group.stored, Joules{0}, peer.energy_max);
  if (bound.changed) Bound::expected(group.discharge_expected, group.discharge);
  if (bound.changed) Bound::expected(group.charge_expected, group.charge);
  return bound.changed;
}

/// Ends the session: no lease, not counted, still known. `tell`: it may believe otherwise.
void Children::end(const Now& now, Entry& entry, bool tell) {
  auto& [id, child] = entry;
  VPP_CHECK(child.attached);
  if (tell) {
    Beacon poison = beacon(now, true);
    poison.path.clear();
    poison.alone = false;
    effects_.send.push_back({child.connection, std::move(poison)});
  }
  effects_.drop.push_back(child.connection);
  by_connection_.erase(child.connection);
  groups_.erase(id);
  strangers_.erase(id);
  child.attached = false;
  refresh_counted(child, now.protocol);
  effects_.membership_changed = true;
  if (by_connection_.empty()) next_beacon_ = check_at_ = kNever;
  forget_branch(id);
}

void Children::expire(const Now& now) {
  check_at_ = kNever;
  for (Entry& entry : children_) {
    Child& child = entry.second;
    if (child.attached && child.lease_until <= now.protocol) {
      ++counters_.leases_lost;
      end(now, entry, true);
    }
    if (!child.attached) continue;
    if (child.held_until <= now.protocol) hold_over(entry);
    refresh_counted(child, now.protocol);
    check_at_ = std::min(check_at_, child.lease_until);
    if (child.held_until > now.protocol) check_at_ = std::min(check_at_, child.held_until);
  }
}

void Children::send_beacons(const Now& now, bool to_all) {
  next_beacon_ = now.protocol + limits::kBeaconInterval;
  std::array<std::optional<Beacon>, kLinkKinds> news;
  for (std::size_t kind = 0; kind < kLinkKinds; ++kind) {
    Line& line = lines_[kind];
    if (!to_all && now.protocol < line.next_beacon) continue;
    line.next_beacon = now.protocol + profile_of(static_cast<LinkKind>(kind)).beacon_interval;
    const bool with_alternates = line.beacons_to_alternates <= 0;
    line.beacons_to_alternates =
        with_alternates ? kBeaconsPerAlternates : line.beacons_to_alternates - 1;
    news[kind] = beacon(now, with_alternates);
  }
  for (const auto& [connection, entry] : by_connection_) {
    const auto& told = news[static_cast<std::size_t>(entry->second.link)];
    if (told) effects_.send.push_back({connection, *told});
  }
}

Duration Children::lease_of(const Child& child) {
  return vpp::lease_of(child.link, child.peer.role);
}

void Children::send_redirects() {
  const std::size_t some = std::min(kRedirectsAtOnce, by_connection_.size());
  const Redirect redirect{RedirectReason::kDraining, alternates_below()};
  auto next = by_connection_.upper_bound(redirected_);
  for (std::size_t i = 0; i < some; ++i, ++next) {
    if (next == by_connection_.end()) next = by_connection_.begin();
    effects_.send.push_back({next->first, redirect});
    redirected_ = next->first;
  }
}

/// Only once each branch is known for certain: in the middle of moves a look would mislead.
void Children::balance(Instant now) {
  if (groups_.size() < 2) return;
  std::vector<Balance::Load> loads;
  for (const NodeId id : groups_) {
    const Child& child = children_.at(id);
    const auto* group = child.summary ? std::get_if<GroupSummary>(&*child.summary) : nullptr;
    if (!counted(child, now) || group == nullptr) return;
    loads.push_back({id, group->coverage.online + group->coverage.stale});
  }
  const auto request = balance_.look(now, std::move(loads));
  if (!request) return;
  const Child& to = children_.at(request->to);
  if (!to.serves) return;
  effects_.send.push_back(
      {children_.at(request->from).connection, Unload{request->sites, {*to.serves}}});
}

void Children::unload(const Now& now, const Unload& what) {
  now_ = now.protocol;
  std::uint32_t left = std::min(what.sites, Balance::kAtOnce);
  auto next = by_connection_.upper_bound(redirected_);
  for (std::size_t i = 0; i < by_connection_.size() && left > 0; ++i, ++next) {
    if (next == by_connection_.end()) next = by_connection_.begin();
    const Child& child = next->second->second;
    if (child.peer.role != Role::kLeaf || !counted(child, now.protocol)) continue;
    effects_.send.push_back({next->first, Redirect{RedirectReason::kBalance, what.to}});
    redirected_ = next->first;
    --left;
  }
}

Beacon Children::beacon(const Now& now, bool with_alternates) {
  return {.stamp = stamp(now.protocol),
          .term = term_,
          .path = path_,
          .market_time = now.market,
          .market_speed = now.speed,
          .alternates = with_alternates ? alternates_below() : std::vector<Endpoint>{},
          .above = above_,
          // A root that does not lead is nobody to stay with: another one does, or will.
          .alone = path_.empty() && options_.role != Role::kRoot};
}

/// The parent's alternates, and the children here that take children themselves.
std::vector<Endpoint> Children::alternates_below() const {
  std::vector<Endpoint> out;
  const auto add = [&](const Endpoint& one) {
    const bool known = std::ranges::find(out, one) != out.end();
    if (!known && out.size() < limits::kAlternatesMax) out.push_back(one);
  };
  std::ranges::for_each(alternates_, add);
  for (const NodeId id : groups_) {
    if (out.size() >= limits::kAlternatesMax) break;
    const Child& child = children_.at(id);
    if (child.serves) add(*child.serves);
  }
  return out;
}

/// Never falls, and never equals a stamp that told an older path.
Stamp Children::stamp(Instant now) {
  last_stamp_ = std::max<Stamp>(last_stamp_, now.time_since_epoch().count());
  return last_stamp_;
}

bool Children::counted(const Child& child, Instant now) const {
  if (!child.attached || now >= child.lease_until) return false;
  if (child.proof < epoch_) return false;  // says nothing since it learned where this node is
  return child.cleared && child.introduced;
}

bool Children::in_transit(const Child& child, Instant now) const {
  if (!child.attached || now >= child.lease_until || counted(child, now)) return false;
  return child.cleared || now >= child.held_until || now < child.handover_until;
}

void Children::refresh_counted(Child& child, Instant now) {
  const bool is_counted = counted(child, now);
  if (std::exchange(child.was_counted, is_counted) != is_counted) {
    effects_.membership_changed = true;
  }
}

bool Children::is_attached(NodeId id) const {
  const auto found = children_.find(id);
  return found != children_.end() && found->second.attached;
}

}  // namespace vpp::mesh
