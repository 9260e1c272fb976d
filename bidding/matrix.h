// Dense matrices, as much of them as the forecasts need. Pure; same input, same bits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vpp::bidding {

/// Row by row.
class Matrix {
 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t columns)
      : rows_{rows}, columns_{columns}, values_(rows * columns) {}

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] double* operator[](std::size_t row) { return values_.data() + row * columns_; }
  [[nodiscard]] const double* operator[](std::size_t row) const {
    return values_.data() + row * columns_;
  }
  [[nodiscard]] std::span<double> row(std::size_t row) { return {(*this)[row], columns_}; }
  [[nodiscard]] std::span<const double> row(std::size_t row) const {
    return {(*this)[row], columns_};
  }

 private:
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  std::vector<double> values_;
};

/// Adds factor * sum of row(k)[i] * row(k)[j] over `rows` of `source` to [i][j], for from <= j <=
/// i: the lower triangle.
void add_products(Matrix& sums, const Matrix& source, std::size_t rows, double factor,
                  std::size_t from = 0);

/// x'x: products of the columns, both triangles.
[[nodiscard]] Matrix gram(const Matrix& x);

[[nodiscard]] Matrix transposed(const Matrix& x);

/// The Cholesky factor takes the place of the lower triangle of a symmetric matrix, of which
/// nothing else is read. False: it is not positive definite, and spoilt.
[[nodiscard]] bool factorise(Matrix& lower);

/// Solves for each column of `right`, in place, with what factorise() left.
void solve(const Matrix& lower, Matrix& right);

}  // namespace vpp::bidding
