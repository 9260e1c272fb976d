#include "daemon/driver/durability.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>

#include "config/planted_bug.h"

namespace vpp::driver {
namespace {

constexpr const char* kWhy = "the state store is full: nothing that depends on it is sent";

constexpr const char* kNotForGood =
    "released, but the state store is full: a restart would bring the order back; cancel it again";

bool is_of_journal(const node::Record& record) {
  return std::holds_alternative<aggregation::Order>(record) ||
         std::holds_alternative<bidding::Fact>(record);
}

std::optional<bidding::TaskId> task_of(const node::Record& record) {
  if (const auto* task = std::get_if<bidding::Task>(&record)) return task->id;
  if (const auto* gone = std::get_if<bidding::TaskGone>(&record)) return gone->id;
  return std::nullopt;
}

bool replaces(const node::Record& newer, const node::Record& older) {
  if (const auto task = task_of(newer)) return task == task_of(older);
  if (std::holds_alternative<node::JournalCleared>(newer) && is_of_journal(older)) return true;
  if (newer.index() != older.index() || std::holds_alternative<bidding::Fact>(newer)) return false;
  const auto* order = std::get_if<aggregation::Order>(&newer);
  return order == nullptr || order->id == std::get<aggregation::Order>(older).id;
}

template <class T>
bool carries(const mesh::Message& message) {
  return std::holds_alternative<T>(message);
}

bool asks_power(const mesh::SendDown& send) {
  const auto* dispatch = std::get_if<mesh::Dispatch>(&send.message);
  return dispatch != nullptr && (dispatch->share.has_value() || !dispatch->ahead.empty());
}

void refuse(std::vector<node::Reply>& replies) {
  for (node::Reply& reply : replies) {
    if (!reply.order) continue;
    const bool cancelled = reply.order->state == aggregation::OrderState::kCancelled;
    reply.order.reset();
    reply.refused = cancelled ? kNotForGood : kWhy;
  }
}

std::vector<bidding::MarketAnswer> fail(std::vector<bidding::MarketCall>& calls) {
  std::vector<bidding::MarketAnswer> answers;
  for (bidding::MarketCall& call : calls) {
    answers.emplace_back(bidding::CallFailed{std::move(call), kWhy});
  }
  calls.clear();
  return answers;
}

}  // namespace

template <class T>
bool Durability::holds() const {
  return std::ranges::any_of(pending_, [](const auto& r) { return std::holds_alternative<T>(r); });
}

void Durability::add(std::vector<node::Record> records) {
  for (node::Record& record : records) {
    std::erase_if(pending_, [&](const node::Record& older) { return replaces(record, older); });
    pending_.push_back(std::move(record));
  }
}

std::vector<bidding::MarketAnswer> Durability::hold_back(node::Effects& effects) const {
  if (pending_.empty() || planted(Bug::kHoldBackForgotten)) return {};
  const bool term = holds<node::TermRecord>();
  const bool fence = term || holds<node::Fence>();
  const bool order = term || holds<aggregation::Order>();
  const bool journal = term || holds<node::JournalHead>();
  if (term || holds<mesh::UplinkRecord>()) {
    effects.up.clear();
  } else if (fence) {
    std::erase_if(effects.up, [](const auto& s) { return carries<mesh::DispatchAck>(s.message); });
  }
  if (journal) {
    std::erase_if(effects.up, [](const auto& s) { return carries<mesh::Follow>(s.message); });
  }
  if (fence && effects.site && (effects.site->order || !effects.site->ahead.empty())) {
    effects.site.reset();
  }
  if (term) {
    effects.down.clear();
  } else if (fence || order) {
    std::erase_if(effects.down, asks_power);
  }
  if (order) refuse(effects.replies);
  if (journal || holds<bidding::Fact>()) return fail(effects.market);
  return {};
}

}  // namespace vpp::driver
