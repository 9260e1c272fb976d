#include "mesh/balance.h"

#include <algorithm>
#include <ranges>

namespace vpp::mesh {
namespace {

std::uint32_t sites_of(const std::vector<Balance::Load>& loads, NodeId group) {
  const auto found = std::ranges::find(loads, group, &Balance::Load::group);
  return found == loads.end() ? 0 : found->sites;
}

}  // namespace

std::optional<Balance::Request> Balance::look(Instant now, std::vector<Load> loads) {
  std::ranges::sort(loads, [](const Load& a, const Load& b) {
    return std::pair{b.sites, a.group} < std::pair{a.sites, b.group};
  });
  std::erase_if(vain_, [&](const auto& one) { return one.second <= now; });
  auto* round = std::get_if<Levelling>(&state_);
  if (round != nullptr && now < round->next) return std::nullopt;
  if (round != nullptr) {
    note_vain(now, *round, loads);
  } else if (!widest(loads, Degree::kFar)) {
    state_ = Calm{};
    return std::nullopt;
  } else if (std::holds_alternative<Calm>(state_)) {
    state_ = Uneven{now};
  }
  const auto* uneven = std::get_if<Uneven>(&state_);
  if (uneven != nullptr && now - uneven->since < patience_) return std::nullopt;
  const auto request = widest(loads, Degree::kNear);
  if (!request) {
    state_ = Calm{};
    return std::nullopt;
  }
  const std::uint32_t difference = sites_of(loads, request->from) - sites_of(loads, request->to);
  state_ = Levelling{now + kRound, *request, difference};
  return request;
}

/// Of the sorted loads the fullest and the emptiest between which it is not in vain.
std::optional<Balance::Request> Balance::widest(const std::vector<Load>& loads, Degree than) const {
  for (const Load& full : loads) {
    for (const Load& empty : loads | std::views::reverse) {
      const std::uint64_t most = than == Degree::kFar
                                     ? std::uint64_t{empty.sites} * 2 + kFar
                                     : std::uint64_t{empty.sites} + empty.sites / 4 + kNear;
      if (full.sites <= most) break;  // nor is it fuller than those that carry more
      if (vain_.contains({full.group, empty.group})) continue;
      const std::uint32_t half = (full.sites - empty.sites) / 2;
      return Request{full.group, empty.group, std::min(half, kAtOnce)};
    }
  }
  return std::nullopt;
}

void Balance::note_vain(Instant now, const Levelling& round, const std::vector<Load>& loads) {
  const std::uint32_t from = sites_of(loads, round.asked.from);
  const std::uint32_t to = sites_of(loads, round.asked.to);
  if (from >= to && from - to >= round.difference) {
    vain_[{round.asked.from, round.asked.to}] = now + kVain;
  }
}

}  // namespace vpp::mesh
