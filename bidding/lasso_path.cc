#include "bidding/lasso_path.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr auto kNone = static_cast<std::size_t>(-1);
/// A column whose part that is new, squared, is below this part of itself is a combination of the
/// active ones: the seven days of the week, or a series that stands in the file twice.
constexpr double kDependent = 1e-9;
/// Of the first lambda: below is what rounding left.
constexpr double kRounding = 1e-10;
/// Corners without a better one after which the search ends: on a long path of small gains more
/// weights fit noise, and take most of the time.
constexpr std::size_t kPatience = 10;

}  // namespace

struct LassoPath::Event {
  double step;
  std::size_t joins;   ///< feature, or kNone
  std::size_t leaves;  ///< place among the active, or kNone
};

LassoPath::LassoPath(const LassoProblem& problem)
    : problem_{problem},
      weights_(problem.with_target.size()),
      gradient_{problem.with_target.begin(), problem.with_target.end()},
      out_(weights_.size()),
      left_{kNone} {
  VPP_CHECK(problem.products.rows() == weights_.size());
  std::size_t first = kNone;
  for (std::size_t j = 0; j < gradient_.size(); ++j) {
    if (problem_.products[j][j] <= 0) out_[j] = true;
    if (out_[j] || std::abs(gradient_[j]) <= lambda_) continue;
    lambda_ = std::abs(gradient_[j]);
    first = j;
  }
  if (first != kNone) join(first);
}

LassoFit LassoPath::fit() const {
  return {weights_, lambda_, residual_square(), nonzero()};
}

std::size_t LassoPath::nonzero() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(weights_, [](double weight) { return weight != 0; }));
}

double LassoPath::residual_square() const {
  double out = problem_.target_square;
  for (const std::size_t j : active_) {
    out -= weights_[j] * (problem_.with_target[j] + gradient_[j]);
  }
  return std::max(out, 0.0);
}

bool LassoPath::append_factor(std::size_t feature) {
  const double* products = problem_.products[feature];
  std::vector<double> row(active_.size() + 1);
  double rest = products[feature];
  for (std::size_t k = 0; k < active_.size(); ++k) {
    double sum = products[active_[k]];
    for (std::size_t m = 0; m < k; ++m) sum -= row[m] * factor_[k][m];
    row[k] = sum / factor_[k][k];
    rest -= row[k] * row[k];
  }
  if (rest <= kDependent * products[feature]) return false;
  row.back() = std::sqrt(rest);
  factor_.push_back(std::move(row));
  return true;
}

void LassoPath::join(std::size_t feature) {
  out_[feature] = true;
  if (!append_factor(feature)) return;  // what it could add is there already
  active_.push_back(feature);
  signs_.push_back(gradient_[feature] > 0 ? 1 : -1);
}

void LassoPath::leave(std::size_t place) {
  const std::vector<std::size_t> after{active_.begin() + static_cast<std::ptrdiff_t>(place) + 1,
                                       active_.end()};
  left_ = active_[place];
  weights_[left_] = 0;
  // A combination of the active may be none without this one.
  for (std::size_t j = 0; j < out_.size(); ++j) out_[j] = problem_.products[j][j] <= 0;
  active_.resize(place);
  factor_.resize(place);
  signs_.erase(signs_.begin() + static_cast<std::ptrdiff_t>(place));
  for (const std::size_t feature : after) {
    if (append_factor(feature)) {
      active_.push_back(feature);
      continue;
    }
    // Independent of more columns it was: rounding. Its weight stays, but moves no more.
    signs_.erase(signs_.begin() + static_cast<std::ptrdiff_t>(active_.size()));
    out_[feature] = true;
  }
  for (const std::size_t feature : active_) out_[feature] = true;
}

/// How the active weights move as lambda falls: all their gradients stay equal to it.
std::vector<double> LassoPath::direction() const {
  std::vector<double> out = signs_;
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) out[i] -= factor_[i][k] * out[k];
    out[i] /= factor_[i][i];
  }
  for (std::size_t i = out.size(); i-- > 0;) {
    out[i] /= factor_[i][i];
    for (std::size_t k = 0; k < i; ++k) out[k] -= factor_[i][k] * out[i];
  }
  return out;
}

LassoPath::Event LassoPath::next_event(std::span<const double> direction,
                                       std::span<const double> slope) const {
  Event next{lambda_, kNone, kNone};
  for (std::size_t j = 0; j < gradient_.size(); ++j) {
    if (out_[j]) continue;
    for (const double sign : {1.0, -1.0}) {
      // Who left stands at lambda still, on its way inward; it may come back from the other side.
      if (j == left_ && sign * gradient_[j] > 0) continue;
      const double closing = 1 - sign * slope[j];
      if (closing <= 0) continue;
      const double step = std::max(lambda_ - sign * gradient_[j], 0.0) / closing;
      if (step < next.step) next = {step, j, kNone};
    }
  }
  for (std::size_t k = 0; k < active_.size(); ++k) {
    const double step = -weights_[active_[k]] / direction[k];
    if (step > 0 && step < next.step) next = {step, kNone, k};
  }
  return next;
}

bool LassoPath::advance() {
  if (active_.empty() || lambda_ <= 0) return false;
  const std::vector<double> along = direction();
  std::vector<double> slope(gradient_.size());  // of the gradient, per lambda
  for (std::size_t k = 0; k < active_.size(); ++k) {
    const double* products = problem_.products[active_[k]];
    for (std::size_t j = 0; j < slope.size(); ++j) slope[j] += along[k] * products[j];
  }
  const Event event = next_event(along, slope);
  for (std::size_t k = 0; k < active_.size(); ++k) weights_[active_[k]] += event.step * along[k];
  for (std::size_t j = 0; j < slope.size(); ++j) gradient_[j] -= event.step * slope[j];
  lambda_ -= event.step;
  left_ = kNone;
  if (event.leaves != kNone) leave(event.leaves);
  if (event.joins != kNone) join(event.joins);
  return true;
}

LassoFit lasso_by_aic(const LassoProblem& problem) {
  LassoPath path{problem};
  LassoFit best = path.fit();
  const auto rows = static_cast<double>(problem.rows);
  const double end = kRounding * path.lambda();
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t patience = kPatience; patience > 0 && path.lambda() > end; --patience) {
    const auto count = static_cast<double>(path.nonzero());
    const double residual = path.residual_square();
    if (count + 2 > rows || residual <= kRounding * problem.target_square) break;
    const double criterion =
        rows * std::log(residual / rows) + 2 * count * rows / (rows - count - 1);
    if (criterion < least) {
      least = criterion;
      best = path.fit();
      patience = kPatience + 1;
    }
    if (!path.advance()) break;
  }
  return best;
}

}  // namespace vpp::bidding
