#include "tests/sim/disk.h"

#include <sodium.h>

#include <algorithm>

#include "config/check.h"
#include "daemon/driver/seal.h"

namespace vpp::sim {
namespace {

constexpr std::size_t kSectorBytes = 512;

std::size_t sectors_of(std::size_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes;
}

bool survives(Rng& rng, std::uint32_t lost_permille) {
  return rng.below(1000) >= lost_permille;
}

}  // namespace

Disk::Disk(PlantedBug bug) : bug_{bug} {
  VPP_CHECK(sodium_init() >= 0);
}

std::expected<void, std::string> Disk::walk(const Visit& visit) const {
  Records seen = records_;
  for (const auto& changes : unsynced_) apply(seen, changes);  // from the page cache
  for (const auto& [key, value] : seen) {
    const auto text = driver::unseal(key, value);
    if (!text) {
      return std::unexpected{driver::damaged(name(), "key '" + key + "': the tag does not fit")};
    }
    if (auto done = visit(key, *text); !done) return done;
  }
  return {};
}

std::expected<void, std::string> Disk::write(std::span<const driver::Change> changes) {
  if (trouble_ == Trouble::kFull) return std::unexpected{name() + ": full"};
  if (trouble_ == Trouble::kError) return std::unexpected{name() + ": input/output error"};
  std::vector<driver::Change> kept;
  for (const auto& change : changes) {
    if (!loses(change.key)) kept.push_back(change);
  }
  if (interrupted_ || bug_ == PlantedBug::kSyncForgotten) {
    unsynced_.push_back(std::move(kept));
  } else {
    apply(records_, kept);
  }
  return {};
}

bool Disk::loses(const std::string& key) const {
  switch (bug_) {
    case PlantedBug::kSessionForgotten:
      return key == "uplink";
    case PlantedBug::kFenceForgotten:
      return key == "fence";
    case PlantedBug::kTermForgotten:
      return key == "term";
    case PlantedBug::kOrderForgotten:
      return key.starts_with("order/");
    case PlantedBug::kBidForgotten:
      return key.starts_with("fact/");
    default:
      return false;
  }
}

void Disk::apply(Records& records, std::span<const driver::Change> changes) {
  for (const auto& [key, text] : changes) {
    const auto at = std::ranges::lower_bound(records, key, {}, &Records::value_type::first);
    const bool there = at != records.end() && at->first == key;
    if (!text) {
      if (there) records.erase(at);
    } else if (there) {
      at->second = driver::seal(key, *text);
    } else {
      records.emplace(at, key, driver::seal(key, *text));
    }
  }
}

void Disk::crash(Rng& rng, std::uint32_t lost_permille) {
  for (const auto& changes : std::exchange(unsynced_, {})) {
    if (bug_ == PlantedBug::kTornInPlace) {
      tear(changes, rng, lost_permille);
      continue;
    }
    std::size_t sectors = 1;  // the meta page
    for (const auto& change : changes) {
      sectors += sectors_of(change.key.size() + change.text.value_or("").size());
    }
    bool whole = true;
    for (std::size_t i = 0; i < sectors; ++i) whole = survives(rng, lost_permille) && whole;
    if (whole) apply(records_, changes);
  }
  interrupted_ = false;
}

/// What a store without copies would be left with: new sectors among old ones. Records lie one
/// behind the other, so that most of them reach over the edge of a sector.
void Disk::tear(std::span<const driver::Change> changes, Rng& rng, std::uint32_t lost_permille) {
  Records after = records_;
  apply(after, changes);
  std::size_t offset = 0;
  bool lost = !survives(rng, lost_permille);
  for (auto& [key, value] : after) {
    const auto before = std::ranges::find(records_, key, &Records::value_type::first);
    offset += key.size();
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (++offset % kSectorBytes == 0) lost = !survives(rng, lost_permille);
      if (!lost) continue;
      const bool old = before != records_.end() && i < before->second.size();
      value[i] = old ? before->second[i] : '\0';
    }
  }
  records_ = std::move(after);
}

bool Disk::flip_bit(Rng& rng) {
  if (records_.empty()) return false;
  std::string& value = records_[rng.below(records_.size())].second;
  char& byte = value[rng.below(value.size())];
  byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << rng.below(8)));
  return true;
}

}  // namespace vpp::sim
