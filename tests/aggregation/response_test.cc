#include "aggregation/response.h"

#include <catch2/catch.hpp>
#include <cstdint>

#include "aggregation/calibration.h"
#include "config/rng.h"
#include "tests/aggregation/fleets.h"

namespace vpp::aggregation {
namespace {

using namespace testing;

TEST_CASE("a site that nobody has asked counts by its prior, never as certain",
          "[aggregation][response]") {
  CHECK(ResponseRate{ResponseRate::kSite}.permille() == 900);
  CHECK(ResponseRate{ResponseRate::kUplink}.per_million() == PerMillion{990'000});
}

TEST_CASE("a response rate is prior and events counted together", "[aggregation][response]") {
  ResponseRate rate{ResponseRate::kSite};
  for (int i = 0; i < 30; ++i) rate.observe(Joules{1000}, Joules{1000});
  CHECK(rate.permille() == 975);  // (9 + 30) / 40
  for (int i = 0; i < 40; ++i) rate.observe(Joules{-1000}, Joules{-500});
  CHECK(rate.permille() == 737);  // (9 + 30 + 20) / 80, rounded down
}

TEST_CASE("more than asked counts as all, the wrong sign as nothing, nothing asked not at all",
          "[aggregation][response]") {
  ResponseRate all{ResponseRate::kSite};
  ResponseRate more = all;
  ResponseRate none = all;
  ResponseRate wrong = all;
  ResponseRate idle = all;
  all.observe(true);
  more.observe(Joules{1}, Joules{INT64_MAX});
  none.observe(false);
  wrong.observe(Joules{-1}, Joules{INT64_MAX});
  idle.observe(Joules{0}, Joules{5});
  CHECK(more == all);
  CHECK(wrong == none);
  CHECK(idle == ResponseRate{ResponseRate::kSite});
}

TEST_CASE("nobody becomes certain, and nobody is given up for good", "[aggregation][response]") {
  ResponseRate good{ResponseRate::kSite};
  ResponseRate bad{ResponseRate::kSite};
  for (int i = 0; i < 10'000; ++i) {
    good.observe(true);
    bad.observe(false);
  }
  CHECK(good.permille() < 1000);
  CHECK(good.permille() > 990);
  CHECK(bad.per_million() > PerMillion{0});
  CHECK(bad.permille() < 10);
  for (int i = 0; i < 400; ++i) bad.observe(true);  // two memories long
  CHECK(bad.permille() > 800);
}

TEST_CASE("what a store gives back goes on as before, and nonsense is refused",
          "[aggregation][response]") {
  Rng rng{1};
  ResponseRate rate{ResponseRate::kSite};
  for (int i = 0; i < 1'000; ++i) {
    rate.observe(Joules{between(rng, -5, 5)}, Joules{between(rng, -5, 5)});
    const auto again =
        ResponseRate::restored(ResponseRate::kSite, rate.kept_milli(), rate.missed_milli());
    REQUIRE(again == rate);
  }
  const auto restored = [](std::int64_t kept, std::int64_t missed) {
    return ResponseRate::restored(ResponseRate::kSite, kept, missed).has_value();
  };
  CHECK_FALSE(restored(0, 1000));
  CHECK_FALSE(restored(1000, -1));
  CHECK_FALSE(restored(INT64_MAX, INT64_MAX));
  CHECK_FALSE(restored(200'000, 200'000));
}

/// A plant that believes the part delivered of its energy to be uniform in [0, 1], so that it
/// promises `q` at level q. In truth it is the square of that: it misses with probability sqrt(q).
TEST_CASE("calibration brings a wrong model's broken promises to the target, and its bound holds",
          "[aggregation][calibration]") {
  Rng rng{2};
  const CalibrationOptions options{.target = {50'000}, .step = {5'000}, .tolerance = {0}};
  Calibration calibration{options};
  std::int64_t misses = 0;
  const std::int64_t events = 100'000;
  for (std::int64_t i = 0; i < events; ++i) {
    const std::int64_t promised = calibration.level().count;
    const std::int64_t root = between(rng, 0, 1'000'000);
    const std::int64_t delivered = root * root / 1'000'000;
    misses += delivered < promised ? 1 : 0;
    calibration.observe(Joules{promised}, Joules{delivered});
  }
  CHECK(misses > events * 40 / 1000);
  CHECK(misses < events * 60 / 1000);
}

TEST_CASE("a missed promise lowers the level by much, a kept one raises it by little",
          "[aggregation][calibration]") {
  Calibration calibration{{.target = {10'000}, .step = {1'000}, .tolerance = {5'000}}};
  CHECK(calibration.level() == PerMillion{10'000});
  calibration.observe(Joules{1000}, Joules{995});  // within the tolerance
  CHECK(calibration.level() == PerMillion{10'010});
  calibration.observe(Joules{-1000}, Joules{-994});
  CHECK(calibration.level() == PerMillion{9'020});
  calibration.observe(Joules{-1000}, Joules{1000});
  CHECK(calibration.level() == PerMillion{8'030});
  calibration.observe(Joules{0}, Joules{1000});
  CHECK(calibration.level() == PerMillion{8'030});
}

TEST_CASE("the level stays within its bounds whatever comes, and soon leaves them again",
          "[aggregation][calibration]") {
  Calibration calibration{{.target = {2'000'000}, .step = {-5}, .tolerance = {0}}};
  CHECK(calibration.level() == Calibration::kLevelMax);
  Calibration sane{{.target = {50'000}, .step = {10'000}, .tolerance = {0}}};
  for (int i = 0; i < 1'000; ++i) sane.observe(Joules{INT64_MAX}, Joules{INT64_MIN});
  CHECK(sane.level() == Calibration::kLevelMin);
  for (int i = 0; i < 50; ++i) sane.observe(Joules{1}, Joules{1});
  CHECK(sane.level() > Calibration::kLevelMin);
}

}  // namespace
}  // namespace vpp::aggregation
