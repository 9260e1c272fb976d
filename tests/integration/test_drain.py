"""An aggregator is emptied in the middle of a dispatch, and not a watt is lost."""

import subprocess
import threading
import unittest

from support import BIN, PlantCase, json, wait_until


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def ctl(node, *arguments):
    return run(BIN / "vppctl", "--socket", node.socket, *arguments)


class Sampler:
    """Looks at the root for as long as it is entered; every look counts."""

    def __init__(self, plant):
        self.plant = plant
        self.samples = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def sample(self):
        while not self.over.is_set():
            tree = self.plant.root.get("/v1/status")
            sites = [leaf.get("/v1/status")["site"]["measured_w"] for leaf in self.plant.leaves]
            self.samples.append((sites, tree["measured_w"], tree["tree"]["coverage"]["online"]))


class Drain(PlantCase):
    def test_an_aggregator_is_emptied_without_a_watt_lost_and_can_then_be_stopped(self):
        plant = self.running_plant(leaves=9, aggregators=3)
        agg = plant.aggregators[0]
        power = 12_000
        # On a busy machine a home may have begun below a neighbour of the one that it wants most.
        below = wait_until(lambda: [leaf for leaf in plant.leaves if self.parent(leaf) == agg.id],
                           90, "a home below agg-1")
        self.send(plant, power, 7200, "it-drain")
        self.await_delivery(plant, power)
        lost = {n.name: n.get("/v1/status")["membership"]["leases_lost"]
                for n in (plant.root, *plant.aggregators)}
        with Sampler(plant) as sampler:
            unconfirmed = ctl(agg, "nodes", "drain", "agg-1")
            self.assertEqual(unconfirmed.returncode, 5, unconfirmed.stdout)
            drained = ctl(agg, "--yes", "nodes", "drain", "agg-1", "--wait", "--within", "60s")
            self.assertEqual(drained.returncode, 0, drained.stderr)
            self.assertIn("is empty", drained.stdout)
            wait_until(lambda: plant.online() == 9, 30, "nine leaves counted elsewhere")
        self.assertEqual(agg.get("/v1/tree")["node"]["state"], "drained")
        self.assertGreater(len(sampler.samples), 3)  # a busy machine takes fewer
        for sites, measured, online in sampler.samples:
            # What the batteries do, asked one by one: nothing of the move is to be seen there.
            self.assertLessEqual(abs(sum(sites) - power), 0.02 * power, sampler.samples)
            # What the root knows: who is between two parents counts once or, for a report, not; be
            # it the one that carries most.
            self.assertLessEqual(online, 9, sampler.samples)
            self.assertLessEqual(measured, 1.02 * power, sampler.samples)
            missing = sum(sorted(sites)[online:])
            self.assertGreaterEqual(measured, power - missing - 0.02 * power, sampler.samples)
        show = ctl(below[0], "nodes", "show", below[0].name).stdout
        self.assertIn("redirected", show)
        self.assertEqual(agg.stop(), 0)
        wait_until(lambda: self.state_of(plant, agg) == "drained", 20, "agg-1 said goodbye")
        self.await_delivery(plant, power)
        for name, before in lost.items():
            if name != agg.name:
                self.assertEqual(plant.node(name).get("/v1/status")["membership"]["leases_lost"],
                                 before, name)

    @staticmethod
    def parent(leaf):
        status = leaf.try_get("/v1/status")
        return status and status["uplink"]["parent"]

    @staticmethod
    def state_of(plant, node):
        children = plant.root.get("/v1/tree")["children"]
        return next(c["state"] for c in children if c["id"] == node.id)

    def test_a_drained_aggregator_stays_so_over_a_restart_and_takes_children_again(self):
        plant = self.running_plant(leaves=2, aggregators=2)
        agg = plant.aggregators[0]
        document = json.loads(ctl(agg, "--yes", "-o", "json", "nodes", "drain", "agg-1").stdout)
        self.assertTrue(document["draining"])
        self.assertEqual(ctl(agg, "--yes", "nodes", "drain", "agg-1", "--wait").returncode, 0)
        agg.stop()
        agg.start()
        wait_until(agg.attached, 30, "agg-1 attached again")
        self.assertTrue(agg.get("/v1/drain")["draining"])
        doctor = run(BIN / "vppctl", "doctor", "--config", plant.leaves[0].dir / "vppd.toml")
        self.assertIn("VPP_LINK_FULL", doctor.stdout)
        undone = ctl(agg, "--yes", "nodes", "drain", "agg-1", "--undo")
        self.assertEqual(undone.returncode, 0, undone.stderr)
        self.assertFalse(agg.get("/v1/drain")["draining"])
        wait_until(lambda: agg.get("/v1/drain")["attached"] > 0, 90, "a child at agg-1 again")

    def test_only_an_aggregator_is_drained_and_only_at_its_own_socket(self):
        plant = self.running_plant(leaves=1, aggregators=1)
        root = ctl(plant.root, "--yes", "nodes", "drain", "root")
        self.assertEqual(root.returncode, 5, root.stderr)
        self.assertIn("root cannot be drained", root.stderr)
        wrong = ctl(plant.root, "--yes", "nodes", "drain", "agg-1")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--socket", wrong.stderr)
        with self.subTest("alone, it keeps its children"):
            agg = plant.aggregators[0]
            late = ctl(agg, "--yes", "nodes", "drain", "agg-1", "--wait", "--within", "3s")
            # Its leaf may go to the root, which takes children too.
            self.assertIn(late.returncode, (0, 6))
            self.assertEqual(plant.online(), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
