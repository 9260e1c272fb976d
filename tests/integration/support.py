"""What the integration tests share: a plant in a directory of its own, torn down afterwards."""

import collections
import json
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools"))

from plant import control  # noqa: E402
from plant.plant import Node, Plant, PlantError, Process, wait_until  # noqa: E402

BIN = pathlib.Path(os.environ["VPP_BIN"])

__all__ = ["BIN", "Node", "Plant", "PlantCase", "PlantError", "Process", "TOP", "Witness",
           "control", "json", "wait_until"]


class Witness(threading.Thread):
    """Looks at the root's tree again and again, for whoever is counted more often than once."""

    def __init__(self, plant, leaves=None, every=0.1):
        super().__init__(daemon=True)
        self.plant = plant
        self.every = every
        self.leaves = len(plant.leaves) if leaves is None else leaves
        self.samples = 0
        self.changes = []  # (second, what the root counted), whenever that changed
        self.problems = []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.every):
            tree = self.plant.root.try_get("/v1/tree")
            if tree:
                self.look(tree)

    def look(self, tree):
        self.samples += 1
        online = tree["coverage"]["online"]
        if not self.changes or self.changes[-1][1] != online:
            self.changes.append((time.monotonic(), online))
        counted = [child for child in tree["children"] if child["counted"]]
        parts = sum(1 if child["role"] == "leaf" else (child["coverage"] or {}).get("online", 0)
                    for child in counted)
        if max(online, parts) > self.leaves:
            self.problems.append(f"{online} counted, {parts} in parts, of {self.leaves}")
        placed = [child["id"] for child in counted] + [
            below["id"] for child in counted for below in child["descendants"] or []]
        twice = [one for one, times in collections.Counter(placed).items() if times > 1]
        if twice:
            self.problems.append(f"in two places: {twice}")

    def stop(self):
        self.over.set()
        self.join()

    def story(self):
        """For people: how far the count fell, and for how long at the most."""
        ends = [at for at, _ in self.changes[1:]] + [time.monotonic()]
        short = longest = 0.0
        for (begin, online), end in zip(self.changes, ends):
            short = short + end - begin if online < self.leaves else 0.0
            longest = max(longest, short)
        lowest = min((online for _, online in self.changes), default=None)
        return (f"{self.samples} looks at the root: {lowest} of {self.leaves} counted at the "
                f"least, fewer than all for {longest:.1f} s at the most")


class PlantCase(unittest.TestCase):
    """Makes plants, and stops and removes them; keeps the directory of a failed test."""

    def setUp(self):
        self.plants = []
        self.witnesses = []

    def watched(self, plant):
        """Nobody may be counted twice from now on, at no look at the root."""
        witness = Witness(plant)
        witness.start()
        self.witnesses.append(witness)
        self.addCleanup(self.hear, witness)
        return witness

    def hear(self, witness):
        self.assertEqual(witness.problems, [])
        self.assertGreater(witness.samples, 0, "nobody looked")

    def tearDown(self):
        for witness in self.witnesses:
            witness.stop()
            print(f"\n{self._testMethodName}: {witness.story()}", file=sys.stderr)
        outcome = self._outcome.result if hasattr(self._outcome, "result") else None
        failed = outcome and any(case is self for case, _ in outcome.failures + outcome.errors)
        for plant in self.plants:
            plant.stop()
            if failed:
                print(f"kept for a look: {plant.dir}", file=sys.stderr)
            else:
                shutil.rmtree(plant.dir, ignore_errors=True)

    def plant(self, **options):
        plant = Plant(tempfile.mkdtemp(prefix="vpp-it-"), BIN, **options)
        plant.prepare()
        self.plants.append(plant)
        return plant

    def running_plant(self, market=False, **options):
        """All up, every leaf counted."""
        plant = self.plant(**options)
        if market:
            plant.start_market()
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        return plant

    @staticmethod
    def codes(node):
        """Of its health."""
        return {code["code"] for code in node.get("/v1/status")["health"]["codes"]}

    @staticmethod
    def parent(node):
        """Id of the parent it is attached to, if any."""
        status = node.try_get("/v1/status")
        uplink = status and status["uplink"]
        return uplink["parent"] if uplink and uplink["state"] == "attached" else None

    @staticmethod
    def await_moved(nodes, victim, timeout=60):
        wait_until(lambda: all(PlantCase.parent(node) not in (None, victim.id) for node in nodes),
                   timeout, f"another parent than {victim.name}")

    @staticmethod
    def await_count(plant, count, timeout=90):
        wait_until(lambda: plant.online() == count, timeout, f"count of {count}", every=0.1)

    @staticmethod
    def send(plant, power_w, duration_s, key):
        answer = plant.root.post("/v1/orders",
                                 {"key": key, "power_w": power_w, "duration_s": duration_s})
        return answer["order"]["id"]

    @staticmethod
    def order(plant, number):
        return plant.root.get(f"/v1/orders/{number}")["order"]

    @staticmethod
    def await_delivery(plant, power_w, tolerance=0.02, timeout=20):
        """Until the root measures the power asked for."""
        def there():
            status = plant.root.try_get("/v1/status")
            order = status and status["order"]
            measured = order["measured_w"] if order else None
            return measured is not None and abs(measured - power_w) <= tolerance * abs(power_w)
        wait_until(there, timeout, f"delivery of {power_w} W")

    @staticmethod
    def await_order_over(plant, number, timeout=60):
        wait_until(lambda: PlantCase.order(plant, number)["state"] == "done", timeout,
                   f"end of order {number}")

    @staticmethod
    def events(plant, code, node=None):
        """Of the root, or of `node`, whose code begins so."""
        text = (node or plant.root).get("/v1/events?follow=0")
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [event for event in lines if event["code"].startswith(code)]

    @staticmethod
    def dropped(node, *reasons):
        """Frames that a node dropped for these reasons, by its metrics."""
        total = 0
        for line in node.get("/metrics").splitlines():
            if line.startswith("vpp_frames_dropped_total{"):
                if any(f'kind="{reason}"' in line for reason in reasons):
                    total += float(line.rsplit(" ", 1)[1])
        return total
