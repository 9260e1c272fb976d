#include "daemon/driver/parts_of_config.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "bidding/bid_formats.h"
#include "bidding/price_outlook.h"
#include "bidding/zone_database.h"
#include "daemon/driver/record_json.h"
#include "daemon/driver/worker_hub.h"
#include "device/sunspec_modbus.h"

namespace vpp::driver {
namespace {

namespace fs = std::filesystem;

/// Two days: one to look at, and one that looks alike.
constexpr std::size_t kExternalHoursMin = 48;

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

std::optional<node::WorkerOptions> workers_of(const RootConfig& root) {
  if (!asks_workers(root)) return std::nullopt;
  node::WorkerOptions out;
  out.model = root.forecast.model;
  if (root.optimise.external) out.optimiser = root.optimise.model;
  out.history_hours = static_cast<std::size_t>(root.forecast.history_days) * 24;
  out.hours_min = root.forecast.external ? kExternalHoursMin : bidding::kOutlookHoursMin;
  if (root.workers) out.queue.lease = root.workers->lease;
  out.codec = task_codec();
  return out;
}

/// By the format that bids have there.
bidding::BidLimits limits_of(BidFormat format) {
  if (format == BidFormat::kOwn) return {};
  const bool caiso = format == BidFormat::kCaiso;
  const bidding::ShapeRules& rules = caiso ? bidding::kCaisoRules : bidding::kAemoRules;
  return {caiso ? bidding::kCurveStepsMax : bidding::kBands, rules.price_min, rules.price_max};
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

bidding::openadr::Rule rule_of(const OpenAdrRuleConfig& config) {
  bidding::openadr::Rule out{.payload = config.payload, .scope = {config.program, config.group}};
  out.positive = config.positive_is_export ? bidding::openadr::Positive::kExport
                                           : bidding::openadr::Positive::kImport;
  if (config.payload == "SIMPLE") {
    out.levels = {Watts{0}};
    out.levels.insert(out.levels.end(), config.levels.begin(), config.levels.end());
  } else if (config.power) {
    out.levels = {*config.power};
  }
  out.per_tonne = config.per_tonne;
  return out;
}

bidding::openadr::Version version_of(const OpenAdrConfig& config) {
  return config.version == "3.0" ? bidding::openadr::Version::k30 : bidding::openadr::Version::k31;
}

bidding::openadr::VenOptions ven_options(const OpenAdrConfig& config, bool real_time) {
  bidding::openadr::VenOptions out{.ven_name = config.ven_name, .version = version_of(config)};
  out.credentials = !config.client_id.empty();
  out.programs = config.programs;
  for (const OpenAdrRuleConfig& rule : config.rules) out.rules.push_back(rule_of(rule));
  out.poll = config.poll;
  out.compare_clock = real_time;
  return out;
}

/// Beside the program, or as packaged.
std::string module_named(const char* name) {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / name;
  if (!error && fs::exists(beside, error)) return beside.string();
  const fs::path packaged = beside.parent_path().parent_path() / "lib" / "vpp" / name;
  return fs::exists(packaged, error) ? packaged.string() : beside.string();
}

}  // namespace

bool asks_workers(const RootConfig& root) {
  return root.market && (root.forecast.model != bidding::kNaiveModel || root.optimise.external);
}

bidding::WorkflowOptions bidding_options(const RoleConfig& config) {
  bidding::WorkflowOptions out;
  const auto* root = std::get_if<RootConfig>(&config.of_role);
  out.enabled = root != nullptr && root->market;
  if (!out.enabled) return out;
  out.price_min = root->market->price_min;
  out.firm_permille = root->market->firm_permille;
  out.owner_share_permille = root->market->owner_share_permille;
  out.strategy = root->market->strategy;
  out.reserve = root->market->reserve;
  out.called_permille = root->market->called_permille;
  out.limits = limits_of(root->market->format);
  if (root->optimise.external) out.optimiser = root->optimise.model;
  if (root->forecast.model != bidding::kNaiveModel) {
    out.history = std::max(out.history, std::chrono::days{root->forecast.history_days});
  }
  return out;
}

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
    if (root->openadr) out.openadr = ven_options(*root->openadr, !config.time);
  }
  if (const auto* leaf = std::get_if<LeafConfig>(&config.of_role)) {
    out.subscriptions = subscriptions_of(*leaf, config.time);
    out.groups = leaf->groups;
    out.follows = follower_of(*leaf);
  }
  out.bidding = bidding_options(config);
  if (const auto* root = std::get_if<RootConfig>(&config.of_role)) {
    out.root = root_options(*root);
    out.workers = workers_of(*root);
  }
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

std::expected<bidding::openadr::VtnOptions, std::string> vtn_options(const OpenAdrConfig& config) {
  bidding::openadr::VtnOptions out{.url = config.url,
                                   .version = version_of(config),
                                   .client_id = config.client_id,
                                   .client_secret = {},
                                   .ca_file = config.ca_file,
                                   .targets = config.targets};
  if (config.client_secret_file.empty()) return out;
  std::ifstream file{config.client_secret_file};
  if (!std::getline(file, out.client_secret) || out.client_secret.empty()) {
    return std::unexpected{"openadr.client_secret_file: " + config.client_secret_file +
                           " cannot be read, or its first line is empty"};
  }
  return out;
}

std::expected<bidding::Zone, std::string> baseline_zone(const RoleConfig& config) {
  const auto* root = std::get_if<RootConfig>(&config.of_role);
  if (root == nullptr || root->baseline.zone == BaselineConfig{}.zone) return bidding::Zone{};
  auto zone = bidding::zone_named(root->baseline.zone);
  if (!zone) return std::unexpected{"baseline.zone: " + zone.error()};
  return zone;
}

std::string market_module() {
  return module_named("vpp_http_market.so");
}

std::string solver_module() {
  return module_named("vpp_clp.so");
}

}  // namespace vpp::driver
