#include "bidding/task_json.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "aggregation/duration_curve.h"
#include "bidding/market_json.h"

namespace vpp::bidding {
namespace {

constexpr int kLevelStepPermille = 50;
/// Twelve years of hours: whoever asks for more is no bidder.
constexpr std::size_t kHistoryHoursMax = 105'192;

// Never change these: they are in journals and spoken by others.
constexpr const char* kOpen = "open";
constexpr const char* kDone = "done";
constexpr const char* kPoisoned = "poisoned";

[[nodiscard]] std::string dumped(const Json& json) {
  // Texts from workers may be no UTF-8: such bytes are replaced rather than refused.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Of what came as JSON before; never throws, whatever it is.
[[nodiscard]] Json parsed(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

[[nodiscard]] TaskKind read_task_kind(JsonReader& reader, const std::string& text) {
  const auto kind = parse_task_kind(text);
  if (!kind) reader.fail("unknown kind of task: " + text.substr(0, 40));
  return kind.value_or(TaskKind::kForecast);
}

[[nodiscard]] const char* name_of(TaskState state) {
  if (state == TaskState::kDone) return kDone;
  return state == TaskState::kPoisoned ? kPoisoned : kOpen;
}

[[nodiscard]] Json commitment_json(const Commitment& each) {
  return {{"power_w", each.power.count},
          {"from_ms", each.from.time_since_epoch().count()},
          {"until_ms", each.until.time_since_epoch().count()}};
}

[[nodiscard]] Json slot_json(const AdviceSlot& slot) {
  Json quantiles = Json::array();
  for (const Price& each : slot.quantiles) quantiles.push_back(each.count);
  return {{"from_ms", slot.from.time_since_epoch().count()},
          {"until_ms", slot.until.time_since_epoch().count()},
          {"price_micro_per_mwh", slot.price.count},
          {"quantiles_micro_per_mwh", slot.quantiles.empty() ? Json() : std::move(quantiles)}};
}

[[nodiscard]] AdviceSlot read_slot(JsonReader& reader, const Json& value) {
  AdviceSlot slot{reader.time(value, "from_ms"),
                  reader.time(value, "until_ms"),
                  {reader.whole(value, "price_micro_per_mwh")},
                  {}};
  const bool known = value.is_object() && value.contains("quantiles_micro_per_mwh") &&
                     !value["quantiles_micro_per_mwh"].is_null();
  if (known) slot.quantiles = reader.list<Price>(value, "quantiles_micro_per_mwh");
  return slot;
}

/// Where the curve is sampled.
[[nodiscard]] Json firm_json(const std::vector<Joules>& firm) {
  Json out = Json::array();
  for (std::size_t i = 0; i < std::min(firm.size(), aggregation::kGridPoints); ++i) {
    out.push_back({{"duration_s", aggregation::kGrid.at(i).count()}, {"energy_j", firm[i].count}});
  }
  return out;
}

struct ToWorkerWriter {
  Json operator()(const WorkerWelcome& message) const {
    return {{"type", "welcome"}, {"version", message.version}, {"lease_ms", message.lease.count()}};
  }
  Json operator()(const TaskGiven& message) const {
    return {{"type", "task"},
            {"task", to_string(message.task)},
            {"kind", to_string(message.kind)},
            {"version", message.version},
            {"input", parsed(message.input)}};
  }
  Json operator()(const ResultTaken& message) const {
    return {{"type", "taken"}, {"task", to_string(message.task)}, {"news", message.news}};
  }
  Json operator()(const WorkerRefused& message) const {
    return {{"type", "error"}, {"why", message.why}};
  }
};

[[nodiscard]] WorkerHello read_hello(JsonReader& reader, const Json& value) {
  WorkerHello hello;
  hello.version = reader.count(value, "version");
  hello.name = reader.text(value, "name");
  const bool printable =
      std::ranges::all_of(hello.name, [](char each) { return each > ' ' && each <= '~'; });
  if (hello.name.empty() || hello.name.size() > kWorkerNameBytesMax || !printable) {
    reader.fail("name must have 1 to 64 printable characters without blanks");
  }
  for (const Json& kind : reader.array(value, "kinds")) {
    hello.kinds.insert(read_task_kind(reader, kind.is_string() ? kind.get<std::string>() : "?"));
  }
  if (hello.kinds.empty()) reader.fail("kinds is empty");
  if (!value.contains("lease_ms")) return hello;
  const Duration lease{reader.whole(value, "lease_ms")};
  if (lease <= Duration{0} || lease > kWorkerLeaseMax) {
    reader.fail("lease_ms must be above 0 and at most 600000");
  }
  hello.lease = lease;
  return hello;
}

[[nodiscard]] FromWorker read_from_worker(JsonReader& reader, const Json& value) {
  const std::string type = reader.text(value, "type");
  if (type == "hello") return read_hello(reader, value);
  if (type == "heartbeat") return WorkerHeartbeat{};
  if (type == "bye") return WorkerBye{};
  if (type == "result") {
    const TaskId task = reader.task(value, "task");
    return WorkerResult{task, dumped(reader.object(value, "output"))};
  }
  if (type == "failed") {
    const TaskId task = reader.task(value, "task");
    return WorkerFailed{task, reader.text(value, "why").substr(0, kWorkerWhyBytesMax)};
  }
  reader.fail("unknown type of message: " + type.substr(0, 40));
  return WorkerUnread{};
}

}  // namespace

std::string to_json(const ForecastAsk& ask) {
  Json history = Json::array();
  for (const auto& price : ask.history) history.push_back(price ? Json(price->count) : Json());
  Json levels = Json::array();
  for (std::size_t i = 1; i <= kForecastQuantiles; ++i) {
    levels.push_back(kLevelStepPermille * static_cast<int>(i));
  }
  return dumped({{"model", ask.model},
                 {"from_ms", ask.from.time_since_epoch().count()},
                 {"hours", kForecastHours},
                 {"levels_permille", std::move(levels)},
                 {"history_micro_per_mwh", std::move(history)}});
}

std::string to_json(const ForecastAnswer& answer) {
  return dumped({{"model", answer.model}, {"hours", to_json_list(answer.hours)}});
}

std::string to_json(const AdviceAsk& ask) {
  Json slots = Json::array();
  for (const AdviceSlot& slot : ask.slots) slots.push_back(slot_json(slot));
  Json committed = Json::array();
  for (const Commitment& each : ask.committed) committed.push_back(commitment_json(each));
  return dumped({{"model", ask.model},
                 {"gate", to_json_value(ask.gate)},
                 {"price_min_micro_per_mwh", ask.price_min.count},
                 {"slots", std::move(slots)},
                 {"firm_curve", firm_json(ask.firm)},
                 {"committed", std::move(committed)},
                 {"most_w", ask.most.count},
                 {"segments_max", ask.limits.segments_max},
                 {"price_least_micro_per_mwh", ask.limits.price_least.count},
                 {"price_most_micro_per_mwh", ask.limits.price_most.count}});
}

std::string to_json(const AdviceAnswer& answer) {
  return dumped(
      {{"model", answer.model}, {"segments", to_json_list(answer.segments)}, {"why", answer.why}});
}

std::string to_json(const Task& task) {
  Json out{{"id", to_string(task.id)},
           {"number", task.number},
           {"kind", to_string(task.ask.kind)},
           {"version", task.ask.version},
           {"subject", task.ask.subject},
           {"input", task.ask.input},
           {"state", name_of(task.state)},
           {"leases", task.leases},
           {"result", task.result},
           {"worker", task.worker},
           {"why", task.why}};
  if (task.ask.until) out["until_ms"] = task.ask.until->time_since_epoch().count();
  return dumped(out);
}

std::string to_json(const ToWorker& message) {
  return dumped(std::visit(ToWorkerWriter{}, message));
}

std::expected<ForecastAsk, std::string> forecast_ask_from_json(std::string_view text) {
  const auto value = parse_json_object(text);
  if (!value) return std::unexpected{value.error()};
  JsonReader reader;
  ForecastAsk ask;
  ask.model = reader.text(*value, "model");
  ask.from = reader.time(*value, "from_ms");
  const Json& history = reader.array(*value, "history_micro_per_mwh");
  if (history.size() > kHistoryHoursMax) return std::unexpected{"the history is too long"};
  for (const Json& price : history) {
    ask.history.emplace_back();
    if (!price.is_null()) reader.read(price, ask.history.back().emplace());
  }
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  return ask;
}

std::expected<ForecastAnswer, std::string> forecast_answer_from_json(std::string_view text) {
  const auto value = parse_json_object(text);
  if (!value) return std::unexpected{value.error()};
  JsonReader reader;
  ForecastAnswer answer;
  answer.model = reader.text(*value, "model").substr(0, kWorkerNameBytesMax);
  const Json& hours = reader.array(*value, "hours");
  if (hours.size() > kForecastHours) return std::unexpected{"more hours than were asked"};
  for (const Json& hour : hours) reader.read(hour, answer.hours.emplace_back());
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  if (auto sound = check(answer); !sound) return std::unexpected{sound.error()};
  return answer;
}

std::expected<AdviceAsk, std::string> advice_ask_from_json(std::string_view text) {
  const auto value = parse_json_object(text);
  if (!value) return std::unexpected{value.error()};
  JsonReader reader;
  AdviceAsk ask;
  ask.model = reader.text(*value, "model");
  reader.read(reader.object(*value, "gate"), ask.gate);
  ask.price_min = {reader.whole(*value, "price_min_micro_per_mwh")};
  for (const Json& slot : reader.array(*value, "slots")) {
    ask.slots.push_back(read_slot(reader, slot));
  }
  for (const Json& point : reader.array(*value, "firm_curve")) {
    ask.firm.push_back({reader.whole(point, "energy_j")});
  }
  for (const Json& each : reader.array(*value, "committed")) {
    ask.committed.push_back({{reader.whole(each, "power_w")},
                             reader.time(each, "from_ms"),
                             reader.time(each, "until_ms")});
  }
  ask.most = {reader.whole(*value, "most_w")};
  ask.limits = {reader.count(*value, "segments_max"),
                {reader.whole(*value, "price_least_micro_per_mwh")},
                {reader.whole(*value, "price_most_micro_per_mwh")}};
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  return ask;
}

std::expected<AdviceAnswer, std::string> advice_answer_from_json(std::string_view text,
                                                                 const AdviceAsk& ask) {
  const auto value = parse_json_object(text);
  if (!value) return std::unexpected{value.error()};
  JsonReader reader;
  AdviceAnswer answer;
  answer.model = reader.text(*value, "model").substr(0, kWorkerNameBytesMax);
  answer.segments = reader.list<BidSegment>(*value, "segments");
  if (value->contains("why")) answer.why = reader.text(*value, "why").substr(0, kWorkerWhyBytesMax);
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  if (auto sound = check(answer, ask); !sound) return std::unexpected{sound.error()};
  return answer;
}

std::expected<Task, std::string> task_from_json(std::string_view text) {
  const auto value = parse_json_object(text);
  if (!value) return std::unexpected{value.error()};
  JsonReader reader;
  Task task;
  task.id = reader.task(*value, "id");
  task.number = static_cast<std::uint64_t>(reader.whole(*value, "number"));
  task.ask.kind = read_task_kind(reader, reader.text(*value, "kind"));
  task.ask.version = reader.count(*value, "version");
  task.ask.subject = reader.text(*value, "subject");
  task.ask.input = reader.text(*value, "input");
  const std::string state = reader.text(*value, "state");
  if (state == kDone) task.state = TaskState::kDone;
  if (state == kPoisoned) task.state = TaskState::kPoisoned;
  if (state != name_of(task.state)) reader.fail("unknown state of a task: " + state.substr(0, 40));
  task.leases = reader.count(*value, "leases");
  task.result = reader.text(*value, "result");
  task.worker = reader.text(*value, "worker");
  task.why = reader.text(*value, "why");
  if (value->contains("until_ms")) task.ask.until = reader.time(*value, "until_ms");
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  return task;
}

FromWorker from_worker_json(std::string_view text) {
  if (text.size() > kWorkerFrameBytesMax) {
    return WorkerUnread{"a message may have at most " + std::to_string(kWorkerFrameBytesMax) +
                        " bytes"};
  }
  const auto value = parse_json_object(text);
  if (!value) return WorkerUnread{value.error()};
  JsonReader reader;
  FromWorker message = read_from_worker(reader, *value);
  if (!reader.error().empty()) return WorkerUnread{reader.error()};
  return message;
}

}  // namespace vpp::bidding
