#include "mesh/candidates.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace vpp::mesh {
namespace {

bool holds(const std::vector<Endpoint>& list, const Endpoint& one) {
  return std::ranges::find(list, one) != list.end();
}

}  // namespace

Candidates::Candidates(std::vector<Endpoint> seeds, std::optional<Endpoint> own,
                       const std::vector<Endpoint>& alternates)
    : seeds_{std::move(seeds)}, own_{std::move(own)} {
  learn(alternates);
}

bool Candidates::learn(const std::vector<Endpoint>& alternates) {
  std::vector<Endpoint> merged;
  const auto add = [&](const Endpoint& endpoint) {
    const bool known = endpoint == own_ || holds(seeds_, endpoint) || holds(merged, endpoint);
    if (!known && merged.size() < limits::kAlternatesMax) merged.push_back(endpoint);
  };
  std::ranges::for_each(alternates, add);
  std::ranges::for_each(alternates_, add);
  // A mere change of order is no news: it would be written to disk for nothing.
  const auto sorted = [](std::vector<Endpoint> list) {
    std::ranges::sort(list);
    return list;
  };
  if (sorted(merged) == sorted(alternates_)) return false;
  alternates_ = std::move(merged);
  return true;
}

void Candidates::avoid(const Endpoint& endpoint, Instant until) {
  auto& entry = avoided_[endpoint];
  entry = std::max(entry, until);
  std::erase_if(avoided_, [&](const auto& one) {  // bounded by what is known
    return !holds(seeds_, one.first) && !holds(alternates_, one.first);
  });
}

std::vector<Candidate> Candidates::usable(Instant now) const {
  std::vector<Candidate> out = all();
  std::erase_if(out, [&](const Candidate& one) {
    const auto found = avoided_.find(one.to);
    return found != avoided_.end() && found->second > now;
  });
  return out;
}

std::vector<Candidate> Candidates::others(Instant now, const Endpoint& held) const {
  std::vector<Candidate> out = usable(now);
  std::erase_if(out, [&](const Candidate& one) { return one.to == held; });
  return out;
}

Instant Candidates::next_usable(Instant now) const {
  Instant due = kNever;
  for (const auto& [endpoint, until] : avoided_) {
    if (until > now) due = std::min(due, until);
  }
  return due;
}

std::vector<Candidate> Candidates::all() const {
  std::vector<Candidate> out;
  for (const auto* list : {&seeds_, &alternates_}) {
    for (const Endpoint& endpoint : *list) out.push_back({endpoint, out.size()});
  }
  return out;
}

}  // namespace vpp::mesh
