// Where a parent may be found: the seeds of the config, then the alternates learned. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "config/ids.h"
#include "config/time.h"

namespace vpp::mesh {

struct Candidate {
  Endpoint to;
  std::size_t place = 0;  ///< seeds first, in the order of the config
};

/// Bounded: the seeds and kAlternatesMax alternates, newest knowledge first. Peers may tell any
/// nonsense: who has answered is never pushed out by hearsay, and who never does is forgotten, and
/// not learned again for a while.
class Candidates {
 public:
  Candidates(std::vector<Endpoint> seeds, std::optional<Endpoint> own,
             const std::vector<Endpoint>& alternates);

  /// True when the list changed. This node's own endpoint and its seeds are left out.
  bool learn(const std::vector<Endpoint>& alternates, Instant now);

  /// It answered a Probe, or did not.
  void answered(const Endpoint& endpoint);
  void missed(const Endpoint& endpoint, Instant now);

  /// Leaves this one alone for a while: it refused us.
  void avoid(const Endpoint& endpoint, Instant until);

  [[nodiscard]] std::vector<Candidate> usable(Instant now) const;
  /// The whole list but `held`, avoided ones left out; for a look around while attached.
  [[nodiscard]] std::vector<Candidate> others(Instant now, const Endpoint& held) const;
  /// When the first avoided one may be asked again; kNever when none is avoided.
  [[nodiscard]] Instant next_usable(Instant now) const;

  /// How many were told, never answered, and are not learned again for a while.
  [[nodiscard]] std::size_t useless(Instant now) const;

  [[nodiscard]] const std::vector<Endpoint>& seeds() const { return seeds_; }
  [[nodiscard]] const std::vector<Endpoint>& alternates() const { return alternates_; }

 private:
  [[nodiscard]] std::vector<Candidate> all() const;

  std::vector<Endpoint> seeds_;
  std::optional<Endpoint> own_;
  std::vector<Endpoint> alternates_;
  std::set<Endpoint> good_;         ///< of `alternates_`: it has answered
  std::map<Endpoint, int> misses_;  ///< in a row, of those that never answered
  std::map<Endpoint, Instant> useless_;
  std::map<Endpoint, Instant> avoided_;
};

}  // namespace vpp::mesh
