#include "mesh/connection_table.h"

#include <utility>

#include "config/check.h"

namespace vpp::mesh {

Connection* ConnectionTable::heard(Instant now, std::string_view routing_id, const CurveKey& key) {
  if (const auto known = by_routing_id_.find(routing_id); known != by_routing_id_.end()) {
    Entry& entry = *known->second;
    if (entry.connection.key == key) {
      entry.connection.heard_at = now;
      if (!entry.connection.proof) unproven_.splice(unproven_.end(), unproven_, entry.place);
      return &entry.connection;
    }
    lose(entry.connection.id);  // the routing id is in other hands: its old connection has ended
  }
  if (!make_room()) return nullptr;
  const ConnectionId id = next_++;
  const auto place = unproven_.insert(unproven_.end(), id);
  Entry& entry =
      by_id_.emplace(id, Entry{{id, std::string{routing_id}, key, now, std::nullopt}, place})
          .first->second;
  by_routing_id_.emplace(routing_id, &entry);
  return &entry.connection;
}

Connection* ConnectionTable::find(ConnectionId id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second.connection;
}

void ConnectionTable::prove(Connection& connection, const Proof& proof) {
  if (!connection.proof) unproven_.erase(by_id_.at(connection.id).place);
  connection.proof = proof;
}

void ConnectionTable::erase(ConnectionId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  if (!found->second.connection.proof) unproven_.erase(found->second.place);
  by_routing_id_.erase(found->second.connection.routing_id);
  by_id_.erase(found);
  VPP_CHECK(by_id_.size() == by_routing_id_.size());
}

void ConnectionTable::forget_idle(Instant now) {
  std::vector<ConnectionId> idle;
  for (const auto& [id, entry] : by_id_) {
    const Duration most =
        entry.connection.proof ? options_.proven_idle_max : options_.unproven_idle_max;
    if (entry.connection.heard_at + most <= now) idle.push_back(id);
  }
  for (const ConnectionId id : idle) lose(id);
}

std::vector<ConnectionId> ConnectionTable::take_lost() {
  return std::exchange(lost_, {});
}

bool ConnectionTable::make_room() {
  if (by_id_.size() < options_.size_max) return true;
  if (unproven_.empty()) return false;
  ++pushed_out_;
  lose(unproven_.front());
  return true;
}

void ConnectionTable::lose(ConnectionId id) {
  if (by_id_.at(id).connection.proof) lost_.push_back(id);
  erase(id);
}

}  // namespace vpp::mesh
