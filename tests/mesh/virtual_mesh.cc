#include "virtual_mesh.h"

#include <algorithm>
#include <utility>

#include "config/check.h"

namespace vpp::mesh::testing {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReportSpacing = 100ms;
constexpr Duration kForever = Duration::max();

Endpoint endpoint_of(std::size_t index) {
  return {"tcp://node" + std::to_string(index) + ":7000", {}};
}

}  // namespace

VirtualMesh::VirtualMesh(std::uint64_t seed, const Faults& faults, Duration balance_after)
    : rng_{seed}, faults_{faults}, balance_after_{balance_after} {
  if (faults_.between > 0ms) next_fault_ = rng_.up_to(faults_.between * 2);
}

std::size_t VirtualMesh::add(Role role, const std::vector<std::size_t>& seeds, LinkKind link) {
  const std::size_t index = nodes_.size();
  Node node;
  node.id = {0x100 + index, index};
  node.role = role;
  node.link = link;
  for (const std::size_t seed : seeds) node.seeds.push_back(endpoint_of(seed));
  if (role != Role::kLeaf) {
    node.serves = endpoint_of(index);
    listening_[*node.serves] = index;
  }
  index_[node.id] = index;
  nodes_.push_back(std::move(node));
  start(index);
  return index;
}

void VirtualMesh::start(std::size_t index) {
  Node& node = nodes_[index];
  if (node.up) return;
  node.up = true;
  ++node.incarnation;
  node.boot_offset = 1ms + rng_.up_to(1000s);
  node.drift_ppm = static_cast<std::int64_t>(rng_.below(2001)) - 1000;
  node.waiting.clear();
  node.reported_at = {};
  node.report_at = local(node).protocol;
  if (node.role != Role::kRoot) {
    UplinkOptions options;
    options.self = node.id;
    options.role = node.role;
    options.seeds = node.seeds;
    options.serves = node.serves;
    options.link = node.link;
    node.uplink.emplace(options, rng_.fork(), node.record);
  }
  if (node.role != Role::kLeaf) {
    ChildrenOptions options;
    options.self = node.id;
    options.role = node.role;
    options.draining = node.draining;
    options.balance_after = balance_after_;
    node.children.emplace(options, rng_.fork());
  }
  if (node.role == Role::kRoot) {
    node.children->set_upstream(local(node), {node.id}, ++node.term, {});
  }
  node.due = now_;
}

void VirtualMesh::crash(std::size_t index) {
  Node& node = nodes_[index];
  if (!node.up) return;
  node.up = node.paused = false;
  node.uplink.reset();
  node.children.reset();
  for (auto& [id, connection] : connections_) {  // the other kernel tells our children
    const bool ours = connection.parent == index &&
                      connection.parent_incarnation == node.incarnation && !connection.child_closed;
    if (ours) post(index, connection.child, UplinkEvent{LinkLost{connection.link}}, false);
  }
}

void VirtualMesh::pause(std::size_t index, bool paused) {
  Node& node = nodes_[index];
  node.paused = paused && node.up;
  if (paused || !node.up) return;
  // The driver may see its timers or its sockets first.
  if (rng_.below(2) == 0) wake(node);
  for (const Input& input : std::exchange(node.waiting, {})) give(node, input);
  node.due = deadline_of(node);
}

void VirtualMesh::drain(std::size_t index, bool on) {
  Node& node = nodes_[index];
  node.draining = on;
  if (!node.up || !node.children) return;
  node.children->drain(local(node), on);
  collect(node);
}

void VirtualMesh::cut(std::size_t from, std::size_t to, bool cut) {
  if (cut) {
    cuts_.emplace(from, to);
  } else {
    cuts_.erase({from, to});
  }
}

void VirtualMesh::heal() {
  faults_ = {};
  next_fault_ = kForever;
  repairs_.clear();
  cuts_.clear();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    start(i);
    pause(i, false);
    drain(i, false);
  }
}

std::optional<std::string> VirtualMesh::run(Duration until) {
  while (true) {
    const Duration next = next_event();
    if (next > until) break;
    now_ = std::max(now_, next);
    repair_due();
    if (next_fault_ <= now_) fault();
    deliver_due();
    for (Node& node : nodes_) {
      if (node.up && !node.paused && node.due <= now_) wake(node);
    }
    if (!std::exchange(look_, false)) continue;
    if (auto found = violation()) return found;
  }
  now_ = until;
  return std::nullopt;
}

Duration VirtualMesh::next_event() const {
  Duration next = next_fault_;
  for (const Repair& repair : repairs_) next = std::min(next, repair.at);
  if (!deliveries_.empty()) next = std::min(next, deliveries_.top().at);
  for (const Node& node : nodes_) {
    if (node.up && !node.paused) next = std::min(next, node.due);
  }
  return next;
}

Duration VirtualMesh::deadline_of(const Node& node) const {
  Instant due = node.uplink ? node.report_at : kNever;
  if (node.uplink) due = std::min(due, node.uplink->next_deadline());
  if (node.children) due = std::min(due, node.children->next_deadline());
  return due == kNever ? kForever : world_time_of(node, due);
}

Now VirtualMesh::local(const Node& node) const {
  const Duration own = node.boot_offset + now_ + now_ * node.drift_ppm / 1'000'000;
  return {Instant{own}, MarketTime{now_}, 1};
}

/// First world time at which the node's clock shows `at` or more.
Duration VirtualMesh::world_time_of(const Node& node, Instant at) const {
  const Duration away = at - local(node).protocol;
  if (away <= 0ms) return now_;
  return now_ + std::max(1ms, away - away * node.drift_ppm / 1'000'000);
}

void VirtualMesh::deliver_due() {
  while (!deliveries_.empty() && deliveries_.top().at <= now_) {
    const Delivery due = deliveries_.top();
    deliveries_.pop();
    Node& node = nodes_[due.to];
    if (!node.up || node.incarnation != due.incarnation) continue;
    if (node.paused) {
      node.waiting.push_back(due.input);
    } else {
      give(node, due.input);
    }
  }
}

void VirtualMesh::wake(Node& node) {
  const Now now = local(node);
  if (node.uplink) node.uplink->advance(now);
  if (node.children) {
    node.children->advance(now);
    look_ = true;
  }
  if (node.uplink && node.report_at <= now.protocol) report(node);
  collect(node);
  node.due = deadline_of(node);
}

void VirtualMesh::give(Node& node, const Input& input) {
  const Now now = local(node);
  if (const auto* event = std::get_if<UplinkEvent>(&input)) {
    if (node.uplink) node.uplink->step(now, *event);
  } else if (node.children) {
    look_ = true;
    node.children->step(now, std::get<ChildrenEvent>(input));
    if (node.children->report_due()) {
      node.report_at =
          std::min(node.report_at, std::max(now.protocol, node.reported_at + kReportSpacing));
    }
  }
  collect(node);
  node.due = deadline_of(node);
}

void VirtualMesh::collect(Node& node) {
  const Now now = local(node);
  if (node.uplink) {
    UplinkEffects up = node.uplink->take_effects();
    const bool attached = up.attachment_changed && node.uplink->attached();
    const bool moved = up.attachment_changed || up.path_changed || up.persist;
    look_ = look_ || moved;
    edges_changed_ = edges_changed_ || moved;
    const std::vector<Message> messages = std::exchange(up.deliver, {});
    carry_out(node, std::move(up));
    for (const Message& message : messages) on_parent_message(node, message);
    if (node.children && moved) {
      node.children->set_upstream(now, node.uplink->path(), node.uplink->term(),
                                  node.uplink->alternates_below(), node.uplink->counted_for());
    }
    if (node.children)
      node.uplink->set_children(now, node.children->any_attached(), node.children->longest_lease());
    if (attached) report(node);
    carry_out(node, node.uplink->take_effects());
  }
  if (!node.children) return;
  ChildrenEffects down = node.children->take_effects();
  if (down.membership_changed) {
    edges_changed_ = true;
    node.report_at =
        std::min(node.report_at, std::max(now.protocol, node.reported_at + kReportSpacing));
  }
  carry_out(node, std::move(down));
}

void VirtualMesh::on_parent_message(Node& node, const Message& message) {
  if (!node.children) return;
  const Now now = local(node);
  if (const auto* ack = std::get_if<HelloAck>(&message)) {
    node.children->evict(now, ack->evict);
    node.children->announce_all(now);
  }
  if (const auto* evict = std::get_if<Evict>(&message)) {
    node.children->evict(now, evict->nodes);
    report(node);
  }
  if (const auto* unload = std::get_if<Unload>(&message)) node.children->unload(now, *unload);
  if (const auto* cleared = std::get_if<Cleared>(&message)) {
    node.children->cleared(now, cleared->nodes);
  }
}

void VirtualMesh::report(Node& node) {
  const Now now = local(node);
  const LinkProfile& line = profile_of(node.link);
  node.report_at =
      now.protocol + (node.role == Role::kLeaf ? line.report_idle : line.beacon_interval);
  node.reported_at = now.protocol;
  if (!node.uplink->attached()) return;
  const std::vector<NodeId> sum = included(node);
  if (node.role == Role::kLeaf) {
    node.uplink->report(now, SiteSummary{}, {}, {});
  } else {
    GroupSummary summary;
    summary.coverage.online = static_cast<std::uint32_t>(sum.size());
    const std::vector<Attachment> attached = node.children->attached_below();
    node.uplink->report(now, summary, attached, node.children->take_evicted(),
                        node.children->more_below());
  }
  UplinkEffects effects = node.uplink->take_effects();
  for (const SendUp& up : effects.send) {
    const auto* report = std::get_if<Report>(&up.message);
    if (report != nullptr) built_[{node.id, report->session, report->sequence}] = sum;
  }
  carry_out(node, std::move(effects));
}

void VirtualMesh::carry_out(Node& node, UplinkEffects effects) {
  if (effects.persist) node.record = effects.persist;
  for (const LinkId link : effects.close) {
    const auto found = by_link_.find({index_of(node), node.incarnation, link});
    if (found != by_link_.end()) connections_[found->second].child_closed = true;
  }
  for (const OpenLink& link : effects.open) open(node, link);
  for (const SendUp& up : effects.send) send_up(node, up);
}

void VirtualMesh::carry_out(Node& node, ChildrenEffects effects) {
  for (const SendDown& down : effects.send) send_down(node, down);
  for (const ConnectionId connection : effects.drop) connections_[connection].proven = false;
}

void VirtualMesh::open(Node& node, const OpenLink& link) {
  const std::size_t self = index_of(node);
  const std::size_t to = listening_.at(link.to);
  if (cuts_.contains({self, to}) || cuts_.contains({to, self})) return;  // silence
  if (!nodes_[to].up) return post(to, self, UplinkEvent{LinkLost{link.link}}, false);
  const ConnectionId id = next_connection_++;
  Connection connection;
  connection.child = self;
  connection.parent = to;
  connection.child_incarnation = node.incarnation;
  connection.parent_incarnation = nodes_[to].incarnation;
  connection.link = link.link;
  connections_[id] = connection;
  by_link_[{self, node.incarnation, link.link}] = id;
  post(to, self, UplinkEvent{LinkOpened{link.link}}, false);
}

void VirtualMesh::send_up(Node& node, const SendUp& up) {
  const auto found = by_link_.find({index_of(node), node.incarnation, up.link});
  if (found == by_link_.end()) return;
  Connection& connection = connections_[found->second];
  VPP_CHECK(!connection.child_closed);
  const Node& parent = nodes_[connection.parent];
  if (!parent.up || parent.incarnation != connection.parent_incarnation) return;
  FromChild event{found->second, std::nullopt, up.message};
  if (std::holds_alternative<Hello>(up.message)) connection.proven = true;
  if (connection.proven) {
    event.peer = Peer{node.id, node.role, Watts{5000}, Watts{5000}, Joules{36'000'000}};
  }
  post(connection.child, connection.parent, ChildrenEvent{event}, true);
}

void VirtualMesh::send_down(Node& node, const SendDown& down) {
  Connection& connection = connections_.at(down.connection);
  const Node& child = nodes_[connection.child];
  const bool gone =
      connection.child_closed || !child.up || child.incarnation != connection.child_incarnation;
  const std::size_t self = index_of(node);
  if (gone) {
    if (cuts_.contains({connection.child, self})) return;  // nobody tells us
    return post(connection.child, self, ChildrenEvent{ChildUnreachable{down.connection}}, false);
  }
  if (std::holds_alternative<HelloAck>(down.message)) connection.acknowledged = true;
  if (const auto* evict = std::get_if<Evict>(&down.message)) {
    for (const Attachment& one : evict->nodes) {
      questions_.insert({down.connection, one.node, one.session});
    }
  }
  const NodeId peer = connection.acknowledged ? node.id : kNoNode;
  post(self, connection.child, UplinkEvent{FromParent{connection.link, peer, down.message}}, true);
}

void VirtualMesh::post(std::size_t from, std::size_t to, const Input& input, bool lossy) {
  if (cuts_.contains({from, to})) return;
  if (lossy && rng_.below(1000) < faults_.drop_permille) return;
  const bool twice = lossy && rng_.below(1000) < faults_.duplicate_permille;
  for (int copy = 0; copy < (twice ? 2 : 1); ++copy) {
    const Duration delay = 1ms + rng_.up_to(faults_.delay_max);
    deliveries_.push({now_ + delay, order_++, to, nodes_[to].incarnation, input});
  }
  trace_ =
      (trace_ ^ (from * 31 + to * 17 + static_cast<std::uint64_t>(now_.count()))) * 0x100000001b3U;
}

void VirtualMesh::fault() {
  next_fault_ = now_ + 1ms + rng_.up_to(faults_.between * 2);
  const std::size_t first = faults_.root_too ? 0 : 1;
  const std::size_t a = first + rng_.below(nodes_.size() - first);
  const std::size_t b = rng_.below(nodes_.size());
  const Duration over = now_ + 1ms + rng_.up_to(faults_.down_max);
  if (faults_.drains && a != 0 && rng_.below(4) == 0) return drain(a, rng_.below(2) == 0);
  switch (rng_.below(3)) {
    case 0:
      if (!faults_.crashes || !nodes_[a].up) return;
      crash(a);
      repairs_.push_back({over, a, a, Repair::Kind::kStart});
      return;
    case 1:
      if (!faults_.pauses || !nodes_[a].up || nodes_[a].paused) return;
      pause(a, true);
      repairs_.push_back({over, a, a, Repair::Kind::kResume});
      return;
    default:
      if (!faults_.partitions || a == b) return;
      cut(a, b, true);
      if (rng_.below(2) == 0) cut(b, a, true);  // half of them one-way
      repairs_.push_back({over, a, b, Repair::Kind::kJoin});
      return;
  }
}

void VirtualMesh::repair_due() {
  for (std::size_t i = 0; i < repairs_.size();) {
    if (repairs_[i].at > now_) {
      ++i;
      continue;
    }
    const Repair repair = repairs_[i];
    repairs_.erase(repairs_.begin() + static_cast<std::ptrdiff_t>(i));
    if (repair.kind == Repair::Kind::kStart) start(repair.a);
    if (repair.kind == Repair::Kind::kResume) pause(repair.a, false);
    if (repair.kind == Repair::Kind::kJoin) {
      cut(repair.a, repair.b, false);
      cut(repair.b, repair.a, false);
    }
  }
}

std::vector<NodeId> VirtualMesh::included(const Node& node) const {
  if (node.role == Role::kLeaf) return {node.id};
  std::vector<NodeId> out;
  for (const ChildView& child : node.children->view(local(node))) {
    if (!child.counted) continue;
    const auto found = built_.find({child.id, child.session, child.sequence});
    VPP_CHECK(found != built_.end());
    out.insert(out.end(), found->second.begin(), found->second.end());
  }
  std::ranges::sort(out);
  return out;
}

std::optional<std::string> VirtualMesh::violation() {
  const std::vector<NodeId> sum = counted_at_root();
  const auto twice = std::ranges::adjacent_find(sum);
  if (twice != sum.end()) {
    return "node " + std::to_string(twice->low) + " is counted twice at " +
           std::to_string(now_.count()) + " ms\n" + describe();
  }
  return std::exchange(edges_changed_, false) ? cycle() : std::nullopt;
}

/// Along who believes to have whom as parent, and along who counts whom.
std::optional<std::string> VirtualMesh::cycle() const {
  std::map<NodeId, std::set<NodeId>> edges;
  for (const Node& node : nodes_) {
    if (!node.up || node.paused) continue;
    if (node.uplink && node.uplink->parent()) edges[node.id].insert(*node.uplink->parent());
    if (!node.children) continue;
    for (const ChildView& child : node.children->view(local(node))) {
      if (child.counted && child.role != Role::kLeaf) edges[child.id].insert(node.id);
    }
  }
  // What has no way out of it but into nodes already struck off is struck off; a cycle stays.
  bool struck = true;
  while (struck) {
    struck = false;
    for (auto it = edges.begin(); it != edges.end();) {
      std::erase_if(it->second, [&](NodeId to) { return !edges.contains(to); });
      struck = struck || it->second.empty();
      it = it->second.empty() ? edges.erase(it) : std::next(it);
    }
  }
  if (edges.empty()) return std::nullopt;
  return "a cycle through node " + std::to_string(edges.begin()->first.low) + " at " +
         std::to_string(now_.count()) + " ms\n" + describe();
}

std::vector<NodeId> VirtualMesh::counted_at_root() const {
  const Node& root = nodes_.front();
  return root.up ? included(root) : std::vector<NodeId>{};
}

std::size_t VirtualMesh::leaves() const {
  return static_cast<std::size_t>(
      std::ranges::count(nodes_, Role::kLeaf, [](const Node& node) { return node.role; }));
}

std::optional<NodeId> VirtualMesh::parent_of(std::size_t index) const {
  const Node& node = nodes_[index];
  return node.uplink ? node.uplink->parent() : std::nullopt;
}

const std::vector<Move>& VirtualMesh::moves_of(std::size_t index) const {
  return nodes_[index].uplink->moves();
}

Path VirtualMesh::path_of(std::size_t index) const {
  const Node& node = nodes_[index];
  return node.uplink ? node.uplink->path() : Path{};
}

const Children& VirtualMesh::children_of(std::size_t index) const {
  return *nodes_[index].children;
}

std::string VirtualMesh::describe() const {
  std::string out;
  for (const Node& node : nodes_) {
    out += "node " + std::to_string(node.id.low) + (node.up ? "" : " down");
    if (node.paused) out += " paused";
    if (node.uplink) {
      out += " " + std::string{node.uplink->state()} + " session " +
             std::to_string(node.uplink->session()) + " path";
      for (const NodeId on_path : node.uplink->path()) out += " " + std::to_string(on_path.low);
    }
    if (node.children) {
      out += "; children";
      for (const ChildView& child : node.children->view(local(node))) {
        if (!child.attached) continue;
        out += " " + std::to_string(child.id.low) + "/" + std::to_string(child.session) +
               (child.counted ? "+" : "-");
      }
    }
    out += "\n";
  }
  return out;
}

std::size_t VirtualMesh::index_of(const Node& node) const {
  return index_.at(node.id);
}

}  // namespace vpp::mesh::testing
