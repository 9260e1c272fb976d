// The judge of this folder: the same questions put to a linear program (Clp).
#pragma once

#include <vector>

#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation::testing {

/// Joules that no policy can serve of `request`, in slots of `slot_s` seconds.
double lp_unserved(const std::vector<device::Capability>& sites, const std::vector<Watts>& request,
                   double slot_s);

/// The largest factor by which all of `request` can be multiplied. Precondition: something is
/// asked.
double lp_scale_max(const std::vector<device::Capability>& sites, const std::vector<Watts>& request,
                    double slot_s);

/// The lowest level, in watts and not below 0, that the net load can be kept under.
double lp_peak_threshold(const std::vector<device::Capability>& sites,
                         const std::vector<Watts>& net_load, double slot_s);

}  // namespace vpp::aggregation::testing
