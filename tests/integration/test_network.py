"""Links that lose, starve or work one way only: namespaces, a bridge, nft and a token bucket."""

import sys
import tempfile
import unittest

from lab import LabPlant, Network
from support import BIN, PlantCase, wait_until

LEAVES = 4
LOST_MIN = 40  # packets of each aggregator


class Links(PlantCase):
    def lab(self):
        """A whole plant on a network of its own, under watch."""
        network = Network()
        self.addCleanup(network.remove)
        plant = LabPlant(network, tempfile.mkdtemp(prefix="vpp-it-"), BIN, leaves=LEAVES,
                         aggregators=2)
        plant.prepare()
        self.plants.append(plant)
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        self.watched(plant)
        return plant, network

    def place(self, plant, name):
        """A leaf below the named aggregator, once there is one."""
        aggregator = plant.node(name)
        return wait_until(lambda: next((leaf for leaf in plant.leaves
                                        if self.parent(leaf) == aggregator.id), None), 30,
                          f"a leaf below {name}")

    def test_a_leaf_that_no_longer_hears_its_parent_finds_another(self):
        plant, network = self.lab()
        leaf, parent = self.place(plant, "agg-1"), plant.node("agg-1")
        network.deafen(leaf.name, parent.name)
        self.await_moved([leaf], parent)
        self.await_count(plant, LEAVES)
        self.assertGreater(network.dropped(leaf.name), 0)
        network.heal(leaf.name)

    def test_a_leaf_that_its_parent_no_longer_hears_finds_another(self):
        plant, network = self.lab()
        leaf, parent = self.place(plant, "agg-1"), plant.node("agg-1")
        network.deafen(parent.name, leaf.name)
        self.await_moved([leaf], parent)
        self.await_count(plant, LEAVES)
        self.assertGreater(network.dropped(parent.name), 0)
        network.heal(parent.name)

    def test_an_aggregator_that_hears_no_root_or_is_not_heard_by_it_loses_its_leaves(self):
        plant, network = self.lab()
        for deaf, peer in (("agg-1", "root"), ("root", "agg-2")):
            with self.subTest(deaf=deaf, peer=peer):
                victim = plant.node("agg-1" if deaf == "agg-1" else "agg-2")
                network.deafen(deaf, peer)
                self.await_moved(plant.leaves, victim)
                self.await_count(plant, LEAVES)
                network.heal(deaf)
                wait_until(victim.attached, 60, f"{victim.name} attached again")

    def test_a_plant_whose_aggregators_lose_a_fifth_of_all_packets_delivers(self):
        plant, network = self.lab()
        for aggregator in plant.aggregators:
            network.lose(aggregator.name, 20)
        sent = 0
        while any(network.dropped(a.name) < LOST_MIN for a in plant.aggregators):
            sent += 1
            power_w = 4_000 if sent % 2 else -3_000
            self.send(plant, power_w, 3600, f"it-loss-{sent}")
            self.await_delivery(plant, power_w, tolerance=0.05, timeout=90)
        self.await_count(plant, LEAVES)
        print(f"\n{sent} orders delivered meanwhile", file=sys.stderr)

    def test_64_kbit_per_s_carry_a_leaf_and_an_aggregator(self):
        plant, network = self.lab()
        narrow = [self.place(plant, "agg-2"), plant.node("agg-1")]
        for node in narrow:
            network.narrow(node.name, "64kbit")
        sessions = {node.name: node.get("/v1/status")["uplink"]["session"] for node in narrow}
        self.send(plant, 4_000, 3600, "it-narrow")
        self.await_delivery(plant, 4_000, tolerance=0.05, timeout=60)
        self.await_count(plant, LEAVES)
        self.assertTrue(all(network.sent_bytes(node.name) > 0 for node in narrow))
        now = {node.name: node.get("/v1/status")["uplink"]["session"] for node in narrow}
        self.assertEqual(now, sessions, "a narrow link is no reason to leave")


if __name__ == "__main__":
    unittest.main(verbosity=2)
