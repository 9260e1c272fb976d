#include "daemon/driver/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/driver/health.h"
#include "daemon/driver/version.h"

namespace vpp::driver {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void gauge(const char* name, const char* help, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.gauge.value = value;
    add(name, help, MetricType::Gauge, std::move(metric), std::move(labels));
  }
  void counter(const char* name, const char* help, std::uint64_t value, Labels labels = {}) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    add(name, help, MetricType::Counter, std::move(metric), std::move(labels));
  }
  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer{}.Serialize(families_);
  }

 private:
  void add(const char* name, const char* help, MetricType type, ClientMetric metric,
           Labels labels) {
    metric.label = std::move(labels);
    if (families_.empty() || families_.back().name != name) {
      families_.push_back({name, help, type, {}});
    }
    families_.back().metric.push_back(std::move(metric));
  }

  std::vector<MetricFamily> families_;
};

double number(Watts power) {
  return static_cast<double>(power.count);
}
double watt_hours(Joules energy) {
  return static_cast<double>(energy.count) / kJoulesPerWattHour;
}

void add_node(const Snapshot& snapshot, Families& out) {
  const node::NodeStatus& status = snapshot.status;
  out.gauge("vpp_node_info", "Who this is.", 1,
            {{"node", to_string(status.self)},
             {"name", status.name},
             {"role", std::string{to_string(status.role)}},
             {"region", status.region},
             {"version", kVersion}});
  out.gauge("vpp_uptime_seconds", "Since start.",
            static_cast<double>(snapshot.vitals.uptime.count()) / 1000.0);
  out.gauge("vpp_term", "Highest root term obeyed.", static_cast<double>(status.term));
  out.gauge("vpp_session", "Attachments of this node so far.", static_cast<double>(status.session));
  for (const HealthCode& code : health_of(snapshot)) {
    out.gauge("vpp_health", "1 for each health code that holds.", 1, {{"code", code.code}});
  }
  if (status.role != Role::kRoot) {
    out.gauge("vpp_attached", "1 while a parent is held.", status.parent ? 1 : 0);
    if (status.beacon_age) {
      out.gauge("vpp_beacon_age_seconds", "Since the parent was heard.",
                static_cast<double>(status.beacon_age->count()) / 1000.0);
    }
  }
}

void add_power(const node::NodeStatus& status, Families& out) {
  if (const auto measured = measured_of(status)) {
    out.gauge("vpp_measured_watts", "Battery power below; discharge > 0.", number(*measured));
  }
  if (const auto net = net_of(status)) {
    out.gauge("vpp_net_watts", "At the connections of the sites that know it; export > 0.",
              number(*net));
  }
  if (status.target) {
    out.gauge("vpp_target_watts", "Asked of this node now.", number(*status.target));
  }
  if (const auto flexibility = flexibility_of(status)) {
    const std::array sides{std::pair{"up", &flexibility->up},
                           std::pair{"down", &flexibility->down}};
    for (const auto& [name, curve] : sides) {
      out.gauge("vpp_capacity_watts", "Held for five minutes.",
                number(held_power(*curve, std::chrono::minutes{5})), {{"direction", name}});
    }
    for (const auto& [name, curve] : sides) {
      out.gauge("vpp_capacity_watt_hours", "Over the longest horizon.",
                watt_hours(curve->at(aggregation::kGrid.back())), {{"direction", name}});
    }
  }
}

void add_tree(const node::NodeStatus& status, Families& out) {
  if (status.role == Role::kLeaf) return;
  constexpr std::array kStates{NodeState::kAlive, NodeState::kStale, NodeState::kLost,
                               NodeState::kDrained};
  std::array<int, kStates.size()> by_state{};
  for (const mesh::ChildView& child : status.children) {
    ++by_state.at(static_cast<std::size_t>(state_of(child)));
  }
  for (const NodeState state : kStates) {
    out.gauge("vpp_children", "Direct children by state.",
              by_state.at(static_cast<std::size_t>(state)),
              {{"state", std::string{to_string(state)}}});
  }
  const mesh::Coverage& coverage = status.group.coverage;
  const std::array sites{std::pair{"enrolled", coverage.enrolled},
                         std::pair{"online", coverage.online}, std::pair{"stale", coverage.stale},
                         std::pair{"offline", coverage.offline}};
  for (const auto& [name, count] : sites) {
    out.gauge("vpp_sites", "Sites below.", count, {{"coverage", name}});
  }
  out.gauge("vpp_shortfall_watts", "Of what is asked, what cannot be placed.",
            number(status.group.shortfall));
  const mesh::ChildrenCounters& counters = status.counters;
  const std::array refusals{
      std::pair{"refused", counters.refused}, std::pair{"stale_session", counters.stale_session},
      std::pair{"replayed", counters.replayed}, std::pair{"unproven", counters.unproven}};
  for (const auto& [name, count] : refusals) {
    out.counter("vpp_membership_refused_total", "Unwelcome input of children, by kind.", count,
                {{"kind", name}});
  }
  out.counter("vpp_leases_lost_total", "Children whose lease ran out.", counters.leases_lost);
}

void add_site(const Snapshot& snapshot, Families& out) {
  if (const auto& device = snapshot.vitals.device) {
    out.gauge("vpp_device_connected", "1 while the device answers.", device->connected ? 1 : 0);
  }
  const auto& site = snapshot.status.site;
  if (!site) return;
  out.gauge("vpp_set_point_watts", "After the guard.", number(site->set_point));
  if (site->soc_permille) {
    out.gauge("vpp_state_of_charge_ratio", "Of the energy rating.", *site->soc_permille / 1000.0);
  }
  const device::FrequencyStatus& frequency = site->frequency;
  if (frequency.measured_mhz) {
    out.gauge("vpp_grid_frequency_hertz", "As the site measures it.",
              *frequency.measured_mhz / 1000.0);
  }
  out.gauge("vpp_frequency_response_watts", "Asked by the droop.", number(frequency.asked));
}

void add_wire(const mesh::TransportCounters& wire, Families& out) {
  out.counter("vpp_frames_total", "Frames on the mesh.", wire.frames_in, {{"direction", "in"}});
  out.counter("vpp_frames_total", "", wire.frames_out, {{"direction", "out"}});
  out.counter("vpp_frame_bytes_total", "Bytes of frame bodies.", wire.bytes_in,
              {{"direction", "in"}});
  out.counter("vpp_frame_bytes_total", "", wire.bytes_out, {{"direction", "out"}});
  const std::array dropped{std::pair{"other_version", wire.other_version},
                           std::pair{"malformed", wire.malformed},
                           std::pair{"oversize", wire.oversize},
                           std::pair{"misdirected", wire.misdirected},
                           std::pair{"unproven", wire.unproven},
                           std::pair{"bad_cert", wire.bad_cert},
                           std::pair{"key_mismatch", wire.key_mismatch},
                           std::pair{"expired", wire.expired},
                           std::pair{"unknown_connection", wire.unknown_connection},
                           std::pair{"slow_peer", wire.slow_peer},
                           std::pair{"table_full", wire.table_full}};
  for (const auto& [name, count] : dropped) {
    out.counter("vpp_frames_dropped_total", "Frames dropped, by cause.", count, {{"kind", name}});
  }
  out.counter("vpp_frames_conflated_total", "Live values that a newer one replaced.",
              wire.conflated);
  out.counter("vpp_handshakes_failed_total", "CURVE handshakes that failed.",
              wire.handshakes_failed);
}

void add_driver(const Vitals& vitals, Families& out) {
  out.gauge("vpp_store_used_bytes", "Of the state store.",
            static_cast<double>(vitals.store.used_bytes));
  out.gauge("vpp_store_size_bytes", "Limit of the state store.",
            static_cast<double>(vitals.store.map_bytes));
  if (vitals.cert_not_after_ms > 0) {
    out.gauge("vpp_certificate_expiry_seconds", "End of the certificate, since 1970.",
              static_cast<double>(vitals.cert_not_after_ms) / 1000.0);
  }
  if (vitals.market) {
    out.counter("vpp_market_calls_total", "Calls to the market.", vitals.market->calls);
    out.counter("vpp_market_failures_total", "Calls that failed.", vitals.market->failures);
  }
  out.counter("vpp_requests_dropped_total", "Control requests turned away.",
              vitals.requests_dropped);
  const std::array severities{"info", "warning", "error"};
  for (std::size_t i = 0; i < severities.size(); ++i) {
    out.counter("vpp_events_total", "Events of this node, by severity.", vitals.notices.at(i),
                {{"severity", severities.at(i)}});
  }
}

}  // namespace

std::string metrics_text(const Snapshot& snapshot) {
  Families out;
  add_node(snapshot, out);
  add_power(snapshot.status, out);
  add_tree(snapshot.status, out);
  add_site(snapshot, out);
  add_wire(snapshot.vitals.wire, out);
  add_driver(snapshot.vitals, out);
  return out.text();
}

}  // namespace vpp::driver
