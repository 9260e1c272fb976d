// Whether this root may lead, and for how long it may still believe so. Pure: asks the driver to
// speak to etcd, and takes its answers.
//
//   candidate -> leader(term) -> fenced -> candidate
//
// Static     one root: leads at once and for good; its term is a persisted counter.
// etcd       a key created with a lease of kTtl by whoever finds it absent; term = the key's create
//            revision, so that a later leader's is higher.
// End        on this node's own clock, kTtl * 2/3 after the newest good keep-alive was SENT: before
//            etcd can give the key to anybody else, whatever the answers did on their way.
//            advance() comes before everything else at each step, so that a root which was stopped
//            for a while knows before it speaks. What it said before is harmless: every node
//            refuses an older term.
// Fenced     until its own lease must have run out at etcd; then it stands again like any other.
// Terms      never decrease: a claim whose revision is not above every term known (etcd was
//            restored from a backup, or the root was static before) is given back, and tried again.
// Answers    may be lost, late, repeated: each names its ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/limits.h"
#include "config/rng.h"
#include "config/time.h"

namespace vpp::node {

enum class LeaseKind : std::uint8_t { kStatic, kEtcd };

using LeaseAskId = std::uint64_t;  ///< rises; never used twice in a run
using EtcdLease = std::int64_t;

/// Is the key absent? Then create it with a new lease of kTtl; its value is the root's name.
struct ClaimKey {
  friend bool operator==(const ClaimKey&, const ClaimKey&) = default;
};
struct KeepAlive {
  EtcdLease lease = 0;
  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};
/// The key goes with the lease. Nobody waits for the answer.
struct GiveUp {
  EtcdLease lease = 0;
  friend bool operator==(const GiveUp&, const GiveUp&) = default;
};
struct LeaseAsk {
  LeaseAskId id = 0;
  std::variant<ClaimKey, KeepAlive, GiveUp> what;
  friend bool operator==(const LeaseAsk&, const LeaseAsk&) = default;
};

struct KeyClaimed {
  EtcdLease lease = 0;
  std::uint64_t revision = 0;  ///< that created the key
  Duration ttl{0};             ///< as granted
};
struct KeyTaken {
  std::string holder;  ///< the key's value
};
struct KeptAlive {
  Duration ttl{0};
};
struct LeaseGone {};  ///< etcd knows it no more
struct LeaseFailed {  ///< no answer, half an answer, or not one that is understood
  std::string why;
};
struct LeaseAnswered {
  LeaseAskId id = 0;
  std::variant<KeyClaimed, KeyTaken, KeptAlive, LeaseGone, LeaseFailed> what;
};

class RootLease {
 public:
  static constexpr Duration kTtl = std::chrono::seconds{3};

  /// `newest_term`: durable; every term to come is above.
  RootLease(LeaseKind kind, Rng rng, Instant now, std::uint64_t newest_term);

  /// Fires what is due. Call before anything else at every step.
  void advance(Instant now);
  void answered(Instant now, const LeaseAnswered& answer);

  /// Somebody leads, or led, with this term.
  void heard_of(Instant now, std::uint64_t term);

  /// A clean stop: gives the key to others at once.
  void resign(Instant now);

  [[nodiscard]] Instant next_deadline() const;
  /// Drains pending work. An ask that is not answered is asked anew after kAnswerMax.
  [[nodiscard]] std::vector<LeaseAsk> take_asks() { return std::exchange(asks_, {}); }

  /// Nothing: does not lead. A new term each time that it comes to lead.
  [[nodiscard]] std::optional<std::uint64_t> term() const;
  /// Leads no longer than this; kNever when the lease is static.
  [[nodiscard]] Instant leads_until() const;

  [[nodiscard]] std::string_view state() const;                          ///< for people
  [[nodiscard]] const std::string& holder() const { return holder_; }    ///< who was seen to lead
  [[nodiscard]] const std::string& problem() const { return problem_; }  ///< empty: none

 private:
  static constexpr Duration kAnswerMax = std::chrono::seconds{5};

  struct Asked {
    LeaseAskId id = 0;
    Instant at{};
  };
  struct Candidate {
    Instant try_at{};
  };
  struct Leader {
    std::uint64_t term = 0;
    EtcdLease lease = 0;
    Instant until = kNever;
    Instant lost_at = kNever;  ///< when etcd has surely let it go
    Instant keep_alive_at = kNever;
  };
  struct Fenced {
    Instant until = kNever;
  };

  void claimed(Instant now, Instant asked_at, const KeyClaimed& claim);
  void step_down(Instant now);
  void try_again(Instant now, Duration base);
  void ask(Instant now, std::variant<ClaimKey, KeepAlive, GiveUp> what);

  LeaseKind kind_;
  Rng rng_;
  std::uint64_t newest_term_;
  std::variant<Candidate, Leader, Fenced> state_ = Candidate{};
  std::optional<Asked> asked_;
  LeaseAskId next_ask_ = 1;
  std::string holder_;
  std::string problem_;
  std::vector<LeaseAsk> asks_;
};

}  // namespace vpp::node
