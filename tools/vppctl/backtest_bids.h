// `vppctl backtest bids`: what a battery or a fleet would have earned on our forecasts, beside what
// perfect foresight would have, and what the mean of the last seven days does.
//
// Schedule  planned the day before on the forecast for it (planning_prices() of
//           bidding/day_ahead.h), paid at the real prices. A day begins and ends with empty
//           batteries, so that every strategy is paid for the same.
// Risk      backtest_risk.h; told of every strategy: the mean of its worst days.
// Curve, segment  a day begins full and is only sold from; each hour bids as the daemon does.
// Real time prices of every few minutes: backtest_real_time.h.
// Unknown   a day without all its prices is left out. A day that was not forecast earns nothing,
//           and stays in what perfect foresight would have earned: what is unknown is not bid on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace vpp::ctl {

struct BacktestBidsArguments {
  std::string prices;   ///< path of the CSV; backtest_input.h
  double power_kw = 0;  ///< 0, as the energy, where there is a fleet
  double energy_kwh = 0;
  std::string fleet{};                ///< path of a CSV; backtest_fleet.h
  std::string forecasts{};            ///< path of what `backtest forecast --out` wrote; empty: made
  std::string strategy = "schedule";  ///< or "curve", "segment"
  std::string plot{};                 ///< path of an SVG to write
  bool real_time = false;
  std::optional<double> risk{};    ///< weight of the worst outcomes, 0 to 1; one battery
  double risk_level_pct = 5;       ///< how many are the worst, of paths and of days
  double efficiency = 0.9;         ///< of a round trip, above 0 to 1
  double wear_per_mwh = 0;         ///< of each MWh discharged, in the currency of the prices
  std::size_t test_hours = 17472;  ///< the last hours of the file: two years
  bool json = false;
};

/// As run_backtest_forecast().
int run_backtest_bids(const BacktestBidsArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace vpp::ctl
