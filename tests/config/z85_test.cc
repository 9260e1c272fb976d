#include "config/z85.h"

#include <catch2/catch.hpp>

#include "config/rng.h"

using namespace vpp;

TEST_CASE("the test vector of ZeroMQ RFC 32 and CURVE's example key", "[config][z85]") {
  // RFC 26/CURVE, client public key of the example, as in zmq_curve_keypair's documentation.
  const CurveKey key{0xbb, 0x88, 0x47, 0x1d, 0x65, 0xe2, 0x65, 0x9b, 0x30, 0xc5, 0x5a,
                     0x53, 0x21, 0xce, 0xbb, 0x5a, 0xab, 0x2b, 0x70, 0xa3, 0x98, 0x64,
                     0x5c, 0x26, 0xdc, 0xa2, 0xb2, 0xfc, 0xb4, 0x3f, 0xc5, 0x18};
  CHECK(to_z85(key) == "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
  CHECK(parse_z85("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID") == key);
}

TEST_CASE("every key is read back from its 40 characters", "[config][z85]") {
  Rng rng{1};
  for (int i = 0; i < 2'000; ++i) {
    CurveKey key{};
    for (auto& byte : key) byte = static_cast<std::uint8_t>(rng.next() >> rng.below(9));
    REQUIRE(to_z85(key).size() == kZ85KeyChars);
    REQUIRE(parse_z85(to_z85(key)) == key);
  }
}

TEST_CASE("what is read as a key is written the same again", "[config][z85]") {
  Rng rng{2};
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string text(kZ85KeyChars, '0');
    for (auto& c : text) c = static_cast<char>(0x20 + rng.below(0x5f));
    if (rng.below(2) == 0) text = to_z85(CurveKey{}), text[rng.below(40)] = '#';
    const auto key = parse_z85(text);
    if (key) {
      REQUIRE(to_z85(*key) == text);
    } else {
      ++refused;
    }
  }
  CHECK(refused > 0);
  CHECK_FALSE(parse_z85(""));
  CHECK_FALSE(parse_z85(std::string(39, '0')));
  CHECK_FALSE(parse_z85(std::string(41, '0')));
  CHECK_FALSE(parse_z85(std::string(40, '#')));  // each group is above 2^32 - 1
}
