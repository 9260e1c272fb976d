#include "tests/sim/trace.h"

#include <algorithm>

namespace vpp::sim {

void Trace::write(WorldTime at, NodeIndex node, std::string_view kind, const std::string& detail) {
  const auto ms = at.time_since_epoch().count();
  std::string fraction = std::to_string(ms % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  const std::string who = node == kNobody ? "world" : "node " + std::to_string(node);
  lines_.push_back({node, std::to_string(ms / 1000) + "." + fraction + "  " + who + "  " +
                              std::string{kind} + "  " + detail});
  if (lines_.size() > lines_max_) lines_.pop_front();
}

std::vector<std::string> Trace::last(NodeIndex node, std::size_t count) const {
  std::vector<std::string> out;
  for (auto line = lines_.rbegin(); line != lines_.rend() && out.size() < count; ++line) {
    if (node == kNobody || line->node == node || line->node == kNobody) out.push_back(line->text);
  }
  std::ranges::reverse(out);
  return out;
}

}  // namespace vpp::sim
