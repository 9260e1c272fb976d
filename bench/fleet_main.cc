// vppfleet: thousands of leaves in one process, for the scale benchmark. Real nodes, keys,
// certificates and CURVE links; the homes behind them are the simulator's.
//
//   vppfleet --config LEAF.toml --authority DIR --leaves N
// Says READY, then obeys standard input; each line is answered by one JSON object:
//   status            who is attached to whom, the newest order, counters
//   mark              forgets earlier moves
//   moves             since the mark: when leaves lost a parent, and had one again
//   standbys          how many leaves hold another parent ready
//   forget-standbys   they lose every link but their parent's
//   flood N           reports as fast as they are taken, at most N unanswered a leaf; 0: no more
//   report-every N    of the reports that the nodes send by themselves, let only every Nth out
//   quit
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>

#include "bench/fleet.h"
#include "config/role_config_toml.h"
#include "mesh/cert_authority.h"

namespace {

/// As many as we may: four a link.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Arguments {
  std::string config;
  std::string authority;
  std::string stores;
  std::size_t leaves = 0;
  std::size_t starts_per_second = 1'000;
  std::size_t contexts = 1;
};

void declare(CLI::App& app, Arguments& arguments) {
  app.add_option("--config", arguments.config, "A leaf's; [[parents]] and [site] are every leaf's")
      ->required();
  app.add_option("--authority", arguments.authority, "Directory that holds authority.key")
      ->required();
  app.add_option("--leaves", arguments.leaves)->required()->check(CLI::Range(1, 16'000));
  app.add_option("--starts", arguments.starts_per_second, "Leaves started in a second")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--contexts", arguments.contexts, "Of libzmq")->check(CLI::Range(1, 64));
  app.add_option("--stores", arguments.stores, "Durable state in DIR; otherwise in memory");
}

int run(const Arguments& arguments) {
  raise_descriptor_limit();
  const auto config = vpp::load_role_config(arguments.config);
  if (!config) {
    for (const auto& error : config.error()) std::cerr << to_string(error) << '\n';
    return 2;
  }
  if (role_of(*config) != vpp::Role::kLeaf) {
    std::cerr << "vppfleet: " << arguments.config << " is not a leaf's\n";
    return 2;
  }
  if (!vpp::mesh::crypto_ready()) {
    std::cerr << "vppfleet: libsodium cannot start\n";
    return 1;
  }
  const auto authority = vpp::mesh::read_authority(std::filesystem::path{arguments.authority} /
                                                   vpp::mesh::kAuthorityFile);
  if (!authority) {
    std::cerr << "vppfleet: " << authority.error() << '\n';
    return 1;
  }
  vpp::bench::Fleet fleet{{.config = *config,
                           .authority = *authority,
                           .leaves = arguments.leaves,
                           .starts_per_second = arguments.starts_per_second,
                           .contexts = arguments.contexts,
                           .store_dir = arguments.stores}};
  std::cout << "READY\n" << std::flush;
  fleet.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"vppfleet: many leaves in one process, for benchmarks"};
  Arguments arguments;
  declare(app, arguments);
  CLI11_PARSE(app, argc, argv);
  try {
    return run(arguments);
  } catch (const std::exception& error) {
    std::cerr << "vppfleet: " << error.what() << '\n';
    return 1;
  }
}
