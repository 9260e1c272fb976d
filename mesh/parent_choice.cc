#include "mesh/parent_choice.h"

#include <algorithm>

#include "config/limits.h"

namespace vpp::mesh {
bool crowded(const ProbeAck& answer) {
  const std::uint64_t slots = std::uint64_t{answer.children} + answer.free_slots;
  return std::uint64_t{answer.free_slots} * 4 < slots;
}

std::optional<Unfit> unfit_path(const Seeker& seeker, const Path& path, std::uint64_t term) {
  if (path.empty()) return Unfit::kNoRoot;
  if (term < seeker.term) return Unfit::kOldTerm;
  if (std::ranges::find(path, seeker.self) != path.end()) return Unfit::kLoop;
  // An aggregator needs one more level for its own children.
  const std::size_t levels = path.size() + (seeker.role == Role::kLeaf ? 1 : 2);
  if (levels > limits::kDepthMax) return Unfit::kTooDeep;
  return std::nullopt;
}

std::optional<Unfit> unfit(const Seeker& seeker, const ProbeAck& answer) {
  if (const auto why = unfit_path(seeker, answer.path, answer.term)) return why;
  if (answer.free_slots == 0) return Unfit::kFull;
  return std::nullopt;
}

std::size_t rank_of(Role role, std::size_t path_length) {
  return role == Role::kLeaf ? std::max<std::size_t>(path_length, 2) : path_length;
}

bool wanted_more(const Seeker& seeker, const Offer& a, const Offer& b) {
  const auto rank = [&](const Offer& o) { return rank_of(seeker.role, o.answer.path.size()); };
  const auto same_region = [&](const Offer& o) { return o.answer.region == seeker.region; };
  if (a.answer.term != b.answer.term) return a.answer.term > b.answer.term;
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  if (same_region(a) != same_region(b)) return same_region(a);
  if (crowded(a.answer) != crowded(b.answer)) return crowded(b.answer);
  return a.place < b.place;
}

bool worth_moving(const Seeker& seeker, const Held& held, const Offer& offer, std::size_t seeds) {
  const std::size_t rank = rank_of(seeker.role, held.path_length);
  const std::size_t offered = rank_of(seeker.role, offer.answer.path.size());
  if (offer.answer.term != seeker.term) return offer.answer.term > seeker.term;
  if (offered != rank) return offered < rank && offer.place < seeds;
  if (held.same_region && offer.answer.region != seeker.region) return false;
  if (crowded(offer.answer)) return false;
  return offer.place < seeds && offer.place < held.place;
}

}  // namespace vpp::mesh
