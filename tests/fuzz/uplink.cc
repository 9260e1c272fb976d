// mesh::Uplink against what its contract promises, kept by a naive book of everything it heard and
// said. The input is a sequence of what links, parents, the clock and a crash can do to it. After
// every operation:
//   - links are opened once, closed once, never used after, and few at a time;
//   - a session rises with each attach and is on the disk before its Hello leaves; the term never
//     falls; both survive a crash with the record last persisted;
//   - a Hello's hold covers every stamp ever heard: a lease for each node of the path it came by;
//   - a path holds this node once, in front, and no more nodes than a tree may be deep;
//   - reports go to the parent alone, with rising numbers and the newest stamp; what the parent
//     orders is handed on, what others say is not; a silent parent is left in time;
//   - a deadline is ahead, and alternates are no more than may be kept, whatever is told.
#include "mesh/uplink.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

#include "config/check.h"
#include "mesh/message_limits.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace std::chrono_literals;

namespace {

constexpr NodeId kSelf{1, 1};
constexpr NodeId kRoot{9, 9};
constexpr std::size_t kParents = 4;
constexpr std::size_t kSeeds = 2;
constexpr std::size_t kLinksMax = kSeeds + limits::kAlternatesMax + 2;  ///< a parent, one to close

NodeId parent_of(std::size_t index) {
  return {2, index + 1};
}
Endpoint endpoint_of(std::size_t index) {
  return {"tcp://node" + std::to_string(index) + ":7000", {}};
}

/// A stamp heard: for how long it lets ancestors count this node.
struct Heard {
  Instant at{};
  Duration span{0};
};

class Harness {
 public:
  explicit Harness(fuzz::FuzzInput input)
      : input_{input}, role_{input_.coin() ? Role::kAggregator : Role::kLeaf} {
    start();
  }

  void run() {
    for (int steps = 0; !input_.empty() && steps < 300; ++steps) operation();
  }

 private:
  void start() {
    UplinkOptions options;
    options.self = kSelf;
    options.role = role_;
    options.seeds = {endpoint_of(0), endpoint_of(1)};
    if (role_ != Role::kLeaf) options.serves = endpoint_of(100);
    uplink_.emplace(options, Rng{seed_++}, record_);
    if (!record_) newest_session_ = uplink_->session();  // it begins anywhere
    links_.clear();
    nonces_.clear();
    petition_ = parent_link_ = former_link_ = 0;
    attached_ = false;
    patience_ = 1;
    uplink_->advance(now_);
    settle_up({});
  }

  void operation() {
    switch (input_.below(12)) {
      case 0:
      case 1:
        return step(LinkOpened{any_link()});
      case 2:
        return step(LinkLost{any_link()});
      case 3:
      case 4:
        return hear(any_probe_ack());
      case 5:
      case 6:
        return hear(any_ack());
      case 7:
        return hear(any_beacon());
      case 8:
        return hear(any_other());
      case 9:
        return pass(Duration{static_cast<std::int64_t>(input_.number(1)) * 40});
      case 10:
        return pass_to_deadline();
      default:
        return own();
    }
  }

  /// What the node itself does.
  void own() {
    switch (input_.below(6)) {
      case 0:
        uplink_->set_children(now_, input_.coin(), limits::kLease);
        break;
      case 1:
        uplink_->set_dispatch_active(input_.coin());
        break;
      case 2:
        uplink_->acknowledge({});
        break;
      case 3:
        return crash();
      default:
        uplink_->report(now_, SiteSummary{}, {}, {});
    }
    settle_up({});
  }

  void crash() {
    now_.protocol += Duration{static_cast<std::int64_t>(input_.number(2))};
    start();
  }

  void step(const UplinkEvent& event) {
    uplink_->step(now_, event);
    settle_up(event);
  }

  void hear(const Message& message) {
    if (broken_limit(message)) return;  // no frame holds it
    const LinkId link = any_link();
    const std::size_t peer = input_.below(kParents + 1);
    step(FromParent{link, peer == kParents ? kNoNode : parent_of(peer), message});
  }

  void pass(Duration span) {
    note_lateness(uplink_->next_deadline(), now_.protocol + span);
    now_.protocol += span;
    now_.market += span;
    for (int twice = 0; twice < 2; ++twice) {  // a goodbye is said before its link is closed
      uplink_->advance(now_);
      settle_up({});
    }
    VPP_CHECK(uplink_->next_deadline() > now_.protocol);
    // Three beacons and a quarter: a parent that says nothing is none.
    if (const auto heard = uplink_->last_beacon()) {
      VPP_CHECK(now_.protocol - *heard < interval_ * 3 * patience_ + interval_ / 4 + 1ms);
    }
  }

  /// Who was late himself is patient: once more for each half second, up to 8 times, and once less
  /// for each second since.
  void note_lateness(Instant due, Instant now) {
    const Duration late = due == kNever ? 0ms : now - due;
    const bool was_late = late >= 500ms;
    const auto change = was_late ? late / 500ms : -((now - patience_since_) / 1s);
    if (change == 0) return;
    patience_ = std::clamp<Duration::rep>(patience_ + change, 1, 8);
    patience_since_ = now;
  }

  void pass_to_deadline() {
    const Instant due = uplink_->next_deadline();
    VPP_CHECK(due != kNever);
    pass(std::clamp(due - now_.protocol, 0ms, Duration{120s}));
  }

  /// Mostly one of the last few opened.
  LinkId any_link() {
    const std::size_t back = input_.below(6);
    if (links_.empty() || back == 5) return input_.number(1);
    auto it = links_.rbegin();
    for (std::size_t i = 0; i < back && std::next(it) != links_.rend(); ++i) ++it;
    return it->first;
  }

  Path any_path() {
    const std::size_t kind = input_.below(8);
    if (kind == 7) return {};
    Path path{parent_of(input_.below(kParents))};
    for (std::size_t i = input_.below(8); i > 0; --i) path.push_back({3, i});
    if (kind == 6) path.push_back(kSelf);
    if (path.size() == 1 || kind < 5) path.push_back(kRoot);
    return path;
  }

  std::vector<Endpoint> any_alternates() {
    std::vector<Endpoint> out(input_.below(12));
    for (Endpoint& one : out) one = endpoint_of(input_.below(32));
    return out;
  }

  Stamp any_stamp() {
    const std::size_t kind = input_.below(8);
    const Stamp present = now_.protocol.time_since_epoch().count() + 500'000;
    if (kind == 7) return static_cast<Stamp>(input_.number(8));
    return present - static_cast<Stamp>(kind < 4 ? 0 : input_.number(2));
  }

  Duration any_span(Duration usual) {
    if (input_.below(4) != 3) return usual;
    return Duration{static_cast<std::int64_t>(input_.number(input_.coin() ? 8 : 3))};
  }

  MarketTime any_market() { return input_.below(8) == 7 ? kEndOfTime : MarketTime{any_span(0ms)}; }

  ProbeAck any_probe_ack() {
    const auto nonce = nonces_.find(any_link());
    return {.nonce = nonce == nonces_.end() ? 0 : nonce->second,
            .term = 1 + input_.below(3),
            .path = any_path(),
            .children = static_cast<std::uint32_t>(input_.number(1)),
            .free_slots = static_cast<std::uint32_t>(input_.number(1)),
            .region = {}};
  }
  HelloAck any_ack() {
    return {
        .session = uplink_->session() - (input_.below(8) == 7 ? 1 : 0),
        .certificate = {},
        .lease = any_span(limits::kLease),
        .beacon_interval = any_span(limits::kBeaconInterval),
        .above = any_span(limits::kLease),
        .spread = any_span(0ms),
        .term = 1 + input_.below(3),
        .path = any_path(),
        .stamp = any_stamp(),
        .market_time = any_market(),
        .market_speed = 1 + static_cast<std::int64_t>(input_.number(2) % limits::kMarketSpeedMax),
        .alternates = any_alternates(),
        .evict = {}};
  }
  Beacon any_beacon() {
    return {
        .stamp = any_stamp(),
        .term = 1 + input_.below(3),
        .path = any_path(),
        .market_time = any_market(),
        .market_speed = 1 + static_cast<std::int64_t>(input_.number(2) % limits::kMarketSpeedMax),
        .alternates = any_alternates(),
        .above = any_span(limits::kLease)};
  }
  Dispatch any_dispatch() {
    Dispatch order;
    order.term = 1 + input_.below(3);
    order.expires = any_stamp();
    return order;
  }
  Message any_other() {
    switch (input_.below(8)) {
      case 0:
        return any_dispatch();
      case 1:
        return Evict{};
      case 2:
        return Cleared{};
      case 3:
        return Report{};
      case 4:
        return HelloNak{.retry_after = any_span(1s), .alternates = any_alternates()};
      case 5:
        return Probe{1};
      case 6:
        if (input_.below(2) == 0) return OwnerRates{};
        return ValueSignal{};
      default:
        return Redirect{static_cast<RedirectReason>(input_.below(2)), any_alternates()};
    }
  }

  void settle_up(const UplinkEvent& cause) {
    const bool was_attached = attached_;
    const LinkId parent_before = parent_link_;
    const UplinkEffects effects = uplink_->take_effects();
    if (effects.persist) check_record(*effects.persist);
    for (const LinkId link : effects.close) VPP_CHECK(links_.erase(link) == 1);
    for (const OpenLink& link : effects.open) VPP_CHECK(links_.emplace(link.link, link.to).second);
    VPP_CHECK(links_.size() <= kLinksMax);
    note_parent(cause);
    for (const SendUp& up : effects.send) check_send(up, parent_before);
    VPP_CHECK(effects.attachment_changed || attached_ == was_attached);
    if (!effects.deliver.empty()) {
      const auto* heard = std::get_if<FromParent>(&cause);
      VPP_CHECK(heard != nullptr && effects.deliver.size() == 1);
      // The parent before may still dispatch; its expiry is told by the present parent's clock.
      const bool former = heard->link == former_link_ && links_.contains(former_link_) &&
                          std::holds_alternative<Dispatch>(heard->message);
      VPP_CHECK(former || heard->link == parent_link_);
      VPP_CHECK(former || effects.deliver[0] == heard->message);
    }
    check_state();
  }

  void check_record(const UplinkRecord& record) {
    if (record_) {
      VPP_CHECK(record.session >= record_->session && record.term >= record_->term);
    }
    VPP_CHECK(record.alternates.size() <= limits::kAlternatesMax);
    record_ = record;
  }

  /// Learns from outside who the parent is, and what it was heard to say.
  void note_parent(const UplinkEvent& cause) {
    attached_ = uplink_->attached();
    const auto* heard = std::get_if<FromParent>(&cause);
    if (heard == nullptr || !attached_) return;
    const bool of_now = uplink_->last_beacon() == now_.protocol;
    if (const auto* ack = std::get_if<HelloAck>(&heard->message)) {
      const bool asked = heard->link == petition_ && ack->session == newest_session_;
      const bool taken = links_.contains(heard->link) && heard->link != parent_link_;
      if (!asked || !taken || !of_now) return;
      VPP_CHECK(uplink_->parent() == heard->peer && heard->peer != kNoNode);
      former_link_ = parent_link_;
      parent_link_ = heard->link;
      interval_ = std::clamp<Duration>(ack->beacon_interval, 50ms, 30s);
      lease_ = std::clamp<Duration>(ack->lease, 1s, 180s);
      stamp_ = ack->stamp;
      sequence_ = 0;
      remember(ack->path, ack->above);
    } else if (const auto* beacon = std::get_if<Beacon>(&heard->message)) {
      if (heard->link != parent_link_ || beacon->stamp <= stamp_ || !of_now) return;
      if (beacon->stamp > kStampMax) return;
      stamp_ = beacon->stamp;
      remember(beacon->path, beacon->above);
    }
  }

  /// A parent that reaches no root counts nobody.
  void remember(const Path& path, Duration above) {
    if (!path.empty()) {
      heard_.push_back({now_.protocol, lease_ + std::clamp<Duration>(above, 0ms, 24min)});
    }
  }

  void check_send(const SendUp& up, LinkId parent_before) {
    VPP_CHECK(links_.contains(up.link));
    if (const auto* probe = std::get_if<Probe>(&up.message)) {
      nonces_[up.link] = probe->nonce;
    } else if (const auto* hello = std::get_if<Hello>(&up.message)) {
      VPP_CHECK(record_ && record_->session == hello->session);
      VPP_CHECK(hello->session > newest_session_ ||
                (hello->session == newest_session_ && up.link == petition_));
      for (const Heard& one : heard_) VPP_CHECK(hello->hold >= one.at + one.span - now_.protocol);
      newest_session_ = hello->session;
      petition_ = up.link;
    } else if (const auto* report = std::get_if<Report>(&up.message)) {
      VPP_CHECK(attached_ && up.link == parent_link_ && report->sequence == ++sequence_);
      VPP_CHECK(report->beacon == stamp_);
    } else if (std::holds_alternative<Bye>(up.message)) {
      VPP_CHECK(up.link == parent_before || up.link == former_link_ || up.link == petition_);
    } else {
      VPP_CHECK(std::holds_alternative<DispatchAck>(up.message) && up.link == parent_link_);
    }
  }

  void check_state() {
    const Path path = uplink_->path();
    VPP_CHECK(path.empty() == !attached_ && uplink_->parent().has_value() == attached_);
    if (attached_) {
      VPP_CHECK(path.front() == kSelf && std::ranges::count(path, kSelf) == 1);
      VPP_CHECK(path.size() + (role_ == Role::kLeaf ? 0 : 1) <= limits::kDepthMax);
      VPP_CHECK(path[1] == uplink_->parent() && links_.contains(parent_link_));
    }
    VPP_CHECK(uplink_->term() >= term_ && uplink_->session() == newest_session_);
    VPP_CHECK(!record_ || record_->term == uplink_->term());
    term_ = uplink_->term();
    VPP_CHECK(uplink_->alternates().size() <= limits::kAlternatesMax);
    // Whatever a parent's clock says, these are numbers.
    (void)uplink_->market_now(now_.protocol);
    (void)uplink_->local_time_of(stamp_);
  }

  fuzz::FuzzInput input_;
  Role role_;
  std::uint64_t seed_ = 1;
  Now now_{Instant{1000s}, MarketTime{}, 1};
  std::optional<UplinkRecord> record_;
  std::optional<Uplink> uplink_;
  std::map<LinkId, Endpoint> links_;  ///< open ones
  std::map<LinkId, std::uint64_t> nonces_;
  std::vector<Heard> heard_;
  Session newest_session_ = 0;
  LinkId petition_ = 0;  ///< where the last Hello went
  LinkId parent_link_ = 0;
  LinkId former_link_ = 0;  ///< the parent's before that
  bool attached_ = false;
  Duration interval_ = limits::kBeaconInterval;
  Duration lease_ = limits::kLease;
  Duration::rep patience_ = 1;
  Instant patience_since_{};
  Stamp stamp_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t term_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Harness{fuzz::FuzzInput{data, size}}.run();
  return 0;
}
