#include "tools/vppctl/backtest_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <ostream>

namespace vpp::ctl {
namespace {

using bidding::DayForecast;
using bidding::kQuantiles;
using bidding::PastHour;

using DayForecasts = std::span<const std::optional<DayForecast>>;
using Hours = std::span<const PastHour>;

constexpr std::size_t kPlotHours = 14 * 24;
constexpr double kWidth = 1000;
constexpr double kHeight = 320;
constexpr double kMargin = 50;
constexpr std::size_t kLow = 1;  ///< 10 %
constexpr std::size_t kHigh = kQuantiles - 1 - kLow;

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.3f}", value) : "";
}

std::string csv_text(const bidding::MarketDays& market, DayForecasts forecasts, Hours hours) {
  std::string out = "time_local_market,price_per_mwh,forecast";
  for (std::size_t i = 0; i < kQuantiles; ++i) {
    out += fmt::format(",q{:02.0f}", 100 * bidding::quantile_level(i));
  }
  out += '\n';
  for (const auto& [day, hour, price] : hours) {
    const std::chrono::year_month_day date{market.first + std::chrono::days{static_cast<int>(day)}};
    out += fmt::format("{:04}-{:02}-{:02} {:02}:00:00,{}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), hour,
                       number(price));
    const auto& forecast = forecasts[day];
    out += ',' + (forecast ? number(forecast->price[hour]) : "");
    for (std::size_t i = 0; i < kQuantiles; ++i) {
      const bool known = forecast && forecast->quantiles;
      out += ',' + (known ? number((*forecast->quantiles)[hour][i]) : "");
    }
    out += '\n';
  }
  return out;
}

/// Prices and hours as places on the picture.
class Canvas {
 public:
  Canvas(std::size_t hours, double least, double most)
      : step_{(kWidth - 2 * kMargin) / static_cast<double>(std::max<std::size_t>(hours, 2) - 1)},
        least_{least},
        most_{most > least ? most : least + 1} {}

  [[nodiscard]] std::string point(std::size_t hour, double price) const {
    return fmt::format("{:.1f},{:.1f} ", kMargin + step_ * static_cast<double>(hour), y(price));
  }
  [[nodiscard]] double y(double price) const {
    return kHeight - kMargin - (price - least_) / (most_ - least_) * (kHeight - 2 * kMargin);
  }

 private:
  double step_;
  double least_;
  double most_;
};

using ValueOf = std::function<double(const PastHour&)>;

/// A path that pauses where nothing is known.
std::string path(const Canvas& canvas, std::span<const double> values, const char* colour) {
  std::string points;
  bool pen_down = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double at = values[i];
    if (std::isfinite(at)) points += (pen_down ? "L" : "M") + canvas.point(i, at);
    pen_down = std::isfinite(at);
  }
  return fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\"/>\n", points, colour);
}

std::string path(const Canvas& canvas, Hours hours, const ValueOf& value, const char* colour) {
  std::vector<double> values;
  for (const auto& at : hours) values.push_back(value(at));
  return path(canvas, values, colour);
}

/// Begins a picture, with its marks from `least` to `most`.
std::string frame(const Canvas& canvas, double least, double most) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
      kWidth, kHeight);
  for (const double mark : {least, 0.0, most}) {
    out += fmt::format("<text x=\"4\" y=\"{:.1f}\">{:.0f}</text>\n", canvas.y(mark) + 4, mark);
  }
  return out;
}

std::string svg_text(const bidding::MarketDays& market, DayForecasts forecasts, Hours all) {
  const Hours hours = all.last(std::min(all.size(), kPlotHours));
  const ValueOf price = [](const PastHour& at) { return at.price; };
  const ValueOf forecast = [&](const PastHour& at) {
    return forecasts[at.day] ? forecasts[at.day]->price[at.hour] : bidding::kUnknown;
  };
  const auto quantile = [&](std::size_t place) -> ValueOf {
    return [&, place](const PastHour& at) {
      const auto& of = forecasts[at.day];
      return of && of->quantiles ? (*of->quantiles)[at.hour][place] : bidding::kUnknown;
    };
  };
  double least = 0;
  double most = 0;
  for (const auto& at : hours) {
    for (const auto& value : {price, forecast, quantile(kLow), quantile(kHigh)}) {
      if (!std::isfinite(value(at))) continue;
      least = std::min(least, value(at));
      most = std::max(most, value(at));
    }
  }
  const Canvas canvas{hours.size(), least, most};
  std::string out = frame(canvas, least, most);
  out += path(canvas, hours, quantile(kLow), "#9ecae1");
  out += path(canvas, hours, quantile(kHigh), "#9ecae1");
  out += path(canvas, hours, price, "black");
  out += path(canvas, hours, forecast, "#d62728");
  const std::chrono::year_month_day from{market.first +
                                         std::chrono::days{static_cast<int>(hours.front().day)}};
  out += fmt::format(
      "<text x=\"{}\" y=\"20\">price per MWh: black as it was, red as forecast the day before, "
      "blue "
      "10 and 90 %; {} hours from {:04}-{:02}-{:02}</text>\n</svg>\n",
      kMargin, hours.size(), static_cast<int>(from.year()), static_cast<unsigned>(from.month()),
      static_cast<unsigned>(from.day()));
  return out;
}

bool write(const std::string& path, const std::string& text, std::ostream& err) {
  std::ofstream file{path, std::ios::binary};
  file << text;
  file.close();
  if (file) return true;
  err << path << ": cannot be written; hint: is the directory there?\n";
  return false;
}

}  // namespace

bool write_backtest_files(const std::string& csv, const std::string& svg,
                          const bidding::MarketDays& market, DayForecasts forecasts, Hours hours,
                          std::ostream& err) {
  bool fine = true;
  if (!csv.empty()) fine = write(csv, csv_text(market, forecasts, hours), err);
  if (!svg.empty()) fine = write(svg, svg_text(market, forecasts, hours), err) && fine;
  return fine;
}

bool write_earnings_plot(const std::string& svg, std::span<const EarningsLine> lines,
                         std::ostream& err) {
  if (svg.empty()) return true;
  double least = 0;
  double most = 0;
  std::size_t days = 0;
  for (const auto& line : lines) {
    days = std::max(days, line.sums.size());
    for (const double sum : line.sums) {
      least = std::min(least, sum);
      most = std::max(most, sum);
    }
  }
  const Canvas canvas{days, least, most};
  std::string out = frame(canvas, least, most);
  std::string legend = fmt::format("earned in {} days:", days);
  for (const auto& line : lines) {
    out += path(canvas, line.sums, line.colour);
    legend += fmt::format(" {} {},", line.name, line.colour);
  }
  legend.back() = '.';
  out += fmt::format("<text x=\"{}\" y=\"20\">{}</text>\n</svg>\n", kMargin, legend);
  return write(svg, out, err);
}

}  // namespace vpp::ctl
