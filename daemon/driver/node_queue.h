// From the HTTP thread to the node's loop: what operators ask, bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/time.h"
#include "daemon/driver/order_request.h"
#include "daemon/driver/snapshot.h"
#include "daemon/node/node.h"

namespace vpp::driver {

struct AskSnapshot {};
struct AskTrace {
  std::string bid_key;
};
struct AskFacts {};
struct AskDrain {
  bool on = false;
};

struct AskRetry {
  bidding::TaskId task;
};

struct AskOptOut {
  OptOutRequest what;
};

/// Every answer comes with a snapshot made after the question was carried out.
struct NodeAnswer {
  std::shared_ptr<const Snapshot> snapshot;
  std::optional<std::vector<bidding::Fact>> facts;  ///< to AskTrace, AskFacts
  std::optional<node::Reply> reply;
};

struct NodeQuestion {
  std::variant<AskSnapshot, AskTrace, AskFacts, AskDrain, AskOptOut, AskRetry, node::SendOrder,
               node::CancelOrder, node::SubmitBid, node::WithdrawBid>
      what;
  std::function<void(NodeAnswer)> answer;  ///< called once, on the node's loop; must not block
};

class NodeQueue {
 public:
  static constexpr std::size_t kQuestionsMax = 64;

  /// `wake` rouses the node's loop; called on the asking thread.
  explicit NodeQueue(std::function<void()> wake) : wake_{std::move(wake)} {}

  /// False: too many wait.
  [[nodiscard]] bool ask(NodeQuestion question) {
    {
      const std::scoped_lock lock{mutex_};
      if (questions_.size() >= kQuestionsMax) {
        ++dropped_;
        return false;
      }
      questions_.push_back(std::move(question));
    }
    wake_();
    return true;
  }

  [[nodiscard]] std::vector<NodeQuestion> take() {
    const std::scoped_lock lock{mutex_};
    return std::exchange(questions_, {});
  }

  [[nodiscard]] std::uint64_t dropped() const {
    const std::scoped_lock lock{mutex_};
    return dropped_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<NodeQuestion> questions_;
  std::uint64_t dropped_ = 0;
  const std::function<void()> wake_;
};

}  // namespace vpp::driver
