// `vppctl plan` on files that are written for one test.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tools/vppctl/plan_command.h"

namespace vpp::ctl::testing {

/// A directory of its own, gone at the end.
struct Files {
  std::filesystem::path directory;
  Files() {
    std::string name = (std::filesystem::temp_directory_path() / "vpp-plan-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~Files() { std::filesystem::remove_all(directory); }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    const auto path = directory / name;
    std::ofstream{path, std::ios::binary} << text;
    return path.string();
  }
};

struct Result {
  int code;
  std::string out;
  std::string err;
};

/// `arguments` but the names of the files, which are made of their texts.
inline Result run_files(const std::string& fleet, const std::string& request,
                        PlanArguments arguments) {
  const Files files;
  std::ostringstream out;
  std::ostringstream err;
  arguments.fleet = files.write("fleet.csv", fleet);
  arguments.request = files.write("request.csv", request);
  const int code = run_plan(arguments, out, err);
  // Errors name the whole path: leave the directory out.
  std::string text = err.str();
  const std::string prefix = files.directory.string() + "/";
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
    text.erase(at, prefix.size());
  }
  return {code, out.str(), text};
}

inline Result run(const std::string& fleet, const std::string& request,
                  const std::string& step = "1h", bool json = true) {
  return run_files(fleet, request, {.fleet = {}, .request = {}, .step = step, .json = json});
}

}  // namespace vpp::ctl::testing
