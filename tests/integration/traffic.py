#!/usr/bin/env python3
"""What an idle leaf costs on its link, for each link profile.

    VPP_BIN=build/dev/bin tests/integration/traffic.py --for 10m

A root and two aggregators, and one leaf for each profile on a host of its own in a network of
namespaces; the counters of its only interface, less the Ethernet headers, are what a carrier
counts: IP, TCP, CURVE and all. The leaves are attached and idle all the time; joining is not in it.
Prints one JSON document; exit code 0 if every profile keeps its limit (docs/config.md).
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

os.environ.setdefault("VPP_BIN", str(pathlib.Path(__file__).resolve().parents[2] / "build/dev/bin"))

from lab import LabPlant, Network  # noqa: E402
from soak import seconds  # noqa: E402
from support import BIN  # noqa: E402

LIMITS_MB_PER_DAY = {"lan": None, "wan": 15.0, "cellular": 3.0}
SETTLE_S = 45  # looks around for a standby, and the first reports


def measured(before, after, took):
    """Of one leaf: per day, in MB of 10^6 bytes."""
    passed = {key: after[key] - before[key] for key in after}
    both = passed["rx_bytes"] + passed["tx_bytes"]
    return {"mb_per_day": round(both * 86_400 / took / 1e6, 2),
            "down_b_per_s": round(passed["rx_bytes"] / took, 1),
            "up_b_per_s": round(passed["tx_bytes"] / took, 1),
            "packets_per_min": round((passed["rx_packets"] + passed["tx_packets"]) * 60 / took)}


def run(plant, network, length):
    plant.leaf_poll_ms = 1000
    plant.links = {leaf.name: kind for leaf, kind in zip(plant.leaves, LIMITS_MB_PER_DAY)}
    plant.prepare()
    plant.start_batteries()
    plant.start()
    plant.await_whole()
    time.sleep(SETTLE_S)
    before = [network.traffic(leaf.name) for leaf in plant.leaves]
    begin = time.monotonic()
    time.sleep(length)
    took = time.monotonic() - begin
    after = [network.traffic(leaf.name) for leaf in plant.leaves]
    return {kind: measured(*pair, took) for kind, *pair in zip(LIMITS_MB_PER_DAY, before, after)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--for", dest="length", type=seconds, default=600.0)
    options = parser.parse_args()
    network = Network()
    plant = LabPlant(network, tempfile.mkdtemp(prefix="vpp-it-"), BIN,
                     leaves=len(LIMITS_MB_PER_DAY), aggregators=2, speed=1)
    try:
        found = run(plant, network, options.length)
    finally:
        plant.stop()
        network.remove()
        shutil.rmtree(plant.dir, ignore_errors=True)
    problems = [f"{kind}: {found[kind]['mb_per_day']} MB a day, at most {most}"
                for kind, most in LIMITS_MB_PER_DAY.items()
                if most is not None and found[kind]["mb_per_day"] > most]
    print(json.dumps({"seconds": options.length, "links": found, "problems": problems}, indent=2))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
