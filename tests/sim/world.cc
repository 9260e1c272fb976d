#include "tests/sim/world.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr MarketTime kMarketBegin{Duration{1'748'779'200'000}};  // 2025-06-01 12:00 UTC
constexpr Duration kPollInterval = 1s;
constexpr Watts kUsualLoad{750};                  // of a home, see Site::home_at
constexpr std::uint32_t kStepsAtOnceMax = 2'000;  // of one node in one millisecond: a busy loop
constexpr std::size_t kStoryLines = 50;
constexpr Duration kSampleInterval = 2s;   // of plants too large to look at after every step
constexpr std::size_t kEvenHomes = 1'000;  // nodes; with more, homes are dealt out in turn
constexpr Duration kMoveMax = 5s;          // a move on a good network is over long before

/// The event as the node that reads it meets it; kNobody when no single node does.
struct Reader {
  const Network& network;
  NodeIndex operator()(const Wake& e) const { return e.node; }
  NodeIndex operator()(const PollSite& e) const { return e.node; }
  NodeIndex operator()(const ChildHearsOpen& e) const { return network.at(e.connection).child; }
  NodeIndex operator()(const ChildHearsLoss& e) const { return network.at(e.connection).child; }
  NodeIndex operator()(const ParentSendFails& e) const { return network.at(e.connection).parent; }
  NodeIndex operator()(const FrameUp& e) const { return network.at(e.connection).parent; }
  NodeIndex operator()(const FrameDown& e) const { return network.at(e.connection).child; }
  NodeIndex operator()(const MarketReplies& e) const { return e.node; }
  NodeIndex operator()(const EtcdAnswers& e) const { return e.node; }
  template <class Other>
  NodeIndex operator()(const Other&) const {
    return kNobody;
  }
};

}  // namespace

Endpoint endpoint_of(NodeIndex index) {
  Endpoint out{"sim://" + std::to_string(index), {}};
  out.server_key[0] = static_cast<std::uint8_t>(index);
  out.server_key[1] = static_cast<std::uint8_t>(index >> 8U);
  return out;
}

World::World(const Scenario& scenario, std::size_t lines_max, std::uint64_t noise)
    : scenario_{scenario},
      noise_{noise},
      rng_{scenario.random},
      trace_{lines_max},
      roots_{scenario.roots > 1 ? 1 + scenario.aggregators() + scenario.leaves : kNobody,
             scenario.roots > 1 ? kNobody : kRootIndex},
      nodes_(scenario.roots + scenario.aggregators() + scenario.leaves),
      network_{scenario.faults, rng_.fork(), nodes_.size(), queue_},
      market_{{scenario.speed, scenario.faults.market_failure_permille, kMarketBegin,
               scenario.roots > 1 ? kCopies : 0},
              rng_.fork(),
              findings_},
      etcd_{scenario.faults.etcd_lost_permille, Rng{scenario.random}},
      counted_once_{numbers_, roots_, nodes_.size(), findings_},
      order_rules_{roots_, nodes_.size(), findings_},
      promises_{roots_, scenario.roots > 1 ? kCopies : 0, nodes_.size(), findings_},
      tree_shape_{numbers_, roots_, nodes_.size(), findings_},
      energy_books_{nodes_.size(), findings_},
      never_over_{nodes_.size(), scenario.speed, findings_} {
  build();
}

void World::build() {
  Rng rng = rng_.fork();
  for (NodeIndex index = 0; index < nodes_.size(); ++index) build_node(index, rng);
  const Duration spread = scenario_.start_spread;
  for (NodeIndex index = 0; index < nodes_.size(); ++index) {
    if (!is_leaf(index) || spread == Duration{0}) {
      start(index);
    } else {
      queue_.push(WorldTime{rng.up_to(spread)}, FirstStart{index});
    }
  }
  if (large()) queue_.push(WorldTime{kSampleInterval}, Sample{});
  schedule_faults();
}

void World::build_node(NodeIndex index, Rng& rng) {
  SimNode& made = nodes_[index];
  node::NodeOptions& options = made.options;
  options.self = {rng.next(), rng.next()};
  numbers_[options.self] = index;
  made.rng = rng.fork();
  made.disk.emplace(scenario_.bug);
  made.records.emplace(*made.disk);
  set_clock(index, rng);
  options.region = rng.below(2) == 0 ? "north" : "south";
  if (roots_.has(index)) {
    made.role = Role::kRoot;
    options.name = index == kRootIndex ? "root" : "root-" + std::to_string(index);
    options.bidding = market_.workflow_options(scenario_.market && scenario_.speed > 1);
  } else if (index < groups()) {
    made.role = Role::kAggregator;
    options.name = "aggregator-" + std::to_string(index);
    if (scenario_.programs && index % 2 == 1) {
      // Homes serve themselves first: little is left to be drawn.
      options.peak = node::PeakOptions{.target = Watts{index % 4 == 1 ? 0 : 500}};
    }
    if (scenario_.bug == PlantedBug::kSlowParentClock) made.clock.drift_ppm = -750'000;
  } else {
    options.name = "leaf-" + std::to_string(index);
    if (scenario_.programs) subscribe(index);
    made.site.emplace(rng.fork(), kMarketBegin);
    if (scenario_.values && index % 8 != 0) follow_values(index);
  }
  options.role = made.role;
  if (scenario_.values && made.role != Role::kLeaf) make_values(index);
  if (scenario_.lines && made.role != Role::kRoot) {
    const std::size_t kinds = made.role == Role::kLeaf ? kLinkKinds : 2;  // none is cellular
    options.link = static_cast<LinkKind>(index % kinds);
  }
  never_over_.holds_lease(index, lease_of(options.link, options.role));
  choose_parents(index, rng);
  if (made.role != Role::kLeaf) options.serves = endpoint_of(index);
  if (roots_.several() && made.role == Role::kRoot) make_one_of_several(index);
  for (const std::uint64_t word : {options.self.high, options.self.low}) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      options.certificate.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
}

/// Of homes that will draw more than the target; some have a head of their own.
void World::make_values(NodeIndex index) {
  node::NodeOptions& options = nodes_[index].options;
  if (options.role == Role::kAggregator && index % 3 != 2) return;
  const bool all = options.role == Role::kRoot;
  options.values =
      node::ValueHeadOptions{.target = Watts{all ? 400 * std::int64_t{scenario_.leaves} : 2'000},
                             .price_max = {1'000'000'000},
                             .per_kw = {100'000'000},
                             .slot = 15min,
                             .slots = 16,
                             .interval = 4s,
                             .holds = 30min};
}

void World::follow_values(NodeIndex index) {
  node::ValueHomeOptions follows;
  follows.tariff.buy = {300'000'000};
  follows.tariff.sell = {80'000'000};
  follows.tariff.periods = {{17h, 21h, Price{450'000'000}, Price{80'000'000}}};
  follows.tariff.stored_value = {190'000'000};
  follows.most = {1'000'000'000};
  follows.limits = nodes_[index].site->limits();
  nodes_[index].options.follows = follows;
}

/// Groups cut across the tree, peaks of every second aggregator do not: no leaf is near others of
/// its feeder.
void World::subscribe(NodeIndex index) {
  node::NodeOptions& options = nodes_[index].options;
  const node::Subscription emergency{.program = "emergency", .priority = 10};
  if (index % 3 == 1) options.subscriptions.push_back(emergency);
  if (index % 6 == 2) options.subscriptions = {emergency};
  // Until the faults end: what the fleet can do at the end is the final order's.
  node::Subscription peak{.program = "peak", .priority = index % 2 == 0 ? 5 : 0};
  peak.until = kMarketBegin + scenario_.safety * scenario_.speed;
  if (index % 4 != 3) options.subscriptions.push_back(peak);
  options.groups = {index % 2 == 0 ? "feeder=a" : "feeder=b"};
}

void World::set_clock(NodeIndex index, Rng& rng) {
  NodeClock& clock = nodes_[index].clock;
  const Faults& faults = scenario_.faults;
  const std::int64_t drift = faults.drift_ppm_max;
  clock.offset = Duration{static_cast<Duration::rep>(rng.below(864'000'000))};
  clock.drift_ppm =
      static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(2 * drift + 1))) - drift;
  const Duration error = rng.up_to(2 * faults.wall_clock_error_max) - faults.wall_clock_error_max;
  const bool in_1970 = rng.below(1000) < faults.boot_1970_permille;
  if (roots_.has(index)) return;  // the plant's time is the root's
  clock.wall_error = in_1970 ? -kMarketBegin.time_since_epoch() : error;
}

/// Seeds: a home one level up, its neighbour, and for some leaves of small plants the root. Who
/// knows one root knows all.
void World::choose_parents(NodeIndex index, Rng& rng) {
  if (roots_.has(index)) return;
  SimNode& self = nodes_[index];
  const bool leaf = is_leaf(index);
  NodeIndex first = 1;  // of the level that holds this node
  NodeIndex above = 0;  // first of the level above it
  std::uint32_t above_count = 1;
  for (const std::uint32_t count : scenario_.levels) {
    if (!leaf && index < first + count) break;
    above = first;
    above_count = count;
    first += count;
  }
  if (leaf && scenario_.mixed_homes && rng.below(2) == 0) {
    above = 1;
    above_count = scenario_.aggregators();
  }
  // In a large plant every home has as many children as the others.
  const std::uint32_t number = index - first;
  const bool even = scenario_.start_spread > Duration{0} || nodes_.size() > kEvenHomes;
  const std::uint32_t place =
      even ? number % above_count : static_cast<std::uint32_t>(rng.below(above_count));
  self.home = above + place;
  self.options.seeds = {endpoint_of(self.home)};
  if (above_count > 1) self.options.seeds.push_back(endpoint_of(above + (place + 1) % above_count));
  const bool to_root = rng.below(4) == 0 && nodes_.size() <= kEvenHomes;
  if (self.home != kRootIndex && (to_root || above_count == 1)) {
    self.options.seeds.push_back(endpoint_of(kRootIndex));
  }
  const bool knows_root = std::ranges::count(self.options.seeds, endpoint_of(kRootIndex)) > 0;
  for (NodeIndex other = roots_.further; knows_root && other < nodes_.size(); ++other) {
    self.options.seeds.push_back(endpoint_of(other));
  }
}

/// Nothing: the store is damaged, and the node refuses to start.
std::optional<node::Recovered> World::recover(NodeIndex index) {
  SimNode& self = nodes_[index];
  const auto settled = self.records->settle();
  auto loaded = self.records->load();
  if (settled && loaded) return *std::move(loaded);
  trace_.event(queue_.now(), index, "refuses-to-start", 0,
               [&] { return settled ? loaded.error() : settled.error(); });
  ++outcome_.damaged;
  if (!self.flipped) {
    fail(Invariant::kAcknowledgedSurvives, index, "its store is damaged, and no bit had flipped");
  }
  return std::nullopt;
}

void World::start(NodeIndex index) {
  SimNode& self = nodes_[index];
  auto recovered = recover(index);
  if (!recovered) {
    // As the hint says: the store is put aside.
    queue_.push(std::max(queue_.now(), self.fell_at) + kStorePutAside, Restart{index});
    return;
  }
  if (self.options.follows && recovered->load == node::LearnedLoad{}) {
    recovered->load.slots.fill({kUsualLoad, 1});  // a day may not pass in a run
  }
  promises_.recovered(index, *recovered);
  if (index == roots_.leader) {
    for (const auto& order : recovered->orders) order_rules_.booked(order);
  }
  if (self.role == Role::kRoot) market_.recovered(index, *recovered);
  network_.start(index);
  self.crash_at = CrashPoint::kNone;
  self.serving = false;
  self.wake_at = self.poll_at = kEndOfWorld;
  self.durability = {};
  trace_.event(queue_.now(), index, "start");
  self.running =
      std::make_unique<node::Node>(self.options, self.rng.fork(), now_of(index), *recovered);
  if (self.site) {
    self.site->start(recovered->site.accounts);
    self.next_round = queue_.now() + rng_.up_to(kPollInterval);
  }
  finish_step(index, nullptr);
  schedule_poll(index);
}

/// What view() does after every step of a smaller plant: who counts whom, from the root downwards.
void World::on(const Sample&) {
  queue_.push(queue_.now() + kSampleInterval, Sample{});
  std::vector<NodeIndex> counted_by(nodes_.size(), kNobody);
  std::vector<NodeIndex> open;
  if (nodes_[root()].running) open.push_back(root());
  sampled_leaves_ = 0;
  while (!open.empty()) {
    const NodeIndex parent = open.back();
    open.pop_back();
    for (const auto& child : nodes_[parent].running->status(now_of(parent)).children) {
      const NodeIndex index = numbers_.at(child.id);
      if (!child.counted) continue;
      const NodeIndex other = std::exchange(counted_by[index], parent);
      if (other != kNobody) {
        fail(Invariant::kCountedOnce, index,
             "counted by node " + std::to_string(parent) + " and by node " + std::to_string(other));
      }
      if (is_leaf(index)) ++sampled_leaves_;
      if (index < groups() && nodes_[index].running && other == kNobody) open.push_back(index);
    }
  }
  for (NodeIndex index = 1; index < nodes_.size(); ++index) {
    if (!nodes_[index].running) continue;
    tree_shape_.viewed(queue_.now(), index, nodes_[index].running->status(now_of(index)));
  }
  if (sampled_leaves_ == scenario_.leaves && !outcome_.joined_at) {
    outcome_.joined_at = queue_.now().time_since_epoch();
  }
  trace_.event(queue_.now(), kNobody, "sample", sampled_leaves_,
               [&] { return std::to_string(sampled_leaves_) + " leaves counted"; });
  if (watcher_) watcher_(queue_.now(), sampled_leaves_);
}

void World::on(const FirstStart& event) {
  if (!nodes_[event.node].running) start(event.node);
}

MarketTime World::market() const {
  return kMarketBegin + scenario_.speed * queue_.now().time_since_epoch();
}

Now World::now_of(NodeIndex index) const {
  const NodeClock& clock = nodes_[index].clock;
  return {clock.read(queue_.now()), market() + clock.wall_error, scenario_.speed};
}

void World::fail(Invariant invariant, NodeIndex node, std::string what) {
  findings_.report(invariant, node, queue_.now(), std::move(what));
}

Outcome World::run() {
  const WorldTime end{scenario_.safety + scenario_.liveness};
  while (!findings_.first() && queue_.next_at() <= end) handle(queue_.pop());
  if (!findings_.first()) {
    // A voluntary move leaves a node out for a moment, also at the very end.
    const bool whole = outcome_.whole_after && queue_.now() - whole_at_ <= kMoveMax;
    if (!whole) fail(Invariant::kWholeAgain, kRootIndex, why_not_whole());
    market_.check_nothing_forgotten(queue_.now(), root());
    check_receipts();
  }
  // Whoever drew one number more or fewer, and whatever was sent and lost, shows here.
  trace_.fold(rng_.next());
  trace_.fold(network_.counters().frames);
  trace_.fold(network_.counters().dropped);
  outcome_.violation = findings_.first();
  outcome_.hash = trace_.hash();
  outcome_.events = trace_.events();
  outcome_.simulated = queue_.now().time_since_epoch();
  outcome_.network = network_.counters();
  outcome_.market = market_.counters();
  if (outcome_.violation) outcome_.story = trace_.last(outcome_.violation->node, kStoryLines);
  return std::move(outcome_);
}

void World::handle(WorldEvent event) {
  const NodeIndex reader = std::visit(Reader{network_}, event);
  if (reader != kNobody && network_.paused(reader)) {
    const bool timer =
        std::holds_alternative<Wake>(event) || std::holds_alternative<PollSite>(event);
    if (!timer) nodes_[reader].inbox.push_back(std::move(event));
    return;
  }
  if (reader != kNobody && nodes_[reader].slow > Duration{0} && put_off(reader, event)) return;
  visit(event);
}

void World::visit(const WorldEvent& event) {
  std::visit([&](const auto& typed) { on(typed); }, event);
}

/// A slow node takes one thing after the other. The device has a thread of its own.
bool World::put_off(NodeIndex index, WorldEvent& event) {
  SimNode& self = nodes_[index];
  if (std::holds_alternative<PollSite>(event)) return false;
  const auto* wake = std::get_if<Wake>(&event);
  const bool waiting = wake == nullptr && !self.inbox.empty();
  if (self.busy_until <= queue_.now() && !waiting) {
    self.busy_until = queue_.now() + self.slow;
    return false;
  }
  const WorldTime free_at = std::max(self.busy_until, queue_.now() + 1ms);
  if (wake != nullptr) {
    const bool mine = wake->incarnation == network_.incarnation(index);
    if (mine && self.wake_at == queue_.now()) {
      self.wake_at = free_at;
      queue_.push(free_at, std::move(event));
    }
    return true;
  }
  self.inbox.push_back(std::move(event));
  if (!std::exchange(self.serving, true)) {
    queue_.push(free_at, Serve{index, network_.incarnation(index)});
  }
  return true;
}

void World::on(const Serve& event) {
  SimNode& self = nodes_[event.node];
  if (network_.incarnation(event.node) != event.incarnation || !self.serving) return;
  self.serving = false;
  if (!self.running || network_.paused(event.node) || self.inbox.empty()) return;
  const WorldEvent next = std::move(self.inbox.front());
  self.inbox.erase(self.inbox.begin());
  self.busy_until = queue_.now() + self.slow;
  visit(next);
  if (!self.running || self.inbox.empty() || std::exchange(self.serving, true)) return;
  queue_.push(std::max(self.busy_until, queue_.now() + 1ms), event);
}

// --- a node runs -----------------------------------------------------------------------------

void World::step(NodeIndex index, const node::Event& event) {
  if (!nodes_[index].running) return;
  nodes_[index].running->step(now_of(index), event);
  const auto* from_parent = std::get_if<mesh::FromParent>(&event);
  finish_step(
      index, from_parent == nullptr ? nullptr : std::get_if<mesh::Dispatch>(&from_parent->message));
}

void World::advance(NodeIndex index) {
  nodes_[index].running->advance(now_of(index));
  finish_step(index, nullptr);
}

void World::finish_step(NodeIndex index, const mesh::Dispatch* trigger) {
  SimNode& self = nodes_[index];
  ++outcome_.steps;
  if (std::exchange(self.idle_since, queue_.now()) != queue_.now()) self.steps_at_once = 0;
  const std::size_t most = kStepsAtOnceMax + 4 * network_.connections_of(index);
  if (++self.steps_at_once > most) fail(Invariant::kBounded, index, "runs in circles");
  node::Effects effects = self.running->take_effects();
  carry_out(index, effects, trigger);
  if (self.running) schedule_wake(index);
}

void World::schedule_wake(NodeIndex index) {
  SimNode& self = nodes_[index];
  const Instant due = self.running->next_deadline(now_of(index));
  const WorldTime at = std::max(self.clock.when(due), queue_.now());
  if (at >= self.wake_at) return;  // the earlier one will look again
  self.wake_at = at;
  queue_.push(at, Wake{index, network_.incarnation(index)});
}

void World::schedule_poll(NodeIndex index) {
  SimNode& self = nodes_[index];
  if (!self.site || !self.running) return;
  const Now now = self.running->corrected(now_of(index));
  const WorldTime due = self.clock.when(self.site->next_deadline(now));
  const WorldTime at = std::max(std::min(due, self.next_round), queue_.now());
  if (at >= self.poll_at) return;
  self.poll_at = at;
  queue_.push(at, PollSite{index, network_.incarnation(index)});
}

void World::on(const Wake& event) {
  SimNode& self = nodes_[event.node];
  const bool mine = self.running && network_.incarnation(event.node) == event.incarnation;
  if (!mine || self.wake_at != queue_.now()) return;
  self.wake_at = kEndOfWorld;
  trace_.event(queue_.now(), event.node, "wake");
  advance(event.node);
}

void World::on(const PollSite& event) {
  SimNode& self = nodes_[event.node];
  const bool mine = self.running && network_.incarnation(event.node) == event.incarnation;
  if (!mine || self.poll_at != queue_.now()) return;
  self.poll_at = kEndOfWorld;
  if (self.next_round <= queue_.now()) self.next_round = queue_.now() + kPollInterval;
  const Now now = self.running->corrected(now_of(event.node));
  const Poll poll = self.site->poll(now, market());
  trace_.event(queue_.now(), event.node, "poll", digest_of(poll.effects.status), [&] {
    return "set point " + std::to_string(poll.effects.status.set_point.count) + " W, order " +
           std::to_string(poll.effects.status.order.value);
  });
  check_site(event.node, poll);
  energy_books_.polled(queue_.now(), event.node, self.site->battery(), poll.effects.status);
  order_rules_.executing(queue_.now(), event.node, now, poll.effects.status);
  step(event.node, node::SiteReported{poll.effects.status});
  schedule_poll(event.node);
}

// --- the network speaks ----------------------------------------------------------------------

void World::on(const AttemptArrives& event) {
  network_.attempt_arrives(event.connection);
}

void World::on(const ChildHearsOpen& event) {
  if (!network_.child_hears_open(event.connection)) return;
  const Connection& opened = network_.at(event.connection);
  trace_.event(queue_.now(), opened.child, "link-opened", opened.link,
               [&] { return "to node " + std::to_string(opened.parent); });
  step(opened.child, mesh::LinkOpened{opened.link});
}

void World::on(const ChildHearsLoss& event) {
  if (!network_.child_hears_loss(event.connection)) return;
  const Connection& lost = network_.at(event.connection);
  nodes_[lost.child].links.erase(lost.link);
  trace_.event(queue_.now(), lost.child, "link-lost", lost.link,
               [&] { return "to node " + std::to_string(lost.parent); });
  step(lost.child, mesh::LinkLost{lost.link});
}

void World::on(const ParentHearsClose& event) {
  network_.parent_hears_close(event.connection);
}

void World::on(const ParentSendFails& event) {
  const Connection& gone = network_.at(event.connection);
  if (gone.parent_incarnation != network_.incarnation(gone.parent)) return;
  trace_.event(queue_.now(), gone.parent, "unreachable", event.connection,
               [&] { return "node " + std::to_string(gone.child); });
  step(gone.parent, mesh::ChildUnreachable{event.connection});
}

void World::on(const FrameUp& event) {
  if (!network_.parent_receives(event.connection)) return;
  Connection& over = network_.at(event.connection);
  if (const auto* hello = std::get_if<mesh::Hello>(event.message.get())) {
    over.proven_below = hello->certificate == nodes_[over.child].options.certificate;
  }
  trace_.event(queue_.now(), over.parent, "from-child", digest_of(*event.message), [&] {
    return "node " + std::to_string(over.child) + "  " + text_of(*event.message);
  });
  step(over.parent, mesh::FromChild{event.connection, peer_of(over), *event.message});
}

void World::on(const FrameDown& event) {
  if (!network_.child_receives(event.connection)) return;
  Connection& over = network_.at(event.connection);
  if (const auto* ack = std::get_if<mesh::HelloAck>(event.message.get())) {
    over.proven_above = ack->certificate == nodes_[over.parent].options.certificate;
  }
  trace_.event(queue_.now(), over.child, "from-parent", digest_of(*event.message), [&] {
    return "node " + std::to_string(over.parent) + "  " + text_of(*event.message);
  });
  hear_clock(event);
  if (const auto* dispatch = std::get_if<mesh::Dispatch>(event.message.get())) {
    const WorldTime expires = nodes_[over.parent].clock.when(Instant{Duration{dispatch->expires}});
    order_rules_.arrives(over.child, nodes_[over.child].role == Role::kLeaf, over.child_incarnation,
                         *dispatch, known_to_expire(event.connection, dispatch->expires));
    never_over_.arrives(over.child, nodes_[over.child].role == Role::kLeaf,
                        {over.parent, over.parent_incarnation, queue_.now(), expires, *dispatch});
  }
  const NodeId peer = over.proven_above ? nodes_[over.parent].options.self : kNoNode;
  step(over.child, mesh::FromParent{over.link, peer, *event.message});
}

void World::hear_clock(const FrameDown& event) {
  if (large()) return;
  const Instant at = now_of(network_.at(event.connection).child).protocol;
  HeardClock& clock = heard_[event.connection];
  const auto* ack = std::get_if<mesh::HelloAck>(event.message.get());
  if (ack != nullptr && clock.unknown()) clock.heard(at, ack->stamp);
  const auto* beacon = std::get_if<mesh::Beacon>(event.message.get());
  if (beacon != nullptr) clock.heard(at, beacon->stamp);
}

/// When a child can know, and at the latest must, that this moment on its parent's clock is past.
WorldTime World::known_to_expire(mesh::ConnectionId connection, mesh::Stamp stamp) const {
  const Connection& over = network_.at(connection);
  const WorldTime expires = nodes_[over.parent].clock.when(Instant{Duration{stamp}});
  const auto clock = heard_.find(connection);
  if (clock == heard_.end() || clock->second.unknown()) return expires;
  return std::max(expires, nodes_[over.child].clock.when(clock->second.certain(stamp)));
}

void World::on(const MarketReplies& event) {
  if (network_.incarnation(event.node) != event.incarnation) return;
  trace_.event(queue_.now(), event.node, "market-answers", event.answer->index(),
               [&] { return "kind " + std::to_string(event.answer->index()); });
  step(event.node, node::MarketAnswered{*event.answer});
}

}  // namespace vpp::sim
