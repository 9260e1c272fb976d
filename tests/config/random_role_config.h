// Role configs drawn from everything that check() lets pass.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "config/rng.h"
#include "config/role_config.h"

namespace vpp::testing {

inline std::string random_text(Rng& rng, std::size_t most) {
  constexpr std::string_view kSome = "abcXYZ019 -_./'\"\\#=[]{}\u00e9";
  std::string text = "t";
  while (text.size() + 1 < most && rng.below(8) != 0) {
    const std::size_t at = rng.below(kSome.size() - 1);
    text += at + 2 < kSome.size() ? kSome.substr(at, 1) : kSome.substr(kSome.size() - 2);
  }
  return text;
}

inline std::string random_host(Rng& rng) {
  constexpr std::array kHosts{"127.0.0.1", "[::1]", "node-1.example.net", "10.0.0.7", "localhost"};
  return kHosts.at(rng.below(kHosts.size()));
}

inline std::uint16_t random_port(Rng& rng) {
  return static_cast<std::uint16_t>(1 + rng.below(65'535));
}

inline std::string random_tcp(Rng& rng) {
  return "tcp://" + random_host(rng) + ":" + std::to_string(random_port(rng));
}

inline std::vector<Endpoint> random_parents(Rng& rng) {
  std::vector<Endpoint> parents(1 + rng.below(4));
  for (std::size_t i = 0; i < parents.size(); ++i) {
    parents[i].address =
        "tcp://parent-" + std::to_string(i) + ":" + std::to_string(random_port(rng));
    for (auto& byte : parents[i].server_key) byte = static_cast<std::uint8_t>(1 + rng.below(255));
  }
  return parents;
}

inline ListenConfig random_listen(Rng& rng) {
  if (rng.below(2) == 0) return {"tcp://*:9450", random_tcp(rng)};
  const std::string address = random_tcp(rng);
  return {address, address};
}

inline std::int32_t random_permille(Rng& rng, std::uint64_t least) {
  return static_cast<std::int32_t>(least + rng.below(1001 - least));
}

inline Watts random_watts(Rng& rng) {
  return {static_cast<std::int64_t>(rng.below(1'000'001))};
}

inline ProgramConfig random_program(Rng& rng, std::size_t number) {
  ProgramConfig out;
  out.name = "program-" + std::to_string(number);
  out.reserve_permille = random_permille(rng, 0);
  out.priority = static_cast<std::int64_t>(rng.below(1'001));
  const UtcTime begin{std::chrono::milliseconds{1 + rng.below(1'000'000'000'000)}};
  if (rng.below(2) == 0) out.from = begin;
  if (rng.below(2) == 0) out.until = begin + std::chrono::milliseconds{1 + rng.below(1'000'000)};
  return out;
}

inline Price random_price(Rng& rng, std::uint64_t least) {
  return {static_cast<std::int64_t>(least + rng.below(1'000'000'000'001 - least))};
}

inline std::chrono::minutes random_quarter(Rng& rng) {
  return std::chrono::minutes{15 * rng.below(96)};
}

inline std::optional<ValuesConfig> random_values(Rng& rng) {
  if (rng.below(2) == 0) return std::nullopt;
  ValuesConfig values;
  values.target = random_watts(rng);
  values.price_max = random_price(rng, 1);
  values.per_kw = random_price(rng, 1);
  values.slot = std::chrono::minutes{15 << rng.below(3)};
  values.slots = static_cast<std::int64_t>(1 + rng.below(96));
  values.interval = std::chrono::seconds{2 + rng.below(3'599)};
  values.hold = std::chrono::minutes{60 + rng.below(1'381)};
  return values;
}

inline std::optional<TariffConfig> random_tariff(Rng& rng) {
  if (rng.below(3) == 0) return std::nullopt;
  TariffConfig tariff;
  tariff.buy = random_price(rng, 0);
  tariff.sell = random_price(rng, 0);
  if (rng.below(2) == 0) tariff.stored_value = random_price(rng, 0);
  tariff.utc_offset = random_quarter(rng) / 2 / 15 * 15;
  for (std::size_t i = rng.below(4); i > 0; --i) {
    tariff.periods.push_back(
        {random_quarter(rng), random_quarter(rng), random_price(rng, 0), random_price(rng, 0)});
  }
  return tariff;
}

inline LeafConfig random_leaf(Rng& rng) {
  LeafConfig leaf;
  leaf.parents = random_parents(rng);
  leaf.link = static_cast<LinkKind>(rng.below(kLinkKinds));
  leaf.device.host = random_host(rng);
  leaf.device.port = random_port(rng);
  leaf.device.unit = rng.below(9) == 0 ? 255 : static_cast<std::uint8_t>(1 + rng.below(247));
  leaf.device.poll = limits::kPollMin + rng.up_to(limits::kPollMax - limits::kPollMin);
  if (rng.below(2) == 0) leaf.meter.unit = static_cast<std::uint8_t>(1 + rng.below(247));
  leaf.meter.positive_is_export = rng.below(2) == 0;
  leaf.site = {random_permille(rng, 0),
               random_watts(rng),
               random_watts(rng),
               random_watts(rng),
               random_watts(rng),
               static_cast<std::int64_t>(1 + rng.below(1'000'000)),
               random_permille(rng, 1),
               random_permille(rng, 1),
               WattHours{static_cast<std::int64_t>(rng.below(10'000'001))},
               random_watts(rng),
               std::chrono::minutes{5 + rng.below(1436)}};
  for (std::size_t i = rng.below(4); i > 0; --i) leaf.programs.push_back(random_program(rng, i));
  for (std::size_t i = rng.below(4); i > 0; --i) {
    leaf.groups.push_back("key-" + std::to_string(9 - i) + "=Wert-" + std::to_string(rng.below(9)));
  }
  leaf.frequency.nominal_hz = rng.below(2) == 0 ? 50 : 60;
  leaf.frequency.dead_band_mhz = static_cast<std::int32_t>(rng.below(100));
  leaf.frequency.full_at_mhz =
      leaf.frequency.dead_band_mhz + 1 + static_cast<std::int32_t>(rng.below(4900));
  leaf.tariff = random_tariff(rng);
  leaf.values.follow = leaf.tariff && rng.below(2) == 0;
  leaf.values.most = random_price(rng, 0);
  leaf.frequency.poll = std::chrono::milliseconds{100 + rng.below(901)};
  return leaf;
}

inline FeederConfig random_feeder(Rng& rng) {
  FeederConfig feeder;
  if (rng.below(2) == 0) feeder.export_max = random_watts(rng);
  if (rng.below(2) == 0) feeder.import_max = random_watts(rng);
  if (rng.below(2) == 0) feeder.site_max = random_watts(rng);
  return feeder;
}

inline std::optional<PeakConfig> random_peak(Rng& rng) {
  if (rng.below(2) == 0) return std::nullopt;
  return PeakConfig{random_watts(rng), "peak-" + std::to_string(rng.below(9))};
}

inline OpenAdrRuleConfig random_rule(Rng& rng) {
  static const std::vector<std::string> kPayloads{"SIMPLE", "PRICE", "GHG", "CONTROL_SETPOINT",
                                                  "ALERT_GRID_EMERGENCY"};
  OpenAdrRuleConfig out;
  out.payload = kPayloads[rng.below(kPayloads.size())];
  if (rng.below(2) == 0) out.program = "p" + std::to_string(rng.below(9));
  if (rng.below(2) == 0) out.group = "region=r" + std::to_string(rng.below(9));
  out.positive_is_export = rng.below(2) == 0;
  const std::uint64_t levels = rng.below(4);
  for (std::uint64_t i = 0; i < levels; ++i) out.levels.push_back(random_watts(rng));
  if (out.payload == "SIMPLE" && out.levels.empty()) out.levels.push_back(random_watts(rng));
  if (rng.below(2) == 0) out.power = random_watts(rng);
  if (rng.below(2) == 0) out.per_tonne = random_price(rng, 0);
  return out;
}

inline OpenAdrConfig random_openadr(Rng& rng) {
  OpenAdrConfig out;
  out.url = "http://127.0.0.1:" + std::to_string(random_port(rng)) + "/openadr3/3.1.0";
  if (rng.below(2) == 0) out.version = "3.0";
  out.ven_name = random_text(rng, 40);
  if (rng.below(2) == 0) {
    out.client_id = random_text(rng, 40);
    out.client_secret_file = "/" + random_text(rng, 40);
  }
  if (rng.below(2) == 0) out.ca_file = "/" + random_text(rng, 40);
  for (std::uint64_t i = rng.below(3); i > 0; --i) out.programs.push_back(random_text(rng, 40));
  for (std::uint64_t i = rng.below(3); i > 0; --i) out.targets.push_back(random_text(rng, 40));
  out.poll = std::chrono::seconds{1 + rng.below(3'600)};
  for (std::uint64_t i = rng.below(4); i > 0; --i) out.rules.push_back(random_rule(rng));
  return out;
}

inline RootConfig random_root(Rng& rng) {
  RootConfig root;
  root.listen = random_listen(rng);
  root.capacity.confidence_permille = static_cast<std::int32_t>(500 + rng.below(500));
  root.values = random_values(rng);
  root.dispatch.cut_off_hold = std::chrono::seconds{5 + rng.below(896)};
  if (rng.below(3) != 0) {
    const auto price = static_cast<std::int64_t>(rng.below(2'000'000'000'001)) - 1'000'000'000'000;
    root.market = MarketConfig{"http://127.0.0.1:" + std::to_string(random_port(rng)), Price{price},
                               random_permille(rng, 1), random_permille(rng, 0)};
    root.market->format = static_cast<BidFormat>(rng.below(3));
    root.market->strategy = static_cast<BidStrategy>(rng.below(2));
    root.market->reserve = root.market->format == BidFormat::kOwn && rng.below(2) == 0;
    root.market->called_permille = random_permille(rng, 0);
  }
  if (rng.below(2) == 0)
    root.workers = WorkersConfig{"ipc:///run/w", std::chrono::seconds{1 + rng.below(600)}};
  if (rng.below(2) == 0) root.baseline.zone = random_text(rng, 30) + "x";
  root.forecast.history_days = 8 + static_cast<std::int64_t>(rng.below(1'493));
  root.forecast.external = root.workers && rng.below(2) == 0;
  root.forecast.model = root.forecast.external ? random_text(rng, 20) + "x" : "lear";
  root.optimise.external = root.workers && rng.below(2) == 0;
  root.optimise.model = root.optimise.external ? random_text(rng, 20) + "x" : "own";
  if (rng.below(2) == 0) return root;
  if (rng.below(2) == 0) root.openadr = random_openadr(rng);
  root.etcd = EtcdConfig{{}, "/" + random_text(rng, 30)};
  for (std::uint64_t i = 1 + rng.below(3); i > 0; --i) {
    root.etcd->endpoints.push_back("http://127.0.0.1:" + std::to_string(random_port(rng)));
  }
  if (rng.below(3) == 0) return root;
  root.peers = random_parents(rng);
  if (root.peers.size() > limits::kRootPeersMax) root.peers.resize(limits::kRootPeersMax);
  root.journal_copies = 1 + static_cast<std::int64_t>(rng.below(root.peers.size()));
  return root;
}

inline RoleConfig random_role_config(Rng& rng) {
  RoleConfig config;
  config.name = random_text(rng, limits::kNameBytesMax);
  if (rng.below(2) == 0) config.region = random_text(rng, limits::kNameBytesMax);
  config.state_dir = "/" + random_text(rng, 40);
  config.run_dir = "/" + random_text(rng, 40);
  config.identity = {random_text(rng, 40), random_text(rng, 40), random_text(rng, 40)};
  if (rng.below(2) == 0) config.http = HttpConfig{"127.0.0.1", random_port(rng)};
  config.log_level = static_cast<LogLevel>(rng.below(5));
  if (rng.below(2) == 0) {
    const auto ms = [&] {
      return std::chrono::milliseconds{static_cast<std::int64_t>(rng.below(7'258'118'400'000))};
    };
    config.time = TimeConfig{static_cast<std::int64_t>(1 + rng.below(3'600)), UtcTime{ms()},
                             MarketTime{ms()}};
  }
  switch (rng.below(3)) {
    case 0:
      config.of_role = random_leaf(rng);
      break;
    case 1:
      config.of_role =
          AggregatorConfig{random_parents(rng), rng.below(2) == 0 ? LinkKind::kLan : LinkKind::kWan,
                           random_listen(rng),  random_feeder(rng),
                           random_peak(rng),    random_values(rng)};
      break;
    default:
      config.of_role = random_root(rng);
  }
  return config;
}

}  // namespace vpp::testing
