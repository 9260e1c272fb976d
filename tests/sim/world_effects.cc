// What a node wants done, carried out in field order, and the checkers that watch it.
#include <utility>
#include <variant>

#include "config/check.h"
#include "config/limits.h"
#include "tests/sim/world.h"

namespace vpp::sim {
namespace {

// Invariant 9: one step of one node never does more than this.
constexpr std::size_t kPersistMax = 256;
constexpr std::size_t kUpMax = 64;
constexpr std::size_t kOpenMax = 16;
constexpr std::size_t kLinksMax = 32;
constexpr std::size_t kNoticesMax = 256;
constexpr std::size_t kDownPerConnectionMax = 8;
/// After the end of an order: the last readings, and reports on the way.
constexpr Duration kReceiptsSettled = std::chrono::seconds{10};

using namespace std::chrono_literals;
constexpr Duration kStoreRetry = 1s;   // as the daemon
constexpr Duration kHeldAnswer = 1ms;  // a call to the market that was held back has failed
constexpr Duration kUpgradeMax = 2s;   // a new version is there

NodeIndex index_of(const Endpoint& endpoint) {
  const std::string_view scheme = "sim://";
  if (!endpoint.address.starts_with(scheme)) return kNobody;
  return static_cast<NodeIndex>(std::stoul(endpoint.address.substr(scheme.size())));
}

std::shared_ptr<const bidding::MarketAnswer> share(bidding::MarketAnswer answer) {
  return std::make_shared<const bidding::MarketAnswer>(std::move(answer));
}

bool within_limits(const mesh::Message& message) {
  using namespace limits;
  if (const auto* report = std::get_if<mesh::Report>(&message)) {
    const auto receipts =
        std::visit([](const auto& s) { return s.receipts.size(); }, report->summary);
    return report->attached.size() <= kAttachmentsMax &&
           report->evicted.size() <= kAttachmentsMax && receipts <= kReceiptsMax;
  }
  if (const auto* beacon = std::get_if<mesh::Beacon>(&message)) {
    return beacon->path.size() <= kDepthMax && beacon->alternates.size() <= kAlternatesMax;
  }
  if (const auto* ack = std::get_if<mesh::HelloAck>(&message)) {
    return ack->path.size() <= kDepthMax && ack->alternates.size() <= kAlternatesMax &&
           ack->evict.size() <= kAttachmentsMax;
  }
  return true;
}

}  // namespace

void World::carry_out(NodeIndex index, node::Effects& effects, const mesh::Dispatch* trigger) {
  check_bounds(index, effects);
  if (!persist(index, std::move(effects.persist))) return;
  for (auto& answer : nodes_[index].durability.hold_back(effects)) {
    queue_.push(queue_.now() + kHeldAnswer,
                MarketReplies{index, network_.incarnation(index), share(std::move(answer))});
  }
  if (!large()) {
    view(index);
  } else if (roots_.several() && roots_.has(index)) {
    look_at_root(index, nodes_[index].running->status(now_of(index)));
  }
  change_links(index, effects);
  instruct(index, effects, trigger);
  if (!send(index, effects)) return;
  finish_effects(index, effects);
}

bool World::persist(NodeIndex index, std::vector<node::Record> batch) {
  SimNode& self = nodes_[index];
  if (batch.empty()) return true;
  const auto crash_now = [&] { crash(index, rng_.up_to(scenario_.faults.down_max)); };
  if (self.crash_at == CrashPoint::kBeforePersist) {
    crash_now();
    return false;
  }
  const bool amid = self.crash_at == CrashPoint::kAmidPersist;
  if (amid) self.disk->interrupt_next();
  self.durability.add(std::move(batch));
  if (amid) (void)self.records->persist(self.durability.pending());
  if (amid || (write_pending(index) && self.crash_at == CrashPoint::kAfterPersist)) {
    crash_now();
    return false;
  }
  return true;
}

/// As the daemon does it: everything that waits, in one transaction. False: it waits on.
bool World::write_pending(NodeIndex index) {
  SimNode& self = nodes_[index];
  const Faults& faults = scenario_.faults;
  using enum Disk::Trouble;
  Disk::Trouble trouble = self.full_until > queue_.now() ? kFull : kNone;
  if (!faults_over_ && faults.disk_error_permille > 0 &&
      rng_.below(1000) < faults.disk_error_permille) {
    trouble = kError;
  }
  self.disk->set_trouble(trouble);
  const std::vector<node::Record> batch = self.durability.pending();
  if (!self.records->persist(batch)) {
    ++outcome_.disk_errors;
    trace_.event(queue_.now(), index, "disk-fails", batch.size(),
                 [&] { return trouble == kFull ? "full" : "error"; });
    queue_.push(queue_.now() + kStoreRetry, RetryStore{index, network_.incarnation(index)});
    return false;
  }
  for (const auto& record : batch) {
    trace_.event(queue_.now(), index, "persist", digest_of(record),
                 [&] { return text_of(record); });
    const auto* order = std::get_if<aggregation::Order>(&record);
    if (order != nullptr && index == roots_.leader) order_rules_.booked(*order);
  }
  self.durability.written();
  promises_.persisted(queue_.now(), index, batch);
  if (self.role == Role::kRoot) market_.persisted(queue_.now(), index, batch);
  return true;
}

void World::on(const RetryStore& event) {
  SimNode& self = nodes_[event.node];
  const bool mine = self.running && network_.incarnation(event.node) == event.incarnation;
  if (mine && !self.durability.pending().empty()) (void)write_pending(event.node);
}

void World::view(NodeIndex index) {
  SimNode& self = nodes_[index];
  const WorldTime at = queue_.now();
  const node::NodeStatus status = self.running->status(now_of(index));
  promises_.viewed(at, index, status, self.durability.pending().empty());
  if (self.role != Role::kRoot) {
    tree_shape_.viewed(at, index, status);
    never_over_.viewed(index, status.parent ? numbers_.at(*status.parent) : kNobody);
  } else if (roots_.several()) {
    look_at_root(index, status);
  }
  if (self.role == Role::kLeaf) return;
  if (index == roots_.leader && !outcome_.joined_at &&
      status.group.coverage.online == scenario_.leaves) {
    outcome_.joined_at = at.time_since_epoch();
  }
  std::vector<WorldTime> lease_ends;
  lease_ends.reserve(status.children.size());
  for (const auto& child : status.children) {
    lease_ends.push_back(self.clock.when(child.lease_until));
  }
  counted_once_.viewed(at, index, status, lease_ends);
}

void World::change_links(NodeIndex index, const node::Effects& effects) {
  SimNode& self = nodes_[index];
  for (const mesh::LinkId link : effects.close) {
    const auto it = self.links.find(link);
    if (it == self.links.end()) continue;
    network_.close(it->second);
    self.links.erase(it);
  }
  for (const auto& open : effects.open) {
    const NodeIndex to = index_of(open.to);
    trace_.event(queue_.now(), index, "open-link", to,
                 [&] { return std::to_string(open.link) + " to node " + std::to_string(to); });
    const auto [it, is_new] = self.links.try_emplace(open.link, 0);
    if (!is_new) fail(Invariant::kTreeShape, index, "uses a link twice");
    it->second = network_.open(index, open.link, to);
  }
  if (self.links.size() > kLinksMax) fail(Invariant::kBounded, index, "holds too many links");
}

void World::instruct(NodeIndex index, const node::Effects& effects, const mesh::Dispatch* trigger) {
  SimNode& self = nodes_[index];
  if (!self.site) return;
  const Now now = self.running->corrected(now_of(index));
  if (effects.plant_heard) self.site->plant_heard(now);
  if (effects.plan) {
    self.site->plan(*effects.plan);
    schedule_poll(index);
  }
  if (!effects.site) return;
  const node::SiteInstruction& told = *effects.site;
  if (told.order || !told.ahead.empty()) {
    trace_.event(queue_.now(), index, "instruct", told.order ? told.order->order.value : 0, [&] {
      return told.order ? "order " + std::to_string(told.order->order.value) + ": " +
                              std::to_string(told.order->power.count) + " W"
                        : "to wait for what follows";
    });
    if (trigger == nullptr) fail(Invariant::kNoStaleOrder, index, "acts without being asked");
    never_over_.follows(index);
  } else {
    trace_.event(queue_.now(), index, "let-go");
    never_over_.let_go(index);
  }
  order_rules_.instructed(queue_.now(), now.market, index, told);
  check_subscribed(index, told);
  self.site->instruct(now, told);
  schedule_poll(index);
}

/// A home serves what its owner subscribed to, and nothing else.
void World::check_subscribed(NodeIndex index, const node::SiteInstruction& told) {
  if (!told.order) return;
  const auto order = order_rules_.orders().find(told.order->order);
  const bool booked = order != order_rules_.orders().end();
  if (!booked && !is_local(told.order->order)) return;  // a finding already
  const Scope scope = booked ? order->second.scope : Scope{"peak", ""};
  const auto& options = nodes_[index].options;
  const bool subscribed =
      std::ranges::find(options.subscriptions, scope.program, &node::Subscription::program) !=
      options.subscriptions.end();
  const bool in_group =
      scope.group.empty() || std::ranges::find(options.groups, scope.group) != options.groups.end();
  if (subscribed && in_group) return;
  fail(Invariant::kNoStaleOrder, index, "serves " + to_string(scope) + " without subscription");
}

bool World::send(NodeIndex index, const node::Effects& effects) {
  SimNode& self = nodes_[index];
  const std::size_t all = effects.up.size() + effects.down.size();
  const bool doomed = self.crash_at == CrashPoint::kAmongSends && all > 0;
  std::size_t left = doomed ? rng_.below(all + 1) : all;
  std::vector<SentShare> shares;
  for (const auto& sent : effects.up) {
    if (left == 0) break;
    --left;
    send_up(index, sent);
  }
  for (const auto& sent : effects.down) {
    if (left == 0) break;
    --left;
    if (const auto* dispatch = std::get_if<mesh::Dispatch>(&sent.message)) {
      const NodeIndex to = network_.at(sent.connection).child;
      shares.push_back({to, nodes_[to].role == Role::kLeaf, *dispatch});
    }
    send_down(index, sent);
  }
  note_own_order(index, shares);
  order_rules_.sent(queue_.now(), index, shares);
  if (!doomed) check_never_over(index, shares);
  if (doomed) crash(index, rng_.up_to(scenario_.faults.down_max));
  return !doomed;
}

/// What an aggregator asks for its own peak, as its status says.
void World::note_own_order(NodeIndex index, const std::vector<SentShare>& shares) {
  const SimNode& self = nodes_[index];
  const auto local = std::ranges::find_if(shares, [](const SentShare& share) {
    return is_local(share.dispatch.order) && share.dispatch.share;
  });
  if (local == shares.end() || !self.options.peak || !self.running) return;
  const auto peak = self.running->status(now_of(index)).peak;
  if (!peak || !peak->asked) return;
  mesh::Dispatch given = local->dispatch;
  given.share = peak->asked;
  order_rules_.gives(index, given);
}

void World::send_up(NodeIndex index, const mesh::SendUp& sent) {
  const SimNode& self = nodes_[index];
  if (!within_limits(sent.message)) fail(Invariant::kBounded, index, "sends too much up");
  // A root joins nobody: its sessions with other roots count nothing.
  if (!roots_.has(index)) {
    promises_.sent_up(queue_.now(), index, network_.incarnation(index), sent);
  }
  const auto* report = std::get_if<mesh::Report>(&sent.message);
  if (report != nullptr && !large()) counted_once_.sent(index, *report);
  const auto link = self.links.find(sent.link);
  if (link == self.links.end()) return;
  mesh::Message message = sent.message;
  if (auto* hello = std::get_if<mesh::Hello>(&message);
      hello != nullptr && scenario_.bug == PlantedBug::kHoldForgotten) {
    hello->hold = Duration{0};
  }
  if (auto* planted = std::get_if<mesh::Report>(&message);
      planted != nullptr && scenario_.bug == PlantedBug::kReportInflated) {
    if (auto* group = std::get_if<mesh::GroupSummary>(&planted->summary)) group->stored.count += 1;
  }
  network_.send_up(link->second, message);
}

void World::send_down(NodeIndex index, const mesh::SendDown& sent) {
  if (!within_limits(sent.message)) fail(Invariant::kBounded, index, "sends too much down");
  promises_.sent_down(queue_.now(), index, sent.message,
                      nodes_[index].durability.pending().empty());
  mesh::Message message = sent.message;
  auto* dispatch = std::get_if<mesh::Dispatch>(&message);
  if (dispatch != nullptr && dispatch->share) {
    const NodeIndex to = network_.at(sent.connection).child;
    if (scenario_.bug == PlantedBug::kShareInflated) dispatch->share->count += 1;
    if (scenario_.bug == PlantedBug::kFenceForgotten && nodes_[to].role == Role::kLeaf) {
      const auto [old, is_new] = old_orders_.try_emplace(to, *dispatch);
      mesh::Dispatch replayed = old->second;
      replayed.expires = dispatch->expires;
      if (!is_new) network_.send_down(sent.connection, replayed);
      if (replayed.until <= market()) old->second = *dispatch;
    }
  }
  network_.send_down(sent.connection, message);
}

void World::finish_effects(NodeIndex index, const node::Effects& effects) {
  for (const mesh::ConnectionId connection : effects.drop) network_.forget_peer(connection);
  for (const auto& ask : effects.lease) ask_etcd(index, ask);
  for (const auto& call : effects.market) {
    trace_.event(queue_.now(), index, "market-call", call.index(),
                 [&] { return "kind " + std::to_string(call.index()); });
    for (auto& [after, answer] : market_.call(queue_.now(), market(), call)) {
      queue_.push(queue_.now() + after,
                  MarketReplies{index, network_.incarnation(index), share(std::move(answer))});
    }
  }
  for (const auto& reply : effects.replies) {
    promises_.replied(queue_.now(), reply);
    trace_.event(queue_.now(), index, "reply", reply.request, [&] { return reply.refused; });
    if (reply.order) known_orders_.push_back(reply.order->id);
  }
  for (const auto& notice : effects.notices) {
    trace_.event(queue_.now(), index, "notice", Digest::of(notice.code + notice.text),
                 [&] { return notice.code + ": " + notice.text; });
    if (notice.code == "VPP_TAKEN_OVER") ++outcome_.take_overs;
    if (notice.severity != node::Severity::kError) continue;
    if (notice.code == "VPP_JOURNAL_NOT_COPIED") continue;  // roots are missing, and it says so
    fail(Invariant::kNoErrors, index, notice.code + ": " + notice.text);
  }
  if (effects.stopped) fall(index, Fall::kStopped, rng_.up_to(kUpgradeMax));
}

std::optional<mesh::Peer> World::peer_of(const Connection& connection) const {
  if (!connection.proven_below) return std::nullopt;
  const SimNode& child = nodes_[connection.child];
  mesh::Peer peer{child.options.self, child.role, limits::kGroupPowerMax, limits::kGroupPowerMax,
                  to_joules(WattHours{INT64_C(100'000'000'000)})};
  if (child.site) {
    peer.discharge_max = child.site->discharge_max();
    peer.charge_max = child.site->charge_max();
    peer.energy_max = child.site->energy_max();
  }
  return peer;
}

void World::check_bounds(NodeIndex index, const node::Effects& effects) {
  const std::size_t connections = network_.connections_of(index) + 1;
  const bool takes_over = roots_.several() && roots_.has(index);  // a whole journal at once
  if (effects.persist.size() > kPersistMax && !takes_over)
    fail(Invariant::kBounded, index, "persists too much");
  if (effects.up.size() > kUpMax) fail(Invariant::kBounded, index, "sends too many frames up");
  if (effects.open.size() > kOpenMax) fail(Invariant::kBounded, index, "opens too many links");
  if (effects.notices.size() > kNoticesMax) fail(Invariant::kBounded, index, "talks too much");
  if (effects.down.size() > kDownPerConnectionMax * connections) {
    fail(Invariant::kBounded, index, "sends too many frames down");
  }
}

void World::check_never_over(NodeIndex index, const std::vector<SentShare>& sent) {
  struct Sent {
    NeverOver::Round round;
    const SentShare* first = nullptr;
  };
  std::map<Scope, Sent> rounds;
  for (const SentShare& each : sent) {
    auto& [round, first] = rounds[each.dispatch.scope];
    round.addressed.insert(each.to);
    if (!each.dispatch.share) continue;
    round.shares[each.to] = *each.dispatch.share;
    if (first == nullptr) first = &each;
  }
  for (auto& [scope, made] : rounds) {
    if (made.first == nullptr) continue;
    const mesh::Dispatch& dispatch = made.first->dispatch;
    const auto asked =
        order_rules_.asked_of(queue_.now(), index, tick_of(dispatch), dispatch.order);
    if (!asked) continue;
    made.round.at = queue_.now();
    made.round.market = market();
    made.round.node = index;
    made.round.incarnation = network_.incarnation(index);
    made.round.scope = scope;
    made.round.asked = *asked;
    never_over_.sent(made.round);
  }
}

/// At the end: what sites did for orders that are long over is at the root, each joule once.
void World::check_receipts() {
  // Who is on a voluntary move right now is missed for a moment, and so are its receipts.
  if (findings_.first() || scenario_.faults.leave_some_dead || !why_not_whole().empty()) return;
  const auto status = nodes_[root()].running->status(now_of(root()));
  for (const mesh::Receipt& receipt : status.group.receipts) {
    const auto order = order_rules_.orders().find(receipt.order);
    if (order == order_rules_.orders().end()) continue;
    if (order->second.until + kReceiptsSettled * scenario_.speed > market()) continue;
    const Joules said = energy_books_.said(receipt.order);
    if (said == receipt.delivered) continue;
    fail(Invariant::kEnergyConserved, root(),
         "has receipts of " + std::to_string(receipt.delivered.count) + " J for order " +
             std::to_string(receipt.order.value) + ", the sites say " + std::to_string(said.count) +
             " J");
  }
}

void World::check_site(NodeIndex index, const Poll& poll) {
  const Site& site = *nodes_[index].site;
  const battery::BatteryModel& battery = site.battery();
  const battery::Accounts& accounts = battery.accounts();
  if (accounts.absorbed_mj - accounts.injected_mj !=
      battery.stored_mj() - battery.initial_mj() + accounts.losses_mj) {
    fail(Invariant::kEnergyConserved, index, "its battery makes or loses energy");
  }
  if (!poll.effects.write || !poll.effects.write->set_point) return;
  const Watts set = *poll.effects.write->set_point;
  const device::SiteLimits& limits = site.limits();
  const battery::BatteryRating& rating = battery.rating();
  if (set > std::min(rating.discharge_max, limits.discharge_max) ||
      set < -std::min(rating.charge_max, limits.charge_max)) {
    fail(Invariant::kEnvelope, index, "set point beyond the ratings");
  }
  if (set > Watts{0} && battery.soc_permille() < limits.reserve_permille) {
    fail(Invariant::kEnvelope, index, "discharges the owner's reserve");
  }
  if (!poll.telemetry.site.value || !poll.telemetry.battery.value) return;
  const Watts others = *poll.telemetry.site.value - *poll.telemetry.battery.value;
  if (set > Watts{0} && set + others > limits.export_max) {
    fail(Invariant::kEnvelope, index, "exports more than the connection allows");
  }
  if (set < Watts{0} && set + others < -limits.import_max) {
    fail(Invariant::kEnvelope, index, "imports more than the connection allows");
  }
}

}  // namespace vpp::sim
