#include "daemon/driver/etcd_client.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "config/check.h"

namespace vpp::driver {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kQuoteBytesMax = 120;
constexpr std::int64_t kTtlMaxS = 3'600;

std::string to_base64(const std::string& bytes) {
  std::string out(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()),
                    bytes.size(), sodium_base64_VARIANT_ORIGINAL);
  out.resize(out.find('\0'));
  return out;
}

/// For people: what is no base64 is shown as nothing.
std::string from_base64(const std::string& text) {
  std::string out(text.size(), '\0');
  std::size_t size = 0;
  const int bad =
      sodium_base642bin(reinterpret_cast<std::uint8_t*>(out.data()), out.size(), text.data(),
                        text.size(), nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL);
  out.resize(bad == 0 ? size : 0);
  return out;
}

std::string one_line(std::string text) {
  text.resize(std::min(text.size(), kQuoteBytesMax));
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

/// An int64 as the gateway writes it; absent is zero.
std::int64_t number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return 0;
  if (found->is_number_integer()) return found->get<std::int64_t>();
  const auto text = found->get<std::string>();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::runtime_error{std::string{key} + " is no number"};
  }
  return value;
}

/// As JSON that is an object. Throws one line.
Json post(bidding::HttpPoster& member, const std::string& path, const Json& body) {
  auto answer = member.post(path, body.dump());
  if (!answer) throw std::runtime_error{answer.error()};
  const bidding::HttpResponse response = *std::move(answer);
  const Json json = Json::parse(response.body, nullptr, false);
  if (response.status != 200) {
    const bool told = json.is_object() && json.contains("error") && json["error"].is_string();
    throw std::runtime_error{"HTTP " + std::to_string(response.status) + ": " +
                             one_line(told ? json["error"].get<std::string>() : response.body)};
  }
  if (!json.is_object()) throw std::runtime_error{"the answer is no JSON object"};
  return json;
}

Duration ttl_of(const Json& json) {
  return std::chrono::seconds{std::clamp<std::int64_t>(number(json, "TTL"), 0, kTtlMaxS)};
}

/// The value of the only key that was asked for; nothing: there is none.
std::optional<std::string> value_of(const Json& range) {
  const auto found = range.find("kvs");
  if (found == range.end() || found->empty()) return std::nullopt;
  const Json& first = found->at(0);
  return one_line(first.contains("value") ? from_base64(first["value"].get<std::string>()) : "");
}

}  // namespace

EtcdClient::EtcdClient(EtcdOptions options,
                       std::vector<std::unique_ptr<bidding::HttpPoster>> members)
    : options_{std::move(options)}, members_{std::move(members)} {
  VPP_CHECK(!members_.empty());
}

node::LeaseAnswered EtcdClient::carry_out(const node::LeaseAsk& ask) {
  try {
    if (std::holds_alternative<node::ClaimKey>(ask.what)) return {ask.id, claim()};
    if (const auto* keep = std::get_if<node::KeepAlive>(&ask.what)) {
      return {ask.id, keep_alive(keep->lease)};
    }
    return {ask.id, give_up(std::get<node::GiveUp>(ask.what).lease)};
  } catch (const std::exception& error) {  // the JSON library reports by exception, and so do we
    present_ = (present_ + 1) % members_.size();
    return {ask.id, node::LeaseFailed{error.what()}};
  }
}

EtcdClient::Outcome EtcdClient::claim() {
  bidding::HttpPoster& member = *members_[present_];
  const std::string key = to_base64(options_.key);
  // A look first: a lease is granted only when there is something to win.
  const Json seen = post(member, "/v3/kv/range", {{"key", key}});
  if (auto holder = value_of(seen)) return node::KeyTaken{*std::move(holder)};

  const std::string ttl = std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(node::RootLease::kTtl).count());
  const Json granted = post(member, "/v3/lease/grant", {{"TTL", ttl}});
  const node::EtcdLease lease = number(granted, "ID");
  if (lease == 0 || ttl_of(granted) == Duration{0})
    throw std::runtime_error{"no lease was granted"};
  const std::string id = std::to_string(lease);
  const Json absent{
      {"key", key}, {"target", "CREATE"}, {"result", "EQUAL"}, {"createRevision", "0"}};
  const Json put{{"key", key}, {"value", to_base64(options_.value)}, {"lease", id}};
  const Json done = post(member, "/v3/kv/txn",
                         {{"compare", Json::array({absent})},
                          {"success", Json::array({Json{{"requestPut", put}}})},
                          {"failure", Json::array({Json{{"requestRange", {{"key", key}}}}})}});
  if (!done.value("succeeded", false)) {
    (void)give_up(lease);
    return node::KeyTaken{value_of(done.at("responses").at(0).at("response_range")).value_or("")};
  }
  const std::int64_t revision = number(done.at("header"), "revision");
  if (revision <= 0) throw std::runtime_error{"the answer has no revision"};
  return node::KeyClaimed{lease, static_cast<std::uint64_t>(revision), ttl_of(granted)};
}

EtcdClient::Outcome EtcdClient::keep_alive(node::EtcdLease lease) {
  const Json answer =
      post(*members_[present_], "/v3/lease/keepalive", {{"ID", std::to_string(lease)}});
  const Json& result = answer.at("result");
  if (number(result, "ID") != lease) throw std::runtime_error{"an answer for another lease"};
  const Duration ttl = ttl_of(result);
  if (ttl == Duration{0}) return node::LeaseGone{};
  return node::KeptAlive{ttl};
}

EtcdClient::Outcome EtcdClient::give_up(node::EtcdLease lease) {
  (void)post(*members_[present_], "/v3/lease/revoke", {{"ID", std::to_string(lease)}});
  return node::LeaseGone{};
}

}  // namespace vpp::driver
