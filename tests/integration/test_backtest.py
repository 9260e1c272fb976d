"""`vppctl backtest` as a process, on files made for it."""

import datetime
import math
import pathlib
import random
import subprocess
import tempfile
import unittest

from support import BIN, json


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


class Backtest(unittest.TestCase):
    HOURS = 24 * 70
    TESTED = 24 * 7

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vpp-backtest-")
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)

    def prices(self):
        """A daily shape around a load that is known the day before."""
        rng = random.Random(4)
        lines = ["time_local_market,price_per_mwh,load"]
        for hour in range(self.HOURS):
            if hour % 24 == 0:
                load = rng.uniform(-10, 10)
            price = 40 + 15 * math.sin(2 * math.pi * hour / 24) + load + rng.uniform(-1, 1)
            day = datetime.date(2021, 1, 1) + datetime.timedelta(hour // 24)
            lines.append(f"{day} {hour % 24:02d}:00:00,{price:.3f},{500 + load:.3f}")
        file = self.dir / "prices.csv"
        file.write_text("\n".join(lines) + "\n")
        return file

    def test_a_forecast_is_scored_written_and_drawn(self):
        out, plot = self.dir / "out.csv", self.dir / "plot.svg"
        done = run(BIN / "vppctl", "-o", "json", "backtest", "forecast", "--prices", self.prices(),
                   "--test-hours", self.TESTED, "--model", "lear", "--out", out, "--plot", plot)
        self.assertEqual(done.returncode, 0, done.stderr)
        score = json.loads(done.stdout)
        self.assertEqual(score["hours_tested"], self.TESTED)
        self.assertLess(score["mae"], 2)
        self.assertLess(score["rmae"], 0.5)
        self.assertEqual(len(out.read_text().splitlines()), 1 + self.TESTED)
        self.assertTrue(plot.read_text().startswith("<svg"))

    def test_a_battery_earns_most_of_what_foresight_would(self):
        done = run(BIN / "vppctl", "-o", "json", "backtest", "bids", "--prices", self.prices(),
                   "--power-kw", 5, "--energy-kwh", 10, "--test-hours", self.TESTED)
        self.assertEqual(done.returncode, 0, done.stderr)
        earned = json.loads(done.stdout)
        self.assertGreater(earned["revenue"], 0.8 * earned["perfect_foresight"])
        self.assertLessEqual(earned["revenue"], earned["perfect_foresight"])

    def test_the_worst_outcomes_weigh_in_a_schedule(self):
        done = run(BIN / "vppctl", "-o", "json", "backtest", "bids", "--prices", self.prices(),
                   "--power-kw", 5, "--energy-kwh", 10, "--test-hours", self.TESTED,
                   "--risk", 0.5, "--risk-level", 10)
        self.assertEqual(done.returncode, 0, done.stderr)
        earned = json.loads(done.stdout)
        self.assertEqual(earned["days_weighed"], 6)  # the first lacks a day of errors
        self.assertEqual(earned["worst_days_pct"], 10)
        self.assertLess(earned["worst_days_mean"], earned["revenue"] / 7)
        self.assertLessEqual(earned["revenue"], earned["perfect_foresight"])

    def test_a_file_with_errors_names_the_line_and_is_misused(self):
        file = self.dir / "prices.csv"
        file.write_text("time_local_market,price_per_mwh\n2021-01-01 00:00:00,much\n")
        done = run(BIN / "vppctl", "backtest", "forecast", "--prices", file)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{file}:2:", done.stderr)

    def test_the_load_of_homes_is_foreseen_better_than_by_yesterday(self):
        rng = random.Random(5)
        load, pv, left = ["h,A,B"], ["h,A,B"], 0.0
        for hour in range(8760):
            left = 0.8 * left + rng.uniform(-0.2, 0.2)
            shape = 1 + 0.5 * math.sin(2 * math.pi * hour / 24)
            load.append(f"{hour},{max(0, shape + left):.3f},{max(0, shape - left):.3f}")
            pv.append(f"{hour},0,0")
        (self.dir / "load_kwh.csv").write_text("\n".join(load) + "\n")
        (self.dir / "pv_w_per_kw.csv").write_text("\n".join(pv) + "\n")
        (self.dir / "buildings.csv").write_text("building,pv_kw\nA,4\nB,4\n")
        done = run(BIN / "vppctl", "-o", "json", "backtest", "load", "--homes", self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        next_hour = json.loads(done.stdout)["each"][0]
        self.assertEqual(next_hour["hours_ahead"], 1)
        self.assertLess(next_hour["mae_w"], 0.6 * next_hour["same_hour_yesterday_mae_w"])
        self.assertAlmostEqual(next_hour["coverage_80"], 0.8, delta=0.03)


if __name__ == "__main__":
    unittest.main(verbosity=2)
