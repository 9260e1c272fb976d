#!/usr/bin/env python3
"""Thousands of leaves that all join in the same moment, and again when their parent is killed.

    cmake --preset release && cmake --build build/release --target vppd vppctl vppbattery vppfleet
    tests/integration/storm.py --leaves 3000

Real nodes, keys and links, many in one process (`vppfleet`, bench/). Nobody may be counted twice at
any look at the root. Prints one JSON document; exit code 0 if all held.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("VPP_BIN", str(TOP / "build/release/bin"))
sys.path[:0] = [str(TOP / "bench"), str(TOP / "tests/integration")]

from support import BIN, Plant, Witness, wait_until  # noqa: E402
from fleets import Fleets  # noqa: E402

LINKS_MAX = 5  # of one leaf at once: it looks at every parent it has heard of


def counted(plant, leaves, within, begin):
    """Seconds since `begin` when the root counts them all; None when it does not come to that."""
    try:
        wait_until(lambda: plant.online() == leaves, within, f"{leaves} counted", every=0.1)
    except Exception as error:  # the document tells
        print(f"{error}: {plant.online()}", file=sys.stderr)
        return None
    return round(time.monotonic() - begin, 1)


def attached_to(parent, child):
    """Until it notices a death, the parent goes on with the last sum of the dead."""
    tree = parent.get("/v1/tree")
    return any(each["id"] == child.id and each["attached"] for each in tree["children"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leaves", type=int, default=3_000)
    parser.add_argument("--aggregators", type=int, default=2)
    parser.add_argument("--within", type=float, default=180, help="seconds for each step")
    arguments = parser.parse_args()
    plant = Plant(tempfile.mkdtemp(prefix="vpp-storm-"), BIN, leaves=1,
                  aggregators=arguments.aggregators)
    plant.prepare()
    witness = Witness(plant, leaves=arguments.leaves)
    out = {"schema": "vppstorm/v1", "leaves": arguments.leaves,
           "aggregators": arguments.aggregators}
    try:
        plant.start([plant.root, *plant.aggregators])
        for aggregator in plant.aggregators:
            wait_until(aggregator.attached, 30, f"{aggregator.name} attached")
        witness.start()
        started = time.monotonic()
        with Fleets(plant, BIN.parent, arguments.leaves, LINKS_MAX, starts=1_000_000) as fleets:
            out["joined_s"] = counted(plant, arguments.leaves, arguments.within, started)
            parents = fleets.parents()
            victim = max(plant.aggregators, key=lambda node: parents.get(node.id, 0))
            out["orphans"] = parents.get(victim.id, 0)
            killed = time.monotonic()
            victim.kill()
            wait_until(lambda: victim.id not in fleets.parents(), arguments.within, "orphans that know")
            wait_until(lambda: not attached_to(plant.root, victim), 30, "root that knows", every=0.1)
            out["healed_s"] = counted(plant, arguments.leaves, arguments.within, killed)
            witness.stop()
    finally:
        if witness.is_alive():
            witness.stop()
        plant.stop()
    out.update(story=witness.story(), problems=witness.problems[:20])
    print(json.dumps(out))
    shutil.rmtree(plant.dir, ignore_errors=True)
    return 1 if out["problems"] or None in (out["joined_s"], out["healed_s"]) else 0


if __name__ == "__main__":
    sys.exit(main())
