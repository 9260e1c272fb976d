"""What one parent bears: up to 10,000 leaves over CURVE.

The parent is a `vppd`; its children are the leaves of `vppfleet`: real nodes, keys and links, many
in a process. Aims are the design's, for this machine.
"""

import contextlib
import json
import re
import statistics
import subprocess
import time

from fleets import Fleets
from measuring import (RAM, RunningPlant, Scratch, bare_beacons, bare_fanout, memory_mb, order_times,
                       percentile, processor_ms, row)
from plant.plant import wait_until

PER_BARE_PROCESS = 3_400  # as many as a process of Fleets has
PROBED_MOST = 8  # reports that a leaf sends without an answer; a probe follows every fourth
# Reports that are on their way at once. What takes the parent longer than a lease to read is no
# longer worth anything: of 80,000 on a busy machine it loses all children and lets them in again.
ON_THE_WAY_MOST = 40_000
FAN_IN_LEAST = {1_000: 60_000, 10_000: 40_000}
FAN_OUT_MOST_MS = {100: 4, 1_000: 30, 10_000: 400}


def await_counted(plant, leaves, timeout):
    """Until the root counts them all."""
    wait_until(lambda: plant.online() == leaves, timeout, f"{leaves} leaves counted", every=0.5)


@contextlib.contextmanager
def fleet_of(build, say, leaves, aggregators=0, links_max=2, kinds=1, root_arguments=(),
             **fleet_options):
    """A plant whose state is in RAM, and its leaves; all counted. They are of as many `kinds` as
    said: one has the first aggregator as its parent, the next the second; for all, the last one
    takes its place when it is lost."""
    with Scratch(say, RAM if RAM.is_dir() else None) as directory, \
            RunningPlant(directory, build, leaves=kinds, aggregators=aggregators,
                         batteries=False) as plant:
        if aggregators > 1:
            for leaf, first in zip(plant.leaves, plant.aggregators):
                plant.write_config(leaf, [first, plant.aggregators[-1]])
        plant.root.command += root_arguments
        plant.start([plant.root, *plant.aggregators])
        for node in plant.aggregators:
            wait_until(node.attached, 30, f"{node.name} attached")
        wait_until(lambda: plant.online() is not None, 30, "the root's answer")
        plant.memory_before_mb = memory_mb(plant.root.popen.pid)
        began = time.monotonic()
        with Fleets(plant, build, leaves, links_max, **fleet_options) as fleets:
            fleets.await_attached(120 + leaves / 50)
            await_counted(plant, leaves, 120)
            say(f"  {leaves} leaves counted after {time.monotonic() - began:.1f} s")
            yield plant, fleets


# --- one parent ----------------------------------------------------------------------------------


def one_parent(build, sizes, say):
    rows = []
    for leaves in sizes["scale_leaves"]:
        say(f"one parent with {leaves} leaves; first libzmq alone")
        bare = bare_fanout(build, leaves, sizes["scale_orders"], per_process=PER_BARE_PROCESS)
        rows.append(row(f"libzmq alone: fan-out and back, {leaves}", percentile(bare, 50), "ms",
                        p95=percentile(bare, 95), samples=len(bare)))
        bare_share = bare_beacons(build, leaves, sizes["scale_idle_s"], PER_BARE_PROCESS)
        with fleet_of(build, say, leaves, links_max=1) as (plant, fleets):
            rows.append(memory_row(plant, leaves))
            time.sleep(sizes["scale_settle_s"])
            # Before the first order: once there is one, its shares are renewed each second.
            rows.append(idle_row(plant, fleets, leaves, sizes, bare_share))
            rows.append(fan_in_row(plant, fleets, leaves, sizes))
            say(f"  {rows[-1]['measured']} msg/s in, {memory_mb(plant.root.popen.pid):.0f} MB after")
            await_counted(plant, leaves, 60)
            rows.append(fan_out_row(plant, leaves, sizes, say))
            rows.append(order_row(plant, leaves, sizes))
    return rows


def memory_row(plant, leaves):
    now = memory_mb(plant.root.popen.pid)
    return row(f"parent of {leaves}: memory per child",
               (now - plant.memory_before_mb) * 1024 / leaves, "kB", aim=48, resident_mb=now)


def fan_out_row(plant, leaves, sizes, say):
    times, posted = order_times(plant.root, leaves, sizes["scale_orders"], say,
                                sizes["scale_pause_s"])
    return row(f"fan-out to the last acknowledgement, {leaves}", float(percentile(times, 50)), "ms",
               **({"aim": FAN_OUT_MOST_MS[leaves]} if leaves in FAN_OUT_MOST_MS else {}),
               p95=percentile(times, 95), posted_p50=percentile(posted, 50), samples=len(times))


def idle_row(plant, fleets, leaves, sizes, bare_share):
    """What children cost that only hear beacons and report once a second, then once in four."""
    shares = {}
    for every in (1, 4):
        fleets.ask(f"report-every {every}")
        time.sleep(1)
        shares[every] = processor_share(plant.root.popen.pid, sizes["scale_idle_s"])
    fleets.ask("report-every 1")
    time.sleep(2)
    # Both hold all beacons; the second a quarter of the reports.
    beacons = max(0.0, shares[4] - (shares[1] - shares[4]) / 3)
    return row(f"beacons to {leaves} at 1 s", 100 * beacons, "% of a core",
               **({"aim": 15} if leaves == 5_000 else {}), bare_share=100 * bare_share,
               with_reports_each_s=100 * shares[1], with_reports_each_4s=100 * shares[4])


def order_row(plant, leaves, sizes):
    """The same and reports once a second, while an order runs, whose shares are split anew and
    renewed each second."""
    share = processor_share(plant.root.popen.pid, sizes["scale_idle_s"])
    return row(f"an order of {leaves} in force", 100 * share, "% of a core")


def processor_share(pid, lasts_s):
    used, began = processor_ms(pid), time.monotonic()
    time.sleep(lasts_s)
    return (processor_ms(pid) - used) / 1000 / (time.monotonic() - began)


def fan_in_row(plant, fleets, leaves, sizes):
    """Messages that the parent took in: reports, and a probe behind every few of a leaf, which it
    answers, so that no leaf runs ahead. `reports`: without those that a newer one replaced before
    they left; `conflated`: those that the parent decoded, but found a newer one beside."""
    pid = plant.root.popen.pid

    def look():
        return fleets.ask("status"), plant.root.get("/v1/status"), processor_ms(pid)
    fleets.ask(f"flood {min(PROBED_MOST, ON_THE_WAY_MOST // leaves)}")
    time.sleep(2)
    before, root_before, used_before = look()
    time.sleep(sizes["scale_flood_s"])
    after, root_after, used = look()
    fleets.ask("flood 0")
    time.sleep(2)

    def grown(key):
        return fleets.total(key, after) - fleets.total(key, before)
    changed = {key: root_after[part][key] - root_before[part][key] for part, key in (
        ("wire", "frames_in"), ("wire", "conflated"), ("membership", "replayed"),
        ("membership", "leases_lost"))}
    reports = grown("flood_answered") - grown("conflated")
    taken = changed.pop("frames_in")
    took = statistics.mean((b["now_ns"] - a["now_ns"]) / 1e9 for a, b in zip(before, after))
    used -= used_before
    return row(f"fan-in, {leaves} leaves", taken / took, "msg/s",
               **({"least": FAN_IN_LEAST[leaves]} if leaves in FAN_IN_LEAST else {}),
               parent_us=used * 1000 / max(1, taken), parent_cores=used / 1000 / took,
               leaves_cores=grown("processor_ns") / 1e9 / took, reports_per_s=reports / took, **changed)


# --- three levels --------------------------------------------------------------------------------

LOG_LINE = re.compile(r"^(\S+)Z \w+ (VPP_ORDER_\w+): order (\d+)", re.MULTILINE)


def seconds_of(stamp):
    clock = stamp.split("T")[1]
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def three_levels(build, sizes, say):
    """Root, aggregator, leaf, and back: from the root's log, which is stamped in microseconds."""
    say("three levels: one order after the other through an aggregator to one leaf")
    with fleet_of(build, say, 1, aggregators=1,
                  root_arguments=["--log-level", "debug"]) as (plant, _):
        order_times(plant.root, 1, sizes["scale_trips"], say, pause=0.02)
        begun, trips = {}, []
        for stamp, code, order in LOG_LINE.findall(plant.root.log_text()):
            if code == "VPP_ORDER_STARTED":
                begun[order] = seconds_of(stamp)
            if code == "VPP_ORDER_ACKNOWLEDGED" and order in begun:
                trips.append((seconds_of(stamp) - begun[order]) * 1000)
    return [row("three levels and back, median", percentile(trips, 50), "ms", aim=0.5,
                samples=len(trips)),
            row("three levels and back, 99th percentile", percentile(trips, 99), "ms", aim=1.5,
                max=max(trips))]


# --- the store -----------------------------------------------------------------------------------


def order_commits(build, sizes, say):
    """On the disk that holds the temporary files."""
    say("durable order commits")
    with Scratch(say) as directory:
        done = subprocess.run([build / "bench" / "order_commits", "--dir", directory, "--seconds",
                               str(sizes["commit_seconds"])], capture_output=True, text=True,
                              check=True)
    found = json.loads(done.stdout)
    return [row("durable order commits", found["commits"], "1/s", least=1_900,
                bare_fdatasync=found["bare"])]


def scale(build, sizes, say):
    return [*one_parent(build, sizes, say), *three_levels(build, sizes, say),
            *order_commits(build, sizes, say)]
