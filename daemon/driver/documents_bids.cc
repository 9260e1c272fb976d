// Documents about bids.
#include <algorithm>

#include "bidding/fact_json.h"
#include "bidding/replay.h"
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"

namespace vpp::driver {
namespace {

using namespace parts;

Json segments_part(const bidding::Bid& bid) {
  Json segments = Json::array();
  for (const bidding::BidSegment& segment : bid.segments) {
    segments.push_back({{"power_w", segment.power.count}, {"price", money(segment.price.count)}});
  }
  return segments;
}

Json bid_part(const bidding::BidView& view) {
  Json out{{"key", view.bid.key}, {"state", view.state}};
  out.update(gate_part(view.bid.gate));
  out["segments"] = segments_part(view.bid);
  out["award"] = nullptr;
  out["order"] = order_id(view.order);
  out["delivered_wh"] = watt_hours(view.delivered);
  out["call"] = nullptr;
  out["settlement"] = nullptr;
  if (view.award) {
    out["award"] = {{"power_w", view.award->power.count},
                    {"clearing", money(view.award->clearing.count)}};
  }
  if (view.call) {
    out["call"] = {{"power_w", view.call->power.count},
                   {"from_ms", market_ms(view.call->from)},
                   {"until_ms", market_ms(view.call->until)}};
  }
  if (view.settlement) {
    out["settlement"] = {{"awarded_wh", watt_hours(view.settlement->awarded)},
                         {"delivered_wh", watt_hours(view.settlement->delivered)},
                         {"revenue", money(view.settlement->revenue.count)},
                         {"penalty", money(view.settlement->penalty.count)},
                         {"availability", money(view.settlement->availability.count)}};
  }
  if (view.credited) {
    out["owners"] = {{"receipts_wh", watt_hours(view.credited->receipts)},
                     {"per_mwh", money(view.credited->per_mwh.count)},
                     {"paid", money(view.credited->paid.count)}};
  }
  out["disagreements"] = view.disagreements.size();
  return out;
}

const char* again_text(bidding::Again again) {
  switch (again) {
    case bidding::Again::kSame:
      return "same";
    case bidding::Again::kOther:
      return "other";
    case bidding::Again::kAsked:
      return "by an operator";
    case bidding::Again::kNotKnown:
      break;
  }
  return "not recorded";
}

Json decision_part(const bidding::DecisionAgain& decision) {
  const bidding::BidDecided& was = decision.was;
  Json committed = Json::array();
  for (const bidding::Commitment& each : was.committed) {
    committed.push_back({{"power_w", each.power.count},
                         {"from_ms", market_ms(each.from)},
                         {"until_ms", market_ms(each.until)}});
  }
  Json out{{"at_ms", market_ms(decision.at)}, {"key", was.bid.key}};
  out.update(gate_part(was.bid.gate));
  out["segments"] = segments_part(was.bid);
  out["model"] = was.model;
  out["foreseen_by"] = was.foreseen == bidding::TaskId{} ? Json() : Json(to_string(was.foreseen));
  out["optimiser"] = was.optimiser.empty() ? Json() : Json(was.optimiser);
  out["advised_by"] = was.advised == bidding::TaskId{} ? Json() : Json(to_string(was.advised));
  out["expected"] = was.forecast.empty() ? Json(nullptr) : money(was.forecast.front().price.count);
  out["committed"] = std::move(committed);
  out["again"] = again_text(decision.again);
  out["segments_again"] = decision.is ? segments_part(decision.is->bid) : Json(nullptr);
  return out;
}

}  // namespace

std::string bids_document(const Snapshot& snapshot) {
  Json bids = Json::array();
  for (const bidding::BidView& bid : snapshot.status.bids) bids.push_back(bid_part(bid));
  Json out = document("bids");
  out["bids"] = std::move(bids);
  return text(out);
}

std::optional<std::string> bid_document(const Snapshot& snapshot, std::string_view key,
                                        const std::vector<bidding::Fact>& trace) {
  const auto& bids = snapshot.status.bids;
  const auto found =
      std::ranges::find_if(bids, [&](const bidding::BidView& bid) { return bid.bid.key == key; });
  if (found == bids.end()) return std::nullopt;
  Json facts = Json::array();
  for (const bidding::Fact& fact : trace) facts.push_back(Json::parse(bidding::to_json(fact)));
  Json out = document("bid");
  out["bid"] = bid_part(*found);
  out["trace"] = std::move(facts);
  return text(out);
}

std::string replay_document(const std::vector<bidding::Fact>& facts, MarketTime at,
                            bidding::MakeLinearProgram* solver) {
  const bidding::Replay replay = bidding::replay(facts, at, solver);
  Json decisions = Json::array();
  for (const auto& decision : replay.decisions) decisions.push_back(decision_part(decision));
  Json passed = Json::array();
  for (const bidding::GatePassed& gate : replay.passed) {
    Json part{{"key", gate.key}, {"why", gate.why}};
    part.update(gate_part(gate.gate));
    passed.push_back(std::move(part));
  }
  Json bids = Json::array();
  for (const bidding::BidView& bid : replay.bids) bids.push_back(bid_part(bid));
  Json prices = Json::array();
  for (const auto& [from, price] : replay.prices) prices.push_back(price_part(price));
  Json out = document("replay");
  out["at_ms"] = at == kEndOfTime ? Json(nullptr) : Json(market_ms(at));
  out["facts"] = replay.facts;
  out["decisions"] = std::move(decisions);
  out["passed"] = std::move(passed);
  out["bids"] = std::move(bids);
  out["prices"] = std::move(prices);
  return text(out);
}

}  // namespace vpp::driver
