// The peer that vppd is measured against: what bare libzmq needs for the same shape.
//
// One ROUTER, as many DEALERs as there are leaves, each in a process of its own (or many in one, on
// one thread that waits for all of them), CURVE on every link. A round sends every child one frame
// as long as a Dispatch and waits until each has sent back one as long as a DispatchAck. Nothing is
// encoded, decided, or checked.
//   bare_fanout --children 200 --rounds 100 [--gap-ms 50] [--sync DIR] [--per-process 1]
//               [--shape orders]
//     --gap-ms  rest between rounds, so that no process finds its caches warm
//     --sync    each child also makes 4 KiB durable in a file of its own in DIR before it answers,
//               the least that a node does which promises to remember an order
//     --shape   beacons: the frame is as long as a Beacon, the same for all, and nobody answers
// Prints one JSON object; "us" holds the time of each round, in microseconds; "parent_us" is the
// processor time of the parent from the first round to the last, gaps and all; "bytes" how long our
// frames are.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "config/check.h"
#include "mesh/codec.h"

namespace {

using namespace vpp;
using Clock = std::chrono::steady_clock;

constexpr int kBacklog = 4096;  // as vppd's listener
constexpr std::size_t kPage = 4096;
constexpr std::string_view kStop = "stop";

struct Options {
  int children = 200;
  int rounds = 100;
  int gap_ms = 50;
  int per_process = 1;
  bool answers = true;
  std::string sync_dir;
};

struct Keys {
  std::string secret;
  std::string open;
};

Keys make_keys() {
  std::array<char, 41> open{};
  std::array<char, 41> secret{};
  VPP_CHECK(zmq_curve_keypair(open.data(), secret.data()) == 0);
  return {secret.data(), open.data()};
}

// --- frames as long as ours ----------------------------------------------------------------------

constexpr MarketTime kQuarter{std::chrono::milliseconds{1'767'222'000'000}};
constexpr mesh::Stamp kStamp = 123'456'789;  ///< a parent that runs for a day and a half

mesh::Frame frame_of(const mesh::Message& message) {
  const auto frame = mesh::encode(message);
  VPP_CHECK(frame.has_value());
  return *frame;
}

mesh::Frame dispatch_frame() {
  mesh::Dispatch dispatch{
      .order = OrderId{7}, .term = 3, .sequence = 7, .tick = 70, .share = {}, .ahead = {}};
  dispatch.share = Watts{3'210};
  dispatch.from = kQuarter;
  dispatch.until = kQuarter + std::chrono::minutes{15};
  dispatch.expires = kStamp;
  return frame_of(dispatch);
}

mesh::Frame ack_frame() {
  return frame_of(mesh::DispatchAck{OrderId{7}, 70, true});
}

mesh::Frame beacon_frame() {
  mesh::Beacon beacon;
  beacon.stamp = kStamp;
  beacon.term = 3;
  beacon.path = {NodeId{0x0123'4567'89ab'cdef, 0xfedc'ba98'7654'3210}};
  beacon.market_time = kQuarter;
  return frame_of(beacon);
}

/// Of a leaf that follows an order.
mesh::Frame report_frame() {
  mesh::SiteSummary site;
  site.discharge = {Watts{4'870}, Joules{31'415'926}, 950};
  site.charge = {Watts{4'990}, Joules{12'345'678}, 950};
  site.measured = Watts{3'198};
  site.stored = Joules{34'906'584};
  site.set_point = Watts{3'210};
  site.order = OrderId{7};
  site.measured_at = kQuarter;
  site.receipts = {{OrderId{7}, Joules{1'234'567}}};
  site.stale = false;
  mesh::Report report;
  report.session = 3;
  report.sequence = 54'321;
  report.beacon = kStamp;
  report.summary = site;
  return frame_of(report);
}

// --- a child -------------------------------------------------------------------------------------

class DurableFile {
 public:
  explicit DurableFile(const std::string& path)
      : fd_{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)} {
    VPP_CHECK(fd_ >= 0);
    write();
    VPP_CHECK(::fsync(fd_) == 0);
  }
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;
  ~DurableFile() { ::close(fd_); }

  void write() {
    ++page_[0];
    VPP_CHECK(::pwrite(fd_, page_.data(), page_.size(), 0) == std::ssize(page_));
    VPP_CHECK(::fdatasync(fd_) == 0);
  }

 private:
  int fd_;
  std::array<unsigned char, kPage> page_{};
};

zmq::socket_t join(zmq::context_t& context, const std::string& address, const Keys& parent) {
  const Keys own = make_keys();
  zmq::socket_t dealer{context, zmq::socket_type::dealer};
  dealer.set(zmq::sockopt::curve_serverkey, parent.open);
  dealer.set(zmq::sockopt::curve_publickey, own.open);
  dealer.set(zmq::sockopt::curve_secretkey, own.secret);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.connect(address);
  dealer.send(zmq::buffer(ack_frame()), zmq::send_flags::none);
  return dealer;
}

/// Answers whatever waits, or only takes it in. False: the end.
bool answer_all(zmq::socket_t& dealer, const mesh::Frame* ack, DurableFile* file) {
  zmq::message_t order;
  while (dealer.recv(order, zmq::recv_flags::dontwait)) {
    if (order.to_string_view() == kStop) return false;
    if (file != nullptr) file->write();
    if (ack != nullptr) dealer.send(zmq::buffer(*ack), zmq::send_flags::none);
  }
  return true;
}

void serve_children(int first, int count, const std::string& address, const Keys& parent,
                    const Options& options) {
  zmq::context_t context{1, 2 * count + 16};
  std::vector<zmq::socket_t> dealers;
  std::unique_ptr<DurableFile> file;
  if (!options.sync_dir.empty()) {
    file = std::make_unique<DurableFile>(options.sync_dir + "/" + std::to_string(first));
  }
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  VPP_CHECK(epoll >= 0);
  for (int i = 0; i < count; ++i) {
    dealers.push_back(join(context, address, parent));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = dealers.size() - 1}};
    VPP_CHECK(::epoll_ctl(epoll, EPOLL_CTL_ADD, dealers.back().get(zmq::sockopt::fd), &event) == 0);
  }
  const mesh::Frame frame = ack_frame();
  const mesh::Frame* const ack = options.answers ? &frame : nullptr;
  for (auto& dealer : dealers) (void)answer_all(dealer, ack, file.get());  // arms the descriptors
  std::array<epoll_event, 1'024> ready{};
  for (bool more = true; more;) {
    const int found = ::epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), -1);
    for (int i = 0; i < found; ++i) {
      const auto who = ready.at(static_cast<std::size_t>(i)).data.u64;
      more = answer_all(dealers.at(who), ack, file.get()) && more;
    }
  }
  ::close(epoll);
}

/// Before any libzmq context: it does not survive a fork. Each child reads the port from `port`.
/// Returns how many there are.
int fork_children(const Options& options, const Keys& parent, int port_pipe) {
  int made = 0;
  for (int first = 0; first < options.children; first += options.per_process) {
    ++made;
    const pid_t pid = ::fork();
    VPP_CHECK(pid >= 0);
    if (pid > 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::uint16_t port = 0;
    if (::read(port_pipe, &port, sizeof port) != sizeof port) ::_exit(1);
    serve_children(first, std::min(options.per_process, options.children - first),
                   "tcp://127.0.0.1:" + std::to_string(port), parent, options);
    ::_exit(0);
  }
  return made;
}

// --- the parent ----------------------------------------------------------------------------------

class Parent {
 public:
  explicit Parent(const Keys& keys) : router_{context_, zmq::socket_type::router} {
    router_.set(zmq::sockopt::curve_server, 1);
    router_.set(zmq::sockopt::curve_secretkey, keys.secret);
    router_.set(zmq::sockopt::backlog, kBacklog);
    router_.set(zmq::sockopt::router_mandatory, 1);
    router_.set(zmq::sockopt::linger, 1'000);
    router_.bind("tcp://127.0.0.1:*");
  }

  [[nodiscard]] std::uint16_t port() {
    const std::string bound = router_.get(zmq::sockopt::last_endpoint);
    return static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1)));
  }

  void await_children(int count) {
    while (std::cmp_less(ids_.size(), count)) ids_.push_back(receive());
  }

  /// From before the first send to after the last acknowledgement, if there is any.
  [[nodiscard]] std::chrono::microseconds round(const mesh::Frame& frame, bool answered) {
    const auto begin = Clock::now();
    zmq::message_t body{frame.data(), frame.size()};
    for (const auto& id : ids_) send(id, body);
    for (std::size_t i = 0; answered && i < ids_.size(); ++i) (void)receive();
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
  }

  void stop() {
    zmq::message_t body{kStop.data(), kStop.size()};
    for (const auto& id : ids_) send(id, body);
  }

 private:
  /// libzmq counts references to long bodies.
  void send(const std::string& id, zmq::message_t& body) {
    zmq::message_t shared;
    shared.copy(body);
    router_.send(zmq::buffer(id), zmq::send_flags::sndmore);
    router_.send(shared, zmq::send_flags::none);
  }

  /// One frame; from whom.
  [[nodiscard]] std::string receive() {
    zmq::message_t id;
    zmq::message_t body;
    VPP_CHECK(router_.recv(id, zmq::recv_flags::none).has_value());
    VPP_CHECK(router_.recv(body, zmq::recv_flags::none).has_value());
    return id.to_string();
  }

  zmq::context_t context_{1};
  zmq::socket_t router_;
  std::vector<std::string> ids_;
};

std::chrono::microseconds processor_time() {
  rusage used{};
  VPP_CHECK(::getrusage(RUSAGE_SELF, &used) == 0);
  return std::chrono::seconds{used.ru_utime.tv_sec + used.ru_stime.tv_sec} +
         std::chrono::microseconds{used.ru_utime.tv_usec + used.ru_stime.tv_usec};
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// The rounds of a parent that has all its children; writes what it finds.
void measure(Parent& parent, const Options& options) {
  const mesh::Frame frame = options.answers ? dispatch_frame() : beacon_frame();
  const auto used = processor_time();
  std::cout << "\"us\": [";
  for (int round = 0; round < options.rounds; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds{options.gap_ms});
    std::cout << (round > 0 ? ", " : "") << parent.round(frame, options.answers).count();
  }
  std::cout << "], \"parent_us\": " << (processor_time() - used).count();
}

void run(const Options& options) {
  raise_descriptor_limit();
  std::array<int, 2> pipe{};
  VPP_CHECK(::pipe(pipe.data()) == 0);
  const Keys keys = make_keys();
  const int processes = fork_children(options, keys, pipe[0]);
  std::cout << "{\"children\": " << options.children
            << ", \"durable\": " << (options.sync_dir.empty() ? "false" : "true")
            << ", \"bytes\": {\"dispatch\": " << dispatch_frame().size()
            << ", \"ack\": " << ack_frame().size() << ", \"beacon\": " << beacon_frame().size()
            << ", \"report\": " << report_frame().size() << "}, ";
  {
    Parent parent{keys};
    const std::uint16_t port = parent.port();
    for (int i = 0; i < processes; ++i) {
      VPP_CHECK(::write(pipe[1], &port, sizeof port) == sizeof port);
    }
    parent.await_children(options.children);
    measure(parent, options);
    parent.stop();
  }
  std::cout << "}\n";
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--children") {
      options.children = std::stoi(value);
    } else if (name == "--rounds") {
      options.rounds = std::stoi(value);
    } else if (name == "--gap-ms") {
      options.gap_ms = std::stoi(value);
    } else if (name == "--per-process") {
      options.per_process = std::stoi(value);
    } else if (name == "--shape") {
      if (value != "orders" && value != "beacons") return false;
      options.answers = value == "orders";
    } else if (name == "--sync") {
      options.sync_dir = value;
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && options.children > 0 && options.per_process > 0 && options.rounds > 0 &&
         options.gap_ms >= 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  try {
    if (!parse(argc, argv, options)) {
      std::cerr << "bare_fanout --children N --rounds N [--gap-ms N] [--sync DIR] [--per-process N]"
                   " [--shape orders|beacons]\n";
      return 2;
    }
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "bare_fanout: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
