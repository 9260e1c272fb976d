#include "daemon/driver/parts_of_config.h"

#include <algorithm>

#include "daemon/driver/record_json.h"
#include "device/sunspec_modbus.h"

namespace vpp::driver {
namespace {

namespace fs = std::filesystem;

node::RootOptions root_options(const RootConfig& root) {
  node::RootOptions out;
  out.lease = root.etcd ? node::LeaseKind::kEtcd : node::LeaseKind::kStatic;
  out.peers = root.peers;
  out.copies = root.peers.empty() ? 0 : static_cast<std::size_t>(root.journal_copies);
  out.codec = journal_codec();
  return out;
}

std::vector<node::Subscription> subscriptions_of(const LeafConfig& leaf,
                                                 const std::optional<TimeConfig>& time) {
  if (leaf.programs.empty()) return {{}};
  std::vector<node::Subscription> out;
  for (const ProgramConfig& program : leaf.programs) {
    out.push_back({.program = program.name,
                   .priority = program.priority,
                   .reserve_permille = program.reserve_permille,
                   .from = program.from ? market_time(time, *program.from) : MarketTime{},
                   .until = program.until ? market_time(time, *program.until) : kEndOfTime});
  }
  return out;
}

std::optional<node::ValueHeadOptions> head_of(const std::optional<ValuesConfig>& values) {
  if (!values) return std::nullopt;
  return node::ValueHeadOptions{.target = values->target,
                                .price_max = values->price_max,
                                .per_kw = values->per_kw,
                                .slot = values->slot,
                                .slots = static_cast<std::size_t>(values->slots),
                                .interval = values->interval,
                                .holds = values->hold};
}

/// Neither worth buying for nor selling.
Price between(const TariffConfig& tariff) {
  Price buy = tariff.buy;
  Price sell = tariff.sell;
  for (const TariffPeriodConfig& period : tariff.periods) {
    buy = std::min(buy, period.buy);
    sell = std::max(sell, period.sell);
  }
  return {(buy.count + sell.count) / 2};
}

std::optional<node::ValueHomeOptions> follower_of(const LeafConfig& leaf) {
  if (!leaf.values.follow || !leaf.tariff) return std::nullopt;
  node::ValueHomeOptions out;
  out.tariff.buy = leaf.tariff->buy;
  out.tariff.sell = leaf.tariff->sell;
  out.tariff.utc_offset = leaf.tariff->utc_offset;
  out.tariff.stored_value = leaf.tariff->stored_value.value_or(between(*leaf.tariff));
  for (const TariffPeriodConfig& each : leaf.tariff->periods) {
    out.tariff.periods.push_back({each.from, each.until, each.buy, each.sell});
  }
  out.limits = site_limits(leaf);
  out.most = leaf.values.most;
  return out;
}

}  // namespace

node::NodeOptions node_options(const RoleConfig& config, const Identity& identity) {
  node::NodeOptions out;
  out.self = identity.keys.id();
  out.role = role_of(config);
  out.name = config.name;
  out.region = config.region;
  out.certificate = identity.certificate;
  const auto parents = parents_of(config);
  out.seeds.assign(parents.begin(), parents.end());
  out.link = link_of(config).value_or(LinkKind::kLan);
  if (const ListenConfig* listen = listen_of(config)) {
    out.serves = Endpoint{listen->advertise, identity.keys.curve};
  }
  if (const auto* group = std::get_if<AggregatorConfig>(&config.of_role)) {
    out.feeder = {group->feeder.export_max, group->feeder.import_max, group->feeder.site_max};
    if (group->peak) out.peak = node::PeakOptions{group->peak->program, group->peak->target};
    out.values = head_of(group->values);
  }
  if (const auto* root = std::get_if<RootConfig>(&config.of_role)) {
    out.values = head_of(root->values);
    out.cut_off_hold = root->dispatch.cut_off_hold;
    out.shortfall = {(1000 - root->capacity.confidence_permille) * 1000};
  }
  if (const auto* leaf = std::get_if<LeafConfig>(&config.of_role)) {
    out.subscriptions = subscriptions_of(*leaf, config.time);
    out.groups = leaf->groups;
    out.follows = follower_of(*leaf);
  }
  out.bidding.enabled = false;
  if (const auto* root = std::get_if<RootConfig>(&config.of_role); root && root->market) {
    out.bidding.enabled = true;
    out.bidding.price_min = root->market->price_min;
    out.bidding.firm_permille = root->market->firm_permille;
    out.bidding.strategy = root->market->strategy;
  }
  if (const auto* root = std::get_if<RootConfig>(&config.of_role)) out.root = root_options(*root);
  return out;
}

device::SiteLimits site_limits(const LeafConfig& leaf) {
  const SiteConfig& site = leaf.site;
  device::SiteLimits out;
  out.reserve_permille = site.reserve_permille;
  out.discharge_max = site.discharge_max;
  out.charge_max = site.charge_max;
  out.export_max = site.export_max;
  out.import_max = site.import_max;
  out.ramp_w_per_s = site.ramp_w_per_s;
  out.charge_efficiency_permille = site.charge_efficiency_permille;
  out.discharge_efficiency_permille = site.discharge_efficiency_permille;
  out.own_use = to_joules(site.own_use);
  out.power_min = site.power_min;
  out.net_load_window = site.net_load_window;
  out.droop = {leaf.frequency.nominal_hz * 1000, leaf.frequency.dead_band_mhz,
               leaf.frequency.full_at_mhz};
  for (const ProgramConfig& program : leaf.programs) {
    out.further_reserves_permille.push_back(program.reserve_permille);
  }
  return out;
}

std::unique_ptr<device::SiteDriver> make_driver(const LeafConfig& leaf) {
  const DeviceConfig& device = leaf.device;
  device::SunspecOptions options;
  options.host = device.host;
  options.port = device.port;
  options.unit = device.unit;
  if (leaf.meter.unit) options.meter_unit = *leaf.meter.unit;
  options.meter_positive_is_export = leaf.meter.positive_is_export;
  return device::make_sunspec_driver(options);
}

fs::path control_socket(const RoleConfig& config) {
  return fs::path{config.run_dir} / "control.sock";
}

std::string market_module() {
  constexpr const char* kName = "vpp_http_market.so";
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / kName;
  if (!error && fs::exists(beside, error)) return beside.string();
  const fs::path packaged = beside.parent_path().parent_path() / "lib" / "vpp" / kName;
  return fs::exists(packaged, error) ? packaged.string() : beside.string();
}

}  // namespace vpp::driver
