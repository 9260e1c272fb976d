// `vppctl backtest forecast`: how good the price forecast would have been, day by day, on a file.
//
// Test      the last hours of the file. Every day is forecast by a model fitted that day, from
//           prices up to the day before and series known the day before.
// Quantiles rest on the errors of earlier days; half a year before the test is forecast for them.
// Time      two threads; the time per day is that of one thread.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>

namespace vpp::ctl {

struct BacktestForecastArguments {
  std::string prices;              ///< path of the CSV; backtest_input.h
  std::size_t test_hours = 17472;  ///< > 0: two years
  std::string model = "ensemble";  ///< or "lear": the published one, to compare with
  std::string out;                 ///< path of a CSV to write: forecast and quantiles; empty: none
  std::string plot;                ///< path of an SVG to write: the last two weeks; empty: none
  bool json = false;
};

/// 0: tested. 1: nothing could be tested, or a file not written. 2: the file or the arguments are
/// unusable; every error is on `err`, as is the progress.
int run_backtest_forecast(const BacktestForecastArguments& arguments, std::ostream& out,
                          std::ostream& err);

}  // namespace vpp::ctl
