// The file that a node's records are kept in, damaged anywhere and cut anywhere: a file that
// probe() finds good can be opened and read, and holds nothing but what was written under the same
// key; any other is told from a good one without harm to this process. LMDB may crash on damaged
// pages, which is what the probe's child is for. Value by value: nothing passes for sealed but what
// was.
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "config/check.h"
#include "daemon/driver/seal.h"
#include "daemon/driver/sealed_file.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;
using namespace vpp::driver;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMapBytes = 1U << 20U;

const std::map<std::string, std::string>& written() {
  static const std::map<std::string, std::string> all{
      {"fence", R"({"term":3,"sequence":9})"},
      {"journal", std::string(200, 'j')},
      {"order/0000000000000001", std::string(5'000, 'o')},  // pages of its own
      {"term", R"({"term":3})"}};
  return all;
}

/// The crash of a probe's child is no finding.
void die_plainly() {
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGALRM}) {
    (void)std::signal(number, SIG_DFL);
  }
}

/// One file for the whole run, on a file system in memory where there is one.
class Playground {
 public:
  Playground() {
    VPP_CHECK(::pthread_atfork(nullptr, nullptr, die_plainly) == 0);
    const bool shm = ::access("/dev/shm", W_OK) == 0;
    std::string name = (shm ? "/dev/shm" : fs::temp_directory_path().string()) + "/vpp-fuzz-XXXXXX";
    VPP_CHECK(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    auto opened = SealedFile::open(file(), kMapBytes);
    VPP_CHECK(opened);
    // Twice, so that there are pages to reuse and both meta pages count.
    for (int i = 0; i < 2; ++i) {
      for (const auto& [key, text] : written()) {
        const Change change{key, text};
        VPP_CHECK(opened->write({&change, 1}));
      }
    }
    opened = std::unexpected{std::string{}};
    std::ifstream in{file(), std::ios::binary};
    good_.assign(std::istreambuf_iterator<char>{in}, {});
  }
  ~Playground() { fs::remove_all(directory_); }
  Playground(const Playground&) = delete;
  Playground& operator=(const Playground&) = delete;

  [[nodiscard]] fs::path file() const { return directory_ / "records.db"; }
  [[nodiscard]] const std::string& good() const { return good_; }
  void fill(const std::string& bytes) const {
    std::ofstream{file(), std::ios::binary | std::ios::trunc} << bytes;
  }

 private:
  fs::path directory_;
  std::string good_;
};

/// Some bytes are others; or the file ends early.
std::string damaged_by(fuzz::FuzzInput& input, std::string bytes) {
  if (input.coin()) bytes.resize(input.number(2) % (bytes.size() + 1));
  while (!input.empty() && !bytes.empty()) {
    const std::size_t at = input.number(2) % bytes.size();
    const std::size_t count = std::min<std::size_t>(1 + input.below(8), bytes.size() - at);
    const std::string_view patch = input.take(count);
    bytes.replace(at, patch.size(), patch);
  }
  return bytes;
}

void whole_file(const Playground& playground, fuzz::FuzzInput input) {
  playground.fill(damaged_by(input, playground.good()));
  const auto probed = SealedFile::probe(playground.file(), kMapBytes);
  if (!probed) {
    VPP_CHECK(probed.error().starts_with(playground.file().string() + ": "));
    return;
  }
  const auto opened = SealedFile::open(playground.file(), kMapBytes);
  VPP_CHECK(opened);
  const auto walked = opened->walk([](std::string_view key, std::string_view text) {
    const auto known = written().find(std::string{key});
    VPP_CHECK(known != written().end() && known->second == text);
    return std::expected<void, std::string>{};
  });
  VPP_CHECK(walked);
}

void one_value(fuzz::FuzzInput input) {
  const std::string_view key = input.take(input.below(8));
  const std::size_t kept = input.byte();
  const std::string_view more = input.rest();
  const std::string good = seal(key, "a text");
  const std::string value = good.substr(0, kept) + std::string{more};
  const auto text = unseal(key, value);
  VPP_CHECK(text.has_value() == (value == good));
  VPP_CHECK(!unseal(std::string{key} + "'", value));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Playground playground;
  fuzz::FuzzInput input{data, size};
  if (input.coin()) {
    one_value(input);
  } else {
    whole_file(playground, input);
  }
  return 0;
}
