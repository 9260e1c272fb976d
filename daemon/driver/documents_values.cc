// The document about value signals: at a leaf what it follows and is paid, above it what was asked
// of the homes below and what they plan.
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"

namespace vpp::driver {
namespace {

using namespace parts;

template <class Quantity>
Json counts(const std::vector<Quantity>& list) {
  Json out = Json::array();
  for (const Quantity each : list) out.push_back(each.count);
  return out;
}

Json prices(const std::vector<Price>& list) {
  Json out = Json::array();
  for (const Price each : list) out.push_back(money(each.count));
  return out;
}

/// What both kinds of status tell of the signal.
template <class Status>
void add_signal(Json& out, const Status& status) {
  out["round"] = status.round;
  out["from_ms"] = market_ms(status.from);
  out["slot_s"] = status.slot / std::chrono::seconds{1};
  out["until_ms"] = market_ms(status.until);
  out["values"] = prices(status.values);
}

Json group_part(const node::NodeStatus& status) {
  if (!status.values) return {};
  const node::ValueGroupStatus& values = *status.values;
  Json out{{"head", to_string(values.head)}, {"is_head", values.is_head}};
  add_signal(out, values);
  out["net_load_w"] = counts(values.net_load);
  out["homes"] = values.homes;
  out["fixed_homes"] = values.fixed;
  out["paid"] = money(values.paid.count);
  out["refused"] = values.refused;
  out["target_w"] = values.is_head ? Json(values.target.count) : Json();
  out["prices"] = values.is_head ? prices(values.prices) : Json();
  out["rounds"] = values.is_head ? Json(values.rounds) : Json();
  out["settled"] = values.is_head ? Json(values.settled) : Json();
  return out;
}

}  // namespace

namespace parts {

Json follower_part(const node::NodeStatus& status) {
  if (!status.follows) return {};
  const node::ValueHomeStatus& home = *status.follows;
  const node::ValueAccount& account = home.account;
  Json out{{"head", home.head ? Json(to_string(*home.head)) : Json()},
           {"why_not", home.why_not.empty() ? Json() : Json(home.why_not)},
           {"quarters_known", home.quarters_known},
           {"account",
            {{"slots", account.slots},
             {"alone", money(account.alone.count)},
             {"bill", money(account.bill.count)},
             {"by_value", money(account.by_value.count)},
             {"top_up", money(account.top_up().count)},
             {"paid", money(account.paid().count)}}}};
  if (!home.head) return out;
  add_signal(out, home);
  out["plan_from_ms"] = market_ms(home.plan_from);
  out["net_load_w"] = counts(home.net_load);
  return out;
}

}  // namespace parts

std::string values_document(const Snapshot& snapshot) {
  Json out = document("values");
  out["follower"] = follower_part(snapshot.status);
  out["group"] = group_part(snapshot.status);
  return text(out);
}

}  // namespace vpp::driver
