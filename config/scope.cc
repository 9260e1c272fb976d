#include "config/scope.h"

#include <algorithm>

namespace vpp {

std::string to_string(const Scope& scope) {
  return scope.group.empty() ? scope.program : scope.program + " in " + scope.group;
}

bool is_program_name(std::string_view text) {
  constexpr std::string_view kOthers = "-_.";
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool is_group(std::string_view text) {
  const auto at = text.find('=');
  if (at == std::string_view::npos || !is_program_name(text.substr(0, at))) return false;
  const std::string_view value = text.substr(at + 1);
  return !value.empty() && value.size() <= 64 && std::ranges::none_of(value, [](char c) {
    return c == '=' || static_cast<unsigned char>(c) <= ' ';
  });
}

std::string_view key_of(std::string_view group) {
  return group.substr(0, group.find('='));
}

bool overlap(const Scope& a, const Scope& b) {
  if (a.program != b.program) return false;
  if (a.group.empty() || b.group.empty() || a.group == b.group) return true;
  return key_of(a.group) != key_of(b.group);
}

}  // namespace vpp
