#include "bidding/openadr_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "bidding/openadr_time.h"

namespace vpp::bidding::openadr {
namespace {

using OadrJson = nlohmann::ordered_json;

constexpr double kNumberMost = 9e12;
constexpr std::size_t kTargetsOrPayloadsMax = 64;
constexpr std::size_t kQuoteMost = 160;

std::string one_line(std::string text, std::size_t most) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  if (text.size() > most) text.resize(most);
  return text;
}

/// Reads one object; the first thing that is wrong sticks.
class ObjectReader {
 public:
  explicit ObjectReader(const OadrJson& object) : object_{object} {
    if (!object.is_object()) fail("it is no object");
  }

  /// Null when it is absent or null.
  const OadrJson* find(const char* name) {
    if (!object_.is_object()) return nullptr;
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  std::string text(const char* name, bool required = false) {
    const OadrJson* value = find(name);
    if (value == nullptr) {
      if (required) fail(std::string{name} + " is missing");
      return {};
    }
    if (!value->is_string() || value->get_ref<const std::string&>().size() > kTextBytesMax) {
      fail(std::string{name} + " is not a text of at most " + std::to_string(kTextBytesMax) +
           " bytes");
      return {};
    }
    return one_line(value->get<std::string>(), kTextBytesMax);
  }
  std::int64_t whole(const char* name, std::int64_t otherwise) {
    const OadrJson* value = find(name);
    if (value == nullptr) return otherwise;
    const bool fits = value->is_number() && std::abs(value->get<double>()) <= 1e15;
    if (!fits || value->get<double>() != std::floor(value->get<double>())) {
      fail(std::string{name} + " is not a whole number");
      return otherwise;
    }
    return static_cast<std::int64_t>(value->get<double>());
  }
  bool flag(const char* name, bool otherwise) {
    const OadrJson* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(std::string{name} + " is neither true nor false");
    return value->is_boolean() ? value->get<bool>() : otherwise;
  }
  std::optional<MarketTime> time(const char* name) {
    if (find(name) == nullptr) return std::nullopt;
    const auto out = parse_date_time(text(name));
    if (!out) fail(std::string{name} + " is not a date and time of 1970 to 2199");
    return out;
  }
  std::optional<Duration> duration(const char* name) {
    if (find(name) == nullptr) return std::nullopt;
    const auto out = parse_duration(text(name));
    if (!out) fail(std::string{name} + " is not a duration");
    return out;
  }
  template <class Read>
  void each(const char* name, std::size_t most, Read read) {
    const OadrJson* value = find(name);
    if (value == nullptr) return;
    if (!value->is_array() || value->size() > most) {
      fail(std::string{name} + " is not a list of at most " + std::to_string(most));
      return;
    }
    for (const OadrJson& item : *value) read(item);
  }
  void fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
  }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  const OadrJson& object_;
  std::string error_;
};

std::optional<Period> read_period(ObjectReader& parent) {
  const OadrJson* found = parent.find("intervalPeriod");
  if (found == nullptr) return std::nullopt;
  ObjectReader reader{*found};
  Period out;
  out.start = reader.time("start");
  out.duration = reader.duration("duration");
  out.randomize = reader.duration("randomizeStart").value_or(Duration{0});
  if (!reader.error().empty()) parent.fail("intervalPeriod: " + reader.error());
  return out;
}

std::optional<Value> read_value(const OadrJson& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return one_line(value.get<std::string>(), kTextBytesMax);
  if (!value.is_number()) return std::string{"(a point)"};  // only of payloads that have no rule
  const double number = value.get<double>();
  if (!std::isfinite(number) || std::abs(number) > kNumberMost) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(number * static_cast<double>(kMillion)));
}

Payload read_payload(ObjectReader& parent, const OadrJson& object) {
  ObjectReader reader{object};
  Payload out;
  out.type = reader.text("type", true);
  reader.each("values", kValuesMax, [&](const OadrJson& value) {
    auto read = read_value(value);
    if (!read) return reader.fail("a number of " + out.type + " is out of range");
    out.values.push_back(*std::move(read));
  });
  if (!reader.error().empty()) parent.fail("payload: " + reader.error());
  return out;
}

Interval read_interval(ObjectReader& parent, const OadrJson& object) {
  ObjectReader reader{object};
  Interval out;
  out.id = reader.whole("id", 0);
  out.period = read_period(reader);
  reader.each("payloads", kTargetsOrPayloadsMax, [&](const OadrJson& payload) {
    out.payloads.push_back(read_payload(reader, payload));
  });
  if (!reader.error().empty()) parent.fail("interval: " + reader.error());
  return out;
}

std::vector<PayloadDescriptor> read_descriptors(ObjectReader& parent) {
  std::vector<PayloadDescriptor> out;
  parent.each("payloadDescriptors", kTargetsOrPayloadsMax, [&](const OadrJson& object) {
    ObjectReader reader{object};
    out.push_back(
        {reader.text("payloadType", true), reader.text("units"), reader.text("currency")});
    if (!reader.error().empty()) parent.fail("payloadDescriptor: " + reader.error());
  });
  return out;
}

ReportDescriptor read_report(ObjectReader& parent, const OadrJson& object) {
  ObjectReader reader{object};
  ReportDescriptor out{.type = reader.text("payloadType", true)};
  out.reading = reader.text("readingType");
  out.units = reader.text("units");
  out.start_interval = reader.whole("startInterval", out.start_interval);
  out.intervals = reader.whole("numIntervals", out.intervals);
  out.historical = reader.flag("historical", out.historical);
  out.frequency = reader.whole("frequency", out.frequency);
  out.repeat = reader.whole("repeat", out.repeat);
  if (!reader.error().empty()) parent.fail("reportDescriptor: " + reader.error());
  return out;
}

Event read_event(ObjectReader& reader) {
  Event out;
  out.id = reader.text("id", true);
  out.program = reader.text("programID");
  out.name = reader.text("eventName");
  out.created = reader.time("createdDateTime").value_or(MarketTime{});
  out.modified = reader.time("modificationDateTime").value_or(out.created);
  if (out.modified == kStartsNow) out.modified = MarketTime{};
  if (reader.find("priority") != nullptr) out.priority = reader.whole("priority", 0);
  out.duration = reader.duration("duration");
  out.period = read_period(reader);
  out.payloads = read_descriptors(reader);
  reader.each("reportDescriptors", kTargetsOrPayloadsMax,
              [&](const OadrJson& object) { out.reports.push_back(read_report(reader, object)); });
  reader.each("intervals", kIntervalsMax, [&](const OadrJson& object) {
    out.intervals.push_back(read_interval(reader, object));
  });
  return out;
}

Decoded<OadrJson> parse(std::string_view body) {
  OadrJson out = OadrJson::parse(body, nullptr, false);
  if (out.is_discarded()) return std::unexpected{"it is not JSON"};
  return out;
}

Decoded<OadrJson> parse_list(std::string_view body) {
  auto out = parse(body);
  if (out && !out->is_array()) return std::unexpected{"it is JSON, but no list"};
  return out;
}

OadrJson to_json(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    if (*number % kMillion == 0) return *number / kMillion;
    return static_cast<double>(*number) / static_cast<double>(kMillion);
  }
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  return std::get<std::string>(value);
}

OadrJson attribute(const char* type, const OadrJson& value) {
  return {{"type", type}, {"values", OadrJson::array({value})}};
}

OadrJson to_json(const ReportInterval& interval) {
  OadrJson payloads = OadrJson::array();
  for (const Payload& payload : interval.payloads) {
    OadrJson values = OadrJson::array();
    for (const Value& value : payload.values) values.push_back(to_json(value));
    payloads.push_back({{"type", payload.type}, {"values", std::move(values)}});
  }
  return {{"id", interval.id},
          {"intervalPeriod",
           {{"start", to_date_time(interval.from)}, {"duration", to_duration(interval.lasts)}}},
          {"payloads", std::move(payloads)}};
}

}  // namespace

Decoded<std::string> decode_token_url(std::string_view body) {
  const auto json = parse(body);
  if (!json) return std::unexpected{json.error()};
  ObjectReader reader{*json};
  std::string url = reader.text("tokenURL", true);
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  return url;
}

Decoded<Grant> decode_grant(std::string_view body) {
  const auto json = parse(body);
  if (!json) return std::unexpected{json.error()};
  ObjectReader reader{*json};
  constexpr std::size_t kTokenMost = 16'384;
  const OadrJson* token = reader.find("access_token");
  if (token == nullptr || !token->is_string()) return std::unexpected{"it has no access_token"};
  Grant out{token->get<std::string>(), {}};
  const bool plain = std::ranges::all_of(out.token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (out.token.empty() || out.token.size() > kTokenMost || !plain) {
    return std::unexpected{"its access_token is no token"};
  }
  if (const OadrJson* lasts = reader.find("expires_in")) {
    const bool fits = lasts->is_number() && lasts->get<double>() >= 0 && lasts->get<double>() < 1e9;
    if (!fits) return std::unexpected{"its expires_in is no number of seconds"};
    out.lasts = std::chrono::seconds{static_cast<std::int64_t>(lasts->get<double>())};
  }
  return out;
}

Decoded<Programs> decode_programs(std::string_view body) {
  const auto list = parse_list(body);
  if (!list) return std::unexpected{list.error()};
  Programs out;
  out.count = list->size();
  for (const OadrJson& object : *list) {
    ObjectReader reader{object};
    Program program{reader.text("id", true), reader.text("programName"), {}};
    program.payloads = read_descriptors(reader);
    if (reader.error().empty()) {
      out.programs.push_back(std::move(program));
    } else {
      out.unreadable.push_back("program " + program.id + ": " + reader.error());
    }
  }
  return out;
}

Decoded<Events> decode_events(std::string_view body) {
  const auto list = parse_list(body);
  if (!list) return std::unexpected{list.error()};
  Events out;
  out.count = list->size();
  for (const OadrJson& object : *list) {
    ObjectReader reader{object};
    Event event = read_event(reader);
    if (reader.error().empty()) {
      out.events.push_back(std::move(event));
    } else {
      out.unreadable.emplace_back(event.id, reader.error());
    }
  }
  return out;
}

Decoded<ReportNames> decode_report_names(std::string_view body) {
  const auto list = parse_list(body);
  if (!list) return std::unexpected{list.error()};
  ReportNames out;
  out.count = list->size();
  for (const OadrJson& object : *list) {
    if (std::string name = ObjectReader{object}.text("reportName"); !name.empty()) {
      out.names.push_back(std::move(name));
    }
  }
  return out;
}

Decoded<std::string> decode_id(std::string_view body) {
  const auto json = parse(body);
  if (!json) return std::unexpected{json.error()};
  ObjectReader reader{*json};
  std::string id = reader.text("id", true);
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  return id;
}

Decoded<std::string> decode_id_of(std::string_view body, const char* key, std::string_view name) {
  const auto list = parse_list(body);
  if (!list) return std::unexpected{list.error()};
  for (const OadrJson& object : *list) {
    ObjectReader reader{object};
    if (reader.text(key) != name) continue;
    if (std::string id = reader.text("id"); !id.empty()) return id;
  }
  return std::string{};
}

std::string decode_problem(std::string_view body) {
  const auto json = parse(body);
  std::string out;
  if (json && json->is_object()) {
    for (const char* key : {"title", "detail", "error", "error_description"}) {
      const auto it = json->find(key);
      if (it == json->end() || !it->is_string()) continue;
      out += (out.empty() ? "" : ": ") + it->get<std::string>();
    }
  }
  if (out.empty()) out = std::string{body.substr(0, kQuoteMost)};
  return one_line(std::move(out), kQuoteMost);
}

std::string encode(Version version, const RegisterVen& call) {
  OadrJson out = OadrJson::object();
  out["objectType"] = version == Version::k31 ? "VEN_VEN_REQUEST" : "VEN";
  out["venName"] = call.name;
  return out.dump(-1, ' ', false, OadrJson::error_handler_t::replace);
}

std::string encode(Version version, const RegisterResource& call) {
  const auto kilo = [](std::int64_t count) { return static_cast<double>(count) / 1'000; };
  OadrJson out = OadrJson::object();
  out["objectType"] = version == Version::k31 ? "VEN_RESOURCE_REQUEST" : "RESOURCE";
  out["resourceName"] = call.name;
  if (version == Version::k31) out["venID"] = call.ven;
  out["attributes"] = OadrJson::array(
      {attribute("MAX_POWER_EXPORT", kilo(call.abilities.discharge.count)),
       attribute("MAX_POWER_CONSUMPTION", kilo(call.abilities.charge.count)),
       attribute("ENERGY_CAPACITY", kilo(to_watt_hours(call.abilities.energy).count))});
  return out.dump(-1, ' ', false, OadrJson::error_handler_t::replace);
}

std::string encode(Version version, const Report& report) {
  OadrJson descriptor{{"objectType", "REPORT_PAYLOAD_DESCRIPTOR"},
                      {"payloadType", report.type},
                      {"readingType", report.reading},
                      {"confidence", report.confidence_pct}};
  if (!report.units.empty()) descriptor["units"] = report.units;
  OadrJson intervals = OadrJson::array();
  for (const ReportInterval& interval : report.intervals) intervals.push_back(to_json(interval));
  OadrJson resource{{"resourceName", report.resource}, {"intervals", std::move(intervals)}};
  if (!report.intervals.empty())
    resource["intervalPeriod"] = resource["intervals"][0]["intervalPeriod"];
  OadrJson out = OadrJson::object();
  if (version == Version::k30) out["programID"] = report.program;
  out["eventID"] = report.event;
  out["clientName"] = report.client;
  out["reportName"] = report.name;
  out["payloadDescriptors"] = OadrJson::array({std::move(descriptor)});
  out["resources"] = OadrJson::array({std::move(resource)});
  return out.dump(-1, ' ', false, OadrJson::error_handler_t::replace);
}

}  // namespace vpp::bidding::openadr
