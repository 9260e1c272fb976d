#include <string>
#include <utility>
#include <variant>

#include "tests/sim/digest.h"

namespace vpp::sim {
namespace {

using std::to_string;

std::string list(const std::vector<mesh::Attachment>& nodes) {
  std::string out = "[";
  for (const auto& one : nodes) {
    out += " " + to_string(one.node).substr(0, 6) + "#" + to_string(one.session);
  }
  return out + " ]";
}

std::string path_text(const mesh::Path& path) {
  std::string out = "<";
  for (const NodeId id : path) out += " " + vpp::to_string(id).substr(0, 6);
  return out + " >";
}

std::string sum_text(const mesh::SiteSummary& site) {
  return "site up=" + to_string(site.discharge.power.count) +
         "W set=" + to_string(site.set_point.count) + "W order=" + to_string(site.order.value) +
         (site.stale ? " stale" : "");
}
std::string sum_text(const mesh::GroupSummary& group) {
  return "group online=" + to_string(group.coverage.online) + "/" +
         to_string(group.coverage.enrolled) + " measured=" + to_string(group.measured.count) +
         "W asked=" + to_string(group.asked.count) + "W";
}

std::string text(const mesh::Probe&) {
  return "Probe";
}
std::string text(const mesh::ProbeAck& m) {
  return "ProbeAck term=" + to_string(m.term) + " path=" + path_text(m.path);
}
std::string text(const mesh::Hello& m) {
  return "Hello session=" + to_string(m.session) + " hold=" + to_string(m.hold.count()) + "ms";
}
std::string text(const mesh::HelloAck& m) {
  return "HelloAck session=" + to_string(m.session) + " term=" + to_string(m.term) +
         " path=" + path_text(m.path) + " evict=" + list(m.evict);
}
std::string text(const mesh::HelloNak& m) {
  return "HelloNak reason=" + to_string(std::to_underlying(m.reason)) +
         " retry=" + to_string(m.retry_after.count()) + "ms";
}
std::string text(const mesh::Report& m) {
  return "Report " + to_string(m.session) + "/" + to_string(m.sequence) +
         " beacon=" + to_string(m.beacon) + " " +
         std::visit([](const auto& summary) { return sum_text(summary); }, m.summary) +
         " attached=" + list(m.attached) + " evicted=" + list(m.evicted) +
         (m.more ? " and more" : "");
}
std::string text(const mesh::Beacon& m) {
  return "Beacon stamp=" + to_string(m.stamp) + " term=" + to_string(m.term) +
         " path=" + path_text(m.path) + (m.alone ? " alone" : "");
}
std::string text(const mesh::Dispatch& m) {
  std::string out = "Dispatch order=" + to_string(m.order.value) + " " + to_string(m.term) + "/" +
                    to_string(m.sequence) + "/" + to_string(m.tick) + "+" + to_string(m.repeat) +
                    " " + (m.share ? to_string(m.share->count) + "W" : "release") +
                    " until=" + to_string(m.until.time_since_epoch().count()) +
                    " expires=" + to_string(m.expires);
  if (m.scope != Scope{}) out += " for " + vpp::to_string(m.scope);
  for (const mesh::Step& step : m.ahead) {
    out += " then order " + to_string(step.order.value) + " " + to_string(step.share.count) +
           "W from=" + to_string(step.from.time_since_epoch().count());
  }
  return out;
}
std::string text(const mesh::DispatchAck& m) {
  return "DispatchAck order=" + to_string(m.order.value) + (m.accepted ? " yes" : " no");
}
std::string text(const mesh::Evict& m) {
  return "Evict " + list(m.nodes);
}
std::string text(const mesh::Cleared& m) {
  return "Cleared " + list(m.nodes);
}
std::string text(const mesh::Bye& m) {
  return "Bye session=" + to_string(m.session);
}
std::string text(const mesh::Redirect& m) {
  return "Redirect reason=" + to_string(std::to_underlying(m.reason));
}
std::string text(const mesh::Unload& m) {
  return "Unload sites=" + to_string(m.sites);
}
std::string text(const mesh::ValueSignal& m) {
  return "ValueSignal round=" + to_string(m.round) +
         " from=" + to_string(m.from.time_since_epoch().count()) + " " + to_string(m.values.size());
}
std::string text(const mesh::PlannedLoad& m) {
  return "PlannedLoad round=" + to_string(m.round) + " homes=" + to_string(m.homes) + "+" +
         to_string(m.fixed);
}
std::string text(const mesh::OwnerRates& m) {
  std::string out = "OwnerRates";
  for (const auto& rate : m.rates) {
    out += " " + to_string(rate.order.value) + "=" + to_string(rate.per_mwh.count);
  }
  return out;
}
std::string text(const mesh::Follow& m) {
  return "Follow promised=" + to_string(m.promised) + " held=" + to_string(m.held.term) + "/" +
         to_string(m.held.length) + (m.fetch ? " fetch" : "");
}
std::string text(const mesh::Lead& m) {
  return "Lead promised=" + to_string(m.promised) + (m.leads ? " leads" : "");
}
std::string text(const mesh::JournalPart& m) {
  return "JournalPart term=" + to_string(m.term) + " base=" + to_string(m.base) + " at " +
         to_string(m.position) + " of " + to_string(m.end) + ", " + to_string(m.entries.size());
}

std::string text(const mesh::UplinkRecord& r) {
  return "uplink session=" + to_string(r.session) + " term=" + to_string(r.term) +
         " path_length=" + to_string(r.path_length) +
         " counted_for=" + to_string(r.counted_for.count());
}
std::string text(const node::Fence& r) {
  return "fence " + to_string(r.term) + "/" + to_string(r.sequence);
}
std::string text(const node::TermRecord& r) {
  return "term " + to_string(r.term);
}
std::string text(const node::DrainRecord& r) {
  return r.on ? "drain on" : "drain off";
}
std::string text(const aggregation::Order& r) {
  return "order " + to_string(r.id.value) + " key=" + r.key + " " + to_string(r.power.count) +
         "W state=" + to_string(std::to_underlying(r.state));
}
std::string text(const node::JournalHead& r) {
  return "journal " + to_string(r.term) + "/" + to_string(r.length);
}
std::string text(const node::JournalCleared& /*r*/) {
  return "journal cleared";
}
std::string text(const node::SiteAccounts& r) {
  std::string out = "accounts";
  for (const auto& account : r.accounts) {
    out += " " + to_string(account.order.value) + "=" + to_string(account.delivered.count) + "J";
  }
  return out;
}
std::string text(const node::OptOuts& r) {
  std::string out = "opt-outs";
  for (const auto& each : r.programs) out += " " + each.program;
  return out;
}
std::string text(const node::LearnedLoad& /*r*/) {
  return "learned load";
}
std::string text(const node::ValueAccount& r) {
  return "value account paid=" + to_string(r.paid().count);
}
std::string text(const node::OwnerAccount& r) {
  return "owner account paid=" + to_string(r.paid.count);
}
std::string text(const bidding::Task& r) {
  return "task " + to_string(r.id.value) + " state=" + to_string(std::to_underlying(r.state));
}
std::string text(const bidding::TaskGone& r) {
  return "task gone " + to_string(r.id.value);
}
std::string text(const bidding::Fact& r) {
  return "fact kind=" + to_string(r.what.index());
}

}  // namespace

std::string text_of(const mesh::Message& message) {
  return std::visit([](const auto& typed) { return text(typed); }, message);
}

std::string text_of(const node::Record& record) {
  return std::visit([](const auto& typed) { return text(typed); }, record);
}

}  // namespace vpp::sim
