// From the role config to what the parts of a vppd want to be told.
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <string>

#include "bidding/openadr_adapter.h"
#include "config/role_config.h"
#include "daemon/driver/identity.h"
#include "daemon/node/node.h"
#include "device/site.h"
#include "device/site_driver.h"

namespace vpp::driver {

/// For forecasts or advice; otherwise the bidder does all by itself.
[[nodiscard]] bool asks_workers(const RootConfig& root);

[[nodiscard]] bidding::WorkflowOptions bidding_options(const RoleConfig& config);
[[nodiscard]] node::NodeOptions node_options(const RoleConfig& config, const Identity& identity);

[[nodiscard]] device::SiteLimits site_limits(const LeafConfig& leaf);
[[nodiscard]] std::unique_ptr<device::SiteDriver> make_driver(const LeafConfig& leaf);
[[nodiscard]] std::filesystem::path control_socket(const RoleConfig& config);

/// By whose days a baseline is made; UTC of a node that is no root. Error: one line.
[[nodiscard]] std::expected<bidding::Zone, std::string> baseline_zone(const RoleConfig& config);

/// Reads the secret. Error: of the file, one line.
[[nodiscard]] std::expected<bidding::openadr::VtnOptions, std::string> vtn_options(
    const OpenAdrConfig& config);

/// The loadable HTTP market: beside the program, or where packages put it.
[[nodiscard]] std::string market_module();
[[nodiscard]] std::string solver_module();

}  // namespace vpp::driver
