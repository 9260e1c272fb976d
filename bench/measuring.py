"""What the sections of bench/run have in common: rows, scratch directories, plants, orders."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from plant.plant import Plant, PlantError, wait_until

ACKNOWLEDGED = re.compile(r"order (\d+) by every child after (\d+) ms")
RAM = pathlib.Path("/dev/shm")


def row(name, measured, unit, **more):
    """`aim`: the most it should be; `least`: the least. `peer`, `peer_name`: what else was
    measured. `times_peer_max`: an aim as a multiple of the peer. The ratio is measured/aim, or
    measured/peer."""
    out = {"name": name, "measured": rounded(measured), "unit": unit,
           **{key: rounded(value) for key, value in more.items()}}
    if "aim" in more:
        out["ratio"] = round(measured / more["aim"], 2)
        out["verdict"] = "held" if measured <= more["aim"] else "missed"
    elif "least" in more:
        out["ratio"] = round(measured / more["least"], 2)
        out["verdict"] = "held" if measured >= more["least"] else "missed"
    elif "peer" in more:
        out["ratio"] = round(measured / more["peer"], 2)
        out["verdict"] = "-"
        if "times_peer_max" in more:
            held = measured <= more["times_peer_max"] * more["peer"]
            out["verdict"] = "held" if held else "missed"
    else:
        out["ratio"], out["verdict"] = None, "-"
    return out


def rounded(value):
    return round(value, 4) if isinstance(value, float) else value


def percentile(values, percent):
    """The smallest value that at least that share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


class Scratch:
    """A directory for a plant, removed afterwards; kept, and named, when something went wrong."""

    def __init__(self, say, below=None):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="vpp-bench-", dir=below))
        self.say = say

    def __enter__(self):
        return self.path

    def __exit__(self, kind, *_):
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.say(f"kept for a look: {self.path}")


class RunningPlant:
    """A plant, stopped at the end whatever happens. Market time runs as fast as ours."""

    def __init__(self, directory, build, batteries=True, **options):
        self.batteries = batteries
        self.plant = Plant(directory / "plant", build / "bin", speed=1, **options)
        self.plant.leaf_poll_ms = 1000  # what a config without `poll_ms` gets

    def __enter__(self):
        try:
            self.plant.prepare()
            if self.batteries:
                self.plant.start_batteries()
        except BaseException:
            self.plant.stop()
            raise
        return self.plant

    def __exit__(self, *_):
        self.plant.stop()


def run_bare(build, children, rounds, *more):
    done = subprocess.run(
        [build / "bench" / "bare_fanout", "--children", str(children), "--rounds", str(rounds),
         *map(str, more)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def bare_fanout(build, children, rounds, sync_dir=None, per_process=1):
    """Round times of libzmq alone in milliseconds."""
    found = run_bare(build, children, rounds, "--per-process", per_process,
                     *(["--sync", sync_dir] if sync_dir else []))
    return [us / 1000 for us in found["us"]]


def bare_beacons(build, children, seconds, per_process):
    """The share of a core that a parent of libzmq alone needs for a beacon a second."""
    found = run_bare(build, children, seconds, "--per-process", per_process, "--gap-ms", 1000,
                     "--shape", "beacons")
    return found["parent_us"] / 1e6 / seconds


def frame_bytes(build):
    """How long our frames are: of a dispatch, an ack, a beacon, a leaf's report."""
    return run_bare(build, 1, 1)["bytes"]


def order_times(root, leaves, count, say, pause=0.4):
    """Orders to all `leaves` children of the root, each after a rest of `pause` and a bit more. For
    each of `count` orders: milliseconds from the root's activation to the last
    acknowledgement, and from before the request was posted to the same."""
    inside, outside, seen = [], [], 0
    for number in range(count):
        # Not in step with the control tick, the beacons or the polls, which all have 1 s.
        time.sleep(pause + pause * (number * 0.34 % 1))
        posted_ms = time.time() * 1000
        answer = root.post("/v1/orders", {
            "key": f"bench-{number}", "power_w": (500 + 7 * number) * leaves,
            "duration_s": 600})
        order = answer["order"]["id"]

        def acknowledged(wanted=order, after=seen):
            text = root.get(f"/v1/events?follow=0&after={after}")
            for event in map(json.loads, filter(None, text.splitlines())):
                found = ACKNOWLEDGED.match(event["text"])
                if found and int(found[1]) == wanted:
                    return event["seq"], int(found[2]), event["utc_ms"]
            return None

        seen, took_ms, utc_ms = wait_until(acknowledged, 60, f"acknowledgement of order {order}",
                                           every=0.05)
        inside.append(took_ms)
        outside.append(utc_ms - posted_ms)
        if number == 0:
            shares = root.get(f"/v1/orders/{order}")["order"]["shares"]
            if len(shares) != leaves:
                raise PlantError(f"{len(shares)} of {leaves} leaves had a share")
    say(f"  {count} orders, p50 {percentile(inside, 50)} ms, p95 {percentile(inside, 95)} ms")
    return inside, outside


def processor_ms(pid):
    """What all threads of a process have used so far."""
    return sum(int(file.read_text().split()[0])
               for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def memory_mb(pid, key="Rss"):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{key}: +(\d+) kB", text, re.MULTILINE)[1]) / 1024
