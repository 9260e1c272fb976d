#include "tools/vppctl/score_command.h"

#include <fmt/format.h>

#include <array>
#include <expected>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>
#include <utility>

#include "bidding/performance_score.h"
#include "tools/vppctl/score_input.h"

namespace vpp::ctl {
namespace {

using bidding::LagRule;
using bidding::PerformanceScore;
using bidding::ScoreNormaliser;
using bidding::ScoreParts;
using Json = nlohmann::ordered_json;

constexpr int kScoreMisused = 2;

template <class Choice, std::size_t Count>
using Choices = std::array<std::pair<std::string_view, Choice>, Count>;

constexpr Choices<LagRule, 2> kMethods{
    {{"correlation", LagRule::kCorrelation}, {"sum", LagRule::kDelayAndCorrelation}}};
constexpr Choices<ScoreNormaliser, 3> kNormalisers{{{"window", ScoreNormaliser::kWindow},
                                                    {"series", ScoreNormaliser::kSeries},
                                                    {"peak", ScoreNormaliser::kPeak}}};

/// The choice of that name, or what is wrong with it.
template <class Choice, std::size_t Count>
std::expected<Choice, std::string> choose(std::string_view option, const std::string& name,
                                          const Choices<Choice, Count>& choices) {
  std::string known;
  for (const auto& [known_name, choice] : choices) {
    if (known_name == name) return choice;
    known += (known.empty() ? "" : ", ") + std::string{known_name};
  }
  return std::unexpected{fmt::format("{} '{}' is unknown; hint: one of {}", option, name, known)};
}

std::string_view text_of(bidding::ScoreError error) {
  switch (error) {
    case bidding::ScoreError::kNoSignal:
      return "the signal is zero in every window; hint: there was nothing to follow; is it the "
             "right file?";
    case bidding::ScoreError::kOutOfRange:
    case bidding::ScoreError::kTooShort:
    case bidding::ScoreError::kUnequalLengths:
      break;  // read_score_input() has told these
  }
  return "the files cannot be scored";
}

Json parts_json(const ScoreParts& parts) {
  return {{"score", parts.score},
          {"delay", parts.delay},
          {"correlation", parts.correlation},
          {"precision", parts.precision}};
}

void print_json(const ScoreArguments& arguments, double from_s, const PerformanceScore& score,
                std::ostream& out) {
  Json document{{"schema", "vppctl/v1"}};
  document.update(parts_json(score.parts));
  document["qualifies"] = score.parts.score >= bidding::kScoreQualifies;
  document["method"] = arguments.method;
  document["normaliser"] = arguments.normaliser;
  document["latency_allowed_s"] = arguments.latency.count();
  document["windows"] = Json::array();
  double at_s = from_s;
  for (const auto& window : score.windows) {
    Json row{{"t_s", at_s}, {"lag_s", window.lag.count()}};
    row.update(parts_json(window.parts));
    document["windows"].push_back(std::move(row));
    at_s += bidding::kScoreWindow * static_cast<double>(bidding::kScoreStep.count());
  }
  out << document.dump() << '\n';
}

void print_table(double from_s, const PerformanceScore& score, std::ostream& out) {
  const bool qualifies = score.parts.score >= bidding::kScoreQualifies;
  out << fmt::format("SCORE        {:.6f}\n", score.parts.score)
      << fmt::format("DELAY        {:.6f}\n", score.parts.delay)
      << fmt::format("CORRELATION  {:.6f}\n", score.parts.correlation)
      << fmt::format("PRECISION    {:.6f}\n", score.parts.precision)
      << fmt::format("QUALIFIES    {} (at {})\n\n", qualifies ? "yes" : "no",
                     bidding::kScoreQualifies)
      << "       T_S  LAG_S  SCORE  DELAY  CORRELATION  PRECISION\n";
  double at_s = from_s;
  for (const auto& [parts, lag] : score.windows) {
    out << fmt::format("{:>10.10g}  {:>5}  {:5.3f}  {:5.3f}  {:11.3f}  {:9.3f}\n", at_s,
                       lag.count(), parts.score, parts.delay, parts.correlation, parts.precision);
    at_s += bidding::kScoreWindow * static_cast<double>(bidding::kScoreStep.count());
  }
}

}  // namespace

int run_score(const ScoreArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto rule = choose("--method", arguments.method, kMethods);
  const auto normaliser = choose("--normaliser", arguments.normaliser, kNormalisers);
  if (!rule) err << "vppctl score: " << rule.error() << '\n';
  if (!normaliser) err << "vppctl score: " << normaliser.error() << '\n';
  const auto input = read_score_input(arguments.signal, arguments.response);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
  }
  if (!rule || !normaliser || !input) return kScoreMisused;
  for (const auto& warning : input->warnings) err << "vppctl score: " << warning << '\n';

  const auto score = bidding::performance_score(
      input->signal, input->response,
      {.lag_rule = *rule, .normaliser = *normaliser, .latency_allowed = arguments.latency});
  if (!score) {
    err << arguments.signal << ":1:1: " << text_of(score.error()) << '\n';
    return kScoreMisused;
  }
  if (arguments.json) {
    print_json(arguments, input->from_s, *score, out);
  } else {
    print_table(input->from_s, *score, out);
  }
  out.flush();
  return out ? 0 : 1;
}

}  // namespace vpp::ctl
