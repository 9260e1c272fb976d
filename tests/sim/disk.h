// The virtual disk of one node, behind the interface that LMDB's file has: sealed texts, all or
// nothing per write. RecordStore, which the daemon uses, sits on top.
//
// A write lies in sectors of 512 B. A crash amid a write takes any of them; as with LMDB, whose
// pages are copied and whose meta page is written last, a write counts only when every sector of it
// has reached the platter. So the outcome of an interrupted write is nothing or all of it, and
// which one nobody can know.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/rng.h"
#include "daemon/driver/text_file.h"
#include "tests/sim/scenario.h"

namespace vpp::sim {

class Disk final : public driver::TextFile {
 public:
  enum class Trouble : std::uint8_t { kNone, kError, kFull };

  explicit Disk(PlantedBug bug);

  [[nodiscard]] std::expected<void, std::string> walk(const Visit& visit) const override;
  [[nodiscard]] std::expected<void, std::string> write(
      std::span<const driver::Change> changes) override;
  [[nodiscard]] std::string name() const override { return "disk"; }

  // Fate.
  void set_trouble(Trouble trouble) { trouble_ = trouble; }
  /// The next write does not return: the crash comes before it does.
  void interrupt_next() { interrupted_ = true; }
  /// The crash: of what is not synced each sector is lost with this chance.
  void crash(Rng& rng, std::uint32_t lost_permille);
  /// Changes one bit of what is stored; false when there is nothing.
  bool flip_bit(Rng& rng);
  void wipe() { records_.clear(); }

 private:
  using Records = std::vector<std::pair<std::string, std::string>>;  ///< by key; values sealed

  [[nodiscard]] bool loses(const std::string& key) const;
  static void apply(Records& records, std::span<const driver::Change> changes);
  void tear(std::span<const driver::Change> changes, Rng& rng, std::uint32_t lost_permille);

  PlantedBug bug_;
  Trouble trouble_ = Trouble::kNone;
  bool interrupted_ = false;
  Records records_;
  std::vector<std::vector<driver::Change>> unsynced_;
};

}  // namespace vpp::sim
