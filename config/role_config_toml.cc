#include "config/role_config_toml.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <tuple>
#include <utility>

#include "config/config_findings.h"
#include "config/toml_section.h"
#include "config/z85.h"

namespace vpp {
namespace {

constexpr std::string_view kDirectoryHint = "a directory, in quotes";
constexpr std::string_view kKeyHint = "the file that `vppd keygen` made";
constexpr std::string_view kCertificateHint = "the file that `vppctl certs sign` made";
constexpr std::string_view kFleetKeyHint =
    "the fleet authority's public key, which `vppctl certs init` made";

// --- sections --------------------------------------------------------------------------------

void read(TomlSection section, IdentityConfig& into) {
  section.take_required("key", into.key, kKeyHint);
  section.take_required("certificate", into.certificate, kCertificateHint);
  section.take_required("fleet_key", into.fleet_key, kFleetKeyHint);
  section.finish();
}

void read(TomlSection section, ListenConfig& into) {
  constexpr std::string_view kHint = "\"tcp://host:port\"";
  section.take_required("address", into.address, kHint);
  into.advertise = into.address;
  section.take("advertise", into.advertise, kHint);
  section.finish();
}

void read(TomlSection section, HttpConfig& into) {
  constexpr std::string_view kHint = "\"127.0.0.1:9470\"";
  section.take_host_port("address", kHint, into.host, into.port);
  section.finish();
}

void read(TomlSection section, LogLevel& into) {
  constexpr std::string_view kHint = "trace, debug, info, warning or error";
  std::string name;
  if (const toml::node* node = section.take("level", name, kHint)) {
    if (const auto level = parse_log_level(name)) {
      into = *level;
    } else {
      section.wrong("level", *node, "is unknown: '" + name + "'", kHint);
    }
  }
  section.finish();
}

void read(TomlSection section, TimeConfig& into) {
  section.take_whole("speed", into.speed);
  section.take_time("anchor_utc", into.anchor_utc);
  section.take_time("anchor_market", into.anchor_market);
  section.finish();
}

void read(TomlSection section, DeviceConfig& into) {
  constexpr std::string_view kDriverHint = "\"sunspec\"";
  constexpr std::string_view kAddressHint = "\"host:port\"; Modbus TCP is port 502";
  std::string driver;
  const toml::node* node = section.take_required("driver", driver, kDriverHint);
  if (node != nullptr && driver != "sunspec") {
    section.wrong("driver", *node, "is unknown: '" + driver + "'", kDriverHint);
  }
  section.take_host_port("address", kAddressHint, into.host, into.port);
  section.take_whole("unit", into.unit);
  std::int64_t poll_ms = into.poll.count();
  section.take_whole("poll_ms", poll_ms);
  into.poll = std::chrono::milliseconds{poll_ms};
  section.finish();
}

void read(TomlSection section, MeterConfig& into) {
  constexpr std::string_view kHint = "\"import\" or \"export\"";
  if (section.find("unit") != nullptr) {
    into.unit = std::uint8_t{0};  // of a wrong type: refused as well
    section.take_whole("unit", *into.unit);
  }
  std::string positive = "import";
  const toml::node* node = section.take("positive", positive, kHint);
  into.positive_is_export = positive == "export";
  if (node != nullptr && !into.positive_is_export && positive != "import") {
    section.wrong("positive", *node, "is unknown: '" + positive + "'", kHint);
  }
  section.finish();
}

void read(TomlSection section, SiteConfig& into) {
  section.take_pct("reserve_pct", into.reserve_permille);
  section.take_watts("discharge_max_w", into.discharge_max);
  section.take_watts("charge_max_w", into.charge_max);
  section.take_watts("export_max_w", into.export_max);
  section.take_watts("import_max_w", into.import_max);
  section.take_whole("ramp_w_per_s", into.ramp_w_per_s);
  // What fills up sooner than thought breaks a promise, as what runs out sooner does.
  section.take_pct("charge_efficiency_pct", into.charge_efficiency_permille, Pick::kMost);
  section.take_pct("discharge_efficiency_pct", into.discharge_efficiency_permille, Pick::kLeast);
  section.take_whole("own_use_wh", into.own_use.count);
  section.take_watts("min_power_w", into.power_min);
  std::int64_t window_min = into.net_load_window.count();
  section.take_whole("net_load_window_min", window_min);
  into.net_load_window = std::chrono::minutes{window_min};
  section.finish();
}

void read(TomlSection section, FrequencyConfig& into) {
  section.take_whole("nominal_hz", into.nominal_hz);
  section.take_whole("dead_band_mhz", into.dead_band_mhz);
  section.take_whole("full_at_mhz", into.full_at_mhz);
  std::int32_t droop_permille = 0;
  if (const toml::node* node = section.find("droop_pct")) {
    section.take_pct("droop_pct", droop_permille);
    if (section.find("full_at_mhz") != nullptr) {
      section.wrong("droop_pct", *node, "says the same as 'full_at_mhz'", "remove one of them");
    } else if (droop_permille < 1 || droop_permille > 100) {
      section.wrong("droop_pct", *node, "is out of range", "0.1 to 10 %");
    } else {  // a permille of a hertz is a millihertz
      into.full_at_mhz = static_cast<std::int32_t>(std::clamp<std::int64_t>(
          std::int64_t{into.dead_band_mhz} + std::int64_t{into.nominal_hz} * droop_permille,
          INT32_MIN, INT32_MAX));
    }
  }
  std::int64_t poll_ms = into.poll.count();
  section.take_whole("poll_ms", poll_ms);
  into.poll = std::chrono::milliseconds{poll_ms};
  section.finish();
}

void read(TomlSection section, FeederConfig& into) {
  const auto take = [&](const char* key, std::optional<Watts>& limit) {
    if (section.find(key) == nullptr) return;
    limit = Watts{-1};  // of a wrong type: refused as well
    section.take_watts(key, *limit);
  };
  take("export_max_w", into.export_max);
  take("import_max_w", into.import_max);
  section.take_watts("site_max_w", into.site_max);
  section.finish();
}

void read(TomlSection section, PeakConfig& into) {
  into.target = Watts{-1};  // absent or of a wrong type: refused as well
  if (section.require("target_w", "what the homes may together draw, in watts") != nullptr) {
    section.take_watts("target_w", into.target);
  }
  section.take("program", into.program);
  section.finish();
}

void read(TomlSection section, ValuesConfig& into) {
  section.require("target_w", "what the homes below are to draw together at the most");
  section.take_watts("target_w", into.target);
  section.require("price_max", "what a MWh beyond the target costs");
  section.take_price("price_max", into.price_max);
  into.per_kw = {into.price_max.count / 2};
  section.take_price("per_kw", into.per_kw);
  std::int64_t slot_min = into.slot.count();
  section.take_whole("slot_min", slot_min);
  into.slot = std::chrono::minutes{slot_min};
  section.take_whole("slots", into.slots);
  std::int64_t interval_s = into.interval.count();
  section.take_whole("interval_s", interval_s);
  into.interval = std::chrono::seconds{interval_s};
  std::int64_t hold_min = into.hold.count();
  section.take_whole("hold_min", hold_min);
  into.hold = std::chrono::minutes{hold_min};
  section.finish();
}

void read(TomlSection section, FollowConfig& into) {
  section.take_flag("follow", into.follow);
  section.take_price("most_per_mwh", into.most);
  section.finish();
}

void read(TomlSection section, TariffConfig& into) {
  section.require("buy", "of a MWh that is drawn, in the market's currency");
  section.take_price("buy", into.buy);
  section.take_price("sell", into.sell);
  if (section.find("stored_value") != nullptr) {
    section.take_price("stored_value", into.stored_value.emplace());
  }
  std::int64_t offset_min = 0;
  section.take_whole("utc_offset_min", offset_min);
  into.utc_offset = std::chrono::minutes{offset_min};
  for (TomlSection& period : section.take_sections("periods")) {
    TariffPeriodConfig& each = into.periods.emplace_back();
    each.buy = into.buy;
    each.sell = into.sell;
    period.take_time_of_day("from", each.from);
    period.take_time_of_day("until", each.until);
    period.take_price("buy", each.buy);
    period.take_price("sell", each.sell);
    period.finish();
  }
  section.finish();
}

void read(TomlSection section, DispatchConfig& into) {
  std::int64_t hold_s = into.cut_off_hold / std::chrono::seconds{1};
  section.take_whole("cut_off_hold_s", hold_s);
  into.cut_off_hold = std::chrono::seconds{std::clamp<std::int64_t>(hold_s, 0, 1'000'000)};
  section.finish();
}

void read(TomlSection section, CapacityConfig& into) {
  section.take_pct("confidence_pct", into.confidence_permille);
  section.finish();
}

void read(TomlSection section, MarketConfig& into) {
  constexpr std::string_view kHint = "\"http://host:port\"";
  section.take_required("url", into.url, kHint);
  section.take_scaled("price_min", 1'000'000, into.price_min.count);
  section.take_pct("firm_pct", into.firm_permille);
  section.take_pct("owner_share_pct", into.owner_share_permille);
  constexpr std::string_view kFormats = "\"own\", \"caiso\" or \"aemo\"";
  std::string format;
  if (const toml::node* node = section.take("format", format, kFormats)) {
    if (const auto known = parse_bid_format(format)) {
      into.format = *known;
    } else {
      section.wrong("format", *node, "is unknown: '" + format + "'", kFormats);
    }
  }
  constexpr std::string_view kStrategies = "\"segment\" or \"curve\"";
  std::string strategy;
  if (const toml::node* node = section.take("strategy", strategy, kStrategies)) {
    if (const auto known = parse_bid_strategy(strategy)) {
      into.strategy = *known;
    } else {
      section.wrong("strategy", *node, "is unknown: '" + strategy + "'", kStrategies);
    }
  }
  section.take_flag("reserve", into.reserve);
  section.take_pct("called_pct", into.called_permille);
  section.finish();
}

void read_rule(TomlSection section, OpenAdrRuleConfig& into) {
  section.take_required("payload", into.payload, "\"DISPATCH_SETPOINT\"");
  section.take("program", into.program);
  section.take("group", into.group);
  std::string positive = into.positive_is_export ? "export" : "import";
  const toml::node* node = section.take("positive", positive);
  if (node != nullptr && positive != "export" && positive != "import") {
    section.wrong("positive", *node, "is neither", "\"import\" or \"export\"");
  }
  into.positive_is_export = positive == "export";
  for (const char* key : {"level_1_w", "level_2_w", "level_3_w"}) {
    if (section.find(key) == nullptr) break;  // a later one is then unknown
    section.take_watts(key, into.levels.emplace_back());
  }
  if (section.find("power_w") != nullptr) section.take_watts("power_w", into.power.emplace());
  section.take_price("price_per_tonne", into.per_tonne);
  section.finish();
}

void read(TomlSection section, OpenAdrConfig& into) {
  section.take_required("url", into.url, "\"https://host/openadr3/3.1.0\"");
  section.take("version", into.version);
  section.take_required("ven_name", into.ven_name, "the name that the server knows");
  section.take("client_id", into.client_id);
  section.take("client_secret_file", into.client_secret_file);
  section.take("ca_file", into.ca_file);
  if (section.find("programs") != nullptr) {
    section.take_texts("programs", into.programs, "[\"peak-day\"]");
  }
  if (section.find("targets") != nullptr) {
    section.take_texts("targets", into.targets, "[\"group-1\"]");
  }
  std::int64_t poll_s = into.poll.count();
  section.take_whole("poll_s", poll_s);
  into.poll = std::chrono::seconds{poll_s};
  for (TomlSection& rule : section.take_sections("obey")) {
    read_rule(std::move(rule), into.rules.emplace_back());
  }
  section.finish();
}

void read(TomlSection section, BaselineConfig& into) {
  section.take("zone", into.zone, "\"Europe/Berlin\"");
  section.finish();
}

/// Who works on it: a thread of ours, or processes beside it.
void take_worker(TomlSection& section, bool& external) {
  constexpr std::string_view kWorkerHint = "\"in-process\" or \"external\"";
  std::string worker = "in-process";
  const toml::node* node = section.take("worker", worker, kWorkerHint);
  external = worker == "external";
  if (node != nullptr && !external && worker != "in-process") {
    section.wrong("worker", *node, "is unknown: '" + worker + "'", kWorkerHint);
  }
}

void read(TomlSection section, ForecastConfig& into) {
  section.take("model", into.model, "\"naive\", \"lear\" or \"ensemble\"");
  section.take_whole("history_days", into.history_days);
  take_worker(section, into.external);
  section.finish();
}

void read(TomlSection section, OptimiseConfig& into) {
  section.take("model", into.model, "\"own\", or the name of an external worker's model");
  take_worker(section, into.external);
  section.finish();
}

void read(TomlSection section, WorkersConfig& into) {
  section.take_required("listen", into.listen, "\"ipc:///run/vpp/workers.sock\"");
  std::int64_t lease_s = into.lease.count();
  section.take_whole("lease_s", lease_s);
  into.lease = std::chrono::seconds{std::clamp<std::int64_t>(lease_s, 0, 1'000'000)};
  section.finish();
}

void read(TomlSection section, EtcdConfig& into) {
  section.take_texts("endpoints", into.endpoints, "[\"http://127.0.0.1:2379\"]");
  section.take("key", into.key);
  section.finish();
}

/// [journal]
void read(TomlSection section, std::int64_t& copies) {
  section.take_whole("copies", copies);
  section.finish();
}

void read(TomlSection section, Endpoint& into) {
  constexpr std::string_view kServerKeyHint =
      "40 characters (Z85), that node's own: `vppctl certs show` prints it";
  section.take_required("address", into.address, "\"tcp://host:port\"");
  std::string text;
  if (const toml::node* node = section.take_required("server_key", text, kServerKeyHint)) {
    if (const auto key = parse_z85(text)) {
      into.server_key = *key;
    } else {
      section.wrong("server_key", *node,
                    "is not a key: it has " + std::to_string(text.size()) + " characters" +
                        (text.size() == kZ85KeyChars ? ", but not of Z85" : ""),
                    kServerKeyHint);
    }
  }
  section.finish();
}

void read(TomlSection section, ProgramConfig& into) {
  section.take_required("name", into.name, "as orders name it; \"energy\" is the default program");
  section.take_pct("reserve_pct", into.reserve_permille);
  section.take_whole("priority", into.priority);
  if (section.find("from") != nullptr) section.take_time("from", into.from.emplace());
  if (section.find("until") != nullptr) section.take_time("until", into.until.emplace());
  section.finish();
}

// --- the file --------------------------------------------------------------------------------

class FileReader {
 public:
  FileReader(const toml::table& root, ConfigFindings& findings)
      : top_{root, {}, findings}, findings_{findings} {}

  RoleConfig read_all();

 private:
  enum class Need : std::uint8_t { kRequired, kOptional, kForeign };

  std::optional<Role> read_role();
  /// The section as a table, if it is there and may be.
  const toml::table* section(std::string_view name, Need need);
  template <class T>
  bool read_section(std::string_view name, Need need, T& into);
  void read_endpoints(std::string_view name, Need need, std::vector<Endpoint>& into);
  template <class T>
  void read_list(std::string_view name, const toml::node& node, std::vector<T>& into);
  void read_programs(Need need, std::vector<ProgramConfig>& into);
  void read_groups(Need need, std::vector<std::string>& into);
  void read_lease(const std::optional<Role>& role, RootConfig& into);
  void read_link(const std::optional<Role>& role, LinkKind& into);
  void read_values(const std::optional<Role>& role, LeafConfig& leaf,
                   std::optional<ValuesConfig>& head);

  TomlSection top_;
  ConfigFindings& findings_;
  std::string role_name_ = "node of an unknown role";
};

std::optional<Role> FileReader::read_role() {
  constexpr std::string_view kHint = "\"leaf\", \"aggregator\" or \"root\"";
  std::string name;
  const toml::node* node = top_.take_required("role", name, kHint);
  if (node == nullptr) return std::nullopt;
  for (const Role role : {Role::kLeaf, Role::kAggregator, Role::kRoot}) {
    if (name != to_string(role)) continue;
    role_name_ = name;
    return role;
  }
  top_.wrong("role", *node, "is unknown: '" + name + "'", kHint);
  return std::nullopt;
}

const toml::table* FileReader::section(std::string_view name, Need need) {
  const toml::node* node = top_.find(name);
  const std::string title = "[" + std::string{name} + "]";
  if (node == nullptr) {
    if (need == Need::kRequired) {
      findings_.add(std::string{name}, "section " + title + " is missing",
                    "a " + role_name_ + " needs it");
    }
    return nullptr;
  }
  if (need == Need::kForeign) {
    findings_.add(std::string{name}, "section " + title + " is not for a " + role_name_,
                  "remove it, or change 'role'");
    return nullptr;
  }
  if (!node->is_table()) top_.wrong_type(name, *node, "a section", "write it as " + title);
  return node->as_table();
}

template <class T>
bool FileReader::read_section(std::string_view name, Need need, T& into) {
  const toml::table* table = section(name, need);
  if (table != nullptr) read(TomlSection{*table, std::string{name}, findings_}, into);
  return table != nullptr;
}

void FileReader::read_endpoints(std::string_view name, Need need, std::vector<Endpoint>& into) {
  const std::string title = "[[" + std::string{name} + "]]";
  const toml::node* node = top_.find(name);
  if (node == nullptr) {
    if (need == Need::kRequired) {
      findings_.add(std::string{name}, "section " + title + " is missing",
                    "a " + role_name_ + " needs at least one, with address and server_key");
    }
    return;
  }
  if (need == Need::kForeign) {
    const bool parents = name == "parents";
    findings_.add(std::string{name}, "section " + title + " is not for a " + role_name_,
                  std::string{parents ? "a root has nobody above it" : "only roots have peers"} +
                      "; remove the section, or change 'role'");
  } else {
    read_list(name, *node, into);
  }
}

template <class T>
void FileReader::read_list(std::string_view name, const toml::node& node, std::vector<T>& into) {
  const auto* list = node.as_array();
  if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
    top_.wrong_type(name, node, "a list of sections",
                    "write [[" + std::string{name} + "]] with double brackets, once for each");
    return;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = std::string{name} + "[" + std::to_string(i) + "]";
    const toml::table& entry = *list->get(i)->as_table();
    findings_.stands(path, place_of(entry.source().begin));
    read(TomlSection{entry, path, findings_}, into.emplace_back());
  }
}

void FileReader::read_programs(Need need, std::vector<ProgramConfig>& into) {
  const toml::node* node = top_.find("programs");
  if (node == nullptr) return;
  if (need == Need::kForeign) {
    findings_.add("programs", "section [[programs]] is not for a " + role_name_,
                  "owners subscribe their sites; remove it, or change 'role'");
    return;
  }
  read_list("programs", *node, into);
}

/// Any key: the plant's operators say which ones they use.
void FileReader::read_groups(Need need, std::vector<std::string>& into) {
  const toml::table* table = section("groups", need);
  if (table == nullptr) return;
  TomlSection groups{*table, "groups", findings_};
  for (const auto& [key, value] : *table) {
    std::string text;
    if (groups.take(key.str(), text) == nullptr) continue;
    const std::string name{key.str()};
    findings_.stands("groups." + name, place_of(value.source().begin));
    into.push_back(name + "=" + text);
  }
}

/// Which of several roots leads.
void FileReader::read_lease(const std::optional<Role>& role, RootConfig& into) {
  constexpr std::string_view kHint = "\"static\" (the only root) or \"etcd\"";
  const bool foreign = role && *role != Role::kRoot;
  const Need of_root = foreign ? Need::kForeign : Need::kOptional;
  std::string lease = "static";
  const toml::node* node = top_.take("lease", lease, kHint);
  if (node != nullptr && foreign) {
    top_.wrong("lease", *node, "is not for a " + role_name_, "remove it, or change 'role'");
  } else if (node != nullptr && lease != "static" && lease != "etcd") {
    top_.wrong("lease", *node, "is unknown: '" + lease + "'", kHint);
  }
  const bool by_etcd = lease == "etcd" && !foreign;
  EtcdConfig etcd;
  const bool there = read_section("etcd", by_etcd ? Need::kRequired : of_root, etcd);
  if (there && role == Role::kRoot && lease == "static") {
    findings_.add("etcd", "section [etcd] is not for lease = \"static\"",
                  "write lease = \"etcd\", or remove the section");
  }
  if (by_etcd) into.etcd = std::move(etcd);
  read_endpoints("peers", of_root, into.peers);
  read_section("journal", of_root, into.journal_copies);
}

/// What the way to the parents bears.
void FileReader::read_link(const std::optional<Role>& role, LinkKind& into) {
  constexpr std::string_view kHint = "\"lan\", \"wan\" or \"cellular\"";
  std::string name;
  const toml::node* node = top_.take("link", name, kHint);
  if (node == nullptr) return;
  if (role == Role::kRoot) {
    top_.wrong("link", *node, "is not for a " + role_name_,
               "a root has nobody above it; remove it");
  } else if (const auto kind = parse_link_kind(name)) {
    into = *kind;
  } else {
    top_.wrong("link", *node, "is unknown: '" + name + "'", kHint);
  }
}

/// A leaf follows value signals, others may make them.
void FileReader::read_values(const std::optional<Role>& role, LeafConfig& leaf,
                             std::optional<ValuesConfig>& head) {
  const bool group = role == Role::kAggregator || role == Role::kRoot;
  ValuesConfig values;
  if (!group) {
    read_section("values", Need::kOptional, leaf.values);
  } else if (read_section("values", Need::kOptional, values)) {
    head = values;
  }
  TariffConfig tariff;
  if (read_section("tariff", group ? Need::kForeign : Need::kOptional, tariff)) {
    leaf.tariff = std::move(tariff);
  }
}

RoleConfig FileReader::read_all() {
  RoleConfig config;
  const std::optional<Role> role = read_role();
  top_.take_required("name", config.name, "what people call this node");
  top_.take("region", config.region);
  top_.take("state_dir", config.state_dir, kDirectoryHint);
  top_.take("run_dir", config.run_dir, kDirectoryHint);
  read_section("identity", Need::kRequired, config.identity);
  HttpConfig http;
  if (read_section("http", Need::kOptional, http)) config.http = http;
  read_section("log", Need::kOptional, config.log_level);
  TimeConfig time;
  if (read_section("time", Need::kOptional, time)) config.time = time;

  // Without a role, whatever is there is read, so that its errors show in the same go.
  const auto need = [&](std::initializer_list<Role> of, Need when_of) {
    if (!role) return Need::kOptional;
    return std::ranges::find(of, *role) == of.end() ? Need::kForeign : when_of;
  };
  LeafConfig leaf;
  read_link(role, leaf.link);
  RootConfig root;
  MarketConfig market;
  read_section("listen", need({Role::kAggregator, Role::kRoot}, Need::kRequired), root.listen);
  read_endpoints("parents", need({Role::kLeaf, Role::kAggregator}, Need::kRequired), leaf.parents);
  read_section("device", need({Role::kLeaf}, Need::kRequired), leaf.device);
  read_section("meter", need({Role::kLeaf}, Need::kOptional), leaf.meter);
  read_section("site", need({Role::kLeaf}, Need::kOptional), leaf.site);
  read_programs(need({Role::kLeaf}, Need::kOptional), leaf.programs);
  read_groups(need({Role::kLeaf}, Need::kOptional), leaf.groups);
  read_section("frequency", need({Role::kLeaf}, Need::kOptional), leaf.frequency);
  std::optional<ValuesConfig> values;
  read_values(role, leaf, values);
  FeederConfig feeder;
  read_section("feeder", need({Role::kAggregator}, Need::kOptional), feeder);
  PeakConfig peak;
  const bool shaves = read_section("peak", need({Role::kAggregator}, Need::kOptional), peak);
  read_section("dispatch", need({Role::kRoot}, Need::kOptional), root.dispatch);
  read_section("capacity", need({Role::kRoot}, Need::kOptional), root.capacity);
  if (read_section("market", need({Role::kRoot}, Need::kOptional), market)) root.market = market;
  OpenAdrConfig openadr;
  if (read_section("openadr", need({Role::kRoot}, Need::kOptional), openadr)) {
    root.openadr = openadr;
  }
  read_section("baseline", need({Role::kRoot}, Need::kOptional), root.baseline);
  read_section("forecast", need({Role::kRoot}, Need::kOptional), root.forecast);
  read_section("optimise", need({Role::kRoot}, Need::kOptional), root.optimise);
  WorkersConfig workers;
  if (read_section("workers", need({Role::kRoot}, Need::kOptional), workers)) {
    root.workers = std::move(workers);
  }
  read_lease(role, root);
  top_.finish();

  if (role == Role::kAggregator) {
    config.of_role = AggregatorConfig{std::move(leaf.parents),
                                      leaf.link,
                                      std::move(root.listen),
                                      feeder,
                                      shaves ? std::optional{std::move(peak)} : std::nullopt,
                                      values};
  } else if (role == Role::kRoot) {
    root.values = values;
    config.of_role = std::move(root);
  } else {
    config.of_role = std::move(leaf);
  }
  return config;
}

/// Empty when it can be read.
std::string why_unreadable(const std::filesystem::path& file) {
  std::error_code status;
  if (std::filesystem::is_directory(file, status)) return "it is a directory";
  errno = 0;
  if (std::ifstream{file}) return {};
  return errno != 0 ? std::strerror(errno) : "it cannot be opened";
}

/// Where relative paths count from, and whether the files must be there.
struct Files {
  std::filesystem::path base;
  IdentityFiles identity = IdentityFiles::kMustBeReadable;
};

/// Makes paths count from the config file's directory, and sees whether the files are there.
void resolve_files(const Files& files, RoleConfig& config, ConfigFindings& findings) {
  const auto resolve = [&](std::string& path) {
    if (!path.empty()) path = (files.base / path).lexically_normal().string();
  };
  resolve(config.state_dir);
  resolve(config.run_dir);
  const std::array identity{
      std::tuple{"identity.key", &config.identity.key, kKeyHint},
      std::tuple{"identity.certificate", &config.identity.certificate, kCertificateHint},
      std::tuple{"identity.fleet_key", &config.identity.fleet_key, kFleetKeyHint}};
  for (const auto& [key, path, hint] : identity) {
    resolve(*path);
    if (files.identity == IdentityFiles::kMayBeMissing) continue;
    if (path->empty() || findings.is_wrong(key)) continue;
    if (const std::string why = why_unreadable(*path); !why.empty()) {
      findings.add(key, "'" + std::string{key} + "' cannot be read: " + *path + ": " + why,
                   std::string{hint});
    }
  }
}

std::expected<RoleConfig, std::vector<ConfigError>> parse(std::string_view text,
                                                          std::string_view file,
                                                          const Files* files) {
  const toml::parse_result parsed = toml::parse(text);
  ConfigFindings findings{file};
  if (!parsed) {
    findings.add_at("", place_of(parsed.error().source().begin),
                    std::string{parsed.error().description()},
                    "this is not TOML; what follows was not read");
    return std::unexpected{findings.take()};
  }
  RoleConfig config = FileReader{parsed.table(), findings}.read_all();
  for (const ConfigProblem& problem : check(config)) findings.add(problem);
  if (files != nullptr) resolve_files(*files, config, findings);
  std::vector<ConfigError> errors = findings.take();
  if (!errors.empty()) return std::unexpected{std::move(errors)};
  return config;
}

}  // namespace

std::string to_string(const ConfigError& error) {
  std::string line = error.file + ":" + std::to_string(error.line) + ":" +
                     std::to_string(error.column) + ": " + error.cause;
  if (!error.hint.empty()) line += "; hint: " + error.hint;
  // One error, one line, whatever a value holds.
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < 0x20U || c == 0x7f; }, ' ');
  return line;
}

std::expected<RoleConfig, std::vector<ConfigError>> parse_role_config(std::string_view text,
                                                                      std::string_view file) {
  return parse(text, file, nullptr);
}

std::expected<RoleConfig, std::vector<ConfigError>> load_role_config(
    const std::filesystem::path& file, IdentityFiles identity) {
  const auto refuse = [&](const std::string& cause, std::string hint) {
    return std::unexpected{
        std::vector{ConfigError{file.string(), 1, 1, "cannot be read: " + cause, std::move(hint)}}};
  };
  if (const std::string why = why_unreadable(file); !why.empty()) {
    return refuse(why, "config/examples/ of the source has one for each role");
  }
  std::ifstream in{file, std::ios::binary};
  std::string text(limits::kConfigBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.eof() && in.fail()) return refuse("input error", "look at the disk");
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > limits::kConfigBytesMax)
    return refuse("it is above 1 MiB", "is it the config?");
  const Files files{std::filesystem::absolute(file).parent_path(), identity};
  return parse(text, file.string(), &files);
}

}  // namespace vpp
