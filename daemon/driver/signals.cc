#include "daemon/driver/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "config/check.h"

namespace vpp::driver {
namespace {

constexpr int kLeave = SIGUSR1;  ///< tells the thread to end

sigset_t handled() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, kLeave}) ::sigaddset(&set, signal);
  return set;
}

void watch(const std::function<void()>& asked) {
  const sigset_t set = handled();
  for (bool first = true;; first = false) {
    int signal = 0;
    if (::sigwait(&set, &signal) != 0 || signal == kLeave) return;
    if (!first) ::_exit(1);
    asked();
  }
}

}  // namespace

void Signals::block() {
  const sigset_t set = handled();
  VPP_CHECK(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  // A peer that closes a socket and a disk quota that is used up are error codes, not the end.
  VPP_CHECK(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  VPP_CHECK(std::signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
}

Signals::Signals(std::function<void()> asked) {
  block();
  thread_ = std::thread{[asked = std::move(asked)] { watch(asked); }};
}

Signals::~Signals() {
  ::pthread_kill(thread_.native_handle(), kLeave);
  thread_.join();
}

}  // namespace vpp::driver
