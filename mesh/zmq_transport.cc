#include "mesh/zmq_transport.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <span>

#include "config/check.h"
#include "mesh/arrivals.h"
#include "mesh/zmq_link.h"
#include "mesh/zmq_listener.h"
#include "mesh/zmq_shared.h"

namespace vpp::mesh {
namespace {

constexpr Duration kWaitMax = std::chrono::hours{1};          // fits in the int of a poll
constexpr Duration kByeMax = std::chrono::milliseconds{200};  // for a last word to a slow parent

/// Readable from wake() until read.
class WakeFd {
 public:
  WakeFd() : fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;
  ~WakeFd() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] int get() const { return fd_; }
  // Both fail harmlessly: full means awake already, empty means nothing to read.
  void raise() const {
    const std::uint64_t one = 1;
    (void)!::write(fd_, &one, sizeof(one));
  }
  void lower() const {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof(count));
  }

 private:
  int fd_;
};

constexpr rlim_t kOtherDescriptors = 1024;  // store, HTTP, devices, and room to spare

/// Every connection takes a descriptor, and without one children wait without a word from
/// anybody. So this raises the process's limit as far as it may, and tells when that is too low.
void raise_descriptor_limit(TransportShared& shared) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = shared.options.connections_max + kOtherDescriptors;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == wanted) return;
  shared.warn("few file descriptors",
              std::to_string(limit.rlim_cur) + " allowed, " + std::to_string(wanted) + " wanted");
}

}  // namespace

struct ZmqTransport::Impl {
  explicit Impl(TransportOptions options)
      : shared{std::move(options)}, context{shared.options.io_threads} {}
  ~Impl() { let_out(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// A closed link with control that waits (a Bye) lives on for a short while.
  struct Leaving {
    std::unique_ptr<ZmqLink> link;
    Instant until{};
  };
  void leave(std::unique_ptr<ZmqLink> link) {
    if (link->let_out()) return;
    leaving.push_back({std::move(link), TransportShared::now() + kByeMax});
  }
  void let_out();

  // Destroyed from the last up: sockets first, then the context, which waits for a lingering Bye.
  TransportShared shared;
  WakeFd wake;
  zmq::context_t context;
  std::unique_ptr<ZmqListener> listener;
  std::map<LinkId, std::unique_ptr<ZmqLink>> links;
  std::vector<Leaving> leaving;
  std::vector<zmq_pollitem_t> poll_items;
};

void ZmqTransport::Impl::let_out() {
  for (auto& [id, link] : links) leave(std::move(link));
  links.clear();
  const Instant until = TransportShared::now() + kByeMax;
  while (!leaving.empty() && TransportShared::now() < until) {
    poll_items.clear();
    for (const Leaving& each : leaving) each.link->add_to_poll(poll_items);
    for (zmq_pollitem_t& item : poll_items) item.events &= ZMQ_POLLOUT;
    (void)zmq_poll(poll_items.data(), static_cast<int>(poll_items.size()), kByeMax.count() / 10);
    std::erase_if(leaving, [](const auto& each) { return each.link->let_out(); });
  }
}

std::expected<std::unique_ptr<ZmqTransport>, std::string> ZmqTransport::open(
    TransportOptions options) {
  VPP_CHECK(options.utc_ms != nullptr);
  VPP_CHECK(options.io_threads >= 1);
  if (!crypto_ready()) return std::unexpected{"libsodium cannot start: no source of randomness"};
  if (zmq_has("curve") == 0) return std::unexpected{"libzmq was built without CURVE"};
  try {
    auto impl = std::make_unique<Impl>(std::move(options));
    if (impl->wake.get() < 0) {
      return std::unexpected{std::string{"eventfd: "} + std::strerror(errno)};
    }
    if (impl->shared.options.listen) {
      auto listener = ZmqListener::open(impl->context, impl->shared, *impl->shared.options.listen);
      if (!listener) return std::unexpected{listener.error()};
      impl->listener = std::move(*listener);
      raise_descriptor_limit(impl->shared);
    }
    return std::unique_ptr<ZmqTransport>{new ZmqTransport{std::move(impl)}};
  } catch (const zmq::error_t& error) {
    return std::unexpected{std::string{"cannot open sockets: "} + error.what()};
  }
}

ZmqTransport::ZmqTransport(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}

ZmqTransport::~ZmqTransport() = default;

void ZmqTransport::open_link(LinkId link, const Endpoint& to, Duration patience) {
  VPP_CHECK(!impl_->links.contains(link));
  std::unique_ptr<ZmqLink> opened;
  try {
    opened = ZmqLink::open(impl_->context, impl_->shared, link, to, patience);
  } catch (const zmq::error_t& error) {  // out of sockets or descriptors
    impl_->shared.warn("cannot connect", error.what());
  }
  if (opened) {
    impl_->links.emplace(link, std::move(opened));
  } else {
    impl_->shared.events.emplace_back(LinkLost{link});
  }
}

void ZmqTransport::close_link(LinkId link) {
  if (auto node = impl_->links.extract(link)) impl_->leave(std::move(node.mapped()));
}

void ZmqTransport::send_up(LinkId link, const Message& message) {
  const auto found = impl_->links.find(link);
  if (found == impl_->links.end()) {
    ++impl_->shared.counters.unknown_connection;
    return;
  }
  found->second->send(message);
}

void ZmqTransport::send_down(ConnectionId connection, const Message& message) {
  VPP_CHECK(impl_->listener != nullptr);
  impl_->listener->send(connection, message);
}

void ZmqTransport::drop(ConnectionId connection) {
  VPP_CHECK(impl_->listener != nullptr);
  impl_->listener->drop(connection);
}

void ZmqTransport::wait(Duration timeout, std::vector<TransportEvent>& out) {
  std::vector<zmq_pollitem_t>& items = impl_->poll_items;
  items.clear();
  items.push_back({nullptr, impl_->wake.get(), ZMQ_POLLIN, 0});
  if (impl_->listener) impl_->listener->add_to_poll(items);
  for (const auto& [id, link] : impl_->links) link->add_to_poll(items);

  Duration most = std::clamp(timeout, Duration{0}, kWaitMax);
  if (impl_->listener) most = std::min(most, impl_->listener->patience());
  if (!impl_->leaving.empty()) most = std::min(most, kByeMax / 10);
  if (!impl_->shared.events.empty()) most = Duration{0};
  // EINTR ends the wait early, as any event does.
  (void)zmq_poll(items.data(), static_cast<int>(items.size()), static_cast<long>(most.count()));

  // Sockets are asked only where poll has found something: each further question costs a call.
  std::span<const zmq_pollitem_t> found{items};
  const auto next = [&](std::size_t count) {
    const auto mine = found.first(count);
    found = found.subspan(count);
    return mine;
  };
  if (next(1)[0].revents != 0) impl_->wake.lower();
  if (impl_->listener) impl_->listener->drain(next(ZmqListener::kPollItems));
  std::erase_if(impl_->links,
                [&](const auto& entry) { return !entry.second->drain(next(ZmqLink::kPollItems)); });
  std::erase_if(impl_->leaving, [now = TransportShared::now()](const auto& each) {
    return each.link->let_out() || each.until <= now;
  });
  impl_->shared.counters.conflated += sift(impl_->shared.events);
  std::ranges::move(impl_->shared.events, std::back_inserter(out));
  impl_->shared.events.clear();
}

void ZmqTransport::wake() {
  impl_->wake.raise();
}

const TransportCounters& ZmqTransport::counters() const {
  return impl_->shared.counters;
}

std::optional<OtherVersion> ZmqTransport::other_version() const {
  const auto& last = impl_->shared.other_version;
  if (!last || TransportShared::now() - last->heard_at > kVersionShown) return std::nullopt;
  return last;
}

std::string ZmqTransport::bound_address() const {
  return impl_->listener ? impl_->listener->bound_address() : std::string{};
}

std::size_t ZmqTransport::connections() const {
  return impl_->listener ? impl_->listener->connections() : 0;
}

}  // namespace vpp::mesh
