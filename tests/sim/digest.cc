#include "tests/sim/digest.h"

#include <utility>
#include <variant>

#include "daemon/driver/record_json.h"

namespace vpp::sim {
namespace {

void feed(Digest& out, const mesh::Path& path) {
  out.add(std::uint64_t{path.size()});
  for (const NodeId id : path) out.add(id);
}

void feed(Digest& out, const std::vector<mesh::Attachment>& attachments) {
  out.add(std::uint64_t{attachments.size()});
  for (const auto& one : attachments) {
    out.add(one.node);
    out.add(one.session);
  }
}

void feed(Digest& out, const std::vector<Endpoint>& endpoints) {
  out.add(std::uint64_t{endpoints.size()});
  for (const auto& one : endpoints) out.add(std::string_view{one.address});
}

void feed(Digest& out, const std::vector<mesh::Receipt>& receipts) {
  for (const auto& one : receipts) {
    out.add(one.order.value);
    out.add(one.delivered.count);
  }
}

void feed(Digest& out, const mesh::SiteDirection& direction) {
  out.add(direction.power.count);
  out.add(direction.energy.count);
}

void feed(Digest& out, const mesh::SiteSummary& site) {
  feed(out, site.discharge);
  feed(out, site.charge);
  out.add(site.measured ? site.measured->count : INT64_MIN);
  out.add(site.stored ? site.stored->count : INT64_MIN);
  out.add(site.set_point.count);
  out.add(site.order.value);
  out.add(site.measured_at.time_since_epoch().count());
  out.add(std::uint64_t{site.stale});
  feed(out, site.receipts);
}

void feed(Digest& out, const mesh::GroupSummary& group) {
  for (const Joules energy : group.discharge) out.add(energy.count);
  for (const Joules energy : group.charge) out.add(energy.count);
  out.add(std::uint64_t{group.coverage.enrolled});
  out.add(std::uint64_t{group.coverage.online});
  out.add(std::uint64_t{group.coverage.stale});
  out.add(std::uint64_t{group.coverage.offline});
  out.add(group.measured.count);
  out.add(group.stored.count);
  out.add(group.asked.count);
  out.add(group.shortfall.count);
  feed(out, group.receipts);
  for (const auto* expected : {&group.discharge_expected, &group.charge_expected}) {
    for (const Joules energy : expected->mean) out.add(energy.count);
    for (const Joules energy : expected->deviation) out.add(energy.count);
  }
  for (const mesh::ScopeSummary& each : group.scopes) {
    out.add(to_string(each.scope));
    for (const Joules energy : each.discharge) out.add(energy.count);
    for (const Joules energy : each.charge) out.add(energy.count);
    out.add(each.measured.count);
    out.add(each.asked.count);
    out.add(each.reserved.count);
  }
  out.add(group.net.count);
}

void feed(Digest& out, const mesh::Probe& m) {
  out.add(m.nonce);
}
void feed(Digest& out, const mesh::ProbeAck& m) {
  out.add(m.nonce);
  out.add(m.term);
  feed(out, m.path);
  out.add(std::uint64_t{m.children});
}
void feed(Digest& out, const mesh::Hello& m) {
  out.add(m.session);
  out.add(m.last_parent.value_or(kNoNode));
  out.add(m.hold.count());
}
void feed(Digest& out, const mesh::HelloAck& m) {
  out.add(m.session);
  out.add(m.term);
  feed(out, m.path);
  out.add(m.stamp);
  out.add(m.market_time.time_since_epoch().count());
  feed(out, m.alternates);
  feed(out, m.evict);
}
void feed(Digest& out, const mesh::HelloNak& m) {
  out.add(std::uint64_t{std::to_underlying(m.reason)});
  out.add(m.retry_after.count());
  feed(out, m.alternates);
}
void feed(Digest& out, const mesh::Report& m) {
  out.add(m.session);
  out.add(m.sequence);
  out.add(m.beacon);
  std::visit([&](const auto& summary) { feed(out, summary); }, m.summary);
  feed(out, m.attached);
  feed(out, m.evicted);
  out.add(std::uint64_t{m.more});
}
void feed(Digest& out, const mesh::Beacon& m) {
  out.add(m.stamp);
  out.add(m.term);
  feed(out, m.path);
  out.add(m.market_time.time_since_epoch().count());
  feed(out, m.alternates);
  out.add(std::uint64_t{m.alone});
}
void feed(Digest& out, const mesh::Dispatch& m) {
  out.add(m.order.value);
  out.add(m.term);
  out.add(m.sequence);
  out.add(m.tick);
  out.add(m.share ? m.share->count : INT64_MIN);
  out.add(m.until.time_since_epoch().count());
  out.add(m.expires);
  out.add(std::uint64_t{m.repeat});
  out.add(to_string(m.scope));
  for (const mesh::Step& step : m.ahead) {
    out.add(step.order.value);
    out.add(step.share.count);
    out.add(step.from.time_since_epoch().count());
    out.add(step.until.time_since_epoch().count());
  }
}
void feed(Digest& out, const mesh::DispatchAck& m) {
  out.add(m.order.value);
  out.add(m.tick);
  out.add(std::uint64_t{m.accepted});
}
void feed(Digest& out, const mesh::Evict& m) {
  feed(out, m.nodes);
}
void feed(Digest& out, const mesh::Cleared& m) {
  feed(out, m.nodes);
}
void feed(Digest& out, const mesh::Bye& m) {
  out.add(m.session);
}
void feed(Digest& out, const mesh::Redirect& m) {
  out.add(std::uint64_t{std::to_underlying(m.reason)});
  feed(out, m.alternates);
}
void feed(Digest& out, const mesh::Unload& m) {
  out.add(std::uint64_t{m.sites});
  feed(out, m.to);
}
void feed(Digest& out, const mesh::ValueSignal& m) {
  out.add(m.round);
  out.add(m.from.time_since_epoch().count());
  out.add(m.until.time_since_epoch().count());
  for (const Price value : m.values) out.add(value.count);
}
void feed(Digest& out, const mesh::PlannedLoad& m) {
  out.add(m.round);
  out.add(std::uint64_t{m.homes});
  out.add(std::uint64_t{m.fixed});
  for (const Watts load : m.net_load) out.add(load.count);
  out.add(m.paid.count);
}
void feed(Digest& out, const mesh::OwnerRates& m) {
  for (const mesh::OwnerRate& rate : m.rates) {
    out.add(rate.order.value);
    out.add(rate.per_mwh.count);
  }
}
void feed(Digest& out, const mesh::Follow& m) {
  out.add(m.promised);
  out.add(m.held.term);
  out.add(m.held.length);
  out.add(m.staged_base);
  out.add(m.staged);
  out.add(std::uint64_t{m.fetch});
}
void feed(Digest& out, const mesh::Lead& m) {
  out.add(m.promised);
  out.add(std::uint64_t{m.leads});
}
void feed(Digest& out, const mesh::JournalPart& m) {
  out.add(m.term);
  out.add(m.base);
  out.add(m.snapshot);
  out.add(m.position);
  out.add(m.end);
  for (const auto& entry : m.entries) {
    for (const std::uint8_t byte : entry) out.add(std::uint64_t{byte});
  }
}

}  // namespace

std::uint64_t digest_of(const mesh::Message& message) {
  Digest out;
  out.add(std::uint64_t{message.index()});
  std::visit([&](const auto& typed) { feed(out, typed); }, message);
  return out.value();
}

std::uint64_t digest_of(const std::variant<mesh::SiteSummary, mesh::GroupSummary>& summary) {
  Digest out;
  std::visit([&](const auto& typed) { feed(out, typed); }, summary);
  return out.value();
}

std::uint64_t digest_of(const device::SiteStatus& status) {
  Digest out;
  out.add(status.discharge.power.count);
  out.add(status.discharge.energy.count);
  out.add(status.charge.power.count);
  out.add(status.charge.energy.count);
  out.add(status.set_point.count);
  out.add(status.order.value);
  out.add(std::uint64_t{std::to_underlying(status.mode)});
  out.add(status.measured ? status.measured->count : INT64_MIN);
  return out.value();
}

std::uint64_t digest_of(const node::Record& record) {
  return Digest::of(driver::to_json(record));
}

}  // namespace vpp::sim
