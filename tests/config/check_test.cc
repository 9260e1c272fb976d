#include "config/check.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <string>

namespace {

/// What a child that runs `body` writes to stderr; `status` is how it ended.
template <class Body>
std::string stderr_of_child(Body body, int& status) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    std::signal(SIGABRT, SIG_DFL);  // Catch2 has its own
    body();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  std::array<char, 256> chunk{};
  for (ssize_t n = 0; (n = ::read(ends[0], chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &status, 0) == child);
  return text;
}

}  // namespace

TEST_CASE("a failed check stops the process and says where", "[config][check]") {
  int status = 0;
  const std::string text = stderr_of_child([] { VPP_CHECK(1 + 1 == 3); }, status);
  CHECK(WIFSIGNALED(status));
  CHECK(text.find("check_test.cc") != std::string::npos);
  CHECK(text.find("1 + 1 == 3") != std::string::npos);
}

TEST_CASE("a check that holds costs nothing and evaluates once", "[config][check]") {
  int evaluated = 0;
  VPP_CHECK(++evaluated == 1);
  CHECK(evaluated == 1);
}
