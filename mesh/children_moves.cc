// The part of Children that knows who is below whom, and makes sure that a node that moved is
// left out everywhere else before it is counted.
#include <algorithm>
#include <utility>

#include "config/planted_bug.h"
#include "mesh/children.h"

namespace vpp::mesh {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAnnounceAgain = 10min;  ///< so that an ancestor's table heals by itself
constexpr Duration kPassOnAfter = 5min;     ///< what comes again after so long is told again above
constexpr Duration kForgetAfter = 30min;    ///< three announcements missed
constexpr std::size_t kAgedAtOnce = 1'024;  ///< a million entries in 16 minutes

template <class Wrap>
void send_in_parts(std::vector<SendDown>& out, ConnectionId connection,
                   const std::vector<Attachment>& nodes) {
  for (std::size_t from = 0; from < nodes.size(); from += limits::kAttachmentsMax) {
    const std::size_t to = std::min(nodes.size(), from + limits::kAttachmentsMax);
    const auto at = [&](std::size_t i) { return nodes.begin() + static_cast<std::ptrdiff_t>(i); };
    out.push_back({connection, Wrap{{at(from), at(to)}}});
  }
}

}  // namespace

void Children::evict(const Now& now, const std::vector<Attachment>& nodes) {
  now_ = now.protocol;
  for (const Attachment& what : nodes) {
    end_older(now, what);
    const auto found = locations_.find(what.node);
    if (found != locations_.end() && found->second.session < what.session) {
      ask_former(what, kNoNode);
      also_via_.erase(what.node);
      unacknowledged_.erase(what.node);
      locations_.erase(found);
    }
    Session& session = answering_[what.node];
    session = std::max(session, what.session);
    try_answer(what.node);
  }
  flush();
}

void Children::cleared(const Now& now, const std::vector<Attachment>& nodes) {
  now_ = now.protocol;
  for (const Attachment& what : nodes) {
    const auto found = locations_.find(what.node);
    if (found == locations_.end() || found->second.session != what.session) continue;
    found->second.cleared_above = true;
    settle(what.node);
  }
  announce_soon_ = announce_soon_ || more_below_;  // the parent has taken in what it was told
  introduce_all();
  flush();
}

void Children::announce_all(const Now& now) {
  now_ = now.protocol;
  evicted_.clear();  // the questions of the parent that was
  answering_.clear();
  for (auto& [node, at] : locations_) {
    at.acknowledged = at.cleared_above = false;
    if (is_attached(at.via)) unacknowledged_.insert(node);
  }
  announce_soon_ = !unacknowledged_.empty();
}

std::vector<Attachment> Children::attached_below() {
  announce_soon_ = false;
  std::vector<Attachment> out;
  std::vector<Attachment> settled;
  more_below_ = false;
  const auto sort_in = [&](auto from, auto to) {
    for (auto it = from; it != to; ++it) {
      const Location& at = locations_.at(*it);
      more_below_ = more_below_ || at.awaited;
      auto& list = at.settled ? settled : out;
      if (list.size() < limits::kAttachmentsMax) {
        list.push_back({*it, at.session, at.settled});
      } else {
        more_below_ = more_below_ || at.settled;
      }
    }
  };
  const auto next = unacknowledged_.upper_bound(announced_);
  sort_in(next, unacknowledged_.end());
  sort_in(unacknowledged_.begin(), next);
  const std::size_t room = std::min(limits::kAttachmentsMax - out.size(), settled.size());
  out.insert(out.end(), settled.begin(), settled.begin() + static_cast<std::ptrdiff_t>(room));
  more_below_ = (more_below_ || room < settled.size()) && !planted(Bug::kNamedTooEarly);
  if (!out.empty()) announced_ = out.back().node;
  return out;
}

std::vector<Attachment> Children::take_evicted() {
  const std::size_t some = std::min(evicted_.size(), limits::kAttachmentsMax);
  const auto end = evicted_.begin() + static_cast<std::ptrdiff_t>(some);
  std::vector<Attachment> out{evicted_.begin(), end};
  evicted_.erase(evicted_.begin(), end);
  return out;
}

bool Children::report_due() const {
  return announce_soon_ || !evicted_.empty();
}

std::vector<Located> Children::located() const {
  std::vector<Located> out;
  out.reserve(locations_.size());
  for (const auto& [node, at] : locations_) out.push_back({node, at.via, at.session});
  return out;
}

std::size_t Children::located_via(NodeId child) const {
  return static_cast<std::size_t>(
      std::ranges::count(locations_, child, [](const auto& entry) { return entry.second.via; }));
}

/// `via` says that `what` is below it. False: there is no room to remember that.
bool Children::locate(const Now& now, NodeId via, const Attachment& what) {
  if (what.node == options_.self || what.node == kNoNode) return true;
  const auto found = locations_.find(what.node);
  const bool fresh = found == locations_.end();
  if (fresh && locations_.size() >= options_.locations_max) return false;
  if (!fresh && what.session < found->second.session && is_attached(found->second.via)) {
    // It has moved since, or it lost its store and counts its sessions from the beginning: whoever
    // took it in must know the newest one, and sends it on from there.
    if (via != what.node) ask(via, {what.node, found->second.session});
    return true;
  }
  if (!fresh && what.session == found->second.session) {
    hear_again(now, via, what, found->second);
    return true;
  }
  bool awaited = false;
  if (!fresh) {
    const Location& before = found->second;
    awaited = !what.settled && !before.acknowledged && (before.settled || before.awaited);
    ask_former(what, via);
  }
  also_via_.erase(what.node);
  locations_[what.node] = {.via = via,
                           .session = what.session,
                           .settled = what.settled,
                           .awaited = awaited,
                           .heard_at = now.protocol};
  if (via != what.node) end_older(now, what);
  unacknowledged_.insert(what.node);
  announce_soon_ = true;
  settle(what.node);
  return true;
}

/// The same session: from where it is known to be, or an aggregator took it along to another
/// branch.
void Children::hear_again(const Now& now, NodeId via, const Attachment& what, Location& at) {
  if (at.via != via && is_attached(at.via)) {
    std::set<NodeId>& also = also_via_[what.node];
    also.insert(at.via == what.node ? via : at.via);
    if (at.via == what.node) return;  // it is a child here: nobody took it along
    also.erase(via);
  }
  at.via = via;
  at.heard_at = now.protocol;
  at.settled = at.settled || what.settled;
  const bool due = now.protocol - at.acknowledged_at >= kPassOnAfter;
  if (at.acknowledged && (!due || options_.role == Role::kRoot)) return confirm(what.node, at);
  at.acknowledged = at.cleared_above = false;
  unacknowledged_.insert(what.node);
  settle(what.node);
}

/// Whether what is counted there may include the node in the session that is known.
bool Children::leads_to(NodeId child, NodeId node, const Location& at) const {
  if (at.via == child) return true;
  const auto also = also_via_.find(node);
  return also != also_via_.end() && also->second.contains(child);
}

/// Wherever it was known to be. Leaves count only themselves: a direct child that moved is ended
/// here and now.
void Children::ask_former(const Attachment& what, NodeId except) {
  const auto ask_one = [&](NodeId id) {
    if (id != except && id != what.node && groups_.contains(id)) ask(id, what);
  };
  ask_one(locations_.at(what.node).via);
  const auto also = also_via_.find(what.node);
  if (also != also_via_.end() && !planted(Bug::kTakenAlongForgotten)) {
    std::ranges::for_each(also->second, ask_one);
  }
}

void Children::ask(NodeId child, const Attachment& what) {
  evictions_.ask(child, what);
  to_ask_[child].push_back({what.node, what.session});
}

/// Nobody else below counts it, nor above: say so to the child that leads to it.
void Children::settle(NodeId node) {
  const auto found = locations_.find(node);
  if (found == locations_.end() || found->second.acknowledged) return;
  Location& at = found->second;
  const bool open = evictions_.open(node, at.via) && !planted(Bug::kClearedEarly);
  if (!at.settled && open) return;
  if (options_.role != Role::kRoot && !at.cleared_above) return;
  at.acknowledged = at.settled = true;
  at.awaited = false;
  at.acknowledged_at = now_;
  unacknowledged_.erase(node);
  confirm(node, at);
}

void Children::confirm(NodeId node, const Location& at) {
  if (at.via != node) {
    to_clear_[at.via].push_back({node, at.session});
    return;
  }
  const auto found = children_.find(node);
  if (found == children_.end() || !found->second.attached) return;
  if (found->second.session != at.session) return;
  found->second.cleared = true;
  refresh_counted(found->second, now_);
}

/// Whoever may still have counted it elsewhere does so no more: the ancestors need only hear of it.
void Children::hold_over(Entry& entry) {
  const auto found = locations_.find(entry.first);
  if (found == locations_.end() || found->second.via != entry.first) return;
  Location& at = found->second;
  if (at.settled || at.session != entry.second.session) return;
  at.settled = announce_soon_ = effects_.membership_changed = true;
  settle(entry.first);
}

/// A branch may be counted once all that it counts itself are known above by name, and it has left
/// out whoever turned up elsewhere. Who comes to it later is counted by nobody before that.
void Children::introduce(Entry& entry) {
  auto& [id, child] = entry;
  if (child.introduced || !child.attached || child.sequence == 0) return;
  if (child.more || evictions_.asks(id)) return;
  const bool waits = std::ranges::any_of(unacknowledged_, [&](NodeId node) {
    const Location& at = locations_.at(node);
    return at.settled && node != id && leads_to(id, node, at);
  });
  if (waits) return;
  child.introduced = true;
  strangers_.erase(id);
  refresh_counted(child, now_);
}

void Children::introduce_all() {
  for (const NodeId id : std::set<NodeId>{strangers_}) introduce(*children_.find(id));
}

void Children::try_answer(NodeId node) {
  const auto found = answering_.find(node);
  const bool open = evictions_.open(node, kNoNode) && !planted(Bug::kEvictAnsweredEarly);
  if (found == answering_.end() || open) return;
  evicted_.push_back({node, found->second});
  answering_.erase(found);
}

void Children::end_older(const Now& now, const Attachment& newer) {
  const auto found = children_.find(newer.node);
  if (found == children_.end() || found->second.session >= newer.session) return;
  if (found->second.attached) end(now, *found, true);
  found->second.moved = true;
  found->second.session = newer.session;  // what is older is refused from now on
}

/// The child is not attached, or begins anew: what it was asked is answered by its absence, and
/// what it announced is no longer ours to tell.
void Children::forget_branch(NodeId child) {
  if (children_.at(child).peer.role == Role::kLeaf) {
    if (!is_attached(child)) unacknowledged_.erase(child);
    return;
  }
  for (auto& [node, also] : also_via_) {
    also.erase(child);
    Location& at = locations_.at(node);
    if (at.via != child || also.empty()) continue;
    at.via = *also.begin();
    also.erase(also.begin());
  }
  std::erase_if(also_via_, [](const auto& one) { return one.second.empty(); });
  std::erase_if(unacknowledged_, [&](NodeId node) { return locations_.at(node).via == child; });
  to_ask_.erase(child);
  to_clear_.erase(child);
  for (const NodeId node : evictions_.forget(child)) {
    settle(node);
    try_answer(node);
  }
}

void Children::on_evicted(NodeId child, const std::vector<Attachment>& nodes) {
  for (const Attachment& what : nodes) {
    if (!evictions_.answer(child, what)) continue;
    settle(what.node);
    try_answer(what.node);
  }
}

/// Messages may be lost: every open question is asked again with each beacon.
void Children::repeat_questions() {
  if (evictions_.empty()) return;
  for (const NodeId id : groups_) {
    const auto open = evictions_.asked_of(id);
    if (!open.empty()) to_ask_[id] = open;
  }
}

void Children::age_locations(Instant now) {
  auto it = locations_.upper_bound(aged_);
  for (std::size_t i = 0; i < kAgedAtOnce && it != locations_.end(); ++i) {
    auto& [node, at] = *it;
    aged_ = node;
    const bool ours = at.via == node && is_attached(node);
    if (ours) at.heard_at = now;
    if (now - at.heard_at >= kForgetAfter && !more_to_come(node, at)) {
      unacknowledged_.erase(node);
      also_via_.erase(node);
      it = locations_.erase(it);
      continue;
    }
    const bool due = at.acknowledged && now - at.acknowledged_at >= kAnnounceAgain;
    if (due && ours && options_.role != Role::kRoot) {
      at.acknowledged = at.cleared_above = false;
      unacknowledged_.insert(node);
    }
    ++it;
  }
  if (it == locations_.end()) aged_ = kNoNode;
}

/// Who has not named all for so long may still count it.
bool Children::more_to_come(NodeId node, const Location& at) const {
  return std::ranges::any_of(
      groups_, [&](NodeId id) { return children_.at(id).more && leads_to(id, node, at); });
}

void Children::flush() {
  for (const auto& [id, nodes] : std::exchange(to_clear_, {})) {
    const auto found = children_.find(id);
    if (found == children_.end() || !found->second.attached) continue;
    send_in_parts<Cleared>(effects_.send, found->second.connection, nodes);
  }
  for (const auto& [id, nodes] : std::exchange(to_ask_, {})) {
    const auto found = children_.find(id);
    if (found == children_.end() || !found->second.attached) continue;
    send_in_parts<Evict>(effects_.send, found->second.connection, nodes);
  }
}

}  // namespace vpp::mesh
