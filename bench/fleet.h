// Many leaves in one process, on one thread and ZeroMQ's own: the far end of a scale benchmark.
//
// Every leaf has keys and a certificate of its own, made here in the name of the fleet's authority.
// Descriptors  four a link (the connection, and what libzmq needs for two sockets and their
//              monitor); a leaf that looks for a parent has several links for a moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "bench/fleet_leaf.h"
#include "daemon/driver/clock.h"
#include "mesh/keys.h"

namespace vpp::bench {

struct FleetOptions {
  RoleConfig config;  ///< of every leaf, but for name and identity
  mesh::FleetAuthority authority;
  std::size_t leaves = 0;
  std::size_t starts_per_second = 1'000;
  /// Of libzmq, each with one I/O thread. To close a socket costs the length of a walk through
  /// all others of its context, which a leaf alone in its process does not pay.
  std::size_t contexts = 1;
  std::filesystem::path store_dir;  ///< empty: state in memory
};

class Fleet {
 public:
  /// Throws std::exception: out of descriptors, a store that does not open.
  explicit Fleet(FleetOptions options);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  /// Reads commands from standard input until `quit` or its end; one line of JSON answers each.
  void run();

 private:
  class Epoll;

  [[nodiscard]] std::unique_ptr<Leaf> make_leaf(std::size_t index, const Now& now);
  void turn();
  [[nodiscard]] int patience_ms() const;
  void schedule(std::size_t leaf, const Now& now);
  void begin_flood(std::uint64_t unanswered_max);
  void flood(const Now& now);
  void read_commands();
  [[nodiscard]] std::string answer(std::string_view command);
  [[nodiscard]] std::string status() const;
  [[nodiscard]] std::string moves() const;
  [[nodiscard]] std::string standbys();
  void forget_standbys();

  FleetOptions options_;
  driver::Clock clock_;
  Rng rng_;
  std::unique_ptr<Epoll> epoll_;
  LeafWorld world_;
  std::vector<std::unique_ptr<Leaf>> leaves_;
  std::set<std::pair<Instant, std::size_t>> due_;
  std::vector<Instant> due_of_;
  std::string input_;
  bool stopped_ = false;
  Nanos mark_{};

  std::optional<FloodWindow> flood_;
  std::vector<std::size_t> flooding_;  ///< leaves with room in their window, in turn
  std::vector<bool> floods_;           ///< of each leaf: whether it is among them
};

}  // namespace vpp::bench
