// A node's records as keys and texts, on whatever carries texts: what Store does but for the disk.
//
// Keys       "uplink", "fence", "term", "journal", "accounts" (the newest wins), "order/<id>",
//            "fact/<number>" (appended), "task/<id>"; "trial" means nothing.
// Ownership  the TextFile must outlive this.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "daemon/driver/text_file.h"
#include "daemon/node/node.h"

namespace vpp::driver {

inline constexpr std::size_t kOrdersKept = 1'000;

class RecordStore {
 public:
  explicit RecordStore(TextFile& file, std::chrono::days prices_kept = bidding::kPricesKept)
      : file_{file}, prices_kept_{prices_kept} {}

  /// Finds where the next fact goes; call before the first persist(). Error: damaged.
  [[nodiscard]] std::expected<void, std::string> settle();

  // As of Store.
  [[nodiscard]] std::expected<node::Recovered, std::string> load() const;
  [[nodiscard]] std::expected<void, std::string> persist(std::span<const node::Record> batch);
  [[nodiscard]] std::expected<void, std::string> try_write();
  [[nodiscard]] std::expected<void, std::string> compact();

 private:
  template <class Take>
  [[nodiscard]] std::expected<void, std::string> walk(Take take_record) const;
  [[nodiscard]] std::expected<void, std::string> forget_journal(std::vector<Change>& changes) const;

  TextFile& file_;
  std::chrono::days prices_kept_;
  std::uint64_t next_fact_ = 0;
};

}  // namespace vpp::driver
