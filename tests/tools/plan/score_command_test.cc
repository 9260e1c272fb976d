#include "tools/vppctl/score_command.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numbers>
#include <sstream>
#include <string>

namespace vpp::ctl {
namespace {

using Json = nlohmann::ordered_json;

/// A directory of its own, gone at the end.
struct ScoreFiles {
  std::filesystem::path directory;
  ScoreFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "vpp-score-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory = name;
  }
  ~ScoreFiles() { std::filesystem::remove_all(directory); }
  ScoreFiles(const ScoreFiles&) = delete;
  ScoreFiles& operator=(const ScoreFiles&) = delete;

  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    const auto path = directory / name;
    std::ofstream{path, std::ios::binary} << text;
    return path.string();
  }
};

struct ScoreResult {
  int code;
  std::string out;
  std::string err;
};

ScoreResult run_files(const std::string& signal, const std::string& response,
                      ScoreArguments arguments = {}) {
  const ScoreFiles files;
  std::ostringstream out;
  std::ostringstream err;
  arguments.signal = files.write("signal.csv", signal);
  arguments.response = files.write("response.csv", response);
  const int code = run_score(arguments, out, err);
  // Errors name the whole path: leave the directory out.
  std::string text = err.str();
  const std::string prefix = files.directory.string() + "/";
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
    text.erase(at, prefix.size());
  }
  return {code, out.str(), text};
}

Json document(const std::string& signal, const std::string& response,
              ScoreArguments arguments = {}) {
  arguments.json = true;
  const auto result = run_files(signal, response, arguments);
  REQUIRE(result.err.empty());
  REQUIRE(result.code == 0);
  return Json::parse(result.out);
}

/// A sine with a period of ten minutes, `late_s` late, sampled every `step_s` from `from_s`.
std::string sine(int step_s = 10, int late_s = 0, int from_s = 0, double factor = 1) {
  std::ostringstream out;
  out.precision(17);
  out << "seconds,value\n";
  for (int at = from_s; at <= 3900; at += step_s) {
    const int then = std::max(0, at - late_s);
    out << at << ',' << factor * std::sin(2 * std::numbers::pi * then / 600) << '\n';
  }
  return out.str();
}

TEST_CASE("the check vectors come out of files", "[score]") {
  const auto score = [](const std::string& response) {
    return document(sine(), response)["score"].get<double>();
  };
  CHECK(score(sine()) == Approx(1.0).margin(0.5e-6));
  CHECK(score(sine(10, 10)) == Approx(0.954103).margin(0.5e-6));
  CHECK(score(sine(10, 60)) == Approx(0.730402).margin(0.5e-6));
  CHECK(score(sine(10, 20, 0, 0.8)) == Approx(0.886787).margin(0.5e-6));
  CHECK(score(sine(10, 0, 0, -1)) == Approx(1.0 / 3).margin(0.5e-6));
}

TEST_CASE("a score names its parts, how it was made, and every window", "[score]") {
  const auto json = document(sine(), sine(10, 60),
                             {.signal = {}, .response = {}, .method = "sum", .normaliser = "peak"});
  CHECK(json["schema"] == "vppctl/v1");
  CHECK(json["method"] == "sum");
  CHECK(json["normaliser"] == "peak");
  CHECK(json["latency_allowed_s"] == 0);
  CHECK(json["qualifies"] == (json["score"] >= 0.75));
  REQUIRE(json["windows"].size() == 12);
  CHECK(json["windows"][11]["t_s"] == 3300);
  for (const char* part : {"score", "delay", "correlation", "precision"}) {
    double sum = 0;
    for (const auto& window : json["windows"]) sum += window[part].get<double>();
    CHECK(sum / 12 == Approx(json[part].get<double>()));
  }
}

TEST_CASE("files of other paces and beginnings are sampled at the times of the signal", "[score]") {
  CHECK(document(sine(2), sine(5))["score"] == Approx(1.0).margin(0.5e-6));
  const auto late = document(sine(2), sine(5, 0, 25));
  CHECK(late["windows"][0]["t_s"] == 30);
  CHECK(late["score"] == Approx(1.0).margin(0.5e-6));
  const auto early = document(sine(2, 0, 24), sine(1));
  CHECK(early["windows"][0]["t_s"] == 24);
  CHECK(early["score"] == Approx(1.0).margin(0.5e-6));
}

TEST_CASE("of a value that holds, a score sees it until the next one", "[score]") {
  std::string sparse = "seconds,value\n";
  std::string dense = "seconds,value\n";
  for (int at = 0; at <= 900; ++at) {
    const std::string row = std::to_string(at) + "," + std::to_string(at / 30 % 5) + "\n";
    dense += row;
    if (at % 30 == 0) sparse += row;
  }
  CHECK(document(dense, sparse)["score"] == 1.0);
}

TEST_CASE("an allowance and the rule for the lag are options", "[score]") {
  const auto delay = [](ScoreArguments arguments) {
    return document(sine(), sine(10, 20), std::move(arguments))["delay"].get<double>();
  };
  CHECK(delay({}) == Approx(1 - 20.0 / 300));
  CHECK(delay({.signal = {}, .response = {}, .latency = std::chrono::seconds{10}}) ==
        Approx(1 - 10.0 / 300));
  CHECK(delay({.signal = {}, .response = {}, .method = "sum"}) > 1 - 20.0 / 300);
}

TEST_CASE("every error of both files is told in one go", "[score]") {
  const auto result =
      run_files("seconds,value\n0,1\n1,nan\n1,x\n0,5\n2,\n3,inf\n4,1e16\n", "time,value\n0,1\n",
                {.signal = {}, .response = {}, .method = "best", .normaliser = "none"});
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  CHECK(result.err ==
        "vppctl score: --method 'best' is unknown; hint: one of correlation, sum\n"
        "vppctl score: --normaliser 'none' is unknown; hint: one of window, series, peak\n"
        "signal.csv:3:3: value 'nan' is not a number; hint: digits, with a point for decimals\n"
        "signal.csv:4:3: value 'x' is not a number; hint: digits, with a point for decimals\n"
        "signal.csv:5:1: seconds 0 after 0; hint: they rise from line to line\n"
        "signal.csv:6:3: value is missing; hint: leave the line out: a value holds\n"
        "signal.csv:7:3: value 'inf' is out of range; hint: at most 1e+15 in magnitude\n"
        "signal.csv:8:3: value '1e16' is out of range; hint: at most 1e+15 in magnitude\n"
        "response.csv:1:1: no column 'seconds'; hint: the first line names the columns: seconds, "
        "value\n");
}

TEST_CASE("too little in common, no signal, no rows and no file are errors", "[score]") {
  CHECK(run_files(sine(), "seconds,value\n3500,1\n3900,1\n").err ==
        "response.csv:1:1: 400 s in common with the signal, 590 s are needed; hint: a window of 5 "
        "minutes, and 5 more for its lag; are both by the same clock?\n");
  CHECK(run_files(sine(), "seconds,value\n1e9,1\n2e9,1\n").err.find(": 0 s in common") !=
        std::string::npos);
  CHECK(run_files(sine(10, 0, 0, 0), sine()).err ==
        "signal.csv:1:1: the signal is zero in every window; hint: there was nothing to follow; is "
        "it the right file?\n");
  CHECK(run_files(sine(), "seconds,value\n").err == "response.csv:1:1: no sample in the file\n");
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_score({.signal = "/nonexistent/x.csv", .response = "/nonexistent/y.csv"}, out, err) ==
        2);
  CHECK(err.str().find("/nonexistent/x.csv:1:1: cannot be read") != std::string::npos);
  CHECK(err.str().find("/nonexistent/y.csv:1:1: cannot be read") != std::string::npos);
}

TEST_CASE("what is held for long or ignored is said", "[score]") {
  const auto result = run_files("seconds,value,unit\n0,1,W\n100,2,W\n600,3,W\n1000,4,W\n", sine());
  CHECK(result.code == 0);
  CHECK(result.err ==
        "vppctl score: column 'unit' of signal.csv is ignored\n"
        "vppctl score: signal.csv is silent for more than 60 s 3 times, first for 100 s after 0: "
        "the value before it is held\n");
}

TEST_CASE("people see the parts first, then the windows", "[score]") {
  const auto result = run_files(sine(), sine(10, 10));
  CHECK(result.code == 0);
  const std::string head =
      "SCORE        0.954103\n"
      "DELAY        0.966667\n"
      "CORRELATION  1.000000\n"
      "PRECISION    0.895641\n"
      "QUALIFIES    yes (at 0.75)\n"
      "\n"
      "       T_S  LAG_S  SCORE  DELAY  CORRELATION  PRECISION\n"
      "         0     10  0.956  0.967        1.000      0.901\n";
  CHECK(result.out.substr(0, head.size()) == head);
}

}  // namespace
}  // namespace vpp::ctl
