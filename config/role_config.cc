#include "config/role_config.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace vpp {
namespace {

constexpr std::array<std::string_view, 2> kBidStrategies{"segment", "curve"};
constexpr std::array<std::string_view, 5> kLogLevels{"trace", "debug", "info", "warning", "error"};

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-' || c == '_';
}

bool is_ip6_char(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > limits::kAddressBytesMax) return false;
  if (host == "*") return true;
  if (host.front() != '[') return std::ranges::all_of(host, is_host_char);
  return host.size() > 2 && host.back() == ']' &&
         std::ranges::all_of(host.substr(1, host.size() - 2), is_ip6_char);
}

constexpr std::array<std::string_view, 3> kBidFormats{"own", "caiso", "aemo"};

}  // namespace

std::string_view to_string(BidFormat format) {
  return kBidFormats.at(static_cast<std::size_t>(format));
}

std::optional<BidFormat> parse_bid_format(std::string_view name) {
  const auto* const found = std::ranges::find(kBidFormats, name);
  if (found == kBidFormats.end()) return std::nullopt;
  return static_cast<BidFormat>(found - kBidFormats.begin());
}

std::string_view to_string(BidStrategy strategy) {
  return kBidStrategies.at(static_cast<std::size_t>(strategy));
}

std::optional<BidStrategy> parse_bid_strategy(std::string_view name) {
  const auto* const found = std::ranges::find(kBidStrategies, name);
  if (found == kBidStrategies.end()) return std::nullopt;
  return static_cast<BidStrategy>(found - kBidStrategies.begin());
}

std::string_view to_string(LogLevel level) {
  return kLogLevels.at(static_cast<std::size_t>(level));
}

std::optional<LogLevel> parse_log_level(std::string_view name) {
  const auto* const found = std::ranges::find(kLogLevels, name);
  if (found == kLogLevels.end()) return std::nullopt;
  return static_cast<LogLevel>(found - kLogLevels.begin());
}

Role role_of(const RoleConfig& config) {
  constexpr std::array kRoles{Role::kLeaf, Role::kAggregator, Role::kRoot};
  return kRoles.at(config.of_role.index());
}

std::span<const Endpoint> parents_of(const RoleConfig& config) {
  if (const auto* leaf = std::get_if<LeafConfig>(&config.of_role)) return leaf->parents;
  if (const auto* group = std::get_if<AggregatorConfig>(&config.of_role)) return group->parents;
  return {};
}

std::optional<LinkKind> link_of(const RoleConfig& config) {
  if (const auto* leaf = std::get_if<LeafConfig>(&config.of_role)) return leaf->link;
  if (const auto* group = std::get_if<AggregatorConfig>(&config.of_role)) return group->link;
  return std::nullopt;
}

const ListenConfig* listen_of(const RoleConfig& config) {
  if (const auto* group = std::get_if<AggregatorConfig>(&config.of_role)) return &group->listen;
  if (const auto* root = std::get_if<RootConfig>(&config.of_role)) return &root->listen;
  return nullptr;
}

MarketTime market_time(const std::optional<TimeConfig>& time, UtcTime utc) {
  if (!time) return MarketTime{utc.time_since_epoch()};
  __extension__ using Wide = __int128;  // nothing of 64 bits, squared, overflows it
  const Wide since_ms =
      Wide{utc.time_since_epoch().count()} - time->anchor_utc.time_since_epoch().count();
  const Wide market_ms = since_ms * time->speed + time->anchor_market.time_since_epoch().count();
  const auto ms = std::clamp(market_ms, Wide{MarketTime::min().time_since_epoch().count()},
                             Wide{kEndOfTime.time_since_epoch().count()});
  return MarketTime{MarketClock::duration{static_cast<std::int64_t>(ms)}};
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (!is_host(host)) return std::nullopt;
  return HostPort{std::string{host}, port};
}

std::optional<HostPort> parse_tcp_address(std::string_view text) {
  constexpr std::string_view kScheme = "tcp://";
  if (!text.starts_with(kScheme)) return std::nullopt;
  return parse_host_port(text.substr(kScheme.size()));
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  // 127.0.0.0/8, written in full: a name such as "127.example.org" is not an address.
  const bool dotted =
      std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return dotted && host.starts_with("127.") && std::ranges::count(host, '.') == 3;
}

bool is_any_host(std::string_view host) {
  return host == "*" || host == "0.0.0.0" || host == "[::]";
}

}  // namespace vpp
