#!/usr/bin/env python3
"""How wrong the 10-of-10 baseline is: every day of a year as if it had an event, and nobody moved.

  bench/baseline.py                     12 real homes as one meter, their load and their net load
  bench/baseline.py --from 12 --hours 4 -o json

What `vppctl baseline` expects is held against what was metered, beside the same hour of yesterday
and its mean over the last seven days. All are scored on the same days: those of which all know
something. `credited` is what the rule max(0, baseline - meter) calls delivered where nothing was.
Needs vppctl (--build) and ../shared/data/homes; says so and ends without them.
"""

import argparse
import concurrent.futures
import csv
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
HOMES = TOP.parent / "shared" / "data" / "homes"
BEGIN = datetime.datetime(2016, 7, 31, 23)  # of the files' hour 0
# Those days that California's utilities count as Sundays, as they were observed.
HOLIDAYS = ["2016-09-05", "2016-11-24", "2016-12-26", "2017-01-02", "2017-05-29", "2017-07-04"]
LOOK_BACK = datetime.timedelta(days=45)
METHODS = {"unadjusted": "10 of 10, not adjusted", "adjusted": "10 of 10, adjusted",
           "yesterday": "same hour yesterday", "week": "mean of the last 7 days"}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/baseline.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="begins", type=int, nargs="*", default=[18, 12],
                        help="hours of the day at which the events begin")
    parser.add_argument("--hours", type=int, default=3, help="how long they are")
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build" / "release")
    parser.add_argument("-o", dest="output", choices=["table", "json"], default="table")
    return parser.parse_args(arguments)


def rows_of(name):
    with open(HOMES / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def meters():
    """The homes' sum by hour, in whole watt-hours: load, and load less PV."""
    pv_kw = {row["building"]: float(row["pv_kw"]) for row in rows_of("buildings.csv")}
    load, net = {}, {}
    for used, sun in zip(rows_of("load_kwh.csv"), rows_of("pv_w_per_kw.csv")):
        homes = [home for home in used if home != "h"]
        at = BEGIN + datetime.timedelta(hours=int(used["h"]))
        load[at] = round(sum(1000 * float(used[home]) for home in homes))
        net[at] = load[at] - round(sum(float(sun[home]) * pv_kw[home] for home in homes))
    return {"load": load, "net": net}


class Files:
    """What vppctl reads of one event, in a directory of its own: the look-back and its day."""

    def __init__(self, directory, meter, begin):
        self.meter = directory / f"{begin:%Y-%m-%d}.csv"
        self.holidays = directory / "holidays.csv"
        midnight = datetime.datetime.combine(begin.date(), datetime.time())
        hours = (midnight + datetime.timedelta(hours=i) for i in range(-24 * LOOK_BACK.days, 24))
        self.meter.write_text("time_local,load_wh\n" + "".join(
            f"{at:%Y-%m-%d %H:%M},{meter[at]}\n" for at in hours if at in meter))


def expected_by_vppctl(options, files, begin, *more):
    done = subprocess.run(
        [options.build / "bin" / "vppctl", "baseline", "--meter", files.meter, "--holidays",
         files.holidays, "--event", f"{begin:%Y-%m-%d %H:%M}", "--event-hours",
         str(options.hours), "-o", "json", *more],
        capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def look_at(options, meter, directory, begin):
    """One day as if it had an event: hour by hour what was metered and what each method expects."""
    files = Files(directory, meter, begin)
    hours = [begin + datetime.timedelta(hours=i) for i in range(options.hours)]
    document = expected_by_vppctl(options, files, begin)
    intervals = document["intervals"]
    day = datetime.timedelta(days=1)
    out = {"rests": document["day_type"] == "rest_day", "held": document["ratio_held"],
           "why": document["ratio_unknown"],
           "metered": [meter[at] for at in hours],
           "unadjusted": [one["baseline_wh"] for one in intervals],
           "adjusted": [one["adjusted_wh"] for one in intervals],
           "yesterday": [meter[at - day] for at in hours],
           "week": [sum(meter[at - back * day] for back in range(1, 8)) / 7 for at in hours]}
    assert out["metered"] == [one["metered_wh"] for one in intervals]
    if out["rests"]:
        four = expected_by_vppctl(options, files, begin, "--rest-days", "4")["intervals"]
        out["adjusted_4"] = [one["adjusted_wh"] for one in four]
        out["unadjusted_4"] = [one["baseline_wh"] for one in four]
    return out


def score(days, method):
    pairs = [pair for day in days for pair in zip(day[method], day["metered"])]
    errors = [expected - metered for expected, metered in pairs]
    count = len(errors)
    scale = sum(abs(metered) for _, metered in pairs) / count
    return {"mae_wh": sum(map(abs, errors)) / count,
            "mae_pct": 100 * sum(map(abs, errors)) / count / scale,
            "bias_pct": 100 * sum(errors) / count / scale,
            "credited_pct": 100 * sum(max(0, error) for error in errors) / count / scale}


def is_known(day, *methods):
    return all(value is not None for method in methods for value in day[method])


def measure(options, name, meter, begin_hour):
    # The look-back needs 45 days of 24 hours before the first event.
    first = (min(meter) + LOOK_BACK + datetime.timedelta(days=1)).date()
    begins = [datetime.datetime.combine(first + datetime.timedelta(days=i),
                                        datetime.time(begin_hour))
              for i in range((max(meter).date() - first).days)]
    with tempfile.TemporaryDirectory() as scratch, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        directory = pathlib.Path(scratch)
        (directory / "holidays.csv").write_text("\n".join(["day", *HOLIDAYS, ""]))
        days = list(pool.map(lambda begin: look_at(options, meter, directory, begin), begins))
    known = [day for day in days if is_known(day, *METHODS)]
    rest = [day for day in known if day["rests"] and is_known(day, "adjusted_4", "unadjusted_4")]
    unknown = [day for day in days if not is_known(day, "adjusted")]
    out = {"meter": name, "from": begin_hour, "days": len(days), "scored": len(known),
           "held": sum(day["held"] for day in days),
           "ratio_unknown": sum(day["why"] is not None for day in days),
           "export_in_event": sum(day["why"] is None for day in unknown)}
    out["all"] = {method: score(known, method) for method in METHODS} if known else {}
    out["rest_days"] = len(rest)
    out["rest"] = {method: score(rest, method)
                   for method in (*METHODS, "unadjusted_4", "adjusted_4")} if rest else {}
    # What is left where no ratio can be had.
    left = [method for method in METHODS if method != "adjusted"]
    out["without_ratio"] = {method: score(unknown, method) for method in left} if unknown else {}
    return out


NAMES = {**METHODS, "unadjusted_4": "4 of 4, not adjusted", "adjusted_4": "4 of 4, adjusted"}


def print_scores(title, scores):
    if not scores:
        return
    print(f"\n{title}\n")
    print("| expected by | MAE Wh an hour | MAE % | bias % | credited for nothing % |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for method, one in scores.items():
        print(f"| {NAMES[method]} | {one['mae_wh']:.0f} | {one['mae_pct']:.1f} | "
              f"{one['bias_pct']:+.1f} | {one['credited_pct']:.1f} |")


def main(arguments):
    options = parse(arguments)
    if not HOMES.exists():
        print(f"baseline: skipped, {HOMES} is not there", file=sys.stderr)
        return
    if not (options.build / "bin" / "vppctl").exists():
        sys.exit(f"baseline: no vppctl in {options.build}/bin; hint: --build")
    results = [measure(options, name, meter, begin)
               for name, meter in meters().items() for begin in options.begins]
    if options.output == "json":
        print(json.dumps({"schema": "vppbench/v1", "hours": options.hours, "results": results}))
        return
    for one in results:
        print(f"\n{one['meter']}, {one['from']}:00 for {options.hours} h: {one['days']} days, "
              f"{one['scored']} scored; ratio held on {one['held']}, unknown on "
              f"{one['ratio_unknown']}, of no use for export in the event on "
              f"{one['export_in_event']}")
        print_scores(f"all {one['scored']} days", one["all"])
        print_scores(f"rest days alone, {one['rest_days']}", one["rest"])
        print_scores("days without a ratio", one["without_ratio"])


if __name__ == "__main__":
    main(sys.argv[1:])
