// What children were told to deliver, and what those out of contact may still be delivering. Pure.
//
// A child that cannot be reached, or that may not be counted yet because it or its parent has a new
// place in the tree, goes on with the newest share that reached it, and then with the steps ahead
// of it, until that expires. Which of them reached it nobody knows: its promise is the most it was
// asked within its last leases, or what its own newest report says that it does, per sign. A
// promise ends when it expires, when the child says after a release that it follows nothing, or
// when it lives elsewhere. Steps ahead last until they expire: who waits for one follows nothing
// either.
//
// A branch says what its own lost sites may still do, whoever told them: it is reserved here while
// the branch is not counted, and after its last word for as long as orders go on without one.
//
// Bounded    per child: what it was told in one lease, once per tick; nothing for those never
// asked.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/time.h"
#include "config/units.h"
#include "mesh/children.h"
#include "mesh/messages.h"

namespace vpp::node {

class Promises {
 public:
  /// A dispatch goes to a child with this lease; its stamp is this node's own protocol clock.
  void told(Instant now, NodeId child, const mesh::Dispatch& form, Duration lease);

  /// Where a child lives, or those do who were below it: only who was lost there before is not
  /// known to have moved.
  enum class Lives { kHere, kMoved, kAllBelowMoved };
  /// How the child stands now.
  void seen(Instant now, const mesh::ChildView& child, Lives lives);

  /// It does nothing but what it was told from here: it need not be released until it is counted
  /// (again). False for one that may have been told something else elsewhere.
  [[nodiscard]] bool keeps(const mesh::ChildView& child) const;

  /// It was released and has not said since that it follows nothing: the word may be lost.
  [[nodiscard]] bool owes_answer(NodeId child) const;

  [[nodiscard]] bool empty() const { return promises_.empty(); }

  /// Of a request in force at `market`: what children that are not counted may deliver of the same
  /// sign, at most the request.
  [[nodiscard]] Watts reserved(Instant now, MarketTime market, Watts request) const;

  /// For the parent: what they may deliver from now on, and whoever has not answered a release, of
  /// the sign of `asked`, be it more; of the sign that has more, if nothing is asked.
  [[nodiscard]] Watts outstanding(Instant now, MarketTime market, Watts asked) const;

 private:
  struct Told {
    Instant at{};
    Watts share;
    MarketTime until{};
    std::vector<mesh::Step> ahead;
  };
  struct Promise {
    std::deque<Told> told;  ///< within its last lease
    Watts doing;            ///< as it reported; it may have missed all of the above
    MarketTime doing_until{};
    Watts lost_below;  ///< of a group: what its lost sites may still do, as it reported
    Instant reported_at{};
    Instant expires{};
    std::optional<Instant> released_at;
    bool let_go = false;        ///< and it has said so
    mesh::Session session = 0;  ///< while it was counted last
    bool counted = true;        ///< gets a new share with every tick
  };
  enum class When : bool { kNow, kFromNow };
  void reported(const mesh::ChildView& child, Promise& promise) const;
  [[nodiscard]] static bool owes_answer(const Promise& promise) {
    return promise.released_at && !promise.let_go;
  }
  [[nodiscard]] static Watts most(const Promise& promise, MarketTime market, std::int64_t sign,
                                  When when);
  [[nodiscard]] Watts sum(Instant now, MarketTime market, std::int64_t sign, When when) const;

  std::map<NodeId, Promise> promises_;
  Duration hold_ = limits::kCutOffHold;  ///< the longest that an order went on without a word
};

}  // namespace vpp::node
