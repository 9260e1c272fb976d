// The effective role config as TOML text.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "config/role_config_toml.h"
#include "config/scope.h"
#include "config/z85.h"

namespace vpp {
namespace {

/// As a TOML basic string.
std::string toml_string(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20U || byte == 0x7fU) {
      out += "\\u00";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// `value / scale`, exactly; scale is a power of ten. 205 by 10 is "20.5", 200 is "20".
std::string decimal(std::int64_t value, std::int64_t scale) {
  const std::uint64_t unit = static_cast<std::uint64_t>(scale);
  const std::uint64_t size =
      value < 0 ? 0U - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string out = (value < 0 ? "-" : "") + std::to_string(size / unit);
  if (size % unit == 0) return out;
  const std::string fraction = std::to_string(unit + size % unit).substr(1);
  return out + "." + fraction.substr(0, fraction.find_last_not_of('0') + 1);
}

std::string padded(std::int64_t value, std::size_t digits) {
  std::string text = std::to_string(value);
  if (text.size() < digits) text.insert(0, digits - text.size(), '0');
  return text;
}

/// RFC 3339 in UTC, to the millisecond.
std::string date_time(std::chrono::milliseconds since_1970) {
  const auto days = std::chrono::floor<std::chrono::days>(since_1970);
  const std::chrono::year_month_day date{std::chrono::sys_days{days}};
  const std::chrono::hh_mm_ss clock{since_1970 - days};
  return padded(static_cast<int>(date.year()), 4) + "-" +
         padded(static_cast<unsigned>(date.month()), 2) + "-" +
         padded(static_cast<unsigned>(date.day()), 2) + "T" + padded(clock.hours().count(), 2) +
         ":" + padded(clock.minutes().count(), 2) + ":" + padded(clock.seconds().count(), 2) + "." +
         padded(clock.subseconds().count(), 3) + "Z";
}

class Printer {
 public:
  void section(std::string_view title) { out_ += "\n" + std::string{title} + "\n"; }
  void text(std::string_view key, std::string_view value) { raw(key, toml_string(value)); }
  void whole(std::string_view key, std::int64_t value) { raw(key, std::to_string(value)); }
  void pct(std::string_view key, std::int64_t permille) { raw(key, decimal(permille, 10)); }
  void raw(std::string_view key, std::string_view value) {
    out_ += std::string{key} + " = " + std::string{value} + "\n";
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void print(Printer& out, std::string_view title, std::span<const Endpoint> list) {
  for (const Endpoint& one : list) {
    out.section(title);
    out.text("address", one.address);
    out.text("server_key", to_z85(one.server_key));
  }
}

void print(Printer& out, const ListenConfig& listen) {
  out.section("[listen]");
  out.text("address", listen.address);
  out.text("advertise", listen.advertise);
}

void print_programs(Printer& out, const LeafConfig& leaf) {
  for (const ProgramConfig& program : leaf.programs) {
    out.section("[[programs]]");
    out.text("name", program.name);
    out.pct("reserve_pct", program.reserve_permille);
    out.whole("priority", program.priority);
    if (program.from) out.raw("from", date_time(program.from->time_since_epoch()));
    if (program.until) out.raw("until", date_time(program.until->time_since_epoch()));
  }
  if (leaf.groups.empty()) return;
  out.section("[groups]");
  for (const std::string& group : leaf.groups) {
    const std::string_view key = key_of(group);
    out.text(toml_string(key), std::string_view{group}.substr(key.size() + 1));
  }
}

std::string time_of_day(std::chrono::minutes since_midnight) {
  return padded(since_midnight.count() / 60, 2) + ":" + padded(since_midnight.count() % 60, 2);
}

void print_price(Printer& out, std::string_view key, Price price) {
  out.raw(key, decimal(price.count, 1'000'000));
}

void print(Printer& out, const std::optional<ValuesConfig>& values) {
  if (!values) return;
  out.section("[values]");
  out.whole("target_w", values->target.count);
  print_price(out, "price_max", values->price_max);
  print_price(out, "per_kw", values->per_kw);
  out.whole("slot_min", values->slot.count());
  out.whole("slots", values->slots);
  out.whole("interval_s", values->interval.count());
  out.whole("hold_min", values->hold.count());
}

void print_values(Printer& out, const LeafConfig& leaf) {
  out.section("[values]");
  out.raw("follow", leaf.values.follow ? "true" : "false");
  print_price(out, "most_per_mwh", leaf.values.most);
  if (!leaf.tariff) return;
  out.section("[tariff]");
  print_price(out, "buy", leaf.tariff->buy);
  print_price(out, "sell", leaf.tariff->sell);
  if (leaf.tariff->stored_value) print_price(out, "stored_value", *leaf.tariff->stored_value);
  out.whole("utc_offset_min", leaf.tariff->utc_offset.count());
  for (const TariffPeriodConfig& period : leaf.tariff->periods) {
    out.section("[[tariff.periods]]");
    out.text("from", time_of_day(period.from));
    out.text("until", time_of_day(period.until));
    print_price(out, "buy", period.buy);
    print_price(out, "sell", period.sell);
  }
}

void print(Printer& out, const LeafConfig& leaf) {
  print(out, "[[parents]]", leaf.parents);
  const DeviceConfig& device = leaf.device;
  out.section("[device]");
  out.text("driver", "sunspec");
  out.text("address", device.host + ":" + std::to_string(device.port));
  out.whole("unit", device.unit);
  out.whole("poll_ms", device.poll.count());
  out.section("[meter]");
  if (leaf.meter.unit) out.whole("unit", *leaf.meter.unit);
  out.text("positive", leaf.meter.positive_is_export ? "export" : "import");
  const SiteConfig& site = leaf.site;
  out.section("[site]");
  out.pct("reserve_pct", site.reserve_permille);
  out.whole("discharge_max_w", site.discharge_max.count);
  out.whole("charge_max_w", site.charge_max.count);
  out.whole("export_max_w", site.export_max.count);
  out.whole("import_max_w", site.import_max.count);
  out.whole("ramp_w_per_s", site.ramp_w_per_s);
  out.pct("charge_efficiency_pct", site.charge_efficiency_permille);
  out.pct("discharge_efficiency_pct", site.discharge_efficiency_permille);
  out.whole("own_use_wh", site.own_use.count);
  out.whole("min_power_w", site.power_min.count);
  out.whole("net_load_window_min", site.net_load_window.count());
  out.section("[frequency]");
  out.whole("nominal_hz", leaf.frequency.nominal_hz);
  out.whole("dead_band_mhz", leaf.frequency.dead_band_mhz);
  out.whole("full_at_mhz", leaf.frequency.full_at_mhz);
  out.whole("poll_ms", leaf.frequency.poll.count());
  print_programs(out, leaf);
  print_values(out, leaf);
}

void print(Printer& out, const AggregatorConfig& group) {
  print(out, group.listen);
  print(out, "[[parents]]", group.parents);
  const FeederConfig& feeder = group.feeder;
  out.section("[feeder]");
  if (feeder.export_max) out.whole("export_max_w", feeder.export_max->count);
  if (feeder.import_max) out.whole("import_max_w", feeder.import_max->count);
  out.whole("site_max_w", feeder.site_max.count);
  print(out, group.values);
  if (!group.peak) return;
  out.section("[peak]");
  out.whole("target_w", group.peak->target.count);
  out.text("program", group.peak->program);
}

std::string toml_list(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + vpp::toml_string(text);
  return "[" + list + "]";
}

void print(Printer& out, const OpenAdrConfig& openadr) {
  out.section("[openadr]");
  out.text("url", openadr.url);
  out.text("version", openadr.version);
  out.text("ven_name", openadr.ven_name);
  if (!openadr.client_id.empty()) out.text("client_id", openadr.client_id);
  if (!openadr.client_secret_file.empty()) {
    out.text("client_secret_file", openadr.client_secret_file);
  }
  if (!openadr.ca_file.empty()) out.text("ca_file", openadr.ca_file);
  if (!openadr.programs.empty()) out.raw("programs", toml_list(openadr.programs));
  if (!openadr.targets.empty()) out.raw("targets", toml_list(openadr.targets));
  out.whole("poll_s", openadr.poll.count());
  for (const OpenAdrRuleConfig& rule : openadr.rules) {
    out.section("[[openadr.obey]]");
    out.text("payload", rule.payload);
    out.text("program", rule.program);
    if (!rule.group.empty()) out.text("group", rule.group);
    out.text("positive", rule.positive_is_export ? "export" : "import");
    for (std::size_t i = 0; i < rule.levels.size(); ++i) {
      out.whole("level_" + std::to_string(i + 1) + "_w", rule.levels[i].count);
    }
    if (rule.power) out.whole("power_w", rule.power->count);
    if (rule.per_tonne != Price{0}) print_price(out, "price_per_tonne", rule.per_tonne);
  }
}

void print(Printer& out, const RootConfig& root) {
  print(out, root.listen);
  if (root.etcd) {
    out.section("[etcd]");
    out.raw("endpoints", toml_list(root.etcd->endpoints));
    out.text("key", root.etcd->key);
  }
  print(out, "[[peers]]", root.peers);
  out.section("[journal]");
  out.whole("copies", root.journal_copies);
  out.section("[dispatch]");
  out.whole("cut_off_hold_s", root.dispatch.cut_off_hold / std::chrono::seconds{1});
  out.section("[capacity]");
  out.pct("confidence_pct", root.capacity.confidence_permille);
  print(out, root.values);
  out.section("[baseline]");
  out.text("zone", root.baseline.zone);
  out.section("[forecast]");
  out.text("model", root.forecast.model);
  out.whole("history_days", root.forecast.history_days);
  out.text("worker", root.forecast.external ? "external" : "in-process");
  out.section("[optimise]");
  out.text("model", root.optimise.model);
  out.text("worker", root.optimise.external ? "external" : "in-process");
  if (root.workers) {
    out.section("[workers]");
    out.text("listen", root.workers->listen);
    out.whole("lease_s", root.workers->lease.count());
  }
  if (root.market) {
    out.section("[market]");
    out.text("url", root.market->url);
    out.raw("price_min", decimal(root.market->price_min.count, 1'000'000));
    out.pct("firm_pct", root.market->firm_permille);
    out.pct("owner_share_pct", root.market->owner_share_permille);
    out.text("format", to_string(root.market->format));
    out.text("strategy", to_string(root.market->strategy));
    out.raw("reserve", root.market->reserve ? "true" : "false");
    out.pct("called_pct", root.market->called_permille);
  }
  if (root.openadr) print(out, *root.openadr);
}

}  // namespace

std::string to_toml(const RoleConfig& config) {
  Printer out;
  out.text("role", to_string(role_of(config)));
  out.text("name", config.name);
  out.text("region", config.region);
  out.text("state_dir", config.state_dir);
  out.text("run_dir", config.run_dir);
  if (const auto link = link_of(config)) out.text("link", profile_of(*link).name);
  if (const auto* root = std::get_if<RootConfig>(&config.of_role)) {
    out.text("lease", root->etcd ? "etcd" : "static");
  }
  out.section("[identity]");
  out.text("key", config.identity.key);
  out.text("certificate", config.identity.certificate);
  out.text("fleet_key", config.identity.fleet_key);
  if (config.http) {
    out.section("[http]");
    out.text("address", config.http->host + ":" + std::to_string(config.http->port));
  }
  out.section("[log]");
  out.text("level", to_string(config.log_level));
  if (config.time) {
    out.section("[time]");
    out.whole("speed", config.time->speed);
    out.raw("anchor_utc", date_time(config.time->anchor_utc.time_since_epoch()));
    out.raw("anchor_market", date_time(config.time->anchor_market.time_since_epoch()));
  }
  std::visit([&](const auto& of_role) { print(out, of_role); }, config.of_role);
  return out.take();
}

}  // namespace vpp
