// A small mesh of real nodes on a virtual network, as tests/mesh has it; the input chooses its
// shape, what becomes of messages, and who crashes, freezes, is cut off or comes back, and when. At
// every step no leaf is counted twice at the root and no cycle exists; left in peace, all are
// counted.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "config/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/mesh/virtual_mesh.h"

using namespace vpp;
using namespace vpp::mesh::testing;
using namespace std::chrono_literals;

namespace {

constexpr int kStepsMax = 64;
constexpr Duration kPeace = 90s;  ///< a back-off of half a minute, a hold of 8 leases

Faults faults_of(fuzz::FuzzInput& input) {
  Faults faults;
  faults.drop_permille = static_cast<std::uint32_t>(input.below(8)) * 50;
  faults.duplicate_permille = static_cast<std::uint32_t>(input.below(4)) * 100;
  faults.delay_max = Duration{2 + static_cast<std::int64_t>(input.byte()) * 6};
  return faults;
}

/// A root, then aggregators and leaves that know some of those before them, as the input says.
std::size_t plant(fuzz::FuzzInput& input, VirtualMesh& mesh) {
  mesh.add(Role::kRoot, {});
  const std::size_t groups = 1 + input.below(4);
  const std::size_t leaves = 1 + input.below(3);
  for (std::size_t i = 1; i <= groups; ++i) {
    std::vector<std::size_t> seeds{input.below(i)};
    for (std::size_t more = input.below(3); more > 0; --more) {
      // Of the later ones too: loops must be possible.
      const std::size_t seed = input.below(groups + 1);
      if (seed != i && std::ranges::find(seeds, seed) == seeds.end()) seeds.push_back(seed);
    }
    mesh.add(Role::kAggregator, seeds);
  }
  for (std::size_t i = 0; i < leaves; ++i) {
    const std::size_t first = input.below(groups + 1);
    mesh.add(Role::kLeaf, {first, (first + 1 + input.below(groups)) % (groups + 1)});
  }
  return 1 + groups + leaves;
}

void trouble(fuzz::FuzzInput& input, VirtualMesh& mesh, std::size_t nodes) {
  const std::size_t a = input.below(nodes);
  const std::size_t b = input.below(nodes);
  switch (input.below(7)) {
    case 0:
      return mesh.crash(a);
    case 1:
      return mesh.start(a);
    case 2:
      return mesh.pause(a, true);
    case 3:
      return mesh.pause(a, false);
    case 4:
      return a != b ? mesh.cut(a, b, true) : void();
    case 5:
      return a != 0 ? mesh.drain(a, b % 2 == 0) : void();
    default:
      mesh.cut(a, b, false);
  }
}

void run(VirtualMesh& mesh, Duration span) {
  const auto broken = mesh.run(mesh.now() + span);
  if (broken) std::fputs((*broken + "\n" + mesh.describe()).c_str(), stderr);
  VPP_CHECK(!broken);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const std::uint64_t seed = input.number(2);
  VirtualMesh mesh{seed, faults_of(input)};
  const std::size_t nodes = plant(input, mesh);
  for (int steps = 0; !input.empty() && steps < kStepsMax; ++steps) {
    trouble(input, mesh, nodes);
    run(mesh, Duration{static_cast<std::int64_t>(input.byte()) * 40});
  }
  mesh.heal();
  for (Duration waited = 0s; mesh.counted_at_root().size() != mesh.leaves(); waited += 1s) {
    if (waited >= kPeace) std::fputs(mesh.describe().c_str(), stderr);
    VPP_CHECK(waited < kPeace);
    run(mesh, 1s);
  }
  return 0;
}
