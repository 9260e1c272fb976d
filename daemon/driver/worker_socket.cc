#include "daemon/driver/worker_socket.h"

#include <array>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <zmq.hpp>

#include "bidding/task_json.h"
#include "config/check.h"
#include "mesh/zmq_socket.h"

namespace vpp::driver {
namespace {

constexpr const char* kWakeAddress = "inproc://wake";
constexpr int kFramesAtOnce = 64;
constexpr int kWorkerQueue = 64;  ///< messages to one worker, and from one
/// A frame a little too long still reaches us, to be answered; beyond, libzmq cuts the link.
constexpr std::int64_t kWorkerFrameCut =
    static_cast<std::int64_t>(bidding::kWorkerFrameBytesMax) + 65'536;

/// Connections are named by the ROUTER's routing ids, in hex.
std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

std::string from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return out;
}

}  // namespace

class WorkerSocket::Impl {
 public:
  explicit Impl(std::function<void()> on_message)
      : router_{context_, zmq::socket_type::router},
        woken_{context_, zmq::socket_type::pair},
        waker_{context_, zmq::socket_type::pair},
        on_message_{std::move(on_message)} {}

  ~Impl() {
    if (!thread_.joinable()) return;
    {
      const std::scoped_lock lock{mutex_};
      stop_ = true;
    }
    wake();
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::expected<void, std::string> open(const std::string& address) {
    for (zmq::socket_t* socket : {&router_, &woken_, &waker_}) {
      mesh::set_option(*socket, ZMQ_LINGER, 0);
    }
    mesh::set_option(router_, ZMQ_SNDHWM, kWorkerQueue);
    mesh::set_option(router_, ZMQ_RCVHWM, kWorkerQueue);
    mesh::set_option(router_, ZMQ_ROUTER_MANDATORY, 1);
    // A worker that names itself is the same after a restart, whatever became of its old link.
    mesh::set_option(router_, ZMQ_ROUTER_HANDOVER, 1);
    VPP_CHECK(zmq_setsockopt(router_.handle(), ZMQ_MAXMSGSIZE, &kWorkerFrameCut,
                             sizeof(kWorkerFrameCut)) == 0);
    if (zmq_bind(router_.handle(), address.c_str()) != 0) {
      return std::unexpected{"cannot listen for workers on " + address + ": " +
                             zmq_strerror(zmq_errno()) +
                             "; hint: [workers] listen; is the directory there?"};
    }
    std::array<char, 256> bound{};
    std::size_t size = bound.size();
    if (zmq_getsockopt(router_.handle(), ZMQ_LAST_ENDPOINT, bound.data(), &size) == 0) {
      bound_ = bound.data();
    }
    VPP_CHECK(zmq_bind(woken_.handle(), kWakeAddress) == 0);
    VPP_CHECK(zmq_connect(waker_.handle(), kWakeAddress) == 0);
    thread_ = std::thread{[this] { run(); }};
    return {};
  }

  std::vector<node::WorkerSaid> take() {
    std::vector<node::WorkerSaid> out;
    bool was_full = false;
    {
      const std::scoped_lock lock{mutex_};
      was_full = inbox_.size() >= kInboxMax;
      out = std::exchange(inbox_, {});
    }
    if (was_full) wake();
    return out;
  }

  void tell(node::TellWorker message) {
    {
      const std::scoped_lock lock{mutex_};
      outbox_.push_back(std::move(message));
    }
    wake();
  }

  [[nodiscard]] const std::string& bound() const { return bound_; }

 private:
  void wake() {
    zmq::message_t token;
    (void)mesh::send(waker_, token, false);  // a full pipe wakes as well
  }

  void run() {
    for (bool full = false;;) {
      std::array items{zmq_pollitem_t{woken_.handle(), 0, ZMQ_POLLIN, 0},
                       zmq_pollitem_t{router_.handle(), 0, ZMQ_POLLIN, 0}};
      (void)zmq_poll(items.data(), full ? 1 : 2, -1);
      while (mesh::receive(woken_)) {
      }
      std::vector<node::TellWorker> out;
      {
        const std::scoped_lock lock{mutex_};
        if (stop_) return;
        out = std::exchange(outbox_, {});
        full = inbox_.size() >= kInboxMax;
      }
      for (const node::TellWorker& each : out) send(each);
      if (!full) full = read();
    }
  }

  /// True: there is no room for more.
  bool read() {
    std::vector<node::WorkerSaid> read;
    for (int i = 0; i < kFramesAtOnce; ++i) {
      auto said = receive();
      if (!said) break;
      read.push_back(*std::move(said));
    }
    if (read.empty()) return false;
    bool full = false;
    {
      const std::scoped_lock lock{mutex_};
      std::ranges::move(read, std::back_inserter(inbox_));
      full = inbox_.size() >= kInboxMax;
    }
    on_message_();
    return full;
  }

  std::optional<node::WorkerSaid> receive() {
    const auto from = mesh::receive(router_);
    if (!from) return std::nullopt;
    node::WorkerSaid said{to_hex(from->to_string_view()), bidding::WorkerUnread{"no frame"}};
    int frames = 0;
    for (bool more = from->more(); more; ++frames) {
      const auto frame = mesh::receive(router_);  // all parts of a message arrive at once
      if (!frame) break;
      more = frame->more();
      if (frames == 0) said.what = bidding::from_worker_json(frame->to_string_view());
    }
    if (frames > 1) said.what = bidding::WorkerUnread{"a message is one frame of JSON"};
    return said;
  }

  void send(const node::TellWorker& told) {
    const std::string id = from_hex(told.worker);
    const std::string text = to_json(told.what);
    zmq::message_t to{id.data(), id.size()};
    // It is gone, or takes nothing: its lease will end.
    if (mesh::send(router_, to, true) != mesh::Sent::kYes) return;
    zmq::message_t body{text.data(), text.size()};
    (void)mesh::send(router_, body, false);
  }

  zmq::context_t context_{1};
  zmq::socket_t router_;
  zmq::socket_t woken_;  ///< of the thread
  zmq::socket_t waker_;  ///< of the node's loop
  const std::function<void()> on_message_;
  std::string bound_;
  std::mutex mutex_;
  std::vector<node::WorkerSaid> inbox_;
  std::vector<node::TellWorker> outbox_;
  bool stop_ = false;
  std::thread thread_;
};

WorkerSocket::WorkerSocket(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
WorkerSocket::~WorkerSocket() = default;

std::expected<std::unique_ptr<WorkerSocket>, std::string> WorkerSocket::open(
    const std::string& address, std::function<void()> on_message) {
  try {
    auto impl = std::make_unique<Impl>(std::move(on_message));
    if (auto opened = impl->open(address); !opened) return std::unexpected{opened.error()};
    return std::unique_ptr<WorkerSocket>{new WorkerSocket{std::move(impl)}};
  } catch (const zmq::error_t& error) {  // cppzmq's constructors throw: no descriptor is left
    return std::unexpected{"cannot listen for workers: " + std::string{error.what()}};
  }
}

std::vector<node::WorkerSaid> WorkerSocket::take() {
  return impl_->take();
}
void WorkerSocket::tell(node::TellWorker message) {
  impl_->tell(std::move(message));
}
const std::string& WorkerSocket::bound_address() const {
  return impl_->bound();
}

}  // namespace vpp::driver
