// Writes a few valid frames of every kind into a directory, for codec_fuzz to start from.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "mesh/codec.h"
#include "tests/mesh/random_message.h"

using namespace vpp;
using namespace vpp::mesh;

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: codec_seeds DIRECTORY\n", stderr);
    return 2;
  }
  const std::filesystem::path directory{argv[1]};
  std::filesystem::create_directories(directory);
  constexpr std::size_t kSmall = 2'048;  // short inputs are mutated to more effect
  constexpr int kPerKind = 3;
  Rng rng{1};
  for (std::size_t kind = 0; kind < vpp::mesh::testing::kMessageKinds; ++kind) {
    for (int written = 0; written < kPerKind;) {
      const auto frame = encode(vpp::mesh::testing::random_message(kind, rng));
      if (!frame || frame->size() > kSmall) continue;
      std::ofstream out{directory / (std::to_string(kind) + "-" + std::to_string(written)),
                        std::ios::binary};
      out.write(reinterpret_cast<const char*>(frame->data()),
                static_cast<std::streamsize>(frame->size()));
      if (!out) return 1;
      ++written;
    }
  }
  return 0;
}
