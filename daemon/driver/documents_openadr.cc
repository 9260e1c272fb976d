// The document about the OpenADR server: what it asks for, and what became of that.
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"
#include "daemon/driver/names.h"

namespace vpp::driver {
namespace {

namespace openadr = bidding::openadr;
using namespace parts;

Json open_ended_ms(MarketTime at) {
  return at == kEndOfTime ? Json() : market_ms(at);
}

Json event_part(const openadr::EventView& event, const node::NodeStatus& status) {
  Json orders = Json::array();
  const std::string prefix = openadr::key_prefix(event.id);
  for (const aggregation::Order& order : status.orders) {
    if (order.source == aggregation::OrderSource::kOpenAdr && order.key.starts_with(prefix)) {
      orders.push_back({{"id", order.id.value},
                        {"state", to_string(order.state)},
                        {"power_w", order.power.count},
                        {"from_ms", market_ms(order.from)},
                        {"until_ms", market_ms(order.until)}});
    }
  }
  Json refused = Json::object();
  for (const auto& [kind, why] : event.refused) refused[kind] = why;
  return {{"id", event.id},
          {"name", event.name},
          {"program", event.program},
          {"priority", event.priority ? Json(*event.priority) : Json()},
          {"state", event.state},
          {"why", event.why},
          {"from_ms", market_ms(event.from)},
          {"until_ms", open_ended_ms(event.until)},
          {"payloads", event.kinds},
          {"not_obeyed", std::move(refused)},
          {"orders", std::move(orders)},
          {"reports_sent", event.reports}};
}

}  // namespace

std::string openadr_document(const Snapshot& snapshot) {
  Json out = document("openadr");
  const auto& ven = snapshot.status.openadr;
  out["configured"] = ven.has_value();
  if (!ven) return text(out);
  out["state"] = ven->state;
  out["problem"] = ven->problem;
  out["ven_id"] = ven->ven_id;
  out["resource_id"] = ven->resource_id;
  out["listed_ms"] = ven->listed ? market_ms(*ven->listed) : Json();
  out["server_ahead_ms"] = ven->server_ahead ? Json(ven->server_ahead->count()) : Json();
  out["calls"] = ven->calls;
  out["failures"] = ven->failures;
  out["reports_sent"] = ven->reports_sent;
  out["reports_refused"] = ven->reports_refused;
  out["unreadable"] = ven->unreadable;
  Json programs = Json::array();
  for (const openadr::Program& each : ven->programs) {
    programs.push_back({{"id", each.id}, {"name", each.name}});
  }
  out["programs"] = std::move(programs);
  Json events = Json::array();
  for (const openadr::EventView& each : ven->events) {
    events.push_back(event_part(each, snapshot.status));
  }
  out["events"] = std::move(events);
  return text(out);
}

}  // namespace vpp::driver
