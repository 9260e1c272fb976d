#include "bidding/replay.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "aggregation/duration_curve.h"
#include "bidding/decide.h"
#include "bidding/optimise.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] DecisionAgain decided_again(const Fact& fact, const BidDecided& was,
                                          const Ledger& ledger) {
  DecisionAgain out{fact.at, was, Again::kNotKnown, {}};
  if (was.by_operator) {
    out.again = Again::kAsked;
    return out;
  }
  const auto firm = aggregation::DurationCurve::from_wire(aggregation::kGridId, was.firm_curve);
  if (was.firm_permille == 0 || fact.at == MarketTime{} || !firm) return out;
  const DecideInput input{.now = fact.at,
                          .gate = was.bid.gate,
                          .price_min = was.price_min,
                          .horizon = was.horizon,
                          .prices = &ledger.prices(was.bid.gate.session),
                          .committed = was.committed,
                          .foreseen = ledger.foreseen(was.bid.gate.session),
                          .strategy = was.strategy};
  auto is = decide(input, FirmCurve{*firm, was.firm_permille});
  out.again = is && *is == was ? Again::kSame : Again::kOther;
  if (out.again == Again::kOther && is) out.is = *std::move(is);
  return out;
}

}  // namespace

Replay replay(const std::vector<Fact>& facts, MarketTime at) {
  Replay out;
  Ledger ledger;
  for (const Fact& fact : facts) {
    if (fact.at > at) break;
    ++out.facts;
    const auto* decided = as<BidDecided>(fact);
    const bool news = ledger.apply(fact).has_value();
    if (news && decided != nullptr) {
      out.decisions.push_back(decided_again(fact, *decided, ledger));
    }
  }
  out.prices = ledger.prices();
  for (const BidLife& life : ledger.bids() | std::views::values) out.bids.push_back(view_of(life));
  std::ranges::stable_sort(out.bids, {}, [](const BidView& view) { return view.bid.gate.from; });
  for (const GatePassed& passed : ledger.passed() | std::views::values) {
    out.passed.push_back(passed);
  }
  return out;
}

}  // namespace vpp::bidding
