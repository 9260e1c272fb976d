#include "device/value_follower.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "config/check.h"

namespace vpp::device {
namespace {

/// Which slot of a course begins at `begins`. Nothing: none does.
std::optional<std::size_t> slot_at(MarketTime from, std::chrono::seconds slot, std::size_t count,
                                   MarketTime begins) {
  const auto after = begins - from;
  if (slot.count() <= 0 || after.count() < 0 || after % slot != Duration{0}) return std::nullopt;
  const auto index = static_cast<std::size_t>(after / slot);
  return index < count ? std::optional{index} : std::nullopt;
}

MarketTime begin_of(const Home& home, std::size_t slot) {
  return home.from + home.slot * static_cast<std::int64_t>(slot);
}

}  // namespace

std::optional<Watts> ValueFollower::Course::at(MarketTime begins) const {
  const auto index = slot_at(from, slot, charging.size(), begins);
  return index ? std::optional{charging[*index]} : std::nullopt;
}

ValueFollower::Course ValueFollower::course_of(const Home& home, const HomePlan& plan) {
  Course course{home.from, home.slot, plan.net_load};
  for (std::size_t t = 0; t < home.slots.size(); ++t) course.charging[t] -= home.slots[t].net_load;
  return course;
}

ValueFollower::Course ValueFollower::standing_for(const Home& home) const {
  // Where nothing was answered yet, a home starts from what it would do alone.
  Course course = course_of(home, plan_home(home));
  if (answered_.slot != home.slot) return course;
  for (std::size_t t = 0; t < course.charging.size(); ++t) {
    if (const auto before = answered_.at(begin_of(home, t))) course.charging[t] = *before;
  }
  return course;
}

std::vector<Pull> ValueFollower::pulls(const Home& home) const {
  std::vector<Pull> pulls(home.slots.size());
  if (signal_->slot != home.slot) return pulls;
  for (std::size_t t = 0; t < pulls.size(); ++t) {
    const MarketTime begins = begin_of(home, t);
    const auto index = slot_at(signal_->from, signal_->slot, signal_->values.size(), begins);
    const auto towards = reference_.at(begins);
    if (index && towards) {
      pulls[t] = {signal_->values[*index], home.slots[t].net_load + *towards,
                  std::max(signal_->per_kw, Price{0})};
    }
  }
  return pulls;
}

HomePlan ValueFollower::plan(const Home& home, MarketTime now) const {
  return holds(now) ? plan_home(home, pulls(home)) : plan_home(home);
}

HomePlan ValueFollower::answer(const Home& home, const ValueSignal& signal, MarketTime now) {
  if (signal_ && !holds(now)) forget();
  if (signal.until <= now || (signal_ && signal.round <= signal_->round)) return plan(home, now);
  reference_ = standing_for(home);
  signal_ = signal;
  HomePlan answer = plan(home, now);
  answered_ = course_of(home, answer);
  return answer;
}

Settlement settle(const Home& home, const HomePlan& alone, const HomePlan& plan,
                  std::span<const Price> values) {
  VPP_CHECK(values.size() == home.slots.size());
  constexpr double kWattSecondsPerMwh = 3.6e9;
  double worth = 0;
  for (std::size_t t = 0; t < values.size(); ++t) {
    const Watts less = alone.net_load[t] - plan.net_load[t];
    worth += static_cast<double>(values[t].count) * static_cast<double>(less.count);
  }
  Settlement out;
  out.alone = bill(home, alone);
  out.bill = bill(home, plan);
  out.by_value = {
      std::llround(worth * static_cast<double>(home.slot.count()) / kWattSecondsPerMwh)};
  out.top_up = std::max(Amount{0}, out.bill - out.alone - out.by_value);
  return out;
}

}  // namespace vpp::device
