#include "bidding/decide_reserve.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "aggregation/wide.h"
#include "bidding/co_optimise.h"
#include "config/check.h"
#include "config/limits.h"

namespace vpp::bidding {
namespace {

using aggregation::Int128;
using std::chrono::seconds;

constexpr Duration kReserveGateMax = std::chrono::hours{24};

/// The times that the programs are about: `per_block` slots in a block, the gate's block first.
struct SlotGrid {
  MarketTime begin{};
  seconds slot{};
  std::size_t per_block = 1;
  std::size_t blocks = 1;

  [[nodiscard]] std::size_t slots() const { return per_block * blocks; }
  [[nodiscard]] MarketTime at(std::int64_t slots_on) const { return begin + slot * slots_on; }
};

/// Nothing: no gate that can be bid on.
[[nodiscard]] std::optional<SlotGrid> grid_of(const DecideInput& input) {
  const Gate& gate = input.gate;
  if (!is_sane(gate.from) || !is_sane(gate.until)) return std::nullopt;
  const Duration length = gate.until - gate.from;
  if (length <= Duration{0} || length > kReserveGateMax || length % seconds{1} != Duration{0}) {
    return std::nullopt;
  }
  const Duration horizon = std::clamp<Duration>(input.horizon, length, kProfileMax);
  Duration least = horizon / static_cast<std::int64_t>(kReserveSlotsMax);
  if (!input.prices->empty()) {
    const PricePoint& newest = input.prices->rbegin()->second;
    least = std::max(least, newest.until - newest.from);
  }
  auto per_block = std::max<std::int64_t>(1, length / least);
  while (per_block > 1 && length % (seconds{1} * per_block) != Duration{0}) --per_block;
  SlotGrid grid{gate.from, std::chrono::duration_cast<seconds>(length) / per_block,
                static_cast<std::size_t>(per_block), 1};
  const std::size_t blocks_most = std::max<std::size_t>(1, kReserveSlotsMax / grid.per_block);
  grid.blocks = std::min(blocks_most, static_cast<std::size_t>(horizon / length));
  return grid;
}

/// What is expected: of each slot's energy, and of each block's reserve.
struct Outlook {
  std::vector<std::optional<Price>> energy;
  std::vector<std::optional<Price>> capacity;
};

[[nodiscard]] Outlook outlook_of(const DecideInput& input, const SlotGrid& grid) {
  Outlook out;
  for (std::size_t t = 0; t < grid.slots(); ++t) {
    const auto on = static_cast<std::int64_t>(t);
    out.energy.push_back(expected_price(input, grid.at(on), grid.at(on + 1)));
    if (t % grid.per_block != 0) continue;
    auto price = forecast(*input.capacity, grid.at(on),
                          grid.at(on + static_cast<std::int64_t>(grid.per_block)));
    // Little is known of it at first: as it was last.
    if (!price && !input.capacity->empty()) price = input.capacity->rbegin()->second.price;
    out.capacity.push_back(price);
  }
  return out;
}

/// Of a block's energy; nothing: some of it is unknown.
[[nodiscard]] std::optional<Price> mean_energy(const Outlook& outlook, const SlotGrid& grid,
                                               std::size_t block) {
  Int128 sum = 0;
  for (std::size_t t = block * grid.per_block; t < (block + 1) * grid.per_block; ++t) {
    if (!outlook.energy[t]) return std::nullopt;
    sum += outlook.energy[t]->count;
  }
  return Price{static_cast<std::int64_t>(sum / static_cast<std::int64_t>(grid.per_block))};
}

[[nodiscard]] std::optional<Price> worth_of_reserve(const DecideInput& input,
                                                    const Outlook& outlook, const SlotGrid& grid,
                                                    std::size_t block) {
  const auto energy = mean_energy(outlook, grid, block);
  if (!energy || !outlook.capacity[block]) return std::nullopt;
  return reserve_worth(*outlook.capacity[block], *energy, input.price_min, input.called_permille);
}

/// Of what is worth the same the sooner is sold: a millionth less for each slot later.
[[nodiscard]] Price rather_sooner(Price worth, std::size_t slots_on) {
  constexpr std::int64_t kMillion = 1'000'000;
  return {worth.count - worth.count / kMillion * static_cast<std::int64_t>(slots_on)};
}

/// All but what the gate sells; `first` is the place of the gate's first slot.
struct Competition {
  CoProblem problem;
  std::size_t first = 0;
  Watts most;  ///< that one slot can give
};

[[nodiscard]] Competition competition(const DecideInput& input, const Outlook& outlook,
                                      const SlotGrid& grid, const Profile& committed,
                                      const FirmCurve& curve) {
  Competition out;
  out.problem.slot = grid.slot;
  out.most = {curve.at(grid.slot).count / grid.slot.count()};
  const auto slots = static_cast<std::int64_t>(grid.slots());
  const auto before = std::max<std::int64_t>(0, (grid.begin - input.now) / grid.slot + 1);
  const auto after = std::max(slots, (input.now + kProfileMax - grid.begin) / grid.slot + 1);
  for (std::int64_t on = -before; on < after; ++on) {
    const Watts promised = committed.mean(grid.at(on), grid.at(on + 1));
    const bool sold_in = on >= 0 && on < slots;
    // Where nothing is promised and nothing can be sold, nothing is asked of the curve.
    if (!sold_in && promised <= Watts{0}) continue;
    if (on == 0) out.first = out.problem.committed.size();
    out.problem.committed.push_back(promised);
  }
  out.problem.caps.assign(out.problem.committed.size(), limits::kGroupPowerMax);
  for (std::size_t block = 1; block < grid.blocks; ++block) {
    const std::size_t first = block * grid.per_block;
    for (std::size_t t = first; t < first + grid.per_block; ++t) {
      if (!outlook.energy[t]) continue;
      const Price worth = energy_worth(*outlook.energy[t], input.price_min);
      out.problem.products.push_back({out.first + t, 1, rather_sooner(worth, t), out.most});
    }
    if (const auto worth = worth_of_reserve(input, outlook, grid, block)) {
      out.problem.products.push_back(
          {out.first + first, grid.per_block, rather_sooner(*worth, first), out.most});
    }
  }
  return out;
}

/// In micro-units per MWh times watts times slots.
[[nodiscard]] Int128 gain_of(const CoProblem& problem, const CoPlan& plan) {
  Int128 gain = 0;
  for (std::size_t i = 0; i < plan.power.size(); ++i) {
    const ReserveProduct& product = problem.products[i];
    gain += static_cast<Int128>(product.worth.count) * plan.power[i].count *
            static_cast<std::int64_t>(product.count);
  }
  return gain;
}

struct Offered {
  Watts power;
  Price price;
};

/// What the gate's reserve gains over its energy.
[[nodiscard]] std::expected<Offered, std::string_view> either(
    const DecideInput& input, const Outlook& outlook, const SlotGrid& grid,
    const Competition& others, const FirmCurve& curve, MakeLinearProgram* solver) {
  CoProblem reserve = others.problem;
  const Price worth = *worth_of_reserve(input, outlook, grid, 0);
  reserve.products.push_back({others.first, grid.per_block, worth, others.most});
  CoProblem energy = others.problem;
  for (std::size_t t = 0; t < grid.per_block; ++t) {
    energy.products.push_back(
        {others.first + t, 1, energy_worth(*outlook.energy[t], input.price_min), others.most});
  }
  const std::unique_ptr<LinearProgram> first{solver()};
  const std::unique_ptr<LinearProgram> second{solver()};
  const auto with_reserve = co_optimise(reserve, curve, *first);
  const auto with_energy = co_optimise(energy, curve, *second);
  if (!with_reserve || !with_energy) return std::unexpected{no_bid::kNoSolver};
  const Watts power = with_reserve->power.back();
  if (power <= Watts{0}) {
    return std::unexpected{worth <= Price{0} ? no_bid::kTooCheap : no_bid::kOtherTimes};
  }
  const Int128 more = gain_of(reserve, *with_reserve) - gain_of(energy, *with_energy);
  if (more <= 0) return std::unexpected{no_bid::kEnergyIsBetter};
  const Int128 sold = static_cast<Int128>(power.count) * static_cast<std::int64_t>(grid.per_block);
  const Price same{
      static_cast<std::int64_t>(std::max<Int128>(0, outlook.capacity[0]->count - more / sold))};
  return Offered{power, same};
}

/// Reserve first, then energy, each from the gate on; what is unknown is left out.
[[nodiscard]] std::vector<PricePoint> forecast_of(const Outlook& outlook, const SlotGrid& grid,
                                                  Session session) {
  std::vector<PricePoint> out;
  const auto put = [&](const std::optional<Price>& price, std::size_t first, std::size_t count,
                       Product product) {
    const auto on = static_cast<std::int64_t>(first);
    if (!price) return;
    out.push_back(
        {grid.at(on), grid.at(on + static_cast<std::int64_t>(count)), *price, session, product});
  };
  for (std::size_t b = 0; b < grid.blocks; ++b) {
    put(outlook.capacity[b], b * grid.per_block, grid.per_block, Product::kReserveUp);
  }
  for (std::size_t t = 0; t < grid.slots(); ++t) put(outlook.energy[t], t, 1, Product::kEnergy);
  return out;
}

}  // namespace

std::expected<BidDecided, std::string_view> decide_reserve(const DecideInput& input,
                                                           const FirmCurve& curve,
                                                           MakeLinearProgram* solver) {
  const Gate& gate = input.gate;
  VPP_CHECK(input.prices != nullptr && input.capacity != nullptr);
  VPP_CHECK(gate.product == Product::kReserveUp);
  if (solver == nullptr) return std::unexpected{no_bid::kNoSolver};
  const auto grid = grid_of(input);
  if (!grid) return std::unexpected{no_bid::kNoForecast};
  const Outlook outlook = outlook_of(input, *grid);
  if (!outlook.capacity.front()) return std::unexpected{no_bid::kNoCapacityPrice};
  if (!mean_energy(outlook, *grid, 0)) return std::unexpected{no_bid::kNoForecast};
  Profile committed{input.now};
  for (const Commitment& commitment : input.committed) committed.add(commitment);
  const Watts free = committed.largest_addition(gate.from, gate.until, curve);
  if (free <= Watts{0}) return std::unexpected{no_bid::kNothingFree};
  const Competition others = competition(input, outlook, *grid, committed, curve);
  const auto offered = either(input, outlook, *grid, others, curve, solver);
  if (!offered) return std::unexpected{offered.error()};
  const bool foreseen = is_foreseen(input, gate.from, gate.until);
  const auto firm = curve.firm().points();
  return BidDecided{
      .bid = {bid_key(gate), gate, {{std::min(offered->power, free), offered->price}}},
      .forecast = forecast_of(outlook, *grid, gate.session),
      .firm_curve = {firm.begin(), firm.end()},
      .firm_permille = curve.permille(),
      .committed = input.committed,
      .price_min = input.price_min,
      .horizon = input.horizon,
      .strategy = input.strategy,
      .called_permille = input.called_permille,
      .model = foreseen ? input.foreseen->model : kNaiveModel,
      .foreseen = foreseen ? input.foreseen->task : TaskId{}};
}

}  // namespace vpp::bidding
