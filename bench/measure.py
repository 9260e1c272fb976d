"""What bench/run measures. Each function returns rows; a row is what was measured against what.

Everything runs on this machine, in this run: real processes on loopback, through tools/plant.
"""

import json
import pathlib
import re
import signal
import statistics
import subprocess
import time

from losses import losses
from measuring import (RAM, RunningPlant, Scratch, bare_fanout, order_times, percentile, processor_ms, row,
                       rounded)
from peers import peers
from plant.plant import PlantError, wait_until
from plant.watch import Healing
from scale import scale

FANOUT_TIMES_BARE_MAX = 3


# --- split and merge -----------------------------------------------------------------------------


def medians_of(build, sizes):
    """Milliseconds by name of the benchmark."""
    names = ["sketch_million", "on_a_sketch", "merge_thousand", "split_over_million",
             "level_of_million", "peer_sort"] + ["ten_million"] * sizes["large_fleet"]
    done = subprocess.run(
        [build / "bench" / "bench_aggregation", "--benchmark_format=json",
         f"--benchmark_repetitions={sizes['repetitions']}",
         f"--benchmark_filter={'|'.join(names)}"],
        capture_output=True, text=True, check=True)
    times = {}
    for each in json.loads(done.stdout)["benchmarks"]:
        if each["run_type"] == "iteration":
            scale = {"us": 1e-3, "ms": 1}[each["time_unit"]]
            times.setdefault(each["run_name"], []).append(each["cpu_time"] * scale)
    return {name: statistics.median(values) for name, values in times.items()}


def slowest(medians, start, scale=1):
    """The hardest of the cases of one benchmark, and all of them."""
    cases = {name: ms * scale for name, ms in medians.items() if name.startswith(start)}
    return max(cases.values()), {name: rounded(time) for name, time in cases.items()}


def aggregation(build, sizes, say):
    """Processor time of one thread: what one core needs, whoever else uses the machine."""
    say("split and merge: 1,000,000 sites on one core, and 10,000,000")
    medians = medians_of(build, sizes)
    split, splits = slowest(medians, "split_over_million")
    level, levels = slowest(medians, "level_of_million")
    on_sketch, sketches = slowest(medians, "level_on_a_sketch", 1000)
    rows = [
        row("split of 1M sites, hardest case", split, "ms", aim=30, cases=splits),
        row("its level alone, hardest case", level, "ms",
            peer=medians["peer_sort_of_million_sites"], peer_name="sorting the 1M by time to go",
            cases=levels),
        row("sketch of 1M sites", medians["sketch_million_sites"], "ms", aim=15),
        row("merge of 1,000 curves", medians["merge_thousand_curves"] * 1000, "us", aim=10),
        row("level on a node's sum of curves, hardest case", on_sketch, "us", aim=5,
            cases=sketches),
    ]
    if sizes["large_fleet"]:
        ten, tens = slowest(medians, "split_over_ten_million")
        rows += [row("split of 10M sites, hardest case", ten, "ms", cases=tens),
                 row("sketch of 10M sites", medians["sketch_ten_million_sites"], "ms")]
    return rows


# --- dispatch ------------------------------------------------------------------------------------


def dispatch_on(directory, build, sizes, say, idle=None):
    """Times of orders, with state in `directory`; `idle(plant)` is called before the first."""
    with RunningPlant(directory, build, leaves=sizes["fanout_leaves"], aggregators=0) as plant:
        plant.start()
        say(f"  {len(plant.leaves)} leaves counted after {plant.await_whole(timeout=300):.1f} s")
        time.sleep(sizes["idle_s"])
        result = idle(plant) if idle else None
        return *order_times(plant.root, len(plant.leaves), sizes["orders"], say), result


def dispatch(build, sizes, say):
    leaves = sizes["fanout_leaves"]
    say(f"dispatch to {leaves} leaves: bare libzmq")
    with Scratch(say) as directory:
        bare = bare_fanout(build, leaves, sizes["bare_rounds"])
        bare_durable = bare_fanout(build, leaves, sizes["bare_rounds"], directory)
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


FULL = {"repetitions": 3, "large_fleet": True, "fanout_leaves": 200, "bare_rounds": 200,
        "orders": 40, "idle_s": 10,
        "starts": 20, "healing_leaves": 60, "aggregators": 3, "kills": 10, "settle_s": 3,
        "scale_leaves": [100, 1_000, 5_000, 10_000], "scale_orders": 12, "scale_pause_s": 1,
        "scale_settle_s": 3, "scale_idle_s": 10, "scale_flood_s": 8, "scale_trips": 300,
        "commit_seconds": 3, "heal_leaves": [1_000, 3_000], "silent_leaves": [1_000],
        "heal_kills": 3, "fail_over_leaves": 1_000, "fail_overs": 2,
        "peer_rounds": 20, "peer_seconds": 5}
QUICK = {"repetitions": 1, "large_fleet": False, "fanout_leaves": 8, "bare_rounds": 10,
         "orders": 3, "idle_s": 1,
         "starts": 3, "healing_leaves": 6, "aggregators": 2, "kills": 2, "settle_s": 1,
         "scale_leaves": [20], "scale_orders": 2, "scale_pause_s": 0.3,
         "scale_settle_s": 1, "scale_idle_s": 1, "scale_flood_s": 1, "scale_trips": 3,
         "commit_seconds": 1, "heal_leaves": [20], "silent_leaves": [20],
         "heal_kills": 1, "fail_over_leaves": 20, "fail_overs": 1,
         "peer_rounds": 3, "peer_seconds": 1}
SECTIONS = {"aggregation": aggregation, "dispatch": dispatch, "ready": ready, "healing": healing,
            "scale": scale, "losses": losses, "peers": peers}
