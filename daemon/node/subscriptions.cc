#include "daemon/node/subscriptions.h"

#include <algorithm>
#include <utility>

namespace vpp::node {

Subscriptions::Subscriptions(std::vector<Subscription> programs, std::vector<std::string> groups,
                             OptOuts recovered)
    : programs_{std::move(programs)},
      groups_{std::move(groups)},
      opted_out_{std::move(recovered.programs)} {}

const Subscription* Subscriptions::find(std::string_view program) const {
  const auto at = std::ranges::find(programs_, program, &Subscription::program);
  return at == programs_.end() ? nullptr : &*at;
}

bool Subscriptions::serves(std::string_view program, MarketTime now) const {
  const Subscription* found = find(program);
  if (found == nullptr || now < found->from || found->until <= now) return false;
  return std::ranges::none_of(
      opted_out_, [&](const OptOut& out) { return out.program == program && now < out.until; });
}

bool Subscriptions::serves(const Scope& scope, MarketTime now) const {
  const bool in_group =
      scope.group.empty() || std::ranges::find(groups_, scope.group) != groups_.end();
  return in_group && serves(scope.program, now);
}

std::int64_t Subscriptions::priority(std::string_view program) const {
  const Subscription* found = find(program);
  return found == nullptr ? 0 : found->priority;
}

std::int32_t Subscriptions::reserve(std::string_view program) const {
  const Subscription* found = find(program);
  return found == nullptr ? 0 : found->reserve_permille;
}

MarketTime Subscriptions::next_change(MarketTime now) const {
  MarketTime next = kEndOfTime;
  const auto consider = [&](MarketTime at) {
    if (now < at) next = std::min(next, at);
  };
  for (const Subscription& each : programs_) {
    consider(each.from);
    consider(each.until);
  }
  for (const OptOut& out : opted_out_) consider(out.until);
  return next;
}

void Subscriptions::opt_out(std::string_view program, MarketTime until) {
  (void)opt_in(program);
  opted_out_.push_back({std::string{program}, until});
}

bool Subscriptions::opt_in(std::string_view program) {
  return std::erase_if(opted_out_, [&](const OptOut& out) {
           return program.empty() || out.program == program;
         }) > 0;
}

OptOuts Subscriptions::opt_outs(MarketTime now) const {
  OptOuts out{opted_out_};
  std::erase_if(out.programs, [&](const OptOut& each) { return each.until <= now; });
  return out;
}

}  // namespace vpp::node
