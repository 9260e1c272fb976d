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
