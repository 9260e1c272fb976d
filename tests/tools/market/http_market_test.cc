// The HTTP adapter, loaded as the root loads it, against the real vppmarket process and against a
// server that answers badly.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "bidding/market_loader.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

std::unique_ptr<MarketAdapter> adapter_for(const std::string& url,
                                           BidFormat format = BidFormat::kOwn) {
  auto adapter =
      load_market(VPP_MARKET_MODULE, {.url = url, .price_min = Price{5'000'000}, .format = format});
  REQUIRE(adapter.has_value());
  return *std::move(adapter);
}

/// One vppmarket process on a port of its own.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    arguments.insert(arguments.begin(), VPP_MARKET_PROGRAM);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, pipe[0]);
    REQUIRE(::posix_spawn(&pid_, VPP_MARKET_PROGRAM, &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    std::string line;
    for (char c = 0; ::read(pipe[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(pipe[0]);
    constexpr std::string_view kReady = "READY ";
    if (line.starts_with(kReady)) url = line.substr(kReady.size());
  }
  ~Process() { (void)end(SIGKILL); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int end(int signal) {
    if (pid_ <= 0) return -1;
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return status;
  }

  std::string url;  ///< empty: it did not start

 private:
  pid_t pid_ = 0;
};

/// Answers every connection with the same bytes, after reading what came.
class CannedServer {
 public:
  explicit CannedServer(std::string bytes) : bytes_{std::move(bytes)} {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(socket_, raw, size) == 0);
    REQUIRE(::listen(socket_, 8) == 0);
    REQUIRE(::getsockname(socket_, raw, &size) == 0);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread{[this] { run(); }};
  }
  ~CannedServer() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;

  std::string url;

 private:
  void run() {
    for (;;) {
      const int peer = ::accept(socket_, nullptr, nullptr);
      if (peer < 0) return;
      std::array<char, 4096> request{};
      (void)!::read(peer, request.data(), request.size());
      send_all(peer);
      ::close(peer);
    }
  }

  void send_all(int peer) const {
    for (std::size_t sent = 0; sent < bytes_.size();) {
      const auto n = ::send(peer, bytes_.data() + sent, bytes_.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;  // the client has heard enough
      sent += static_cast<std::size_t>(n);
    }
  }

  std::string bytes_;
  int socket_ = -1;
  std::thread thread_;
};

std::string http(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

std::string failure(const std::string& url, const MarketCall& call) {
  const MarketAnswer answer = adapter_for(url)->call(call);
  REQUIRE(std::holds_alternative<CallFailed>(answer));
  return std::get<CallFailed>(answer).why;
}

/// A bid for a gate that is open for a while.
Bid bid_for(MarketAdapter& market) {
  const auto gates = std::get<GatesFetched>(market.call(FetchGates{})).gates;
  REQUIRE_FALSE(gates.empty());
  const Gate& gate = gates.back();
  return {"bid-" + std::to_string(gate.from.time_since_epoch().count()),
          gate,
          {{Watts{5000}, Price{0}}}};
}

/// Asks until the market answers with more than "not yet"; its clock runs fast.
template <class Answer, class Enough>
Answer ask_until(MarketAdapter& market, const MarketCall& call, Enough enough) {
  for (int attempt = 0;; ++attempt) {
    REQUIRE(attempt < 1'000'000);
    const MarketAnswer answer = market.call(call);
    const auto* got = std::get_if<Answer>(&answer);
    if (got != nullptr && enough(*got)) return *got;
  }
}

const std::vector<std::string> kFast{"--speed",     "600", "--interval",    "1m",
                                     "--gate-lead", "1m",  "--gates-ahead", "20m"};

}  // namespace

TEST_CASE("a bid goes through the real market to its settlement", "[market][process]") {
  Process process{kFast};
  REQUIRE_FALSE(process.url.empty());
  const auto market = adapter_for(process.url + "/");
  const Bid bid = bid_for(*market);
  CHECK(std::get<BidAccepted>(market->call(SubmitBid{bid})).key == bid.key);
  CHECK(std::get<BidAccepted>(market->call(SubmitBid{bid})).key == bid.key);

  Bid other = bid;
  other.segments[0].power = Watts{1};
  const auto refused = std::get<BidRefused>(market->call(SubmitBid{other}));
  CHECK(refused.final);
  CHECK(refused.standing == bid);

  const auto awards =
      ask_until<AwardsFetched>(*market, FetchAwards{{bid.key, "strange &key"}},
                               [](const AwardsFetched& answer) { return !answer.awards.empty(); });
  REQUIRE(awards.awards.size() == 1);
  CHECK(awards.awards[0].power == Watts{5000});

  const Delivery delivery{bid.key, bid.gate, Joules{250'000}};
  const auto settled = ask_until<bidding::Settled>(*market, SubmitDelivery{delivery},
                                                   [](const auto&) { return true; });
  CHECK(settled.settlement.awarded == Joules{300'000});
  CHECK(settled.settlement.delivered == Joules{250'000});
  CHECK(settled.settlement.penalty > Amount{0});
  Delivery changed = delivery;  // the market has the last word
  changed.delivered = Joules{300'000};
  CHECK(std::get<bidding::Settled>(market->call(SubmitDelivery{changed})).settlement ==
        settled.settlement);

  const auto prices = std::get<PricesFetched>(
      market->call(FetchPrices{bid.gate.from - std::chrono::days{8}, bid.gate.until}));
  CHECK(prices.prices.size() == 3'000);  // in parts: as many as an answer holds
  const int status = process.end(SIGTERM);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a bid goes through a market that takes other shapes", "[market][process][formats]") {
  const auto [name, format] = GENERATE(
      table<std::string, BidFormat>({{"caiso", BidFormat::kCaiso}, {"aemo", BidFormat::kAemo}}));
  auto arguments = kFast;
  arguments.insert(arguments.end(), {"--format", name});
  const Process process{arguments};
  REQUIRE_FALSE(process.url.empty());
  const auto market = adapter_for(process.url, format);
  Bid bid = bid_for(*market);
  bid.segments = {{Watts{5'400}, Price{0}}, {Watts{2'000}, Price{90'000'000'000}}};
  CHECK(std::holds_alternative<BidAccepted>(market->call(SubmitBid{bid})));
  CHECK(std::holds_alternative<BidAccepted>(market->call(SubmitBid{bid})));
  const auto awards = ask_until<AwardsFetched>(
      *market, FetchAwards{{bid.key}}, [](const auto& answer) { return !answer.awards.empty(); });
  CHECK(awards.awards[0].power == Watts{5'000});  // whole kilowatts, and nothing that dear
  bid.key = "small";
  bid.segments = {{Watts{900}, Price{0}}};
  const auto refused = std::get<BidRefused>(market->call(SubmitBid{bid}));
  CHECK(refused.final);
  CHECK_THAT(refused.why, Catch::Contains("no whole step"));
  // A bid in another shape than the market's is no bid.
  const auto plain = adapter_for(process.url)->call(SubmitBid{bid});
  CHECK(std::get<BidRefused>(plain).final);
}

TEST_CASE("a market killed and started again stands by what it took", "[market][process]") {
  const std::string journal =
      (std::filesystem::temp_directory_path() / ("market-" + std::to_string(::getpid()))).string();
  auto arguments = kFast;
  arguments.insert(arguments.end(), {"--journal", journal});
  Bid bid;
  {
    Process process{arguments};
    const auto market = adapter_for(process.url);
    bid = bid_for(*market);
    REQUIRE(std::holds_alternative<BidAccepted>(market->call(SubmitBid{bid})));
    (void)process.end(SIGKILL);
    CHECK(std::holds_alternative<CallFailed>(market->call(FetchGates{})));
  }
  {
    Process process{arguments};
    const auto market = adapter_for(process.url);
    CHECK(std::holds_alternative<BidAccepted>(market->call(SubmitBid{bid})));
    const auto awards = ask_until<AwardsFetched>(
        *market, FetchAwards{{bid.key}}, [](const auto& answer) { return !answer.awards.empty(); });
    CHECK(awards.awards[0].power == Watts{5000});
  }
  std::filesystem::remove(journal);
}

TEST_CASE("the market says what is wrong with its options", "[market][process]") {
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--prices", "/nowhere.csv"},
        {"--interval", "15"},
        {"--speed", "0"},
        {"--anchor-market", "yesterday"},
        {"--rivals", "/nowhere"},
        {"--day-ahead", "Europe/Atlantis"},
        {"--day-ahead-prices", "/nowhere.csv"},
        {"--fault", "nonsense=1"},
        {"--fault", "outage=x"},
        {"--gate-lead", "5h"}}) {
    Process process{wrong};
    CHECK(process.url.empty());
    const int status = process.end(0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 2);
  }
}

TEST_CASE("an answer that is none fails the call and says why", "[market][adapter]") {
  const auto [bytes, why] = GENERATE(table<std::string, std::string>({
      {http("500 Oops", "broken"), "HTTP 500: broken"},
      {http("404 Not Found", R"({"error":"no such path"})"), "HTTP 404: no such path"},
      {http("429 Slow", "{}"), "too many requests"},
      {http("302 Found", ""), "HTTP 302"},
      {http("200 OK", "{\"gates\":["), "not JSON"},
      {http("200 OK", "[]"), "not an object"},
      {http("200 OK", "{}"), "gates is missing"},
      {http("200 OK", R"({"gates":[{"from_ms":1.5}]})"), "from_ms is not a whole number"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"gates\":[]", "broke off"},
      {"", "broke off"},
      {"SSH-2.0-OpenSSH\r\n", ""},
      {http("200 OK", std::string(100'000, '[')), "not JSON"},
  }));
  const CannedServer server{bytes};
  CHECK_THAT(failure(server.url, FetchGates{}), Catch::Contains(why));
}

TEST_CASE("a body that has no end is cut off", "[market][adapter][limits]") {
  const CannedServer server{"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" +
                            std::string(17U << 20U, ' ')};
  CHECK_THAT(failure(server.url, FetchGates{}), Catch::Contains("longer than 16 MiB"));
}

TEST_CASE("a refused bid is tried again only if it may help", "[market][adapter]") {
  const auto [status, final] = GENERATE(table<std::string, bool>({{"400 Bad", true},
                                                                  {"410 Gone", true},
                                                                  {"422 No", true},
                                                                  {"409 Conflict", true},
                                                                  {"429 Slow", false},
                                                                  {"500 Oops", false},
                                                                  {"503 Busy", false},
                                                                  {"302 Found", false}}));
  const CannedServer server{http(status, R"({"error":"because"})")};
  const auto answer = adapter_for(server.url)->call(SubmitBid{{"k", {}, {}}});
  REQUIRE(std::holds_alternative<BidRefused>(answer));
  CHECK(std::get<BidRefused>(answer).final == final);
  CHECK(std::get<BidRefused>(answer).key == "k");
  CHECK_FALSE(std::get<BidRefused>(answer).standing);
}

TEST_CASE("what the market asks us to wait is told, in an answer and in a refusal",
          "[market][adapter]") {
  const CannedServer server{
      "HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"};
  const auto failed = std::get<CallFailed>(adapter_for(server.url)->call(FetchGates{}));
  CHECK(failed.retry_after == Duration{17s});
  const auto refused =
      std::get<BidRefused>(adapter_for(server.url)->call(SubmitBid{{"k", {}, {}}}));
  CHECK(refused.retry_after == Duration{17s});
}

TEST_CASE("a price that is none says nothing against the others, and is counted",
          "[market][adapter]") {
  const CannedServer server{http("200 OK", R"({"market_ms":5,"prices":[
      {"from_ms":0,"until_ms":60000,"price_micro_per_mwh":7},
      {"from_ms":60000,"until_ms":120000,"price_micro_per_mwh":null},
      {"from_ms":60000,"until_ms":120000,"price_micro_per_mwh":1e300},
      {"from_ms":60000,"price_micro_per_mwh":7},
      {"from_ms":60000,"until_ms":120000,"price_micro_per_mwh":7,"session":"day_ahead"}, 3]})")};
  const auto answer = std::get<PricesFetched>(adapter_for(server.url)->call(FetchPrices{}));
  CHECK(answer.prices.size() == 1);
  CHECK(answer.unreadable == 5);
  CHECK(answer.told_at == MarketTime{5ms});
}

TEST_CASE("a market's faults reach the bidder as what they are", "[market][process][faults]") {
  const auto faulty = [](const std::string& fault) {
    auto arguments = kFast;
    arguments.insert(arguments.end(), {"--fault", fault});
    return arguments;
  };
  const auto [fault, why] = GENERATE(
      table<std::string, std::string>({{"outage=1", "broke off"},
                                       {"error_permille=1000", "HTTP 500: something broke"},
                                       {"busy_permille=1000", "too many requests"},
                                       {"half_body_permille=1000", "broke off"}}));
  const Process process{faulty(fault)};
  CHECK_THAT(failure(process.url, FetchGates{}), Catch::Contains(why));
}

TEST_CASE("nobody there is told as such", "[market][adapter]") {
  std::string url;
  {
    const CannedServer server{""};
    url = server.url;
  }
  CHECK_THAT(failure(url, SubmitBid{{"k", {}, {}}}), Catch::Contains("cannot connect"));
}

TEST_CASE("what is no adapter or no URL is refused with its reason", "[market][adapter]") {
  CHECK_THAT(load_market("/nowhere.so", {.url = "http://x"}).error(),
             Catch::Contains("/nowhere.so"));
  CHECK_THAT(load_market(VPP_MARKET_MODULE, {.url = "ftp://x"}).error(),
             Catch::Contains("http://"));
  CHECK_THAT(load_market("libdl.so.2", {.url = "http://x"}).error(),
             Catch::Contains("none of ours"));
}
