#include "daemon/node/node.h"

#include "config/check.h"
#include "daemon/node/aggregator_node.h"
#include "daemon/node/leaf_node.h"
#include "daemon/node/root_node.h"

namespace vpp::node {
namespace {

std::unique_ptr<RoleNode> make_role(const NodeOptions& options, Rng rng, const Now& now,
                                    const Recovered& recovered) {
  VPP_CHECK(options.self != kNoNode);
  switch (options.role) {
    case Role::kLeaf:
      return std::make_unique<LeafNode>(options, rng, recovered);
    case Role::kAggregator:
      return std::make_unique<AggregatorNode>(options, rng, recovered);
    case Role::kRoot:
      return std::make_unique<RootNode>(options, rng, now, recovered);
  }
  check_failed("a role that does not exist", __FILE__, __LINE__);
}

}  // namespace

Node::Node(const NodeOptions& options, Rng rng, const Now& now, const Recovered& recovered)
    : role_{make_role(options, rng, now, recovered)} {}
Node::~Node() = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;

void Node::step(const Now& now, const Event& event) {
  role_->step(now, event);
}
void Node::advance(const Now& now) {
  role_->advance(now);
}
Instant Node::next_deadline(const Now& now) const {
  return role_->next_deadline(now);
}
Effects Node::take_effects() {
  return role_->take_effects();
}
NodeStatus Node::status(const Now& now) const {
  return role_->status(now);
}
Now Node::corrected(const Now& now) const {
  return role_->corrected(now);
}

std::optional<std::vector<bidding::Fact>> Node::trace(const std::string& key) const {
  return role_->trace(key);
}
std::vector<bidding::Fact> Node::facts() const {
  return role_->facts();
}

}  // namespace vpp::node
