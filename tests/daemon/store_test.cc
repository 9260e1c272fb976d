#include "daemon/driver/store.h"

#include <lmdb.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "random_records.h"
#include "scratch_dir.h"

using namespace vpp;
using namespace vpp::driver;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<Store> must_open(const fs::path& dir, std::size_t map_bytes = kStoreBytesNode) {
  auto store = Store::open({dir, map_bytes});
  INFO((store ? "" : store.error()));
  REQUIRE(store.has_value());
  return *std::move(store);
}

node::Recovered must_load(const Store& store) {
  auto all = store.load();
  INFO((all ? "" : all.error()));
  REQUIRE(all.has_value());
  return *std::move(all);
}

/// What a store is: the naive second implementation.
struct Naive {
  node::Recovered all;
  std::map<OrderId, aggregation::Order> orders;

  void take(const node::Record& record) {
    if (const auto* r = std::get_if<mesh::UplinkRecord>(&record)) all.uplink = *r;
    if (const auto* r = std::get_if<node::Fence>(&record)) all.fence = *r;
    if (const auto* r = std::get_if<node::TermRecord>(&record)) all.term = *r;
    if (const auto* r = std::get_if<aggregation::Order>(&record)) orders[r->id] = *r;
    if (const auto* r = std::get_if<bidding::Fact>(&record)) all.facts.push_back(*r);
    if (const auto* r = std::get_if<node::JournalHead>(&record)) all.journal = *r;
    if (const auto* r = std::get_if<node::SiteAccounts>(&record)) all.site = *r;
    if (!std::holds_alternative<node::JournalCleared>(record)) return;
    orders.clear();
    all.facts.clear();
  }
  [[nodiscard]] node::Recovered recovered() const {
    node::Recovered out = all;
    for (const auto& [id, order] : orders) out.orders.push_back(order);
    return out;
  }
};

void require_equal(const node::Recovered& a, const node::Recovered& b) {
  REQUIRE(a.uplink == b.uplink);
  REQUIRE(a.fence == b.fence);
  REQUIRE(a.term == b.term);
  REQUIRE(a.journal == b.journal);
  REQUIRE(a.site == b.site);
  REQUIRE(a.orders == b.orders);
  REQUIRE(a.facts == b.facts);
}

/// `count` fences with rising numbers, each acknowledged through the pipe once it is durable.
[[noreturn]] void write_until_killed(const fs::path& dir, int pipe_end) {
  auto store = Store::open({dir, kStoreBytesNode});
  if (!store) ::_exit(1);
  for (std::uint64_t i = 1;; ++i) {
    const std::vector<node::Record> batch{node::Fence{1, i},
                                          bidding::OrderScheduled{"bid-" + std::to_string(i), {i}}};
    if (!(*store)->persist(batch)) ::_exit(1);
    if (::write(pipe_end, &i, sizeof i) != sizeof i) ::_exit(1);
  }
}

}  // namespace

TEST_CASE("a store gives back what a plain map of the same records holds", "[driver][store]") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  Rng rng{seed};
  const test::ScratchDir dir;
  Naive naive;
  for (int round = 0; round < 4; ++round) {
    const auto store = must_open(dir.path());
    require_equal(must_load(*store), naive.recovered());
    for (int i = 0; i < 10; ++i) {
      std::vector<node::Record> batch;
      for (std::uint64_t n = rng.below(5); n > 0; --n) batch.push_back(test::random_record(rng));
      REQUIRE(store->persist(batch).has_value());
      for (const auto& record : batch) naive.take(record);
    }
    require_equal(must_load(*store), naive.recovered());
  }
}

TEST_CASE("what was acknowledged survives kill -9 between and during commits", "[driver][store]") {
  const test::ScratchDir dir;
  std::uint64_t total = 0;
  for (int round = 0; round < 8; ++round) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) write_until_killed(dir.path(), ends[1]);
    ::close(ends[1]);
    std::uint64_t acknowledged = 0;
    // Killed wherever it happens to be when it has acknowledged so many.
    for (int i = 0; i <= round * 3; ++i) {
      REQUIRE(::read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged);
    }
    REQUIRE(::kill(child, SIGKILL) == 0);
    while (::read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged) {
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);

    const auto store = must_open(dir.path());
    const node::Recovered all = must_load(*store);
    REQUIRE(all.fence.has_value());
    CHECK(all.fence->sequence >= acknowledged);
    // A batch is whole or absent: as many facts as the fence says.
    CHECK(all.facts.size() == total + all.fence->sequence);
    total = all.facts.size();
  }
}

TEST_CASE("every flipped bit of a record is noticed and named, or harms nothing",
          "[driver][store]") {
  const test::ScratchDir dir;
  Rng rng{5};
  Naive naive;
  {
    const auto store = must_open(dir.path());
    std::vector<node::Record> batch;
    for (int i = 0; i < 30; ++i) batch.push_back(test::random_record(rng));
    REQUIRE(store->persist(batch).has_value());
    for (const auto& record : batch) naive.take(record);
  }
  const fs::path file = dir.path() / "vppd.mdb";
  std::ifstream in{file, std::ios::binary};
  const std::string good{std::istreambuf_iterator<char>{in}, {}};
  int refused = 0;
  for (int i = 0; i < 120; ++i) {
    std::string bad = good;
    bad[rng.below(bad.size())] ^= static_cast<char>(1U << rng.below(8));
    std::ofstream{file, std::ios::binary | std::ios::trunc} << bad;
    auto store = Store::open({dir.path(), kStoreBytesNode});
    if (!store) {
      ++refused;
      CHECK(store.error().find("vppd.mdb") != std::string::npos);
      continue;
    }
    const auto all = (*store)->load();
    if (!all) {
      ++refused;
      continue;
    }
    // An older meta page is the state before the last batch; everything else must be whole.
    const bool before = !all->uplink && !all->fence && !all->term && all->facts.empty();
    if (!before) require_equal(*all, naive.recovered());
  }
  CHECK(refused > 0);
}

TEST_CASE("a changed value is refused with the name of its file and key", "[driver][store]") {
  const test::ScratchDir dir;
  {
    const auto store = must_open(dir.path());
    REQUIRE(store->persist(std::vector<node::Record>{node::Fence{77, 4'242}}).has_value());
  }
  const fs::path file = dir.path() / "vppd.mdb";
  std::fstream io{file, std::ios::binary | std::ios::in | std::ios::out};
  std::string bytes{std::istreambuf_iterator<char>{io}, {}};
  const std::size_t at = bytes.find("4242");
  REQUIRE(at != std::string::npos);
  io.clear();
  io.seekp(static_cast<std::streamoff>(at));
  io.put('5');
  io.close();
  const auto store = Store::open({dir.path(), kStoreBytesNode});
  REQUIRE_FALSE(store.has_value());
  CHECK(store.error().find("vppd.mdb: key 'fence'") != std::string::npos);
}

TEST_CASE("a truncated store is refused and a text file is no store", "[driver][store]") {
  const test::ScratchDir dir;
  {
    const auto store = must_open(dir.path());
    Rng rng{3};
    std::vector<node::Record> batch;
    for (int i = 0; i < 200; ++i) batch.emplace_back(test::random_fact(rng));
    REQUIRE(store->persist(batch).has_value());
  }
  const fs::path file = dir.path() / "vppd.mdb";
  fs::resize_file(file, 12'288);
  const auto cut = Store::open({dir.path(), kStoreBytesNode});
  REQUIRE_FALSE(cut.has_value());
  CHECK_THAT(cut.error(), Catch::Contains(file.string()) && Catch::Contains("hint"));
  std::ofstream{file, std::ios::trunc} << "this is no store";
  const auto text = Store::open({dir.path(), kStoreBytesNode});
  REQUIRE_FALSE(text.has_value());
  CHECK_THAT(text.error(), Catch::Contains(file.string()) && Catch::Contains("hint"));
}

TEST_CASE("a full store refuses a batch whole, keeps what it has, and takes small ones again",
          "[driver][store]") {
  const test::ScratchDir dir;
  const auto store = must_open(dir.path(), 128U << 10U);
  REQUIRE(store->persist(std::vector<node::Record>{node::Fence{1, 1}}).has_value());
  const bidding::Fact big{bidding::BidAcknowledged{"bid", false, std::string(2'000, 'x')}};
  std::size_t kept = 0;
  std::string refusal;
  for (int i = 0; i < 200 && refusal.empty(); ++i) {
    const std::vector<node::Record> batch{big, node::Fence{1, kept + 2}};
    if (auto written = store->persist(batch); written) {
      ++kept;
    } else {
      refusal = written.error();
    }
  }
  CHECK(refusal.find("full") != std::string::npos);
  CHECK(store->use().permille() > kStoreAlarmPermille);
  const node::Recovered all = must_load(*store);
  CHECK(all.facts.size() == kept);
  CHECK(all.fence == node::Fence{1, kept + 1});
}

TEST_CASE("a disk that takes no more is an error, and when it takes again all is well",
          "[driver][store]") {
  const test::ScratchDir dir;
  const auto store = must_open(dir.path());
  REQUIRE(store->persist(std::vector<node::Record>{node::Fence{1, 1}}).has_value());
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit quota{128U << 10U, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &quota) == 0);
  const bidding::Fact big{bidding::BidAcknowledged{"bid", false, std::string(4'000, 'x')}};
  std::size_t kept = 0;
  std::string refusal;
  for (int i = 0; i < 100 && refusal.empty(); ++i) {
    const std::vector<node::Record> batch{big, node::Fence{1, kept + 2}};
    if (auto written = store->persist(batch); written) {
      ++kept;
    } else {
      refusal = written.error();
    }
  }
  const node::Recovered meanwhile = must_load(*store);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, old_handler);

  CHECK(refusal.find("write") != std::string::npos);
  CHECK(meanwhile.facts.size() == kept);
  CHECK(meanwhile.fence == node::Fence{1, kept + 1});
  REQUIRE(store->persist(std::vector<node::Record>{big, node::Fence{2, 0}}).has_value());
  CHECK(must_load(*store).facts.size() == kept + 1);
  CHECK(must_load(*store).fence == node::Fence{2, 0});
}

TEST_CASE("rewriting one record does not grow the store", "[driver][store]") {
  const test::ScratchDir dir;
  const auto store = must_open(dir.path());
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    REQUIRE(store->persist(std::vector<node::Record>{node::Fence{1, i}}).has_value());
    most = std::max(most, store->use().used_bytes);
  }
  CHECK(most <= 16U * 4'096U);
}

TEST_CASE("facts that no bidder needs can be forgotten, and new ones come behind the rest",
          "[driver][store]") {
  const test::ScratchDir dir;
  const auto prices = [](int day) {
    const MarketTime from{std::chrono::days{20'000 + day}};
    return bidding::Fact{bidding::PricesKnown{{{from, from + 1h, {day}}}}};
  };
  {
    const auto store = must_open(dir.path());
    for (int day = 0; day < 40; ++day) {
      REQUIRE(store->persist(std::vector<node::Record>{prices(day)}).has_value());
    }
  }
  const auto store = must_open(dir.path());
  REQUIRE(store->compact().has_value());
  const auto kept = must_load(*store).facts;
  CHECK(kept.size() < 20);
  CHECK(kept.back() == prices(39));
  REQUIRE(store->persist(std::vector<node::Record>{prices(40)}).has_value());
  const auto more = must_load(*store).facts;
  CHECK(more.size() == kept.size() + 1);
  CHECK(more.back() == prices(40));
}

TEST_CASE("a trial write leaves no trace and finds a full store out", "[driver][store]") {
  const test::ScratchDir dir;
  const auto store = must_open(dir.path(), 128U << 10U);
  REQUIRE(store->persist(std::vector<node::Record>{node::Fence{1, 1}}).has_value());
  const auto before = must_load(*store);
  REQUIRE(store->try_write().has_value());
  require_equal(must_load(*store), before);
  const bidding::Fact big{bidding::BidAcknowledged{"bid", false, std::string(2'000, 'x')}};
  while (store->persist(std::vector<node::Record>{big})) {
  }
  CHECK_FALSE(store->try_write().has_value());
}

TEST_CASE("a state directory has one owner at a time", "[driver][store]") {
  const test::ScratchDir dir;
  auto first = must_open(dir.path());
  const auto second = Store::open({dir.path(), kStoreBytesNode});
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().find("another vppd") != std::string::npos);
  first.reset();
  CHECK(Store::open({dir.path(), kStoreBytesNode}).has_value());
}

TEST_CASE("a state directory that cannot be made is one clear line", "[driver][store]") {
  const test::ScratchDir dir;
  std::ofstream{dir.path() / "file"} << "x";
  const auto store = Store::open({dir.path() / "file" / "state", kStoreBytesNode});
  REQUIRE_FALSE(store.has_value());
  CHECK(store.error().find('\n') == std::string::npos);
}

TEST_CASE("of orders that are over only the newest are kept when the store is compacted",
          "[driver][store]") {
  const test::ScratchDir dir;
  {
    const auto store = must_open(dir.path());
    std::vector<node::Record> batch;
    for (std::uint64_t id = 1; id <= kOrdersKept + 20; ++id) {
      aggregation::Order order;
      order.id = {id};
      order.state = id == 3 ? aggregation::OrderState::kActive : aggregation::OrderState::kDone;
      batch.emplace_back(order);
    }
    REQUIRE(store->persist(batch).has_value());
    REQUIRE(store->compact().has_value());
  }
  const auto all = must_load(*must_open(dir.path()));
  CHECK(all.orders.size() == kOrdersKept + 1);
  CHECK(all.orders.front().id == OrderId{3});
  CHECK(all.orders.back().id == OrderId{kOrdersKept + 20});
}
