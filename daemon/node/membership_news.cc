#include "daemon/node/membership_news.h"

#include <algorithm>
#include <utility>

namespace vpp::node {
namespace {

std::string named(const mesh::ChildView& child) {
  return child.name.empty() ? to_string(child.id) : child.name;
}

std::string short_id(NodeId id) {
  return to_string(id).substr(0, 12);
}

}  // namespace

void MembershipNews::changed(Instant now) {
  if (due_ == kNever) due_ = std::max(now, told_at_ + kSpacing);
}

std::optional<MembershipNews::Change> MembershipNews::change(const Known* before,
                                                             const mesh::ChildView& child) {
  const bool was_attached = before != nullptr && before->attached;
  if (child.attached) {
    const bool same = was_attached && before->session == child.session;
    return same ? std::nullopt : std::optional{Change::kAttached};
  }
  if (child.moved) {
    const bool known = before != nullptr && before->moved;
    return known ? std::nullopt : std::optional{Change::kMoved};
  }
  if (!was_attached) return std::nullopt;
  return child.left ? Change::kLeft : Change::kLost;
}

std::vector<Notice> MembershipNews::advance(Instant now, const mesh::Children& children) {
  if (now < due_) return {};
  std::map<Change, std::vector<std::string>> who;
  std::map<NodeId, Known> known;
  for (const mesh::ChildView& child : children.view({now, {}, 1})) {
    const auto before = known_.find(child.id);
    const auto what = change(before == known_.end() ? nullptr : &before->second, child);
    known.emplace(child.id, Known{child.session, child.attached, child.moved});
    if (!what) continue;
    std::string line = named(child);
    if (*what == Change::kAttached) {
      line += ", session " + std::to_string(child.session);
      if (child.last_parent) line += ", last below " + short_id(*child.last_parent);
    }
    who[*what].push_back(std::move(line));
  }
  known_ = std::move(known);
  told_at_ = now;
  due_ = kNever;
  std::vector<Notice> out;
  for (const auto& [what, names] : who) tell(what, names, out);
  return out;
}

void MembershipNews::tell(Change change, const std::vector<std::string>& who,
                          std::vector<Notice>& out) const {
  struct Words {
    Severity severity;
    const char* code;
    const char* one;
    const char* many;
  };
  const auto words = [&]() -> Words {
    switch (change) {
      case Change::kAttached:
        return {Severity::kInfo, "VPP_CHILD_ATTACHED", "attached: ", " children attached"};
      case Change::kLeft:
        return {Severity::kInfo, "VPP_CHILD_LEFT", "said goodbye: ", " children said goodbye"};
      case Change::kLost:
        return {Severity::kWarning, "VPP_CHILD_LOST", "lost: ", " children lost"};
      case Change::kMoved:
        return {Severity::kInfo, "VPP_CHILD_MOVED",
                "moved to another parent: ", " children moved to another parent"};
    }
    return {};
  }();
  const std::size_t named = who.size() > kNamedMax ? 0 : who.size();
  for (std::size_t i = 0; i < named; ++i) {
    out.push_back({words.severity, words.code, words.one + who[i]});
  }
  if (named > 0) return;
  out.push_back({words.severity, words.code,
                 std::to_string(who.size()) + words.many + " in the last second"});
}

}  // namespace vpp::node
