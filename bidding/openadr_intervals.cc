#include "bidding/openadr_intervals.h"

#include <algorithm>
#include <optional>

#include "bidding/openadr_time.h"
#include "config/check.h"
#include "config/rng.h"

namespace vpp::bidding::openadr {
namespace {

/// What is counted in sums stays far from the ends of the clock.
constexpr Duration kRoundsSpanMax = std::chrono::hours{24 * 365 * 1'000};

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t out = 14'695'981'039'346'656'037U;  // FNV-1a
  for (const char c : text) out = (out ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  return out;
}

const std::optional<Period>& own_period(const Event& event, std::size_t i) {
  return event.intervals[i].period;
}

std::optional<MarketTime> told_start(const Event& event, std::size_t i) {
  const auto& own = own_period(event, i);
  if (own && own->start) return own->start;
  if (i > 0) return std::nullopt;
  if (event.period && event.period->start) return event.period->start;
  return kStartsNow;
}

std::optional<Duration> told_duration(const Event& event, std::size_t i) {
  const auto& own = own_period(event, i);
  if (own && own->duration) return own->duration;
  return event.period ? event.period->duration : std::nullopt;
}

bool says_cancelled(const Event& event) {
  if (event.duration == Duration{0}) return true;
  return event.period && event.period->start == kStartsNow && event.period->duration == Duration{0};
}

}  // namespace

Duration draw_shift(const Event& event, std::string_view seed) {
  Duration most = event.period ? event.period->randomize : Duration{0};
  if (most == Duration{0} && !event.intervals.empty() && event.intervals.front().period) {
    most = event.intervals.front().period->randomize;
  }
  if (most <= Duration{0} || most == kForever) return Duration{0};
  return Rng{hash_of(seed) ^ hash_of(event.id)}.up_to(most);
}

std::expected<Timetable, std::string> Timetable::make(const Event& event, const Placing& placing) {
  Timetable out;
  out.cancelled_ = says_cancelled(event);
  MarketTime cursor{};
  for (std::size_t i = 0; i < event.intervals.size(); ++i) {
    if (const auto told = told_start(event, i)) {
      const MarketTime start = *told == kStartsNow ? placing.seen : *told - placing.server_ahead;
      const bool backwards =
          i > 0 && !out.set_.empty() && start + placing.shift < out.set_.back().from;
      if (backwards) return std::unexpected{"its intervals run backwards in time"};
      cursor = start + placing.shift;
      if (!out.set_.empty()) {
        out.set_.back().until = std::min(out.set_.back().until, cursor);
        if (out.set_.back().until <= out.set_.back().from) out.set_.pop_back();
      }
    } else if (cursor == kEndOfTime) {
      return std::unexpected{"an interval follows one without end"};
    }
    if (i == 0) out.begins_ = cursor;
    const MarketTime until = plus(cursor, told_duration(event, i).value_or(kForever));
    if (until > cursor) out.set_.push_back({i, 0, cursor, until});
    cursor = until;
  }
  const MarketTime end = out.set_.empty() ? out.begins_ : out.set_.back().until;
  out.ends_ = event.duration ? plus(out.begins_, *event.duration) : end;
  if (out.cancelled_) out.ends_ = out.begins_;
  if (end != kEndOfTime) out.round_ = end - out.begins_;
  out.loops_ = out.ends_ > end && !out.set_.empty();
  if (!event.intervals.empty() && out.set_.empty() && !out.cancelled_) {
    return std::unexpected{"its intervals have no length"};
  }
  return out;
}

Placed Timetable::in_round(std::size_t index, std::int64_t round) const {
  Placed out = set_[index];
  out.round = round;
  if (round > 0) {
    VPP_CHECK(round_ != kForever);
    out.from += round_ * round;
    out.until += round_ * round;
  }
  out.until = std::min(out.until, ends_);
  return out;
}

std::vector<Placed> Timetable::within(MarketTime from, MarketTime until, std::size_t most) const {
  std::vector<Placed> out;
  until = std::min(until, ends_);
  if (set_.empty() || from >= until || until <= begins_) return out;
  std::int64_t round = 0;
  if (loops_ && from > begins_ && from - begins_ < kRoundsSpanMax) {
    round = (from - begins_) / round_;
  }
  for (;; ++round) {
    for (std::size_t i = 0; i < set_.size(); ++i) {
      const Placed placed = in_round(i, round);
      if (placed.from >= until || out.size() >= most) return out;
      if (placed.until > from) out.push_back(placed);
    }
    if (!loops_) return out;
  }
}

std::int64_t Timetable::in_all() const {
  if (set_.empty() || ends_ <= begins_) return 0;
  if (!loops_) {
    return std::ranges::count_if(set_, [&](const Placed& each) { return each.from < ends_; });
  }
  if (ends_ == kEndOfTime) return -1;
  const std::int64_t rounds = (ends_ - begins_) / round_;
  std::int64_t n = rounds * per_round();
  for (std::size_t i = 0; i < set_.size() && in_round(i, rounds).from < ends_; ++i) ++n;
  return n;
}

std::vector<Placed> Timetable::from_number(std::int64_t n, std::size_t most) const {
  std::vector<Placed> out;
  const std::int64_t all = in_all();
  for (; out.size() < most && n >= 0 && (all < 0 || n < all); ++n) {
    const std::int64_t round = n / per_round();
    if (round > 0 && round > kRoundsSpanMax / round_) break;
    out.push_back(in_round(static_cast<std::size_t>(n % per_round()), round));
  }
  return out;
}

std::vector<Placed> split(const Placed& placed, std::size_t n) {
  VPP_CHECK(n > 0 && (n == 1 || placed.until != kEndOfTime));
  if (n == 1) return {placed};
  std::vector<Placed> out;
  const auto parts = static_cast<std::int64_t>(n);
  const Duration length = placed.until - placed.from;
  for (std::int64_t k = 0; k < parts; ++k) {
    Placed part = placed;
    part.from = placed.from + length * k / parts;
    part.until = placed.from + length * (k + 1) / parts;
    if (part.until > part.from) out.push_back(part);
  }
  return out;
}

}  // namespace vpp::bidding::openadr
