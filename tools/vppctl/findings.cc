#include "tools/vppctl/findings.h"

#include <algorithm>

namespace vpp::ctl {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kNote:
      return "note";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kError:
      return "error";
  }
  return "";
}

Verdict Findings::worst() const {
  const auto found = std::ranges::max_element(list_, {}, &Finding::verdict);
  return found == list_.end() ? Verdict::kOk : found->verdict;
}

std::size_t Findings::count(Verdict verdict) const {
  return static_cast<std::size_t>(std::ranges::count(list_, verdict, &Finding::verdict));
}

}  // namespace vpp::ctl
