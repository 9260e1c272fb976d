#include "tools/vppctl/csv.h"

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config/rng.h"

namespace vpp::ctl {
namespace {

constexpr std::array<std::string_view, 2> kRequired{"id", "power_w"};
constexpr std::array<std::string_view, 1> kOptional{"parent"};

struct Parsed {
  CsvTable table;
  std::vector<std::string> errors;
};

Parsed parse(std::string_view text) {
  CsvErrors errors{"f.csv"};
  CsvTable table = parse_csv(text, {kRequired, kOptional}, errors);
  return {std::move(table), errors.lines()};
}

TEST_CASE("columns are found by name, in any order", "[csv]") {
  const auto parsed = parse("parent,power_w,id\nnorth,5,a\n");
  CHECK(parsed.errors.empty());
  CHECK(parsed.table.places == std::vector<std::size_t>{2, 1, 0});
  REQUIRE(parsed.table.rows.size() == 1);
  CHECK(parsed.table.rows[0].cells[2].text == "a");
}

TEST_CASE("line ends, byte order mark, blank lines, blanks and quotes are understood", "[csv]") {
  const auto parsed =
      parse("\xEF\xBB\xBF\r\n\"id\" , power_w\r\n\r\n  \"a,\"\"b\"\"\" ,\t5\r\n\n c,6");
  CHECK(parsed.errors.empty());
  REQUIRE(parsed.table.rows.size() == 2);
  const auto& row = parsed.table.rows[0];
  CHECK(row.line == 4);
  CHECK(row.cells[0].text == "a,\"b\"");
  CHECK(row.cells[0].column == 3);
  CHECK(row.cells[1].text == "5");
  CHECK(row.cells[1].column == 15);
  CHECK(parsed.table.rows[1].line == 6);
}

TEST_CASE("a column that nobody asked for is ignored and said to be", "[csv]") {
  const auto parsed = parse("id,colour,power_w\na,red,5\n");
  CHECK(parsed.errors.empty());
  CHECK(parsed.table.ignored == std::vector<std::string>{"colour"});
}

TEST_CASE("a missing column is an error that guesses what was meant", "[csv]") {
  CHECK(parse("id,power_kw\na,5\n").errors ==
        std::vector<std::string>{
            "f.csv:1:4: no column 'power_w'; hint: is 'power_kw' meant to be 'power_w'?"});
  CHECK(parse("a,5\n").errors.size() == 2);
  CHECK(parse("").errors ==
        std::vector<std::string>{
            "f.csv:1:1: the file is empty; hint: the first line names the columns: id, power_w"});
}

TEST_CASE("every error of a file is told, with line and column", "[csv]") {
  const auto parsed = parse("id,power_w,id\na,5\nb,\"6\"7,x\nc,\"7,y\n");
  CHECK(parsed.errors ==
        std::vector<std::string>{
            "f.csv:1:12: column 'id' is there twice", "f.csv:2:3: 2 cells where the header has 3",
            "f.csv:3:6: text after a closing quote; hint: double a quote within "
            "quotes",
            "f.csv:4:3: a quote is not closed", "f.csv:4:3: 2 cells where the header has 3"});
}

TEST_CASE("a file of nothing but errors is cut short", "[csv]") {
  std::string text = "id,power_w\n";
  for (int i = 0; i < 100; ++i) text += "a\n";
  const auto errors = parse(text).errors;
  REQUIRE(errors.size() == 21);
  CHECK(errors.back() == "f.csv: 80 more errors");
}

TEST_CASE("random bytes neither crash nor yield a row of another width", "[csv]") {
  Rng rng{1};
  constexpr std::string_view kBytes = "ab,\"\"\n\r 5,\xEF";
  for (int round = 0; round < 5'000; ++round) {
    std::string text = "id,power_w\n";
    for (std::size_t i = 0, n = rng.below(40); i < n; ++i) text += kBytes[rng.below(kBytes.size())];
    for (const auto& row : parse(text).table.rows) REQUIRE(row.cells.size() == 2);
  }
}

}  // namespace
}  // namespace vpp::ctl
