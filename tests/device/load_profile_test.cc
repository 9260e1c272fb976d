// What a day's load is learned to be.
#include "device/load_profile.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace std::chrono_literals;
using namespace vpp;
using device::LoadProfile;

namespace {

const MarketTime kMidnight{std::chrono::days{20'000}};

/// One day of readings, one a minute: `base` more in the evening's hour.
void day(LoadProfile& profile, int number, Watts base) {
  for (std::chrono::minutes minute{0}; minute < 24h; ++minute) {
    const Watts load = minute >= 18h && minute < 19h ? base * 3 : base;
    (void)profile.add(kMidnight + std::chrono::days{number} + minute, load, 5min);
  }
}

}  // namespace

TEST_CASE("a day's load is what the days before had", "[device][load]") {
  LoadProfile profile;
  CHECK_FALSE(profile.at(kMidnight));
  day(profile, 0, Watts{1'000});
  CHECK(profile.learned() == LoadProfile::kSlots - 1);  // the last one is not over
  CHECK(profile.at(kMidnight + 24h + 1h) == Watts{1'000});
  CHECK(profile.at(kMidnight + 24h + 18h + 14min) == Watts{3'000});
  day(profile, 1, Watts{2'000});
  CHECK(profile.at(kMidnight + 1h) == Watts{1'500});
  for (int number = 2; number < 40; ++number) day(profile, number, Watts{2'000});
  CHECK(profile.at(kMidnight + 1h)->count > 1'990);  // old days are forgotten
  CHECK(LoadProfile{profile.slots()}.at(kMidnight + 18h) == profile.at(kMidnight + 18h));
}

TEST_CASE("the mean of a slot is by time, not by readings", "[device][load]") {
  LoadProfile profile;
  (void)profile.add(kMidnight, Watts{0}, 5min);
  for (std::chrono::seconds second{0}; second <= 60s; ++second) {  // holds since the one before
    (void)profile.add(kMidnight + second, Watts{1'500}, 5min);
  }
  for (std::chrono::minutes minute{2}; minute < 15min; ++minute) {
    CHECK_FALSE(profile.add(kMidnight + minute, Watts{0}, 5min));
  }
  CHECK(profile.add(kMidnight + 16min, Watts{0}, 5min));
  CHECK(profile.at(kMidnight) == Watts{100});
}

TEST_CASE("a slot that was not watched teaches nothing", "[device][load]") {
  LoadProfile profile;
  for (std::chrono::minutes minute{0}; minute <= 5min; ++minute) {
    (void)profile.add(kMidnight + minute, Watts{900}, 5min);
  }
  CHECK_FALSE(profile.add(kMidnight + 12min, Watts{900}, 5min));
  CHECK_FALSE(profile.add(kMidnight + 16min, Watts{900}, 5min));
  CHECK(profile.learned() == 0);
}

TEST_CASE("absurd loads and clocks break nothing", "[device][load]") {
  LoadProfile profile;
  (void)profile.add(kMidnight, Watts{std::int64_t{1} << 62}, 5min);
  for (std::chrono::minutes minute{1}; minute < 20min; ++minute) {
    (void)profile.add(kMidnight + minute, Watts{std::int64_t{1} << 62}, 5min);
  }
  (void)profile.add(kMidnight - 48h, Watts{5}, 5min);
  CHECK(profile.at(kMidnight) == Watts{10'000'000'000});
}
