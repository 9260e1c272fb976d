#!/usr/bin/env python3
"""Churn without end: nodes are killed, stopped and frozen at random while an order is delivered.

    VPP_BIN=build/dev/bin tests/integration/soak.py --for 10m

Checks at every look at the root that nobody is counted twice, and at the end that the tree is
whole and that the memory of those who lived through it has not grown. Prints one JSON document;
exit code 0 if all held.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

os.environ.setdefault("VPP_BIN", str(pathlib.Path(__file__).resolve().parents[2] / "build/dev/bin"))

from support import BIN, Plant, Witness, wait_until  # noqa: E402

GROWTH_MAX = 1.1  # of a survivor's memory, from the second tenth of the time to the last
GROWTH_FREE_KIB = 2_048  # a heap's own steps
WHOLE_S = 120


def seconds(text):
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1])
    return float(text[:-1]) * unit if unit else float(text)


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return None


class Soak:
    def __init__(self, plant, rng):
        self.plant = plant
        self.rng = rng
        self.down = []    # (time, what brings it back)
        self.faults = {"killed": 0, "stopped": 0, "frozen": 0}
        self.touched = set()
        self.memory = {}  # by name of node: [(second, KiB)]
        self.orders = 0

    def victims(self):
        """One leaf in three and one aggregator lives through it all, as the root does."""
        return ([leaf for i, leaf in enumerate(self.plant.leaves) if i % 3]
                + self.plant.aggregators[1:])

    def harm(self, now):
        """At most one aggregator is down at a time, so that there is always a place to go."""
        down = {node.name for _, node, _ in self.down}
        free = [node for node in self.victims() if node.name not in down and
                not (node.role == "aggregator" and any("agg" in name for name in down))]
        if not free:
            return
        node = self.rng.choice(free)
        what = self.rng.choice(list(self.faults))
        self.faults[what] += 1
        if what == "frozen":
            node.kill(signal.SIGSTOP)
            bring_back = lambda: node.kill(signal.SIGCONT)
        else:
            node.kill(signal.SIGKILL if what == "killed" else signal.SIGTERM)
            bring_back = lambda: (node.ended(), node.start())
            self.touched.add(node.name)
        self.down.append((now + self.rng.uniform(0.5, 8), node, bring_back))

    def mend(self, now):
        for entry in [e for e in self.down if e[0] <= now]:
            self.down.remove(entry)
            entry[2]()

    def weigh(self, second):
        for node in self.plant.nodes:
            if node.name not in self.touched and node.alive():
                self.memory.setdefault(node.name, []).append((second, resident_kib(node.popen.pid)))

    def order(self):
        self.orders += 1
        self.plant.root.post("/v1/orders", {"key": f"soak-{self.orders}", "power_w": 5_000,
                                            "duration_s": 3_600})

    def run(self, length):
        begin = time.monotonic()
        next_harm = next_order = next_weigh = begin
        while (now := time.monotonic()) < begin + length:
            self.mend(now)
            if now >= next_harm:
                self.harm(now)
                next_harm = now + self.rng.uniform(0.2, 2)
            if now >= next_order:
                self.order()
                next_order = now + 45
            if now >= next_weigh:
                self.weigh(now - begin)
                next_weigh = now + max(1, length / 120)
            time.sleep(0.05)
        self.mend(float("inf"))
        self.weigh(time.monotonic() - begin)

    def resident(self, length):
        """Of each survivor: mean KiB in each tenth of the time."""
        out = {}
        for name, samples in self.memory.items():
            if name in self.touched:
                continue
            tenths = [[] for _ in range(10)]
            for second, kib in samples:
                tenths[min(9, int(10 * second / length))].append(kib)
            out[name] = [round(sum(part) / len(part)) for part in tenths if part]
        return out


def verdict(soak, witness, length, whole_s):
    resident = soak.resident(length)
    grown = {name: kib for name, kib in resident.items()
             if kib[-1] > max(kib[1] * GROWTH_MAX, kib[1] + GROWTH_FREE_KIB)}
    problems = witness.problems[:20]
    if grown:
        problems.append(f"memory grew: {grown}")
    if whole_s is None:
        problems.append(f"not whole {WHOLE_S} s after the last fault")
    return {"schema": "vppsoak/v1", "seconds": round(length), "leaves": len(soak.plant.leaves),
            "aggregators": len(soak.plant.aggregators), "faults": soak.faults,
            "orders": soak.orders, "looks": witness.samples,
            "story": witness.story(),
            "whole_after_s": whole_s, "resident_kib": resident, "problems": problems}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--for", dest="length", type=seconds, default=600, metavar="TIME")
    parser.add_argument("--leaves", type=int, default=12)
    parser.add_argument("--aggregators", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", file=sys.stderr)
    plant = Plant(tempfile.mkdtemp(prefix="vpp-soak-"), BIN, leaves=arguments.leaves,
                  aggregators=arguments.aggregators)
    witness = Witness(plant)
    try:
        plant.prepare()
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        witness.start()
        soak = Soak(plant, random.Random(arguments.seed))
        soak.run(arguments.length)
        begin = time.monotonic()
        try:
            wait_until(lambda: plant.online() == arguments.leaves, WHOLE_S, "whole tree")
            whole_s = round(time.monotonic() - begin, 1)
        except Exception:  # the verdict tells
            whole_s = None
        document = verdict(soak, witness, arguments.length, whole_s)
    finally:
        if witness.is_alive():
            witness.stop()
        plant.stop()
    print(json.dumps(document))
    if document["problems"]:
        print(f"kept for a look: {plant.dir}", file=sys.stderr)
        return 1
    shutil.rmtree(plant.dir, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
