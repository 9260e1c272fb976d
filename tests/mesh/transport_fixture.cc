#include "tests/mesh/transport_fixture.h"

#include <stdexcept>

namespace vpp::mesh::testing {

TestNode::TestNode(const Fleet& fleet, Role as, bool listens)
    : role{as}, keys{generate_node_keys()}, certificate{fleet.issued_to(keys, as)} {
  TransportOptions options;
  options.keys = keys;
  options.fleet = fleet.authority.pub;
  if (listens) options.listen.emplace("tcp://127.0.0.1:*");
  options.utc_ms = [clock = utc_ms] { return *clock; };
  options.warn = [lines = warnings](std::string_view line) { lines->emplace_back(line); };
  auto opened = ZmqTransport::open(std::move(options));
  if (!opened) throw std::runtime_error{opened.error()};
  transport = std::move(*opened);
}

Hello TestNode::hello() const {
  Hello out;
  out.certificate = certificate;
  out.role = role;
  out.name = "node";
  out.session = 1;
  return out;
}

HelloAck TestNode::ack() const {
  HelloAck out;
  out.session = 1;
  out.certificate = certificate;
  out.path = {keys.id()};
  return out;
}

}  // namespace vpp::mesh::testing
