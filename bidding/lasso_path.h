// Least squares with a price on the sum of the weights' magnitudes: the whole path of solutions, by
// least angle regression. Pure.
//
// Problem    minimises |y - Xw|^2 / 2 + lambda * |w|_1, X and y centred, for every lambda from the
//            one at which all weights are zero downward. Between two corners of the path each
//            weight moves on a line, so that corners are all there is to compute; they are exact.
// Cost       O(features * active) for a corner, whatever the number of rows: the products of the
//            features are computed once and shared by all targets.
// Source     Efron, Hastie, Johnstone, Tibshirani, "Least angle regression", Annals of
//            Statistics 32 (2004), with the lasso's modification.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bidding/matrix.h"

namespace vpp::bidding {

struct LassoProblem {
  const Matrix& products;               ///< X'X
  std::span<const double> with_target;  ///< X'y
  double target_square = 0;             ///< y'y
  std::size_t rows = 0;
};

struct LassoFit {
  std::vector<double> weights;
  double lambda = 0;
  double residual_square = 0;  ///< |y - Xw|^2
  std::size_t nonzero = 0;     ///< weights
};

/// Walks down the path, a corner at a time. What the problem refers to has to outlive it.
class LassoPath {
 public:
  explicit LassoPath(const LassoProblem& problem);

  /// The corner reached. At first all weights are zero.
  [[nodiscard]] LassoFit fit() const;
  [[nodiscard]] double lambda() const { return lambda_; }
  [[nodiscard]] double residual_square() const;
  [[nodiscard]] std::size_t nonzero() const;

  /// To the next corner. False: there is none, this is least squares.
  [[nodiscard]] bool advance();

 private:
  struct Event;
  [[nodiscard]] Event next_event(std::span<const double> direction,
                                 std::span<const double> slope) const;
  [[nodiscard]] std::vector<double> direction() const;
  void join(std::size_t feature);
  void leave(std::size_t place);
  [[nodiscard]] bool append_factor(std::size_t feature);

  LassoProblem problem_;
  std::vector<double> weights_;
  std::vector<double> gradient_;             ///< X'(y - Xw)
  std::vector<std::size_t> active_;          ///< in the order they joined
  std::vector<double> signs_;                ///< of the gradient of the active
  std::vector<std::vector<double>> factor_;  ///< rows of the Cholesky factor of their products
  std::vector<bool> out_;                    ///< active, or a combination of the active
  std::size_t left_;                         ///< who left at the last corner
  double lambda_ = 0;
};

/// The corner of the least n log(|y - Xw|^2 / n) + 2 k n / (n - k - 1): Akaike's criterion for k
/// weights, corrected for few rows n (Hurvich, Tsai, Biometrika 76, 1989). The search ends where
/// ten corners in a row were no better.
[[nodiscard]] LassoFit lasso_by_aic(const LassoProblem& problem);

}  // namespace vpp::bidding
