#include "bench/fleet.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "config/check.h"

namespace vpp::bench {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kCommands = ~std::size_t{0};      ///< what epoll calls standard input
constexpr std::size_t kMonitor = std::size_t{1} << 63;  ///< or'ed to a leaf: of its links' monitors
constexpr int kSocketsMax = 65'535;                     ///< libzmq's own limit
constexpr int kWaitMaxMs = 1'000;
constexpr std::int64_t kCertMs = 24LL * 3'600'000;

/// A message readable on this socket is told by this descriptor, as long as nobody forgets to look
/// again after a send (Leaf::serve).
int descriptor_of(const zmq_pollitem_t& item) {
  int fd = -1;
  std::size_t size = sizeof(fd);
  VPP_CHECK(zmq_getsockopt(item.socket, ZMQ_FD, &fd, &size) == 0);
  return fd;
}

std::vector<zmq::context_t> contexts_of(std::size_t count) {
  std::vector<zmq::context_t> out;
  for (std::size_t i = 0; i < count; ++i) out.emplace_back(1, kSocketsMax);
  return out;
}

std::int64_t processor_ns() {
  timespec used{};
  VPP_CHECK(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0);
  return used.tv_sec * 1'000'000'000LL + used.tv_nsec;
}

}  // namespace

class Fleet::Epoll {
 public:
  Epoll() : fd_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (fd_ < 0) throw std::system_error{errno, std::generic_category(), "epoll"};
    add(STDIN_FILENO, kCommands);
  }
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  ~Epoll() { ::close(fd_); }

  void add(int fd, std::size_t who) const {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = who}};
    if (::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      throw std::system_error{errno, std::generic_category(), "epoll_ctl"};
    }
  }
  void remove(int fd) const { VPP_CHECK(::epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr) == 0); }

  /// Who has something to read, each once, in order.
  [[nodiscard]] std::vector<std::size_t> wait(int most_ms) {
    const int count = ::epoll_wait(fd_, events_.data(), static_cast<int>(events_.size()), most_ms);
    std::vector<std::size_t> out;
    for (int i = 0; i < count; ++i) out.push_back(events_.at(static_cast<std::size_t>(i)).data.u64);
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
  }

 private:
  int fd_;
  std::array<epoll_event, 1'024> events_{};
};

Fleet::Fleet(FleetOptions options)
    : options_{std::move(options)},
      clock_{options_.config.time},
      rng_{static_cast<std::uint64_t>(monotonic().count())},
      epoll_{std::make_unique<Epoll>()},
      world_{contexts_of(options_.contexts),
             [this](std::size_t leaf, mesh::ZmqLink& link, bool appeared) {
               std::vector<zmq_pollitem_t> items;
               link.add_to_poll(items);
               std::size_t who = leaf;  // a link's socket, then its monitor's
               for (const zmq_pollitem_t& item : items) {
                 appeared ? epoll_->add(descriptor_of(item), who)
                          : epoll_->remove(descriptor_of(item));
                 who |= kMonitor;
               }
             }} {
  const Now now = clock_.now();
  for (std::size_t i = 0; i < options_.leaves; ++i) leaves_.push_back(make_leaf(i, now));
  const Now begin = clock_.now();
  for (std::size_t i = 0; i < options_.leaves; ++i) {
    const auto wait_ms = static_cast<std::int64_t>(i * 1'000 / options_.starts_per_second);
    due_of_.push_back(begin.protocol + Duration{wait_ms});
    due_.emplace(due_of_.back(), i);
  }
}

Fleet::~Fleet() = default;

std::unique_ptr<Leaf> Fleet::make_leaf(std::size_t index, const Now& now) {
  RoleConfig config = options_.config;
  config.name += "-" + std::to_string(index);
  driver::Identity identity;
  identity.keys = mesh::generate_node_keys();
  identity.fleet = options_.authority.pub;
  const std::int64_t utc_ms = driver::Clock::utc_ms();
  identity.cert.role = Role::kLeaf;
  identity.cert.serial = index + 1;
  identity.cert.ed25519 = identity.keys.ed25519;
  identity.cert.curve = identity.keys.curve;
  identity.cert.not_before_ms = utc_ms - kCertMs;
  identity.cert.not_after_ms = utc_ms + kCertMs;
  const mesh::NodeCertBytes bytes = mesh::issue(options_.authority, identity.cert);
  identity.certificate.assign(bytes.begin(), bytes.end());
  std::unique_ptr<driver::Store> store;
  if (!options_.store_dir.empty()) {
    auto opened = driver::Store::open({.dir = options_.store_dir / config.name});
    if (!opened) throw std::runtime_error{opened.error()};
    store = *std::move(opened);
  }
  return std::make_unique<Leaf>(index, world_, config, identity, rng_.fork(), now,
                                std::move(store));
}

void Fleet::run() {
  while (!stopped_) turn();
}

void Fleet::turn() {
  const std::vector<std::size_t> ready = epoll_->wait(patience_ms());
  const Now now = clock_.now();
  for (const std::size_t who : ready) {
    if (who == kCommands) {
      read_commands();
      continue;
    }
    const std::size_t leaf = who & ~kMonitor;
    leaves_[leaf]->serve(now, (who & kMonitor) != 0);
    schedule(leaf, now);
  }
  while (!due_.empty() && due_.begin()->first <= now.protocol) {
    const std::size_t who = due_.begin()->second;
    leaves_[who]->advance(now);
    schedule(who, {now.protocol + Duration{1}, now.market, now.speed});
  }
  if (flood_) flood(now);
}

int Fleet::patience_ms() const {
  if (!flooding_.empty()) return 0;
  if (due_.empty()) return kWaitMaxMs;
  const Duration left = due_.begin()->first - driver::Clock::protocol();
  return static_cast<int>(std::clamp<Duration::rep>(left.count(), 0, kWaitMaxMs));
}

/// Never before `now`: a deadline that is due again at once must not spin the loop.
void Fleet::schedule(std::size_t leaf, const Now& now) {
  if (flood_ && !floods_[leaf] && leaves_[leaf]->has_room(*flood_)) {
    floods_[leaf] = true;
    flooding_.push_back(leaf);
  }
  const Instant due = std::max(leaves_[leaf]->deadline(now), now.protocol);
  if (due == due_of_[leaf]) return;
  due_.erase({due_of_[leaf], leaf});
  due_.emplace(due, leaf);
  due_of_[leaf] = due;
}

void Fleet::begin_flood(std::uint64_t unanswered_max) {
  flooding_.clear();
  floods_.assign(leaves_.size(), false);
  flood_.reset();
  if (unanswered_max == 0) return;
  flood_ = FloodWindow{.unanswered_max = unanswered_max,
                       .probe_every = std::min(unanswered_max, FloodWindow{}.probe_every)};
  const Now now = clock_.now();
  for (std::size_t i = 0; i < leaves_.size(); ++i) schedule(i, now);
}

/// One report of each leaf that has room.
void Fleet::flood(const Now& now) {
  for (const std::size_t leaf : std::exchange(flooding_, {})) {
    floods_[leaf] = false;
    leaves_[leaf]->flood(*flood_);
    leaves_[leaf]->serve(now);  // the send may have taken in what its descriptor would have told
    schedule(leaf, now);
  }
}

void Fleet::read_commands() {
  std::array<char, 4'096> bytes{};
  const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (got <= 0) {
    stopped_ = true;
    return;
  }
  input_.append(bytes.data(), static_cast<std::size_t>(got));
  for (auto end = input_.find('\n'); end != std::string::npos; end = input_.find('\n')) {
    std::cout << answer(input_.substr(0, end)) << '\n' << std::flush;
    input_.erase(0, end + 1);
  }
}

std::string Fleet::answer(std::string_view command) {
  std::istringstream words{std::string{command}};
  std::string verb;
  std::uint64_t number = 0;
  words >> verb >> number;
  if (verb == "quit") stopped_ = true;
  if (verb == "mark") mark_ = monotonic();
  if (verb == "flood") begin_flood(number);
  if (verb == "report-every") world_.report_every = std::max<std::size_t>(1, number);
  if (verb == "moves") return moves();
  if (verb == "standbys") return standbys();
  if (verb == "forget-standbys") forget_standbys();
  return status();
}

std::string Fleet::status() const {
  std::map<std::string, std::size_t> parents;
  OrderId newest = kNoOrder;
  mesh::TransportCounters sum;
  std::uint64_t flooded = 0;
  std::size_t links = 0;
  for (const auto& leaf : leaves_) {
    const LeafRecord& record = leaf->record();
    if (record.attached) ++parents[to_string(record.parent)];
    newest = std::max(newest, record.order);
    sum.frames_in += leaf->counters().frames_in;
    sum.frames_out += leaf->counters().frames_out;
    sum.slow_peer += leaf->counters().slow_peer;
    sum.conflated += leaf->counters().conflated;
    sum.handshakes_failed += leaf->counters().handshakes_failed;
    flooded += leaf->flood_answered();
    links += leaf->links();
  }
  std::size_t attached = 0;
  for (const auto& [id, count] : parents) attached += count;
  std::size_t dispatched = 0;
  Nanos dispatched_at{};
  Nanos acknowledged_at{};
  for (const auto& leaf : leaves_) {
    const LeafRecord& record = leaf->record();
    if (newest == kNoOrder || record.order != newest) continue;
    ++dispatched;
    dispatched_at = std::max(dispatched_at, record.dispatched_at);
    acknowledged_at = std::max(acknowledged_at, record.acknowledged_at);
  }
  return Json{{"now_ns", monotonic().count()},
              {"processor_ns", processor_ns()},
              {"leaves", leaves_.size()},
              {"attached", attached},
              {"parents", parents},
              {"links", links},
              {"order", newest.value},
              {"dispatched", dispatched},
              {"dispatched_ns", dispatched_at.count()},
              {"acknowledged_ns", acknowledged_at.count()},
              {"flood_answered", flooded},
              {"frames_in", sum.frames_in},
              {"frames_out", sum.frames_out},
              {"slow_peer", sum.slow_peer},
              {"conflated", sum.conflated},
              {"handshakes_failed", sum.handshakes_failed}}
      .dump();
}

void Fleet::forget_standbys() {
  const Now now = clock_.now();
  for (std::size_t i = 0; i < leaves_.size(); ++i) {
    leaves_[i]->forget_standby(now);
    schedule(i, now);
  }
}

std::string Fleet::standbys() {
  const Now now = clock_.now();
  const auto held =
      std::ranges::count_if(leaves_, [&](const auto& leaf) { return leaf->holds_standby(now); });
  return Json{{"standbys", held}}.dump();
}

/// Since the mark: when leaves lost a parent and when they had one again.
std::string Fleet::moves() const {
  Json lost = Json::array();
  Json attached = Json::array();
  std::size_t without = 0;
  for (const auto& leaf : leaves_) {
    const LeafRecord& record = leaf->record();
    without += record.attached ? 0U : 1U;
    if (record.lost_at > mark_) lost.push_back(record.lost_at.count());
    if (record.attached && record.attached_at > mark_) {
      attached.push_back(record.attached_at.count());
    }
  }
  return Json{{"mark_ns", mark_.count()},
              {"without_parent", without},
              {"lost_ns", std::move(lost)},
              {"attached_ns", std::move(attached)}}
      .dump();
}

}  // namespace vpp::bench
