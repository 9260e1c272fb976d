#include "config/config_findings.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace vpp {
namespace {

std::string around(const std::string& key) {
  const std::size_t end = key.find_last_of(".[");
  return end == std::string::npos ? std::string{} : key.substr(0, end);
}

}  // namespace

void ConfigFindings::add_at(const std::string& key, ConfigPlace place, std::string cause,
                            std::string hint) {
  wrong_.insert(key);
  errors_.push_back({file_, std::max(place.line, 1U), std::max(place.column, 1U), std::move(cause),
                     std::move(hint)});
}

void ConfigFindings::add(const std::string& key, std::string cause, std::string hint) {
  add_at(key, place_of(key), std::move(cause), std::move(hint));
}

void ConfigFindings::add(const ConfigProblem& problem) {
  for (std::string key = problem.key; !key.empty(); key = around(key)) {
    if (wrong_.contains(key)) return;
  }
  add(problem.key, "'" + problem.key + "' " + problem.cause, problem.hint);
}

std::vector<ConfigError> ConfigFindings::take() {
  std::ranges::stable_sort(
      errors_, {}, [](const ConfigError& error) { return std::tuple{error.line, error.column}; });
  return std::exchange(errors_, {});
}

ConfigPlace ConfigFindings::place_of(std::string key) const {
  for (; !key.empty(); key = around(key)) {
    if (const auto found = places_.find(key); found != places_.end()) return found->second;
  }
  return {};
}

}  // namespace vpp
