// What one vppd is told by its config file: the typed form, and what must hold between values.
//
// Units      as in the types; a percentage of the file is kept in permille: 12.5 % is whole.
// Defaults   a member's initialiser is what an absent key means.
// Errors     check() reports everything that is wrong, each with its key. Reading TOML and finding
//            the line of a key is config/role_config_toml.h.
// Secrets    are paths only; a RoleConfig can be printed.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/link_profile.h"
#include "config/scope.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp {

/// [identity]: files made by `vppd keygen` and `vppctl certs`.
struct IdentityConfig {
  std::string key;          ///< the node's secret keys; mode 0600
  std::string certificate;  ///< signed by the fleet authority
  std::string fleet_key;    ///< the fleet authority's public key
  friend bool operator==(const IdentityConfig&, const IdentityConfig&) = default;
};

/// [listen]: where children connect.
struct ListenConfig {
  std::string address;    ///< to bind: "tcp://host:port"; host may be "*" or "0.0.0.0"
  std::string advertise;  ///< what children are told; the same as `address` unless that is "*"
  friend bool operator==(const ListenConfig&, const ListenConfig&) = default;
};

/// [http]: /healthz and /metrics. Loopback only; port 0 is any free one.
struct HttpConfig {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(const HttpConfig&, const HttpConfig&) = default;
};

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarning, kError };

[[nodiscard]] std::string_view to_string(LogLevel level);
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);

/// Coordinated universal time of the machine, in milliseconds since 1970.
using UtcTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// [time]: market = anchor_market + (utc - anchor_utc) * speed. Absent: market time is real time.
struct TimeConfig {
  std::int64_t speed = 1;  ///< market milliseconds per real millisecond
  UtcTime anchor_utc{};
  MarketTime anchor_market{};
  friend bool operator==(const TimeConfig&, const TimeConfig&) = default;
};

enum class DeviceDriver : std::uint8_t { kSunspec };

/// [device]: the battery.
struct DeviceConfig {
  DeviceDriver driver = DeviceDriver::kSunspec;
  std::string host;
  std::uint16_t port = 0;
  std::uint8_t unit = 1;                 ///< Modbus unit id
  std::chrono::milliseconds poll{1000};  ///< one round of readings, in protocol time
  friend bool operator==(const DeviceConfig&, const DeviceConfig&) = default;
};

/// [meter]: the house's, at its connection point.
struct MeterConfig {
  std::optional<std::uint8_t> unit;  ///< Modbus unit id; nothing: the device's own, if it has one
  bool positive_is_export = false;   ///< what a positive reading means; else import
  friend bool operator==(const MeterConfig&, const MeterConfig&) = default;
};

/// [site]: what the owner and the connection allow; all >= 0.
struct SiteConfig {
  std::int32_t reserve_permille = 200;  ///< of the energy rating, kept for the owner
  Watts discharge_max = limits::kSitePowerMax;
  Watts charge_max = limits::kSitePowerMax;
  Watts export_max = limits::kSitePowerMax;  ///< at the connection point
  Watts import_max = limits::kSitePowerMax;
  std::int64_t ramp_w_per_s = 100'000;  ///< in market time
  /// The worst for a promise of all powers: the highest when charging, the least when discharging.
  std::int32_t charge_efficiency_permille = 950;
  std::int32_t discharge_efficiency_permille = 950;
  WattHours own_use{0};  ///< in store, on top of the reserve: what the home will need itself
  Watts power_min{0};    ///< the unit's least: it is at 0, or at this or beyond
  std::chrono::minutes net_load_window{15};  ///< promises rest on its extremes; market time
  friend bool operator==(const SiteConfig&, const SiteConfig&) = default;
};

/// [[programs]]: what the owner lets the plant use the battery for. A site serves one order at a
/// time; what it has committed to one program it offers to no other.
struct ProgramConfig {
  std::string name;                   ///< as orders name it; "energy" is the default program
  std::int32_t reserve_permille = 0;  ///< kept from this program, where more than [site] keeps
  std::int64_t priority = 0;          ///< takes the site over from a program with a lower one
  std::optional<UtcTime> from;        ///< nothing: since ever
  std::optional<UtcTime> until;       ///< nothing: for good
  friend bool operator==(const ProgramConfig&, const ProgramConfig&) = default;
};

/// [frequency]: how the site answers to the grid's frequency when an order arms it.
struct FrequencyConfig {
  std::int32_t nominal_hz = 50;
  std::int32_t dead_band_mhz = 10;  ///< deviation without response
  std::int32_t full_at_mhz = 200;   ///< deviation with full response
  std::chrono::milliseconds poll{200};
  friend bool operator==(const FrequencyConfig&, const FrequencyConfig&) = default;
};

/// [feeder]: what the grid carries between the homes below and the rest, at their meters; all >= 0.
struct FeederConfig {
  std::optional<Watts> export_max;  ///< nothing: no limit
  std::optional<Watts> import_max;
  Watts site_max{17'000};  ///< what one home can do whose meter is unknown: 3 phases of 25 A
  friend bool operator==(const FeederConfig&, const FeederConfig&) = default;
};

/// [peak]: what the homes below may together draw from the grid, at their meters; their batteries
/// keep them under it.
struct PeakConfig {
  Watts target;                  ///< >= 0
  std::string program = "peak";  ///< of the homes whose batteries do
  friend bool operator==(const PeakConfig&, const PeakConfig&) = default;
};

/// [values] of an aggregator or a root: it makes value signals for the homes below.
struct ValuesConfig {
  Watts target;     ///< of their net load together, drawn > 0
  Price price_max;  ///< of a MWh beyond it, > 0
  Price per_kw;     ///< stiffness: near the highest price by the kW that a home moves; > 0
  std::chrono::minutes slot{60};      ///< 15, 30 or 60
  std::int64_t slots = 24;            ///< ahead
  std::chrono::seconds interval{10};  ///< between two rounds, protocol time
  std::chrono::minutes hold{120};     ///< how long a home that hears nothing more follows one
  friend bool operator==(const ValuesConfig&, const ValuesConfig&) = default;
};

/// [values] of a leaf. To follow is the owner's choice: it moves the battery by prices that others
/// make, and is only worth it with the owner's own tariff.
struct FollowConfig {
  bool follow = false;
  Price most{1'000'000'000};  ///< a value beyond it, of a MWh, counts as this; >= 0
  friend bool operator==(const FollowConfig&, const FollowConfig&) = default;
};

/// [[tariff.periods]]: every day, by the tariff's own clock; until <= from: past midnight.
struct TariffPeriodConfig {
  std::chrono::minutes from{0};  ///< whole quarters of an hour, like `until`
  std::chrono::minutes until{0};
  Price buy;
  Price sell;
  friend bool operator==(const TariffPeriodConfig&, const TariffPeriodConfig&) = default;
};

/// [tariff]: what the owner pays and is paid for a MWh.
struct TariffConfig {
  Price buy;
  Price sell;
  /// Of what is left in the battery at the end of the horizon; nothing: half way between the
  /// lowest price to buy for and the highest to sell at.
  std::optional<Price> stored_value;
  std::chrono::minutes utc_offset{0};
  std::vector<TariffPeriodConfig> periods;
  friend bool operator==(const TariffConfig&, const TariffConfig&) = default;
};

/// [dispatch]: how orders go down the tree.
struct DispatchConfig {
  /// How long a subtree that hears nothing newer goes on with what it was told.
  std::chrono::milliseconds cut_off_hold = limits::kCutOffHold;
  friend bool operator==(const DispatchConfig&, const DispatchConfig&) = default;
};

/// [capacity]: how sure the root is to be of what it promises.
struct CapacityConfig {
  std::int32_t confidence_permille = 950;  ///< of promises, that are kept
  friend bool operator==(const CapacityConfig&, const CapacityConfig&) = default;
};

/// How bids are written for the market: in segments, as a curve of ten steps, in ten bands.
enum class BidFormat : std::uint8_t { kOwn, kCaiso, kAemo };

[[nodiscard]] std::string_view to_string(BidFormat format);
[[nodiscard]] std::optional<BidFormat> parse_bid_format(std::string_view name);

/// How a bid answers prices: all of it from one price on, or the more the higher the price.
enum class BidStrategy : std::uint8_t { kSegment, kCurve };

[[nodiscard]] std::string_view to_string(BidStrategy strategy);
[[nodiscard]] std::optional<BidStrategy> parse_bid_strategy(std::string_view name);

/// [market]: where the root bids.
struct MarketConfig {
  std::string url;                           ///< "http://host:port" or "https://..."
  Price price_min{0};                        ///< never bid below
  std::int32_t firm_permille = 1000;         ///< share of the firm capacity that is offered
  std::int32_t owner_share_permille = 1000;  ///< of what is earned after penalties
  BidFormat format = BidFormat::kOwn;
  BidStrategy strategy = BidStrategy::kSegment;
  bool reserve = false;                ///< sell reserve upwards, too
  std::int32_t called_permille = 100;  ///< of reserve, what is expected to be called
  friend bool operator==(const MarketConfig&, const MarketConfig&) = default;
};

/// [[openadr.obey]]: how one type of payload of an event is obeyed.
struct OpenAdrRuleConfig {
  std::string payload;  ///< "SIMPLE", "DISPATCH_SETPOINT", ...
  std::string program{kDefaultProgram};
  std::string group;                ///< "key=value"; empty: all sites of the program
  bool positive_is_export = false;  ///< what a positive set point means; else import
  std::vector<Watts> levels;        ///< SIMPLE: of 1, 2, 3; export > 0
  std::optional<Watts> power;       ///< ALERT_...: what is ordered; nothing: it is told
  Price per_tonne;                  ///< GHG: of a tonne of CO2; >= 0
  friend bool operator==(const OpenAdrRuleConfig&, const OpenAdrRuleConfig&) = default;
};

/// [openadr]: the OpenADR 3 server whose events the root obeys.
struct OpenAdrConfig {
  std::string url;                    ///< "https://host/path" up to and with the version's part
  std::string version = "3.1";        ///< or "3.0"
  std::string ven_name;               ///< as the server knows it
  std::string client_id;              ///< empty: without a token
  std::string client_secret_file;     ///< its first line; needed with client_id
  std::string ca_file;                ///< who signs the server; empty: whom the system trusts
  std::vector<std::string> programs;  ///< names; empty: all that it shows
  std::vector<std::string> targets;   ///< of programs and events that are asked for
  std::chrono::seconds poll{60};
  std::vector<OpenAdrRuleConfig> rules;  ///< the first of a payload counts
  friend bool operator==(const OpenAdrConfig&, const OpenAdrConfig&) = default;
};

/// [baseline]: what homes would have drawn without an order, by the days before it.
struct BaselineConfig {
  std::string zone = "UTC";  ///< whose days those are; a name of the system's database
  friend bool operator==(const BaselineConfig&, const BaselineConfig&) = default;
};

/// [forecast]: how the prices that bids rest on are foreseen.
struct ForecastConfig {
  std::string model = "naive";      ///< "naive": by the bidder itself; see docs/workers.md
  std::int64_t history_days = 365;  ///< of known prices, that the model learns from
  bool external = false;            ///< worker = "external": by processes beside vppd
  friend bool operator==(const ForecastConfig&, const ForecastConfig&) = default;
};

/// [optimise]: who decides what is bid.
struct OptimiseConfig {
  std::string model = "own";  ///< "own": the bidder itself; see docs/workers.md
  bool external = false;      ///< worker = "external": advised by processes beside vppd
  friend bool operator==(const OptimiseConfig&, const OptimiseConfig&) = default;
};

/// [workers]: processes that take tasks.
struct WorkersConfig {
  std::string listen;              ///< "ipc:///path" or "tcp://127.0.0.1:port"
  std::chrono::seconds lease{15};  ///< how long one may be silent
  friend bool operator==(const WorkersConfig&, const WorkersConfig&) = default;
};

/// [etcd]: what decides which root leads.
struct EtcdConfig {
  std::vector<std::string> endpoints;    ///< "http://host:port" or "https://..."; one at a time
  std::string key = "/vpp/root/leader";  ///< one plant, one key
  friend bool operator==(const EtcdConfig&, const EtcdConfig&) = default;
};

struct LeafConfig {
  std::vector<Endpoint> parents;  ///< most wanted first; at least one
  LinkKind link = LinkKind::kLan;
  DeviceConfig device;
  MeterConfig meter;
  SiteConfig site;
  std::vector<ProgramConfig> programs;  ///< empty: the default program, at any time
  std::vector<std::string> groups;      ///< [groups]: "key=value", in order of the keys
  FrequencyConfig frequency;
  FollowConfig values;
  std::optional<TariffConfig> tariff;  ///< needed to follow value signals
  friend bool operator==(const LeafConfig&, const LeafConfig&) = default;
};
struct AggregatorConfig {
  std::vector<Endpoint> parents;   ///< most wanted first; at least one
  LinkKind link = LinkKind::kLan;  ///< never kCellular: the homes below would wait for it
  ListenConfig listen;
  FeederConfig feeder;
  std::optional<PeakConfig> peak;      ///< nothing: the plant's orders only
  std::optional<ValuesConfig> values;  ///< nothing: it passes on those from above
  friend bool operator==(const AggregatorConfig&, const AggregatorConfig&) = default;
};
struct RootConfig {
  ListenConfig listen;
  DispatchConfig dispatch;
  CapacityConfig capacity;
  std::optional<ValuesConfig> values;
  std::optional<MarketConfig> market;  ///< nothing: dispatched by operators only
  ForecastConfig forecast;
  OptimiseConfig optimise;
  std::optional<WorkersConfig> workers;  ///< nothing: no process beside vppd takes tasks
  std::optional<OpenAdrConfig> openadr;
  BaselineConfig baseline;
  std::optional<EtcdConfig> etcd;   ///< nothing: lease = "static", the only root
  std::vector<Endpoint> peers;      ///< every other root
  std::int64_t journal_copies = 1;  ///< standbys that must hold what is acknowledged
  friend bool operator==(const RootConfig&, const RootConfig&) = default;
};

struct RoleConfig {
  std::string name;    ///< for people; unique in the fleet by convention only
  std::string region;  ///< may be empty
  std::string state_dir = "/var/lib/vpp";
  std::string run_dir = "/run/vpp";
  IdentityConfig identity;
  std::optional<HttpConfig> http;  ///< nothing: off
  LogLevel log_level = LogLevel::kInfo;
  std::optional<TimeConfig> time;  ///< nothing: real time
  std::variant<LeafConfig, AggregatorConfig, RootConfig> of_role;
  friend bool operator==(const RoleConfig&, const RoleConfig&) = default;
};

[[nodiscard]] Role role_of(const RoleConfig& config);
/// Empty on the root.
[[nodiscard]] std::span<const Endpoint> parents_of(const RoleConfig& config);
/// To the parents; nothing on the root.
[[nodiscard]] std::optional<LinkKind> link_of(const RoleConfig& config);
/// Null on a leaf.
[[nodiscard]] const ListenConfig* listen_of(const RoleConfig& config);

/// Market time of a moment of the machine's clock. Saturates instead of overflowing.
[[nodiscard]] MarketTime market_time(const std::optional<TimeConfig>& time, UtcTime utc);

struct ConfigProblem {
  std::string key;    ///< dotted: "site.reserve_pct", "parents[1].address"
  std::string cause;  ///< what is wrong, with the value
  std::string hint;   ///< what to write instead
  friend bool operator==(const ConfigProblem&, const ConfigProblem&) = default;
};

/// Everything that is wrong with the values, in the order of the keys above. Empty: usable.
[[nodiscard]] std::vector<ConfigProblem> check(const RoleConfig& config);

// --- rules for single values, also for those who read or make configs ------------------------

struct HostPort {
  std::string host;  ///< "*", a name, an IPv4 address, or an IPv6 address in brackets
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// "host:port"; nothing when it is not that.
[[nodiscard]] std::optional<HostPort> parse_host_port(std::string_view text);
/// "tcp://host:port".
[[nodiscard]] std::optional<HostPort> parse_tcp_address(std::string_view text);
[[nodiscard]] bool is_loopback(std::string_view host);
[[nodiscard]] bool is_any_host(std::string_view host);  ///< "*", "0.0.0.0", "[::]"

}  // namespace vpp
