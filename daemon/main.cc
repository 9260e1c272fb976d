// vppd: one node of a virtual power plant. Reads its arguments, wires the runtime, runs it.
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>
#include <string>

#include "config/role_config.h"
#include "config/role_config_toml.h"
#include "config/z85.h"
#include "daemon/driver/log.h"
#include "daemon/driver/runtime.h"
#include "daemon/driver/signals.h"
#include "daemon/driver/version.h"
#include "mesh/cert_authority.h"

namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Arguments {
  std::string config;
  std::string check;
  bool print_config = false;
  std::string log_level;
  bool version = false;
  std::string keygen_dir;
  bool keygen = false;
};

/// A leaf's gateway is small: one heap instead of one per thread, and stacks that fit.
void stay_small() {
  ::mallopt(M_ARENA_MAX, 1);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  constexpr std::size_t kStackBytes = 256U << 10U;
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  ::pthread_setattr_default_np(&attributes);
  ::pthread_attr_destroy(&attributes);
}

std::optional<vpp::RoleConfig> load(const std::string& file) {
  auto config = vpp::load_role_config(file);
  if (config) return *std::move(config);
  for (const vpp::ConfigError& error : config.error()) std::cerr << to_string(error) << '\n';
  return std::nullopt;
}

int check(const std::string& file) {
  const auto config = load(file);
  if (!config) return kUsage;
  std::cout << file << ": ok, " << to_string(role_of(*config)) << " '" << config->name << "'\n";
  return kOk;
}

int keygen(const std::string& dir) {
  const auto request = vpp::mesh::keygen(dir);
  if (!request) {
    std::cerr << "vppd keygen: " << request.error() << '\n';
    return kFailed;
  }
  std::cout << "node " << to_string(request->node) << '\n'
            << "curve key " << vpp::to_z85(request->curve) << '\n'
            << "made " << dir << "/" << vpp::mesh::kNodeKeyFile << " (keep it secret) and " << dir
            << "/" << vpp::mesh::kRequestFile << "; have the latter signed: vppctl certs sign\n";
  return kOk;
}

int serve(const Arguments& arguments) {
  auto config = load(arguments.config);
  if (!config) return kUsage;
  if (!arguments.log_level.empty()) {
    config->log_level = vpp::parse_log_level(arguments.log_level).value_or(config->log_level);
  }
  if (arguments.print_config) {
    std::cout << to_toml(*config);
    return kOk;
  }
  stay_small();
  vpp::driver::Signals::block();
  vpp::driver::log::start(config->log_level);
  auto runtime = vpp::driver::Runtime::open({*std::move(config), arguments.config});
  if (!runtime) {
    std::cerr << "vppd: " << runtime.error() << '\n';
    return kFailed;
  }
  const int code = (*runtime)->run();
  if ((*runtime)->thread_left_behind()) ::_exit(code);
  return code;
}

void declare(CLI::App& app, Arguments& arguments) {
  app.add_option("--config", arguments.config, "Run the node that FILE describes")
      ->type_name("FILE");
  app.add_option("--check", arguments.check, "Say what is wrong with FILE, and where; exit 0 or 2")
      ->type_name("FILE");
  app.add_flag("--print-config", arguments.print_config,
               "With --config: print the effective values and exit");
  app.add_option("--log-level", arguments.log_level, "Instead of the config's")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error"}));
  app.add_flag("--version", arguments.version, "Print the version and exit");
  auto* keygen_command =
      app.add_subcommand("keygen", "Make this node's keys and its certificate request");
  keygen_command->add_option("--dir", arguments.keygen_dir, "Where to put them")
      ->type_name("DIR")
      ->required();
  keygen_command->callback([&arguments] { arguments.keygen = true; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"vppd: leaf, aggregator or root of a virtual power plant"};
  Arguments arguments;
  declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11's own codes start at 100; --help is a success.
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (arguments.version) {
    std::cout << "vppd " << vpp::driver::kVersion << '\n';
    return kOk;
  }
  if (arguments.keygen) return keygen(arguments.keygen_dir);
  if (!arguments.check.empty()) return check(arguments.check);
  if (!arguments.config.empty()) return serve(arguments);
  std::cerr << "vppd: nothing to do; hint: vppd --config FILE, or vppd --help\n";
  return kUsage;
}
