// `vppctl backtest load`: how well the net load of homes is foreseen, hour by hour, on recorded
// years.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>

namespace vpp::ctl {

struct BacktestLoadArguments {
  std::string homes;              ///< directory: load_kwh.csv, pv_w_per_kw.csv, buildings.csv
  std::size_t warm_hours = 1344;  ///< at the begin, learned from and not counted: eight weeks
  bool json = false;
};

/// 0: done. Exit codes of a back-test otherwise (backtest_days.h), errors on `err`.
int run_backtest_load(const BacktestLoadArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace vpp::ctl
