// Texts that come from people, disks, other roots and markets: order requests, records of the
// store, entries of the journal, answers of a market, targets of URLs, amounts on a command line.
// What is taken is within its documented bounds and reads back the same once printed; what is not
// has a reason of one line.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bidding/fact_json.h"
#include "bidding/http_client.h"
#include "bidding/http_market.h"
#include "bidding/market_adapter.h"
#include "config/check.h"
#include "config/ids.h"
#include "config/limits.h"
#include "config/z85.h"
#include "daemon/driver/order_request.h"
#include "daemon/driver/record_json.h"
#include "daemon/driver/url.h"
#include "mesh/uplink.h"
#include "tests/fuzz/fuzz_input.h"
#include "tools/vppctl/format.h"

using namespace vpp;

// The market's adapter, with a connection on which the input is every answer.
namespace vpp::bidding {

namespace {
HttpResponse answer_of_all;
}

class HttpClient::Impl {};
HttpClient::HttpClient(std::string, long, std::string) {}
HttpClient::~HttpClient() = default;

std::expected<HttpResponse, std::string> HttpClient::get(const std::string&) {
  return answer_of_all;
}

std::expected<HttpResponse, std::string> HttpClient::post(const std::string&, const std::string&) {
  return answer_of_all;
}

std::expected<HttpResponse, std::string> HttpClient::request(const HttpRequest&) {
  return answer_of_all;
}

}  // namespace vpp::bidding

namespace {

void one_line(const std::string& why) {
  VPP_CHECK(!why.empty() && why.find('\n') == std::string::npos);
}

void order_request(std::string_view text) {
  const auto request = driver::parse_order_request(text);
  if (!request) return VPP_CHECK(!request.error().empty());
  const node::SendOrder& order = request->command;
  VPP_CHECK(!order.key.empty() && order.key.size() <= 64);
  VPP_CHECK(order.power <= limits::kGroupPowerMax && order.power >= -limits::kGroupPowerMax);
  VPP_CHECK(order.duration > Duration{0} && order.duration <= std::chrono::hours{24});
}

/// A node can begin with whatever was read.
void start_from(const mesh::UplinkRecord& record) {
  mesh::UplinkOptions options;
  options.self = {1, 1};
  mesh::Uplink uplink{options, Rng{1}, record};
  uplink.advance({Instant{Duration{1'000'000}}, MarketTime{}, 1});
  VPP_CHECK(uplink.session() >= record.session && uplink.term() == record.term);
}

void record(driver::RecordKind kind, std::string_view text) {
  const auto read = driver::parse_record(kind, text);
  if (!read) return VPP_CHECK(!read.error().empty());
  VPP_CHECK(driver::kind_of(*read) == kind);
  if (const auto* uplink = std::get_if<mesh::UplinkRecord>(&*read)) start_from(*uplink);
  const auto again = driver::parse_record(kind, driver::to_json(*read));
  VPP_CHECK(again && driver::to_json(*again) == driver::to_json(*read));
}

/// What another root shipped.
void journal_entry(std::string_view text) {
  static const node::JournalCodec codec = driver::journal_codec();
  const auto entry = codec.decode(std::vector<std::uint8_t>{text.begin(), text.end()});
  if (!entry) return;
  const auto printed = codec.encode(*entry);
  const auto again = codec.decode(printed);
  VPP_CHECK(again && codec.encode(*again) == printed);
}

void market_answer(fuzz::FuzzInput input) {
  constexpr long kStatus[] = {200, 201, 400, 409, 429, 500};
  const bidding::MarketCall calls[] = {bidding::FetchPrices{}, bidding::FetchGates{},
                                       bidding::SubmitBid{}, bidding::FetchAwards{{"k"}},
                                       bidding::SubmitDelivery{}};
  const bidding::MarketCall& call = calls[input.below(std::size(calls))];
  bidding::answer_of_all.status = kStatus[input.below(std::size(kStatus))];
  bidding::answer_of_all.body = input.rest();
  static const auto market = bidding::make_http_market({.url = "http://localhost"});
  const bidding::MarketAnswer answer = (*market)->call(call);
  if (const auto* failed = std::get_if<bidding::CallFailed>(&answer)) one_line(failed->why);
  if (const auto* refused = std::get_if<bidding::BidRefused>(&answer)) one_line(refused->why);
}

void target(std::string_view text) {
  const auto escaped = [](std::string_view part) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (const char c : part) {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
    return out;
  };
  const driver::Target read = driver::parse_target(text);
  std::string printed = escaped(read.path) + '?';
  for (const auto& [name, value] : read.query)
    printed += escaped(name) + '=' + escaped(value) + '&';
  const driver::Target again = driver::parse_target(printed);
  VPP_CHECK(again.path == read.path && again.query == read.query);
}

void amounts(std::string_view text) {
  if (const auto power = ctl::parse_power(text)) {
    const auto again = ctl::parse_power(std::to_string(*power) + "W");
    VPP_CHECK(again && *again == *power);
  }
  if (const auto span = ctl::parse_duration(text)) {
    VPP_CHECK(span->count() >= 0);
    const auto again = ctl::parse_duration(std::to_string(span->count()) + "ms");
    VPP_CHECK(again && *again == *span);
  }
  if (const auto id = parse_node_id(text)) VPP_CHECK(parse_node_id(to_string(*id)) == id);
  if (const auto key = parse_z85(text)) VPP_CHECK(to_z85(*key) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  constexpr std::size_t kRecordKinds = 7;  // all that have a text
  const std::size_t kind = input.below(kRecordKinds + 5);
  if (kind < kRecordKinds) {
    record(static_cast<driver::RecordKind>(kind), input.rest());
  } else if (kind == kRecordKinds) {
    order_request(input.rest());
  } else if (kind == kRecordKinds + 1) {
    market_answer(input);
  } else if (kind == kRecordKinds + 2) {
    target(input.rest());
  } else if (kind == kRecordKinds + 3) {
    journal_entry(input.rest());
  } else {
    amounts(input.rest());
  }
  return 0;
}
