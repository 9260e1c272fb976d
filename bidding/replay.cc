#include "bidding/replay.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "aggregation/duration_curve.h"
#include "bidding/decide.h"
#include "bidding/decide_reserve.h"
#include "bidding/optimise.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] DecisionAgain decided_again(const Fact& fact, const BidDecided& was,
                                          const Ledger& ledger, MakeLinearProgram* solver) {
  DecisionAgain out{fact.at, was, Again::kNotKnown, {}};
  if (was.by_operator) {
    out.again = Again::kAsked;
    return out;
  }
  const auto firm = aggregation::DurationCurve::from_wire(aggregation::kGridId, was.firm_curve);
  if (was.firm_permille == 0 || fact.at == MarketTime{} || !firm) return out;
  const bool reserve = was.bid.gate.product != Product::kEnergy;
  if (reserve && solver == nullptr) return out;
  const Session session = was.bid.gate.session;
  const DecideInput input{.now = fact.at,
                          .gate = was.bid.gate,
                          .price_min = was.price_min,
                          .horizon = was.horizon,
                          .prices = &ledger.prices(session),
                          .committed = was.committed,
                          .foreseen = ledger.foreseen(session),
                          .strategy = was.strategy,
                          .capacity = &ledger.prices(session, Product::kReserveUp),
                          .called_permille = was.called_permille,
                          .optimiser = was.optimiser,
                          .advised = ledger.advised(was.bid.key)};
  const FirmCurve curve{*firm, was.firm_permille};
  auto is = reserve ? decide_reserve(input, curve, solver) : decide(input, curve);
  out.again = is && *is == was ? Again::kSame : Again::kOther;
  if (out.again == Again::kOther && is) out.is = *std::move(is);
  return out;
}

}  // namespace

Replay replay(const std::vector<Fact>& facts, MarketTime at, MakeLinearProgram* solver) {
  Replay out;
  Ledger ledger;
  for (const Fact& fact : facts) {
    if (fact.at > at) break;
    ++out.facts;
    const auto* decided = as<BidDecided>(fact);
    const bool news = ledger.apply(fact).has_value();
    if (news && decided != nullptr) {
      out.decisions.push_back(decided_again(fact, *decided, ledger, solver));
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
