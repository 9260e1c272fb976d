// The journal of the roots: orders and facts, which must survive the loss of the leader's machine.
// Pure. Viewstamped replication in small, because etcd elects without a look at anybody's journal.
//
// Numbers   the leader of a term numbers entries. What a root holds durably is its rank (term,
//           length): the term of the leader it last followed, or was, and how far.
// Durable   an entry is acknowledged when the leader and `copies` standbys hold it. Whatever
//           depends on it waits for that (root_node.h).
// Promise   who knows of a term takes nothing from leaders of older ones, restarts included.
// Take-over a new leader gathers ranks from so many that any acknowledged entry is among them
//           (roots - copies, itself included), each under the promise of its term; takes the
//           highest one's journal for its own, whatever it held itself; makes that durable under
//           its own term; and only then serves. So an entry once acknowledged is in every later
//           leader's journal, and a deposed leader gets no further one acknowledged.
// Following a standby whose rank is of the leader's term holds a prefix of the leader's journal and
//           gets what follows. Any other gets the whole, staged in memory, which replaces its own
//           in one durable batch: what only a deposed leader had is gone.
// Snapshot  what is below `base` has no numbers any more: it is compacted, equal as a whole to
//           what it was made of.
// Messages  may be lost, late, repeated and reordered; peers are proven roots of this fleet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/time.h"
#include "daemon/node/node.h"
#include "mesh/messages.h"

namespace vpp::node {

struct JournalOptions {
  std::size_t roots = 1;   ///< all of them, this one included
  std::size_t copies = 0;  ///< below `roots`
  JournalCodec codec;      ///< used when there are others
  std::chrono::days prices_kept = bidding::kPricesKept;
};

struct SendRoot {
  NodeId to;
  mesh::Message message;
};

/// Carried out in field order.
struct JournalEffects {
  std::vector<Record> persist;
  std::vector<SendRoot> answers;  ///< down, to those who follow
  std::vector<NodeId> follow;     ///< send them follow() now
  bool tell_all = false;          ///< send lead() to everybody who follows
  bool taken_over = false;        ///< serves from now on: content() is the plant's
  std::vector<Notice> notices;
};

/// A whole journal on its way.
struct StagedJournal {
  std::uint64_t term = 0;
  std::uint64_t base = 0;
  std::uint64_t snapshot = 0;
  std::vector<JournalEntry> entries;
};

class Journal {
 public:
  /// How long a silent standby still counts as one.
  static constexpr Duration kSilentMax = std::chrono::seconds{4};

  Journal(JournalOptions options, const Recovered& recovered);

  /// The newest term known; durable before anything else of the same batch.
  [[nodiscard]] std::uint64_t promised() const { return promised_; }
  /// Whoever led an older term stops.
  void heard_of(std::uint64_t term);

  /// `term` is above promised(). Serves at once or later, see taken_over.
  void lead(std::uint64_t term);
  void stop_leading();

  // While it serves.
  [[nodiscard]] bool serves() const { return std::holds_alternative<Serving>(state_); }
  /// Its number, plus one: acknowledged once committed() is as high.
  std::uint64_t append(const Now& now, JournalEntry entry);
  [[nodiscard]] std::uint64_t committed() const;
  /// Enough standbys are there to acknowledge what is appended now.
  [[nodiscard]] bool copied(Instant now) const;
  /// When copied() may change without a message; kNever when not.
  [[nodiscard]] Instant next_silence(Instant now) const;

  void on(const Now& now, NodeId from, const mesh::Follow& follow);
  void on(const Now& now, NodeId from, const mesh::Lead& lead);
  void on(const Now& now, NodeId from, const mesh::JournalPart& part);
  /// The link to it is lost, or new.
  void parted(NodeId from);

  [[nodiscard]] mesh::Follow follow(NodeId to) const;
  [[nodiscard]] mesh::Lead lead() const { return {promised_, leads()}; }

  [[nodiscard]] JournalEffects take_effects();

  /// Orders, the newest of each; facts in their order.
  [[nodiscard]] std::pair<std::vector<aggregation::Order>, std::vector<bidding::Fact>> content()
      const;
  [[nodiscard]] mesh::JournalRank held() const { return held_; }
  /// Newest rank told by a root; nothing: not heard of in this run.
  [[nodiscard]] std::optional<mesh::JournalRank> rank_of(NodeId root) const;
  /// Standbys that hold this term's journal and are not silent.
  [[nodiscard]] std::size_t standbys(Instant now) const;
  /// Roots that have yet to be heard before this leader serves.
  [[nodiscard]] std::size_t missing_for_take_over() const;

 private:
  using Entries = std::vector<JournalEntry>;

  using Staging = StagedJournal;
  struct Following {
    Staging staging;
  };
  struct Gathering {
    std::map<NodeId, mesh::JournalRank> heard;  ///< each under the promise of this term
    NodeId from;                                ///< whose journal is fetched; kNoNode: nobody's
    Staging staging;
  };
  struct Standby {
    std::uint64_t held = 0;  ///< of this term; else 0
    bool current = false;    ///< its rank is of this term
    std::uint64_t sent = 0;  ///< positions
    Instant sent_at{};
    Instant heard_at{};
  };
  struct Serving {
    std::map<NodeId, Standby> standbys;
    std::uint64_t committed = 0;
  };

  [[nodiscard]] bool leads() const { return !std::holds_alternative<Following>(state_); }
  void try_take_over();
  void take_over();
  void acknowledged(const Now& now, NodeId from, const mesh::Follow& follow);
  void commit(Serving& serving) const;
  void send(const Now& now, NodeId to, Standby& standby);
  std::uint64_t send_from(NodeId to, std::uint64_t position, int parts);
  void push(const Now& now);
  void extend(const mesh::JournalPart& part);
  /// False: it does not fit behind what has come.
  bool stage(Staging& staging, const mesh::JournalPart& part);
  [[nodiscard]] std::optional<JournalEntry> decoded(const std::vector<std::uint8_t>& bytes);
  void replace(Staging staging, mesh::JournalRank rank);
  void compact();
  [[nodiscard]] std::uint64_t end() const { return snapshot_.size() + tail_.size(); }
  [[nodiscard]] const JournalEntry& at(std::uint64_t position) const;

  JournalOptions options_;
  std::uint64_t promised_ = 0;
  mesh::JournalRank held_;
  std::uint64_t base_ = 0;
  Entries snapshot_;  ///< equal to the entries below base_
  Entries tail_;      ///< base_ .. held_.length
  std::map<NodeId, std::optional<mesh::JournalRank>> ranks_;
  std::variant<Following, Gathering, Serving> state_ = Following{};
  bool head_changed_ = false;
  JournalEffects effects_;
};

}  // namespace vpp::node
