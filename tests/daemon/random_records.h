// Random records of every kind, from a seed.
#pragma once

#include <string>

#include "config/rng.h"
#include "daemon/node/node.h"

namespace vpp::test {

inline std::string random_text(Rng& rng) {
  std::string out;
  const std::uint64_t size = rng.below(12);
  for (std::uint64_t i = 0; i < size; ++i) {
    out.push_back(static_cast<char>(' ' + static_cast<char>(rng.below(95))));
  }
  return out;
}

inline MarketTime random_time(Rng& rng) {
  return MarketTime{std::chrono::milliseconds{static_cast<std::int64_t>(rng.below(1ULL << 42U))}};
}

inline mesh::UplinkRecord random_uplink(Rng& rng) {
  mesh::UplinkRecord out;
  out.session = rng.next();
  if (rng.below(2) == 1) out.last_parent = NodeId{rng.next(), rng.next()};
  out.term = rng.next();
  out.path_length = rng.below(9);
  out.counted_for = Duration{static_cast<std::int64_t>(rng.below(600'000))};
  for (std::uint64_t i = rng.below(4); i > 0; --i) {
    Endpoint endpoint{"tcp://" + random_text(rng), {}};
    for (auto& byte : endpoint.server_key) byte = static_cast<std::uint8_t>(rng.next());
    out.alternates.push_back(endpoint);
  }
  return out;
}

inline aggregation::Order random_order(Rng& rng) {
  return {.id = {rng.below(50) + 1},
          .key = random_text(rng),
          .source = static_cast<aggregation::OrderSource>(rng.below(3)),
          .scope = {random_text(rng), random_text(rng)},
          .service = static_cast<Service>(rng.below(2)),
          .power = {static_cast<std::int64_t>(rng.below(20'000)) - 10'000},
          .from = random_time(rng),
          .until = random_time(rng),
          .issued = random_time(rng),
          .state = static_cast<aggregation::OrderState>(rng.below(5)),
          .ramp = std::chrono::milliseconds{rng.below(1'000'000)}};
}

inline bidding::Fact random_fact(Rng& rng) {
  const std::string key = "bid-" + std::to_string(rng.below(1'000));
  switch (rng.below(3)) {
    case 0:
      return {bidding::BidAcknowledged{key, rng.below(2) == 1, random_text(rng)}, random_time(rng)};
    case 1:
      return {bidding::OrderScheduled{key, {rng.next()}}, random_time(rng)};
    default:
      return {bidding::PricesKnown{{{random_time(rng),
                                     random_time(rng),
                                     {static_cast<std::int64_t>(rng.below(1U << 30U))}}}},
              random_time(rng)};
  }
}

inline node::SiteAccounts random_accounts(Rng& rng) {
  node::SiteAccounts out;
  for (std::uint64_t i = rng.below(9); i > 0; --i) {
    out.accounts.push_back(
        {{rng.next()}, {static_cast<std::int64_t>(rng.below(1U << 30U)) - (1 << 29)}});
  }
  return out;
}

inline node::OptOuts random_opt_outs(Rng& rng) {
  node::OptOuts out;
  for (std::uint64_t i = rng.below(4); i > 0; --i) {
    out.programs.push_back({random_text(rng), random_time(rng)});
  }
  return out;
}

inline node::LearnedLoad random_load(Rng& rng) {
  node::LearnedLoad out;
  for (std::uint64_t i = rng.below(9); i > 0; --i) {
    out.slots.at(rng.below(out.slots.size())) = {
        Watts{static_cast<std::int64_t>(rng.below(1U << 30U)) - (1 << 29)},
        1 + static_cast<std::int64_t>(rng.below(7))};
  }
  return out;
}

inline node::ValueAccount random_value_account(Rng& rng) {
  const auto number = [&] { return static_cast<std::int64_t>(rng.below(1U << 30U)) - (1 << 29); };
  return {.alone = {number()},
          .bill = {number()},
          .by_value = {number()},
          .slots = static_cast<std::int64_t>(rng.below(1'000))};
}

inline node::OwnerAccount random_owner_account(Rng& rng) {
  const auto number = [&] { return static_cast<std::int64_t>(rng.below(1U << 30U)); };
  node::OwnerAccount out{number(), {number()}, {number()}, {}};
  for (std::uint64_t i = rng.below(4); i > 0; --i) {
    out.newest.push_back({{rng.next()}, {number()}, {number()}, {number()}});
  }
  return out;
}

inline bidding::Task random_task(Rng& rng) {
  bidding::Task task;
  task.ask = {rng.below(2) == 0 ? bidding::TaskKind::kForecast : bidding::TaskKind::kOptimise,
              static_cast<std::uint32_t>(rng.below(9)), random_text(rng),
              std::to_string(rng.below(20))};
  task.id = bidding::id_of(task.ask);
  task.number = rng.below(1U << 30U);
  task.state = static_cast<bidding::TaskState>(rng.below(3));
  task.leases = static_cast<std::uint32_t>(rng.below(4));
  task.result = random_text(rng);
  task.worker = random_text(rng);
  task.why = random_text(rng);
  return task;
}

inline node::Record random_record(Rng& rng) {
  if (rng.below(30) == 0) return node::JournalCleared{};
  switch (rng.below(12)) {
    case 10:
      return random_task(rng);
    case 0:
      return random_uplink(rng);
    case 1:
      return node::Fence{rng.next(), rng.next()};
    case 2:
      return node::TermRecord{rng.next()};
    case 3:
      return random_order(rng);
    case 4:
      return node::JournalHead{rng.next(), rng.next()};
    case 5:
      return random_accounts(rng);
    case 6:
      return random_opt_outs(rng);
    case 7:
      return random_load(rng);
    case 8:
      return random_value_account(rng);
    case 9:
      return random_owner_account(rng);
    default:
      return random_fact(rng);
  }
}

}  // namespace vpp::test
