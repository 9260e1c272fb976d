#include "tools/vppctl/tree_watch.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "tools/vppctl/format.h"
#include "tools/vppctl/tree_model.h"
#include "tools/vppctl/tree_view.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kLook = 1s;            ///< between two looks when nothing happens
constexpr auto kLookSpacing = 150ms;  ///< and when much does
constexpr auto kPatience = 50ms;      ///< with which Ctrl-C is noticed
constexpr auto kAnswerMax = 1s;       ///< a daemon that is slower counts as silent for this look
constexpr auto kReconnect = 500ms;
constexpr std::size_t kEventsKept = 16;
constexpr std::size_t kNamedMax = 8;  ///< moves and changes of one look that are told one by one

volatile std::sig_atomic_t interrupted = 0;

void interrupt(int /*signal*/) {
  interrupted = 1;
}

std::int64_t utc_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// The events of every daemon as they come; each is followed by a thread of its own.
class EventFeed {
 public:
  explicit EventFeed(const std::vector<Client>& daemons) {
    for (std::size_t i = 0; i < daemons.size(); ++i) {
      threads_.emplace_back(
          [this, i, daemon = daemons[i]](const std::stop_token& stop) { follow(daemon, i, stop); });
    }
  }
  ~EventFeed() {
    for (auto& thread : threads_) thread.request_stop();
    closing_.notify_all();
  }
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  struct Event {
    std::size_t daemon = 0;
    Document what;
  };
  /// Those that came since the last call; waits for one, at most so long.
  std::vector<Event> take(milliseconds most) {
    std::unique_lock lock{mutex_};
    came_.wait_for(lock, most, [this] { return !events_.empty(); });
    return std::exchange(events_, {});
  }

 private:
  void follow(const Client& daemon, std::size_t index, const std::stop_token& stop) {
    std::int64_t newest = utc_ms();
    while (!stop.stop_requested()) {
      const auto line = [&](std::string_view text) {
        Document event = Document::parse(text, nullptr, false);
        const auto& at = member(event, "utc_ms");
        if (at.is_number() && at.get<std::int64_t>() >= newest) {
          newest = at.get<std::int64_t>();
          const std::scoped_lock lock{mutex_};
          events_.push_back({index, std::move(event)});
          came_.notify_all();
        }
        return !stop.stop_requested();
      };
      (void)daemon.stream("/v1/events?follow=1&since_ms=1000", line, true,
                          [&stop] { return stop.stop_requested(); });
      std::unique_lock lock{mutex_};
      closing_.wait_for(lock, stop, kReconnect, [&stop] { return stop.stop_requested(); });
    }
  }

  std::mutex mutex_;
  std::condition_variable came_;
  std::condition_variable_any closing_;
  std::vector<Event> events_;
  std::vector<std::jthread> threads_;  ///< last: they end before what they use
};

/// All are asked at once: a frozen one must not hide the others.
std::vector<TreeAnswer> look(const std::vector<Client>& daemons) {
  std::vector<std::future<std::expected<Document, Failure>>> asked;
  asked.reserve(daemons.size());
  for (const Client& daemon : daemons) {
    asked.push_back(std::async(std::launch::async, [&daemon] { return daemon.get("/v1/tree"); }));
  }
  std::vector<TreeAnswer> out;
  for (std::size_t i = 0; i < daemons.size(); ++i) {
    auto answer = asked[i].get();
    out.push_back(
        {daemons[i].socket_path(), answer ? std::optional{*std::move(answer)} : std::nullopt});
  }
  return out;
}

struct StateChange {
  const TreeNode* node = nullptr;
  std::string before;
};

/// What one look brought to light.
struct News {
  std::vector<TreeMove> moves;
  std::vector<StateChange> states;
  bool coverage = false;
};

class Display {
 public:
  virtual ~Display() = default;
  virtual void show(const TreeModel& model, const News& news, std::int64_t now_ms,
                    const std::deque<Document>& events) = 0;
};

/// Takes the terminal over and gives it back as it was.
class Picture final : public Display {
 public:
  Picture(std::ostream& out, bool colour) : out_{out}, colour_{colour} {
    out_ << "\x1b[?1049h\x1b[?25l" << std::flush;
  }
  ~Picture() override { out_ << "\x1b[?25h\x1b[?1049l" << std::flush; }

  void show(const TreeModel& model, const News& /*news*/, std::int64_t now_ms,
            const std::deque<Document>& events) override {
    winsize size{};
    ViewSize view;
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
      view = {size.ws_col, size.ws_row};
    }
    const std::vector<Line> lines = render(model, now_ms, view, events);
    std::string frame = "\x1b[H";
    for (std::size_t i = 0; i < lines.size(); ++i) {
      frame += to_terminal(lines[i], colour_) + "\x1b[K";
      if (i + 1 < lines.size()) frame += "\r\n";
    }
    out_ << frame << "\x1b[J" << std::flush;
  }

 private:
  std::ostream& out_;
  bool colour_;
};

/// A line for each change, for logs and pipes.
class Lines final : public Display {
 public:
  explicit Lines(std::ostream& out) : out_{out} {}

  void show(const TreeModel& model, const News& news, std::int64_t now_ms,
            const std::deque<Document>& /*events*/) override {
    const std::string at = clock_text(now_ms) + "  ";
    if (news.moves.size() <= kNamedMax) {
      for (const TreeMove& move : news.moves) out_ << at << to_string(move) << '\n';
    } else {
      out_ << at << many(news.moves) << '\n';
    }
    std::size_t others = 0;
    for (const StateChange& change : news.states) {
      if (change.node->role == "leaf" && news.states.size() > kNamedMax) {
        ++others;
        continue;
      }
      out_ << at
           << fmt::format("{}: {} -> {}\n", change.node->name, change.before, change.node->state);
    }
    if (others > 0) out_ << at << others << " leaves changed their state\n";
    if (news.coverage) out_ << at << totals(model) << '\n';
    out_.flush();
  }

 private:
  static std::string many(const std::vector<TreeMove>& moves) {
    std::map<std::string, std::size_t> ways;
    for (const TreeMove& move : moves) ++ways[move.from + " -> " + move.to];
    std::string out = fmt::format("{} nodes moved:", moves.size());
    for (const auto& [way, count] : ways) out += fmt::format(" {} ({})", way, count);
    return out;
  }
  static std::string totals(const TreeModel& model) {
    const Document& coverage = model.coverage();
    if (!coverage.is_object()) return "sites unknown";
    return fmt::format("{}/{} sites counted, {} between parents, {} nodes",
                       plain(member(coverage, "online")), plain(member(coverage, "enrolled")),
                       model.count("between"), model.nodes().size());
  }

  std::ostream& out_;
};

class JsonLines final : public Display {
 public:
  explicit JsonLines(std::ostream& out) : out_{out} {}

  void show(const TreeModel& model, const News& news, std::int64_t now_ms,
            const std::deque<Document>& /*events*/) override {
    Document line;
    line["schema"] = "vppctl/v1";
    line["kind"] = "tree_watch";
    line["utc_ms"] = now_ms;
    line["coverage"] = model.coverage();
    line["nodes"] = model.nodes().size();
    line["between"] = model.count("between");
    line["silent"] = model.silent();
    line["moves"] = Document::array();
    for (const TreeMove& move : news.moves) {
      line["moves"].push_back({{"id", move.id},
                               {"name", move.name},
                               {"from", move.from},
                               {"to", move.to},
                               {"reason", move.reason}});
    }
    line["states"] = Document::array();
    for (const StateChange& change : news.states) {
      line["states"].push_back({{"id", change.node->id},
                                {"name", change.node->name},
                                {"before", change.before},
                                {"state", change.node->state}});
    }
    out_ << line.dump(-1, ' ', false, Document::error_handler_t::replace) << '\n' << std::flush;
  }

 private:
  std::ostream& out_;
};

std::unique_ptr<Display> display_for(const Session& session, bool colour) {
  if (session.json) return std::make_unique<JsonLines>(session.out);
  if (::isatty(STDOUT_FILENO) == 0) return std::make_unique<Lines>(session.out);
  return std::make_unique<Picture>(session.out, colour);
}

/// One watch: looks, and tells the display what has changed.
class Watch {
 public:
  explicit Watch(const std::vector<Client>& daemons) : feed_{daemons} {
    for (const Client& each : daemons) {
      daemons_.emplace_back(each.socket_path(), std::min<milliseconds>(each.timeout(), kAnswerMax));
    }
  }

  /// True when there is something to tell.
  bool look_again() {
    const auto answers = look(daemons_);
    now_ms_ = utc_ms();
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].tree) names_[i] = plain(member(member(*answers[i].tree, "node"), "name"));
    }
    const Document before = model_.coverage();
    const std::vector<std::string> silent = model_.silent();
    news_ = {};
    news_.moves = model_.see(now_ms_, answers);
    news_.coverage = first_ || model_.coverage() != before;
    for (const auto& [id, node] : model_.nodes()) {
      std::string& state = states_[id];
      if (!state.empty() && state != node.state) news_.states.push_back({&node, state});
      state = node.state;
    }
    const bool news = first_ || news_.coverage || !news_.moves.empty() || !news_.states.empty() ||
                      silent != model_.silent();
    first_ = false;
    return news;
  }

  /// Until the next look is due, or somebody interrupts.
  void wait() {
    const auto begin = steady_clock::now();
    bool happened = false;
    while (interrupted == 0) {
      const auto waited = steady_clock::now() - begin;
      if (waited >= kLook || (happened && waited >= kLookSpacing)) return;
      for (auto& event : feed_.take(kPatience)) {
        happened = true;
        event.what["node"] = names_[event.daemon];
        events_.push_back(std::move(event.what));
        if (events_.size() > kEventsKept) events_.pop_front();
      }
    }
  }

  void show(Display& display) const { display.show(model_, news_, now_ms_, events_); }
  [[nodiscard]] bool anybody() const { return !model_.nodes().empty(); }

 private:
  std::vector<Client> daemons_;
  EventFeed feed_;
  TreeModel model_;
  News news_;
  std::map<std::size_t, std::string> names_;
  std::map<std::string, std::string> states_;
  std::deque<Document> events_;
  std::int64_t now_ms_ = 0;
  bool first_ = true;
};

}  // namespace

int tree_watch(const Session& session, const WatchArguments& arguments) {
  // Nobody there at the start is an error, later it is news.
  const auto first = session.daemons.front().get("/v1/tree");
  if (!first) return fail(session, first.error());
  struct sigaction action{};
  action.sa_handler = interrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  const auto begun = steady_clock::now();
  Watch watch{session.daemons};
  const auto display = display_for(session, arguments.colour);
  const bool always = dynamic_cast<Picture*>(display.get()) != nullptr;
  while (interrupted == 0 && session.out.good()) {
    if (watch.look_again() || always) watch.show(*display);
    if (arguments.most && steady_clock::now() - begun >= *arguments.most) break;
    watch.wait();
  }
  return static_cast<int>(Exit::kOk);
}

}  // namespace vpp::ctl
