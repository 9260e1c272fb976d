#include "mesh/message_limits.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "config/limits.h"

namespace vpp::mesh {
namespace {

/// Length of the UTF-8 sequence at the front, and what it must decode to at least; 0: none.
struct Utf8Lead {
  std::size_t bytes = 0;
  std::uint32_t bits = 0;
  std::uint32_t least = 0;
};

Utf8Lead utf8_lead(std::uint8_t byte) {
  if (byte < 0x80U) return {1, byte, 0};
  if (byte >= 0xc2U && byte < 0xe0U) return {2, byte & 0x1fU, 0x80};
  if (byte >= 0xe0U && byte < 0xf0U) return {3, byte & 0x0fU, 0x800};
  if (byte >= 0xf0U && byte < 0xf5U) return {4, byte & 0x07U, 0x10000};
  return {};
}

bool is_printable(std::uint32_t code) {
  const bool control = code < 0x20U || (code >= 0x7fU && code < 0xa0U);
  const bool surrogate = code >= 0xd800U && code < 0xe000U;
  return !control && !surrogate && code <= 0x10ffffU;
}

bool is_printable_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Lead lead = utf8_lead(static_cast<std::uint8_t>(text.front()));
    if (lead.bytes == 0 || lead.bytes > text.size()) return false;
    std::uint32_t code = lead.bits;
    for (const char c : text.substr(1, lead.bytes - 1)) {
      const auto byte = static_cast<std::uint8_t>(c);
      if ((byte & 0xc0U) != 0x80U) return false;
      code = code << 6U | (byte & 0x3fU);
    }
    if (code < lead.least || !is_printable(code)) return false;
    text.remove_prefix(lead.bytes);
  }
  return true;
}

bool is_address(std::string_view text) {
  return text.starts_with("tcp://") &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

/// Keeps the first limit that was broken.
class Limits {
 public:
  void require(bool holds, std::string_view what) {
    if (!holds && !broken_) broken_ = std::string{what};
  }
  void text(const std::string& value, std::string_view what) {
    require(value.size() <= limits::kNameBytesMax && is_printable_utf8(value), what);
  }
  void certificate(const std::vector<std::uint8_t>& bytes) {
    require(bytes.size() <= kCertificateBytesMax, "certificate too long");
  }
  void path(const Path& path) { require(path.size() <= limits::kDepthMax, "path too long"); }
  void endpoint(const Endpoint& endpoint) {
    require(endpoint.address.size() <= limits::kAddressBytesMax && is_address(endpoint.address),
            "address is no tcp:// address");
  }
  void alternates(const std::vector<Endpoint>& list) {
    require(list.size() <= limits::kAlternatesMax, "too many alternates");
    for (const Endpoint& one : list) endpoint(one);
  }
  void nodes(const std::vector<Attachment>& list) {
    require(list.size() <= limits::kAttachmentsMax, "too many nodes in one message");
  }
  void receipts(const std::vector<Receipt>& list) {
    require(list.size() <= limits::kReceiptsMax, "too many receipts");
    for (const Receipt& receipt : list) joules(receipt.delivered, "receipt out of range");
  }
  void span(Duration value, std::string_view what) {
    require(value >= Duration{0} && value <= kSpanMax, what);
  }
  void stamp(Stamp value) { require(value >= 0 && value <= kStampMax, "stamp out of range"); }
  /// A clock runs on from here: never the end of time.
  void market_now(MarketTime value) {
    const std::int64_t ms = value.time_since_epoch().count();
    require(ms >= 0 && ms <= kStampMax, "market time out of range");
  }
  void market(MarketTime value) {
    if (value != kEndOfTime) market_now(value);
  }
  void speed(std::int64_t value) {
    require(value >= 1 && value <= limits::kMarketSpeedMax, "market speed out of range");
  }
  void watts(Watts value, std::string_view what) {
    require(value >= -limits::kGroupPowerMax && value <= limits::kGroupPowerMax, what);
  }
  void joules(Joules value, std::string_view what) {
    require(value >= Joules{-kJoulesMax} && value <= Joules{kJoulesMax}, what);
  }
  void curve(const std::vector<Joules>& points) {
    require(points.size() <= kCurvePointsMax, "too many points in a curve");
    for (const Joules point : points) {
      require(point >= Joules{0} && point <= Joules{kJoulesMax}, "curve out of range");
    }
  }
  void scope(const Scope& scope) {
    require(is_program_name(scope.program), "bad program");
    if (!scope.group.empty()) group(scope.group);
  }
  void group(const std::string& group) {
    require(is_group(group) && is_printable_utf8(group), "bad group");
  }
  void direction(const SiteDirection& site) {
    require(site.power >= Watts{0}, "negative capability");
    require(site.energy >= Joules{0}, "negative capability");
    require(site.response_permille <= 1000, "response above one");
    watts(site.power, "capability out of range");
    joules(site.energy, "capability out of range");
  }

  [[nodiscard]] std::optional<std::string> broken() const { return broken_; }

 private:
  std::optional<std::string> broken_;
};

void check(Limits&, const Probe&) {}
void check(Limits&, const DispatchAck&) {}
void check(Limits&, const Bye&) {}

void check(Limits& l, const ProbeAck& m) {
  l.path(m.path);
  l.text(m.region, "bad region");
}

void check(Limits& l, const Hello& m) {
  l.certificate(m.certificate);
  l.require(m.role <= Role::kRoot, "unknown role");
  l.text(m.name, "bad name");
  l.text(m.region, "bad region");
  l.span(m.hold, "hold out of range");
  if (m.serves) l.endpoint(*m.serves);
}

void check(Limits& l, const SiteSummary& m) {
  l.direction(m.discharge);
  l.direction(m.charge);
  if (m.measured) l.watts(*m.measured, "measured power out of range");
  if (m.stored) l.joules(*m.stored, "stored energy out of range");
  l.watts(m.set_point, "set point out of range");
  l.market(m.measured_at);
  l.receipts(m.receipts);
  l.require(m.offers.size() <= limits::kProgramsMax, "too many programs");
  for (const ProgramOffer& offer : m.offers) {
    l.require(is_program_name(offer.program), "bad program");
    l.direction(offer.discharge);
    l.direction(offer.charge);
  }
  l.require(m.groups.size() <= limits::kGroupsMax, "too many groups");
  for (const std::string& group : m.groups) l.group(group);
  l.scope(m.scope);
  if (m.net) l.watts(*m.net, "net power out of range");
  l.watts(m.armed, "armed power out of range");
  l.watts(m.droop, "droop out of range");
}

void check(Limits& l, const ScopeSummary& m) {
  l.scope(m.scope);
  l.curve(m.discharge);
  l.curve(m.charge);
  l.watts(m.measured, "measured power out of range");
  l.watts(m.asked, "asked power out of range");
  l.watts(m.shortfall, "shortfall out of range");
  l.watts(m.reserved, "reserved power out of range");
}

void check(Limits& l, const GroupSummary& m) {
  l.curve(m.discharge);
  l.curve(m.charge);
  l.watts(m.measured, "measured power out of range");
  l.joules(m.stored, "stored energy out of range");
  l.watts(m.asked, "asked power out of range");
  l.watts(m.shortfall, "shortfall out of range");
  l.market(m.oldest);
  l.market(m.newest);
  l.receipts(m.receipts);
  l.watts(m.reserved, "reserved power out of range");
  for (const auto* expected : {&m.discharge_expected, &m.charge_expected}) {
    l.curve(expected->mean);
    l.curve(expected->deviation);
  }
  l.require(m.scopes.size() <= limits::kScopesMax, "too many scopes");
  for (const ScopeSummary& scope : m.scopes) check(l, scope);
  l.watts(m.net, "net power out of range");
  l.watts(m.armed, "armed power out of range");
  l.watts(m.droop, "droop out of range");
}

void check(Limits& l, const Report& m) {
  l.stamp(m.beacon);
  std::visit([&](const auto& summary) { check(l, summary); }, m.summary);
  l.nodes(m.attached);
  l.nodes(m.evicted);
}

void check(Limits& l, const HelloAck& m) {
  l.certificate(m.certificate);
  l.span(m.lease, "lease out of range");
  l.span(m.beacon_interval, "beacon interval out of range");
  l.span(m.above, "leases above out of range");
  l.span(m.spread, "spread out of range");
  l.path(m.path);
  l.stamp(m.stamp);
  l.market_now(m.market_time);
  l.speed(m.market_speed);
  l.alternates(m.alternates);
  l.nodes(m.evict);
}

void check(Limits& l, const HelloNak& m) {
  l.require(m.reason <= NakReason::kDraining, "unknown reason");
  l.span(m.retry_after, "retry time out of range");
  l.alternates(m.alternates);
}

void check(Limits& l, const Beacon& m) {
  l.stamp(m.stamp);
  l.span(m.above, "leases above out of range");
  l.path(m.path);
  l.market_now(m.market_time);
  l.speed(m.market_speed);
  l.alternates(m.alternates);
}

void check(Limits& l, const Dispatch& m) {
  if (m.share) l.watts(*m.share, "share out of range");
  l.market(m.from);
  l.market(m.until);
  l.stamp(m.expires);
  l.require(m.ahead.size() <= limits::kStepsAheadMax, "too many steps ahead");
  MarketTime free_from{};
  for (const Step& step : m.ahead) {
    l.watts(step.share, "share out of range");
    l.market(step.from);
    l.market(step.until);
    l.require(free_from <= step.from && step.from < step.until, "steps overlap");
    free_from = step.until;
  }
  l.scope(m.scope);
  l.require(m.service <= Service::kFrequency, "unknown service");
}

void check(Limits& l, const Redirect& m) {
  l.require(m.reason <= RedirectReason::kBalance, "unknown reason");
  l.alternates(m.alternates);
}

void check(Limits& l, const Unload& m) {
  l.alternates(m.to);
}

void check(Limits& l, const Evict& m) {
  l.nodes(m.nodes);
}

void check(Limits& l, const Cleared& m) {
  l.nodes(m.nodes);
}

void check(Limits& l, const ValueSignal& m) {
  using std::chrono::minutes;
  l.market_now(m.from);
  l.market_now(m.until);
  const bool whole = m.slot % minutes{1} == Duration{0};
  l.require(whole && m.slot >= minutes{1} && m.slot <= kSpanMax, "slot out of range");
  l.span(m.wait, "wait out of range");
  l.require(!m.values.empty() && m.values.size() <= limits::kValueSlotsMax,
            "no slots, or too many");
  l.require(m.per_kw >= Price{0} && m.per_kw <= limits::kPriceMax, "price out of range");
  for (const Price value : m.values) {  // a price ahead of itself: up to twice the highest
    const bool within = value >= limits::kPriceMax * -2 && value <= limits::kPriceMax * 2;
    l.require(within, "value out of range");
  }
  if (l.broken()) return;  // or the sum below may overflow
  const MarketTime end = m.from + m.slot * static_cast<std::int64_t>(m.values.size());
  l.require(m.until <= end, "holds beyond its last slot");
}

void check(Limits& l, const OwnerRates& m) {
  l.require(m.rates.size() <= limits::kReceiptsOfPlant, "too many rates");
  for (std::size_t i = 0; i < m.rates.size(); ++i) {
    const OwnerRate& rate = m.rates[i];
    l.require(i == 0 || m.rates[i - 1].order < rate.order, "orders do not rise");
    l.require(rate.per_mwh >= Price{0} && rate.per_mwh <= limits::kPriceMax, "rate out of range");
  }
}

void check(Limits& l, const PlannedLoad& m) {
  l.require(m.net_load.size() <= limits::kValueSlotsMax, "too many slots");
  const std::int64_t homes = std::int64_t{m.homes} + m.fixed;
  l.require(homes > 0 || m.net_load.empty(), "loads of nobody");
  const Watts most{std::min(homes * limits::kSitePowerMax.count, limits::kGroupPowerMax.count)};
  for (const Watts load : m.net_load) {
    l.require(load >= -most && load <= most, "more load than so many homes have");
  }
  l.require(m.paid >= -limits::kAmountMax && m.paid <= limits::kAmountMax, "paid out of range");
}

void check(Limits&, const Follow&) {}
void check(Limits&, const Lead&) {}

void check(Limits& l, const JournalPart& m) {
  l.require(m.entries.size() <= limits::kJournalEntriesMax, "too many journal entries");
  for (const auto& entry : m.entries) {
    l.require(entry.size() <= limits::kJournalEntryBytesMax, "journal entry too long");
  }
}

}  // namespace

std::optional<std::string> broken_limit(const Message& message) {
  Limits found;
  std::visit([&](const auto& m) { check(found, m); }, message);
  return found.broken();
}

}  // namespace vpp::mesh
