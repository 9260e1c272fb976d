#include "bidding/settlement.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "aggregation/wide.h"
#include "config/limits.h"

namespace vpp::bidding {
namespace {

constexpr std::int64_t kJoulesInMwh = kJoulesPerWattHour * 1'000'000;
constexpr std::int64_t kRevenueSlack = 10'000;  ///< a cent: markets round to it

[[nodiscard]] aggregation::Int128 floor_of(aggregation::Int128 dividend, std::int64_t divisor) {
  const aggregation::Int128 whole = dividend / divisor;
  return whole * divisor > dividend ? whole - 1 : whole;
}

/// Collects what differs.
struct Differences {
  const std::string& key;
  std::vector<Disagreement> all;

  void add(std::string_view about, std::int64_t ours, std::int64_t theirs, std::int64_t slack) {
    const auto apart = static_cast<aggregation::Int128>(ours) - theirs;
    if (apart > slack || apart < -slack) all.push_back({key, std::string{about}, ours, theirs});
  }
};

}  // namespace

Amount worth(Joules energy, Price per_mwh) {
  // A day of the largest plant at the highest price is beyond 64 bits.
  const auto product = static_cast<aggregation::Int128>(energy.count) * per_mwh.count;
  const aggregation::Int128 most = limits::kAmountMax.count;
  return {static_cast<std::int64_t>(std::clamp(floor_of(product, kJoulesInMwh), -most, most))};
}

Joules awarded_energy(const Award& award) {
  using std::chrono::milliseconds;
  const auto length = milliseconds{award.gate.until - award.gate.from}.count();
  const auto energy = static_cast<aggregation::Int128>(award.power.count) * length / 1000;
  return {static_cast<std::int64_t>(energy)};
}

Joules owed_energy(const Award& award, const std::optional<ReserveCall>& call) {
  if (award.gate.product == Product::kEnergy) return awarded_energy(award);
  if (!call) return {0};
  return awarded_energy({call->key, {call->from, call->until, {}}, call->power, {}});
}

Price owner_rate(const Settlement& settlement, const Award& award, Joules receipts,
                 std::int32_t share_permille) {
  const auto net =
      static_cast<aggregation::Int128>(settlement.revenue.count) - settlement.penalty.count;
  if (net <= 0 || receipts <= Joules{0}) return {};
  const auto share = net * std::clamp(share_permille, 0, 1000) / 1000;
  if (award.gate.product != Product::kEnergy) {  // sites that were away may still bring receipts
    const auto rate = share * kJoulesInMwh / std::max(receipts, settlement.awarded).count;
    return {
        static_cast<std::int64_t>(std::min<aggregation::Int128>(rate, limits::kPriceMax.count))};
  }
  if (award.clearing <= Price{0}) return {};
  const auto rate = share * kJoulesInMwh / receipts.count;
  return {static_cast<std::int64_t>(std::min<aggregation::Int128>(rate, award.clearing.count))};
}

std::vector<Disagreement> compare(const Award& award, const std::optional<ReserveCall>& call,
                                  const DeliveryMeasured& measured, const Settlement& settlement) {
  Differences differences{settlement.key, {}};
  differences.add("awarded_j", owed_energy(award, call).count, settlement.awarded.count,
                  kJoulesPerWattHour);
  if (measured.sites_counted > 0) {  // else it is not known what was delivered
    differences.add("delivered_j", measured.delivery.delivered.count, settlement.delivered.count,
                    kJoulesPerWattHour);
  }
  if (award.gate.product == Product::kEnergy) {
    differences.add("revenue_micro", worth(settlement.awarded, award.clearing).count,
                    settlement.revenue.count, kRevenueSlack);
  } else {
    differences.add("availability_micro", worth(awarded_energy(award), award.clearing).count,
                    settlement.availability.count, kRevenueSlack);
  }
  if (settlement.penalty < Amount{0}) {
    differences.add("penalty_micro", 0, settlement.penalty.count, 0);
  }
  return std::move(differences.all);
}

std::vector<Disagreement> compare(const Settlement& stands, const Settlement& other) {
  Differences differences{stands.key, {}};
  differences.add("settled_again_awarded_j", stands.awarded.count, other.awarded.count, 0);
  differences.add("settled_again_delivered_j", stands.delivered.count, other.delivered.count, 0);
  differences.add("settled_again_revenue_micro", stands.revenue.count, other.revenue.count, 0);
  differences.add("settled_again_availability_micro", stands.availability.count,
                  other.availability.count, 0);
  differences.add("settled_again_penalty_micro", stands.penalty.count, other.penalty.count, 0);
  return std::move(differences.all);
}

}  // namespace vpp::bidding
