// A plant that follows a regulation signal: the shipped dispatchers of a root and its aggregators,
// with what they keep free for those out of contact (promises.h), over homes that are simple.
//
// Cadence    as the nodes have it: the root ticks every second and at once for a new order, an
//            aggregator when it is told; a leaf writes what it hears at once, polls its battery
//            every second and reports what it read; aggregators report twice a second (nodes: up to
//            ten times).
// Delays     every hop takes kHop; a battery does what it is told after a time of its own; a
//            reading waits kGather before it goes up.
// Homes      a battery follows within its power and its energy, losses taken off. Of the others,
//            some promise and report as everybody and do nothing; some lose their gateway's contact
//            or their device for minutes, and go on with what they were told until it expires.
// Exactness  whole watts and millijoules; time in steps of kStep; replays from the seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "aggregation/dispatcher.h"
#include "config/limits.h"
#include "config/rng.h"
#include "config/time.h"
#include "config/units.h"
#include "daemon/node/promises.h"
#include "device/capability.h"
#include "device/site.h"
#include "mesh/children.h"

namespace vpp::sim {

struct RegulationHome {
  enum class Kind : std::uint8_t { kFollows, kIgnores, kComesAndGoes };
  Watts power;      ///< both ways
  Joules capacity;  ///< half full at first
  Kind kind = Kind::kFollows;
};

struct RegulationOptions {
  std::size_t aggregators = 20;  ///< > 0; homes go to them in turn
  /// Each battery does what it is told after a time of its own between these, 10 s at most.
  Duration responds_min{200};
  Duration responds_max{1000};
  aggregation::DispatcherOptions dispatch{};
};

/// `ratings` drawn until there are `count`; of these, by permille, so many that ignore what they
/// are told and so many that come and go.
[[nodiscard]] std::vector<RegulationHome> draw_homes(const std::vector<RegulationHome>& ratings,
                                                     std::size_t count, std::int64_t ignore,
                                                     std::int64_t come_and_go, Rng& rng);

/// What all of them could do at first, if they listened.
[[nodiscard]] aggregation::GroupFlexibility flexibility_of(
    const std::vector<RegulationHome>& homes);

class RegulationPlant {
 public:
  static constexpr Duration kStep{50};
  static constexpr Duration kHop{50};
  static constexpr Duration kGather{100};
  static constexpr Duration kPoll{1000};
  static constexpr Duration kGroupReport{500};

  RegulationPlant(const std::vector<RegulationHome>& homes, const RegulationOptions& options,
                  Rng rng);

  /// A new order at the root.
  void order(Watts target);
  /// Lets `duration` pass, a multiple of kStep.
  void pass(Duration duration);

  /// Of all batteries that do what the plant told them, now.
  [[nodiscard]] Watts power() const { return power_; }
  /// Homes that a dispatcher holds to what they were measured at.
  [[nodiscard]] std::size_t doubted() const;

 private:
  enum class Away : std::uint8_t { kNo, kContact, kDevice };
  /// What a leaf tells its aggregator.
  struct Reading {
    device::Capability discharge;
    device::Capability charge;
    std::optional<Watts> measured;
  };
  struct Leaf {
    RegulationHome home;
    device::Nameplate nameplate;
    std::size_t aggregator = 0;
    Duration responds_in{0};
    std::int64_t stored_mj = 0;
    Watts power;
    Instant settled_at{};  ///< energy is right up to here
    Instant told_at{};
    Instant read_at{};
    Away away = Away::kNo;
    Reading newest;
    mesh::ChildView view;  ///< what its aggregator knows
    Reading heard;
  };
  struct GroupReport {
    aggregation::GroupFlexibility flexibility;
    Watts measured;
  };
  struct Aggregator {
    std::vector<std::size_t> leaves;
    aggregation::Dispatcher dispatcher;
    node::Promises promises;
    Watts target;
    GroupReport sent;
    GroupReport heard;  ///< by the root
    Instant heard_at{};
  };
  struct Event {
    enum class Kind : std::uint8_t {
      kShare,        ///< reaches a leaf
      kDevice,       ///< a battery does it
      kPoll,         ///< of a battery
      kReport,       ///< reaches an aggregator
      kGroupShare,   ///< reaches an aggregator
      kGroupReport,  ///< is due
      kGroupHeard,   ///< reaches the root
      kLeave,        ///< a home loses contact or device
      kReturn,
    };
    Kind kind;
    std::size_t index;
    Watts power;
    bool is_new = false;  ///< of an order that the receiver did not have
  };
  static constexpr std::size_t kBuckets = 256;

  void at(Duration delay, const Event& event);
  void carry_out(const Event& event);
  void root_tick();
  void group_tick(std::size_t index, const Event& event);
  void report_group(Aggregator& aggregator);
  void told(Leaf& leaf, const Event& event);
  void set_power(Leaf& leaf, Watts power);
  void settle(Leaf& leaf) const;
  void poll(std::size_t index);
  void heard(Leaf& leaf);
  void leave(std::size_t index);
  [[nodiscard]] device::SiteState state_of(const Leaf& leaf) const;
  [[nodiscard]] Now now() const;

  std::vector<Leaf> leaves_;
  std::vector<Aggregator> aggregators_;
  aggregation::Dispatcher root_;
  Rng rng_;
  std::array<std::vector<Event>, kBuckets> events_;  ///< by step, in turn
  std::vector<Event> due_;                           ///< of this step
  struct Later {
    Instant at{};
    Event event;
  };
  std::vector<Later> later_;  ///< beyond the buckets: who leaves and returns
  std::size_t bucket_ = 0;
  Instant now_{};
  Instant tick_due_{};
  Watts target_;
  bool target_is_new_ = false;
  std::uint64_t order_ = 0;
  Watts power_;
};

}  // namespace vpp::sim
