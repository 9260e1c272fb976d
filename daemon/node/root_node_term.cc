// The part of RootNode about terms, other roots and the journal.
#include <utility>
#include <variant>

#include "config/limits.h"
#include "daemon/node/root_node.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration kReplyMax = 4s;  ///< below the 5 s after which the control API gives up
constexpr const char* kNotCopied = "no standby root holds it";
constexpr const char* kAskAgain = "no standby root holds it yet; ask again with the same key";
constexpr const char* kReleased =
    "released, but no standby root holds that: a take-over would bring the order back; cancel it "
    "again";
constexpr const char* kDeposed =
    "this root stopped leading before it knew whether the order is kept; ask the leader again with "
    "the same key";

}  // namespace

// --- terms ---------------------------------------------------------------------------------------

void RootNode::look_at_lease(const Now& now) {
  lease_.heard_of(now.protocol, journal_.promised());
  lease_.advance(now.protocol);
  const bool troubled = !lease_.problem().empty();
  if (std::exchange(told_trouble_, troubled) != troubled) {
    notice(troubled ? Severity::kWarning : Severity::kInfo,
           troubled ? "VPP_ETCD_UNREACHABLE" : "VPP_ETCD_REACHABLE",
           troubled ? lease_.problem() : "etcd answers");
  }
  const auto term = lease_.term();
  if (term == term_) return;
  if (term_) {
    notice(Severity::kWarning, "VPP_FENCED",
           "this root no longer leads; its term was " + std::to_string(*term_));
    end_term(now);
  }
  if (term) begin_term(now, *term);
}

void RootNode::begin_term(const Now& now, std::uint64_t term) {
  term_ = term;
  // The term is durable before anybody hears of it: a node never obeys two roots of one term.
  journal_.lead(term);
  group_.children().set_upstream(now, {options_.self}, term, options_.root.peers);
  if (options_.root.lease == LeaseKind::kEtcd) {
    notice(Severity::kInfo, "VPP_LEADS", "this root leads with term " + std::to_string(term));
  }
}

void RootNode::end_term(const Now& now) {
  journal_.stop_leading();
  group_.children().set_upstream(now, {}, journal_.promised(), options_.root.peers);
  term_.reset();
  active_.clear();
  booked_.clear();
  for (Held& held : std::exchange(held_, {})) {
    if (auto* reply = std::get_if<Reply>(&held.what)) {
      effects_.replies.push_back({reply->request, std::nullopt, kDeposed});
    }
  }
  orders_ = aggregation::OrderBook{};
  workflow_ = bidding::Workflow{options_.bidding, {}};
  meters_ = bidding::MeterBook{};
  openadr_.reset();
}

void RootNode::take_over() {
  auto [orders, facts] = journal_.content();
  orders_ = aggregation::OrderBook{std::move(orders)};
  workflow_ = bidding::Workflow{options_.bidding, facts};
  meters_ = bidding::MeterBook{facts};
  if (options_.openadr) {
    openadr_.emplace(*options_.openadr, openadr_rng_.fork());
    ask_for_baselines();
  }
  tick_due_ = {};
  if (options_.root.lease == LeaseKind::kEtcd) {
    notice(Severity::kInfo, "VPP_TAKEN_OVER",
           "the journal is this root's: " + std::to_string(journal_.held().length) + " entries");
  }
}

// --- other roots ---------------------------------------------------------------------------------

bool RootNode::from_root(const Now& now, const mesh::FromChild& event) {
  if (!event.peer || event.peer->role != Role::kRoot || options_.root.peers.empty()) return false;
  const NodeId id = event.peer->id;
  peers_.connected(id, event.connection);
  if (const auto* hello = std::get_if<mesh::Hello>(&event.message)) {
    effects_.down.push_back({event.connection, welcome(now, *hello)});
  } else if (const auto* follow = std::get_if<mesh::Follow>(&event.message)) {
    // Who is not in the config is nobody's standby; once our own link to it is proven it is known.
    if (peers_.knows(id)) journal_.on(now, id, *follow);
  } else if (std::holds_alternative<mesh::Probe>(event.message)) {
    return false;
  }
  return true;
}

/// Only what proves this root matters to another one.
mesh::HelloAck RootNode::welcome(const Now& now, const mesh::Hello& hello) const {
  mesh::HelloAck ack;
  ack.session = hello.session;
  ack.certificate = options_.certificate;
  ack.lease = limits::kLease;
  ack.beacon_interval = limits::kBeaconInterval;
  ack.term = journal_.promised();
  ack.stamp = stamp_of(now.protocol);
  ack.market_time = now.market;
  ack.market_speed = now.speed;
  return ack;
}

void RootNode::to_root(const Now& now, const mesh::UplinkEvent& event) {
  peers_.step(now.protocol, event);
  const auto* from = std::get_if<mesh::FromParent>(&event);
  if (from == nullptr || !peers_.knows(from->peer)) return;
  if (const auto* lead = std::get_if<mesh::Lead>(&from->message)) {
    journal_.on(now, from->peer, *lead);
  } else if (const auto* part = std::get_if<mesh::JournalPart>(&from->message)) {
    journal_.on(now, from->peer, *part);
  }
}

// --- the journal ---------------------------------------------------------------------------------

void RootNode::book(const Now& now, JournalEntry entry) {
  journal_.append(now, std::move(entry));
}

/// Its first share waits until it is acknowledged.
void RootNode::book_new(const Now& now, const aggregation::Order& order) {
  book(now, order);
  const std::uint64_t place = journal_.held().length;
  if (journal_.committed() < place) booked_.try_emplace(order.id, place);
}

/// What rests on no entry goes at once.
void RootNode::hold(const Now& now, std::variant<bidding::MarketCall, Reply> what) {
  if (auto* reply = std::get_if<Reply>(&what); reply != nullptr && !reply->order) {
    effects_.replies.push_back(std::move(*reply));
    return;
  }
  held_.push_back({journal_.held().length, now.protocol, std::move(what)});
}

void RootNode::let_go(const Now& now) {
  while (!held_.empty()) {
    Held& first = held_.front();
    if (journal_.committed() < first.after) break;
    if (auto* reply = std::get_if<Reply>(&first.what)) {
      effects_.replies.push_back(std::move(*reply));
    } else {
      effects_.market.push_back(std::get<bidding::MarketCall>(std::move(first.what)));
    }
    held_.pop_front();
  }
  if (journal_.serves() && journal_.committed() >= journal_.held().length) tell_owner_rates();
  if (!effects_.market.empty() || !effects_.openadr.empty()) {
    effects_.market_until = lease_.leads_until();
  }
  const std::size_t waiting = booked_.size();
  std::erase_if(booked_, [&](const auto& b) { return b.second <= journal_.committed(); });
  if (booked_.size() < waiting) tick(now);
}

/// Another leader must not make another rate of an order: so once standbys hold it.
void RootNode::tell_owner_rates() {
  std::vector<mesh::OwnerRate> rates;
  for (const auto& [order, rate] : workflow_.owner_rates()) rates.push_back({order, rate});
  owner_rates_.add(rates);
}

/// Nobody acknowledges: operators are told after a while, the market is asked again later.
void RootNode::give_up_held(const Now& now) {
  std::deque<Held> kept;
  for (Held& held : std::exchange(held_, {})) {
    auto* call = std::get_if<bidding::MarketCall>(&held.what);
    auto* reply = std::get_if<Reply>(&held.what);
    if (call != nullptr && !may_commit(now)) {
      workflow_.answered(now, bidding::CallFailed{std::move(*call), kNotCopied});
    } else if (reply != nullptr && (!may_commit(now) || held.since + kReplyMax <= now.protocol)) {
      const bool cancelled = reply->order->state == aggregation::OrderState::kCancelled;
      effects_.replies.push_back({reply->request, std::nullopt, cancelled ? kReleased : kAskAgain});
    } else {
      kept.push_back(std::move(held));
    }
  }
  held_ = std::move(kept);
}

// --- effects -------------------------------------------------------------------------------------

void RootNode::collect_journal(const Now& now) {
  JournalEffects out = journal_.take_effects();
  if (out.taken_over && journal_.serves()) take_over();
  append(effects_.persist, out.persist);
  for (SendRoot& each : out.answers) {
    const auto connection = peers_.connection_of(each.to);
    if (connection) effects_.down.push_back({*connection, std::move(each.message)});
  }
  if (out.tell_all) {
    for (const RootPeers::View& peer : peers_.view()) {
      const auto connection = peer.id ? peers_.connection_of(*peer.id) : std::nullopt;
      if (connection) effects_.down.push_back({*connection, journal_.lead()});
    }
  }
  bool parted = false;
  for (const NodeId to : out.follow) {
    if (peers_.send(now.protocol, to, journal_.follow(to))) continue;
    journal_.parted(to);  // its word came on its own link: its journal cannot be asked for
    parted = true;
  }
  append(effects_.notices, out.notices);
  if (parted) collect_journal(now);  // another journal may do; each one is given up once
}

void RootNode::collect_peers(const Now& now) {
  RootPeersEffects out = peers_.take_effects();
  for (const NodeId id : out.parted) journal_.parted(id);
  for (const NodeId id : out.due) (void)peers_.send(now.protocol, id, journal_.follow(id));
  RootPeersEffects sent = peers_.take_effects();
  append(out.up, sent.up);
  append(effects_.close, out.close);
  append(effects_.open, out.open);
  append(effects_.up, out.up);
}

void RootNode::collect(const Now& now) {
  look_at_lease(now);  // a newer term may have come to light in this very step
  collect_desk(now);
  collect_journal(now);
  collect_peers(now);
  if (journal_.serves()) {
    let_go(now);
    give_up_held(now);
    const bool missing = !may_commit(now);
    if (std::exchange(told_not_copied_, missing) != missing) {
      notice(missing ? Severity::kError : Severity::kInfo,
             missing ? "VPP_JOURNAL_NOT_COPIED" : "VPP_JOURNAL_COPIED",
             missing ? "too few standby roots: no bids, no new orders" : "standby roots follow");
    }
  }
  collect_journal(now);
  collect_peers(now);
  collect_children(now);
  std::vector<LeaseAsk> asks = lease_.take_asks();
  append(effects_.lease, asks);
}

RootStatus RootNode::root_status(const Now& now) const {
  RootStatus out;
  out.state = lease_.state();
  out.lease = options_.root.lease;
  if (term_ && lease_.leads_until() != kNever) {
    out.lease_left = std::max(Duration{0}, lease_.leads_until() - now.protocol);
  }
  out.holder = lease_.holder();
  out.lease_problem = lease_.problem();
  out.serves = journal_.serves();
  out.roots_to_hear = journal_.missing_for_take_over();
  out.journal = journal_.held();
  out.acknowledged = journal_.committed();
  out.copies = options_.root.copies;
  out.standbys = journal_.standbys(now.protocol);
  for (const RootPeers::View& peer : peers_.view()) {
    out.peers.push_back({.to = peer.to,
                         .id = peer.id,
                         .linked = peer.linked,
                         .held = peer.id ? journal_.rank_of(*peer.id) : std::nullopt});
  }
  return out;
}

}  // namespace vpp::node
