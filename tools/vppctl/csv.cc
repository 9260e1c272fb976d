#include "tools/vppctl/csv.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "config/suggest.h"

namespace vpp::ctl {
namespace {

constexpr std::size_t kErrorsShown = 20;
constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text, std::size_t& skipped) {
  const auto first = text.find_first_not_of(kBlanks);
  skipped = first == std::string_view::npos ? text.size() : first;
  text.remove_prefix(skipped);
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

/// One quoted cell from its opening quote; `at` moves behind the closing one, or to the end.
bool take_quoted(std::string_view line, std::size_t& at, std::string& text) {
  for (++at; at < line.size(); ++at) {
    if (line[at] != '"') {
      text += line[at];
    } else if (at + 1 < line.size() && line[at + 1] == '"') {
      text += line[at++];
    } else {
      ++at;
      return true;
    }
  }
  return false;
}

CsvRow split_row(std::string_view line, std::size_t number, CsvErrors& errors) {
  CsvRow row{number, {}};
  std::size_t at = 0;
  while (true) {
    const std::size_t begin = at;
    std::size_t skipped = 0;
    (void)trimmed(line.substr(begin), skipped);
    CsvCell cell{{}, begin + skipped + 1};
    if (begin + skipped < line.size() && line[begin + skipped] == '"') {
      at = begin + skipped;
      if (!take_quoted(line, at, cell.text)) {
        errors.add(number, cell.column, "a quote is not closed");
      }
      const std::size_t comma = std::min(line.find(',', at), line.size());
      if (!trimmed(line.substr(at, comma - at), skipped).empty()) {
        errors.add(number, at + 1, "text after a closing quote", "double a quote within quotes");
      }
      at = comma;
    } else {
      at = std::min(line.find(',', begin), line.size());
      cell.text = trimmed(line.substr(begin, at - begin), skipped);
      cell.column = begin + (cell.text.empty() ? 0 : skipped) + 1;
    }
    row.cells.push_back(std::move(cell));
    if (at >= line.size()) return row;
    ++at;
  }
}

std::string join(std::span<const std::string_view> words) {
  std::string out;
  for (const auto word : words) out += (out.empty() ? "" : ", ") + std::string{word};
  return out;
}

void read_header(const CsvRow& header, const CsvColumns& columns, CsvTable& table,
                 CsvErrors& errors) {
  std::vector<std::string_view> known(columns.required.begin(), columns.required.end());
  known.insert(known.end(), columns.optional.begin(), columns.optional.end());
  table.places.assign(known.size(), CsvTable::npos);
  std::vector<const CsvCell*> unknown;
  for (std::size_t i = 0; i < header.cells.size(); ++i) {
    const auto& cell = header.cells[i];
    table.header.push_back(cell.text);
    const auto it = std::ranges::find(known, cell.text);
    if (it == known.end()) {
      unknown.push_back(&cell);
      continue;
    }
    auto& place = table.places[static_cast<std::size_t>(it - known.begin())];
    if (place != CsvTable::npos) {
      errors.add(header.line, cell.column, "column '" + cell.text + "' is there twice");
    }
    place = i;
  }
  for (const auto* cell : unknown) table.ignored.push_back(cell->text);
  for (std::size_t i = 0; i < columns.required.size(); ++i) {
    if (table.places[i] != CsvTable::npos) continue;
    const std::string name{columns.required[i]};
    const CsvCell* meant = nullptr;
    for (const auto* cell : unknown) {
      if (nearest_word(cell->text, columns.required) == columns.required[i]) meant = cell;
    }
    errors.add(header.line, meant != nullptr ? meant->column : 1, "no column '" + name + "'",
               meant != nullptr ? "is '" + meant->text + "' meant to be '" + name + "'?"
                                : "the first line names the columns: " + join(known));
  }
}

}  // namespace

std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20U || c == 0x7f; }, ' ');
  return text;
}

void CsvErrors::add(std::size_t line, std::size_t column, const std::string& cause,
                    const std::string& hint) {
  if (++count_ > kErrorsShown) return;
  lines_.push_back(one_line(file_ + ":" + std::to_string(line) + ":" + std::to_string(column) +
                            ": " + cause + (hint.empty() ? "" : "; hint: " + hint)));
}

void CsvErrors::add(const std::string& cause, const std::string& hint) {
  add(1, 1, cause, hint);
}

std::vector<std::string> CsvErrors::lines() const {
  auto out = lines_;
  if (count_ > kErrorsShown) {
    out.push_back(file_ + ": " + std::to_string(count_ - kErrorsShown) + " more errors");
  }
  return out;
}

std::optional<std::string> read_file(const std::string& path, CsvErrors& errors) {
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file.is_open() || file.bad()) {
    errors.add("cannot be read", "is the path right? " + std::string{std::strerror(errno)});
    return std::nullopt;
  }
  return text;
}

CsvTable parse_csv(std::string_view text, const CsvColumns& columns, CsvErrors& errors) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  CsvTable table;
  std::size_t cells = 0;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(kBlanks) == std::string_view::npos) continue;
    CsvRow row = split_row(line, number, errors);
    if (cells == 0) {
      cells = row.cells.size();
      read_header(row, columns, table, errors);
    } else if (row.cells.size() != cells) {
      errors.add(number, row.cells[std::min(cells, row.cells.size() - 1)].column,
                 std::to_string(row.cells.size()) + " cells where the header has " +
                     std::to_string(cells));
    } else {
      table.rows.push_back(std::move(row));
    }
  }
  if (cells == 0) {
    std::vector<std::string_view> known(columns.required.begin(), columns.required.end());
    errors.add("the file is empty", "the first line names the columns: " + join(known));
  }
  return table;
}

}  // namespace vpp::ctl
