#include "tests/device/child_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <stdexcept>

namespace vpp {

ChildProcess::ChildProcess(const std::vector<std::string>& command) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  // Close-on-exec: another test's child must not hold our ends open.
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) {
    throw std::runtime_error{"pipe"};
  }
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  stdin_ = in[1];
  stdout_ = out[0];
  std::string line;
  char byte = 0;
  while (::read(stdout_, &byte, 1) == 1 && byte != '\n') line += byte;
  const auto at = line.find("ports=");
  if (line.starts_with("READY") && at != std::string::npos) port_ = std::stoi(line.substr(at + 6));
}

ChildProcess::~ChildProcess() {
  ::close(stdin_);  // pymodbus_server.py ends with its input
  ::close(stdout_);
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    (void)wait();
  }
}

void ChildProcess::signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

int ChildProcess::wait() {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, 0) != pid_) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace vpp
