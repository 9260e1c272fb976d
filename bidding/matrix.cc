#include "bidding/matrix.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vpp::bidding {
namespace {

/// Rows taken at once: a sum is loaded and stored once for so many products.
constexpr std::size_t kAtOnce = 8;
/// Columns of a Cholesky panel: its rows stay in the cache while all below is brought up to date.
constexpr std::size_t kPanel = 48;

using Rows = std::array<const double*, kAtOnce>;

/// One row of the sums, columns from..end.
void add_row(double* sums, const Rows& rows, const std::array<double, kAtOnce>& by,
             std::size_t from, std::size_t end) {
  const auto [a, b, c, d, e, f, g, h] = rows;
  const auto [p, q, r, s, t, u, v, w] = by;
  for (std::size_t j = from; j < end; ++j) {
    sums[j] += ((p * a[j] + q * b[j]) + (r * c[j] + s * d[j])) +
               ((t * e[j] + u * f[j]) + (v * g[j] + w * h[j]));
  }
}

/// The factor of the panel's own square, [from, end).
bool factorise_square(Matrix& lower, std::size_t from, std::size_t end) {
  for (std::size_t j = from; j < end; ++j) {
    double* row = lower[j];
    for (std::size_t k = from; k < j; ++k) {
      double sum = row[k];
      for (std::size_t m = from; m < k; ++m) sum -= row[m] * lower[k][m];
      row[k] = sum / lower[k][k];
    }
    double pivot = row[j];
    for (std::size_t m = from; m < j; ++m) pivot -= row[m] * row[m];
    if (!(pivot > 0)) return false;
    row[j] = std::sqrt(pivot);
  }
  return true;
}

/// Rows below the panel: divided by its square; returned transposed, for add_products().
Matrix reduce_below(Matrix& lower, std::size_t from, std::size_t end) {
  Matrix panel{end - from, lower.rows()};
  for (std::size_t i = end; i < lower.rows(); ++i) {
    for (std::size_t k = from; k < end; ++k) panel[k - from][i] = lower[i][k];
  }
  for (std::size_t k = from; k < end; ++k) {
    double* row = panel[k - from];
    for (std::size_t m = from; m < k; ++m) {
      const double factor = lower[k][m];
      const double* other = panel[m - from];
      for (std::size_t i = end; i < lower.rows(); ++i) row[i] -= factor * other[i];
    }
    const double pivot = lower[k][k];
    for (std::size_t i = end; i < lower.rows(); ++i) row[i] /= pivot;
  }
  for (std::size_t i = end; i < lower.rows(); ++i) {
    for (std::size_t k = from; k < end; ++k) lower[i][k] = panel[k - from][i];
  }
  return panel;
}

}  // namespace

void add_products(Matrix& sums, const Matrix& source, std::size_t rows, double factor,
                  std::size_t from) {
  const std::vector<double> zeros(source.columns());
  for (std::size_t k = 0; k < rows; k += kAtOnce) {
    Rows at{};
    for (std::size_t m = 0; m < kAtOnce; ++m) {
      at[m] = k + m < rows ? source[k + m] : zeros.data();
    }
    for (std::size_t i = from; i < sums.rows(); ++i) {
      std::array<double, kAtOnce> by{};
      for (std::size_t m = 0; m < kAtOnce; ++m) by[m] = factor * at[m][i];
      add_row(sums[i], at, by, from, i + 1);
    }
  }
}

Matrix gram(const Matrix& x) {
  Matrix out{x.columns(), x.columns()};
  add_products(out, x, x.rows(), 1);
  for (std::size_t i = 0; i < out.rows(); ++i) {
    for (std::size_t j = 0; j < i; ++j) out[j][i] = out[i][j];
  }
  return out;
}

Matrix transposed(const Matrix& x) {
  Matrix out{x.columns(), x.rows()};
  for (std::size_t i = 0; i < x.rows(); ++i) {
    for (std::size_t j = 0; j < x.columns(); ++j) out[j][i] = x[i][j];
  }
  return out;
}

bool factorise(Matrix& lower) {
  for (std::size_t from = 0; from < lower.rows(); from += kPanel) {
    const std::size_t end = std::min(from + kPanel, lower.rows());
    if (!factorise_square(lower, from, end)) return false;
    const Matrix panel = reduce_below(lower, from, end);
    add_products(lower, panel, panel.rows(), -1, end);
  }
  return true;
}

void solve(const Matrix& lower, Matrix& right) {
  const std::size_t n = lower.rows();
  const auto subtract = [&](std::size_t i, std::size_t k, double factor) {
    double* to = right[i];
    const double* of = right[k];
    for (std::size_t j = 0; j < right.columns(); ++j) to[j] -= factor * of[j];
  };
  const auto divide = [&](std::size_t i) {
    for (double& value : right.row(i)) value /= lower[i][i];
  };
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) subtract(i, k, lower[i][k]);
    divide(i);
  }
  for (std::size_t i = n; i-- > 0;) {
    divide(i);
    for (std::size_t k = 0; k < i; ++k) subtract(k, i, lower[i][k]);
  }
}

}  // namespace vpp::bidding
