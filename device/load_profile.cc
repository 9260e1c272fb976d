#include "device/load_profile.h"

#include <algorithm>

namespace vpp::device {
namespace {

constexpr Duration kSlotMs = LoadProfile::kSlot;
constexpr Watts kMost{10'000'000'000};  ///< beyond any group; keeps the sums within 64 bits

std::int64_t number_of(MarketTime at) {
  return at.time_since_epoch() / kSlotMs;
}

std::size_t index_of(std::int64_t number) {
  const auto slots = static_cast<std::int64_t>(LoadProfile::kSlots);
  return static_cast<std::size_t>(((number % slots) + slots) % slots);
}

}  // namespace

bool LoadProfile::add(MarketTime at, Watts load, Duration vouched) {
  bool learned = false;
  load = std::clamp(load, -kMost, kMost);
  const bool holds = last_ && at > last_->at && at - last_->at < vouched;
  MarketTime from = holds ? last_->at : at;
  if (number_of(from) != open_) {
    learned = close();
    open_ = number_of(from);
  }
  while (number_of(at) != open_) {  // at most vouched / kSlot times
    const MarketTime end{Duration{(open_ + 1) * kSlotMs.count()}};
    watched(from, end, load);
    learned = close() || learned;
    ++open_;
    from = end;
  }
  watched(from, at, load);
  last_ = Last{at, load};
  return learned;
}

std::optional<Watts> LoadProfile::at(MarketTime at) const {
  const Slot& slot = slots_.at(index_of(number_of(at)));
  return slot.days > 0 ? std::optional{slot.mean} : std::nullopt;
}

std::optional<Watts> LoadProfile::mean(MarketTime from, Duration length) const {
  std::int64_t energy = 0;
  const MarketTime until = from + length;
  while (from < until) {
    const auto load = at(from);
    if (!load) return std::nullopt;
    const MarketTime end{(number_of(from) + 1) * kSlotMs};
    const Duration piece = std::min(until, end) - from;
    energy += load->count * piece.count();
    from += piece;
  }
  return Watts{energy / length.count()};
}

std::size_t LoadProfile::learned() const {
  const auto known = [](const Slot& slot) { return slot.days > 0; };
  return static_cast<std::size_t>(std::ranges::count_if(slots_, known));
}

void LoadProfile::watched(MarketTime from, MarketTime until, Watts load) {
  const Duration lasted = until - from;
  seen_ += lasted;
  energy_ += load.count * lasted.count();
}

/// The open slot is over.
bool LoadProfile::close() {
  const bool enough = seen_ * 5 >= kSlotMs * 4;
  if (enough) {
    Slot& slot = slots_.at(index_of(open_));
    slot.days = std::min(slot.days + 1, kDays);
    const std::int64_t seen = energy_ / seen_.count();
    slot.mean.count += (seen - slot.mean.count) / slot.days;
  }
  seen_ = Duration{0};
  energy_ = 0;
  return enough;
}

}  // namespace vpp::device
