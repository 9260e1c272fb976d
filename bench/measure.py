"""What bench/run measures. Each function returns rows; a row is what was measured against what.

Everything runs on this machine, in this run: real processes on loopback, through tools/plant.
"""

import json
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from plant.plant import Plant, PlantError, wait_until
from plant.watch import Healing

FANOUT_TIMES_BARE_MAX = 3
ACKNOWLEDGED = re.compile(r"order (\d+) by every child after (\d+) ms")
RAM = pathlib.Path("/dev/shm")


def row(name, measured, unit, **more):
    """`aim`: the most it should be. `peer`, `peer_name`: what else was measured. `times_peer_max`:
    an aim as a multiple of the peer. The ratio is measured/aim, or measured/peer."""
    out = {"name": name, "measured": _rounded(measured), "unit": unit,
           **{key: _rounded(value) for key, value in more.items()}}
    if "aim" in more:
        out["ratio"] = round(measured / more["aim"], 2)
        out["verdict"] = "held" if measured <= more["aim"] else "missed"
    elif "peer" in more:
        out["ratio"] = round(measured / more["peer"], 2)
        out["verdict"] = "-"
        if "times_peer_max" in more:
            held = measured <= more["times_peer_max"] * more["peer"]
            out["verdict"] = "held" if held else "missed"
    else:
        out["ratio"], out["verdict"] = None, "-"
    return out


def _rounded(value):
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

    def __init__(self, directory, build, **options):
        self.plant = Plant(directory / "plant", build / "bin", speed=1, **options)
        self.plant.leaf_poll_ms = 1000  # what a config without `poll_ms` gets

    def __enter__(self):
        try:
            self.plant.prepare()
            self.plant.start_batteries()
        except BaseException:
            self.plant.stop()
            raise
        return self.plant

    def __exit__(self, *_):
        self.plant.stop()


# --- split and merge -----------------------------------------------------------------------------


def aggregation(build, sizes, say):
    """Processor time of one thread: what one core needs, whoever else uses the machine."""
    say("split and merge: 1,000,000 sites on one core")
    done = subprocess.run(
        [build / "bench" / "bench_aggregation", "--benchmark_format=json",
         f"--benchmark_repetitions={sizes['repetitions']}",
         "--benchmark_filter=sketch_million|merge_thousand|split_over_million|level_of_million|"
         "peer_sort"],
        capture_output=True, text=True, check=True)
    times = {}
    for each in json.loads(done.stdout)["benchmarks"]:
        if each["run_type"] == "iteration":
            times.setdefault(each["run_name"], []).append(each["cpu_time"])
    medians = {name: statistics.median(values) for name, values in times.items()}
    splits = {name: ms for name, ms in medians.items() if name.startswith("split_over_million")}
    levels = {name: ms for name, ms in medians.items() if name.startswith("level_of_million")}
    return [
        row("split of 1M sites, hardest case", max(splits.values()), "ms", aim=30,
            cases={name: _rounded(ms) for name, ms in splits.items()}),
        row("its level alone, hardest case", max(levels.values()), "ms",
            peer=medians["peer_sort_of_million_sites"], peer_name="sorting the 1M by time to go",
            cases={name: _rounded(ms) for name, ms in levels.items()}),
        row("sketch of 1M sites", medians["sketch_million_sites"], "ms", peer=9,
            peer_name="design's trial"),
        row("merge of 1,000 curves", medians["merge_thousand_curves"] * 1000, "us", peer=6,
            peer_name="design's trial"),
    ]


# --- dispatch ------------------------------------------------------------------------------------


def bare_fanout(build, sizes, sync_dir=None):
    """Round times in milliseconds."""
    done = subprocess.run(
        [build / "bench" / "bare_fanout", "--children", str(sizes["fanout_leaves"]), "--rounds",
         str(sizes["bare_rounds"]), *(["--sync", str(sync_dir)] if sync_dir else [])],
        capture_output=True, text=True, check=True)
    return [us / 1000 for us in json.loads(done.stdout)["us"]]


def order_times(plant, count, say):
    """For each of `count` orders: milliseconds from the root's activation to the last
    acknowledgement, and from before the request was posted to the same."""
    inside, outside, seen = [], [], 0
    for number in range(count):
        # Not in step with the control tick, the beacons or the polls, which all have 1 s.
        time.sleep(0.4 + number * 0.137 % 0.5)
        posted_ms = time.time() * 1000
        answer = plant.root.post("/v1/orders", {
            "key": f"bench-{number}", "power_w": (500 + 7 * number) * len(plant.leaves),
            "duration_s": 600})
        order = answer["order"]["id"]

        def acknowledged(wanted=order, after=seen):
            text = plant.root.get(f"/v1/events?follow=0&after={after}")
            for event in map(json.loads, filter(None, text.splitlines())):
                found = ACKNOWLEDGED.match(event["text"])
                if found and int(found[1]) == wanted:
                    return event["seq"], int(found[2]), event["utc_ms"]
            return None

        seen, took_ms, utc_ms = wait_until(acknowledged, 20, f"acknowledgement of order {order}",
                                           every=0.05)
        inside.append(took_ms)
        outside.append(utc_ms - posted_ms)
        if number == 0:
            shares = plant.root.get(f"/v1/orders/{order}")["order"]["shares"]
            if len(shares) != len(plant.leaves):
                raise PlantError(f"{len(shares)} of {len(plant.leaves)} leaves had a share")
    say(f"  {count} orders, p50 {percentile(inside, 50)} ms, p95 {percentile(inside, 95)} ms")
    return inside, outside


def dispatch_on(directory, build, sizes, say, idle=None):
    """Times of orders, with state in `directory`; `idle(plant)` is called before the first."""
    with RunningPlant(directory, build, leaves=sizes["fanout_leaves"], aggregators=0) as plant:
        plant.start()
        say(f"  {len(plant.leaves)} leaves counted after {plant.await_whole(timeout=300):.1f} s")
        time.sleep(sizes["idle_s"])
        result = idle(plant) if idle else None
        return *order_times(plant, sizes["orders"], say), result


def dispatch(build, sizes, say):
    leaves = sizes["fanout_leaves"]
    say(f"dispatch to {leaves} leaves: bare libzmq")
    with Scratch(say) as directory:
        bare = bare_fanout(build, sizes)
        bare_durable = bare_fanout(build, sizes, directory)
    say(f"dispatch to {leaves} leaves: vppd, state on disk")
    with Scratch(say) as directory:
        disk, posted, memory = dispatch_on(directory, build, sizes, say, leaf_memory)
    rows = [
        fanout_row(f"dispatch, {leaves} leaves, to the last ack", disk, bare, "bare CURVE fan-out",
                   posted_p50=percentile(posted, 50), posted_p95=percentile(posted, 95)),
        fanout_row("the same, against a peer that remembers", disk, bare_durable,
                   "bare, 1 fdatasync a child"),
    ]
    if RAM.is_dir():
        say(f"dispatch to {leaves} leaves: vppd, state in RAM")
        with Scratch(say, RAM) as directory:
            ram, posted, _ = dispatch_on(directory, build, sizes, say)
        rows.append(fanout_row("the same, state in RAM", ram, bare, "bare CURVE fan-out",
                               posted_p50=percentile(posted, 50),
                               posted_p95=percentile(posted, 95)))
    return rows + memory


def fanout_row(name, times, bare, peer_name, **more):
    return row(name, float(percentile(times, 50)), "ms", peer=percentile(bare, 50),
               peer_name=peer_name, times_peer_max=FANOUT_TIMES_BARE_MAX,
               p95=percentile(times, 95), peer_p95=percentile(bare, 95), samples=len(times),
               peer_samples=len(bare), **more)


# --- a leaf by itself ----------------------------------------------------------------------------


def leaf_memory(plant):
    """Of every idle leaf; the median and the largest."""
    resident, private = [], []
    for leaf in plant.leaves:
        text = pathlib.Path(f"/proc/{leaf.popen.pid}/smaps_rollup").read_text()
        kb = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
        resident.append(kb["Rss"] / 1024)
        private.append((kb["Private_Clean"] + kb["Private_Dirty"]) / 1024)
    return [
        row("idle leaf, resident", statistics.median(resident), "MB", aim=12, max=max(resident),
            samples=len(resident)),
        row("idle leaf, private", statistics.median(private), "MB", aim=4, max=max(private),
            samples=len(private)),
    ]


def ready(build, sizes, say):
    say(f"exec to ready: {sizes['starts']} starts of one leaf")
    times, cpu = [], []
    with Scratch(say) as directory, \
            RunningPlant(directory, build, leaves=1, aggregators=0) as plant:
        plant.start([plant.root])
        leaf = plant.leaves[0]
        for _ in range(sizes["starts"]):
            begin = time.perf_counter()
            with subprocess.Popen(leaf.command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stdin=subprocess.DEVNULL) as child:
                for line in child.stderr:
                    if b" READY " in line:
                        times.append((time.perf_counter() - begin) * 1000)
                        cpu.append(processor_ms(child.pid))
                        break
                else:
                    raise PlantError(f"a leaf ended before it was ready: {child.wait()}")
                child.send_signal(signal.SIGTERM)
                child.stderr.read()
    return [row("leaf, exec to ready", statistics.median(times), "ms", aim=50, max=max(times),
                processor_ms=statistics.median(cpu), samples=len(times))]


def processor_ms(pid):
    """What all threads of a process have used so far."""
    return sum(int(file.read_text().split()[0])
               for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


# --- healing -------------------------------------------------------------------------------------


def healing(build, sizes, say):
    leaves, kills = sizes["healing_leaves"], sizes["kills"]
    say(f"healing: {leaves} leaves under {sizes['aggregators']} aggregators, {kills} times SIGKILL")
    moved, counted = [], []
    with Scratch(say) as directory, \
            RunningPlant(directory, build, leaves=leaves,
                         aggregators=sizes["aggregators"]) as plant:
        plant.start()
        plant.await_whole(timeout=120)
        for number in range(kills):
            time.sleep(sizes["settle_s"] + number * 0.137 % 1.0)
            watch = kill_one(plant)
            moved += watch.healed_s.values()
            counted.append(watch.counted_again_s)
            say(f"  {watch.victim}: {len(watch.orphans)} orphans, the last moved after "
                f"{max(watch.healed_s.values()):.2f} s, all counted after {counted[-1]:.2f} s")
    return [
        row("healed after SIGKILL, 99th percentile", percentile(moved, 99), "s", aim=3,
            p50=percentile(moved, 50), max=max(moved), samples=len(moved), kills=kills),
        row("healed after SIGKILL, median", percentile(moved, 50), "s"),
        row("every leaf counted again, median", statistics.median(counted), "s",
            max=max(counted), samples=len(counted)),
    ]


def kill_one(plant):
    """Kills the aggregator with most leaves, waits until all is well again, brings it back."""
    def children(aggregator):
        tree = aggregator.try_get("/v1/tree")
        return sum(1 for child in tree["children"] if child["attached"]) if tree else 0

    victim = max(plant.aggregators, key=children)
    watch = Healing(plant, victim)
    if not watch.orphans:
        watch.finish()
        raise PlantError("no aggregator has a leaf to lose")
    watch.begin = time.monotonic()
    victim.kill()
    victim.wait()
    try:
        wait_until(lambda: watch.counted_again_s is not None, 60,
                   f"whole tree without {victim.name}")
    finally:
        watch.finish()
    victim.start()
    wait_until(victim.attached, 30, f"{victim.name} attached again")
    plant.await_whole()
    return watch


FULL = {"repetitions": 3, "fanout_leaves": 200, "bare_rounds": 200, "orders": 40, "idle_s": 10,
        "starts": 20, "healing_leaves": 60, "aggregators": 3, "kills": 12, "settle_s": 3}
QUICK = {"repetitions": 1, "fanout_leaves": 8, "bare_rounds": 10, "orders": 3, "idle_s": 1,
         "starts": 3, "healing_leaves": 6, "aggregators": 2, "kills": 2, "settle_s": 1}
SECTIONS = {"aggregation": aggregation, "dispatch": dispatch, "ready": ready, "healing": healing}
