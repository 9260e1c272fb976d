"""tools/demo, after set-up and build: runs the plant, shows it, and adds up what it did."""

import argparse
import json
import pathlib
import re
import signal
import sys
import tempfile
import threading
import time

from . import watch
from .plant import Plant, PlantError

# An evening just before the price peak, so that the first awards come within a minute.
MARKET_START = "2026-01-15T17:40:00Z"
REAL_MARKET_START = "2018-01-26T16:40:00Z"  # inside the price series of --data


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="tools/demo", description="A virtual power plant on this machine: root, 3 aggregators, "
        "60 leaves, their batteries and a market, as real processes, market time at 60x.")
    parser.add_argument("--leaves", type=int, default=60, help="homes (default 60)")
    parser.add_argument("--data", type=pathlib.Path,
                        help="directory with real homes/, fleet/ and prices_day_ahead/; "
                             "without it everything is synthetic")
    parser.add_argument("--fault", action="store_true",
                        help="kill an aggregator in the middle of a dispatch, bring it back later")
    parser.add_argument("--for", dest="duration", type=_seconds, metavar="90s",
                        help="end by itself after that long")
    parser.add_argument("-o", dest="output", choices=["view", "json"], default="view",
                        help="json: no view, one document at the end")
    parser.add_argument("--dir", type=pathlib.Path, help="run directory (default: a new one)")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.leaves < 1 or options.leaves > 500:
        parser.error("--leaves: between 1 and 500 on one machine")
    if options.output == "json" and options.duration is None:
        parser.error("-o json needs an end: add e.g. --for 90s")
    if options.data and not (options.data / "prices_day_ahead" / "NP.csv").exists():
        parser.error(f"--data: {options.data} holds no prices_day_ahead/NP.csv")
    return options


def _seconds(text):
    match = re.fullmatch(r"(\d+)(s|m)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration; e.g. 90s or 5m")
    return int(match[1]) * (60 if match[2] == "m" else 1)


def build_plant(options):
    directory = options.dir or tempfile.mkdtemp(prefix="vpp-demo-")
    start = REAL_MARKET_START if options.data else MARKET_START
    plant = Plant(directory, options.bin, leaves=options.leaves, market_start=start)
    plant.groups = {leaf.name: {"region": leaf.region} for leaf in plant.leaves}
    plant.prepare()
    if options.data:
        data = options.data.resolve()
        plant.battery_arguments = ["--fleet", data / "fleet" / "fleet_ratings.csv",
                                   "--homes", data / "homes"]
        plant.market_arguments = ["--prices", data / "prices_day_ahead" / "NP.csv"]
    return plant


class Fault:
    """Kills the aggregator with the largest share once a dispatch runs, restarts it later."""

    WHOLE_FOR = 15.0  # seconds of dispatch before the blow
    AWAY_FOR = 25.0

    def __init__(self, plant, account, say):
        self.plant, self.account, self.say = plant, account, say
        self.healing = None
        self.victim = None
        self.dispatching_since = None
        self.back = False

    def step(self, snapshot):
        now = time.monotonic()
        if self.healing is None:
            if not snapshot.target_w or snapshot.online != len(self.plant.leaves):
                self.dispatching_since = None
            elif self.dispatching_since is None:
                self.dispatching_since = now
            elif now - self.dispatching_since > self.WHOLE_FOR:
                self._kill(snapshot)
        elif not self.back and now - self.healing.begin > self.AWAY_FOR:
            self.say(f"{self.victim.name} comes back")
            self.victim.start()
            self.back = True

    def _kill(self, snapshot):
        asked = {c["name"]: abs(c["asked_w"] or 0) for c in snapshot.tree["children"]}
        self.victim = max(self.plant.aggregators, key=lambda a: asked.get(a.name, 0))
        self.healing = watch.Healing(self.plant, self.victim)
        self.account.healings.append(self.healing)
        self.victim.kill()
        self.healing.begin = time.monotonic()
        self.say(f"{self.victim.name} killed in the middle of a dispatch")


def document(options, plant, account, fault, codes):
    """What the run did; `problems` is empty when all is well."""
    last, problems = account.last, []
    orders = account.orders()
    asked = sum(o["asked_wh"] for o in orders)
    known = [o["delivered_wh"] for o in orders if o["delivered_wh"] is not None]
    delivered = sum(known)
    unserved = sum(max(0.0, o["asked_wh"] - (o["delivered_wh"] or 0.0)) for o in orders)
    market = last.market if last else None
    if last is None or last.online != len(plant.leaves):
        problems.append(f"{last.online if last else 0} of {len(plant.leaves)} leaves counted at the end")
    if len(known) != len(orders):
        problems.append("an order ended without any receipt")
    if orders and unserved > 0.05 * asked:
        problems.append(f"{unserved:.0f} of {asked:.0f} Wh unserved")
    if account.double_counts:
        problems.append(f"{account.double_counts} double counts")
    if market is None:
        problems.append("the market does not answer")
    elif market.get("double_bids"):
        problems.append(f"{market['double_bids']} bids submitted twice with another content")
    if fault and fault.healing is None:
        problems.append("no dispatch ran long enough to be disturbed")
    for healing in account.healings:
        if len(healing.healed_s) != len(healing.orphans):
            problems.append(f"{len(healing.orphans) - len(healing.healed_s)} leaves found no parent")
    bad = {name: code for name, code in codes.items() if code != 0}
    if bad:
        problems.append(f"did not end cleanly: {bad}")
    bids = last.bids if last else []
    return {
        "schema": "vppdemo/v1",
        "data": str(options.data) if options.data else "synthetic",
        "run_directory": str(plant.dir),
        "leaves": {"started": len(plant.leaves), "counted": last.online if last else None},
        "aggregators": len(plant.aggregators),
        "orders": orders,
        "asked_wh": round(asked, 3), "delivered_wh": round(delivered, 3),
        "unserved_wh": round(unserved, 3),
        "healing": [h.document() for h in account.healings],
        "double_counts": account.double_counts,
        "bids": bids,
        "awards": [{"key": b["key"], **b["award"]} for b in bids if b["award"]],
        "settlement": [{"key": b["key"], **b["settlement"]} for b in bids if b["settlement"]],
        "market": market,
        "ok": not problems,
        "problems": problems,
    }


def run(options, say, view=None):
    plant = build_plant(options)
    account = watch.Account(plant)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    fault, codes = None, {}
    try:
        say(f"run directory {plant.dir}")
        plant.start_market()
        plant.start_batteries()
        plant.start()
        say(f"whole after {plant.await_whole():.1f} s: {len(plant.leaves)} leaves counted")
        fault = Fault(plant, account, view.note if view else say) if options.fault else None
        end = time.monotonic() + options.duration if options.duration else None

        def step(snapshot):
            if fault:
                fault.step(snapshot)
            return not stop.is_set() and (end is None or time.monotonic() < end)

        if view:
            view.attach(plant, account).run(step)
        else:
            while step(account.look()):
                stop.wait(0.5)
        account.look()
    finally:
        for healing in account.healings:
            healing.finish()
        codes = plant.stop()
    return document(options, plant, account, fault, codes)


def main(arguments):
    options = parse(arguments)

    def say(text):
        print(f"demo: {text}", file=sys.stderr, flush=True)

    view = None
    if options.output == "view":
        from .view import View
        view = View("real data" if options.data else "synthetic data")
    try:
        result = run(options, say, view)
    except (PlantError, KeyboardInterrupt) as error:
        say(str(error) or "interrupted")
        return 1
    if options.output == "json":
        print(json.dumps(result, indent=2))
    else:
        say(f"asked {result['asked_wh'] / 1000:.1f} kWh, delivered "
            f"{result['delivered_wh'] / 1000:.1f} kWh, {len(result['bids'])} bids, "
            f"{len(result['awards'])} awards, {result['double_counts']} double counts; "
            f"logs in {result['run_directory']}")
    for problem in result["problems"]:
        say(f"problem: {problem}")
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
