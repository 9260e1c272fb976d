#include "daemon/driver/record_json.h"

#include <catch2/catch.hpp>

#include "random_records.h"

using namespace vpp;
using namespace vpp::driver;

TEST_CASE("a record that is written and read back is the same record", "[driver][record]") {
  Rng rng{7};
  for (int i = 0; i < 2'000; ++i) {
    const node::Record record = test::random_record(rng);
    const std::string text = to_json(record);
    CAPTURE(text);
    const auto back = parse_record(kind_of(record), text);
    REQUIRE(back.has_value());
    REQUIRE(*back == record);
  }
}

TEST_CASE("a cut or changed record is an error or a record, never a crash", "[driver][record]") {
  Rng rng{8};
  for (int i = 0; i < 2'000; ++i) {
    const node::Record record = test::random_record(rng);
    std::string text = to_json(record);
    if (rng.below(2) == 0) {
      text.resize(rng.below(text.size()));
      CHECK_FALSE(parse_record(kind_of(record), text).has_value());
    } else {
      text[rng.below(text.size())] = static_cast<char>(rng.next());
      (void)parse_record(kind_of(record), text);
    }
  }
}

TEST_CASE("a number that its field cannot hold is refused", "[driver][record]") {
  const auto fence = [](const char* term) {
    return parse_record(RecordKind::kFence, std::string{R"({"sequence":2,"term":)"} + term + "}");
  };
  CHECK(fence("18446744073709551615"));
  CHECK_FALSE(fence("-1"));  // would be the highest term of all
  const auto order = [](const char* power) {
    return parse_record(RecordKind::kOrder,
                        std::string{R"({"id":1,"key":"k","source":0,"from_ms":1,"until_ms":2,)"} +
                            R"("issued_ms":0,"state":0,"power_w":)" + power + "}");
  };
  CHECK(order("-5000"));
  CHECK_FALSE(order("9223372036854775808"));
  const auto uplink = [](const char* length, const char* counted_for) {
    return parse_record(
        RecordKind::kUplink,
        std::string{R"({"session":1,"last_parent":null,"term":1,"alternates":[],)"} +
            R"("path_length":)" + length + R"(,"counted_for_ms":)" + counted_for + "}");
  };
  CHECK(uplink("8", "40000"));
  CHECK_FALSE(uplink("4611686018427387904", "40000"));
  CHECK_FALSE(uplink("8", "4611686018427387904"));  // leases without end: no time holds them
  CHECK_FALSE(uplink("8", "-1"));
}

TEST_CASE("a record without one of its fields is refused", "[driver][record]") {
  CHECK_FALSE(parse_record(RecordKind::kFence, R"({"term":1})").has_value());
  CHECK_FALSE(parse_record(RecordKind::kFence, R"({"term":1,"sequence":"2"})").has_value());
  CHECK(parse_record(RecordKind::kFence, R"({"term":1,"sequence":2,"later":3})").has_value());
  CHECK_FALSE(parse_record(RecordKind::kTerm, "[]").has_value());
}

TEST_CASE("an address that is no text still makes a readable record", "[driver][record]") {
  mesh::UplinkRecord record;
  record.alternates.push_back({"tcp://\xff\xfe", {}});
  CHECK(parse_record(RecordKind::kUplink, to_json(record)).has_value());
}

TEST_CASE("an entry of the journal that goes to another root and back is the same entry",
          "[driver][record]") {
  Rng rng{9};
  const node::JournalCodec codec = journal_codec();
  for (int i = 0; i < 500; ++i) {
    node::JournalEntry entry = test::random_order(rng);
    if (rng.below(2) == 0) entry = test::random_fact(rng);
    auto bytes = codec.encode(entry);
    CHECK(codec.decode(bytes) == entry);
    bytes.resize(rng.below(bytes.size()));
    CHECK_FALSE(codec.decode(bytes).has_value());
  }
}
