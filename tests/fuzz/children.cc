// mesh::Children against a naive model: a list of what is known of each child, and the rules of the
// contract written out one by one. The input is a sequence of what peers, the parent and the clock
// can do, duplicates, stale and impossible messages among it. After every operation:
//   - attached is what the model says, and counted stays within what it allows: nobody before the
//     parent knows it, nobody before all that named an older session of it have left that out, no
//     branch before that holds for everybody it named; leaves that may be counted are;
//   - messages go to attached children and to whoever just spoke, and to nobody else;
//   - a change of who is attached or counted is told; a deadline is ahead; the tables are bounded.
#include "mesh/children.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/check.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace std::chrono_literals;

namespace {

constexpr NodeId kSelf{5, 5};
constexpr NodeId kRoot{9, 9};
constexpr std::size_t kChildrenMax = 4;
constexpr std::size_t kLocationsMax = 12;
constexpr std::size_t kNodes = 10;  ///< the first half are leaves, the others take children
constexpr Watts kRated{5'000};
constexpr Joules kContent{36'000'000};

NodeId node_of(std::size_t index) {
  return index < kNodes / 2 ? NodeId{1, index + 1} : NodeId{2, index + 1};
}
bool is_leaf(NodeId id) {
  return id.high == 1;
}
Peer peer_of(NodeId id) {
  return {id, is_leaf(id) ? Role::kLeaf : Role::kAggregator, kRated, kRated, kContent};
}
/// A connection belongs to one node for good; each node has four, as clones and restarts have.
ConnectionId connection_of(std::size_t index, std::size_t which) {
  return 1 + index + kNodes * which;
}

/// What the contract says, and no more.
struct Kid {
  ConnectionId connection = 0;
  Session session = 0;
  bool attached = false;
  Duration lease{0};
  Duration quiet{0};  ///< how long its line lets it be when there is nothing to say
  bool held = false;  ///< came with a hold
  bool said = false;  ///< Cleared by the parent since it came
  bool introduced = false;
  bool more = false;                  ///< its newest report did not name all, or not all found room
  std::map<NodeId, Session> names{};  ///< that it announced and has not left out
  std::map<NodeId, Session> brought{};  ///< of those, the ones it counts
  Instant held_until{};
  Instant lease_until{};
  Stamp echoed = -1;
  Instant heard_at{};
  std::uint64_t sequence = 0;
  std::size_t admitted = 0;       ///< by which operation
  std::vector<Instant> ousted{};  ///< when a session was replaced while it was alive
};

class Model {
 public:
  explicit Model(bool root) : root_{root} {}

  /// A child was sent this, with the present path or with the poison.
  void sent(Stamp stamp, bool with_path) {
    newest_sent_ = std::max(newest_sent_, stamp);
    stamps.push_back(stamp);
    if (!with_path || !path_changed_) return;
    path_since_ = stamp;
    path_changed_ = false;
  }
  void path(bool empty) {
    path_changed_ = true;
    path_since_ = kNoStamp;
    if (!empty) return;
    for (auto& [id, kid] : kids) {
      if (!is_leaf(id)) end(id);
    }
  }

  void admit(Instant now, NodeId id, ConnectionId connection, const Hello& hello, Duration hold) {
    const Session session = hello.session;
    const Duration lease = lease_of(hello.link, hello.role);
    end(id);
    Kid& kid = kids[id];
    std::vector<Instant> ousted = std::move(kid.ousted);
    kid = {.connection = connection,
           .session = session,
           .attached = true,
           .lease = lease,
           .quiet =
               std::max(profile_of(hello.link).report_idle, profile_of(hello.link).beacon_interval),
           .held = hold > 0ms,
           .held_until = now + std::min<Duration>(hold, 10min),
           .lease_until = now + lease,
           .heard_at = now,
           .ousted = std::move(ousted)};
    kid.admitted = operations;
    newest_session[id] = std::max(newest_session[id], session);
    // The first Hello of a session asks; it moves nowhere else without a new one.
    const auto [asked, first] = moves_.try_emplace({id, session});
    if (first && hold > 0ms) asked->second = who_named({id, session});
  }

  /// Another session is about to take its place, over another connection.
  void oust(Instant now, NodeId id) {
    Kid& kid = kids.at(id);
    const bool alive = kid.echoed >= 0 && now - kid.heard_at <= 2 * kid.quiet;
    if (alive) kid.ousted.push_back(now);
  }
  /// Three times, each within a minute of the one before, are two nodes of one identity: whoever is
  /// attached then stays for a minute.
  [[nodiscard]] bool duplicated(Instant now, NodeId id) const {
    const auto found = kids.find(id);
    if (found == kids.end()) return false;
    const std::vector<Instant>& times = found->second.ousted;
    for (std::size_t i = 2; i < times.size(); ++i) {
      const bool in_haste = times[i] - times[i - 1] <= 60s && times[i - 1] - times[i - 2] <= 60s;
      if (in_haste && now - times[i] < 60s) return true;
    }
    return false;
  }

  void end(NodeId id) {
    const auto found = kids.find(id);
    if (found == kids.end()) return;
    found->second.attached = false;
    found->second.names.clear();
    found->second.brought.clear();
    answered(id, [](const auto&) { return true; });
  }

  /// True: the report is to be believed.
  bool report(Instant now, NodeId id, const Report& report) {
    Kid& kid = kids.at(id);
    const bool fits = is_leaf(id) == std::holds_alternative<SiteSummary>(report.summary);
    const Instant until = Instant{Duration{report.beacon}} + kid.lease;
    if (report.session != kid.session || report.sequence <= kid.sequence) return false;
    if (report.beacon < kid.echoed || report.beacon < 0 || report.beacon > newest_sent_) {
      return false;
    }
    if (until <= now || !fits) return false;
    kid.sequence = report.sequence;
    kid.echoed = report.beacon;
    kid.lease_until = until;
    kid.heard_at = now;
    if (is_leaf(id)) return true;
    for (const Attachment& one : report.evicted) {
      const auto named = kid.names.find(one.node);
      if (named == kid.names.end()) continue;
      // Named by a newer session it is there by that one, and older ones are left out all the same.
      const bool gone = named->second < one.session;
      answered(id, [&](const Which& asked) {
        return asked.first == one.node && (gone || asked.second <= one.session);
      });
      if (!gone) continue;
      kid.names.erase(named);
      kid.brought.erase(one.node);
    }
    kid.more = report.more;
    return true;
  }

  /// Heard of in a report that was believed; `known`: the session in the table afterwards.
  void named(NodeId by, const Attachment& one, std::optional<Session> known) {
    Kid& kid = kids.at(by);
    kid.more = kid.more || !known;
    if (!known) return;
    const auto [name, first] = kid.names.try_emplace(one.node, one.session);
    if (one.session < name->second) return;
    if (one.session > name->second) kid.brought.erase(one.node);  // it moved within the branch
    name->second = one.session;
    if (one.settled) kid.brought[one.node] = one.session;
  }

  void cleared(const Attachment& what, bool known_here) {
    said_.insert({what.node, what.session});
    const auto kid = kids.find(what.node);
    if (kid == kids.end() || !kid->second.attached) return;
    if (known_here && kid->second.session == what.session) kid->second.said = true;
  }
  void parent_changed() {
    for (auto& [id, kid] : kids) kid.said = false;
  }

  /// After each operation: who may be counted from now on. `known`: the table.
  void introduce(const std::map<NodeId, Session>& known) {
    for (auto& [id, kid] : kids) {
      if (is_leaf(id) || kid.introduced || kid.sequence == 0 || kid.more) continue;
      kid.introduced = std::ranges::all_of(kid.brought, [&](const auto& one) {
        const auto at = known.find(one.first);
        // Forgotten by way of another branch, or of the parent, which then asked.
        if (at == known.end()) return true;
        // The very session is a child here: no honest node has two parents in one, and of a clone
        // the one that speaks for itself is believed.
        const auto here = kids.find(one.first);
        const bool child = here != kids.end() && here->second.attached;
        if (child && here->second.session == one.second) return true;
        return at->second <= one.second && (root_ || said_.contains(one));
      });
    }
  }

  void evict(const Attachment& what) {
    const auto kid = kids.find(what.node);
    if (kid != kids.end() && kid->second.session < what.session) end(what.node);
    Session& newest = newest_session[what.node];
    newest = std::max(newest, what.session);
    const Which which{what.node, what.session};
    evicted_at_[which] = operations;
    evictions_[which] = who_named(which);
    if (evictions_[which].empty()) left_out_.insert(which);
  }

  /// The answer to an Evict is true: nobody below counts the node by an older session, but for one
  /// that came after the question.
  [[nodiscard]] bool left_out(const Attachment& what) const {
    const Which which{what.node, what.session};
    const auto kid = kids.find(what.node);
    const bool still = kid != kids.end() && kid->second.attached &&
                       kid->second.session < what.session &&
                       kid->second.admitted < evicted_at_.at(which);
    return !still && left_out_.contains(which);
  }

  void expire(Instant now) {
    for (auto& [id, kid] : kids) {
      if (kid.attached && kid.lease_until <= now) end(id);
    }
  }

  [[nodiscard]] bool attached(NodeId id) const {
    const auto found = kids.find(id);
    return found != kids.end() && found->second.attached;
  }
  [[nodiscard]] std::size_t attached_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(kids, [](const auto& one) { return one.second.attached; }));
  }

  /// Under a lease, under the present path, and not held; held ones: see may_be_cleared.
  [[nodiscard]] bool current(const Kid& kid, Instant now) const {
    return kid.attached && now < kid.lease_until && path_since_ != kNoStamp &&
           kid.echoed >= path_since_;
  }
  [[nodiscard]] bool held(const Kid& kid, Instant now) const {
    return kid.held && now < kid.held_until;
  }
  /// Everybody who was asked has answered or is gone, unless the hold is over; the parent has said
  /// so; and everybody below a branch is known.
  [[nodiscard]] bool may_be_cleared(NodeId id, Session session, bool held) const {
    if (cloned(id, session)) return true;
    if (held && !moves_.at({id, session}).empty()) return false;
    if (!is_leaf(id) && !kids.at(id).introduced) return false;
    return root_ || said_.contains({id, session});
  }

  std::map<NodeId, Kid> kids;
  std::size_t operations = 0;
  std::map<NodeId, Session> newest_session;  ///< ever heard of, directly or announced
  std::vector<Stamp> stamps{0};

 private:
  using Which = std::pair<NodeId, Session>;
  static constexpr Stamp kNoStamp = -1;

  /// A branch names it by the very session in which it is a child here: no honest node has two
  /// parents in one session, and nothing is promised of clones.
  [[nodiscard]] bool cloned(NodeId id, Session session) const {
    return std::ranges::any_of(kids, [&](const auto& one) {
      const auto named = one.second.names.find(id);
      return one.second.attached && named != one.second.names.end() && named->second == session;
    });
  }

  [[nodiscard]] std::set<NodeId> who_named(const Which& which) const {
    std::set<NodeId> out;
    for (const auto& [other, one] : kids) {
      if (!one.attached || is_leaf(other) || other == which.first) continue;
      const auto named = one.names.find(which.first);
      if (named != one.names.end() && named->second < which.second) out.insert(other);
    }
    return out;
  }

  template <class Fits>
  void answered(NodeId group, Fits fits) {
    for (auto& [which, open] : moves_) {
      if (fits(which)) open.erase(group);
    }
    for (auto& [which, open] : evictions_) {
      if (fits(which)) open.erase(group);
      if (open.empty()) left_out_.insert(which);
    }
  }

  bool root_;
  bool path_changed_ = true;
  Stamp newest_sent_ = -1;
  Stamp path_since_ = kNoStamp;                  ///< the first stamp that told the present path
  std::map<Which, std::set<NodeId>> moves_;      ///< who has not answered for it yet
  std::map<Which, std::set<NodeId>> evictions_;  ///< likewise, of what the parent asked
  std::set<Which> left_out_;                     ///< answered by everybody at some time
  std::set<Which> said_;                         ///< by the parent: Cleared
  std::map<Which, std::size_t> evicted_at_;      ///< when the parent asked last
};

class Harness {
 public:
  explicit Harness(fuzz::FuzzInput input)
      : input_{input}, root_{input_.coin()}, model_{root_}, children_{options(root_), Rng{1}} {
    set_path(root_ ? Path{kSelf} : Path{kSelf, kRoot}, 1);
  }

  void run() {
    for (int steps = 0; !input_.empty() && steps < 240; ++steps) {
      ++model_.operations;
      operation();
    }
  }

 private:
  static ChildrenOptions options(bool root) {
    ChildrenOptions out;
    out.self = kSelf;
    out.role = root ? Role::kRoot : Role::kAggregator;
    out.children_max = kChildrenMax;
    out.locations_max = kLocationsMax;
    return out;
  }

  void operation() {
    switch (input_.below(root_ ? 9 : 14)) {
      case 0:
      case 1:
        return hello();
      case 2:
      case 3:
        return report();
      case 4:
        return pass(Duration{static_cast<std::int64_t>(input_.number(1)) * 40});
      case 5:
        return pass_to_deadline();
      case 6:
        return lost();
      case 7:
        return other();
      case 8:
        return drain();
      case 9:
        return evict();
      case 10:
        return cleared();
      case 11:
        return move();
      case 12:
        return new_parent();
      default:
        return ask_for_report();
    }
  }

  void hello() {
    const std::size_t index = input_.below(kNodes + 1);
    const NodeId id = index == kNodes ? kSelf : node_of(index);
    const ConnectionId connection = connection_of(index, input_.below(4));
    Hello hello;
    hello.role = is_leaf(id) ? Role::kLeaf : Role::kAggregator;
    hello.session = model_.newest_session[id] + input_.below(4);
    if (hello.session > 0 && input_.coin()) --hello.session;
    hello.hold = Duration{static_cast<std::int64_t>(input_.below(4)) * 7'000};
    if (input_.below(16) == 1) hello.hold = Duration{static_cast<std::int64_t>(input_.number(3))};
    const auto kid = model_.kids.find(id);
    const bool known = kid != model_.kids.end() && kid->second.attached;
    const bool repeated =
        known && kid->second.connection == connection && kid->second.session == hello.session;
    hello.handover = input_.coin();
    hello.link = static_cast<LinkKind>(input_.below(kLinkKinds));
    const Instant now = now_.protocol;
    if (view_of(id).id == kNoNode && kid != model_.kids.end())
      kid->second.ousted.clear();  // forgotten
    // Between what is known for certain and what was ever heard of, either answer is right: the
    // core may have forgotten.
    const bool may =
        !late_ && !children_.draining() && !path_.empty() && id != kSelf &&
        !(known && model_.duplicated(now, id)) &&
        (known ? hello.session > kid->second.session : model_.attached_count() < kChildrenMax) &&
        std::ranges::find(path_, id) == path_.end();
    const bool must = may && hello.session > model_.newest_session[id];
    children_.step(now_, FromChild{connection, peer_of(id), hello});
    const ChildView after = view_of(id);
    const bool taken = may && !repeated && after.attached && after.session == hello.session;
    VPP_CHECK(taken || repeated || !must);
    if (taken) {
      const Duration hold = std::max(0ms, hello.hold);
      if (known && connection != kid->second.connection) model_.oust(now, id);
      model_.admit(now, id, connection, hello, hold);
    }
    const bool acknowledged = settle_up(connection);
    VPP_CHECK(acknowledged == (taken || repeated));
  }

  void report() {
    const std::size_t index = input_.below(kNodes);
    const NodeId id = node_of(index);
    const auto kid = model_.kids.find(id);
    if (kid == model_.kids.end()) return;
    Report report;
    report.session = kid->second.session - (input_.below(8) == 1 ? 1 : 0);
    report.sequence = kid->second.sequence + 1 - (input_.below(8) == 1 ? 1 : 0);
    report.beacon = any_stamp();
    if (is_leaf(id) != (input_.below(16) == 1)) {
      report.summary = any_site();
    } else {
      report.summary = GroupSummary{};
    }
    report.attached = any_nodes();
    report.evicted = any_nodes();
    report.more = input_.below(4) == 1;
    const ConnectionId connection =
        input_.below(8) == 1 ? connection_of(index, input_.below(4)) : kid->second.connection;
    const bool heard = kid->second.attached && connection == kid->second.connection;
    children_.step(now_, FromChild{connection, peer_of(id), report});
    if (heard && model_.report(now_.protocol, id, report) && !is_leaf(id)) {
      for (const Attachment& one : report.attached) announced(id, one);
      const auto known = table();
      for (const Attachment& one : report.attached) {
        if (one.node == id || one.node == kSelf || one.node == kNoNode) continue;
        const auto at = known.find(one.node);
        model_.named(id, one, at == known.end() ? std::nullopt : std::optional{at->second});
      }
    }
    settle_up(connection);
  }

  /// The newest session of a node wins. Where an even newer one was announced before, this one may
  /// be no news any more.
  void announced(NodeId by, const Attachment& what) {
    if (by == what.node) return;
    const auto kid = model_.kids.find(what.node);
    Session& newest = model_.newest_session[what.node];
    if (kid != model_.kids.end() && kid->second.attached && kid->second.session < what.session) {
      if (newest <= kid->second.session || !view_of(what.node).attached) model_.end(what.node);
    }
    newest = std::max(newest, what.session);
  }

  void pass(Duration span) {
    const Instant due = children_.next_deadline();
    now_.protocol += span;
    late_ = due != kNever && now_.protocol - due >= 1s;  // has enough to do with those it has
    now_.market += span;
    children_.advance(now_);
    model_.expire(now_.protocol);
    settle_up(0);
    VPP_CHECK(children_.next_deadline() > now_.protocol);
  }

  void pass_to_deadline() {
    const Instant due = children_.next_deadline();
    VPP_CHECK((due == kNever) == (model_.attached_count() == 0));
    if (due == kNever) return;
    VPP_CHECK(due - now_.protocol <= limits::kBeaconInterval);
    pass(std::max(0ms, due - now_.protocol));
  }

  void lost() {
    const std::size_t index = input_.below(kNodes);
    const NodeId id = node_of(index);
    const ConnectionId connection = connection_of(index, input_.below(4));
    const auto kid = model_.kids.find(id);
    const bool ours =
        kid != model_.kids.end() && kid->second.attached && kid->second.connection == connection;
    bool ends = ours;
    if (input_.coin()) {
      children_.step(now_, ChildUnreachable{connection});
    } else {
      const Session session = (ours ? kid->second.session : 1) - input_.below(2);
      ends = ours && session == kid->second.session;
      children_.step(now_, FromChild{connection, peer_of(id), Bye{session}});
    }
    if (ends) model_.end(id);
    settle_up(connection);
  }

  /// What changes nothing: probes, acknowledgements, dispatch, what no child may say, strangers.
  void other() {
    const std::size_t index = input_.below(kNodes);
    const NodeId id = node_of(index);
    const ConnectionId connection = connection_of(index, input_.below(4));
    switch (input_.below(5)) {
      case 0:
        children_.step(now_, FromChild{connection, {}, Probe{7}});
        break;
      case 1:
        children_.step(now_, FromChild{connection, peer_of(id), DispatchAck{{1}, 1, true}});
        children_.step(now_, FromChild{connection, peer_of(id), PlannedLoad{}});
        break;
      case 2:
        children_.step(now_, FromChild{connection, peer_of(id), Evict{any_nodes()}});
        break;
      case 3:
        children_.step(now_, FromChild{connection, {}, Report{}});
        break;
      default:
        children_.dispatch(now_, id, Dispatch{});
        children_.tell(now_, id, ValueSignal{});
        settle_up(0);
        return;
    }
    settle_up(connection);
  }

  /// Asks the children to go, or lets them stay.
  void drain() {
    children_.drain(now_, input_.coin());
    settle_up(0);
  }

  void evict() {
    const std::vector<Attachment> nodes = any_nodes();
    children_.evict(now_, nodes);
    for (const Attachment& what : nodes) model_.evict(what);
    settle_up(0);
  }

  void cleared() {
    const std::vector<Attachment> nodes = any_nodes();
    for (const Attachment& what : nodes) {
      const auto located = children_.located();
      const Located here{what.node, what.node, what.session};
      model_.cleared(what, std::ranges::find(located, here) != located.end());
    }
    children_.cleared(now_, nodes);
    settle_up(0);
  }

  void move() {
    Path path;
    const std::size_t above = input_.below(6);
    if (above > 1) path = {kSelf, above > 3 ? node_of(kNodes - above) : NodeId{8, above}, kRoot};
    set_path(path, 1 + input_.below(2));
  }

  void set_path(const Path& path, std::uint64_t term) {
    const bool changed = path != path_;
    path_ = path;
    children_.set_upstream(now_, path, term, {});
    if (changed) model_.path(path.empty());
    settle_up(0);
  }

  void new_parent() {
    children_.announce_all(now_);
    model_.parent_changed();
    settle_up(0);
  }

  void ask_for_report() {
    const auto located = children_.located();
    const auto below = children_.attached_below();
    VPP_CHECK(below.size() <= limits::kAttachmentsMax);
    std::set<NodeId> seen;
    for (const Attachment& one : below) {
      VPP_CHECK(seen.insert(one.node).second);
      const auto at = std::ranges::find(located, one.node, &Located::node);
      VPP_CHECK(at != located.end() && at->session == one.session && model_.attached(at->via));
    }
    for (const Attachment& one : children_.take_evicted()) VPP_CHECK(model_.left_out(one));
    settle_up(0);
  }

  Stamp any_stamp() {
    const std::size_t back = input_.below(6);
    // Never sent: far in the future.
    if (back == 5) return kStampMax - static_cast<Stamp>(input_.number(6));
    const std::size_t last = model_.stamps.size() - 1;
    return model_.stamps[last - std::min(last, back)];
  }

  SiteSummary any_site() {
    SiteSummary site;
    if (!input_.coin()) return site;
    site.discharge = {Watts{static_cast<std::int64_t>(input_.number(4))},
                      Joules{static_cast<std::int64_t>(input_.number(6))}, 1000};
    site.measured = Watts{static_cast<std::int32_t>(input_.number(4))};
    return site;
  }

  std::vector<Attachment> any_nodes() {
    std::vector<Attachment> out(input_.below(4));
    for (Attachment& one : out) {
      const std::size_t index = input_.below(kNodes + 6);
      one.node = index < kNodes ? node_of(index) : NodeId{3, index};
      if (index == kNodes) one.node = kSelf;
      if (index == kNodes + 1) one.node = kNoNode;
      const std::size_t session = input_.below(8);
      one.settled = session >= 4;
      one.session = model_.newest_session[one.node] + session % 4;
      if (one.session > 0) --one.session;
    }
    return out;
  }

  [[nodiscard]] std::map<NodeId, Session> table() const {
    std::map<NodeId, Session> out;
    for (const Located& one : children_.located()) out[one.node] = one.session;
    return out;
  }

  [[nodiscard]] ChildView view_of(NodeId id) const {
    for (const ChildView& view : children_.view(now_)) {
      if (view.id == id) return view;
    }
    return {};
  }

  /// Takes the effects and compares. True: `speaker` was answered with a HelloAck.
  bool settle_up(ConnectionId speaker) {
    const ChildrenEffects effects = children_.take_effects();
    bool acknowledged = false;
    for (const SendDown& down : effects.send) {
      VPP_CHECK(down.connection == speaker || connected_.contains(down.connection));
      if (const auto* beacon = std::get_if<Beacon>(&down.message)) {
        model_.sent(beacon->stamp, beacon->path == path_);
      } else if (const auto* ack = std::get_if<HelloAck>(&down.message)) {
        VPP_CHECK(down.connection == speaker && ack->path == path_);
        model_.sent(ack->stamp, true);
        acknowledged = true;
      }
    }
    VPP_CHECK(effects.acks.size() == effects.ack_from.size());
    for (const NodeId from : effects.ack_from) VPP_CHECK(model_.attached(from));
    compare(effects.membership_changed);
    return acknowledged;
  }

  void compare(bool told_of_change) {
    std::map<NodeId, std::pair<bool, bool>> members;  // attached, counted
    connected_.clear();
    const auto view = children_.view(now_);
    model_.introduce(table());
    VPP_CHECK(view.size() <= kChildrenMax * 2 && children_.located().size() <= kLocationsMax);
    for (const ChildView& child : view) {
      const Kid& kid = model_.kids.at(child.id);
      // Of one that moved on the newest session that was heard of is kept.
      VPP_CHECK(child.attached ? child.session == kid.session : child.session >= kid.session);
      VPP_CHECK(child.attached == (kid.attached && now_.protocol < kid.lease_until));
      const bool current = model_.current(kid, now_.protocol);
      const bool held = model_.held(kid, now_.protocol);
      if (!current) VPP_CHECK(!child.counted);
      if (current && !held && kid.said && is_leaf(child.id)) VPP_CHECK(child.counted);
      if (child.counted) VPP_CHECK(model_.may_be_cleared(child.id, kid.session, held));
      if (kid.attached) connected_.insert(kid.connection);
      members[child.id] = {child.attached, child.counted};
      if (child.in_transit) VPP_CHECK(child.attached && !child.counted);
      check_caps(child);
    }
    for (const auto& [id, kid] : model_.kids) VPP_CHECK(!kid.attached || members.contains(id));
    VPP_CHECK(children_.any_attached() == (model_.attached_count() > 0));
    std::erase_if(members, [](const auto& one) { return !one.second.first; });
    VPP_CHECK(told_of_change || members == members_);
    members_ = members;
  }

  static void check_caps(const ChildView& child) {
    if (!child.summary) return;
    const auto* site = std::get_if<SiteSummary>(&*child.summary);
    VPP_CHECK((site != nullptr) == is_leaf(child.id));
    if (site == nullptr) return;
    VPP_CHECK(site->discharge.power >= Watts{0} && site->discharge.power <= kRated);
    VPP_CHECK(site->discharge.energy >= Joules{0} && site->discharge.energy <= kContent);
    const Watts most{kRated.count + kRated.count / 4};
    if (site->measured) VPP_CHECK(*site->measured <= most && *site->measured >= -most);
  }

  fuzz::FuzzInput input_;
  bool root_;
  Model model_;
  Children children_;
  Now now_{Instant{1000s}, MarketTime{}, 1};
  Path path_;
  bool late_ = false;
  std::set<ConnectionId> connected_;  ///< of attached children, before the present operation
  std::map<NodeId, std::pair<bool, bool>> members_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Harness{fuzz::FuzzInput{data, size}}.run();
  return 0;
}
