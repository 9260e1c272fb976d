// The market that bidders talk to, over its HTTP API. Whatever is asked, in whatever order: every
// reply is JSON with a sensible status, nobody is awarded more than they bid or settled without an
// award, and a market restored from the journal's lines says the same as the one that wrote them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bidding/market_json.h"
#include "config/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tools/market/api.h"

using namespace vpp;
using namespace vpp::market;

namespace {

constexpr MarketTime kStart{std::chrono::hours{420'000}};

MarketOptions options(bool rivals) {
  MarketOptions out;
  if (rivals) {
    out.rivals = {{Watts{1'000}, Price{10'000'000}}, {Watts{2'000}, Price{50'000'000}}};
    out.demand = Watts{2'500};
  }
  return out;
}

void check_books(const Market& market) {
  for (const auto& [key, entry] : market.bids()) {
    VPP_CHECK(key == entry.bid.key);
    Watts offered{0};
    for (const auto& segment : entry.bid.segments) offered += segment.power;
    if (entry.award) VPP_CHECK(entry.award->power >= Watts{0} && entry.award->power <= offered);
    if (entry.settlement) VPP_CHECK(entry.award && entry.settlement->penalty >= Amount{0});
  }
}

Reply ask(Market& market, MarketTime now, std::string_view method, std::string_view target,
          std::string_view body) {
  const Setting setting{Now{Instant{}, now, 1}, "AUD"};
  Reply reply = answer(market, setting, {method, target, body});
  VPP_CHECK(reply.status >= 200 && reply.status < 500);
  const auto json = bidding::parse_json_object(reply.json);
  VPP_CHECK(json && (reply.status < 400) == !json->contains("error"));
  return reply;
}

/// A bid that has a chance: short inputs should reach awards and settlements.
std::string any_bid(fuzz::FuzzInput& input, MarketTime now) {
  constexpr Duration kInterval = std::chrono::minutes{15};
  const auto since = now.time_since_epoch();
  const MarketTime from{since - since % kInterval + kInterval * (input.byte() % 20)};
  bidding::Bid bid{"k" + std::to_string(input.byte() % 8),
                   {from, from + kInterval, from - std::chrono::minutes{5}},
                   {}};
  for (std::size_t i = input.below(4); i > 0; --i) {
    bid.segments.push_back({Watts{input.byte() * 100}, Price{input.byte() * 1'000'000}});
  }
  return to_json_value(bid).dump();
}

std::string any_delivery(fuzz::FuzzInput& input, const Market& market) {
  bidding::Delivery delivery{"k" + std::to_string(input.byte() % 8), {}, {}};
  const auto entry = market.bids().find(delivery.key);
  if (entry != market.bids().end()) delivery.gate = entry->second.bid.gate;
  delivery.delivered = Joules{static_cast<std::int64_t>(input.number(4))};
  return to_json_value(delivery).dump();
}

void check_restored(Market& market, bool rivals, MarketTime now,
                    const std::vector<std::string>& lines) {
  Market again{options(rivals), SyntheticPrices{1}};
  for (const std::string& line : lines) VPP_CHECK(again.restore(line));
  const auto said = [&](Market& one) { return ask(one, now, "GET", "/v1/settlements", {}).json; };
  VPP_CHECK(said(again) == said(market));
  VPP_CHECK(again.bids().size() == market.bids().size());
  for (const auto& [key, entry] : market.bids()) {
    const BidEntry& other = again.bids().at(key);
    VPP_CHECK(other.bid == entry.bid && other.at == entry.at && other.award == entry.award);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const bool rivals = input.coin();
  Market market{options(rivals), SyntheticPrices{1}};
  MarketTime now = kStart;
  std::vector<std::string> lines;
  for (int steps = 0; !input.empty() && steps < 64; ++steps) {
    const std::size_t what = input.below(7);
    if (what == 0) now += std::chrono::minutes{input.byte()};
    if (what == 1) ask(market, now, "POST", "/v1/bids", any_bid(input, now));
    if (what == 2) ask(market, now, "POST", "/v1/deliveries", any_delivery(input, market));
    if (what == 3) ask(market, now, "GET", input.take(input.byte()), {});
    if (what == 4) ask(market, now, "POST", "/v1/bids", input.take(input.byte()));
    if (what == 5) ask(market, now, "GET", "/v1/state", {});
    if (what == 6) {
      Market other{options(rivals), SyntheticPrices{1}};
      other.restore(std::string{input.take(input.number(2) % 512)});
      ask(other, now, "GET", "/v1/state", {});
    }
    check_books(market);
    for (std::string& line : market.take_lines()) lines.push_back(std::move(line));
  }
  check_restored(market, rivals, now, lines);
  return 0;
}
