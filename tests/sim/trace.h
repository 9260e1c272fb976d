// What happened, in order: always as a hash, on request also as text.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/digest.h"
#include "tests/sim/world_clock.h"

namespace vpp::sim {

class Trace {
 public:
  /// `lines_max` 0: no text. The oldest lines are forgotten first.
  explicit Trace(std::size_t lines_max) : lines_max_{lines_max} {}

  /// `detail()` makes the text; it is called only where text is wanted.
  template <class Detail>
  void event(WorldTime at, NodeIndex node, std::string_view kind, std::uint64_t content,
             const Detail& detail) {
    digest_.add(std::int64_t{at.time_since_epoch().count()});
    digest_.add(std::uint64_t{node});
    digest_.add(kind);
    digest_.add(content);
    ++events_;
    if (lines_max_ > 0) write(at, node, kind, detail());
  }
  void event(WorldTime at, NodeIndex node, std::string_view kind) {
    event(at, node, kind, 0, [] { return std::string{}; });
  }

  /// For what is no event: hashed, never written.
  void fold(std::uint64_t word) { digest_.add(word); }

  [[nodiscard]] std::uint64_t hash() const { return digest_.value(); }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  /// The newest lines that concern the node (kNobody: all), at most `count`.
  [[nodiscard]] std::vector<std::string> last(NodeIndex node, std::size_t count) const;

 private:
  struct Line {
    NodeIndex node;
    std::string text;
  };
  void write(WorldTime at, NodeIndex node, std::string_view kind, const std::string& detail);

  Digest digest_;
  std::uint64_t events_ = 0;
  std::size_t lines_max_;
  std::deque<Line> lines_;
};

}  // namespace vpp::sim
