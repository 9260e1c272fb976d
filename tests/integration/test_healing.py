"""Parents die, freeze and come back; leaves look after themselves."""

import signal
import unittest

from support import PlantCase, wait_until


class Healing(PlantCase):
    def test_an_aggregator_killed_in_mid_dispatch_costs_the_plant_nothing_for_long(self):
        plant = self.running_plant(leaves=12, aggregators=3)
        self.send(plant, 10_000, 7200, "it-kill")
        self.await_delivery(plant, 10_000)
        victim = plant.aggregators[0]
        victim.kill()
        self.await_moved(plant.leaves, victim)
        wait_until(lambda: plant.online() == 12, 40, "every leaf counted again")
        self.await_delivery(plant, 10_000, timeout=30)
        self.assertLessEqual(plant.online(), 12)

    def test_a_frozen_aggregator_is_left_and_counts_nobody_when_it_thaws(self):
        plant = self.running_plant(leaves=6, aggregators=2)
        victim = plant.aggregators[0]
        victim.kill(signal.SIGSTOP)
        self.await_moved(plant.leaves, victim)
        wait_until(lambda: plant.online() == 6, 40, "every leaf counted elsewhere")
        victim.kill(signal.SIGCONT)
        wait_until(victim.attached, 30, f"{victim.name} attached again")
        # From here on nobody may be counted twice; a few looks while it settles.
        for _ in range(50):
            self.assertLessEqual(plant.online(), 6)

    def test_a_returned_parent_is_used_again(self):
        plant = self.running_plant(leaves=6, aggregators=2)
        victim = plant.aggregators[0]
        victim.kill()
        self.await_moved(plant.leaves, victim)
        victim.start()
        wait_until(lambda: any(self.parent(leaf) == victim.id for leaf in plant.leaves), 90,
                   f"a leaf back at {victim.name}")
        wait_until(lambda: plant.online() == 6, 60, "every leaf counted")

    def test_a_leaf_without_a_parent_goes_to_its_local_default_when_its_order_runs_out(self):
        plant = self.running_plant(leaves=1, aggregators=1)
        self.send(plant, 2_000, 600, "it-alone")
        self.await_delivery(plant, 2_000)
        for node in (*plant.aggregators, plant.root):
            node.kill()
        leaf = plant.leaves[0]
        wait_until(lambda: not leaf.attached(), 20, "lost parent")
        self.assertEqual(leaf.get("/v1/status")["site"]["mode"], "dispatched")
        wait_until(lambda: leaf.get("/v1/status")["site"]["mode"] == "local_default", 60,
                   "local default")
        codes = {c["code"] for c in leaf.get("/v1/status")["health"]["codes"]}
        self.assertIn("VPP_NO_PARENT", codes)

    def test_everybody_leaves_cleanly_on_sigterm(self):
        plant = self.running_plant(leaves=3, aggregators=1)
        codes = plant.stop()
        self.assertEqual({name: code for name, code in codes.items() if code != 0}, {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
