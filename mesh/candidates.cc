#include "mesh/candidates.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace vpp::mesh {
namespace {

constexpr int kMissesMax = 3;
constexpr Duration kUselessFor = std::chrono::minutes{10};
constexpr std::size_t kUselessMax = 32;  ///< a few floods of nonsense

bool holds(const std::vector<Endpoint>& list, const Endpoint& one) {
  return std::ranges::find(list, one) != list.end();
}

}  // namespace

Candidates::Candidates(std::vector<Endpoint> seeds, std::optional<Endpoint> own,
                       const std::vector<Endpoint>& alternates)
    : seeds_{std::move(seeds)}, own_{std::move(own)} {
  learn(alternates, Instant{});
}

bool Candidates::learn(const std::vector<Endpoint>& alternates, Instant now) {
  std::erase_if(useless_, [&](const auto& one) { return one.second <= now; });
  std::vector<Endpoint> merged;
  const auto add = [&](const Endpoint& endpoint) {
    const bool known = endpoint == own_ || holds(seeds_, endpoint) || holds(merged, endpoint);
    if (!known && !useless_.contains(endpoint)) merged.push_back(endpoint);
  };
  std::ranges::for_each(alternates, add);
  std::ranges::for_each(alternates_, add);
  while (merged.size() > limits::kAlternatesMax) {
    const auto last = std::ranges::find_if(
        merged.rbegin(), merged.rend(), [&](const Endpoint& one) { return !good_.contains(one); });
    merged.erase(last == merged.rend() ? std::prev(merged.end()) : std::prev(last.base()));
  }
  // A mere change of order is no news: it would be written to disk for nothing.
  const auto sorted = [](std::vector<Endpoint> list) {
    std::ranges::sort(list);
    return list;
  };
  if (sorted(merged) == sorted(alternates_)) return false;
  alternates_ = std::move(merged);
  std::erase_if(good_, [&](const Endpoint& one) { return !holds(alternates_, one); });
  std::erase_if(misses_, [&](const auto& one) { return !holds(alternates_, one.first); });
  return true;
}

void Candidates::answered(const Endpoint& endpoint) {
  misses_.erase(endpoint);
  if (holds(alternates_, endpoint)) good_.insert(endpoint);
}

void Candidates::missed(const Endpoint& endpoint, Instant now) {
  if (!holds(alternates_, endpoint) || good_.contains(endpoint)) return;
  if (++misses_[endpoint] < kMissesMax) return;
  misses_.erase(endpoint);
  std::erase(alternates_, endpoint);
  useless_[endpoint] = now + kUselessFor;
  if (useless_.size() <= kUselessMax) return;
  useless_.erase(
      std::ranges::min_element(useless_, {}, [](const auto& one) { return one.second; }));
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

std::size_t Candidates::useless(Instant now) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(useless_, [&](const auto& one) { return one.second > now; }));
}

std::vector<Candidate> Candidates::all() const {
  std::vector<Candidate> out;
  for (const auto* list : {&seeds_, &alternates_}) {
    for (const Endpoint& endpoint : *list) out.push_back({endpoint, out.size()});
  }
  return out;
}

}  // namespace vpp::mesh
