// First: the headers of Cap'n Proto need it.
#include "mesh/capnp_cxx20.h"
//
#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <kj/exception.h>
#include <kj/io.h>

#include <exception>
#include <optional>
#include <utility>

#include "config/limits.h"
#include "mesh/codec.h"
#include "mesh/message_limits.h"
#include "mesh/messages.capnp.h"

namespace vpp::mesh {
namespace {

// A frame is one segment behind one word that gives its length.
constexpr std::size_t kSegmentWordsMax = limits::kFrameBytesMax / sizeof(capnp::word) - 1;
constexpr std::size_t kSegmentWordsUsual = 256;  ///< all but what an aggregator reports

std::int64_t to_ms(MarketTime time) {
  return time.time_since_epoch().count();
}

capnp::Data::Reader as_data(std::span<const std::uint8_t> bytes) {
  return {bytes.data(), bytes.size()};
}

void put(NodeId id, wire::NodeId::Builder out) {
  out.setHigh(id.high);
  out.setLow(id.low);
}

void put(const Endpoint& endpoint, wire::Endpoint::Builder out) {
  out.setAddress(endpoint.address);
  out.setServerKey(as_data(endpoint.server_key));
}

void put(const Attachment& one, wire::Attachment::Builder out) {
  out.setHigh(one.node.high);
  out.setLow(one.node.low);
  out.setSession(one.session);
  out.setSettled(one.settled);
}

void put(const OwnerRate& rate, wire::OwnerRate::Builder out) {
  out.setOrder(rate.order.value);
  out.setPerMwh(rate.per_mwh.count);
}

void put(const Receipt& receipt, wire::Receipt::Builder out) {
  out.setOrder(receipt.order.value);
  out.setDeliveredJ(receipt.delivered.count);
}

void put(const Step& step, wire::Step::Builder out) {
  out.setOrder(step.order.value);
  out.setShareW(step.share.count);
  out.setFromMs(to_ms(step.from));
  out.setUntilMs(to_ms(step.until));
}

void put(const ProgramOffer& offer, wire::ProgramOffer::Builder out);
void put(const ScopeSummary& m, wire::ScopeSummary::Builder out);

/// `init(n)` makes the list; an empty one is left out.
template <class Value, class Init>
void put_list(const std::vector<Value>& values, Init init) {
  if (values.empty()) return;
  auto list = init(static_cast<unsigned>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<Value, Joules>) {
      list.set(static_cast<unsigned>(i), values[i].count);
    } else if constexpr (std::is_same_v<Value, std::string>) {
      list.set(static_cast<unsigned>(i), values[i]);
    } else {
      put(values[i], list[static_cast<unsigned>(i)]);
    }
  }
}

void put(const Probe& m, wire::Frame::Builder frame) {
  frame.initProbe().setNonce(m.nonce);
}

void put(const ProbeAck& m, wire::Frame::Builder frame) {
  auto out = frame.initProbeAck();
  out.setNonce(m.nonce);
  out.setTerm(m.term);
  put_list(m.path, [&](unsigned n) { return out.initPath(n); });
  out.setChildren(m.children);
  out.setFreeSlots(m.free_slots);
  out.setRegion(m.region);
}

void put(const Hello& m, wire::Frame::Builder frame) {
  auto out = frame.initHello();
  out.setCertificate(as_data(m.certificate));
  out.setRole(static_cast<wire::Role>(m.role));
  out.setName(m.name);
  out.setRegion(m.region);
  out.setSession(m.session);
  if (m.last_parent) put(*m.last_parent, out.initLastParent());
  out.setHoldMs(m.hold.count());
  if (m.serves) put(*m.serves, out.initServes());
  out.setHandover(m.handover);
  out.setLink(static_cast<wire::LinkKind>(m.link));
}

void put(const SiteDirection& site, wire::SiteDirection::Builder out) {
  out.setPowerW(site.power.count);
  out.setEnergyJ(site.energy.count);
  out.setResponsePermille(site.response_permille);
}

void put(const Scope& scope, wire::Scope::Builder out) {
  if (scope.program != kDefaultProgram) out.setProgram(scope.program);
  if (!scope.group.empty()) out.setGroup(scope.group);
}

/// The default one is left out.
template <class Builder>
void put_scope(const Scope& scope, Builder out) {
  if (scope != Scope{}) put(scope, out.initScope());
}

void put(const ProgramOffer& offer, wire::ProgramOffer::Builder out) {
  out.setProgram(offer.program);
  put(offer.discharge, out.initDischarge());
  put(offer.charge, out.initCharge());
}

void put(const SiteSummary& m, wire::SiteSummary::Builder out) {
  put(m.discharge, out.initDischarge());
  put(m.charge, out.initCharge());
  if (m.measured) out.getMeasured().setWatts(m.measured->count);
  if (m.stored) out.getStored().setJoules(m.stored->count);
  out.setSetPointW(m.set_point.count);
  out.setOrder(m.order.value);
  out.setMeasuredAtMs(to_ms(m.measured_at));
  out.setStale(m.stale);
  put_list(m.receipts, [&](unsigned n) { return out.initReceipts(n); });
  put_list(m.offers, [&](unsigned n) { return out.initOffers(n); });
  put_list(m.groups, [&](unsigned n) { return out.initGroups(n); });
  put_scope(m.scope, out);
  if (m.net) out.getNet().setWatts(m.net->count);
  out.setNoEnergy(!m.energy);
  out.setArmedW(m.armed.count);
  out.setDroopW(m.droop.count);
}

void put(const Coverage& coverage, wire::Coverage::Builder out) {
  out.setEnrolled(coverage.enrolled);
  out.setOnline(coverage.online);
  out.setStale(coverage.stale);
  out.setOffline(coverage.offline);
}

bool is_told(const Expectation& m) {
  return !m.mean.empty() || !m.deviation.empty();
}

void put(const Expectation& m, wire::Expectation::Builder out) {
  put_list(m.mean, [&](unsigned n) { return out.initMeanJ(n); });
  put_list(m.deviation, [&](unsigned n) { return out.initDeviationJ(n); });
}

void put(const ScopeSummary& m, wire::ScopeSummary::Builder out) {
  put_scope(m.scope, out);
  put_list(m.discharge, [&](unsigned n) { return out.initDischargeJ(n); });
  put_list(m.charge, [&](unsigned n) { return out.initChargeJ(n); });
  out.setOnline(m.online);
  out.setMeasuredW(m.measured.count);
  out.setAskedW(m.asked.count);
  out.setShortfallW(m.shortfall.count);
  out.setReservedW(m.reserved.count);
}

void put(const GroupSummary& m, wire::GroupSummary::Builder out) {
  out.setGridId(m.grid_id);
  put_list(m.discharge, [&](unsigned n) { return out.initDischargeJ(n); });
  put_list(m.charge, [&](unsigned n) { return out.initChargeJ(n); });
  put(m.coverage, out.initCoverage());
  out.setMeasuredW(m.measured.count);
  out.setStoredJ(m.stored.count);
  out.setAskedW(m.asked.count);
  out.setShortfallW(m.shortfall.count);
  out.setOldestMs(to_ms(m.oldest));
  out.setNewestMs(to_ms(m.newest));
  put_list(m.receipts, [&](unsigned n) { return out.initReceipts(n); });
  out.setReservedW(m.reserved.count);
  if (is_told(m.discharge_expected)) put(m.discharge_expected, out.initDischargeExpected());
  if (is_told(m.charge_expected)) put(m.charge_expected, out.initChargeExpected());
  put_list(m.scopes, [&](unsigned n) { return out.initScopes(n); });
  out.setScopesLeftOut(m.scopes_left_out);
  out.setNetW(m.net.count);
  out.setNetUnknown(m.net_unknown);
  out.setLoadW(m.load.count);
  out.setArmedW(m.armed.count);
  out.setDroopW(m.droop.count);
}

void put(const Report& m, wire::Frame::Builder frame) {
  auto out = frame.initReport();
  out.setSession(m.session);
  out.setSequence(m.sequence);
  out.setBeacon(m.beacon);
  if (const auto* site = std::get_if<SiteSummary>(&m.summary)) {
    put(*site, out.getSummary().initSite());
  } else {
    put(std::get<GroupSummary>(m.summary), out.getSummary().initGroup());
  }
  put_list(m.attached, [&](unsigned n) { return out.initAttached(n); });
  put_list(m.evicted, [&](unsigned n) { return out.initEvicted(n); });
  out.setMore(m.more);
}

void put(const DispatchAck& m, wire::Frame::Builder frame) {
  auto out = frame.initDispatchAck();
  out.setOrder(m.order.value);
  out.setTick(m.tick);
  out.setAccepted(m.accepted);
}

void put(const Bye& m, wire::Frame::Builder frame) {
  frame.initBye().setSession(m.session);
}

void put(const HelloAck& m, wire::Frame::Builder frame) {
  auto out = frame.initHelloAck();
  out.setSession(m.session);
  out.setCertificate(as_data(m.certificate));
  out.setLeaseMs(m.lease.count());
  out.setBeaconIntervalMs(m.beacon_interval.count());
  out.setAboveMs(m.above.count());
  out.setSpreadMs(m.spread.count());
  out.setTerm(m.term);
  put_list(m.path, [&](unsigned n) { return out.initPath(n); });
  out.setStamp(m.stamp);
  out.setMarketTimeMs(to_ms(m.market_time));
  out.setMarketSpeed(m.market_speed);
  put_list(m.alternates, [&](unsigned n) { return out.initAlternates(n); });
  put_list(m.evict, [&](unsigned n) { return out.initEvict(n); });
}

void put(const HelloNak& m, wire::Frame::Builder frame) {
  auto out = frame.initHelloNak();
  out.setReason(static_cast<wire::NakReason>(m.reason));
  out.setRetryAfterMs(m.retry_after.count());
  put_list(m.alternates, [&](unsigned n) { return out.initAlternates(n); });
  out.setNewest(m.newest);
}

void put(const Beacon& m, wire::Frame::Builder frame) {
  auto out = frame.initBeacon();
  out.setStamp(m.stamp);
  out.setTerm(m.term);
  put_list(m.path, [&](unsigned n) { return out.initPath(n); });
  out.setMarketTimeMs(to_ms(m.market_time));
  out.setMarketSpeed(m.market_speed);
  put_list(m.alternates, [&](unsigned n) { return out.initAlternates(n); });
  out.setAboveMs(m.above.count());
  out.setAlone(m.alone);
}

void put(const Dispatch& m, wire::Frame::Builder frame) {
  auto out = frame.initDispatch();
  out.setOrder(m.order.value);
  out.setTerm(m.term);
  out.setSequence(m.sequence);
  out.setTick(m.tick);
  if (m.share) out.getShare().setWatts(m.share->count);
  out.setFromMs(to_ms(m.from));
  out.setUntilMs(to_ms(m.until));
  out.setExpires(m.expires);
  out.setRepeat(m.repeat);
  put_list(m.ahead, [&](unsigned n) { return out.initAhead(n); });
  put_scope(m.scope, out);
  out.setService(static_cast<wire::Service>(m.service));
}

void put(const Evict& m, wire::Frame::Builder frame) {
  auto out = frame.initEvict();
  put_list(m.nodes, [&](unsigned n) { return out.initNodes(n); });
}

void put(const Cleared& m, wire::Frame::Builder frame) {
  auto out = frame.initCleared();
  put_list(m.nodes, [&](unsigned n) { return out.initNodes(n); });
}

void put(const Redirect& m, wire::Frame::Builder frame) {
  auto out = frame.initRedirect();
  out.setReason(static_cast<wire::RedirectReason>(m.reason));
  put_list(m.alternates, [&](unsigned n) { return out.initAlternates(n); });
}

void put(const Unload& m, wire::Frame::Builder frame) {
  auto out = frame.initUnload();
  out.setSites(m.sites);
  put_list(m.to, [&](unsigned n) { return out.initTo(n); });
}

template <class Quantity, class Init>
void put_counts(const std::vector<Quantity>& list, Init init) {
  if (list.empty()) return;
  auto out = init(static_cast<unsigned>(list.size()));
  for (std::size_t i = 0; i < list.size(); ++i) out.set(static_cast<unsigned>(i), list[i].count);
}

void put(const ValueSignal& m, wire::Frame::Builder frame) {
  auto out = frame.initValueSignal();
  put(m.head, out.initHead());
  out.setRound(m.round);
  out.setFromMs(to_ms(m.from));
  out.setSlotMs(m.slot.count());
  out.setUntilMs(to_ms(m.until));
  out.setWaitMs(m.wait.count());
  out.setPerKw(m.per_kw.count);
  put_counts(m.values, [&](unsigned n) { return out.initValues(n); });
}

void put(const OwnerRates& m, wire::Frame::Builder frame) {
  auto out = frame.initOwnerRates();
  put_list(m.rates, [&](unsigned n) { return out.initRates(n); });
}

void put(const PlannedLoad& m, wire::Frame::Builder frame) {
  auto out = frame.initPlannedLoad();
  put(m.head, out.initHead());
  out.setRound(m.round);
  out.setHomes(m.homes);
  out.setFixed(m.fixed);
  put_counts(m.net_load, [&](unsigned n) { return out.initNetLoadW(n); });
  out.setPaid(m.paid.count);
}

void put(const Follow& m, wire::Frame::Builder frame) {
  auto out = frame.initFollow();
  out.setPromised(m.promised);
  out.setTerm(m.held.term);
  out.setLength(m.held.length);
  out.setStagedBase(m.staged_base);
  out.setStaged(m.staged);
  out.setFetch(m.fetch);
}

void put(const Lead& m, wire::Frame::Builder frame) {
  auto out = frame.initLead();
  out.setPromised(m.promised);
  out.setLeads(m.leads);
}

void put(const JournalPart& m, wire::Frame::Builder frame) {
  auto out = frame.initJournalPart();
  out.setTerm(m.term);
  out.setBase(m.base);
  out.setSnapshot(m.snapshot);
  out.setPosition(m.position);
  out.setEnd(m.end);
  if (m.entries.empty()) return;
  auto list = out.initEntries(static_cast<unsigned>(m.entries.size()));
  for (std::size_t i = 0; i < m.entries.size(); ++i) {
    list.set(static_cast<unsigned>(i), as_data(m.entries[i]));
  }
}

/// Nothing: the message is too long for one segment of so many words.
template <std::size_t Words>
std::optional<Frame> encode_in(const Message& message) {
  alignas(capnp::word) unsigned char scratch[Words * sizeof(capnp::word)] = {};
  capnp::MallocMessageBuilder builder{kj::arrayPtr(reinterpret_cast<capnp::word*>(scratch), Words)};
  auto frame = builder.initRoot<wire::Frame>();
  frame.setVersion(kProtocolVersion);
  std::visit([&](const auto& m) { put(m, frame); }, message);

  if (builder.getSegmentsForOutput().size() != 1) return std::nullopt;
  kj::VectorOutputStream packed;
  capnp::writePackedMessage(packed, builder);
  const auto bytes = packed.getArray();
  if (bytes.size() > limits::kFrameBytesMax) return std::nullopt;
  return Frame(bytes.begin(), bytes.end());
}

/// Builders want zeroed memory, and a frame's worth of it took a tenth of a leaf's time for an
/// order; nearly every message fits where it costs nothing.
std::expected<Frame, std::string> encode_within_limits(const Message& message) {
  if (auto frame = encode_in<kSegmentWordsUsual>(message)) return *std::move(frame);
  if (auto frame = encode_in<kSegmentWordsMax>(message)) return *std::move(frame);
  return std::unexpected{"message does not fit in a frame"};
}

}  // namespace

std::expected<Frame, std::string> encode(const Message& message) {
  if (auto broken = broken_limit(message)) return std::unexpected{std::move(*broken)};
  try {
    return encode_within_limits(message);
  } catch (const kj::Exception& error) {
    return std::unexpected{std::string{error.getDescription().cStr()}};
  } catch (const std::exception& error) {
    return std::unexpected{std::string{error.what()}};
  }
}

}  // namespace vpp::mesh
