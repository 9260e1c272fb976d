// Market words as JSON, for the journal and for our own market's HTTP API. Whole numbers with the
// unit last in the name; times are UTC milliseconds.
//
// Additive: unknown fields are ignored on reading, known ones must be there and of the right type.
// The "session" and "product" of a gate or price may be absent: real_time, energy. So may the
// "availability_micro" of a settlement: 0.
#pragma once

#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bidding/forecast_task.h"
#include "bidding/market.h"
#include "bidding/task_queue.h"

namespace vpp::bidding {

using Json = nlohmann::ordered_json;

[[nodiscard]] std::string_view name_of(Session session);
[[nodiscard]] std::string_view name_of(Product product);
[[nodiscard]] std::optional<Session> session_named(std::string_view name);
[[nodiscard]] std::optional<Product> product_named(std::string_view name);

[[nodiscard]] Json to_json_value(const Gate& gate);
[[nodiscard]] Json to_json_value(const PricePoint& point);
[[nodiscard]] Json to_json_value(const BidSegment& segment);
[[nodiscard]] Json to_json_value(const Bid& bid);
[[nodiscard]] Json to_json_value(const Award& award);
[[nodiscard]] Json to_json_value(const ReserveCall& call);
[[nodiscard]] Json to_json_value(const Delivery& delivery);
[[nodiscard]] Json to_json_value(const Settlement& settlement);
[[nodiscard]] Json to_json_value(Joules energy);
[[nodiscard]] Json to_json_value(const ForecastHour& hour);

template <class T>
[[nodiscard]] Json to_json_list(const std::vector<T>& items) {
  Json list = Json::array();
  for (const T& item : items) list.push_back(to_json_value(item));
  return list;
}

/// Reads fields; the first thing that is wrong sticks, and what is read after it means nothing.
class JsonReader {
 public:
  [[nodiscard]] std::int64_t whole(const Json& object, const char* name);
  [[nodiscard]] std::uint32_t count(const Json& object, const char* name);
  [[nodiscard]] bool yes_or_no(const Json& object, const char* name);
  [[nodiscard]] std::string text(const Json& object, const char* name);
  [[nodiscard]] MarketTime time(const Json& object, const char* name);
  [[nodiscard]] TaskId task(const Json& object, const char* name);
  /// The field, an object; or an empty one.
  [[nodiscard]] const Json& object(const Json& object, const char* name);
  /// The field, an array; or an empty one.
  [[nodiscard]] const Json& array(const Json& object, const char* name);

  void read(const Json& value, Gate& gate);
  void read(const Json& value, PricePoint& point);
  void read(const Json& value, BidSegment& segment);
  void read(const Json& value, Bid& bid);
  void read(const Json& value, Award& award);
  void read(const Json& value, ReserveCall& call);
  void read(const Json& value, Delivery& delivery);
  void read(const Json& value, Settlement& settlement);
  void read(const Json& value, Joules& energy);
  void read(const Json& value, Price& price);
  void read(const Json& value, ForecastHour& hour);

  template <class T>
  [[nodiscard]] std::vector<T> list(const Json& parent, const char* name) {
    std::vector<T> items;
    for (const Json& value : array(parent, name)) read(value, items.emplace_back());
    return items;
  }

  void fail(std::string why);
  /// Empty: nothing was wrong.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  [[nodiscard]] const Json* field(const Json& object, const char* name);
  [[nodiscard]] std::int64_t number(const Json& value, const char* name);
  /// One of `names`; the first if the field is not there.
  template <class Enum, class Names>
  [[nodiscard]] Enum name(const Json& object, const char* name, const Names& names);

  std::string error_;
};

/// Error: not JSON, or not an object.
[[nodiscard]] std::expected<Json, std::string> parse_json_object(std::string_view text);

}  // namespace vpp::bidding
