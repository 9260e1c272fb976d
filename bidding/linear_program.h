// A linear program, whoever solves it: columns, rows over them, the largest gain. An interface, so
// that cores can ask without knowing a solver; bidding/clp_solver.h carries it.
//
// Units      the caller's. Numbers near 1 are solved best: whoever asks scales.
// Rows       can be added after a solution; the next one starts from there (cuts).
// Prices     of a row: what the gain grows by for each unit that its bound gives way.
// Errors     a program without a solution is an answer. What it was asked wrongly is a bug.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <span>
#include <vector>

namespace vpp::bidding {

inline constexpr double kUnbounded = std::numeric_limits<double>::infinity();

struct LinearBounds {
  double least = 0;
  double most = kUnbounded;
};

/// `index` of a column in a row, or of a row in a column.
struct LinearTerm {
  std::size_t index;
  double factor;
};

struct LinearSolution {
  double gain = 0;
  std::vector<double> values;  ///< of the columns
  std::vector<double> prices;  ///< of the rows
};

enum class LinearFailure : std::uint8_t {
  kInfeasible,  ///< no values keep to all bounds
  kUnlimited,   ///< the gain has no end
  kGivenUp,     ///< the solver ran out of time or precision
};

class LinearProgram {
 public:
  LinearProgram() = default;
  LinearProgram(const LinearProgram&) = delete;
  LinearProgram& operator=(const LinearProgram&) = delete;
  virtual ~LinearProgram() = default;

  /// Its index. `in_rows`: rows that are there already, each once.
  virtual std::size_t add_column(double gain, LinearBounds bounds,
                                 std::span<const LinearTerm> in_rows) = 0;
  std::size_t add_column(double gain, LinearBounds bounds) { return add_column(gain, bounds, {}); }

  /// Its index. `terms`: columns that are there already, each once.
  virtual std::size_t add_row(std::span<const LinearTerm> terms, LinearBounds bounds) = 0;

  [[nodiscard]] virtual std::expected<LinearSolution, LinearFailure> maximise() = 0;
};

/// Makes an empty one, which the caller deletes. A loadable solver exports it as
/// kMakeProgramSymbol.
using MakeLinearProgram = LinearProgram*();
inline constexpr const char* kMakeProgramSymbol = "vpp_make_linear_program";

}  // namespace vpp::bidding
