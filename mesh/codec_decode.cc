// First: the headers of Cap'n Proto need it.
#include "mesh/capnp_cxx20.h"
//
#include <capnp/message.h>
#include <capnp/serialize-packed.h>
#include <kj/exception.h>
#include <kj/io.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "config/limits.h"
#include "mesh/codec.h"
#include "mesh/message_limits.h"
#include "mesh/messages.capnp.h"

namespace vpp::mesh {
namespace {

constexpr std::size_t kScratchWords = 256;  ///< all but what an aggregator reports

/// Thrown and caught in this file only, beside what Cap'n Proto itself throws.
struct Refused {
  std::string why;
};

MarketTime from_ms(std::int64_t ms) {
  return MarketTime{Duration{ms}};
}

/// Sizes are refused here, before anything is allocated for them; broken_limit() sees the rest.
template <class Reader>
Reader bounded(Reader reader, std::size_t size_max, const char* what) {
  if (reader.size() > size_max) throw Refused{what};
  return reader;
}

std::string get_text(capnp::Text::Reader text, std::size_t size_max) {
  bounded(text, size_max, "text too long");
  return {text.begin(), text.size()};
}

std::vector<std::uint8_t> get_certificate(capnp::Data::Reader bytes) {
  bounded(bytes, kCertificateBytesMax, "certificate too long");
  return {bytes.begin(), bytes.end()};
}

NodeId get(wire::NodeId::Reader in) {
  return {in.getHigh(), in.getLow()};
}

Endpoint get(wire::Endpoint::Reader in) {
  Endpoint endpoint{get_text(in.getAddress(), limits::kAddressBytesMax), {}};
  const auto key = in.getServerKey();
  if (key.size() != endpoint.server_key.size()) throw Refused{"server key of wrong size"};
  std::ranges::copy(key, endpoint.server_key.begin());
  return endpoint;
}

Attachment get(wire::Attachment::Reader in) {
  return {{in.getHigh(), in.getLow()}, in.getSession(), in.getSettled()};
}

Receipt get(wire::Receipt::Reader in) {
  return {{in.getOrder()}, {in.getDeliveredJ()}};
}

OwnerRate get(wire::OwnerRate::Reader in) {
  return {{in.getOrder()}, {in.getPerMwh()}};
}

Joules get(std::int64_t joules) {
  return {joules};
}

Step get(wire::Step::Reader in) {
  return {.order = {in.getOrder()},
          .share = {in.getShareW()},
          .from = from_ms(in.getFromMs()),
          .until = from_ms(in.getUntilMs())};
}

std::string get(capnp::Text::Reader text);
ProgramOffer get(wire::ProgramOffer::Reader in);
ScopeSummary get(wire::ScopeSummary::Reader in);

template <class Value, class List>
std::vector<Value> get_list(List list, std::size_t size_max, const char* what) {
  bounded(list, size_max, what);
  std::vector<Value> values;
  values.reserve(list.size());
  for (const auto item : list) values.push_back(get(item));
  return values;
}

template <class List>
Path get_path(List list) {
  return get_list<NodeId>(list, limits::kDepthMax, "path too long");
}

template <class List>
std::vector<Endpoint> get_alternates(List list) {
  return get_list<Endpoint>(list, limits::kAlternatesMax, "too many alternates");
}

template <class List>
std::vector<Attachment> get_nodes(List list) {
  return get_list<Attachment>(list, limits::kAttachmentsMax, "too many nodes in one message");
}

template <class List>
std::vector<Receipt> get_receipts(List list) {
  return get_list<Receipt>(list, limits::kReceiptsMax, "too many receipts");
}

template <class List>
std::vector<Joules> get_curve(List list) {
  return get_list<Joules>(list, kCurvePointsMax, "too many points in a curve");
}

/// Cap'n Proto hands out any 16-bit number as an enumerator; ours have 8 bits.
template <class Enum, class Wire>
Enum get_enum(Wire value, Enum last, const char* what) {
  if (static_cast<std::uint16_t>(value) > static_cast<std::uint16_t>(last)) throw Refused{what};
  return static_cast<Enum>(value);
}

ProbeAck get(wire::ProbeAck::Reader in) {
  return {.nonce = in.getNonce(),
          .term = in.getTerm(),
          .path = get_path(in.getPath()),
          .children = in.getChildren(),
          .free_slots = in.getFreeSlots(),
          .region = get_text(in.getRegion(), limits::kNameBytesMax)};
}

Hello get(wire::Hello::Reader in) {
  Hello m;
  m.certificate = get_certificate(in.getCertificate());
  m.role = get_enum(in.getRole(), Role::kRoot, "unknown role");
  m.name = get_text(in.getName(), limits::kNameBytesMax);
  m.region = get_text(in.getRegion(), limits::kNameBytesMax);
  m.session = in.getSession();
  if (in.hasLastParent()) m.last_parent = get(in.getLastParent());
  m.hold = Duration{in.getHoldMs()};
  if (in.hasServes()) m.serves = get(in.getServes());
  m.handover = in.getHandover();
  m.link = get_enum(in.getLink(), LinkKind::kCellular, "unknown kind of link");
  return m;
}

SiteDirection get(wire::SiteDirection::Reader in) {
  return {{in.getPowerW()}, {in.getEnergyJ()}, in.getResponsePermille()};
}

Scope get(wire::Scope::Reader in) {
  Scope scope;
  if (in.hasProgram()) scope.program = get_text(in.getProgram(), limits::kNameBytesMax);
  scope.group = get_text(in.getGroup(), kGroupBytesMax);
  return scope;
}

ProgramOffer get(wire::ProgramOffer::Reader in) {
  return {.program = get_text(in.getProgram(), limits::kNameBytesMax),
          .discharge = get(in.getDischarge()),
          .charge = get(in.getCharge())};
}

std::string get(capnp::Text::Reader text) {
  return get_text(text, kGroupBytesMax);
}

SiteSummary get(wire::SiteSummary::Reader in) {
  SiteSummary m;
  m.discharge = get(in.getDischarge());
  m.charge = get(in.getCharge());
  const auto measured = in.getMeasured();
  if (measured.isWatts()) m.measured = Watts{measured.getWatts()};
  const auto stored = in.getStored();
  if (stored.isJoules()) m.stored = Joules{stored.getJoules()};
  m.set_point = {in.getSetPointW()};
  m.order = {in.getOrder()};
  m.measured_at = from_ms(in.getMeasuredAtMs());
  m.stale = in.getStale();
  m.receipts = get_receipts(in.getReceipts());
  m.energy = !in.getNoEnergy();
  m.offers = get_list<ProgramOffer>(in.getOffers(), limits::kProgramsMax, "too many programs");
  m.groups = get_list<std::string>(in.getGroups(), limits::kGroupsMax, "too many groups");
  m.scope = get(in.getScope());
  const auto net = in.getNet();
  if (net.isWatts()) m.net = Watts{net.getWatts()};
  m.armed = {in.getArmedW()};
  m.droop = {in.getDroopW()};
  return m;
}

Coverage get(wire::Coverage::Reader in) {
  return {in.getEnrolled(), in.getOnline(), in.getStale(), in.getOffline()};
}

Expectation get(wire::Expectation::Reader in) {
  return {get_curve(in.getMeanJ()), get_curve(in.getDeviationJ())};
}

ScopeSummary get(wire::ScopeSummary::Reader in) {
  return {.scope = get(in.getScope()),
          .discharge = get_curve(in.getDischargeJ()),
          .charge = get_curve(in.getChargeJ()),
          .online = in.getOnline(),
          .measured = {in.getMeasuredW()},
          .asked = {in.getAskedW()},
          .shortfall = {in.getShortfallW()},
          .reserved = {in.getReservedW()}};
}

GroupSummary get(wire::GroupSummary::Reader in) {
  return {.grid_id = in.getGridId(),
          .discharge = get_curve(in.getDischargeJ()),
          .charge = get_curve(in.getChargeJ()),
          .coverage = get(in.getCoverage()),
          .measured = {in.getMeasuredW()},
          .stored = {in.getStoredJ()},
          .asked = {in.getAskedW()},
          .shortfall = {in.getShortfallW()},
          .oldest = from_ms(in.getOldestMs()),
          .newest = from_ms(in.getNewestMs()),
          .receipts = get_receipts(in.getReceipts()),
          .reserved = {in.getReservedW()},
          .discharge_expected = get(in.getDischargeExpected()),
          .charge_expected = get(in.getChargeExpected()),
          .scopes = get_list<ScopeSummary>(in.getScopes(), limits::kScopesMax, "too many scopes"),
          .scopes_left_out = in.getScopesLeftOut(),
          .net = {in.getNetW()},
          .net_unknown = in.getNetUnknown(),
          .load = {in.getLoadW()},
          .armed = {in.getArmedW()},
          .droop = {in.getDroopW()}};
}

std::variant<SiteSummary, GroupSummary> get(wire::Report::Summary::Reader in) {
  switch (in.which()) {
    case wire::Report::Summary::SITE:
      return get(in.getSite());
    case wire::Report::Summary::GROUP:
      return get(in.getGroup());
  }
  throw Refused{"unknown kind of summary"};
}

Report get(wire::Report::Reader in) {
  return {.session = in.getSession(),
          .sequence = in.getSequence(),
          .beacon = in.getBeacon(),
          .summary = get(in.getSummary()),
          .attached = get_nodes(in.getAttached()),
          .evicted = get_nodes(in.getEvicted()),
          .more = in.getMore()};
}

HelloAck get(wire::HelloAck::Reader in) {
  return {.session = in.getSession(),
          .certificate = get_certificate(in.getCertificate()),
          .lease = Duration{in.getLeaseMs()},
          .beacon_interval = Duration{in.getBeaconIntervalMs()},
          .above = Duration{in.getAboveMs()},
          .spread = Duration{in.getSpreadMs()},
          .term = in.getTerm(),
          .path = get_path(in.getPath()),
          .stamp = in.getStamp(),
          .market_time = from_ms(in.getMarketTimeMs()),
          .market_speed = in.getMarketSpeed(),
          .alternates = get_alternates(in.getAlternates()),
          .evict = get_nodes(in.getEvict())};
}

HelloNak get(wire::HelloNak::Reader in) {
  return {.reason = get_enum(in.getReason(), NakReason::kDraining, "unknown reason"),
          .retry_after = Duration{in.getRetryAfterMs()},
          .alternates = get_alternates(in.getAlternates()),
          .newest = in.getNewest()};
}

Beacon get(wire::Beacon::Reader in) {
  return {.stamp = in.getStamp(),
          .term = in.getTerm(),
          .path = get_path(in.getPath()),
          .market_time = from_ms(in.getMarketTimeMs()),
          .market_speed = in.getMarketSpeed(),
          .alternates = get_alternates(in.getAlternates()),
          .above = Duration{in.getAboveMs()},
          .alone = in.getAlone()};
}

Redirect get(wire::Redirect::Reader in) {
  return {.reason = get_enum(in.getReason(), RedirectReason::kBalance, "unknown reason"),
          .alternates = get_alternates(in.getAlternates())};
}

Unload get(wire::Unload::Reader in) {
  return {.sites = in.getSites(), .to = get_alternates(in.getTo())};
}

std::optional<Watts> get(wire::Dispatch::Share::Reader in) {
  switch (in.which()) {
    case wire::Dispatch::Share::RELEASE:
      return std::nullopt;
    case wire::Dispatch::Share::WATTS:
      return Watts{in.getWatts()};
  }
  throw Refused{"unknown kind of share"};
}

Dispatch get(wire::Dispatch::Reader in) {
  return {.order = {in.getOrder()},
          .term = in.getTerm(),
          .sequence = in.getSequence(),
          .tick = in.getTick(),
          .share = get(in.getShare()),
          .from = from_ms(in.getFromMs()),
          .until = from_ms(in.getUntilMs()),
          .expires = in.getExpires(),
          .repeat = in.getRepeat(),
          .ahead = get_list<Step>(in.getAhead(), limits::kStepsAheadMax, "too many steps ahead"),
          .scope = get(in.getScope()),
          .service = get_enum(in.getService(), Service::kFrequency, "unknown service")};
}

template <class Quantity, class List>
std::vector<Quantity> get_counts(List list) {
  bounded(list, limits::kValueSlotsMax, "too many slots");
  std::vector<Quantity> out;
  out.reserve(list.size());
  for (const std::int64_t count : list) out.push_back({count});
  return out;
}

ValueSignal get(wire::ValueSignal::Reader in) {
  return {.head = get(in.getHead()),
          .round = in.getRound(),
          .from = from_ms(in.getFromMs()),
          .slot = Duration{in.getSlotMs()},
          .until = from_ms(in.getUntilMs()),
          .wait = Duration{in.getWaitMs()},
          .per_kw = {in.getPerKw()},
          .values = get_counts<Price>(in.getValues())};
}

OwnerRates get(wire::OwnerRates::Reader in) {
  return {get_list<OwnerRate>(in.getRates(), limits::kReceiptsOfPlant, "too many rates")};
}

PlannedLoad get(wire::PlannedLoad::Reader in) {
  return {.head = get(in.getHead()),
          .round = in.getRound(),
          .homes = in.getHomes(),
          .fixed = in.getFixed(),
          .net_load = get_counts<Watts>(in.getNetLoadW()),
          .paid = {in.getPaid()}};
}

Follow get(wire::Follow::Reader in) {
  return {.promised = in.getPromised(),
          .held = {in.getTerm(), in.getLength()},
          .staged_base = in.getStagedBase(),
          .staged = in.getStaged(),
          .fetch = in.getFetch()};
}

JournalPart get(wire::JournalPart::Reader in) {
  JournalPart part{.term = in.getTerm(),
                   .base = in.getBase(),
                   .snapshot = in.getSnapshot(),
                   .position = in.getPosition(),
                   .end = in.getEnd(),
                   .entries = {}};
  for (const auto entry :
       bounded(in.getEntries(), limits::kJournalEntriesMax, "too many journal entries")) {
    bounded(entry, limits::kJournalEntryBytesMax, "journal entry too long");
    part.entries.emplace_back(entry.begin(), entry.end());
  }
  return part;
}

Message get(wire::Frame::Reader frame) {
  switch (frame.which()) {
    case wire::Frame::PROBE:
      return Probe{frame.getProbe().getNonce()};
    case wire::Frame::PROBE_ACK:
      return get(frame.getProbeAck());
    case wire::Frame::HELLO:
      return get(frame.getHello());
    case wire::Frame::HELLO_ACK:
      return get(frame.getHelloAck());
    case wire::Frame::HELLO_NAK:
      return get(frame.getHelloNak());
    case wire::Frame::REPORT:
      return get(frame.getReport());
    case wire::Frame::BEACON:
      return get(frame.getBeacon());
    case wire::Frame::DISPATCH:
      return get(frame.getDispatch());
    case wire::Frame::DISPATCH_ACK: {
      const auto in = frame.getDispatchAck();
      return DispatchAck{{in.getOrder()}, in.getTick(), in.getAccepted()};
    }
    case wire::Frame::EVICT:
      return Evict{get_nodes(frame.getEvict().getNodes())};
    case wire::Frame::CLEARED:
      return Cleared{get_nodes(frame.getCleared().getNodes())};
    case wire::Frame::BYE:
      return Bye{frame.getBye().getSession()};
    case wire::Frame::REDIRECT:
      return get(frame.getRedirect());
    case wire::Frame::FOLLOW:
      return get(frame.getFollow());
    case wire::Frame::LEAD:
      return Lead{frame.getLead().getPromised(), frame.getLead().getLeads()};
    case wire::Frame::JOURNAL_PART:
      return get(frame.getJournalPart());
    case wire::Frame::UNLOAD:
      return get(frame.getUnload());
    case wire::Frame::VALUE_SIGNAL:
      return get(frame.getValueSignal());
    case wire::Frame::PLANNED_LOAD:
      return get(frame.getPlannedLoad());
    case wire::Frame::OWNER_RATES:
      return get(frame.getOwnerRates());
  }
  throw Refused{"unknown kind of message"};
}

/// One segment whose length is the frame's: what encode() writes. More segments are legal
/// Cap'n Proto, but their table is where its parsers were attacked. The first packed word is the
/// table: a byte that says which of its bytes are not zero, the lower four of them the count of
/// further segments.
bool begins_one_segment(std::span<const std::uint8_t> bytes) {
  return !bytes.empty() && (bytes[0] & 0x0fU) == 0;
}

/// A few bytes may unpack to many: refused before anything is allocated for them.
template <class Read>
auto with_frame(std::span<const std::uint8_t> bytes, Read read) {
  if (!begins_one_segment(bytes)) throw Refused{"not one Cap'n Proto segment"};
  const auto packed = kj::arrayPtr(bytes.data(), bytes.size());
  const std::size_t words = capnp::computeUnpackedSizeInWords(packed);
  if (words > limits::kReaderWordsMax) throw Refused{"frame too long when unpacked"};
  kj::ArrayInputStream stream{packed};
  const capnp::ReaderOptions options{limits::kReaderWordsMax, limits::kReaderNestingMax};
  capnp::word scratch[kScratchWords];
  capnp::PackedMessageReader reader{stream, options, scratch};
  if (reader.getSegment(0).size() + 1 != words) throw Refused{"not one Cap'n Proto segment"};
  return read(reader.getRoot<wire::Frame>());
}

Message get_ours(wire::Frame::Reader frame) {
  if (frame.getVersion() != kProtocolVersion) {
    throw Refused{"protocol version " + std::to_string(frame.getVersion()) + ", ours is " +
                  std::to_string(kProtocolVersion)};
  }
  return get(frame);
}

}  // namespace

std::optional<std::uint16_t> other_version(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > limits::kFrameBytesMax) return std::nullopt;
  try {
    const std::uint16_t version = with_frame(bytes, [](auto frame) { return frame.getVersion(); });
    if (version == kProtocolVersion || version == 0) return std::nullopt;
    return version;
  } catch (const Refused&) {
    return std::nullopt;
  } catch (const kj::Exception&) {
    return std::nullopt;
  }
}

std::expected<Message, std::string> decode(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > limits::kFrameBytesMax) return std::unexpected{"frame too long"};
  try {
    Message message = with_frame(bytes, get_ours);
    if (auto broken = broken_limit(message)) return std::unexpected{std::move(*broken)};
    return message;
  } catch (const Refused& refused) {
    return std::unexpected{refused.why};
  } catch (const kj::Exception& error) {
    return std::unexpected{std::string{error.getDescription().cStr()}};
  } catch (const std::exception& error) {
    return std::unexpected{std::string{error.what()}};
  }
}

}  // namespace vpp::mesh
