// vppctl tree --watch: the tree as it is now, again and again, with who moves where and why.
//
// On a terminal  a picture that is drawn anew when something happens, and each second.
// Elsewhere      a line when something changed; with -o json a JSON line.
// Ends           by Ctrl-C, SIGTERM, a closed output, or after `most`.
#pragma once

#include <chrono>
#include <optional>

#include "tools/vppctl/commands.h"

namespace vpp::ctl {

struct WatchArguments {
  std::optional<std::chrono::milliseconds> most;  ///< nothing: until interrupted
  bool colour = true;
};

int tree_watch(const Session& session, const WatchArguments& arguments);

}  // namespace vpp::ctl
