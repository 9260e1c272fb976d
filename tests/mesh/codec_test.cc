#include "mesh/codec.h"

#include <catch2/catch.hpp>

#include "config/limits.h"
#include "mesh/message_limits.h"
#include "tests/mesh/flat_frame.h"
#include "tests/mesh/random_message.h"

using namespace vpp;
using namespace vpp::mesh;
using vpp::mesh::testing::flat;
using vpp::mesh::testing::kMessageKinds;
using vpp::mesh::testing::packed;
using vpp::mesh::testing::random_message;

namespace {

Frame encoded(const Message& message) {
  auto frame = encode(message);
  REQUIRE(frame);
  return std::move(*frame);
}

enum class Outcome { kError, kSound, kBroken };

/// Any bytes may lead to an error, or to a message that holds the limits and can be sent on.
Outcome outcome_of(std::span<const std::uint8_t> bytes) {
  const auto message = decode(bytes);
  if (!message) return Outcome::kError;
  const auto again = encode(*message);
  return again && decode(*again) == *message ? Outcome::kSound : Outcome::kBroken;
}

/// Makes the length in the words that of the words, past the first line of defence.
void repair_length(Frame& frame) {
  const std::size_t words = frame.size() / 8 - 1;
  for (std::size_t i = 0; i < 4; ++i) {
    frame[i] = 0;
    frame[4 + i] = static_cast<std::uint8_t>(words >> (8 * i));
  }
}

Message with_region(std::string region) {
  ProbeAck ack;
  ack.region = std::move(region);
  return ack;
}

Message with_alternate(std::string address) {
  Beacon beacon;
  beacon.alternates = {{std::move(address), {}}};
  return beacon;
}

}  // namespace

TEST_CASE("what is encoded is decoded, for random messages of every kind", "[mesh][codec]") {
  Rng rng{1};
  for (std::size_t kind = 0; kind < kMessageKinds; ++kind) {
    for (int i = 0; i < 400; ++i) {
      const Message message = random_message(kind, rng);
      REQUIRE_FALSE(broken_limit(message));
      const Frame frame = encoded(message);
      REQUIRE(frame.size() <= limits::kFrameBytesMax);
      const auto back = decode(frame);
      REQUIRE(back);
      REQUIRE(*back == message);
    }
  }
}

TEST_CASE("equal messages have equal frames", "[mesh][codec]") {
  Rng rng{2};
  for (std::size_t kind = 0; kind < kMessageKinds; ++kind) {
    const Message message = random_message(kind, rng);
    CHECK(encoded(message) == encoded(Message{message}));
  }
}

TEST_CASE("a truncated frame is refused at every length", "[mesh][codec]") {
  Rng rng{3};
  for (std::size_t kind = 0; kind < kMessageKinds; ++kind) {
    const Frame frame = encoded(random_message(kind, rng));
    for (std::size_t size = 0; size < frame.size(); ++size) {
      if (decode(std::span{frame}.first(size))) FAIL("kind " << kind << " cut to " << size);
    }
  }
}

TEST_CASE("a frame cut at any word, its length made to fit, is an error or a sound message",
          "[mesh][codec]") {
  Rng rng{6};
  for (std::size_t kind = 0; kind < kMessageKinds; ++kind) {
    const Frame words = flat(encoded(random_message(kind, rng)));
    for (std::size_t size = 8; size < words.size(); size += 8) {
      Frame cut{words.begin(), words.begin() + static_cast<std::ptrdiff_t>(size)};
      repair_length(cut);
      if (outcome_of(packed(cut)) == Outcome::kBroken) FAIL("kind " << kind << " cut to " << size);
    }
  }
}

TEST_CASE("100,000 mutated frames are errors or sound messages", "[mesh][codec]") {
  Rng rng{4};
  std::size_t refused = 0;
  for (int i = 0; i < 100'000;) {
    const Frame frame = encoded(random_message(rng.below(kMessageKinds), rng));
    const bool words = rng.below(2) == 0;  // or of the packed bytes, where lengths shift
    for (int j = 0; j < 50; ++j, ++i) {
      Frame mutated = words ? flat(frame) : frame;
      for (std::uint64_t changes = 1 + rng.below(4); changes > 0; --changes) {
        // Mostly near the front: that is where the pointers are.
        const std::uint64_t reach = rng.below(2) == 0 ? mutated.size() : 64;
        mutated[rng.below(std::min<std::uint64_t>(reach, mutated.size()))] ^=
            static_cast<std::uint8_t>(1U << rng.below(8));
      }
      const Outcome outcome = outcome_of(words ? packed(mutated) : mutated);
      if (outcome == Outcome::kBroken) FAIL("mutation " << i);
      if (outcome == Outcome::kError) ++refused;
    }
  }
  CHECK(refused > 20'000);
}

TEST_CASE("random bytes are errors", "[mesh][codec]") {
  Rng rng{5};
  for (int i = 0; i < 20'000; ++i) {
    Frame noise(8 * (1 + rng.below(64)));
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(rng.next());
    const bool repaired = rng.below(2) == 0;
    if (repaired) repair_length(noise);
    if (outcome_of(repaired ? packed(noise) : noise) == Outcome::kBroken) FAIL("noise " << i);
  }
}

TEST_CASE("frames of other versions, unknown kinds and many segments are refused",
          "[mesh][codec]") {
  const Frame good = flat(encoded(Probe{7}));
  CHECK(packed(good) == encoded(Probe{7}));
  // Word 0 is the segment table, word 1 the root pointer, word 2 holds version and kind.
  Frame version = good;
  version[16] = kProtocolVersion + 1;
  CHECK_THAT(decode(packed(version)).error(), Catch::Contains("protocol version"));
  CHECK(other_version(packed(version)) == kProtocolVersion + 1);
  CHECK_FALSE(other_version(packed(good)));
  CHECK_FALSE(other_version(Frame(24)));

  Frame kind = good;
  kind[18] = 200;
  CHECK(decode(packed(kind)).error() == "unknown kind of message");

  Frame segments = good;
  segments[0] = 1;
  CHECK_FALSE(decode(packed(segments)));

  Frame longer = good;
  longer.resize(longer.size() + 8);
  CHECK_FALSE(decode(packed(longer)));

  CHECK(decode(Frame(limits::kFrameBytesMax + 8)).error() == "frame too long");
}

TEST_CASE("bytes that unpack to more than a frame are refused", "[mesh][codec]") {
  Frame zeros{0x10, 0xff};  // a table of 255 words
  for (int i = 0; i < 40; ++i) zeros.insert(zeros.end(), {0x00, 0xff});
  CHECK(decode(zeros).error() == "frame too long when unpacked");
}

TEST_CASE("an enumerator beyond the last is refused, also where its low byte is a good one",
          "[mesh][codec]") {
  Frame nak = flat(encoded(HelloNak{NakReason::kLoop, {}, {}}));
  // Behind segment table, root pointer, and the frame's one word of data and one pointer.
  constexpr std::size_t kReason = 32;
  REQUIRE(nak[kReason] == static_cast<std::uint8_t>(NakReason::kLoop));
  nak[kReason] = static_cast<std::uint8_t>(NakReason::kDraining) + 1;
  CHECK(decode(packed(nak)).error() == "unknown reason");
  nak[kReason] = static_cast<std::uint8_t>(NakReason::kLoop);
  nak[kReason + 1] = 1;
  CHECK(decode(packed(nak)).error() == "unknown reason");
}

TEST_CASE("frames need no alignment", "[mesh][codec]") {
  const Frame frame = encoded(Bye{42});
  for (std::size_t shift = 0; shift < 8; ++shift) {
    Frame moved(frame.size() + shift);
    std::ranges::copy(frame, moved.begin() + static_cast<std::ptrdiff_t>(shift));
    CHECK(decode(std::span{moved}.subspan(shift)) == Message{Bye{42}});
  }
}

TEST_CASE("lists beyond their limit are not encoded", "[mesh][codec]") {
  Beacon deep;
  deep.path.resize(limits::kDepthMax + 1);
  CHECK(encode(deep).error() == "path too long");

  CHECK_FALSE(encode(Evict{std::vector<Attachment>(limits::kAttachmentsMax + 1)}));
  CHECK(encode(Evict{std::vector<Attachment>(limits::kAttachmentsMax)}));

  Report report;
  std::get<SiteSummary>(report.summary).receipts.resize(limits::kReceiptsMax + 1);
  CHECK(encode(report).error() == "too many receipts");

  Hello hello;
  hello.certificate.resize(kCertificateBytesMax + 1);
  CHECK_FALSE(encode(hello));
}

TEST_CASE("numbers beyond their limit are not encoded", "[mesh][codec]") {
  Dispatch dispatch;
  dispatch.share = limits::kGroupPowerMax + Watts{1};
  CHECK(encode(dispatch).error() == "share out of range");
  dispatch.share = -limits::kGroupPowerMax;
  CHECK(encode(dispatch));
  dispatch.expires = -1;
  CHECK_FALSE(encode(dispatch));

  const auto step = [](std::int64_t from_ms, std::int64_t until_ms) {
    return Step{OrderId{1}, Watts{1}, MarketTime{Duration{from_ms}},
                MarketTime{Duration{until_ms}}};
  };
  Dispatch planned;
  planned.ahead = {step(10, 20), step(20, 30)};
  CHECK(encode(planned));
  planned.ahead = {step(10, 20), step(19, 30)};
  CHECK(encode(planned).error() == "steps overlap");
  planned.ahead = {step(10, 10)};
  CHECK(encode(planned).error() == "steps overlap");
  planned.ahead.assign(limits::kStepsAheadMax + 1, step(10, 20));
  CHECK(encode(planned).error() == "too many steps ahead");

  Report report;
  std::get<SiteSummary>(report.summary).discharge.power = {-1};
  CHECK(encode(report).error() == "negative capability");

  Beacon beacon;
  beacon.market_speed = 0;
  CHECK_FALSE(encode(beacon));
  beacon.market_speed = 1;
  CHECK(encode(beacon));
  // A clock that stands at the end of time would overflow as soon as it runs on.
  beacon.market_time = kEndOfTime;
  CHECK(encode(beacon).error() == "market time out of range");
  HelloAck ack;
  ack.market_time = kEndOfTime;
  CHECK(encode(ack).error() == "market time out of range");

  HelloNak nak;
  nak.reason = static_cast<NakReason>(8);
  CHECK_FALSE(encode(nak));
  nak.reason = NakReason::kBusy;
  nak.retry_after = kSpanMax + Duration{1};
  CHECK_FALSE(encode(nak));
}

TEST_CASE("value signals and answers beyond any home's are not encoded", "[mesh][codec]") {
  ValueSignal signal{.from = MarketTime{Duration{0}},
                     .slot = std::chrono::hours{1},
                     .until = MarketTime{std::chrono::hours{2}},
                     .values = {Price{1}, Price{-2}}};
  CHECK(encode(signal));
  const auto error = [](ValueSignal bad) { return encode(bad).error(); };
  signal.until += Duration{1};
  CHECK(error(signal) == "holds beyond its last slot");
  signal.until = kEndOfTime;
  CHECK(error(signal) == "market time out of range");
  signal.until = signal.from;
  for (const auto& slot : {Duration{0}, Duration{90'000}, -Duration{60'000}, kSpanMax * 2}) {
    signal.slot = slot;
    CHECK(error(signal) == "slot out of range");
  }
  signal.slot = kSpanMax;
  signal.values.front() = limits::kPriceMax * 2 + Price{1};
  CHECK(error(signal) == "value out of range");
  signal.values.front() = {INT64_MIN};
  CHECK(error(signal) == "value out of range");
  signal.values.assign(limits::kValueSlotsMax + 1, Price{});
  CHECK(error(signal) == "no slots, or too many");
  signal.values.clear();
  CHECK(error(signal) == "no slots, or too many");
  signal.values.resize(1);
  signal.per_kw = {-1};
  CHECK(error(signal) == "price out of range");

  PlannedLoad load{.homes = 2, .fixed = 1, .net_load = {limits::kSitePowerMax * -3}};
  CHECK(encode(load));
  load.net_load = {limits::kSitePowerMax * 3 + Watts{1}};
  CHECK(encode(load).error() == "more load than so many homes have");
  load.homes = UINT32_MAX;
  load.net_load = {limits::kGroupPowerMax + Watts{1}};
  CHECK(encode(load).error() == "more load than so many homes have");
  load.net_load = {};
  load.paid = limits::kAmountMax + Amount{1};
  CHECK(encode(load).error() == "paid out of range");
  CHECK(encode(PlannedLoad{.homes = 0, .fixed = 0, .net_load = {Watts{}}}).error() ==
        "loads of nobody");
}

TEST_CASE("texts are UTF-8 without control characters", "[mesh][codec]") {
  for (const char* good : {"", "north", "Köln", "地域", "🔋", "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(good);
    CHECK(encode(with_region(good)));
  }
  for (const char* bad : {"\n", "\x1b[31m", "\x7f", "\xc2\x85", "\x80", "\xc0\xaf", "\xc3",
                          "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\xaf", "\xff"}) {
    CAPTURE(bad);
    CHECK_FALSE(encode(with_region(bad)));
  }
  CHECK(encode(with_region(std::string(limits::kNameBytesMax, 'x'))));
  CHECK_FALSE(encode(with_region(std::string(limits::kNameBytesMax + 1, 'x'))));
  CHECK_FALSE(encode(with_region(std::string(1, '\0'))));
}

TEST_CASE("addresses are tcp addresses without blanks", "[mesh][codec]") {
  CHECK(encode(with_alternate("tcp://10.0.0.1:7700")));
  CHECK_FALSE(encode(with_alternate("")));
  CHECK_FALSE(encode(with_alternate("ipc:///tmp/x")));
  CHECK_FALSE(encode(with_alternate("tcp://a b:1")));
  CHECK_FALSE(encode(with_alternate("tcp://" + std::string(limits::kAddressBytesMax, 'h'))));
}
