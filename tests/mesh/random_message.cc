#include "tests/mesh/random_message.h"

#include <utility>

#include "config/limits.h"
#include "mesh/message_limits.h"

namespace vpp::mesh::testing {
namespace {

/// In [low, high]; the edges and zero come up often.
std::int64_t between(Rng& rng, std::int64_t low, std::int64_t high) {
  switch (rng.below(6)) {
    case 0:
      return low;
    case 1:
      return high;
    default:
      return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high) -
                                                       static_cast<std::uint64_t>(low) + 1));
  }
}

bool coin(Rng& rng) {
  return rng.below(2) == 1;
}

std::size_t size(Rng& rng, std::size_t most) {
  return static_cast<std::size_t>(between(rng, 0, static_cast<std::int64_t>(most)));
}

std::string text(Rng& rng) {
  static constexpr const char* kPieces[] = {"a", "Z", "7", " ", "\"", "\\", "ä", "鍵", "🔋"};
  std::string out;
  const std::size_t pieces = size(rng, 16);  // of at most four bytes
  for (std::size_t i = 0; i < pieces; ++i) out += kPieces[rng.below(std::size(kPieces))];
  return out;
}

std::vector<std::uint8_t> bytes(Rng& rng, std::size_t most) {
  std::vector<std::uint8_t> out(size(rng, most));
  for (auto& byte : out) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}

NodeId node(Rng& rng) {
  return {rng.next(), rng.next()};
}

Endpoint endpoint(Rng& rng) {
  Endpoint out{"tcp://" + std::string(1 + rng.below(limits::kAddressBytesMax - 6), 'h'), {}};
  for (auto& byte : out.server_key) byte = static_cast<std::uint8_t>(rng.next());
  return out;
}

template <class Make>
auto list(Rng& rng, std::size_t most, Make make) {
  std::vector<decltype(make(rng))> out(size(rng, most));
  for (auto& value : out) value = make(rng);
  return out;
}

Path path(Rng& rng) {
  return list(rng, limits::kDepthMax, node);
}

std::vector<Endpoint> alternates(Rng& rng) {
  return list(rng, limits::kAlternatesMax, endpoint);
}

std::vector<Attachment> nodes(Rng& rng) {
  return list(rng, limits::kAttachmentsMax,
              [](Rng& r) { return Attachment{node(r), r.next(), coin(r)}; });
}

Watts watts(Rng& rng) {
  return {between(rng, -limits::kGroupPowerMax.count, limits::kGroupPowerMax.count)};
}

Joules joules(Rng& rng) {
  return {between(rng, -kJoulesMax, kJoulesMax)};
}

std::vector<Receipt> receipts(Rng& rng) {
  return list(rng, limits::kReceiptsMax, [](Rng& r) { return Receipt{{r.next()}, joules(r)}; });
}

std::vector<Joules> curve(Rng& rng) {
  return list(rng, kCurvePointsMax, [](Rng& r) { return Joules{between(r, 0, kJoulesMax)}; });
}

Duration span(Rng& rng) {
  return Duration{between(rng, 0, kSpanMax.count())};
}

MarketTime market_now(Rng& rng) {
  return MarketTime{Duration{between(rng, 0, kStampMax)}};
}

MarketTime market(Rng& rng) {
  return rng.below(8) == 0 ? kEndOfTime : market_now(rng);
}

std::int64_t stamp(Rng& rng) {
  return between(rng, 0, kStampMax);
}

std::int64_t speed(Rng& rng) {
  return between(rng, 1, limits::kMarketSpeedMax);
}

std::uint32_t count(Rng& rng) {
  return static_cast<std::uint32_t>(rng.next());
}

SiteDirection direction(Rng& rng) {
  return {{between(rng, 0, limits::kGroupPowerMax.count)},
          {between(rng, 0, kJoulesMax)},
          static_cast<std::uint16_t>(rng.below(1001))};
}

std::string program(Rng& rng) {
  return rng.below(3) == 0 ? std::string{kDefaultProgram} : "p-" + std::to_string(rng.below(99));
}

std::string group_name(Rng& rng) {
  static constexpr const char* kValues[] = {"north", "ä/鍵", "F-12"};
  return "key." + std::to_string(rng.below(3)) + "=" + kValues[rng.below(std::size(kValues))];
}

Scope scope(Rng& rng) {
  return {program(rng), coin(rng) ? group_name(rng) : ""};
}

ProgramOffer offer(Rng& rng) {
  return {program(rng), direction(rng), direction(rng)};
}

ScopeSummary scope_summary(Rng& rng) {
  return {scope(rng), curve(rng), curve(rng), count(rng),
          watts(rng), watts(rng), watts(rng), watts(rng)};
}

SiteSummary site(Rng& rng) {
  SiteSummary m;
  m.discharge = direction(rng);
  m.charge = direction(rng);
  if (coin(rng)) m.measured = watts(rng);
  if (coin(rng)) m.stored = joules(rng);
  m.set_point = watts(rng);
  m.order = {rng.next()};
  m.measured_at = market(rng);
  m.stale = coin(rng);
  m.receipts = receipts(rng);
  m.energy = coin(rng);
  m.offers = list(rng, limits::kProgramsMax, offer);
  m.groups = list(rng, limits::kGroupsMax, group_name);
  m.scope = scope(rng);
  if (coin(rng)) m.net = watts(rng);
  m.armed = watts(rng);
  m.droop = watts(rng);
  return m;
}

Expectation expectation(Rng& rng) {
  Expectation m;
  if (coin(rng)) m.mean = curve(rng);
  if (coin(rng)) m.deviation = curve(rng);
  return m;
}

GroupSummary group(Rng& rng) {
  GroupSummary m;
  m.grid_id = static_cast<std::uint16_t>(rng.next());
  m.discharge = curve(rng);
  m.charge = curve(rng);
  m.coverage = {count(rng), count(rng), count(rng), count(rng)};
  m.measured = watts(rng);
  m.stored = joules(rng);
  m.asked = watts(rng);
  m.shortfall = watts(rng);
  m.reserved = watts(rng);
  m.oldest = market(rng);
  m.newest = market(rng);
  m.receipts = receipts(rng);
  m.discharge_expected = expectation(rng);
  m.charge_expected = expectation(rng);
  m.scopes = list(rng, limits::kScopesMax, scope_summary);
  m.scopes_left_out = count(rng);
  m.net = watts(rng);
  m.net_unknown = count(rng);
  m.load = watts(rng);
  m.armed = watts(rng);
  m.droop = watts(rng);
  return m;
}

Hello hello(Rng& rng) {
  Hello m;
  m.certificate = bytes(rng, kCertificateBytesMax);
  m.role = static_cast<Role>(rng.below(3));
  m.name = text(rng);
  m.region = text(rng);
  m.session = rng.next();
  if (coin(rng)) m.last_parent = node(rng);
  m.hold = span(rng);
  if (coin(rng)) m.serves = endpoint(rng);
  m.handover = coin(rng);
  m.link = static_cast<LinkKind>(rng.below(kLinkKinds));
  return m;
}

HelloAck hello_ack(Rng& rng) {
  HelloAck m;
  m.session = rng.next();
  m.certificate = bytes(rng, kCertificateBytesMax);
  m.lease = span(rng);
  m.beacon_interval = span(rng);
  m.above = span(rng);
  m.spread = span(rng);
  m.term = rng.next();
  m.path = path(rng);
  m.stamp = stamp(rng);
  m.market_time = market_now(rng);
  m.market_speed = speed(rng);
  m.alternates = alternates(rng);
  m.evict = nodes(rng);
  return m;
}

Report report(Rng& rng) {
  Report m;
  m.session = rng.next();
  m.sequence = rng.next();
  m.beacon = stamp(rng);
  if (coin(rng)) {
    m.summary = site(rng);
  } else {
    m.summary = group(rng);
  }
  m.attached = nodes(rng);
  m.evicted = nodes(rng);
  m.more = rng.below(2) == 0;
  return m;
}

Dispatch dispatch(Rng& rng) {
  Dispatch m;
  m.order = {rng.next()};
  m.term = rng.next();
  m.sequence = rng.next();
  m.tick = rng.next();
  if (coin(rng)) m.share = watts(rng);
  m.from = market(rng);
  m.until = market(rng);
  m.expires = stamp(rng);
  m.repeat = count(rng);
  std::int64_t from = 0;
  m.ahead = list(rng, limits::kStepsAheadMax, [&](Rng& r) {
    const auto at = [](std::int64_t ms) { return MarketTime{Duration{ms}}; };
    from += between(r, 0, 1'000'000);
    const std::int64_t begin = from;
    from += between(r, 1, 1'000'000);
    return Step{{r.next()}, watts(r), at(begin), at(from)};
  });
  m.scope = scope(rng);
  m.service = coin(rng) ? Service::kFrequency : Service::kEnergy;
  return m;
}

ProbeAck probe_ack(Rng& rng) {
  return {rng.next(), rng.next(), path(rng), count(rng), count(rng), text(rng)};
}

Beacon beacon(Rng& rng) {
  return {stamp(rng), rng.next(),      path(rng), market_now(rng),
          speed(rng), alternates(rng), span(rng), coin(rng)};
}

Follow follow(Rng& rng) {
  return {rng.next(), {rng.next(), rng.next()}, rng.next(), rng.next(), coin(rng)};
}

OwnerRates owner_rates(Rng& rng) {
  OwnerRates m;
  std::uint64_t order = 0;
  for (std::size_t left = size(rng, limits::kReceiptsOfPlant); left > 0; --left) {
    order += 1 + rng.below(1'000'000);
    m.rates.push_back({{order}, {between(rng, 0, limits::kPriceMax.count)}});
  }
  return m;
}

JournalPart journal_part(Rng& rng) {
  JournalPart m{rng.next(), rng.next(), rng.next(), rng.next(), rng.next(), {}};
  for (std::size_t left = size(rng, 4); left > 0; --left) m.entries.push_back(bytes(rng, 3'000));
  return m;
}

ValueSignal value_signal(Rng& rng) {
  ValueSignal m;
  m.head = node(rng);
  m.round = rng.next();
  m.from = MarketTime{Duration{between(rng, 0, kStampMax / 2)}};
  m.slot = std::chrono::minutes{between(rng, 1, 24 * 60)};
  m.wait = span(rng);
  m.per_kw = {between(rng, 0, limits::kPriceMax.count)};
  m.values.resize(1 + rng.below(limits::kValueSlotsMax));
  for (Price& value : m.values) {
    value = {between(rng, -2 * limits::kPriceMax.count, 2 * limits::kPriceMax.count)};
  }
  m.until = m.from + m.slot * between(rng, 0, static_cast<std::int64_t>(m.values.size()));
  return m;
}

PlannedLoad planned_load(Rng& rng) {
  PlannedLoad m;
  m.head = node(rng);
  m.round = rng.next();
  m.homes = count(rng);
  m.fixed = count(rng);
  m.paid = {between(rng, -limits::kAmountMax.count, limits::kAmountMax.count)};
  if (m.homes == 0 && m.fixed == 0) return m;
  m.net_load = list(rng, limits::kValueSlotsMax, [](Rng& r) {
    return Watts{between(r, -limits::kSitePowerMax.count, limits::kSitePowerMax.count)};
  });
  return m;
}

template <class Kind>
Kind make(Rng& rng) {
  if constexpr (std::is_same_v<Kind, Probe>) return {rng.next()};
  if constexpr (std::is_same_v<Kind, ProbeAck>) return probe_ack(rng);
  if constexpr (std::is_same_v<Kind, Hello>) return hello(rng);
  if constexpr (std::is_same_v<Kind, HelloAck>) return hello_ack(rng);
  if constexpr (std::is_same_v<Kind, HelloNak>) {
    return {static_cast<NakReason>(rng.below(8)), span(rng), alternates(rng), rng.next()};
  }
  if constexpr (std::is_same_v<Kind, Report>) return report(rng);
  if constexpr (std::is_same_v<Kind, Beacon>) return beacon(rng);
  if constexpr (std::is_same_v<Kind, Dispatch>) return dispatch(rng);
  if constexpr (std::is_same_v<Kind, DispatchAck>) return {{rng.next()}, rng.next(), coin(rng)};
  if constexpr (std::is_same_v<Kind, Evict>) return {nodes(rng)};
  if constexpr (std::is_same_v<Kind, Cleared>) return {nodes(rng)};
  if constexpr (std::is_same_v<Kind, Bye>) return {rng.next()};
  if constexpr (std::is_same_v<Kind, Redirect>) {
    return {static_cast<RedirectReason>(rng.below(2)), alternates(rng)};
  }
  if constexpr (std::is_same_v<Kind, Follow>) return follow(rng);
  if constexpr (std::is_same_v<Kind, Lead>) return {rng.next(), coin(rng)};
  if constexpr (std::is_same_v<Kind, JournalPart>) return journal_part(rng);
  if constexpr (std::is_same_v<Kind, Unload>) return {count(rng), alternates(rng)};
  if constexpr (std::is_same_v<Kind, ValueSignal>) return value_signal(rng);
  if constexpr (std::is_same_v<Kind, PlannedLoad>) return planned_load(rng);
  if constexpr (std::is_same_v<Kind, OwnerRates>) return owner_rates(rng);
}

}  // namespace

Message random_message(std::size_t kind, Rng& rng) {
  Message out;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((I == kind ? static_cast<void>(out = make<std::variant_alternative_t<I, Message>>(rng))
                : static_cast<void>(0)),
     ...);
  }(std::make_index_sequence<kMessageKinds>{});
  return out;
}

}  // namespace vpp::mesh::testing
