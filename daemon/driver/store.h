// What a node must not forget, in LMDB: acknowledged means on the disk.
//
// Durable    persist() is one write transaction and one fsync per batch, all of it or nothing.
//            Never NOSYNC, NOMETASYNC or WRITEMAP.
// Integrity  each record is sealed (sealed_file.h) and verified whenever it is read.
// Alone      a lock file keeps a second vppd out of the directory.
// Keys       see record_store.h.
// Bounded    by compact(), and in the end by the size of the map.
// Ownership  one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "daemon/driver/record_store.h"
#include "daemon/driver/sealed_file.h"
#include "daemon/node/node.h"

namespace vpp::driver {

inline constexpr std::size_t kStoreBytesNode = 16U << 20U;   ///< leaf, aggregator: a few records
inline constexpr std::size_t kStoreBytesRoot = 256U << 20U;  ///< months of a root's journal
inline constexpr int kStoreAlarmPermille = 700;

struct StoreOptions {
  std::filesystem::path dir;  ///< made if missing, mode 0700
  std::size_t map_bytes = kStoreBytesNode;
  std::chrono::days prices_kept = bidding::kPricesKept;  ///< by compact()
};

class Store {
 public:
  /// Errors name the file: held by another process, damaged, truncated, not writable.
  [[nodiscard]] static std::expected<std::unique_ptr<Store>, std::string> open(
      const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Everything, verified. Error: names the file and the key.
  [[nodiscard]] std::expected<node::Recovered, std::string> load() const;

  /// Durable when it returns. On error nothing of the batch is written, and a later call may work:
  /// the map or the disk is full, or the disk fails.
  [[nodiscard]] std::expected<void, std::string> persist(std::span<const node::Record> batch);

  /// Whether a batch of the usual size would be taken now: writes one that means nothing. For those
  /// who can still say no; costs one commit.
  [[nodiscard]] std::expected<void, std::string> try_write();

  /// Forgets orders that are over beyond the newest kOrdersKept, and facts that no bidder needs any
  /// more; on a full disk it does nothing. Reads everything. Error: the store is damaged.
  [[nodiscard]] std::expected<void, std::string> compact();

  [[nodiscard]] StoreUse use() const;

  /// Clears slots of readers that died; a stale one keeps the file growing.
  void check_readers();

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::driver
