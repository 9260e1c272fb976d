// What `vppctl doctor` found, one line each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vpp::ctl {

enum class Verdict : std::uint8_t { kOk, kNote, kWarning, kError };

[[nodiscard]] std::string_view to_string(Verdict verdict);

struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string check;  ///< "certificate", "parent", ...
  std::string code;   ///< VPP_..., stable; empty when all is well
  std::string text;   ///< what is the case, with its values
  std::string hint;   ///< what to do; empty when there is nothing to do
};

/// The findings of one run, in the order they were made.
class Findings {
 public:
  void ok(std::string check, std::string text) {
    list_.push_back({Verdict::kOk, std::move(check), {}, std::move(text), {}});
  }
  void add(Finding finding) { list_.push_back(std::move(finding)); }

  [[nodiscard]] const std::vector<Finding>& list() const { return list_; }
  [[nodiscard]] Verdict worst() const;
  [[nodiscard]] std::size_t count(Verdict verdict) const;

 private:
  std::vector<Finding> list_;
};

}  // namespace vpp::ctl
