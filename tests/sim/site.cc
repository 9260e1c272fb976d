#include "tests/sim/site.h"

#include <algorithm>

#include "config/check.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHomeStep = 60s;  // market time for which load and sun stay as they are

battery::BatteryRating draw_rating(Rng& rng) {
  const auto between = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least)));
  };
  battery::BatteryRating rating;
  rating.capacity = {between(5'000, 20'000)};
  rating.discharge_max = {between(2'000, 10'000)};
  rating.charge_max = {between(2'000, 10'000)};
  return rating;
}

device::SiteLimits draw_limits(Rng& rng, const battery::BatteryRating& rating) {
  device::SiteLimits limits;
  limits.reserve_permille = rating.reserve_permille;
  if (rng.below(3) == 0) limits.export_max = {rating.discharge_max.count * 7 / 10};
  if (rng.below(3) == 0) limits.import_max = {12'000};
  return limits;
}

Joules draw_stored(Rng& rng, const battery::BatteryRating& rating) {
  const std::int64_t permille = 100 + static_cast<std::int64_t>(rng.below(901));
  return {to_joules(rating.capacity).count / 1000 * permille};
}

}  // namespace

Site::Site(Rng rng, MarketTime begin)
    : household_{rng.next()},
      battery_{[&] {
        const auto rating = draw_rating(rng);
        limits_ = draw_limits(rng, rating);
        return battery::BatteryModel{rating, draw_stored(rng, rating)};
      }()},
      at_{begin} {}

void Site::start(const std::vector<device::OrderAccount>& recovered) {
  controller_.emplace(limits_, recovered);
  controller_->connected(battery_.nameplate());
}

battery::Home Site::home_at(MarketTime market) const {
  Rng minute{household_ + static_cast<std::uint64_t>(market.time_since_epoch() / kHomeStep)};
  const auto load =
      150 + static_cast<std::int64_t>(minute.below(household_ % 7 == 0 ? 4000 : 1200));
  const auto pv = household_ % 3 == 0 ? static_cast<std::int64_t>(minute.below(4000)) : 0;
  return {{load}, {pv}};
}

void Site::pass(MarketTime market) {
  while (at_ < market) {
    const auto since_change = at_.time_since_epoch() % kHomeStep;
    const Duration piece = std::min<Duration>(market - at_, kHomeStep - since_change);
    battery_.step(piece, home_at(at_));
    at_ += piece;
  }
}

Poll Site::poll(const Now& now, MarketTime market) {
  VPP_CHECK(controller_.has_value());
  pass(market);
  Poll out;
  out.telemetry = battery_.telemetry(now.protocol);
  out.effects = controller_->step(now, out.telemetry);
  if (out.effects.write) battery_.write(*out.effects.write);
  planned_ = out.effects.status.mode == device::Mode::kPlanned;
  return out;
}

void Site::instruct(const Now& now, const node::SiteInstruction& instruction) {
  VPP_CHECK(controller_.has_value());
  controller_->set_order(now, instruction.order, instruction.ahead);
}

void Site::plan(const device::SitePlan& plan) {
  VPP_CHECK(controller_.has_value());
  controller_->set_plan(plan);
}

void Site::plant_heard(const Now& now) {
  VPP_CHECK(controller_.has_value());
  controller_->plant_heard(now);
}

Instant Site::next_deadline(const Now& now) const {
  VPP_CHECK(controller_.has_value());
  return controller_->next_deadline(now);
}

}  // namespace vpp::sim
