#!/usr/bin/env python3
"""A regulation signal through a plant of real processes: an order every 4 s, scored by vppctl.

  bench/regulation.py                      20 leaves, 2 aggregators, 25 minutes of a real evening
  bench/regulation.py --leaves 60 --for 15 -o json

Two responses are scored against the signal that was sent: what the batteries' own books say they
moved, and what the root measured; `exact_2s` is the signal itself, two seconds late. Market time
runs as fast as ours; homes are idle, so that what a battery moves it moves for the plant. Needs
../shared/data/agc and the preset `release` (--build).
"""

import argparse
import csv
import json
import pathlib
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "bench"), str(TOP / "tools")]
sys.dont_write_bytecode = True

from measuring import RunningPlant, Scratch  # noqa: E402
from plant.plant import wait_until  # noqa: E402

SIGNAL = TOP.parent / "shared" / "data" / "agc" / "caiso_regulation_4s.csv"
EVERY_S = 4
ORDER_S = 60  # an order that nobody follows up ends by itself
WINDOW_S = 600  # the least that can be scored: five minutes, and five more for the lag
LOOK_S = 0.1


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/regulation.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=20)
    parser.add_argument("--aggregators", type=int, default=2)
    parser.add_argument("--for", dest="minutes", type=int, default=25, help="minutes")
    parser.add_argument("--day", default="2016-04-16", help="of the signal")
    parser.add_argument("--award-pct", type=int, default=40, help="of what all can at first")
    parser.add_argument("--deaf", default="3", help="batteries that ignore set points: 3,5-7")
    parser.add_argument("--keep", type=pathlib.Path, help="directory for the series")
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build" / "release")
    parser.add_argument("-o", dest="output", choices=["table", "json"], default="table")
    return parser.parse_args(arguments)


def say(text):
    print(f"regulation: {text}", file=sys.stderr, flush=True)


def signal_of(day, count):
    """So many values of that day, -1 to 1."""
    with open(SIGNAL, encoding="utf-8", newline="") as file:
        values = [float(row[day]) / 100 for row in csv.DictReader(file)]
    return values[:count]


class Sampler(threading.Thread):
    """What the batteries moved, by their own books, and what the root measured: (second, W)."""

    def __init__(self, plant, begin):
        super().__init__(daemon=True)
        self.plant = plant
        self.begin = begin  # UTC
        self.moved, self.measured = [], []
        self.over = threading.Event()

    def run(self):
        before = None
        while not self.over.wait(LOOK_S):
            books = self.plant.battery_accounts()
            at = books["written_ms"] / 1000
            joules = sum(one["injected_mj"] - one["absorbed_mj"] for one in books["batteries"]) / 1000
            if before and at > before[0]:
                self.moved.append((at - self.begin, (joules - before[1]) / (at - before[0])))
            if before is None or at > before[0]:
                before = at, joules
            status = self.plant.root.try_get("/v1/status")
            if status and status["measured_w"] is not None:
                self.measured.append((time.time() - self.begin, status["measured_w"]))

    def stop(self):
        self.over.set()
        self.join()


def follow(plant, options):
    """The signal as it was sent, and the sampler that saw what came of it."""
    capacity = plant.root.get("/v1/status")["capacity"]
    award = min(capacity["up"]["power_w"], capacity["down"]["power_w"]) * options.award_pct // 100
    say(f"{options.minutes} minutes of {options.day}, award {award / 1000:.1f} kW")
    sent = []
    begin = time.time() + 1  # the sampler runs by then
    sampler = Sampler(plant, begin)
    sampler.start()
    for number, part in enumerate(signal_of(options.day, options.minutes * 60 // EVERY_S)):
        time.sleep(max(0, begin + number * EVERY_S - time.time()))
        power = round(part * award)
        sent.append((number * EVERY_S, power))  # as the market meant it
        plant.root.post("/v1/orders", {"key": f"agc-{number}", "power_w": power,
                                       "duration_s": ORDER_S})
    time.sleep(max(0, begin + options.minutes * 60 - time.time()))
    sampler.stop()
    return award, sent, sampler


def score(options, directory, sent, response, name):
    files = directory / "signal.csv", directory / f"{name}.csv"
    for file, series in zip(files, (sent, response)):
        file.write_text("seconds,value\n" + "".join(f"{at:.3f},{w:.1f}\n" for at, w in series))
    done = subprocess.run([options.build / "bin" / "vppctl", "score", "--signal", files[0],
                           "--response", files[1], "-o", "json"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main(arguments):
    options = parse(arguments)
    if not SIGNAL.exists():
        sys.exit(f"regulation: {SIGNAL} is not there")
    if options.minutes * 60 < WINDOW_S:
        sys.exit("regulation: --for: less than 10 minutes cannot be scored")
    with Scratch(say) as scratch, RunningPlant(
            scratch, options.build, batteries=False, leaves=options.leaves,
            aggregators=options.aggregators) as plant:
        plant.battery_arguments = ["--idle-homes", "--start-soc-pct", "55",
                                   *(["--unresponsive", options.deaf] if options.deaf else [])]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        wait_until(lambda: plant.root.get("/v1/status")["capacity"]["down"]["power_w"], 30,
                   "capacity")
        award, sent, sampler = follow(plant, options)
        kept = options.keep or scratch
        kept.mkdir(parents=True, exist_ok=True)
        result = {"schema": "vppbench/v1", "leaves": options.leaves, "day": options.day,
                  "aggregators": options.aggregators, "deaf": options.deaf,
                  "minutes": options.minutes, "award_w": award, "orders": len(sent),
                  "by_batteries": score(options, kept, sent, sampler.moved, "batteries"),
                  "by_root": score(options, kept, sent, sampler.measured, "root"),
                  "exact_2s": score(options, kept, sent,
                                    [(at + 2, power) for at, power in [(-2, sent[0][1]), *sent]],
                                    "exact")}
    if options.output == "json":
        print(json.dumps(result))
        return
    print(f"{'RESPONSE':<12}  SCORE   DELAY  CORRELATION  PRECISION  WINDOWS")
    for name in ("by_batteries", "by_root", "exact_2s"):
        one = result[name]
        print(f"{name:<12} {one['score']:6.4f}  {one['delay']:6.4f}  {one['correlation']:11.4f}  "
              f"{one['precision']:9.4f}  {len(one['windows']):7}")


if __name__ == "__main__":
    main(sys.argv[1:])
