// What a worker says, as it comes from the socket: whatever it is, it is read or refused with a
// reason, and the desk that hears it keeps its books: nobody has two tasks, no task two workers,
// and what is on the disk is what there is.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "bidding/task_json.h"
#include "config/check.h"
#include "daemon/driver/worker_hub.h"
#include "daemon/node/worker_desk.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;

namespace {

bidding::PriceSeries known_until(std::size_t hour) {
  bidding::PriceSeries series;
  for (std::size_t i = 0; i < hour; ++i) {
    const MarketTime from{std::chrono::hours{i}};
    series[from] = {from, from + std::chrono::hours{1}, Price{static_cast<std::int64_t>(i)}};
  }
  return series;
}

constexpr Watts kFree{9};

/// About a gate in which kFree can be sold.
bidding::AdviceAsk advice_about(std::size_t hour) {
  bidding::AdviceAsk ask;
  ask.gate.from = MarketTime{std::chrono::hours{hour}};
  ask.gate.until = ask.gate.from + std::chrono::hours{1};
  ask.gate.closes = ask.gate.from;
  ask.slots = {{ask.gate.from, ask.gate.until, Price{1}, {}}};
  ask.most = kFree;
  return ask;
}

void check_advice(const bidding::BidAdvised& advice) {
  VPP_CHECK(bidding::can_be_bid(advice.segments));
  Watts all{0};
  for (const auto& segment : advice.segments) all += segment.power;
  VPP_CHECK(all <= kFree);
}

/// Something that has a chance, or anything at all.
std::string any_text(fuzz::FuzzInput& input, const node::WorkersStatus& status) {
  std::string task = "0000000000000001";
  if (!status.tasks.empty() && input.coin()) task = to_string(status.tasks.begin()->first);
  switch (input.below(7)) {
    case 0:
      return R"({"type":"hello","version":1,"name":"a","kinds":["forecast","optimise"]})";
    case 1:
      return R"({"type":"result","task":")" + task +
             R"(","output":{"model":"m","hours":[{"price_micro_per_mwh":1,)"
             R"("quantiles_micro_per_mwh":[]}]}})";
    case 2:
      return R"({"type":"failed","task":")" + task + R"(","why":"so"})";
    case 3:
      return R"({"type":"heartbeat"})";
    case 4:
      return R"({"type":"result","task":")" + task + R"(","output":)" +
             std::string{input.take(input.byte())} + "}";
    case 5:
      return R"({"type":"result","task":")" + task +
             R"(","output":{"model":"m","why":"w","segments":[{"power_w":)" +
             std::to_string(input.byte()) + R"(,"price_micro_per_mwh":1}]}})";
    default:
      return std::string{input.take(input.byte())};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  node::WorkerOptions options;
  options.model = "m";
  options.optimiser = "m";
  options.history_hours = 4;
  options.queue.waiting_max = 2;
  options.codec = driver::task_codec();
  node::WorkerDesk desk{options, {}};
  std::map<bidding::TaskId, bidding::Task> disk;
  Now now{Instant{}, MarketTime{}, 1};
  for (std::size_t step = 1; !input.empty() && step < 64; ++step) {
    const std::size_t what = input.below(5);
    if (what == 4) desk.ask(now, advice_about(step));
    if (what == 0) desk.ask(now, known_until(step));
    if (what == 1) now.protocol += std::chrono::seconds{input.byte()};
    if (what == 2 || what == 3) {
      const std::string text = any_text(input, desk.status());
      desk.said(now, {std::string(1, static_cast<char>('a' + input.below(3))),
                      bidding::from_worker_json(text)});
    }
    desk.advance(now);
    for (const auto& advice : desk.take_advice()) check_advice(advice);
    for (const auto& record : desk.take_effects().persist) {
      if (const auto* task = std::get_if<bidding::Task>(&record)) {
        disk[task->id] = *task;
        VPP_CHECK(bidding::task_from_json(to_json(*task)) == *task);
      }
      if (const auto* gone = std::get_if<bidding::TaskGone>(&record)) disk.erase(gone->id);
    }
    const node::WorkersStatus status = desk.status();
    VPP_CHECK(status.tasks.size() == disk.size());
    std::map<std::string, int> tasks_of;
    for (const auto& [id, lease] : status.leases) {
      VPP_CHECK(++tasks_of[lease.worker] == 1);
      VPP_CHECK(lease.until > now.protocol && status.tasks.contains(id));
    }
  }
  return 0;
}
