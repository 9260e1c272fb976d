// How often a promise is broken, by how it was made: plants of 2,000 sites in 20 regions, whose
// uplinks fail and whose sites do not always respond (tests/aggregation/outages.h). What is known
// of them is what the plant has seen: 50 orders per site, 1,000 looks per uplink.
//
//   firm_capacity [--plants 40] [--events 20000] [--seed 1] [-o json]
//
// Exit code 1 when a firm promise is broken more than 1.25 times as often as its target.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/aggregation/outages.h"

namespace {

using namespace vpp;
using namespace vpp::aggregation;
using namespace vpp::aggregation::testing;

constexpr double kTimesMax = 1.25;
constexpr std::array kTargets{PerMillion{10'000}, PerMillion{50'000}};
constexpr std::array kNames{"firm (convolution)", "normal at every level", "independence assumed",
                            "nominal sum"};
constexpr std::array kDurations{"30 min", "1 h", "4 h"};

struct Row {
  std::size_t method;
  double target;
  BrokenAt mean{};  ///< over all plants

  [[nodiscard]] double worst() const {
    return std::ranges::max(mean, {}, [](const Broken& at) { return at.share; }).share;
  }
  [[nodiscard]] double times() const { return worst() / target; }
};

std::vector<Row> measure(std::uint64_t seed, int plants, const OutageOptions& options) {
  std::vector<Row> rows;
  for (std::size_t method = 0; method < kMethods.size(); ++method) {
    for (const PerMillion target : kTargets) {
      rows.push_back({method, static_cast<double>(target.count) / 1e6});
    }
  }
  Rng rng{seed};
  for (int plant = 0; plant < plants; ++plant) {
    Rng own = rng.fork();
    const OutagePlant made{own, options};
    const auto broken = made.broken(own, {kTargets.begin(), kTargets.end()});
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const BrokenAt& of_plant = broken[rows[row].method][row % kTargets.size()];
      for (std::size_t i = 0; i < of_plant.size(); ++i) {
        rows[row].mean[i].promised += of_plant[i].promised / plants;
        rows[row].mean[i].share += of_plant[i].share / plants;
      }
    }
  }
  return rows;
}

void print_table(const std::vector<Row>& rows) {
  std::cout << std::left << std::setw(24) << "promised by" << std::right << std::setw(8) << "target"
            << std::setw(14) << "of nominal";
  for (const char* duration : kDurations) std::cout << std::setw(10) << duration;
  std::cout << std::setw(10) << "x target\n" << std::fixed;
  for (const Row& row : rows) {
    std::cout << std::left << std::setw(24) << kNames[row.method] << std::right
              << std::setprecision(0) << std::setw(7) << row.target * 100 << '%'
              << std::setprecision(1) << std::setw(13) << row.mean[1].promised * 100 << '%'
              << std::setprecision(2);
    for (const Broken& at : row.mean) std::cout << std::setw(9) << at.share * 100 << '%';
    std::cout << std::setw(9) << row.times() << '\n';
  }
}

nlohmann::json to_json(const std::vector<Row>& rows) {
  auto out = nlohmann::json::array();
  for (const Row& row : rows) {
    nlohmann::json at = nlohmann::json::object();
    for (std::size_t i = 0; i < row.mean.size(); ++i) {
      at[kDurations[i]] = {{"promised_of_nominal", row.mean[i].promised},
                           {"shortfall", row.mean[i].share}};
    }
    out.push_back({{"method", kNames[row.method]},
                   {"target", row.target},
                   {"durations", std::move(at)},
                   {"times_target", row.times()}});
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"How often a promise is broken, by how it was made"};
  OutageOptions options;
  int plants = 40;
  std::uint64_t seed = 1;
  std::string output = "text";
  app.add_option("--plants", plants)->check(CLI::Range(1, 10'000));
  app.add_option("--sites", options.sites)->check(CLI::Range(20, 1'000'000));
  app.add_option("--regions", options.regions)->check(CLI::Range(1, 10'000));
  app.add_option("--events", options.events, "Per plant")->check(CLI::Range(1, 100'000'000));
  app.add_option("--orders-seen", options.orders_seen, "Per site, before the promise");
  app.add_option("--looks-seen", options.looks_seen, "Per uplink, before the promise");
  app.add_option("--seed", seed);
  app.add_option("-o,--output", output)->check(CLI::IsMember({"text", "json"}));
  CLI11_PARSE(app, argc, argv);
  if (options.sites < options.regions) {
    std::cerr << "firm_capacity: fewer sites than regions\n";
    return 2;
  }
  const auto rows = measure(seed, plants, options);
  const bool kept = std::ranges::all_of(rows, [](const Row& row) {
    return kMethods[row.method] != Method::kFirm || row.times() <= kTimesMax;
  });
  if (output == "json") {
    std::cout << nlohmann::json{{"plants", plants},       {"events", options.events},
                                {"sites", options.sites}, {"regions", options.regions},
                                {"seed", seed},           {"times_max", kTimesMax},
                                {"kept", kept},           {"rows", to_json(rows)}}
                     .dump(2)
              << '\n';
  } else {
    print_table(rows);
  }
  return kept ? 0 : 1;
}
