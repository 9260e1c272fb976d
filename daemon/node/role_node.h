// What the three roles have in common behind node::Node, and the few helpers they share. Pure.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/planted_bug.h"
#include "daemon/node/node.h"

namespace vpp::node {

class RoleNode {
 public:
  RoleNode() = default;
  virtual ~RoleNode() = default;
  RoleNode(const RoleNode&) = delete;
  RoleNode& operator=(const RoleNode&) = delete;

  virtual void step(const Now& now, const Event& event) = 0;
  virtual void advance(const Now& now) = 0;
  [[nodiscard]] virtual Instant next_deadline(const Now& now) const = 0;
  [[nodiscard]] virtual NodeStatus status(const Now& now) const = 0;
  [[nodiscard]] virtual Now corrected(const Now& now) const { return now; }
  [[nodiscard]] virtual std::optional<std::vector<bidding::Fact>> trace(
      const std::string& /*key*/) const {
    return std::nullopt;
  }
  [[nodiscard]] virtual std::vector<bidding::Fact> facts() const { return {}; }

  [[nodiscard]] Effects take_effects() { return std::exchange(effects_, {}); }

 protected:
  void notice(Severity severity, std::string code, std::string text) {
    effects_.notices.push_back({severity, std::move(code), std::move(text)});
  }
  void refuse(RequestId request, std::string why) {
    effects_.replies.push_back({.request = request, .order = {}, .refused = std::move(why)});
  }
  void refuse_plans(const std::vector<NodeId>& children) {
    for (const NodeId child : children) {
      notice(Severity::kWarning, "VPP_BAD_REPORT",
             to_string(child) + " plans for more homes than it has, or other slots than asked");
    }
  }
  /// Drains `from`.
  template <class T>
  static void append(std::vector<T>& to, std::vector<T>& from) {
    std::ranges::move(from, std::back_inserter(to));
  }

  Effects effects_;
};

/// Which orders this node still obeys: (term, sequence, tick, repeat) only ever rises. The first
/// two are persisted by the owner when accept() says so; ticks are guarded by their expiry.
class OrderFence {
 public:
  explicit OrderFence(std::optional<Fence> recovered) : fence_{recovered.value_or(Fence{})} {}

  enum class Verdict { kRefused, kAccepted, kAcceptedAndNew };

  Verdict accept(const mesh::Dispatch& dispatch) {
    const Fence offered{dispatch.term, dispatch.sequence};
    if (offered < fence_) return Verdict::kRefused;
    const std::pair round{dispatch.tick, dispatch.repeat};
    const bool again = round == round_ && !planted(Bug::kFenceTakesEqual);
    if (offered == fence_ && (round < round_ || again)) return Verdict::kRefused;
    const bool is_new = offered > fence_;
    fence_ = offered;
    round_ = round;
    return is_new ? Verdict::kAcceptedAndNew : Verdict::kAccepted;
  }
  [[nodiscard]] Fence value() const { return fence_; }

 private:
  Fence fence_;
  std::pair<std::uint64_t, std::uint32_t> round_{0, 0};  ///< tick and repeat
};

/// One fence for each scope: orders of others go on beside a new one. Each begins at what a restart
/// recovered, the newest of them all: a root tells it with whatever it sends later. Orders of
/// aggregators have fences of their own, which are not kept: they end by themselves within seconds.
class OrderFences {
 public:
  explicit OrderFences(std::optional<Fence> recovered)
      : recovered_{recovered}, newest_{recovered.value_or(Fence{})} {}

  OrderFence::Verdict accept(const mesh::Dispatch& dispatch) {
    if (is_local(dispatch.order)) {
      if (local_.size() >= kScopesKept && !local_.contains(dispatch.scope)) local_.clear();
      return local_.try_emplace(dispatch.scope, std::nullopt).first->second.accept(dispatch);
    }
    auto& fence = by_scope_.try_emplace(dispatch.scope, recovered_).first->second;
    const auto verdict = fence.accept(dispatch);
    risen_ = risen_ || fence.value() > newest_;
    newest_ = std::max(newest_, fence.value());
    if (by_scope_.size() > kScopesKept) forget_oldest();
    return verdict;
  }
  /// To be persisted, before anything that rests on the last accept() leaves.
  [[nodiscard]] std::optional<Fence> take_risen() {
    return std::exchange(risen_, false) ? std::optional{newest_} : std::nullopt;
  }

 private:
  static constexpr std::size_t kScopesKept = 128;
  void forget_oldest() {
    by_scope_.erase(std::ranges::min_element(
        by_scope_, {}, [](const auto& entry) { return entry.second.value(); }));
  }

  std::optional<Fence> recovered_;
  Fence newest_;
  bool risen_ = false;
  std::map<Scope, OrderFence> by_scope_;
  std::map<Scope, OrderFence> local_;
};

/// Who told this node what it does, and whether that one may have heard that it lives elsewhere.
/// Then others are asked for its watts: as soon as no parent leads to a root it must let go of
/// them, and it takes nothing more from a parent that it wants to leave and that goes on by itself.
class Allegiance {
 public:
  /// Whether an order of `parent`, or of the one before, counts; `rooted`: it leads to a root.
  [[nodiscard]] bool obeys(std::optional<NodeId> parent, bool rooted) const {
    return rooted || !asked_ || asked_ == parent;
  }
  /// An order was accepted. `handed_over`: it may be the former parent's.
  void told(std::optional<NodeId> parent, bool handed_over) {
    if (by_ && handed_over) return;
    by_ = parent;
    asked_others_ = asked_ && asked_ != parent;
  }
  /// After each step of the uplink, with whom it asks to be taken in; true: let go, once.
  [[nodiscard]] bool broken(std::optional<NodeId> asks, bool rooted) {
    if (asks) {
      asked_ = asks;
      asked_others_ = asked_others_ || asks != by_;
    }
    if (!by_ || !asked_others_ || rooted) return false;
    by_.reset();
    asked_others_ = false;
    return true;
  }

 private:
  std::optional<NodeId> by_;
  std::optional<NodeId> asked_;  ///< the newest; who took this node in is its parent
  bool asked_others_ = false;    ///< since `by_` last told it something
};

/// Stamps are this node's own protocol clock in milliseconds.
[[nodiscard]] constexpr mesh::Stamp stamp_of(Instant at) {
  return at.time_since_epoch().count();
}

/// A market deadline on the protocol clock: never before now, rounded up.
[[nodiscard]] constexpr Instant protocol_time_of(const Now& now, MarketTime due) {
  return std::max(now.protocol, protocol_at(now, due));
}

/// What a node says of itself to its parents. A leaf serves nobody.
inline mesh::UplinkOptions uplink_options(const NodeOptions& options) {
  return {.self = options.self,
          .role = options.role,
          .name = options.name,
          .region = options.region,
          .certificate = options.certificate,
          .seeds = options.seeds,
          .serves = options.serves,
          .link = options.link};
}

/// From `in_force`.
inline void fill_target(NodeStatus& out) {
  for (const InForce& each : out.in_force) {
    if (each.service != Service::kEnergy) continue;
    if (!out.target) out.order = each.order;
    out.target = out.target.value_or(Watts{0}) + each.target;
  }
}

/// The part of a status that every node with a parent has.
inline void fill_uplink(NodeStatus& out, const mesh::Uplink& uplink, const Now& now) {
  out.uplink_state = uplink.state();
  out.parent = uplink.parent();
  out.session = uplink.session();
  out.path = uplink.path();
  out.term = uplink.term();
  out.alternates = uplink.alternates();
  out.standby = uplink.standby();
  out.moves = uplink.moves();
  out.trouble = uplink.trouble();
  out.useless_alternates = uplink.useless_alternates(now.protocol);
  if (const auto heard = uplink.last_beacon()) out.beacon_age = now.protocol - *heard;
}

}  // namespace vpp::node
