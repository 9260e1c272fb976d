// vppctl nodes show|drain, why: one node in full, emptying an aggregator, and the reasons of a
// node.
#pragma once

#include <chrono>
#include <string>

#include "tools/vppctl/commands.h"

namespace vpp::ctl {

int nodes_show(const Session& session, const std::string& node);
/// Why it does what it does now: by itself if one of the daemons asked is that node, else by the
/// first that has it as a child.
int why(const Session& session, const std::string& node);

struct DrainArguments {
  std::string node;  ///< name or id; one of the daemons asked
  bool undo = false;
  bool wait = false;  ///< until no child is attached any more
  bool dry_run = false;
  std::chrono::milliseconds most{0};  ///< of `wait`
};
int nodes_drain(const Session& session, const DrainArguments& arguments);

}  // namespace vpp::ctl
