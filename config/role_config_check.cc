// What must hold in a role config, rule by rule.
#include <algorithm>
#include <string>

#include "config/role_config.h"
#include "config/scope.h"

namespace vpp {
namespace {

constexpr const char* kNameHint = "1 to 32 of a-z, 0-9, '-', '_' and '.'";

/// 1970 to 2200: what is outside is a slip of the keyboard.
constexpr std::int64_t kTimeMaxMs = 7'258'118'400'000;

class Checker {
 public:
  void common(const RoleConfig& config);
  void role(const LeafConfig& leaf);
  void role(const AggregatorConfig& group);
  void role(const RootConfig& root);

  std::vector<ConfigProblem> take() { return std::move(problems_); }

 private:
  void add(std::string key, std::string cause, std::string hint) {
    problems_.push_back({std::move(key), std::move(cause), std::move(hint)});
  }
  void label(std::string_view key, std::string_view value);
  void not_empty(std::string_view key, std::string_view value);
  void within(std::string_view key, std::int64_t value, std::int64_t least, std::int64_t most,
              std::string_view unit);
  void percentage(std::string_view key, std::int64_t permille, std::int64_t least_permille);
  void peer(const std::string& key, std::string_view address);
  void parents(std::span<const Endpoint> parents);
  void endpoints(std::string_view section, std::span<const Endpoint> list, std::size_t most);
  void url(const std::string& key, std::string_view url);
  void etcd(const EtcdConfig& etcd);
  void listen(const ListenConfig& listen);
  void unit(std::string_view key, std::uint8_t unit);
  void device(const DeviceConfig& device);
  void site(const SiteConfig& site);
  void programs(std::span<const ProgramConfig> programs);
  void groups(std::span<const std::string> groups);
  void frequency(const FrequencyConfig& frequency);
  void feeder(const FeederConfig& feeder);
  void peak(const PeakConfig& peak);
  void dispatch(const DispatchConfig& dispatch);
  void price(const std::string& key, Price value, Price least);
  void values(const std::optional<ValuesConfig>& values);
  void tariff(const LeafConfig& leaf);
  void capacity(const CapacityConfig& capacity);
  void market(const MarketConfig& market);
  void openadr(const OpenAdrConfig& openadr);
  void rule(const std::string& key, const OpenAdrRuleConfig& rule);
  void forecast(const RootConfig& root);
  void optimise(const RootConfig& root);
  void workers(const WorkersConfig& workers);
  void time(const TimeConfig& time);

  std::vector<ConfigProblem> problems_;
};

std::string in_quotes(std::string_view text) {
  return "'" + std::string{text} + "'";
}

void Checker::label(std::string_view key, std::string_view value) {
  const bool control = std::ranges::any_of(
      value, [](char c) { return static_cast<unsigned char>(c) < 0x20U || c == 0x7f; });
  if (control) add(std::string{key}, "has a control character", "it is shown to people");
  if (value.size() > limits::kNameBytesMax) {
    add(std::string{key}, "has " + std::to_string(value.size()) + " bytes",
        "at most " + std::to_string(limits::kNameBytesMax));
  }
}

void Checker::not_empty(std::string_view key, std::string_view value) {
  if (value.empty()) add(std::string{key}, "is empty", "leave the key out or give it a value");
}

void Checker::within(std::string_view key, std::int64_t value, std::int64_t least,
                     std::int64_t most, std::string_view unit) {
  if (value >= least && value <= most) return;
  add(std::string{key}, "is out of range: " + std::to_string(value),
      std::to_string(least) + " to " + std::to_string(most) + std::string{unit});
}

void Checker::percentage(std::string_view key, std::int64_t permille, std::int64_t least_permille) {
  if (permille >= least_permille && permille <= 1000) return;
  add(std::string{key}, "is out of range: " + std::to_string(permille / 10) + " %",
      (least_permille == 0 ? "0" : "above 0") + std::string{" to 100 %"});
}

void Checker::peer(const std::string& key, std::string_view address) {
  const auto at = parse_tcp_address(address);
  if (!at || at->port == 0 || address.size() > limits::kAddressBytesMax) {
    add(key, "is not an address: " + in_quotes(address), "\"tcp://host:port\", port 1 to 65535");
  } else if (is_any_host(at->host)) {
    add(key, "names no host: " + in_quotes(address), "the name or address that others connect to");
  }
}

void Checker::parents(std::span<const Endpoint> parents) {
  if (parents.empty()) {
    add("parents", "names no parent", "add [[parents]] with address and server_key");
  }
  endpoints("parents", parents, limits::kSeedsMax);
}

void Checker::endpoints(std::string_view section, std::span<const Endpoint> list,
                        std::size_t most) {
  const std::string name{section};
  if (list.size() > most) {
    add(name, "names " + std::to_string(list.size()) + " " + name,
        "at most " + std::to_string(most));
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string key = name + "[" + std::to_string(i) + "]";
    peer(key + ".address", list[i].address);
    if (list[i].server_key == CurveKey{}) {
      add(key + ".server_key", "is the zero key", "its own: `vppctl certs show`");
    }
    const auto earlier = list.first(i);
    if (std::ranges::find(earlier, list[i].address, &Endpoint::address) != earlier.end()) {
      add(key + ".address", "is named twice: " + in_quotes(list[i].address), "remove one of them");
    }
  }
}

void Checker::listen(const ListenConfig& listen) {
  const auto bound = parse_tcp_address(listen.address);
  if (!bound || bound->port == 0 || listen.address.size() > limits::kAddressBytesMax) {
    add("listen.address", "is not an address: " + in_quotes(listen.address),
        "\"tcp://host:port\", or \"tcp://*:port\" for every interface");
  }
  if (listen.advertise == listen.address && bound && is_any_host(bound->host)) {
    add("listen.advertise", "is required when 'listen.address' is every interface",
        "the name or address that children connect to");
  } else if (listen.advertise != listen.address) {
    peer("listen.advertise", listen.advertise);
  }
}

void Checker::unit(std::string_view key, std::uint8_t unit) {
  // 255 is what gateways take for "the one behind this address"; 0 is broadcast.
  if (unit != 255) within(key, unit, 1, 247, ", or 255");
}

void Checker::device(const DeviceConfig& device) {
  if (device.port == 0 || is_any_host(device.host)) {
    add("device.address",
        "is not an address: " + in_quotes(device.host + ":" + std::to_string(device.port)),
        "\"host:port\" of the device");
  }
  unit("device.unit", device.unit);
  within("device.poll_ms", device.poll.count(), limits::kPollMin.count(), limits::kPollMax.count(),
         " ms");
}

void Checker::site(const SiteConfig& site) {
  const std::int64_t power_max = limits::kSitePowerMax.count;
  percentage("site.reserve_pct", site.reserve_permille, 0);
  within("site.discharge_max_w", site.discharge_max.count, 0, power_max, " W");
  within("site.charge_max_w", site.charge_max.count, 0, power_max, " W; it has no sign");
  within("site.export_max_w", site.export_max.count, 0, power_max, " W");
  within("site.import_max_w", site.import_max.count, 0, power_max, " W; it has no sign");
  within("site.ramp_w_per_s", site.ramp_w_per_s, 1, power_max, " W/s");
  percentage("site.charge_efficiency_pct", site.charge_efficiency_permille, 1);
  percentage("site.discharge_efficiency_pct", site.discharge_efficiency_permille, 1);
  within("site.own_use_wh", site.own_use.count, 0, limits::kSiteEnergyMax.count, " Wh");
  within("site.min_power_w", site.power_min.count, 0, power_max, " W; it has no sign");
  const auto minutes = [](Duration d) { return d / std::chrono::minutes{1}; };
  within("site.net_load_window_min", site.net_load_window.count(),
         minutes(limits::kNetLoadWindowMin), minutes(limits::kNetLoadWindowMax), " minutes");
}

void Checker::programs(std::span<const ProgramConfig> programs) {
  if (programs.size() > limits::kProgramsMax) {
    add("programs", "names " + std::to_string(programs.size()) + " programs",
        "at most " + std::to_string(limits::kProgramsMax));
  }
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const ProgramConfig& program = programs[i];
    const std::string key = "programs[" + std::to_string(i) + "]";
    if (!is_program_name(program.name)) {
      add(key + ".name", "is no name of a program: " + in_quotes(program.name), kNameHint);
    }
    const auto earlier = programs.first(i);
    if (std::ranges::find(earlier, program.name, &ProgramConfig::name) != earlier.end()) {
      add(key + ".name", "is named twice: " + in_quotes(program.name), "remove one of them");
    }
    percentage(key + ".reserve_pct", program.reserve_permille, 0);
    within(key + ".priority", program.priority, 0, 1'000, "");
    if (program.from && program.until && *program.until <= *program.from) {
      add(key + ".until", "is not after 'from'", "the program would never be served");
    }
  }
}

void Checker::groups(std::span<const std::string> groups) {
  if (groups.size() > limits::kGroupsMax) {
    add("groups", "names " + std::to_string(groups.size()) + " groups",
        "at most " + std::to_string(limits::kGroupsMax));
  }
  for (const std::string& group : groups) {
    if (is_group(group)) continue;
    add("groups." + std::string{key_of(group)}, "is no group: " + in_quotes(group),
        "a key of 1 to 32 of a-z, 0-9, '-', '_' and '.', a value of 1 to 64 bytes without blanks");
  }
}

void Checker::frequency(const FrequencyConfig& frequency) {
  if (frequency.nominal_hz != 50 && frequency.nominal_hz != 60) {
    add("frequency.nominal_hz", "is no grid's: " + std::to_string(frequency.nominal_hz),
        "50 or 60");
  }
  within("frequency.dead_band_mhz", frequency.dead_band_mhz, 0, limits::kFullAtMaxMhz - 1, " mHz");
  if (frequency.dead_band_mhz >= 0 && frequency.dead_band_mhz < limits::kFullAtMaxMhz) {
    within("frequency.full_at_mhz", frequency.full_at_mhz, frequency.dead_band_mhz + 1,
           limits::kFullAtMaxMhz, " mHz: beyond the dead band");
  }
  within("frequency.poll_ms", frequency.poll.count(), limits::kPollMin.count(),
         limits::kFrequencyPollMax.count(), " ms");
}

void Checker::feeder(const FeederConfig& feeder) {
  const auto limit = [&](std::string_view key, std::optional<Watts> value) {
    if (value) within(key, value->count, 0, limits::kGroupPowerMax.count, " W");
  };
  limit("feeder.export_max_w", feeder.export_max);
  limit("feeder.import_max_w", feeder.import_max);
  within("feeder.site_max_w", feeder.site_max.count, 0, limits::kSitePowerMax.count, " W");
}

void Checker::peak(const PeakConfig& peak) {
  within("peak.target_w", peak.target.count, 0, limits::kGroupPowerMax.count, " W");
  if (peak.program == kDefaultProgram) {
    add("peak.program", "is the plant's own: " + in_quotes(peak.program),
        "another name, which the homes list in [[programs]] as well");
  } else if (!is_program_name(peak.program)) {
    add("peak.program", "is no name of a program: " + in_quotes(peak.program), kNameHint);
  }
}

void Checker::price(const std::string& key, Price value, Price least) {
  if (value >= least && value <= limits::kPriceMax) return;
  add(key, "is out of range",
      (least > Price{0}    ? "above 0"
       : least == Price{0} ? "0"
                           : "-1000000") +
          std::string{" to 1000000 per MWh"});
}

void Checker::values(const std::optional<ValuesConfig>& values) {
  if (!values) return;
  within("values.target_w", values->target.count, -limits::kGroupPowerMax.count,
         limits::kGroupPowerMax.count, " W");
  price("values.price_max", values->price_max, Price{1});
  price("values.per_kw", values->per_kw, Price{1});
  const std::int64_t slot = values->slot.count();
  if (slot != 15 && slot != 30 && slot != 60) {
    add("values.slot_min", "is out of range: " + std::to_string(slot), "15, 30 or 60");
  }
  within("values.slots", values->slots, 1, static_cast<std::int64_t>(limits::kValueSlotsMax), "");
  within("values.interval_s", values->interval.count(), 2, 3'600, " s");
  within("values.hold_min", values->hold.count(), std::max<std::int64_t>(slot, 15), 24 * 60,
         " minutes: a slot or longer");
}

void Checker::tariff(const LeafConfig& leaf) {
  price("values.most_per_mwh", leaf.values.most, Price{0});
  if (leaf.values.follow && !leaf.tariff) {
    add("values.follow", "needs the owner's tariff", "add [tariff], or write false");
  }
  if (!leaf.tariff) return;
  const TariffConfig& tariff = *leaf.tariff;
  price("tariff.buy", tariff.buy, -limits::kPriceMax);
  price("tariff.sell", tariff.sell, -limits::kPriceMax);
  if (tariff.stored_value) price("tariff.stored_value", *tariff.stored_value, -limits::kPriceMax);
  const auto quarters = [&](const std::string& key, std::chrono::minutes value) {
    if (value.count() % 15 == 0) return;
    add(key, "is no whole quarter of an hour", "such as \"17:15\"");
  };
  within("tariff.utc_offset_min", tariff.utc_offset.count(), -14 * 60, 14 * 60, " minutes");
  quarters("tariff.utc_offset_min", tariff.utc_offset);
  if (tariff.periods.size() > limits::kTariffPeriodsMax) {
    add("tariff.periods", "are " + std::to_string(tariff.periods.size()),
        "at most " + std::to_string(limits::kTariffPeriodsMax));
  }
  for (std::size_t i = 0; i < tariff.periods.size(); ++i) {
    const std::string key = "tariff.periods[" + std::to_string(i) + "]";
    quarters(key + ".from", tariff.periods[i].from);
    quarters(key + ".until", tariff.periods[i].until);
    price(key + ".buy", tariff.periods[i].buy, -limits::kPriceMax);
    price(key + ".sell", tariff.periods[i].sell, -limits::kPriceMax);
  }
}

void Checker::dispatch(const DispatchConfig& dispatch) {
  const auto seconds = [](Duration d) { return d / std::chrono::seconds{1}; };
  within("dispatch.cut_off_hold_s", seconds(dispatch.cut_off_hold), seconds(limits::kCutOffHoldMin),
         seconds(limits::kSetPointTtlMax), " s");
}

void Checker::url(const std::string& key, std::string_view url) {
  const std::size_t skip = url.starts_with("http://") ? 7 : url.starts_with("https://") ? 8 : 0;
  const bool printable =
      std::ranges::all_of(url, [](char c) { return c > 0x20 && c < 0x7f && c != '"'; });
  if (skip == 0 || url.size() == skip || url[skip] == '/' || !printable) {
    add(key, "is not a URL: " + in_quotes(url), "\"http://host:port\" or \"https://host\"");
  } else if (url.substr(0, url.find('/', skip)).find('@') != std::string_view::npos) {
    add(key, "holds a password or a user", "secrets are given as files only");
  }
}

void Checker::etcd(const EtcdConfig& etcd) {
  if (etcd.endpoints.empty()) {
    add("etcd.endpoints", "names no member of etcd", "[\"http://127.0.0.1:2379\"]");
  }
  if (etcd.endpoints.size() > limits::kEtcdEndpointsMax) {
    add("etcd.endpoints", "names " + std::to_string(etcd.endpoints.size()) + " members",
        "at most " + std::to_string(limits::kEtcdEndpointsMax));
  }
  for (std::size_t i = 0; i < etcd.endpoints.size(); ++i) {
    url("etcd.endpoints[" + std::to_string(i) + "]", etcd.endpoints[i]);
  }
  not_empty("etcd.key", etcd.key);
  label("etcd.key", etcd.key);
}

void Checker::capacity(const CapacityConfig& capacity) {
  constexpr std::int64_t kLeast = 500;  // below it is no promise
  constexpr std::int64_t kMost = 999;   // nobody is certain
  if (capacity.confidence_permille < kLeast || capacity.confidence_permille > kMost) {
    add("capacity.confidence_pct", "is out of range", "50 to 99.9");
  }
}

void Checker::market(const MarketConfig& market) {
  url("market.url", market.url);
  constexpr std::int64_t kPriceMax = 1'000'000;  // per MWh: 50 times the highest cap of a market
  if (market.price_min > Price{kPriceMax * 1'000'000} ||
      market.price_min < Price{-kPriceMax * 1'000'000}) {
    add("market.price_min", "is out of range", "-1000000 to 1000000 per MWh");
  }
  percentage("market.firm_pct", market.firm_permille, 1);
  percentage("market.owner_share_pct", market.owner_share_permille, 0);
  percentage("market.called_pct", market.called_permille, 0);
  if (market.reserve && market.format != BidFormat::kOwn) {
    add("market.reserve", "is bid in segments only", "format = \"own\", or reserve = false");
  }
}

void Checker::openadr(const OpenAdrConfig& openadr) {
  url("openadr.url", openadr.url);
  if (openadr.version != "3.1" && openadr.version != "3.0") {
    add("openadr.version", "is not known: '" + openadr.version + "'", "\"3.1\" or \"3.0\"");
  }
  if (openadr.ven_name.empty() || openadr.ven_name.size() > 128) {
    add("openadr.ven_name", "is not a name", "1 to 128 bytes");
  }
  if (openadr.client_id.empty() != openadr.client_secret_file.empty()) {
    add("openadr.client_id", "goes together with client_secret_file", "give both, or none");
  }
  within("openadr.poll_s", openadr.poll.count(), 1, 3'600, " s");
  constexpr std::size_t kRulesMost = 64;
  if (openadr.rules.size() > kRulesMost) {
    add("openadr.obey", "has too many entries", "at most 64");
  }
  for (std::size_t i = 0; i < openadr.rules.size(); ++i) {
    rule("openadr.obey[" + std::to_string(i) + "].", openadr.rules[i]);
  }
}

void Checker::rule(const std::string& key, const OpenAdrRuleConfig& rule) {
  static constexpr std::array<std::string_view, 9> kKnown{"SIMPLE",
                                                          "DISPATCH_SETPOINT",
                                                          "DISPATCH_SETPOINT_RELATIVE",
                                                          "CONTROL_SETPOINT",
                                                          "CHARGE_STATE_SETPOINT",
                                                          "PRICE",
                                                          "EXPORT_PRICE",
                                                          "GHG",
                                                          "IMPORT_CAPACITY_LIMIT"};
  const bool known = std::ranges::find(kKnown, rule.payload) != kKnown.end() ||
                     rule.payload == "EXPORT_CAPACITY_LIMIT" || rule.payload.starts_with("ALERT_");
  if (!known) {
    add(key + "payload", "cannot be obeyed: '" + rule.payload + "'",
        "see docs/openadr.md for those that can");
  }
  if (!is_program_name(rule.program)) {
    add(key + "program", "is no name of a program: '" + rule.program + "'", "as in [[programs]]");
  }
  if (!rule.group.empty() && !is_group(rule.group)) {
    add(key + "group", "is no group: '" + rule.group + "'", "\"key=value\"");
  }
  const bool beyond = std::ranges::any_of(rule.levels, [](Watts level) {
    return level > limits::kGroupPowerMax || level < -limits::kGroupPowerMax;
  });
  if (beyond) add(key + "level_1_w", "is beyond any fleet", "at most 10 GW, for every level");
  if (rule.payload == "SIMPLE" && rule.levels.empty()) {
    add(key + "level_1_w", "is missing", "the watts of level 1; discharge > 0");
  }
  if (rule.power) {
    within(key + "power_w", rule.power->count, -limits::kGroupPowerMax.count,
           limits::kGroupPowerMax.count, " W");
  }
  price(key + "price_per_tonne", rule.per_tonne, Price{0});
}

void Checker::forecast(const RootConfig& root) {
  const ForecastConfig& forecast = root.forecast;
  const std::string_view model = forecast.model;
  constexpr std::int64_t kHistoryDaysMin = 8;      // a week, and a day of slack
  constexpr std::int64_t kHistoryDaysMax = 1'500;  // four years: as the published models
  within("forecast.history_days", forecast.history_days, kHistoryDaysMin, kHistoryDaysMax, "");
  not_empty("forecast.model", model);
  label("forecast.model", model);
  const bool ours = model == "naive" || model == "lear" || model == "ensemble";
  if (!forecast.external && !ours) {
    add("forecast.model", "is unknown: " + in_quotes(model),
        "\"naive\", \"lear\" or \"ensemble\"; others are for worker = \"external\"");
  }
  if (forecast.external && model == "naive") {
    add("forecast.model", "leaves nothing to ask an external worker for",
        "the name of the worker's model, or worker = \"in-process\"");
  }
  if (forecast.external && !root.workers) {
    add("forecast.worker", "is \"external\", but there is no section [workers]",
        "[workers] listen = \"ipc:///run/vpp/workers.sock\"");
  }
}

void Checker::optimise(const RootConfig& root) {
  const OptimiseConfig& optimise = root.optimise;
  const bool own = optimise.model == "own";
  not_empty("optimise.model", optimise.model);
  label("optimise.model", optimise.model);
  if (!optimise.external && !own) {
    add("optimise.model", "is unknown: " + in_quotes(optimise.model),
        "\"own\"; others are for worker = \"external\"");
  }
  if (optimise.external && own) {
    add("optimise.model", "leaves nothing to ask an external worker for",
        "the name of the worker's model, or worker = \"in-process\"");
  }
  if (optimise.external && !root.workers) {
    add("optimise.worker", "is \"external\", but there is no section [workers]",
        "[workers] listen = \"ipc:///run/vpp/workers.sock\"");
  }
}

/// Nobody proves who they are there, so that only this machine may come near.
void Checker::workers(const WorkersConfig& workers) {
  constexpr std::string_view kIpc = "ipc:///";
  constexpr std::size_t kIpcBytesMax = 100;  // a path of a Unix socket has 107 at most
  constexpr std::int64_t kLeaseMaxSeconds = 600;
  const auto tcp = parse_tcp_address(workers.listen);
  const bool file = workers.listen.starts_with(kIpc) && workers.listen.size() > kIpc.size() &&
                    workers.listen.size() <= kIpcBytesMax;
  label("workers.listen", workers.listen);
  if (!file && !(tcp && is_loopback(tcp->host))) {
    add("workers.listen", "is no address of this machine alone: " + in_quotes(workers.listen),
        "\"ipc:///run/vpp/workers.sock\" or \"tcp://127.0.0.1:7750\"");
  }
  within("workers.lease_s", workers.lease.count(), 1, kLeaseMaxSeconds, " s");
}

void Checker::time(const TimeConfig& time) {
  within("time.speed", time.speed, 1, limits::kMarketSpeedMax, "");
  const auto in_range = [](std::int64_t ms) { return ms >= 0 && ms < kTimeMaxMs; };
  if (!in_range(time.anchor_utc.time_since_epoch().count())) {
    add("time.anchor_utc", "is out of range", "1970 to 2199");
  }
  if (!in_range(time.anchor_market.time_since_epoch().count())) {
    add("time.anchor_market", "is out of range", "1970 to 2199");
  }
}

void Checker::common(const RoleConfig& config) {
  not_empty("name", config.name);
  label("name", config.name);
  label("region", config.region);
  not_empty("state_dir", config.state_dir);
  not_empty("run_dir", config.run_dir);
  not_empty("identity.key", config.identity.key);
  not_empty("identity.certificate", config.identity.certificate);
  not_empty("identity.fleet_key", config.identity.fleet_key);
  if (config.http && !is_loopback(config.http->host)) {
    add("http.address", "is not loopback: " + in_quotes(config.http->host),
        "\"127.0.0.1:port\"; put a proxy with authentication before it for others");
  }
  if (config.time) time(*config.time);
}

void Checker::role(const LeafConfig& leaf) {
  parents(leaf.parents);
  device(leaf.device);
  if (leaf.meter.unit) unit("meter.unit", *leaf.meter.unit);
  site(leaf.site);
  programs(leaf.programs);
  groups(leaf.groups);
  frequency(leaf.frequency);
  tariff(leaf);
}

void Checker::role(const AggregatorConfig& group) {
  parents(group.parents);
  if (group.link == LinkKind::kCellular) {
    add("link", "is not for an aggregator: 'cellular'",
        "\"lan\" or \"wan\": every home below would wait for its line");
  }
  listen(group.listen);
  feeder(group.feeder);
  if (group.peak) peak(*group.peak);
  values(group.values);
  for (std::size_t i = 0; i < group.parents.size(); ++i) {
    const std::string& parent = group.parents[i].address;
    if (parent != group.listen.advertise && parent != group.listen.address) continue;
    add("parents[" + std::to_string(i) + "].address", "is this node itself: " + in_quotes(parent),
        "a parent is another node, nearer to the root");
  }
}

void Checker::role(const RootConfig& root) {
  listen(root.listen);
  dispatch(root.dispatch);
  capacity(root.capacity);
  values(root.values);
  if (root.market) market(*root.market);
  if (root.openadr) openadr(*root.openadr);
  not_empty("baseline.zone", root.baseline.zone);
  label("baseline.zone", root.baseline.zone);
  forecast(root);
  optimise(root);
  if (root.workers) workers(*root.workers);
  if (root.etcd) etcd(*root.etcd);
  if (!root.etcd && !root.peers.empty()) {
    add("peers", "names other roots, but nothing decides which one leads",
        "lease = \"etcd\" and [etcd], or remove [[peers]]");
  }
  endpoints("peers", root.peers, limits::kRootPeersMax);
  const auto most = static_cast<std::int64_t>(std::max<std::size_t>(root.peers.size(), 1));
  within("journal.copies", root.journal_copies, 1, most, ", the number of [[peers]]");
}

}  // namespace

std::vector<ConfigProblem> check(const RoleConfig& config) {
  Checker checker;
  checker.common(config);
  std::visit([&](const auto& of_role) { checker.role(of_role); }, config.of_role);
  return checker.take();
}

}  // namespace vpp
