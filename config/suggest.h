// "Did you mean": the nearest known word.
#pragma once

#include <span>
#include <string_view>

namespace vpp {

/// The known word with the fewest edits (insert, delete, replace, swap of neighbours) from `word`,
/// the first of equals; empty when none is near enough to be meant (a third of its letters).
/// O(length of word * total length of known).
[[nodiscard]] std::string_view nearest_word(std::string_view word,
                                            std::span<const std::string_view> known);

}  // namespace vpp
