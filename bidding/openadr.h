// What OpenADR 3 servers (VTNs) and this client (a VEN) say to each other, in our own words.
//
// Units      numbers of payloads in millionths of what their descriptor names; market time (UTC
// ms). Unknown    what a server left out is std::nullopt or empty; nothing is guessed here. Repeats
// every call is safe to repeat. Whoever carries one out answers it exactly once, with
//            Refused when nothing better is known.
// Secrets    are the adapter's: no call and no answer carries one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding::openadr {

enum class Version : std::uint8_t { k30, k31 };

inline constexpr Duration kForever = Duration::max();        ///< P9999Y
inline constexpr MarketTime kStartsNow = MarketTime::min();  ///< 0001-01-01
inline constexpr std::int64_t kMillion = 1'000'000;          ///< a payload's 1
inline constexpr std::size_t kPageMost = 50;                 ///< the standard's own limit
inline constexpr std::size_t kObjectsMax = 2'000;            ///< programs or events of one server
inline constexpr std::size_t kIntervalsMax = 3'000;          ///< of an event: a month of 15 minutes
inline constexpr std::size_t kValuesMax = 1'500;             ///< of a payload: a day of minutes
inline constexpr std::size_t kTextBytesMax = 256;            ///< names and ids; the standard: 128

struct Period {
  std::optional<MarketTime> start = {};  ///< kStartsNow: when it is first seen
  std::optional<Duration> duration = {};
  Duration randomize{0};  ///< the start is shifted by anything from 0 to this
  friend bool operator==(const Period&, const Period&) = default;
};

using Value = std::variant<std::int64_t, std::string, bool>;

struct Payload {
  std::string type;
  std::vector<Value> values;
  friend bool operator==(const Payload&, const Payload&) = default;
};

struct Interval {
  std::int64_t id = 0;
  std::optional<Period> period;
  std::vector<Payload> payloads;
  friend bool operator==(const Interval&, const Interval&) = default;
};

/// What the numbers of a payload count.
struct PayloadDescriptor {
  std::string type;
  std::string units;
  std::string currency;
  friend bool operator==(const PayloadDescriptor&, const PayloadDescriptor&) = default;
};

/// A report that a server asks for; the initialisers are the standard's defaults.
struct ReportDescriptor {
  std::string type;
  std::string reading = {};
  std::string units = {};
  std::int64_t start_interval = -1;  ///< -1: the last
  std::int64_t intervals = -1;       ///< -1: all
  bool historical = true;            ///< of what came before; else of what comes
  std::int64_t frequency = -1;       ///< intervals between reports; -1: as many as it has
  std::int64_t repeat = 1;           ///< -1: without end
  friend bool operator==(const ReportDescriptor&, const ReportDescriptor&) = default;
};

struct Program {
  std::string id;
  std::string name;
  std::vector<PayloadDescriptor> payloads;
  friend bool operator==(const Program&, const Program&) = default;
};

struct Event {
  std::string id;
  std::string program;  ///< its id
  std::string name;
  MarketTime created{};
  MarketTime modified{};
  std::optional<std::int64_t> priority;  ///< lower wins; nothing: below all that have one
  std::optional<Duration> duration;      ///< of the whole: loops or cuts the intervals
  std::optional<Period> period;
  std::vector<PayloadDescriptor> payloads;
  std::vector<ReportDescriptor> reports;
  std::vector<Interval> intervals;
  friend bool operator==(const Event&, const Event&) = default;
};

struct ReportInterval {
  std::int64_t id = 0;
  MarketTime from{};
  Duration lasts{0};
  std::vector<Payload> payloads;
  friend bool operator==(const ReportInterval&, const ReportInterval&) = default;
};

struct Report {
  std::string name;  ///< the same again for the same report: the server can tell repeats
  std::string event;
  std::string program;
  std::string client;
  std::string resource;
  std::string type;
  std::string reading;
  std::string units;
  std::int64_t confidence_pct = 0;
  std::vector<ReportInterval> intervals;
  friend bool operator==(const Report&, const Report&) = default;
};

/// Watts that the plant's resource can do, for its registration.
struct Abilities {
  Watts discharge;
  Watts charge;
  Joules energy;
  friend bool operator==(const Abilities&, const Abilities&) = default;
};

// Calls.
struct AskTokenUrl {
  friend bool operator==(const AskTokenUrl&, const AskTokenUrl&) = default;
};
/// The adapter keeps what it gets and uses it from then on.
struct AskToken {
  std::string url;  ///< empty: as the version has it
  friend bool operator==(const AskToken&, const AskToken&) = default;
};
struct RegisterVen {
  std::string name;
  friend bool operator==(const RegisterVen&, const RegisterVen&) = default;
};
struct FindVen {
  std::string name;
  friend bool operator==(const FindVen&, const FindVen&) = default;
};
struct RegisterResource {
  std::string ven;  ///< id
  std::string name;
  Abilities abilities;
  friend bool operator==(const RegisterResource&, const RegisterResource&) = default;
};
struct FindResource {
  std::string ven;
  std::string name;
  friend bool operator==(const FindResource&, const FindResource&) = default;
};
struct FetchPrograms {
  std::size_t skip = 0;
  friend bool operator==(const FetchPrograms&, const FetchPrograms&) = default;
};
struct FetchEvents {
  std::size_t skip = 0;
  friend bool operator==(const FetchEvents&, const FetchEvents&) = default;
};
/// Names of those that this client sent.
struct FetchReports {
  std::string event;
  std::string client;
  std::size_t skip = 0;
  friend bool operator==(const FetchReports&, const FetchReports&) = default;
};
struct SendReport {
  Report report;
  friend bool operator==(const SendReport&, const SendReport&) = default;
};
using Call = std::variant<AskTokenUrl, AskToken, RegisterVen, FindVen, RegisterResource,
                          FindResource, FetchPrograms, FetchEvents, FetchReports, SendReport>;

// Answers.
struct TokenUrl {
  std::string url;
};
struct TokenGiven {
  std::optional<Duration> lasts;  ///< nothing: the server did not say
};
/// A VEN or a resource.
struct ObjectFound {
  std::string id;  ///< empty: there is none
};
/// One page. An object that cannot be read is left out, and said.
struct Programs {
  std::vector<Program> programs;
  std::size_t count = 0;  ///< on the page, unreadable ones too
  std::vector<std::string> unreadable;
};
struct Events {
  std::vector<Event> events;
  std::size_t count = 0;
  std::vector<std::pair<std::string, std::string>> unreadable;  ///< id (or empty), why
};
struct ReportNames {
  std::vector<std::string> names;
  std::size_t count = 0;
};
struct Done {};
struct Refused {
  long status = 0;  ///< of HTTP; 0: no complete answer came, or one that is not as agreed
  std::string why;
};
struct Answer {
  Call call;
  std::variant<Refused, TokenUrl, TokenGiven, ObjectFound, Programs, Events, ReportNames, Done>
      what;
  std::optional<Duration> retry_after = {};  ///< the server's wish
  std::optional<MarketTime> date = {};       ///< the server's clock, in whole seconds
};

}  // namespace vpp::bidding::openadr
