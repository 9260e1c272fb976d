// What `vppctl tree --watch` knows: one tree out of the documents of several daemons, and who has
// moved since the last look. Pure: documents and the time in.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/vppctl/client.h"

namespace vpp::ctl {

/// One node, as the best informed daemon sees it.
struct TreeNode {
  std::string id;
  std::string name;
  std::string role;
  std::string state;   ///< "alive", "stale", "lost", "drained"; "between" parents
  std::string parent;  ///< id; empty: nobody told of one
  std::uint64_t session = 0;
  bool attached = false;
  bool counted = false;
  bool answers = false;  ///< its own daemon was asked and told what is below it
  Document values;       ///< of its element in a tree document: ages, power, coverage
};

struct TreeMove {
  std::int64_t at_ms = 0;
  std::string id;
  std::string name;
  std::string from;    ///< name of the parent before
  std::string to;      ///< name of the parent now
  std::string reason;  ///< as the node itself says, else as far as it can be seen from outside
};

/// What one daemon answered to GET /v1/tree; nothing: it did not.
struct TreeAnswer {
  std::string socket;
  std::optional<Document> tree;
};

class TreeModel {
 public:
  static constexpr std::int64_t kFreshMs = 10'000;  ///< so long a move is shown
  static constexpr std::size_t kMovesKept = 1'000;

  /// Replaces the picture. Returns the moves that it brought to light.
  std::vector<TreeMove> see(std::int64_t now_ms, const std::vector<TreeAnswer>& answers);

  [[nodiscard]] const std::map<std::string, TreeNode>& nodes() const { return nodes_; }
  /// By name.
  [[nodiscard]] std::vector<const TreeNode*> children(std::string_view id) const;
  [[nodiscard]] const std::string& top() const { return top_; }
  [[nodiscard]] const TreeNode* find(std::string_view id) const;
  [[nodiscard]] std::string name_of(const std::string& id) const;

  /// Of the first daemon: its sites. Null while it does not answer.
  [[nodiscard]] const Document& coverage() const { return coverage_; }
  [[nodiscard]] const std::vector<std::string>& silent() const { return silent_; }

  [[nodiscard]] const std::deque<TreeMove>& moves() const { return moves_; }
  [[nodiscard]] const TreeMove* fresh_move(std::string_view id, std::int64_t now_ms) const;
  [[nodiscard]] std::size_t count(std::string_view state) const;

 private:
  void take(const Document& tree, std::map<std::string, TreeNode>& into);
  void place(const Document& child, const std::string& parent,
             std::map<std::string, TreeNode>& into);
  void keep_missing(std::map<std::string, TreeNode>& into) const;
  /// Where it was before; nothing: it is where it was last seen.
  [[nodiscard]] std::optional<std::string> moved_from(std::int64_t now_ms, const TreeNode& node);
  [[nodiscard]] std::string why(const TreeNode& before, const TreeNode& now,
                                const std::map<std::string, TreeNode>& all) const;

  struct Stay {
    std::string parent;
    std::uint64_t session = 0;
  };

  std::optional<std::int64_t> begun_ms_;  ///< first look
  std::map<std::string, TreeNode> nodes_;
  std::map<std::string, std::string> names_;   ///< of every node ever seen
  std::map<std::string, Stay> attached_;       ///< where each was last seen attached
  std::map<std::string, Document> own_moves_;  ///< last move, told by the node itself
  std::map<std::string, TreeMove> last_move_;
  std::deque<TreeMove> moves_;
  std::string top_;
  Document coverage_;
  std::vector<std::string> silent_;
};

}  // namespace vpp::ctl
