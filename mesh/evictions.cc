#include "mesh/evictions.h"

#include <algorithm>

namespace vpp::mesh {

void Evictions::ask(NodeId child, const Attachment& what) {
  Session& session = asked_[child][what.node];
  session = std::max(session, what.session);
}

bool Evictions::answer(NodeId child, const Attachment& what) {
  const auto of_child = asked_.find(child);
  if (of_child == asked_.end()) return false;
  const auto question = of_child->second.find(what.node);
  if (question == of_child->second.end() || what.session < question->second) return false;
  of_child->second.erase(question);
  if (of_child->second.empty()) asked_.erase(of_child);
  return true;
}

std::vector<NodeId> Evictions::forget(NodeId child) {
  std::vector<NodeId> nodes;
  for (const Attachment& one : asked_of(child)) nodes.push_back(one.node);
  asked_.erase(child);
  return nodes;
}

bool Evictions::open(NodeId node, NodeId except) const {
  return std::ranges::any_of(
      asked_, [&](const auto& one) { return one.first != except && one.second.contains(node); });
}

std::vector<Attachment> Evictions::asked_of(NodeId child) const {
  std::vector<Attachment> out;
  const auto found = asked_.find(child);
  if (found == asked_.end()) return out;
  for (const auto& [node, session] : found->second) out.push_back({node, session});
  return out;
}

}  // namespace vpp::mesh
