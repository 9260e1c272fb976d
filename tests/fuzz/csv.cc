// Tables that people bring: prices and rivals of a market, homes and batteries of a simulation, the
// files of a plan. What is taken is as long, as ordered and as large as its reader promises;
// what is not is refused with the line or the file, in one line.
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "config/check.h"
#include "config/limits.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_file.h"
#include "tools/battery/home_profile.h"
#include "tools/market/price_file.h"
#include "tools/market/rivals_file.h"
#include "tools/vppctl/plan_cases.h"
#include "tools/vppctl/plan_input.h"

using namespace vpp;

namespace {

void one_line(const std::string& error) {
  VPP_CHECK(!error.empty() && error.find('\n') == std::string::npos);
}

void prices(std::string_view text) {
  std::istringstream csv{std::string{text}};
  const auto series = market::read_prices(csv);
  if (!series) {
    one_line(series.error());
    VPP_CHECK(series.error().starts_with("line ") || series.error() == "fewer than two prices");
    return;
  }
  VPP_CHECK(series->size() >= 2);
  for (const auto& [from, point] : *series) {
    VPP_CHECK(point.from == from && point.until > from);
    VPP_CHECK(point.price <= bidding::kPriceMax + Price{1'000'000});
  }
}

void rivals(std::string_view text) {
  std::istringstream csv{std::string{text}};
  const auto offers = market::read_rivals(csv);
  if (!offers) {
    one_line(offers.error());
    VPP_CHECK(offers.error().starts_with("line "));
    return;
  }
  for (const market::Offer& offer : *offers) {
    VPP_CHECK(offer.power > Watts{0} && offer.power <= limits::kGroupPowerMax);
  }
}

/// Three files under the names that a directory of homes has.
class HomeFiles {
 public:
  HomeFiles() {
    std::string name = std::filesystem::temp_directory_path() / "vpp-fuzz-XXXXXX";
    VPP_CHECK(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    std::size_t i = 0;
    for (const char* file : {"load_kwh.csv", "pv_w_per_kw.csv", "buildings.csv"}) {
      std::filesystem::create_symlink(files_[i++].path(), directory_ / file);
    }
  }
  ~HomeFiles() { std::filesystem::remove_all(directory_); }
  HomeFiles(const HomeFiles&) = delete;
  HomeFiles& operator=(const HomeFiles&) = delete;

  void fill(std::size_t index, std::string_view text) const { files_[index].fill(text); }
  [[nodiscard]] std::string directory() const { return directory_; }

 private:
  fuzz::MemoryFile files_[3];
  std::filesystem::path directory_;
};

/// The parts of the input between bytes of zero.
std::string_view part(std::string_view& text) {
  const std::string_view first = text.substr(0, text.find('\0'));
  text.remove_prefix(std::min(text.size(), first.size() + 1));
  return first;
}

void homes(std::string_view text) {
  static const HomeFiles files;
  for (std::size_t i = 0; i < 3; ++i) files.fill(i, part(text));
  const auto homes = battery::read_homes(files.directory());
  if (!homes) {
    one_line(homes.error());
    VPP_CHECK(homes.error().starts_with(files.directory()));
    return;
  }
  for (const battery::HomeProfile& home : *homes) {
    VPP_CHECK(!home.load_w.empty() && home.load_w.size() == home.pv_w.size());
    for (const std::int32_t watts : home.load_w) VPP_CHECK(watts >= 0);
    for (const std::int32_t watts : home.pv_w) VPP_CHECK(watts >= 0);
  }
}

void fleet(std::string_view text) {
  static const fuzz::MemoryFile file;
  file.fill(text);
  const auto ratings = battery::read_fleet(file.path());
  if (!ratings) {
    one_line(ratings.error());
    VPP_CHECK(ratings.error().starts_with(file.path()));
    return;
  }
  for (const battery::BatteryRating& rating : *ratings) {
    VPP_CHECK(rating.capacity > WattHours{0} && rating.capacity <= limits::kSiteEnergyMax);
    VPP_CHECK(rating.charge_max > Watts{0} && rating.charge_max <= limits::kSitePowerMax);
    VPP_CHECK(rating.discharge_max > Watts{0} && rating.discharge_max <= limits::kSitePowerMax);
  }
}

std::vector<std::string> one_or_none(std::string_view text) {
  return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{std::string{text}};
}

void check_sites(const std::vector<device::Capability>& sites, Watts most) {
  for (const device::Capability& site : sites) {
    VPP_CHECK(site.power >= Watts{0} && site.power <= most && site.energy >= Joules{0});
  }
}

/// Whatever was taken is answered: what is left out only makes a fleet do less.
void answer(const ctl::PlanInput& plan, const ctl::PlanSelection& select) {
  constexpr std::size_t kStepsMax = 50;  // a request of a thousand lines is no other question
  if (plan.request.size() > kStepsMax) return;
  const auto cases =
      ctl::plan_cases(plan, select, std::chrono::minutes{5}, aggregation::PerMillion{10'000});
  if (!cases) return;
  VPP_CHECK(cases->size() == select.without.size() + (select.without.size() > 1 ? 2 : 1));
  const Joules whole = cases->front().nominal.both().unserved;
  for (const ctl::PlanCase& one : *cases) {
    VPP_CHECK(one.nominal.both().unserved >= whole && one.firm.has_value());
    for (const auto* held : {&one.firm->discharge, &one.firm->charge}) {
      for (const ctl::HeldPower& at : *held) VPP_CHECK(at.firm <= at.nominal);
    }
  }
}

/// Fleet, request, and the options --group, --without and --uplink.
void plan(std::string_view text) {
  static const fuzz::MemoryFile fleet_file;
  static const fuzz::MemoryFile request_file;
  fleet_file.fill(part(text));
  request_file.fill(part(text));
  ctl::PlanSelection select{.groups = one_or_none(part(text)), .without = one_or_none(part(text))};
  select.uplink = part(text);
  select.reliability = !select.uplink.empty();
  const auto plan = ctl::read_plan_input(fleet_file.path(), request_file.path(), select);
  if (!plan) {
    VPP_CHECK(!plan.error().empty());
    for (const std::string& error : plan.error()) {
      one_line(error);
      VPP_CHECK(error.starts_with(fleet_file.path()) || error.starts_with(request_file.path()) ||
                error.starts_with("vppctl plan: "));
    }
    return;
  }
  const std::size_t sites = plan->ids.size();
  VPP_CHECK(sites > 0 && plan->energy.size() == sites && plan->room.size() == sites);
  VPP_CHECK(plan->response_permille.size() == sites && plan->uplinks.of_site.size() == sites);
  VPP_CHECK(plan->parents.empty() || plan->parents.size() == sites);
  VPP_CHECK(!plan->request.empty() && (plan->parts == 1 || plan->parts == 1000));
  const Watts most{limits::kGroupPowerMax.count * plan->parts};
  check_sites(plan->energy, most);
  check_sites(plan->room, most);
  for (const Watts power : plan->request) VPP_CHECK(power >= -most && power <= most);
  answer(*plan, select);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr void (*kReaders[])(std::string_view){prices, rivals, homes, fleet, plan};
  fuzz::FuzzInput input{data, size};
  kReaders[input.below(std::size(kReaders))](input.rest());
  return 0;
}
