#include "aggregation/held.h"

#include <cstddef>
#include <variant>

namespace vpp::aggregation {
namespace {

/// Of a curve's energy: loads and losses below, and reports that are a few seconds old.
constexpr std::int64_t kUnexplainedPermille = 50;

}  // namespace

Held::Held(const Flexibility& newest, Direction direction)
    : flexibility_{newest}, direction_{direction} {}

void Held::asked(Watts magnitude, Duration lasted) {
  if (lasted > Duration{0}) asked_ += Joules{magnitude.count * lasted.count() / 1000};
}

bool Held::explains(const DurationCurve& newest) const {
  const auto then = curve_of(std::get<GroupFlexibility>(flexibility_), direction_).points();
  const auto now = newest.points();
  for (std::size_t i = 0; i < then.size(); ++i) {
    // At each duration a group has lost at most what it gave, however its sites shared that.
    const Joules slack{then[i].count / 1000 * kUnexplainedPermille};
    if (now[i] > then[i] + slack || now[i] + asked_ + slack < then[i]) return false;
  }
  return true;
}

const Flexibility& Held::update(const Flexibility& newest) {
  if (newest.index() != flexibility_.index()) {
    *this = Held{newest, direction_};
  } else if (const auto* group = std::get_if<GroupFlexibility>(&newest)) {
    if (!explains(curve_of(*group, direction_))) *this = Held{newest, direction_};
  } else {
    const device::Capability& now = capability_of(std::get<SiteFlexibility>(newest), direction_);
    auto& site = std::get<SiteFlexibility>(flexibility_);
    auto& held = direction_ == Direction::kDischarge ? site.discharge : site.charge;
    held.power = now.power;
    if (now.energy <= Joules{0}) held.energy = Joules{0};
    if (held.energy <= Joules{0}) held.energy = now.energy;
  }
  return flexibility_;
}

}  // namespace vpp::aggregation
