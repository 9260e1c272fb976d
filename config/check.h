// Our own bugs stop the process, in release too; what others can cause is std::expected.
#pragma once

namespace vpp {

/// Terminates with "file:line: check failed: what". Throws inside noexcept on purpose: the
/// runtime prints the message, so that a core needs no file or stream of its own.
[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;

}  // namespace vpp

#define VPP_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::vpp::check_failed(#condition, __FILE__, __LINE__))
