// Comma-separated values with a header, read for people: every cell knows where it stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vpp::ctl {

struct CsvCell {
  std::string text;        ///< unquoted, without blanks around it
  std::size_t column = 1;  ///< of its first character in the line, from 1
};

struct CsvRow {
  std::size_t line = 1;
  std::vector<CsvCell> cells;
};

/// Control characters become blanks: one error is one line, whatever a cell or an option holds.
[[nodiscard]] std::string one_line(std::string text);

/// Errors of one file, with places, in the order found. Bounded: a file of nothing but errors says
/// so after the first ones.
class CsvErrors {
 public:
  explicit CsvErrors(std::string file) : file_{std::move(file)} {}

  /// "file:line:column: cause; hint: ...". An empty hint is left out.
  void add(std::size_t line, std::size_t column, const std::string& cause,
           const std::string& hint = {});
  /// About the file as a whole.
  void add(const std::string& cause, const std::string& hint = {});

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  std::string file_;
  std::vector<std::string> lines_;
  std::size_t count_ = 0;
};

/// The whole file; nothing if it cannot be read, which is an error then.
[[nodiscard]] std::optional<std::string> read_file(const std::string& path, CsvErrors& errors);

/// Which columns a file has and must have.
struct CsvColumns {
  std::span<const std::string_view> required;
  std::span<const std::string_view> optional;
};

struct CsvTable {
  /// For each required, then each optional column: its place in a row, or npos.
  std::vector<std::size_t> places;
  std::vector<std::string> header;   ///< the names of all columns, as they stand
  std::vector<CsvRow> rows;          ///< without header and blank lines
  std::vector<std::string> ignored;  ///< names of columns nobody asked for
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

/// Understands quotes, doubled quotes in them, CRLF, a byte order mark and blank lines. Rows whose
/// number of cells is not the header's are errors and left out.
[[nodiscard]] CsvTable parse_csv(std::string_view text, const CsvColumns& columns,
                                 CsvErrors& errors);

}  // namespace vpp::ctl
