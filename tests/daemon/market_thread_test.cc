#include "daemon/driver/market_thread.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

using namespace vpp;
using namespace vpp::driver;

namespace {

/// Answers each bid with its key once the gate is open.
class GatedMarket : public bidding::MarketAdapter {
 public:
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = false;
    std::size_t answered = 0;

    void set_open() {
      const std::scoped_lock lock{mutex};
      open = true;
      changed.notify_all();
    }
    void one_more() {
      const std::scoped_lock lock{mutex};
      ++answered;
      changed.notify_all();
    }
    void await(std::size_t count) {
      std::unique_lock lock{mutex};
      changed.wait(lock, [&] { return answered >= count; });
    }
  };
  explicit GatedMarket(Gate& gate) : gate_{gate} {}

  bidding::MarketAnswer call(const bidding::MarketCall& call) override {
    std::unique_lock lock{gate_.mutex};
    gate_.changed.wait(lock, [&] { return gate_.open; });
    return bidding::BidAccepted{std::get<bidding::SubmitBid>(call).bid.key};
  }

 private:
  Gate& gate_;
};

bidding::SubmitBid bid(std::size_t number) {
  bidding::SubmitBid out;
  out.bid.key = std::to_string(number);
  return out;
}

}  // namespace

TEST_CASE("a market that hangs holds up nobody, and too many calls fail at once",
          "[driver][market]") {
  GatedMarket::Gate gate;
  MarketThread market{std::make_unique<GatedMarket>(gate), [&] { gate.one_more(); }};
  constexpr std::size_t kCalls = MarketThread::kCallsMax + 10;
  for (std::size_t i = 0; i < kCalls; ++i) market.call(bid(i));  // returns though nobody answers
  const auto refused = market.take_answers();
  // One may be under way beside those that wait.
  CHECK(refused.size() >= 9);
  CHECK(refused.size() <= 10);
  for (const auto& answer : refused) {
    CHECK(std::holds_alternative<bidding::CallFailed>(answer));
  }
  gate.set_open();
  gate.await(kCalls);
  const auto answers = market.take_answers();
  REQUIRE(answers.size() + refused.size() == kCalls);
  for (std::size_t i = 0; i < MarketThread::kCallsMax; ++i) {
    CHECK(std::get<bidding::BidAccepted>(answers[i]).key == std::to_string(i));
  }
  // The one that came in when the first was under way: at any time after the queue was full.
  if (answers.size() > MarketThread::kCallsMax) {
    const auto& last = std::get<bidding::BidAccepted>(answers.back()).key;
    CHECK(std::stoul(last) >= MarketThread::kCallsMax);
  }
}

TEST_CASE("a call whose time is over when its turn comes is not made", "[driver][market]") {
  GatedMarket::Gate gate;
  gate.set_open();
  MarketThread market{std::make_unique<GatedMarket>(gate), [&] { gate.one_more(); }};
  market.call(bid(1), Instant{});
  market.call(bid(2));
  gate.await(2);
  const auto answers = market.take_answers();
  REQUIRE(answers.size() == 2);
  CHECK(std::get<bidding::CallFailed>(answers[0]).why == "this root no longer leads");
  CHECK(std::get<bidding::BidAccepted>(answers[1]).key == "2");
}
