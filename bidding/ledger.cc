#include "bidding/ledger.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "bidding/advice_task.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] const std::string& key_in(const BidDecided& f) {
  return f.bid.key;
}
[[nodiscard]] const std::string& key_in(const BidAcknowledged& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const AwardKnown& f) {
  return f.award.key;
}
[[nodiscard]] const std::string& key_in(const OrderScheduled& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const DeliveryMeasured& f) {
  return f.delivery.key;
}
[[nodiscard]] const std::string& key_in(const SettlementKnown& f) {
  return f.settlement.key;
}
[[nodiscard]] const std::string& key_in(const BidAdopted& f) {
  return f.bid.key;
}
[[nodiscard]] const std::string& key_in(const GatePassed& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const Disagreement& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const OwnersCredited& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const WithdrawalAsked& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const WithdrawalKnown& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const BaselineKnown& f) {
  return f.key;
}
[[nodiscard]] const std::string& key_in(const CallKnown& f) {
  return f.call.key;
}
[[nodiscard]] const std::string& key_in(const BidAdvised& f) {
  return f.key;
}

template <class... Stages>
[[nodiscard]] bool is_any_of(const Stage& stage) {
  return (std::holds_alternative<Stages>(stage) || ...);
}

[[nodiscard]] bool awaits_acknowledgement(const Stage& stage) {
  const auto* withdrawing = std::get_if<stage::Withdrawing>(&stage);
  return is_any_of<stage::Decided>(stage) || (withdrawing != nullptr && !withdrawing->acknowledged);
}

void take_as_acknowledged(Stage& stage) {
  if (is_any_of<stage::Withdrawing>(stage)) {
    stage = stage::Withdrawing{true};
  } else {
    stage = stage::Submitted{};
  }
}

struct ViewFiller {
  BidView& view;

  void operator()(const stage::Decided&) const {}
  void operator()(const stage::Submitted&) const {}
  void operator()(const stage::Refused&) const {}
  void operator()(const stage::Withdrawing&) const {}
  void operator()(const stage::Withdrawn&) const {}
  void operator()(const stage::Awarded& s) const {
    view.award = s.award;
    view.call = s.call;
  }
  void operator()(const stage::Lost& s) const { view.award = s.award; }
  void operator()(const stage::Scheduled& s) const {
    view.award = s.award;
    view.call = s.call;
    view.order = s.order;
  }
  void operator()(const stage::Delivered& s) const {
    (*this)(s.scheduled);
    if (s.measured.sites_counted > 0) view.delivered = s.measured.delivery.delivered;
  }
  void operator()(const stage::Settled& s) const {
    (*this)(s.delivered);
    view.settlement = s.settlement;
  }
};

struct StageName {
  std::string_view operator()(const stage::Decided&) const { return "decided"; }
  std::string_view operator()(const stage::Submitted&) const { return "submitted"; }
  std::string_view operator()(const stage::Refused&) const { return "refused"; }
  std::string_view operator()(const stage::Withdrawing&) const { return "withdrawing"; }
  std::string_view operator()(const stage::Withdrawn&) const { return "withdrawn"; }
  std::string_view operator()(const stage::Awarded&) const { return "awarded"; }
  std::string_view operator()(const stage::Lost&) const { return "lost"; }
  std::string_view operator()(const stage::Scheduled&) const { return "scheduled"; }
  std::string_view operator()(const stage::Delivered&) const { return "delivered"; }
  std::string_view operator()(const stage::Settled&) const { return "settled"; }
};

}  // namespace

std::optional<std::string> key_of(const Fact& fact) {
  return std::visit(
      [](const auto& f) -> std::optional<std::string> {
        using Kind = std::decay_t<decltype(f)>;
        if constexpr (std::is_same_v<Kind, PricesKnown> || std::is_same_v<Kind, ForecastKnown> ||
                      std::is_same_v<Kind, HomesMetered>) {
          return std::nullopt;
        } else {
          return key_in(f);
        }
      },
      fact.what);
}

std::string_view name_of(const Stage& stage) {
  return std::visit(StageName{}, stage);
}

bool finished(const Stage& stage) {
  return is_any_of<stage::Refused, stage::Lost, stage::Settled, stage::Withdrawn>(stage);
}

BidView view_of(const BidLife& life) {
  BidView view;
  view.bid = life.bid;
  view.state = name_of(life.stage);
  std::visit(ViewFiller{view}, life.stage);
  view.credited = life.credited;
  view.metered = life.metered;
  view.disagreements = life.disagreements;
  return view;
}

bool answers(const Award& award, const Bid& bid) {
  Watts most{0};
  for (const BidSegment& segment : bid.segments) {
    if (segment.price <= award.clearing) most += segment.power;
  }
  return award.key == bid.key && award.gate.from == bid.gate.from &&
         award.gate.until == bid.gate.until && award.gate.product == bid.gate.product &&
         award.power >= Watts{0} && award.power <= most;
}

bool answers(const ReserveCall& call, const Award& award) {
  if (call.key != award.key || call.power < Watts{0} || call.power > award.power) return false;
  return call.power == Watts{0} ||
         (award.gate.from <= call.from && call.from < call.until && call.until <= award.gate.until);
}

std::optional<Fact> Ledger::apply(const Fact& fact) {
  if (const auto* known = as<PricesKnown>(fact)) {
    PricesKnown news;
    for (const PricePoint& point : known->prices) {  // one by one: an answer may correct itself
      if (take_price(point)) news.prices.push_back(point);
    }
    if (news.prices.empty()) return std::nullopt;
    return Fact{std::move(news), fact.at};
  }
  const bool adds = std::visit([&](const auto& f) { return on(f); }, fact.what);
  if (!adds) return std::nullopt;
  const auto key = key_of(fact);
  if (as<BidAdvised>(fact) != nullptr) advised_.insert_or_assign(*key, fact);
  const auto life = key ? bids_.find(*key) : bids_.end();
  if (life == bids_.end()) return fact;
  const auto* decided = as<BidDecided>(fact);
  const auto advice = advised_.find(*key);
  const bool followed = decided != nullptr && decided->advised != TaskId{};
  if (followed && advice != advised_.end()) life->second.facts.push_back(advice->second);
  life->second.facts.push_back(fact);
  return fact;
}

bool Ledger::take_price(const PricePoint& point) {
  PriceSeries& series = series_.at(place_of({point.session, point.product}));
  const auto known = series.find(point.from);
  const auto before = known == series.end() ? std::nullopt : std::optional{known->second};
  if (merge(series, {point}).empty()) return false;
  if (!before || before->until != point.until) return true;
  ++corrections_.all;
  corrections_.last = point;
  corrections_.before = before->price;
  const bool settled = std::ranges::any_of(bids_, [&](const auto& entry) {
    const Gate& gate = entry.second.bid.gate;
    return is_any_of<stage::Settled>(entry.second.stage) && gate.session == point.session &&
           gate.product == point.product && gate.from < point.until && point.from < gate.until;
  });
  if (settled) ++corrections_.after_settlement;
  return true;
}

void Ledger::forget_over(MarketTime now) {
  for (PriceSeries& series : series_) {
    std::erase_if(series,
                  [&](const auto& entry) { return entry.second.until <= now - prices_kept_; });
  }
  std::erase_if(bids_, [&](const auto& entry) {
    const BidLife& life = entry.second;
    return life.bid.gate.until <= now - (finished(life.stage) ? kFinishedKept : kUnfinishedKept);
  });
  std::erase_if(passed_,
                [&](const auto& entry) { return entry.second.gate.until <= now - kFinishedKept; });
  std::erase_if(advised_, [&](const auto& entry) {
    const MarketTime over = as<BidAdvised>(entry.second)->gate.until;
    return !bids_.contains(entry.first) && over <= now - kFinishedKept;
  });
}

/// One that says less of the future than the one before adds nothing.
bool Ledger::on(const ForecastKnown& known) {
  const bool news =
      !known.hours.empty() && is_sane(known.from) &&
      (!foreseen_ || (known.from >= foreseen_->from && known.task != foreseen_->task));
  if (news) foreseen_ = known;
  return news;
}

bool Ledger::on(const GatePassed& passed) {
  return !bids_.contains(passed.key) && passed_.try_emplace(passed.key, passed).second;
}

bool Ledger::on(const Disagreement& disagreement) {
  const auto it = bids_.find(disagreement.key);
  if (it == bids_.end()) return false;
  auto& known = it->second.disagreements;
  if (known.size() >= kDisagreementsMax || std::ranges::find(known, disagreement) != known.end())
    return false;
  known.push_back(disagreement);
  return true;
}

bool Ledger::on(const WithdrawalAsked& asked) {
  const auto it = bids_.find(asked.key);
  if (it == bids_.end()) return false;
  Stage& stage = it->second.stage;
  const bool acknowledged = is_any_of<stage::Submitted>(stage);
  if (!acknowledged && !is_any_of<stage::Decided>(stage)) return false;
  stage = stage::Withdrawing{acknowledged};
  return true;
}

bool Ledger::on(const WithdrawalKnown& known) {
  const auto it = bids_.find(known.key);
  if (it == bids_.end() || !is_any_of<stage::Withdrawing>(it->second.stage)) return false;
  if (known.withdrawn) {
    it->second.stage = stage::Withdrawn{};
  } else {
    it->second.stage = stage::Submitted{};
  }
  return true;
}

bool Ledger::on(const OwnersCredited& credited) {
  const auto it = bids_.find(credited.key);
  if (it == bids_.end() || it->second.credited) return false;
  if (!is_any_of<stage::Settled>(it->second.stage)) return false;
  it->second.credited = credited;
  return true;
}

bool Ledger::on(const BidDecided& decided) {
  return bids_.try_emplace(decided.bid.key, BidLife{decided.bid, stage::Decided{}, {}}).second;
}

bool Ledger::on(const BidAdvised& news) const {
  if (bids_.contains(news.key) || !can_be_bid(news.segments)) return false;
  const BidAdvised* before = advised(news.key);
  return before == nullptr || before->task != news.task;
}

const BidAdvised* Ledger::advised(const std::string& key) const {
  const auto it = advised_.find(key);
  return it == advised_.end() ? nullptr : as<BidAdvised>(it->second);
}

bool Ledger::on(const BidAcknowledged& acknowledged) {
  const auto it = bids_.find(acknowledged.key);
  if (it == bids_.end() || !awaits_acknowledgement(it->second.stage)) return false;
  if (acknowledged.accepted) {
    take_as_acknowledged(it->second.stage);
  } else {
    it->second.stage = stage::Refused{acknowledged.why};
  }
  return true;
}

bool Ledger::on(const AwardKnown& known) {
  const auto it = bids_.find(known.award.key);
  // A market that awards what it refused owes an explanation, but we owe the delivery.
  if (it == bids_.end() || !answers(known.award, it->second.bid) ||
      !is_any_of<stage::Decided, stage::Submitted, stage::Refused, stage::Withdrawing>(
          it->second.stage)) {
    return false;
  }
  if (known.award.power > Watts{0}) {
    it->second.stage = stage::Awarded{known.award};
  } else {
    it->second.stage = stage::Lost{known.award};
  }
  return true;
}

bool Ledger::on(const OrderScheduled& scheduled) {
  const auto it = bids_.find(scheduled.key);
  if (it == bids_.end()) return false;
  const auto* awarded = std::get_if<stage::Awarded>(&it->second.stage);
  if (awarded == nullptr) return false;
  // Reserve moves batteries once it is called, not before.
  if (it->second.bid.gate.product != Product::kEnergy && !awarded->call) return false;
  it->second.stage = stage::Scheduled{awarded->award, scheduled.order, awarded->call};
  return true;
}

bool Ledger::on(const CallKnown& known) {
  const auto it = bids_.find(known.call.key);
  if (it == bids_.end() || it->second.bid.gate.product == Product::kEnergy) return false;
  const auto* awarded = std::get_if<stage::Awarded>(&it->second.stage);
  if (awarded == nullptr || awarded->call || !answers(known.call, awarded->award)) return false;
  if (known.call.power > Watts{0}) {
    it->second.stage = stage::Awarded{awarded->award, known.call};
  } else {
    it->second.stage = stage::Scheduled{awarded->award, kNoOrder, known.call};
  }
  return true;
}

bool Ledger::on(const BaselineKnown& known) {
  const auto it = bids_.find(known.key);
  if (it == bids_.end() || it->second.metered) return false;
  const Stage& stage = it->second.stage;
  if (!is_any_of<stage::Scheduled, stage::Delivered, stage::Settled>(stage)) return false;
  it->second.metered = known;
  return true;
}

bool Ledger::on(const DeliveryMeasured& measured) {
  const auto it = bids_.find(measured.delivery.key);
  if (it == bids_.end()) return false;
  const auto* scheduled = std::get_if<stage::Scheduled>(&it->second.stage);
  if (scheduled == nullptr) return false;
  it->second.stage = stage::Delivered{*scheduled, measured};
  return true;
}

bool Ledger::on(const SettlementKnown& known) {
  const auto it = bids_.find(known.settlement.key);
  if (it == bids_.end()) return false;
  const auto* delivered = std::get_if<stage::Delivered>(&it->second.stage);
  if (delivered == nullptr) return false;
  it->second.stage = stage::Settled{*delivered, known.settlement};
  return true;
}

bool Ledger::on(const BidAdopted& adopted) {
  const auto it = bids_.find(adopted.bid.key);
  if (it == bids_.end() || !awaits_acknowledgement(it->second.stage)) return false;
  it->second.bid = adopted.bid;
  take_as_acknowledged(it->second.stage);
  return true;
}

}  // namespace vpp::bidding
