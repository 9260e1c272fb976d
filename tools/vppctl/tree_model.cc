#include "tools/vppctl/tree_model.h"

#include <algorithm>
#include <utility>

#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

bool truth(const Document& value) {
  return value.is_boolean() && value.get<bool>();
}

std::string text(const Document& value) {
  return value.is_string() ? value.get<std::string>() : std::string{};
}

/// Names come from peers: none may steer the operator's terminal.
std::string name(const Document& value) {
  std::string out = text(value);
  std::ranges::replace_if(out, [](unsigned char c) { return c < 0x20U || c == 0x7fU; }, '?');
  return out;
}

}  // namespace

std::vector<TreeMove> TreeModel::see(std::int64_t now_ms, const std::vector<TreeAnswer>& answers) {
  std::map<std::string, TreeNode> seen;
  if (!begun_ms_) begun_ms_ = now_ms;
  silent_.clear();
  coverage_ = {};
  own_moves_.clear();
  for (const TreeAnswer& answer : answers) {
    if (!answer.tree) {
      silent_.push_back(answer.socket);
      continue;
    }
    if (&answer == &answers.front()) {
      top_ = text(member(member(*answer.tree, "node"), "id"));
      coverage_ = member(*answer.tree, "coverage");
    }
    take(*answer.tree, seen);
  }
  keep_missing(seen);
  std::vector<TreeMove> fresh;
  for (const auto& [id, node] : seen) {
    if (!node.attached) continue;
    const auto from = moved_from(now_ms, node);
    if (!from) continue;
    TreeNode before = node;
    before.parent = *from;
    fresh.push_back(
        {now_ms, id, node.name, name_of(*from), name_of(node.parent), why(before, node, seen)});
  }
  nodes_ = std::move(seen);
  for (const TreeMove& move : fresh) {
    last_move_[move.id] = move;
    moves_.push_back(move);
    if (moves_.size() > kMovesKept) moves_.pop_front();
  }
  return fresh;
}

/// Two looks may miss a stay in between, and a parent that never answered: then the parent now
/// tells where the node came from.
std::optional<std::string> TreeModel::moved_from(std::int64_t now_ms, const TreeNode& node) {
  const auto known = attached_.find(node.id);
  const bool first = known == attached_.end();
  const Stay before = first ? Stay{} : known->second;
  attached_[node.id] = {node.parent, node.session};
  if (!first && before.parent != node.parent) return before.parent;
  const Document& age = member(node.values, "attached_age_ms");
  const bool since = first
                         ? age.is_number_integer() && now_ms - age.get<std::int64_t>() > *begun_ms_
                         : node.session > before.session;
  const std::string told = text(member(node.values, "last_parent"));
  return since && !told.empty() && told != node.parent ? std::optional{told} : std::nullopt;
}

void TreeModel::take(const Document& tree, std::map<std::string, TreeNode>& into) {
  const Document& self = member(tree, "node");
  const std::string id = text(member(self, "id"));
  if (id.empty()) return;
  names_[id] = name(member(self, "name"));
  TreeNode& node = into[id];
  node.id = id;
  node.name = names_[id];
  node.role = text(member(self, "role"));
  node.answers = true;
  // Who is attached is for the parent to say; a node knows best how it is otherwise.
  if (node.state.empty() || member(self, "state") == "drained")
    node.state = text(member(self, "state"));
  if (const Document& move = member(self, "last_move"); move.is_object()) own_moves_[id] = move;
  for (const Document& child : member(tree, "children")) place(child, id, into);
}

void TreeModel::place(const Document& child, const std::string& parent,
                      std::map<std::string, TreeNode>& into) {
  const std::string id = text(member(child, "id"));
  if (id.empty()) return;
  names_[id] = name(member(child, "name"));
  TreeNode& node = into[id];
  const bool attached = truth(member(child, "attached"));
  const auto& number = member(child, "session");
  const std::uint64_t session = number.is_number_unsigned() ? number.get<std::uint64_t>() : 0;
  // A parent that has lost it may still show it: the newest session is where it is.
  const bool better = node.parent.empty() || (attached && !node.attached) ||
                      (attached == node.attached && session > node.session);
  if (!better) return;
  const bool rests = node.answers && node.state == "drained";
  node.id = id;
  node.name = names_[id];
  node.role = text(member(child, "role"));
  if (!rests) node.state = text(member(child, "state"));
  node.parent = parent;
  node.session = session;
  node.attached = attached;
  node.counted = truth(member(child, "counted"));
  node.values = child;
}

/// Nobody tells of them any more: on their way, or below somebody who does not answer.
void TreeModel::keep_missing(std::map<std::string, TreeNode>& into) const {
  for (const auto& [id, before] : nodes_) {
    if (into.contains(id) || id == top_) continue;
    const auto parent = into.find(before.parent);
    const bool asked = parent != into.end() && parent->second.answers;
    TreeNode& node = into[id] = before;
    node.attached = node.counted = node.answers = false;
    node.state = "between";
    node.values = {};
    if (asked) node.parent.clear();  // its parent says that it is gone
  }
}

std::string TreeModel::why(const TreeNode& before, const TreeNode& now,
                           const std::map<std::string, TreeNode>& all) const {
  if (const auto told = own_moves_.find(now.id); told != own_moves_.end()) {
    return text(member(told->second, "reason"));
  }
  const auto old = all.find(before.parent);
  if (old == all.end() || old->second.state == "between") return "parent gone";
  const TreeNode* earlier = find(before.parent);
  const bool went_silent = earlier != nullptr && earlier->answers && !old->second.answers;
  if (went_silent) return "parent lost";
  if (old->second.state == "lost") return "parent lost";
  if (old->second.state == "drained") return "parent drained";
  return "found a better one";
}

std::vector<const TreeNode*> TreeModel::children(std::string_view id) const {
  std::vector<const TreeNode*> out;
  for (const auto& [key, node] : nodes_) {
    if (node.parent == id && key != top_) out.push_back(&node);
  }
  std::ranges::sort(out, {}, &TreeNode::name);
  return out;
}

const TreeNode* TreeModel::find(std::string_view id) const {
  const auto found = nodes_.find(std::string{id});
  return found == nodes_.end() ? nullptr : &found->second;
}

std::string TreeModel::name_of(const std::string& id) const {
  const auto found = names_.find(id);
  if (found != names_.end() && !found->second.empty()) return found->second;
  return id.substr(0, 12);
}

const TreeMove* TreeModel::fresh_move(std::string_view id, std::int64_t now_ms) const {
  const auto found = last_move_.find(std::string{id});
  if (found == last_move_.end() || now_ms - found->second.at_ms > kFreshMs) return nullptr;
  return &found->second;
}

std::size_t TreeModel::count(std::string_view state) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      nodes_, [&](const auto& entry) { return entry.second.state == state; }));
}

}  // namespace vpp::ctl
