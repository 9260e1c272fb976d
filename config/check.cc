#include "config/check.h"

#include <stdexcept>
#include <string>

namespace vpp {
namespace {

[[noreturn]] void raise(const char* what, const char* file, int line) {
  throw std::logic_error{std::string{file} + ":" + std::to_string(line) +
                         ": check failed: " + what};
}

}  // namespace

void check_failed(const char* what, const char* file, int line) noexcept {
  raise(what, file, line);
}

}  // namespace vpp
