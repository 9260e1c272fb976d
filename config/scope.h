// Whom an order is for: the sites that are subscribed to a program, all of them or one group.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace vpp {

/// What a site serves whose owner has named no programs, and an order that names none.
inline constexpr std::string_view kDefaultProgram = "energy";

struct Scope {
  std::string program{kDefaultProgram};
  std::string group;  ///< "key=value", as in "region=north"; empty: every site of the program
  friend auto operator<=>(const Scope&, const Scope&) = default;
};

/// For people: "energy", or "frequency in region=north".
[[nodiscard]] std::string to_string(const Scope& scope);

/// A name for people to type: 1 to 32 lower-case letters, digits, '-', '_' or '.'.
[[nodiscard]] bool is_program_name(std::string_view text);
/// "key=value": a key like a program's name; a value of 1 to 64 bytes without '=' or blanks.
[[nodiscard]] bool is_group(std::string_view text);
/// The part before '='; the whole where there is none.
[[nodiscard]] std::string_view key_of(std::string_view group);

/// Whether a site may be in both. Sites of two programs do not count: what is committed to one is
/// not offered to the other (daemon/node/leaf_node.h).
[[nodiscard]] bool overlap(const Scope& a, const Scope& b);

}  // namespace vpp
