#include "device/set_point_guard.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

namespace {

std::int64_t pick(Rng& rng, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least) + 1));
}

struct Case {
  SiteLimits limits;
  Nameplate nameplate;
  std::optional<SiteState> state;
  GuardInput input;
};

Case random_case(Rng& rng) {
  Case c;
  c.limits.reserve_permille = static_cast<std::int32_t>(pick(rng, 0, 1000));
  c.limits.full_permille = static_cast<std::int32_t>(pick(rng, 500, 1000));
  c.limits.discharge_max = Watts{pick(rng, 0, 8000)};
  c.limits.charge_max = Watts{pick(rng, 0, 8000)};
  if (rng.below(2) == 0) c.limits.export_max = Watts{pick(rng, 0, 6000)};
  if (rng.below(2) == 0) c.limits.import_max = Watts{pick(rng, 0, 6000)};
  c.limits.ramp_w_per_s = pick(rng, 1, 20'000);
  c.limits.charge_efficiency_permille = static_cast<std::int32_t>(pick(rng, 700, 1000));
  c.limits.discharge_efficiency_permille = static_cast<std::int32_t>(pick(rng, 700, 1000));
  if (rng.below(3) == 0) c.limits.power_min = Watts{pick(rng, 0, 2000)};
  if (rng.below(3) == 0) c.limits.own_use = Joules{pick(rng, 0, 9'000'000)};
  c.nameplate.tells_limits = rng.below(3) == 0;
  if (rng.below(8) != 0) c.nameplate.discharge_max = Watts{pick(rng, 0, 7000)};
  if (rng.below(8) != 0) c.nameplate.charge_max = Watts{pick(rng, 0, 7000)};
  if (rng.below(8) != 0) {
    const std::int64_t capacity = pick(rng, 1, 60'000'000);
    const std::int64_t a = pick(rng, 0, capacity);
    const std::int64_t b = pick(rng, 0, capacity);
    c.state = SiteState{Joules{std::min(a, b)}, Joules{std::max(a, b)}, Joules{capacity}, {}};
    if (rng.below(4) != 0) {
      c.state->device = {Watts{pick(rng, 0, 7000)}, Watts{pick(rng, 0, 7000)}};
    }
    if (rng.below(4) != 0) {
      const std::int64_t load = pick(rng, -8000, 8000);
      c.state->net_load = NetLoad{Watts{load}, Watts{load + pick(rng, 0, 2000)}};
    }
  }
  c.input = {.asked = Watts{pick(rng, -12'000, 12'000)},
             .previous = Watts{pick(rng, -9000, 9000)},
             .elapsed = Duration{pick(rng, 0, 5000)},
             .horizon = Duration{pick(rng, 1, 300'000)}};
  if (rng.below(20) == 0) c.input.asked = Watts{INT64_MAX};
  if (rng.below(20) == 0) c.input.asked = Watts{-INT64_MAX};
  return c;
}

bool device_allows(const Case& c, const std::optional<Watts>& told, std::int64_t w) {
  return told ? w <= told->count : !c.nameplate.tells_limits;
}

/// The rules as a person would check one number against them, one by one.
bool discharge_allowed(const Case& c, std::int64_t w) {
  if (w == 0) return true;
  if (!c.state || w > c.nameplate.discharge_max.value_or(Watts{0}).count) return false;
  if (w > c.limits.discharge_max.count || w < c.limits.power_min.count) return false;
  if (!device_allows(c, c.state->device.discharge, w)) return false;
  if (c.limits.export_max < limits::kSitePowerMax) {
    if (!c.state->net_load) return false;
    if (w - c.state->net_load->least.count > c.limits.export_max.count) return false;
  }
  const double spare =
      static_cast<double>(c.state->stored_least.count - c.limits.own_use.count) -
      static_cast<double>(c.state->capacity.count) * c.limits.reserve_permille / 1e3;
  const double cells = static_cast<double>(w) * static_cast<double>(c.input.horizon.count()) /
                       c.limits.discharge_efficiency_permille;
  return cells <= spare + 1e-3;
}

bool charge_allowed(const Case& c, std::int64_t w) {
  if (w == 0) return true;
  if (!c.state || w > c.nameplate.charge_max.value_or(Watts{0}).count) return false;
  if (w > c.limits.charge_max.count || w < c.limits.power_min.count) return false;
  if (!device_allows(c, c.state->device.charge, w)) return false;
  if (c.limits.import_max < limits::kSitePowerMax) {
    if (!c.state->net_load) return false;
    if (w + c.state->net_load->most.count > c.limits.import_max.count) return false;
  }
  const double room = static_cast<double>(c.state->capacity.count) * c.limits.full_permille / 1e3 -
                      static_cast<double>(c.state->stored_most.count);
  const double cells = static_cast<double>(w) * static_cast<double>(c.input.horizon.count()) *
                       c.limits.charge_efficiency_permille / 1e6;
  return cells <= room + 1e-3;
}

bool allowed(const Case& c, std::int64_t w) {
  return w >= 0 ? discharge_allowed(c, w) : charge_allowed(c, -w);
}

}  // namespace

TEST_CASE("no set point leaves the envelope, whatever is asked", "[device][guard][property]") {
  const auto seed = GENERATE(take(50, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 400; ++i) {
    const Case c = random_case(rng);
    const GuardVerdict verdict = guard(c.limits, c.nameplate, c.state, c.input);
    CAPTURE(i, c.input.asked.count, verdict.power.count, verdict.limited_by);
    REQUIRE(allowed(c, verdict.power.count));
    REQUIRE(verdict.limited_by.empty() == (verdict.power == c.input.asked));
  }
}

TEST_CASE("the guard takes no more than the rules and the ramp demand",
          "[device][guard][property]") {
  const auto seed = GENERATE(take(50, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 400; ++i) {
    const Case c = random_case(rng);
    const std::int64_t out = guard(c.limits, c.nameplate, c.state, c.input).power.count;
    const std::int64_t reach = c.limits.ramp_w_per_s * c.input.elapsed.count() / 1000;
    const std::int64_t previous = c.input.previous.count;
    CAPTURE(i, c.input.asked.count, out, previous, reach);
    // Where the unit cannot be, the ramp jumps.
    const std::int64_t jump = c.limits.power_min.count;
    if (allowed(c, previous)) REQUIRE(std::abs(out - previous) <= reach + jump);
    if (out == c.input.asked.count) continue;
    const std::int64_t step = c.input.asked.count > out ? 1 : -1;
    const std::int64_t slack = 2 * step;  // each division rounds down once
    const bool ramp_binds = std::abs(out + step - previous) > reach;
    REQUIRE((ramp_binds || !allowed(c, out + slack)));
  }
}

TEST_CASE("the guard names the clamp that binds", "[device][guard]") {
  SiteLimits limits;
  Nameplate nameplate;
  nameplate.discharge_max = Watts{5000};
  nameplate.charge_max = Watts{5000};
  const SiteState full{Joules{36'000'000}, Joules{36'000'000}, Joules{48'600'000}, {}};
  const GuardInput input{Watts{9000}, Watts{0}, 10s, 2s};
  CHECK(guard(limits, nameplate, full, input) == GuardVerdict{Watts{5000}, "device rating"});
  limits.discharge_max = Watts{4000};
  CHECK(guard(limits, nameplate, full, input) == GuardVerdict{Watts{4000}, "configured limit"});
  limits.export_max = Watts{3000};
  CHECK(guard(limits, nameplate, full, input).power == Watts{0});  // no meter
  SiteState metered = full;
  metered.net_load = NetLoad{Watts{500}, Watts{500}};
  CHECK(guard(limits, nameplate, metered, input) == GuardVerdict{Watts{3500}, "connection limit"});
  CHECK(guard(limits, nameplate, std::nullopt, input) ==
        GuardVerdict{Watts{0}, "connection limit"});
  limits.export_max = limits::kSitePowerMax;
  CHECK(guard(limits, nameplate, std::nullopt, input) ==
        GuardVerdict{Watts{0}, "state of charge unknown"});
  limits.ramp_w_per_s = 100;
  CHECK(guard(limits, nameplate, full, input) == GuardVerdict{Watts{1000}, "ramp"});
}

TEST_CASE("a set point that the unit cannot hold becomes none, and the ramp jumps over it",
          "[device][guard]") {
  SiteLimits limits;
  limits.power_min = Watts{500};
  limits.ramp_w_per_s = 100;
  Nameplate nameplate;
  nameplate.discharge_max = nameplate.charge_max = Watts{5000};
  const SiteState half{Joules{24'300'000}, Joules{24'300'000}, Joules{48'600'000}};
  const auto from = [&](std::int64_t previous, std::int64_t asked) {
    return guard(limits, nameplate, half, {Watts{asked}, Watts{previous}, 1s, 2s});
  };
  CHECK(from(0, 499) == GuardVerdict{Watts{0}, "minimum power"});
  CHECK(from(0, -499) == GuardVerdict{Watts{0}, "minimum power"});
  CHECK(from(0, 500) == GuardVerdict{Watts{500}, "ramp"});
  CHECK(from(0, 900) == GuardVerdict{Watts{500}, "ramp"});
  CHECK(from(500, 900) == GuardVerdict{Watts{600}, "ramp"});
  CHECK(from(550, 0) == GuardVerdict{Watts{0}, "ramp"});
  CHECK(from(550, -900) == GuardVerdict{Watts{0}, "ramp"});
  CHECK(from(0, -900) == GuardVerdict{Watts{-500}, "ramp"});
  CHECK(from(300, 2000) == GuardVerdict{Watts{500}, "ramp"});  // from the home's own doing
}

TEST_CASE("what the device cannot do now is not asked of it", "[device][guard]") {
  Nameplate nameplate;
  nameplate.discharge_max = nameplate.charge_max = Watts{5000};
  SiteState half{Joules{24'300'000}, Joules{24'300'000}, Joules{48'600'000}};
  half.device = {Watts{1200}, Watts{5000}};
  CHECK(guard({}, nameplate, half, {Watts{3000}, Watts{0}, 10s, 2s}) ==
        GuardVerdict{Watts{1200}, "device derating"});
  CHECK(guard({}, nameplate, half, {Watts{-3000}, Watts{0}, 10s, 2s}).power == Watts{-3000});
}

TEST_CASE("safety is not ramped: an envelope that shrinks is obeyed at once", "[device][guard]") {
  SiteLimits limits;
  limits.ramp_w_per_s = 1;
  Nameplate nameplate;
  nameplate.discharge_max = Watts{5000};
  const GuardInput input{Watts{5000}, Watts{5000}, 1s, 2s};
  CHECK(guard(limits, nameplate, std::nullopt, input).power == Watts{0});
}
