// The judge of home plans: the homes' own linear program (Clp), one or many at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/rng.h"
#include "config/units.h"
#include "device/home_plan.h"

namespace vpp::device::testing {

/// The least sum of the homes' bills and wear, and of `penalty` for each MWh that they draw
/// together beyond `target` in a slot. Micro-units. Precondition: homes of the same slots; one
/// target for each.
double lp_least_cost(std::span<const Home> homes, std::span<const Watts> target, Price penalty);

/// The least bill of one home, and its wear.
double lp_least_bill(const Home& home);

/// A home of a few kW: PV or not, a tariff with steps, now and then odd limits, an empty or a full
/// battery, no battery at all.
Home random_home(Rng& rng, std::size_t slots);

/// What is wrong with a plan; empty: every slot can be carried out, to the joule and watt.
std::vector<const char*> faults_of(const Home& home, const HomePlan& plan);

}  // namespace vpp::device::testing
