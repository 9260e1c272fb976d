// The picture of `vppctl tree --watch`: a tree model as lines for a terminal of any size. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tools/vppctl/client.h"
#include "tools/vppctl/tree_model.h"

namespace vpp::ctl {

enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kWarning, kBad, kMoved };

struct Span {
  std::string text;
  Style style = Style::kPlain;
};
using Line = std::vector<Span>;

struct ViewSize {
  std::size_t width = 80;
  std::size_t height = 24;
};

/// At most size.height lines of at most size.width characters. Lists every node while they fit;
/// then the leaves become one character each.
[[nodiscard]] std::vector<Line> render(const TreeModel& model, std::int64_t now_ms,
                                       const ViewSize& size,
                                       const std::deque<Document>& newest_events);

[[nodiscard]] std::string to_terminal(const Line& line, bool colour);

/// "home-001: agg-1 -> agg-2 (parent lost)".
[[nodiscard]] std::string to_string(const TreeMove& move);

/// UTC: "14:03:12".
[[nodiscard]] std::string clock_text(std::int64_t utc_ms);

}  // namespace vpp::ctl
