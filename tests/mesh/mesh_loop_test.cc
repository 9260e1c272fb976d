// Each test tells how a loop could come about, and that it does not. The mesh looks for cycles
// after every event by itself; a run that returns nothing found none.
#include <algorithm>
#include <catch2/catch.hpp>

#include "virtual_mesh.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

constexpr std::uint64_t kSeeds = 12;  // timers are jittered: try many interleavings

void run(VirtualMesh& mesh, Duration until) {
  const auto broken = mesh.run(until);
  INFO(broken.value_or(""));
  REQUIRE_FALSE(broken);
}

}  // namespace

TEST_CASE("two aggregators that lose the root and know only each other do not pick each other",
          "[mesh][loop]") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    VirtualMesh mesh{seed, {}};
    const std::size_t root = mesh.add(Role::kRoot, {});
    const std::size_t a = mesh.add(Role::kAggregator, {root, 2});
    const std::size_t b = mesh.add(Role::kAggregator, {root, a});
    mesh.add(Role::kLeaf, {a});
    mesh.add(Role::kLeaf, {b});
    run(mesh, 5s);
    REQUIRE(mesh.counted_at_root().size() == 2);

    mesh.crash(root);
    run(mesh, 40s);
    CHECK(mesh.path_of(a).empty());
    CHECK(mesh.path_of(b).empty());

    mesh.start(root);
    run(mesh, 100s);
    CHECK(mesh.counted_at_root().size() == 2);
  }
}

TEST_CASE("three aggregators in a ring do not follow each other round", "[mesh][loop]") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    VirtualMesh mesh{seed, {}};
    const std::size_t root = mesh.add(Role::kRoot, {});
    const std::size_t a = mesh.add(Role::kAggregator, {2, root});
    const std::size_t b = mesh.add(Role::kAggregator, {3, root});
    const std::size_t c = mesh.add(Role::kAggregator, {a, root});
    for (const std::size_t parent : {a, b, c}) mesh.add(Role::kLeaf, {parent});
    run(mesh, 20s);
    REQUIRE(mesh.counted_at_root().size() == 3);

    for (const std::size_t one : {a, b, c}) {  // silence, not death: nobody is told
      mesh.cut(root, one, true);
      mesh.cut(one, root, true);
    }
    run(mesh, 60s);
    for (const std::size_t one : {a, b, c}) CHECK(mesh.path_of(one).empty());

    mesh.heal();
    run(mesh, 120s);
    CHECK(mesh.counted_at_root().size() == 3);
  }
}

// A joins B while B is about to lose the root; B then finds C, which has not heard that A, its
// parent, lost the root as well: C still advertises a path through A that B is not on.
TEST_CASE("a stale advert after a partition is not feasible", "[mesh][loop]") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    VirtualMesh mesh{seed, {}};
    const std::size_t root = mesh.add(Role::kRoot, {});
    const std::size_t a = mesh.add(Role::kAggregator, {root, 2});
    const std::size_t b = mesh.add(Role::kAggregator, {root, 3});
    const std::size_t c = mesh.add(Role::kAggregator, {a});
    mesh.add(Role::kLeaf, {b});
    run(mesh, 10s);
    REQUIRE(mesh.parent_of(c) == mesh.id_of(a));

    mesh.cut(root, a, true);
    run(mesh, 11s);
    mesh.cut(root, b, true);  // one beacon later
    run(mesh, 12200ms);
    mesh.cut(a, c, true);  // the poison will not come
    while (!mesh.path_of(a).empty() && mesh.now() < 20s) run(mesh, mesh.now() + 5ms);
    run(mesh, mesh.now() + 300ms);
    mesh.cut(b, a, true);
    run(mesh, 40s);

    mesh.heal();
    run(mesh, 100s);
    CHECK(mesh.counted_at_root().size() == 1);
  }
}

TEST_CASE("a chain grows to eight levels, and no further", "[mesh][loop][depth]") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    VirtualMesh mesh{seed, {}};
    std::size_t above = mesh.add(Role::kRoot, {});
    for (std::size_t level = 2; level <= 7; ++level) above = mesh.add(Role::kAggregator, {above});
    const std::size_t leaf = mesh.add(Role::kLeaf, {above});
    const std::size_t too_deep = mesh.add(Role::kAggregator, {above});
    const std::size_t nowhere = mesh.add(Role::kLeaf, {too_deep});
    run(mesh, 60s);
    CHECK(mesh.path_of(leaf).size() == limits::kDepthMax);
    CHECK(mesh.path_of(too_deep).empty());
    CHECK(mesh.path_of(nowhere).empty());
    CHECK(mesh.counted_at_root() == std::vector{mesh.id_of(leaf)});

    mesh.crash(3);  // whoever was below was told of those above it
    run(mesh, 80s);
    CHECK(mesh.path_of(leaf).size() < limits::kDepthMax);
    CHECK(mesh.path_of(nowhere).size() <= limits::kDepthMax);
    const std::vector<NodeId> counted = mesh.counted_at_root();
    CHECK(std::ranges::count(counted, mesh.id_of(leaf)) == 1);
  }
}
