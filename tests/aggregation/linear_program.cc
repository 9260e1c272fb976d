#include "tests/aggregation/linear_program.h"

#include <coin/Clp_C_Interface.h>

#include <memory>

namespace vpp::aggregation::testing {
namespace {

struct Deleter {
  void operator()(Clp_Simplex* model) const { Clp_deleteModel(model); }
};
using Model = std::unique_ptr<Clp_Simplex, Deleter>;

/// Columns: kilowatts of each site in each slot, 0 to its power, then `more` columns from 0 up.
/// Rows: each site's energy over all slots, then one row per slot for the caller to bound.
struct Program {
  std::vector<double> lower, upper, objective;
  std::vector<int> starts{0}, rows;
  std::vector<double> elements;
  std::vector<double> row_lower, row_upper;

  Program(const std::vector<device::Capability>& sites, std::size_t slots, double slot_s) {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      for (std::size_t t = 0; t < slots; ++t) {
        add_column(static_cast<double>(sites[i].power.count) / 1000, 0,
                   {{static_cast<int>(i), 1.0}, {static_cast<int>(sites.size() + t), 1.0}});
      }
      row_lower.push_back(0);
      row_upper.push_back(static_cast<double>(sites[i].energy.count) / 1000 / slot_s);
    }
  }

  void add_column(double most, double gain, const std::vector<std::pair<int, double>>& entries) {
    lower.push_back(0);
    upper.push_back(most);
    objective.push_back(gain);
    for (const auto& [row, element] : entries) {
      rows.push_back(row);
      elements.push_back(element);
    }
    starts.push_back(static_cast<int>(rows.size()));
  }

  /// The largest value of the objective.
  [[nodiscard]] double maximise() const {
    const Model model{Clp_newModel()};
    Clp_setLogLevel(model.get(), 0);
    Clp_loadProblem(model.get(), static_cast<int>(upper.size()), static_cast<int>(row_upper.size()),
                    starts.data(), rows.data(), elements.data(), lower.data(), upper.data(),
                    objective.data(), row_lower.data(), row_upper.data());
    Clp_setOptimizationDirection(model.get(), -1);
    Clp_setPrimalTolerance(model.get(), 1e-9);
    Clp_setDualTolerance(model.get(), 1e-9);
    Clp_primal(model.get(), 0);
    return Clp_objectiveValue(model.get());
  }
};

}  // namespace

double lp_unserved(const std::vector<device::Capability>& sites, const std::vector<Watts>& request,
                   double slot_s) {
  Program program{sites, request.size(), slot_s};
  program.objective.assign(program.objective.size(), 1.0);
  double asked = 0;
  for (const Watts power : request) {
    program.row_lower.push_back(0);
    program.row_upper.push_back(static_cast<double>(power.count) / 1000);
    asked += static_cast<double>(power.count) / 1000;
  }
  return (asked - program.maximise()) * slot_s * 1000;
}

double lp_scale_max(const std::vector<device::Capability>& sites, const std::vector<Watts>& request,
                    double slot_s) {
  Program program{sites, request.size(), slot_s};
  std::vector<std::pair<int, double>> scaled;
  for (std::size_t t = 0; t < request.size(); ++t) {
    program.row_lower.push_back(0);
    program.row_upper.push_back(0);
    scaled.emplace_back(static_cast<int>(sites.size() + t),
                        -static_cast<double>(request[t].count) / 1000);
  }
  program.add_column(1e9, 1, scaled);
  return program.maximise();
}

double lp_peak_threshold(const std::vector<device::Capability>& sites,
                         const std::vector<Watts>& net_load, double slot_s) {
  Program program{sites, net_load.size(), slot_s};
  std::vector<std::pair<int, double>> level;
  for (std::size_t t = 0; t < net_load.size(); ++t) {
    program.row_lower.push_back(static_cast<double>(net_load[t].count) / 1000);
    program.row_upper.push_back(1e9);
    level.emplace_back(static_cast<int>(sites.size() + t), 1.0);
  }
  program.add_column(1e9, -1, level);
  return -program.maximise() * 1000;
}

}  // namespace vpp::aggregation::testing
