#include "tools/vppctl/tree_view.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

constexpr std::size_t kMovesShown = 6;
constexpr std::size_t kEventsShown = 4;
constexpr std::size_t kNameMax = 28;
constexpr std::size_t kRoomForPower = 76;  ///< narrower terminals do without

Style style_of(const TreeNode& node) {
  if (node.state == "lost" || node.state == "between") return Style::kBad;
  if (node.state == "stale" || (node.attached && !node.counted)) return Style::kWarning;
  return node.state == "drained" ? Style::kDim : Style::kGood;
}

/// A leaf as one character.
char mark_of(const TreeNode& node) {
  if (node.state == "lost" || node.state == "between") return 'x';
  if (node.state == "stale") return '~';
  if (node.state == "drained") return 'd';
  return node.attached && !node.counted ? '+' : '#';
}

std::string ago(std::int64_t now_ms, std::int64_t at_ms) {
  return fmt::format("{} s ago", std::max<std::int64_t>(0, now_ms - at_ms) / 1000);
}

std::string sites(const Document& coverage) {
  if (!coverage.is_object()) return "";
  return fmt::format("{}/{} sites", plain(member(coverage, "online")),
                     plain(member(coverage, "enrolled")));
}

void clip(Line& line, std::size_t width) {
  std::size_t left = width;
  for (Span& span : line) {
    if (span.text.size() > left) span.text.resize(left);
    left -= span.text.size();
  }
}

class Painter {
 public:
  Painter(const TreeModel& model, std::int64_t now_ms, const ViewSize& size)
      : model_{model}, now_ms_{now_ms}, size_{size} {}

  [[nodiscard]] std::vector<Line> head() const {
    std::vector<Line> out;
    Line first{{fmt::format("{}  {} UTC", model_.name_of(model_.top()), clock_text(now_ms_)),
                Style::kBold}};
    first.push_back({"  Ctrl-C ends", Style::kDim});
    for (const std::string& socket : model_.silent()) {
      first.push_back({"  no answer: " + socket, Style::kBad});
    }
    out.push_back(std::move(first));
    out.push_back(totals());
    return out;
  }

  [[nodiscard]] std::vector<Line> tree(bool strips) const {
    std::vector<Line> out;
    if (const TreeNode* top = model_.find(model_.top())) branch(*top, 0, strips, out);
    for (const TreeNode* lost : model_.children("")) branch(*lost, 1, strips, out);
    return out;
  }

  [[nodiscard]] std::vector<Line> moves() const {
    std::vector<Line> out;
    const auto& all = model_.moves();
    const auto fresh = std::ranges::count_if(
        all, [&](const TreeMove& move) { return now_ms_ - move.at_ms <= TreeModel::kFreshMs; });
    if (fresh == 0) return out;
    out.push_back({{fmt::format("MOVES  {} in the last {} s", fresh, TreeModel::kFreshMs / 1000),
                    Style::kMoved}});
    for (auto it = all.rbegin(); it != all.rend() && out.size() <= kMovesShown; ++it) {
      if (now_ms_ - it->at_ms > TreeModel::kFreshMs) break;
      out.push_back({{fmt::format("  {}  {}", clock_text(it->at_ms), to_string(*it))}});
    }
    return out;
  }

  [[nodiscard]] static std::vector<Line> events(const std::deque<Document>& newest) {
    std::vector<Line> out;
    const std::size_t skip = newest.size() > kEventsShown ? newest.size() - kEventsShown : 0;
    for (std::size_t i = skip; i < newest.size(); ++i) {
      const Document& event = newest[i];
      const auto& at = member(event, "utc_ms");
      const auto& severity = member(event, "severity");
      const Style style = severity == "error"     ? Style::kBad
                          : severity == "warning" ? Style::kWarning
                                                  : Style::kDim;
      out.push_back(
          {{fmt::format("  {}  ", at.is_number() ? clock_text(at.get<std::int64_t>()) : "-"),
            Style::kDim},
           {fmt::format("{} {}: {}", plain(member(event, "node")), plain(member(event, "code")),
                        plain(member(event, "text"))),
            style}});
    }
    if (!out.empty()) out.insert(out.begin(), Line{{"EVENTS", Style::kBold}});
    return out;
  }

 private:
  [[nodiscard]] Line totals() const {
    const Document& coverage = model_.coverage();
    if (!coverage.is_object()) return {{"SITES  unknown", Style::kBad}};
    const bool whole = member(coverage, "online") == member(coverage, "enrolled");
    Line line{{fmt::format("SITES  {}/{} counted", plain(member(coverage, "online")),
                           plain(member(coverage, "enrolled"))),
               whole ? Style::kGood : Style::kWarning}};
    const auto some = [&](const char* what, const Document& number, Style style) {
      if (number.is_number() && number.get<std::int64_t>() > 0) {
        line.push_back({fmt::format("  {} {}", plain(number), what), style});
      }
    };
    some("stale", member(coverage, "stale"), Style::kWarning);
    some("offline", member(coverage, "offline"), Style::kBad);
    some("between parents", Document(model_.count("between")), Style::kBad);
    some("resting", Document(model_.count("drained")), Style::kDim);
    line.push_back({fmt::format("   {} of {} asked", kilowatts(sum("measured_w"), true),
                                kilowatts(sum("asked_w"), true)),
                    Style::kPlain});
    return line;
  }

  /// Over the children of the first daemon that are counted; null: none is known.
  [[nodiscard]] Document sum(const char* key) const {
    Document out;
    for (const TreeNode* child : model_.children(model_.top())) {
      const Document& value = member(child->values, key);
      if (!child->counted || !value.is_number()) continue;
      out = value.get<std::int64_t>() + (out.is_null() ? 0 : out.get<std::int64_t>());
    }
    return out;
  }

  [[nodiscard]] Line node_line(const TreeNode& node, std::size_t depth) const {
    const TreeMove* move = model_.fresh_move(node.id, now_ms_);
    const Style style = move != nullptr ? Style::kMoved : style_of(node);
    const std::string name = std::string(2 * depth, ' ') + (move != nullptr ? "*" : "") + node.name;
    Line line{{fmt::format("{:<{}} ", name.substr(0, kNameMax), name_width_), style},
              {fmt::format("{:<8} ", node.state == "between" ? "moving" : node.state), style}};
    const bool is_top = node.id == model_.top();
    const std::string covered = is_top ? "" : sites(member(node.values, "coverage"));
    line.push_back({fmt::format("{:<14} {:>8}", covered,
                                is_top ? "" : age(member(node.values, "heard_age_ms"))),
                    Style::kDim});
    if (size_.width >= kRoomForPower && !is_top && node.attached) {
      line.push_back(
          {fmt::format("  {:>10} of {:>10}", kilowatts(member(node.values, "measured_w"), true),
                       kilowatts(member(node.values, "asked_w"), true))});
    }
    if (node.attached && !node.counted) line.push_back({"  not counted yet", Style::kWarning});
    if (move != nullptr) {
      line.push_back(
          {fmt::format("  from {}, {}, {}", move->from, move->reason, ago(now_ms_, move->at_ms)),
           Style::kMoved});
    }
    return line;
  }

  void strip(const std::vector<const TreeNode*>& leaves, std::size_t depth,
             std::vector<Line>& out) const {
    const std::size_t indent = 2 * depth;
    const std::size_t room = size_.width > indent + 1 ? size_.width - indent : 1;
    for (std::size_t i = 0; i < leaves.size(); i += room) {
      Line line{{std::string(indent, ' ')}};
      for (std::size_t j = i; j < std::min(leaves.size(), i + room); ++j) {
        const bool moved = model_.fresh_move(leaves[j]->id, now_ms_) != nullptr;
        const Style style = moved ? Style::kMoved : style_of(*leaves[j]);
        const char mark = moved && mark_of(*leaves[j]) == '#' ? '*' : mark_of(*leaves[j]);
        if (line.back().style != style) line.push_back({"", style});
        line.back().text.push_back(mark);
      }
      out.push_back(std::move(line));
    }
  }

  void branch(const TreeNode& node, std::size_t depth, bool strips, std::vector<Line>& out) const {
    out.push_back(node_line(node, depth));
    std::vector<const TreeNode*> leaves;
    for (const TreeNode* child : model_.children(node.id)) {
      if (strips && child->role == "leaf") {
        leaves.push_back(child);
      } else {
        branch(*child, depth + 1, strips, out);
      }
    }
    strip(leaves, depth + 1, out);
    const Document& below = member(node.values, "descendants");
    if (!node.answers && node.attached && below.is_array() && !below.empty()) {
      out.push_back({{fmt::format("{}{} nodes below; give its --socket to see them",
                                  std::string(2 * depth + 2, ' '), below.size()),
                      Style::kDim}});
    }
  }

  const TreeModel& model_;
  std::int64_t now_ms_;
  ViewSize size_;
  std::size_t name_width_ = widest_name();

  [[nodiscard]] std::size_t widest_name() const {
    std::size_t widest = 0;
    for (const auto& [id, node] : model_.nodes()) widest = std::max(widest, node.name.size() + 5);
    return std::min(widest, kNameMax);
  }
};

const char* escape_of(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kWarning:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kMoved:
      return "\x1b[1;36m";
  }
  return "";
}

}  // namespace

std::vector<Line> render(const TreeModel& model, std::int64_t now_ms, const ViewSize& size,
                         const std::deque<Document>& newest_events) {
  const Painter painter{model, now_ms, size};
  std::vector<Line> out = painter.head();
  std::vector<Line> tail = painter.moves();
  std::ranges::move(Painter::events(newest_events), std::back_inserter(tail));
  const std::size_t room = size.height > out.size() ? size.height - out.size() : 0;
  std::vector<Line> body = painter.tree(false);
  if (body.size() + tail.size() > room) {
    body = painter.tree(true);
    body.push_back(
        {{"# counted  + not counted yet  * just moved  ~ stale  d resting  x gone", Style::kDim}});
  }
  // The tree comes first; what is left is for the newest below it.
  if (body.size() > room) {
    const std::size_t hidden = body.size() - room + 1;
    body.resize(room > 0 ? room - 1 : 0);
    if (room > 0) body.push_back({{fmt::format("... {} more lines", hidden), Style::kDim}});
  }
  const std::size_t left = room - std::min(room, body.size());
  if (tail.size() > left) tail.resize(left);
  std::ranges::move(body, std::back_inserter(out));
  std::ranges::move(tail, std::back_inserter(out));
  if (out.size() > size.height) out.resize(size.height);
  for (Line& line : out) clip(line, size.width);
  return out;
}

std::string to_terminal(const Line& line, bool colour) {
  std::string out;
  for (const Span& span : line) {
    const bool styled = colour && span.style != Style::kPlain && !span.text.empty();
    if (styled) out += escape_of(span.style);
    out += span.text;
    if (styled) out += "\x1b[0m";
  }
  if (!colour) out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string to_string(const TreeMove& move) {
  return fmt::format("{}: {} -> {} ({})", move.name, move.from, move.to, move.reason);
}

std::string clock_text(std::int64_t utc_ms) {
  const std::chrono::system_clock::time_point at{std::chrono::milliseconds{utc_ms}};
  return fmt::format("{:%H:%M:%S}", fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

}  // namespace vpp::ctl
