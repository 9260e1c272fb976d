// Durable records as JSON text: readable by people, and old files stay readable when fields are
// added. Integrity is the store's matter.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "daemon/node/node.h"

namespace vpp::driver {

enum class RecordKind : std::uint8_t {
  kUplink,
  kFence,
  kTerm,
  kOrder,
  kFact,
  kDrain,
  kJournal,
  kCleared,
  kAccounts,
  kOptOuts,
  kLearnedLoad,
  kValueAccount,
  kOwnerAccount,
  kTask,
  kTaskGone
};

[[nodiscard]] RecordKind kind_of(const node::Record& record);

[[nodiscard]] std::string to_json(const node::Record& record);

/// Error: what is wrong with the text. A missing field is an error, an unknown one is not.
[[nodiscard]] std::expected<node::Record, std::string> parse_record(RecordKind kind,
                                                                    std::string_view text);

/// What roots tell each other of their journals: a letter for the kind, then the text.
[[nodiscard]] node::JournalCodec journal_codec();

}  // namespace vpp::driver
