#include "tools/vppctl/plan_command.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>

#include "aggregation/plan.h"
#include "tools/vppctl/plan_cases.h"
#include "tools/vppctl/plan_input.h"
#include "tools/vppctl/plan_number.h"
#include "tools/vppctl/plan_print.h"

namespace vpp::ctl {
namespace {

constexpr int kPlanMisused = 2;

}  // namespace

std::expected<std::chrono::seconds, std::string> parse_step(std::string_view text) {
  constexpr std::int64_t kStepMax = 24 * 3600;
  const std::string bad =
      "step '" + std::string{text} + "' is no duration from 1s to 24h; hint: write 30s, 5m or 1h";
  std::int64_t count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit{parsed.ptr, text.data() + text.size()};
  const std::int64_t factor = unit == "s" ? 1 : (unit == "m" ? 60 : (unit == "h" ? 3600 : 0));
  if (parsed.ec != std::errc{} || factor == 0 || count < 1 || count > kStepMax / factor) {
    return std::unexpected{bad};
  }
  return std::chrono::seconds{count * factor};
}

std::expected<aggregation::PerMillion, std::string> parse_confidence(std::string_view text) {
  constexpr std::int64_t kLeast = 50 * kMilli;
  constexpr std::int64_t kMost = 99'900;
  const auto percent = parse_milli(text.substr(0, text.size() - (text.ends_with('%') ? 1 : 0)));
  if (!percent || *percent < kLeast || *percent > kMost) {
    return std::unexpected{"confidence '" + std::string{text} +
                           "' is no percentage from 50 to 99.9; hint: write e.g. 99"};
  }
  constexpr std::int64_t kPerPercentThousandth = 10;
  return aggregation::PerMillion{aggregation::kCertain.count - *percent * kPerPercentThousandth};
}

int run_plan(const PlanArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto step = parse_step(arguments.step);
  if (!step) err << "vppctl plan: --step: " << step.error() << '\n';
  PlanSelection select = arguments.select;
  select.reliability = !arguments.confidence.empty();
  std::expected<aggregation::PerMillion, std::string> shortfall;
  if (select.reliability) shortfall = parse_confidence(arguments.confidence);
  if (!shortfall) err << "vppctl plan: --confidence: " << shortfall.error() << '\n';
  auto input = read_plan_input(arguments.fleet, arguments.request, select);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
  }
  if (!step || !shortfall || !input) return kPlanMisused;
  for (const auto& warning : input->warnings) err << "vppctl plan: " << warning << '\n';

  auto cases = plan_cases(*input, select, *step,
                          select.reliability ? std::optional{*shortfall} : std::nullopt);
  auto plan = aggregation::TwoWayPlan::make(input->energy, input->room, input->request, *step);
  if (!cases || !plan) {
    err << "vppctl plan: the fleet is too large for exact sums over this many steps; hint: plan "
           "its parts, or fewer or shorter steps\n";
    return kPlanMisused;
  }
  PlanReport report{*input, select, *shortfall, step->count(), *std::move(cases), *std::move(plan)};
  (arguments.json ? print_plan_json : print_plan_table)(report, out);
  out.flush();
  return out ? 0 : 1;
}

}  // namespace vpp::ctl
