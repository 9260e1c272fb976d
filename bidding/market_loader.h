// Loads a market adapter, or only its HTTP client, or a solver, from a shared object, so that
// leaves carry none.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bidding/http_adapter.h"
#include "bidding/linear_program.h"
#include "bidding/market_adapter.h"
#include "bidding/openadr_adapter.h"
#include "config/role_config.h"

namespace vpp::bidding {

/// `module`: path of the shared object, which stays loaded. Error: for people, one line.
[[nodiscard]] std::expected<std::unique_ptr<MarketAdapter>, std::string> load_market(
    const std::string& module, const MarketConfig& config);

/// The solver of linear programs.
[[nodiscard]] std::expected<MakeLinearProgram*, std::string> load_solver(const std::string& module);

[[nodiscard]] std::expected<std::unique_ptr<HttpPoster>, std::string> load_poster(
    const std::string& module, const std::string& base_url, long timeout_ms);

[[nodiscard]] std::expected<std::unique_ptr<openadr::VtnAdapter>, std::string> load_vtn(
    const std::string& module, const openadr::VtnOptions& options);

}  // namespace vpp::bidding
