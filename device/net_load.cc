#include "device/net_load.h"

#include <algorithm>

#include "config/check.h"

namespace vpp::device {

NetLoadWindow::NetLoadWindow(Duration window) : width_{window / kParts} {
  VPP_CHECK(window >= std::chrono::seconds{1});
}

std::int64_t NetLoadWindow::number_of(MarketTime at) const {
  return at.time_since_epoch() / width_;
}

void NetLoadWindow::note(std::int64_t number, Watts net_load) {
  Bucket& bucket = buckets_.at(static_cast<std::size_t>(number % kBuckets));
  if (bucket.number != number) bucket = {number, {net_load, net_load}};
  bucket.load.least = std::min(bucket.load.least, net_load);
  bucket.load.most = std::max(bucket.load.most, net_load);
}

void NetLoadWindow::add(MarketTime at, Watts net_load, Duration vouched) {
  if (at < MarketTime{}) return;  // before 1970: a clock that knows nothing yet
  const std::int64_t number = number_of(at);
  if (last_ && last_->at <= at && at - last_->at <= vouched) {
    const std::int64_t first = std::max(number_of(last_->at) + 1, number - kBuckets + 1);
    for (std::int64_t between = first; between < number; ++between) {
      note(between, last_->net_load);
      note(between, net_load);
    }
  }
  note(number, net_load);
  last_ = Last{at, net_load};
}

std::optional<NetLoad> NetLoadWindow::over_window() const {
  if (!last_) return std::nullopt;
  const std::int64_t newest = number_of(last_->at);
  NetLoad all{last_->net_load, last_->net_load};
  for (std::int64_t number = newest - kParts; number <= newest; ++number) {
    if (number < 0) return std::nullopt;
    const Bucket& bucket = buckets_.at(static_cast<std::size_t>(number % kBuckets));
    if (bucket.number != number) return std::nullopt;
    all.least = std::min(all.least, bucket.load.least);
    all.most = std::max(all.most, bucket.load.most);
  }
  return all;
}

}  // namespace vpp::device
