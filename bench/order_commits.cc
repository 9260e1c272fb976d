// How many orders a second a root makes durable, one commit each, and what the disk alone could do.
//
//   order_commits --dir DIR --seconds N
// Prints one JSON object: commits per second through the store of vppd, and per second of a bare
// write of 4 KiB and fdatasync in the same directory.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "aggregation/order.h"
#include "config/check.h"
#include "daemon/driver/store.h"

namespace {

using namespace vpp;
using Clock = std::chrono::steady_clock;

/// Calls `one` for that long.
template <class One>
double per_second(std::chrono::seconds lasts, One one) {
  const auto begin = Clock::now();
  std::uint64_t done = 0;
  while (Clock::now() < begin + lasts) {
    one(done);
    ++done;
  }
  const std::chrono::duration<double> took = Clock::now() - begin;
  return static_cast<double>(done) / took.count();
}

double commits(const std::string& dir, std::chrono::seconds lasts) {
  auto store = driver::Store::open({.dir = dir + "/store", .map_bytes = driver::kStoreBytesRoot});
  if (!store) throw std::runtime_error{store.error()};
  return per_second(lasts, [&](std::uint64_t number) {
    aggregation::Order order;
    order.id = OrderId{number % driver::kOrdersKept + 1};
    order.key = "bench-" + std::to_string(number);
    order.power = Watts{100'000};
    order.until = MarketTime{std::chrono::hours{1}};
    const std::vector<node::Record> batch{order};
    if (const auto written = (*store)->persist(batch); !written) {
      throw std::runtime_error{written.error()};
    }
  });
}

double bare(const std::string& dir, std::chrono::seconds lasts) {
  const int fd = ::open((dir + "/bare").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  VPP_CHECK(fd >= 0);
  std::array<char, 4'096> page{};
  const double out = per_second(lasts, [&](std::uint64_t number) {
    page[0] = static_cast<char>(number);
    VPP_CHECK(::pwrite(fd, page.data(), page.size(), 0) == std::ssize(page));
    VPP_CHECK(::fdatasync(fd) == 0);
  });
  ::close(fd);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words{argv + 1, argv + argc};
  if (words.size() != 4 || words[0] != "--dir" || words[2] != "--seconds") {
    std::cerr << "order_commits --dir DIR --seconds N\n";
    return 2;
  }
  try {
    const std::chrono::seconds lasts{std::stoi(words[3])};
    std::cout << "{\"commits\": " << commits(words[1], lasts)
              << ", \"bare\": " << bare(words[1], lasts) << "}\n";
  } catch (const std::exception& error) {
    std::cerr << "order_commits: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
