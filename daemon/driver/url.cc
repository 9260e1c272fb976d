#include "daemon/driver/url.h"

#include <charconv>

namespace vpp::driver {
namespace {

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const std::string_view digits = text.substr(i + 1).substr(0, 2);
    if (text[i] == '%' && digits.size() == 2) {
      const auto [end, error] = std::from_chars(digits.begin(), digits.end(), byte, 16);
      if (error == std::errc{} && end == digits.end()) {
        out.push_back(static_cast<char>(byte));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

}  // namespace

Target parse_target(std::string_view target) {
  Target out;
  const std::size_t mark = target.find('?');
  out.path = decode(target.substr(0, mark));
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    const std::string name = decode(pair.substr(0, equals));
    if (name.empty()) continue;
    out.query[name] = equals == std::string_view::npos ? "" : decode(pair.substr(equals + 1));
  }
  return out;
}

}  // namespace vpp::driver
