#include "bidding/clp_solver.h"

#include <coin/Clp_C_Interface.h>

#include <cmath>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr double kTolerance = 1e-9;
constexpr double kSecondsMax = 60;  ///< a program that takes longer is given up

struct ModelDeleter {
  void operator()(Clp_Simplex* model) const { Clp_deleteModel(model); }
};

/// Rows or columns that Clp has not been told of yet, in its packed form.
class Additions {
 public:
  void add(LinearBounds bounds, std::span<const LinearTerm> terms) {
    VPP_CHECK(bounds.least <= bounds.most);
    least_.push_back(clamped(bounds.least));
    most_.push_back(clamped(bounds.most));
    for (const LinearTerm& term : terms) {
      VPP_CHECK(std::isfinite(term.factor));
      indices_.push_back(static_cast<int>(term.index));
      factors_.push_back(term.factor);
    }
    starts_.push_back(static_cast<int>(indices_.size()));
  }
  void add_rows(Clp_Simplex* model) {
    if (least_.empty()) return;
    Clp_addRows(model, static_cast<int>(least_.size()), least_.data(), most_.data(), starts_.data(),
                indices_.data(), factors_.data());
    *this = {};
  }
  void add_columns(Clp_Simplex* model, std::vector<double>& costs) {
    if (least_.empty()) return;
    Clp_addColumns(model, static_cast<int>(least_.size()), least_.data(), most_.data(),
                   costs.data(), starts_.data(), indices_.data(), factors_.data());
    costs.clear();
    *this = {};
  }

 private:
  /// Clp's own infinity is the largest double.
  [[nodiscard]] static double clamped(double bound) {
    VPP_CHECK(!std::isnan(bound));
    constexpr double kMost = std::numeric_limits<double>::max();
    return std::isfinite(bound) ? bound : std::copysign(kMost, bound);
  }

  std::vector<double> least_;
  std::vector<double> most_;
  std::vector<int> starts_{0};
  std::vector<int> indices_;
  std::vector<double> factors_;
};

/// Minimises the negated gain, which is what Clp's signs are made for.
class ClpProgram final : public LinearProgram {
 public:
  ClpProgram() {
    Clp_setLogLevel(model_.get(), 0);
    Clp_setPrimalTolerance(model_.get(), kTolerance);
    Clp_setDualTolerance(model_.get(), kTolerance);
    Clp_setMaximumSeconds(model_.get(), kSecondsMax);
  }

  using LinearProgram::add_column;
  std::size_t add_column(double gain, LinearBounds bounds,
                         std::span<const LinearTerm> in_rows) override {
    VPP_CHECK(std::isfinite(gain));
    rows_.add_rows(model_.get());
    for (const LinearTerm& term : in_rows) VPP_CHECK(term.index < row_count_);
    columns_.add(bounds, in_rows);
    costs_.push_back(-gain);
    return column_count_++;
  }

  std::size_t add_row(std::span<const LinearTerm> terms, LinearBounds bounds) override {
    columns_.add_columns(model_.get(), costs_);
    for (const LinearTerm& term : terms) VPP_CHECK(term.index < column_count_);
    rows_.add(bounds, terms);
    return row_count_++;
  }

  [[nodiscard]] std::expected<LinearSolution, LinearFailure> maximise() override {
    rows_.add_rows(model_.get());
    columns_.add_columns(model_.get(), costs_);
    Clp_dual(model_.get(), 0);
    // Infeasible for the dual may be either; the primal simplex says which.
    if (Clp_status(model_.get()) != 0) Clp_primal(model_.get(), 0);
    switch (Clp_status(model_.get())) {
      case 0:
        break;
      case 1:
        return std::unexpected{LinearFailure::kInfeasible};
      case 2:
        return std::unexpected{LinearFailure::kUnlimited};
      default:
        return std::unexpected{LinearFailure::kGivenUp};
    }
    const double* values = Clp_primalColumnSolution(model_.get());
    const double* prices = Clp_dualRowSolution(model_.get());
    LinearSolution out{-Clp_objectiveValue(model_.get()), {values, values + column_count_}, {}};
    for (std::size_t i = 0; i < row_count_; ++i) out.prices.push_back(-prices[i]);
    return out;
  }

 private:
  std::unique_ptr<Clp_Simplex, ModelDeleter> model_{Clp_newModel()};
  Additions rows_;
  Additions columns_;
  std::vector<double> costs_;  // of columns_
  std::size_t row_count_ = 0;
  std::size_t column_count_ = 0;
};

}  // namespace

std::unique_ptr<LinearProgram> clp_program() {
  return std::make_unique<ClpProgram>();
}

}  // namespace vpp::bidding
