#include "bench/fleet_leaf.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "config/check.h"
#include "daemon/driver/clock.h"
#include "daemon/driver/parts_of_config.h"

namespace vpp::bench {
namespace {

/// From an instruction to what the device does about it: they answer in 50 to 80 ms over Modbus.
constexpr Duration kDeviceDelay{60};
constexpr Duration kRoundMin{10};  // as daemon/driver/device_loop.cc

/// Nonces of the flood's probes; one in a million of the node's own, random ones looks the same.
constexpr std::uint64_t kFloodMark = 0xf100'd000'0000'0000U;
constexpr std::uint64_t kFloodMask = 0xffff'f000'0000'0000U;

mesh::TransportOptions transport_options(const driver::Identity& identity) {
  mesh::TransportOptions out;
  out.keys = identity.keys;
  out.fleet = identity.fleet;
  out.utc_ms = [] { return driver::Clock::utc_ms(); };
  return out;
}

node::Recovered recovered(const std::unique_ptr<driver::Store>& store) {
  if (!store) return {};
  auto loaded = store->load();
  if (!loaded) throw std::runtime_error{loaded.error()};
  return *std::move(loaded);
}

Duration poll_interval(const RoleConfig& config) {
  return std::get<LeafConfig>(config.of_role).device.poll;
}

}  // namespace

Leaf::Leaf(std::size_t index, LeafWorld& world, const RoleConfig& config,
           const driver::Identity& identity, Rng rng, const Now& now,
           std::unique_ptr<driver::Store> store)
    : index_{index},
      world_{world},
      shared_{transport_options(identity)},
      node_{driver::node_options(config, identity), rng.fork(), now, recovered(store)},
      site_{rng.fork(), now.market},
      store_{std::move(store)},
      poll_{poll_interval(config)},
      poll_at_{now.protocol + rng.up_to(poll_)} {
  site_.start({});
  site_.plant_heard(now);
}

Leaf::~Leaf() {
  for (auto& [id, link] : links_) world_.on_link(index_, *link, false);
}

void Leaf::serve(const Now& now, bool monitors) {
  // A send may take in what a descriptor would have told of; so look again after each.
  do {
    sent_ = false;
    // A new monitor tells nothing through its descriptor until it was asked once.
    while (drain(std::exchange(opened_, false) || monitors)) take_events(now);
  } while (sent_);
}

bool Leaf::drain(bool monitors) {
  std::vector<mesh::LinkId> lost;
  for (auto& [id, link] : links_) {
    poll_items_.clear();
    link->add_to_poll(poll_items_);
    poll_items_.front().revents = poll_items_.front().events;
    if (monitors) poll_items_.back().revents = poll_items_.back().events;
    if (!link->drain(poll_items_)) lost.push_back(id);
  }
  for (const mesh::LinkId id : lost) close(id);
  return !shared_.events.empty();
}

void Leaf::take_events(const Now& now) {
  for (auto& event : std::exchange(shared_.events, {})) {
    if (const auto* from = std::get_if<mesh::FromParent>(&event)) {
      if (swallow(from->message)) continue;
      if (const auto* dispatch = std::get_if<mesh::Dispatch>(&from->message)) {
        record_.order = dispatch->order;
        record_.dispatched_at = monotonic();
      }
      if (std::holds_alternative<mesh::HelloAck>(from->message)) parent_may_change_ = true;
      if (newest_ && from->link == newest_link_) {
        if (const auto* beacon = std::get_if<mesh::Beacon>(&from->message)) {
          newest_->beacon = beacon->stamp;
        }
      }
    }
    if (std::holds_alternative<mesh::LinkLost>(event)) parent_may_change_ = true;
    node_.step(now, std::visit([](auto& e) { return node::Event{std::move(e)}; }, event));
    carry_out(now);
  }
}

void Leaf::advance(const Now& now) {
  node_.advance(now);
  carry_out(now);
  if (poll_at_ <= now.protocol) poll_site(now);
  if (sent_ || opened_ || !shared_.events.empty()) serve(now);
}

Instant Leaf::deadline(const Now& now) const {
  return std::min(node_.next_deadline(now), poll_at_);
}

void Leaf::poll_site(const Now& now) {
  const Now market = node_.corrected(now);
  node_.step(now, node::SiteReported{site_.poll(market, market.market).effects.status});
  // A ramp asks for more rounds than that.
  poll_at_ = std::min(now.protocol + poll_, site_.next_deadline(market));
  poll_at_ = std::max(poll_at_, now.protocol + kRoundMin);
  carry_out(now);
}

void Leaf::carry_out(const Now& now) {
  node::Effects effects = node_.take_effects();
  if (store_ && !effects.persist.empty()) {
    if (auto written = store_->persist(effects.persist); !written) {
      throw std::runtime_error{written.error()};
    }
  }
  for (const mesh::LinkId id : effects.close) close(id);
  for (const mesh::OpenLink& each : effects.open) open(each);
  if (effects.site) {
    site_.instruct(node_.corrected(now), *effects.site);
    poll_at_ = std::min(poll_at_, now.protocol + kDeviceDelay);
  }
  for (const mesh::SendUp& each : effects.up) send(each);
  if (effects.plant_heard) site_.plant_heard(node_.corrected(now));
  if (parent_may_change_) look_at_parent(now);
}

void Leaf::open(const mesh::OpenLink& wanted) {
  zmq::context_t& context = world_.contexts[index_ % world_.contexts.size()];
  std::unique_ptr<mesh::ZmqLink> link;
  try {
    link = mesh::ZmqLink::open(context, shared_, wanted.link, wanted.to, wanted.patience);
  } catch (const zmq::error_t& error) {  // out of descriptors: as mesh/zmq_transport.cc
    shared_.warn("cannot connect", error.what());
  }
  if (!link) {
    shared_.events.emplace_back(mesh::LinkLost{wanted.link});
    return;
  }
  world_.on_link(index_, *link, true);
  opened_ = true;
  links_.emplace(wanted.link, std::move(link));
}

void Leaf::close(mesh::LinkId id) {
  const auto found = links_.find(id);
  if (found == links_.end()) return;
  world_.on_link(index_, *found->second, false);
  links_.erase(found);
  parent_may_change_ = true;
}

void Leaf::send(const mesh::SendUp& wanted) {
  const auto link = links_.find(wanted.link);
  if (link == links_.end()) return;
  mesh::Message message = wanted.message;
  if (auto* report = std::get_if<mesh::Report>(&message)) {
    if (++muted_ < world_.report_every) return;
    muted_ = 0;
    if (!newest_ || newest_->session != report->session) added_ = 0;
    newest_ = *report;
    newest_link_ = wanted.link;
    report->sequence += added_;
  }
  if (std::holds_alternative<mesh::DispatchAck>(message)) record_.acknowledged_at = monotonic();
  if (std::holds_alternative<mesh::Bye>(message)) parent_may_change_ = true;
  link->second->send(message);
  sent_ = true;
}

void Leaf::look_at_parent(const Now& now) {
  parent_may_change_ = false;
  const node::NodeStatus status = node_.status(now);
  const bool attached = status.parent.has_value();
  const NodeId parent = status.parent.value_or(kNoNode);
  if (attached == record_.attached && parent == record_.parent) return;
  if (record_.attached) record_.lost_at = monotonic();
  if (attached) record_.attached_at = monotonic();
  record_.attached = attached;
  record_.parent = parent;
}

void Leaf::forget_standby(const Now& now) {
  if (!record_.attached) return;
  std::vector<mesh::LinkId> others;
  for (const auto& [id, link] : links_) {
    if (id != newest_link_) others.push_back(id);
  }
  for (const mesh::LinkId id : others) {
    close(id);
    shared_.events.emplace_back(mesh::LinkLost{id});
  }
  take_events(now);
}

bool Leaf::holds_standby(const Now& now) const {
  return node_.status(now).standby.has_value();
}

bool Leaf::has_room(const FloodWindow& window) const {
  return record_.attached && newest_ && links_.contains(newest_link_) &&
         flooded_ - flood_answered_ < window.unanswered_max;
}

void Leaf::flood(const FloodWindow& window) {
  if (!has_room(window)) return;
  mesh::ZmqLink& link = *links_.at(newest_link_);
  mesh::Report report = *newest_;
  report.sequence += ++added_;
  link.send(report);
  if (++flooded_ % window.probe_every == 0) {
    mesh::Probe probe;
    probe.nonce = kFloodMark | flooded_;
    link.send(probe);
  }
}

bool Leaf::swallow(const mesh::Message& message) {
  const auto* answer = std::get_if<mesh::ProbeAck>(&message);
  if (answer == nullptr || (answer->nonce & kFloodMask) != kFloodMark) return false;
  flood_answered_ = answer->nonce & ~kFloodMask;
  return true;
}

}  // namespace vpp::bench
