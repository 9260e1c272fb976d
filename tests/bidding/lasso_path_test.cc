#include "bidding/lasso_path.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <vector>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;

namespace {

double draw_unit(Rng& rng) {
  return static_cast<double>(rng.below(2'000'001)) / 1e6 - 1;
}

/// Features that resemble each other, as the hours of a day do; a target of a few of them.
struct Data {
  Matrix x;
  std::vector<double> y;
};

Data drawn_data(Rng& rng, std::size_t rows, std::size_t columns) {
  Data out{Matrix{rows, columns}, std::vector<double>(rows)};
  for (std::size_t i = 0; i < rows; ++i) {
    double common = 0;
    for (std::size_t j = 0; j < columns; ++j) {
      common = 0.7 * common + draw_unit(rng);
      out.x[i][j] = common;
      if (j % 3 == 0) out.y[i] += common * static_cast<double>(j % 4);
    }
    out.y[i] += draw_unit(rng);
  }
  return out;
}

struct Sums {
  Matrix products;
  std::vector<double> with_target;
  double square = 0;
};

Sums sums_of(const Data& data) {
  Sums out{Matrix{data.x.columns(), data.x.columns()}, std::vector<double>(data.x.columns()), 0};
  for (std::size_t i = 0; i < data.x.rows(); ++i) {
    out.square += data.y[i] * data.y[i];
    for (std::size_t j = 0; j < data.x.columns(); ++j) {
      out.with_target[j] += data.y[i] * data.x[i][j];
      for (std::size_t k = 0; k < data.x.columns(); ++k) {
        out.products[j][k] += data.x[i][j] * data.x[i][k];
      }
    }
  }
  return out;
}

/// The other way to the same minimum: each weight in turn to its own.
std::vector<double> coordinate_descent(const Sums& sums, double lambda) {
  std::vector<double> weights(sums.with_target.size());
  for (int sweep = 0; sweep < 3000; ++sweep) {
    for (std::size_t j = 0; j < weights.size(); ++j) {
      double pull = sums.with_target[j];
      for (std::size_t k = 0; k < weights.size(); ++k) {
        if (k != j) pull -= sums.products[j][k] * weights[k];
      }
      const double beyond = std::max(std::abs(pull) - lambda, 0.0);
      weights[j] = std::copysign(beyond, pull) / sums.products[j][j];
    }
  }
  return weights;
}

/// Of |y - Xw|^2 / 2 at the weights, downhill.
std::vector<double> gradient(const Sums& sums, const std::vector<double>& weights) {
  std::vector<double> out = sums.with_target;
  for (std::size_t j = 0; j < out.size(); ++j) {
    for (std::size_t k = 0; k < out.size(); ++k) out[j] -= sums.products[j][k] * weights[k];
  }
  return out;
}

/// The conditions of Karush, Kuhn and Tucker: no gradient beyond lambda, and that of a weight is
/// lambda, in its direction.
void check_minimum(const Sums& sums, const LassoFit& fit) {
  const double near = 1e-7 * (1 + std::abs(sums.square));
  const auto slope = gradient(sums, fit.weights);
  for (std::size_t j = 0; j < slope.size(); ++j) {
    REQUIRE(std::abs(slope[j]) <= fit.lambda + near);
    if (fit.weights[j] == 0) continue;
    REQUIRE(std::abs(slope[j] - std::copysign(fit.lambda, fit.weights[j])) <= near);
  }
}

}  // namespace

TEST_CASE("every corner of the path is a minimum, and the one that coordinate descent finds") {
  Rng rng{17};
  for (int round = 0; round < 20; ++round) {
    const Data data = drawn_data(rng, 20 + rng.below(40), 3 + rng.below(9));
    const Sums sums = sums_of(data);
    LassoPath path{{sums.products, sums.with_target, sums.square, data.x.rows()}};
    std::size_t corners = 0;
    double before = path.lambda();
    while (path.advance()) {
      REQUIRE(path.lambda() < before);
      before = path.lambda();
      const LassoFit fit = path.fit();
      check_minimum(sums, fit);
      const auto other = coordinate_descent(sums, fit.lambda);
      for (std::size_t j = 0; j < other.size(); ++j) {
        REQUIRE(fit.weights[j] == Approx(other[j]).margin(1e-6));
      }
      ++corners;
    }
    REQUIRE(corners >= data.x.columns());
    REQUIRE(path.lambda() == Approx(0).margin(1e-9));  // least squares in the end
  }
}

TEST_CASE("the path tells the residual and the number of weights as they are") {
  Rng rng{18};
  const Data data = drawn_data(rng, 50, 10);
  const Sums sums = sums_of(data);
  LassoPath path{{sums.products, sums.with_target, sums.square, 50}};
  while (path.advance()) {
    const LassoFit fit = path.fit();
    double residual = 0;
    for (std::size_t i = 0; i < 50; ++i) {
      double rest = data.y[i];
      for (std::size_t j = 0; j < 10; ++j) rest -= fit.weights[j] * data.x[i][j];
      residual += rest * rest;
    }
    REQUIRE(fit.residual_square == Approx(residual));
    REQUIRE(fit.nonzero == 10 - std::size_t(std::ranges::count(fit.weights, 0.0)));
  }
}

TEST_CASE("columns that are constant, doubled or sums of others end no path early") {
  Rng rng{19};
  Data data = drawn_data(rng, 40, 8);
  for (std::size_t i = 0; i < 40; ++i) {
    data.x[i][5] = 0;
    data.x[i][6] = data.x[i][1];
    data.x[i][7] = data.x[i][2] - data.x[i][3];
  }
  const Sums sums = sums_of(data);
  LassoPath path{{sums.products, sums.with_target, sums.square, 40}};
  while (path.advance()) check_minimum(sums, path.fit());
  REQUIRE(path.lambda() == Approx(0).margin(1e-9));
  REQUIRE(path.fit().weights[5] == 0);
}

TEST_CASE("more columns than rows: the criterion stops before the rows are used up") {
  Rng rng{20};
  const Data data = drawn_data(rng, 12, 40);
  const Sums sums = sums_of(data);
  const LassoFit fit = lasso_by_aic({sums.products, sums.with_target, sums.square, 12});
  REQUIRE(fit.nonzero < 11);
  check_minimum(sums, fit);
}

TEST_CASE("the criterion finds the columns that a target is made of, and leaves noise") {
  Rng rng{21};
  Data data{Matrix{400, 12}, std::vector<double>(400)};
  for (std::size_t i = 0; i < 400; ++i) {
    for (std::size_t j = 0; j < 12; ++j) data.x[i][j] = draw_unit(rng);
    data.y[i] = 3 * data.x[i][2] - 2 * data.x[i][7] + 0.1 * draw_unit(rng);
  }
  const Sums sums = sums_of(data);
  const LassoFit fit = lasso_by_aic({sums.products, sums.with_target, sums.square, 400});
  REQUIRE(fit.weights[2] == Approx(3).margin(0.05));
  REQUIRE(fit.weights[7] == Approx(-2).margin(0.05));
  REQUIRE(fit.nonzero < 9);
}

TEST_CASE("a target that never moves has no weights") {
  const Matrix products{3, 3};
  const std::vector<double> zeros(3);
  REQUIRE(lasso_by_aic({products, zeros, 0, 50}).nonzero == 0);
}
