"""Looks at a running plant from the outside, and keeps the account that the demo ends with."""

import collections
import threading
import time

from . import control


class Snapshot:
    """One look: the root's documents, every aggregator's tree, the market's own record."""

    def __init__(self, plant):
        self.at = time.monotonic()
        self.status = plant.root.try_get("/v1/status")
        self.tree = plant.root.try_get("/v1/tree")
        self.orders = _list(plant.root.try_get("/v1/orders"), "orders")
        self.bids = _list(plant.root.try_get("/v1/bids"), "bids")
        self.aggregators = {a.name: a.try_get("/v1/tree") if a.alive() else None
                            for a in plant.aggregators}
        self.market = None
        if plant.market_port:
            try:
                self.market = control.get_http(plant.market_port, "/v1/state", timeout=2)
            except control.Unreachable:
                pass

    @property
    def online(self):
        return self.status["tree"]["coverage"]["online"] if self.status else None

    @property
    def target_w(self):
        order = self.status and self.status["order"]
        return order["target_w"] if order else 0

    @property
    def measured_w(self):
        order = self.status and self.status["order"]
        return order["measured_w"] if order else 0

    def counted_twice(self):
        """Leaves that two aggregators, both counted by the root, count at once."""
        if not self.tree:
            return set()
        live = {c["name"] for c in self.tree["children"] if c["counted"]}
        seen = collections.Counter()
        for name, tree in self.aggregators.items():
            if tree and name in live:
                seen.update(c["id"] for c in tree["children"] if c["counted"])
        return {leaf for leaf, times in seen.items() if times > 1}


def _list(document, key):
    return document[key] if document else []


class Healing:
    """Watches the children of a killed aggregator until each has another parent."""

    def __init__(self, plant, victim):
        self.victim = victim.name
        self.orphans = [leaf for leaf in plant.leaves
                        if _parent(leaf) == victim.id]
        self.expected = len(plant.leaves)
        self.plant = plant
        self.begin = time.monotonic()
        self.healed_s = {}
        self.counted_again_s = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(victim.id,), daemon=True)
        self._thread.start()

    def _watch(self, old):
        waiting = list(self.orphans)
        while not self._stop.is_set():
            for leaf in list(waiting):
                parent = _parent(leaf)
                if parent not in (None, old):
                    self.healed_s[leaf.name] = time.monotonic() - self.begin
                    waiting.remove(leaf)
            if not waiting and self.plant.online() == self.expected:
                self.counted_again_s = time.monotonic() - self.begin
                return
            self._stop.wait(0.02)

    def finish(self):
        self._stop.set()
        self._thread.join(5)

    def document(self):
        times = sorted(self.healed_s.values())
        return {"killed": self.victim, "orphans": len(self.orphans), "healed": len(times),
                "healed_max_s": round(times[-1], 3) if times else None,
                "healed_median_s": round(times[len(times) // 2], 3) if times else None,
                "counted_again_s": _rounded(self.counted_again_s)}


def _parent(leaf):
    status = leaf.try_get("/v1/status", timeout=0.5)
    uplink = status and status["uplink"]
    return uplink["parent"] if uplink and uplink["state"] == "attached" else None


def _rounded(seconds):
    return None if seconds is None else round(seconds, 3)


class Account:
    """What a run adds up to; kept while it runs, so that a crash at the end loses nothing."""

    def __init__(self, plant):
        self.plant = plant
        self.double_counts = 0
        self.healings = []
        self.last = None

    def look(self):
        snapshot = Snapshot(self.plant)
        suspects = snapshot.counted_twice()
        if suspects:
            # Two documents are never of one instant: only what a second look confirms counts.
            self.double_counts += len(suspects & Snapshot(self.plant).counted_twice())
        if snapshot.online is not None and snapshot.online > len(self.plant.leaves):
            self.double_counts += snapshot.online - len(self.plant.leaves)
        if snapshot.status:
            self.last = snapshot
        return snapshot

    def orders(self):
        """Orders that are over, with energy asked and delivered in watt-hours."""
        out = []
        for order in self.last.orders if self.last else []:
            if order["state"] != "done":
                continue
            asked = order["power_w"] * (order["until_ms"] - order["from_ms"]) / 3.6e6
            out.append({"id": order["id"], "source": order["source"],
                        "power_w": order["power_w"], "asked_wh": round(asked, 3),
                        "delivered_wh": order["delivered_wh"]})
        return out
