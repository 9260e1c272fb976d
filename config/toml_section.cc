#include "config/toml_section.h"

#include <algorithm>
#include <cmath>

#include "config/suggest.h"

namespace vpp {
namespace {

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time of day";
    case toml::node_type::date_time:
      return "a date and time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

std::int32_t narrowed(std::int64_t value) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, INT32_MIN, INT32_MAX));
}

std::optional<std::chrono::milliseconds> since_1970(const toml::date_time& at) {
  if (!at.offset) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year{at.date.year},
                                        std::chrono::month{at.date.month},
                                        std::chrono::day{at.date.day}};
  return std::chrono::sys_days{day}.time_since_epoch() + std::chrono::hours{at.time.hour} +
         std::chrono::minutes{at.time.minute} + std::chrono::seconds{at.time.second} +
         std::chrono::milliseconds{at.time.nanosecond / 1'000'000} -
         std::chrono::minutes{at.offset->minutes};
}

}  // namespace

ConfigPlace place_of(const toml::source_position& position) {
  return {position.line, position.column};
}

std::string TomlSection::path_of(std::string_view key) const {
  return path_.empty() ? std::string{key} : path_ + "." + std::string{key};
}

const toml::node* TomlSection::find(std::string_view key) {
  known_.push_back(key);
  const toml::node* node = table_.get(key);
  if (node != nullptr) findings_.stands(path_of(key), place_of(node->source().begin));
  return node;
}

const toml::node* TomlSection::require(std::string_view key, std::string_view hint) {
  const toml::node* node = find(key);
  if (node == nullptr) {
    const std::string where = path_.empty() ? std::string{} : " in [" + path_ + "]";
    findings_.add_at(path_of(key), place_of(table_.source().begin),
                     "required key '" + std::string{key} + "' is missing" + where,
                     std::string{hint});
  }
  return node;
}

void TomlSection::wrong_type(std::string_view key, const toml::node& node,
                             std::string_view expected, std::string_view hint) {
  wrong(key, node, "must be " + std::string{expected} + ", not " + std::string{type_name(node)},
        hint);
}

void TomlSection::wrong(std::string_view key, const toml::node& node, std::string_view cause,
                        std::string_view hint) {
  const std::string path = path_of(key);
  findings_.add_at(path, place_of(node.source().begin), "'" + path + "' " + std::string{cause},
                   std::string{hint});
}

const toml::node* TomlSection::take_text(std::string_view key, const toml::node* node,
                                         std::string& into, std::string_view hint) {
  if (node == nullptr) return nullptr;
  if (const auto* text = node->as_string()) {
    into = text->get();
    return node;
  }
  wrong_type(key, *node, "a string", hint);
  return nullptr;
}

const toml::node* TomlSection::take(std::string_view key, std::string& into,
                                    std::string_view hint) {
  return take_text(key, find(key), into, hint);
}

const toml::node* TomlSection::take_required(std::string_view key, std::string& into,
                                             std::string_view hint) {
  return take_text(key, require(key, hint), into, hint);
}

void TomlSection::take_texts(std::string_view key, std::vector<std::string>& into,
                             std::string_view hint) {
  const toml::node* node = require(key, hint);
  if (node == nullptr) return;
  const auto* list = node->as_array();
  const bool of_strings =
      list != nullptr && (list->empty() || list->is_homogeneous(toml::node_type::string));
  if (!of_strings) return wrong_type(key, *node, "a list of strings", hint);
  for (const toml::node& each : *list) into.push_back(each.as_string()->get());
}

std::optional<std::int64_t> TomlSection::take_between(std::string_view key, std::int64_t least,
                                                      std::int64_t most) {
  const toml::node* node = find(key);
  if (node == nullptr) return std::nullopt;
  const auto* number = node->as_integer();
  if (number == nullptr) {
    wrong_type(key, *node, "a whole number",
               node->is_string() ? "write it without quotes" : "such as 10, without a point");
    return std::nullopt;
  }
  if (number->get() < least || number->get() > most) {
    wrong(key, *node, "is out of range: " + std::to_string(number->get()),
          std::to_string(least) + " to " + std::to_string(most));
    return std::nullopt;
  }
  return number->get();
}

std::optional<std::int64_t> TomlSection::scaled(std::string_view key, const toml::node& node,
                                                std::int64_t scale) {
  double value = 0;
  if (const auto* whole = node.as_integer()) {
    value = static_cast<double>(whole->get());
  } else if (const auto* number = node.as_floating_point()) {
    value = number->get();
  } else {
    wrong_type(key, node, "a number",
               node.is_string() ? "write it without quotes" : "such as 10 or 12.5");
    return std::nullopt;
  }
  constexpr double kExactMax = 9e12;  // far below 2^53: a step of one is seen
  const double result = value * static_cast<double>(scale);
  if (!std::isfinite(value) || std::abs(result) > kExactMax) {
    wrong(key, node, "is out of range", "a plain number");
  } else if (std::abs(result - std::round(result)) > 1e-2) {
    wrong(key, node, "is finer than we keep",
          scale == 10 ? "one digit after the point" : "six digits after the point");
  } else {
    return std::llround(result);
  }
  return std::nullopt;
}

void TomlSection::take_scaled(std::string_view key, std::int64_t scale, std::int64_t& into) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  into = scaled(key, *node, scale).value_or(into);
}

void TomlSection::take_pct(std::string_view key, std::int32_t& permille) {
  std::int64_t value = permille;
  take_scaled(key, 10, value);
  permille = narrowed(value);
}

void TomlSection::take_pct(std::string_view key, std::int32_t& permille, Pick pick) {
  const toml::node* node = find(key);
  const auto* list = node != nullptr ? node->as_array() : nullptr;
  if (list == nullptr) return take_pct(key, permille);
  if (list->empty()) return wrong(key, *node, "is an empty list", "a number, or several");
  std::optional<std::int64_t> picked;
  for (const toml::node& each : *list) {
    const auto value = scaled(key, each, 10);
    if (!value) return;
    if (*value < 1 || *value > 1000) {
      return wrong(key, each, "is out of range", "above 0 to 100 %");
    }
    if (!picked) picked = value;
    picked = pick == Pick::kLeast ? std::min(*picked, *value) : std::max(*picked, *value);
  }
  permille = narrowed(*picked);
}

void TomlSection::take_flag(std::string_view key, bool& into) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  if (const auto* flag = node->as_boolean()) {
    into = flag->get();
  } else {
    wrong_type(key, *node, "true or false", "write it without quotes");
  }
}

void TomlSection::take_time_of_day(std::string_view key, std::chrono::minutes& into) {
  constexpr std::string_view kHint = "\"HH:MM\", such as \"17:30\"";
  std::string text;
  const toml::node* node = take_required(key, text, kHint);
  if (node == nullptr) return;
  const auto digit = [&](std::size_t at) {
    return at < text.size() && text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : -1;
  };
  const bool formed = text.size() == 5 && text[2] == ':' && digit(0) >= 0 && digit(1) >= 0 &&
                      digit(3) >= 0 && digit(4) >= 0;
  const int hours = digit(0) * 10 + digit(1);
  const int minutes = digit(3) * 10 + digit(4);
  if (!formed || hours > 23 || minutes > 59) {
    return wrong(key, *node, "is no time of day: '" + text + "'", kHint);
  }
  into = std::chrono::hours{hours} + std::chrono::minutes{minutes};
}

std::vector<TomlSection> TomlSection::take_sections(std::string_view key) {
  std::vector<TomlSection> out;
  const toml::node* node = find(key);
  if (node == nullptr) return out;
  const auto* list = node->as_array();
  if (list == nullptr || (!list->empty() && !list->is_homogeneous(toml::node_type::table))) {
    wrong_type(key, *node, "a list of sections",
               "write [[" + path_of(key) + "]] with double brackets, once for each");
    return out;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const toml::table& entry = *list->get(i)->as_table();
    const std::string path = path_of(key) + "[" + std::to_string(i) + "]";
    findings_.stands(path, place_of(entry.source().begin));
    out.emplace_back(entry, path, findings_);
  }
  return out;
}

void TomlSection::take_host_port(std::string_view key, std::string_view hint, std::string& host,
                                 std::uint16_t& port) {
  std::string text;
  const toml::node* node = take_required(key, text, hint);
  if (node == nullptr) return;
  if (auto at = parse_host_port(text)) {
    host = std::move(at->host);
    port = at->port;
  } else {
    wrong(key, *node, "is not an address: '" + text + "'", hint);
  }
}

std::optional<std::chrono::milliseconds> TomlSection::take_since_1970(std::string_view key) {
  constexpr std::string_view kHint = "a date and time with its offset: 2025-01-31T00:00:00Z";
  const toml::node* node = require(key, kHint);
  if (node == nullptr) return std::nullopt;
  const auto* value = node->as_date_time();
  if (value == nullptr) {
    wrong_type(key, *node, "a date and time", kHint);
    return std::nullopt;
  }
  const auto since = since_1970(value->get());
  if (!since) wrong(key, *node, "has no offset from UTC", kHint);
  return since;
}

void TomlSection::finish() {
  for (const auto& [key, node] : table_) {
    if (std::ranges::find(known_, key.str()) != known_.end()) continue;
    const std::string_view meant = nearest_word(key.str(), known_);
    findings_.add_at(path_of(key.str()), place_of(key.source().begin),
                     "unknown key '" + path_of(key.str()) + "'",
                     meant.empty() ? known_list() : "did you mean '" + std::string{meant} + "'?");
  }
}

std::string TomlSection::known_list() const {
  std::string list = "known here:";
  for (const std::string_view key : known_) list += " " + std::string{key};
  return list;
}

}  // namespace vpp
