#include "bidding/matrix.h"

#include <catch2/catch.hpp>
#include <cstddef>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;

namespace {

Matrix random_matrix(Rng& rng, std::size_t rows, std::size_t columns) {
  Matrix out{rows, columns};
  for (std::size_t i = 0; i < rows; ++i) {
    for (double& value : out.row(i)) value = static_cast<double>(rng.below(2001)) / 1e3 - 1;
  }
  return out;
}

double product(const Matrix& x, std::size_t i, std::size_t j) {
  double out = 0;
  for (std::size_t k = 0; k < x.rows(); ++k) out += x[k][i] * x[k][j];
  return out;
}

}  // namespace

TEST_CASE("products of columns are sums of products, whatever the number of rows") {
  Rng rng{3};
  for (const std::size_t rows : {1U, 7U, 8U, 9U, 30U}) {
    const Matrix x = random_matrix(rng, rows, 6);
    const Matrix sums = gram(x);
    for (std::size_t i = 0; i < 6; ++i) {
      for (std::size_t j = 0; j < 6; ++j)
        REQUIRE(sums[i][j] == Approx(product(x, i, j)).margin(1e-12));
    }
  }
}

TEST_CASE("what a factor solves is the solution, also over several panels") {
  Rng rng{4};
  for (const std::size_t size : {1U, 5U, 48U, 49U, 110U}) {
    Matrix lower = gram(random_matrix(rng, size + 20, size));
    const Matrix symmetric = lower;
    const Matrix right = random_matrix(rng, size, 3);
    Matrix solution = right;
    REQUIRE(factorise(lower));
    solve(lower, solution);
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t column = 0; column < 3; ++column) {
        double sum = 0;
        for (std::size_t k = 0; k < size; ++k) sum += symmetric[i][k] * solution[k][column];
        REQUIRE(sum == Approx(right[i][column]).margin(1e-7));
      }
    }
  }
}

TEST_CASE("a matrix that is not positive definite has no factor") {
  Matrix zero{3, 3};
  REQUIRE_FALSE(factorise(zero));
  Matrix mixed{2, 2};
  mixed[0][0] = 1;
  mixed[1][0] = 2;
  mixed[1][1] = 1;
  REQUIRE_FALSE(factorise(mixed));
}
