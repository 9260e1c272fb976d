#include "mesh/outbox.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "config/limits.h"

namespace vpp::mesh {
namespace {

/// `list` and what `older` tells of other nodes than it and `over` do.
std::vector<Attachment> united(const std::vector<Attachment>& list,
                               const std::vector<Attachment>& older,
                               const std::vector<Attachment>& over) {
  std::vector<Attachment> out = list;
  if (older.empty()) return out;
  std::set<NodeId> told;
  for (const Attachment& one : list) told.insert(one.node);
  for (const Attachment& one : over) told.insert(one.node);
  for (const Attachment& one : older) {
    if (!told.contains(one.node)) out.push_back(one);
  }
  return out;
}

}  // namespace

Lane lane_of(const Message& message) {
  if (std::holds_alternative<Dispatch>(message)) return Lane::kShare;
  const bool can_wait = std::holds_alternative<JournalPart>(message) ||
                        std::holds_alternative<ValueSignal>(message) ||
                        std::holds_alternative<PlannedLoad>(message) ||
                        std::holds_alternative<OwnerRates>(message);
  if (can_wait) return Lane::kBackfill;
  const bool live =
      std::holds_alternative<Report>(message) || std::holds_alternative<Beacon>(message);
  return live ? Lane::kLive : Lane::kControl;
}

bool absorb(Message& newer, const Message& older) {
  if (auto* beacon = std::get_if<Beacon>(&newer)) {
    const auto& before = std::get<Beacon>(older);
    if (beacon->alternates.empty()) beacon->alternates = before.alternates;
    return true;
  }
  // Orders of other programs and groups go on beside it.
  if (const auto* dispatch = std::get_if<Dispatch>(&newer)) {
    return dispatch->scope == std::get<Dispatch>(older).scope;
  }
  auto* report = std::get_if<Report>(&newer);
  if (report == nullptr) return true;
  // Whoever was announced or left out still is; a summary alone would not tell.
  const auto& before = std::get<Report>(older);
  if (before.session != report->session) return true;
  auto evicted = united(report->evicted, before.evicted, {});
  auto attached = united(report->attached, before.attached, evicted);
  if (std::max(evicted.size(), attached.size()) > limits::kAttachmentsMax) return false;
  report->evicted = std::move(evicted);
  report->attached = std::move(attached);
  return true;
}

}  // namespace vpp::mesh
