#include "device/net_load.h"

#include <algorithm>

namespace vpp::device {

std::int64_t NetLoadWindow::number_of(MarketTime at) {
  return std::chrono::floor<std::chrono::minutes>(at.time_since_epoch()).count() / kBucket.count();
}

void NetLoadWindow::add(MarketTime at, Watts net_load) {
  const std::int64_t number = number_of(at);
  if (number < 0) return;  // before 1970: a clock that knows nothing yet
  Bucket& bucket = buckets_[static_cast<std::size_t>(number) % kBuckets];
  if (bucket.number != number) bucket = {number, {net_load, net_load}};
  bucket.load.least = std::min(bucket.load.least, net_load);
  bucket.load.most = std::max(bucket.load.most, net_load);
}

std::optional<NetLoad> NetLoadWindow::over_window(MarketTime now) const {
  const std::int64_t newest = number_of(now);
  std::optional<NetLoad> all;
  for (const Bucket& bucket : buckets_) {
    const bool inside = bucket.number >= 0 && bucket.number <= newest &&
                        newest - bucket.number < static_cast<std::int64_t>(kBuckets);
    if (!inside) continue;
    if (!all) all = bucket.load;
    all->least = std::min(all->least, bucket.load.least);
    all->most = std::max(all->most, bucket.load.most);
  }
  return all;
}

}  // namespace vpp::device
