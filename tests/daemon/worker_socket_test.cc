// Workers over a real socket: what they say arrives, hostile ones are answered, and nothing hangs.
#include "daemon/driver/worker_socket.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <variant>
#include <vector>
#include <zmq.hpp>

#include "daemon/driver/worker_hub.h"
#include "tests/daemon/scratch_dir.h"

using namespace vpp;
using namespace vpp::driver;

namespace {

class SocketBench {
 public:
  explicit SocketBench(const std::string& address) {
    auto opened = WorkerSocket::open(address, [this] {
      const std::scoped_lock lock{mutex_};
      rung_ = true;
      changed_.notify_all();
    });
    REQUIRE(opened.has_value());
    socket = *std::move(opened);
  }

  std::vector<node::WorkerSaid> await(std::size_t count) {
    std::vector<node::WorkerSaid> out;
    while (out.size() < count) {
      {
        std::unique_lock lock{mutex_};
        changed_.wait(lock, [&] { return rung_; });
        rung_ = false;
      }
      for (auto& said : socket->take()) out.push_back(std::move(said));
    }
    return out;
  }

  std::unique_ptr<WorkerSocket> socket;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

class DealerBench {
 public:
  DealerBench(zmq::context_t& context, const std::string& address, const std::string& id = {})
      : socket_{context, zmq::socket_type::dealer} {
    socket_.set(zmq::sockopt::linger, 0);
    if (!id.empty()) socket_.set(zmq::sockopt::routing_id, id);
    socket_.connect(address);
  }
  void say(const std::string& text, zmq::send_flags flags = zmq::send_flags::none) {
    socket_.send(zmq::buffer(text), flags);
  }
  std::string hear() {
    zmq::message_t message;
    REQUIRE(socket_.recv(message).has_value());
    return message.to_string();
  }

 private:
  zmq::socket_t socket_;
};

constexpr const char* kHelloText =
    R"({"type":"hello","version":1,"name":"py","kinds":["forecast"]})";

}  // namespace

TEST_CASE("workers say and hear over TCP and over a file", "[driver][workers]") {
  const test::ScratchDir dir;
  zmq::context_t context;
  for (const std::string& address :
       {std::string{"tcp://127.0.0.1:*"}, "ipc://" + (dir.path() / "w.sock").string()}) {
    SocketBench bench{address};
    DealerBench worker{context, bench.socket->bound_address()};
    worker.say(kHelloText);
    const auto said = bench.await(1);
    REQUIRE(std::get<bidding::WorkerHello>(said.front().what).name == "py");
    bench.socket->tell({said.front().worker, bidding::ResultTaken{bidding::TaskId{171}, true}});
    REQUIRE(worker.hear() == R"({"type":"taken","task":"00000000000000ab","news":true})");
  }
}

TEST_CASE("garbage, more frames than one, huge frames and answers to nobody do no harm",
          "[driver][workers]") {
  zmq::context_t context;
  SocketBench bench{"tcp://127.0.0.1:*"};
  const std::string address = bench.socket->bound_address();
  DealerBench worker{context, address, "steady"};
  worker.say("\xff\xfe nonsense");
  worker.say("", zmq::send_flags::sndmore);
  worker.say(kHelloText);
  worker.say(std::string(bidding::kWorkerFrameBytesMax + 1, ' '));
  for (const auto& said : bench.await(3)) {
    REQUIRE(std::holds_alternative<bidding::WorkerUnread>(said.what));
  }
  bench.socket->tell({"00ff", bidding::WorkerRefused{"nobody there"}});
  DealerBench huge{context, address};
  huge.say(std::string(std::size_t{4} << 20U, ' '));  // costs it the connection
  worker.say(kHelloText);
  const auto said = bench.await(1);
  REQUIRE(std::holds_alternative<bidding::WorkerHello>(said.front().what));
  REQUIRE(said.front().worker == "737465616479");  // "steady"
}

TEST_CASE("a flood waits at its sender and is all read in the end", "[driver][workers]") {
  zmq::context_t context;
  SocketBench bench{"tcp://127.0.0.1:*"};
  DealerBench worker{context, bench.socket->bound_address()};
  constexpr std::size_t kFlood = 4 * WorkerSocket::kInboxMax;
  std::jthread flood{[&] {
    for (std::size_t i = 0; i < kFlood; ++i) worker.say(R"({"type":"heartbeat"})");
  }};
  REQUIRE(bench.await(kFlood).size() == kFlood);
}

TEST_CASE("an address that cannot be listened on is an error with the place", "[driver][workers]") {
  const auto opened = WorkerSocket::open("ipc:///no/such/directory/w.sock", [] {});
  REQUIRE_FALSE(opened.has_value());
  REQUIRE(opened.error().find("/no/such/directory") != std::string::npos);
}

TEST_CASE("our own worker fails what it does not know", "[driver][workers]") {
  const auto why = [](const bidding::TaskGiven& task) {
    return std::get<bidding::WorkerFailed>(work_on(task)).why;
  };
  using enum bidding::TaskKind;
  REQUIRE(why({{}, kOptimise, 1, "{}"}) == "tasks of this kind are not known here");
  REQUIRE(why({{}, kForecast, 2, "{}"}) == "tasks of this kind are not known here");
  REQUIRE(why({{}, kForecast, 1, "{}"}) == "model is missing");
  REQUIRE(why({{}, kForecast, 1, R"({"model":"lear","from_ms":0,"history_micro_per_mwh":[null]})"})
              .starts_with("too little is known"));
}
