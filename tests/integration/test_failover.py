"""Several roots, one leads: which one is etcd's to say, what it knows is the standbys', too."""

import shutil
import signal
import unittest

from support import PlantCase, control, wait_until


@unittest.skipUnless(shutil.which("etcd"), "needs Debian's etcd-server (tools/setup test)")
class Failover(PlantCase):
    def roots_plant(self, etcd=1, market=False, **options):
        """All up, one root leads, the other stands by, every leaf is counted."""
        plant = self.plant(roots=2, etcd=etcd, **options)
        plant.start_etcd()
        if market:
            plant.start_market()
        plant.start_batteries()
        plant.start()
        plant.await_leader()
        plant.await_whole()
        self.await_copied(plant)
        return plant

    @staticmethod
    def root_of(node):
        status = node.try_get("/v1/status")
        return status["root"] if status else None

    @staticmethod
    def state(plant):
        return control.get_http(plant.market_port, "/v1/state")

    def await_copied(self, plant):
        def copied():
            root = self.root_of(plant.root)
            return root and root["serves"] and root["journal"]["standbys"] == 1
        wait_until(copied, 60, "standby that follows", every=0.1)

    def send_soon(self, plant, power_w, key):
        """Leadership may move while etcd itself has no leader: the same key until it is taken."""
        def sent():
            plant.await_leader()
            try:
                return self.send(plant, power_w, 3600, key)
            except control.Refused as refused:
                self.assertEqual(refused.status, 409)
            except control.Unreachable:
                pass
            return None
        wait_until(sent, 60, "order that is taken", every=0.2)

    def kill_leader(self, plant, when):
        """The other one leads afterwards; the killed one comes back as its standby."""
        killed = plant.root
        term = self.root_of(killed)["journal"]["term"]
        killed.kill()
        killed.wait()
        seconds = plant.await_leader(other_than=killed)
        print(f"killed {when}: {plant.root.name} leads after {seconds:.1f} s", flush=True)
        self.assertGreater(self.root_of(plant.root)["journal"]["term"], term)
        killed.start()
        self.await_copied(plant)
        self.assertEqual(self.root_of(killed)["state"], "candidate")
        plant.await_whole()

    def test_a_root_killed_amid_bids_and_deliveries_is_followed_by_one_that_knows_all(self):
        plant = self.roots_plant(market=True, leaves=4, aggregators=1)
        wait_until(lambda: self.state(plant)["bids"], 90, "first bid", every=0.05)
        self.kill_leader(plant, "amid a bid")

        def delivering():
            status = plant.root.try_get("/v1/status")
            return status and status["order"] and status["order"]["source"] == "market"
        wait_until(delivering, 120, "delivery for the market", every=0.05)
        order = plant.root.get("/v1/status")["order"]["id"]
        self.kill_leader(plant, "amid a delivery")
        # What was in force still is, unless its time is over.
        orders = {o["id"]: o for o in plant.root.get("/v1/orders")["orders"]}
        self.assertIn(orders[order]["state"], ("active", "done", "superseded"))

        state = self.state(plant)
        self.assertEqual(state["double_bids"], 0)
        won = {a["key"] for a in state["awards"] if a["power_w"] > 0}
        self.assertTrue(won)

        def booked():
            keys = [o["key"] for o in plant.root.get("/v1/orders")["orders"]
                    if o["source"] == "market"]
            self.assertEqual(len(keys), len(set(keys)))
            return won <= set(keys)
        wait_until(booked, 60, "an order for every award won", every=0.2)

        def settled():
            return won <= {s["key"] for s in self.state(plant)["settlements"]}
        wait_until(settled, 120, "a settlement for every award won", every=0.5)
        keys = [s["key"] for s in self.state(plant)["settlements"]]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(self.state(plant)["double_bids"], 0)

    def test_a_root_that_was_stopped_moves_nothing_when_it_wakes(self):
        plant = self.roots_plant(leaves=4, aggregators=1)
        first = self.send(plant, 4000, 3600, "before")
        self.await_delivery(plant, 4000)
        old = plant.root
        old.kill(signal.SIGSTOP)
        seconds = plant.await_leader(other_than=old)
        print(f"stopped: {plant.root.name} leads after {seconds:.1f} s", flush=True)
        plant.await_whole()
        self.await_delivery(plant, 4000)  # the order goes on
        self.assertEqual(plant.root.get("/v1/status")["order"]["id"], first)
        with self.assertRaisesRegex(control.Refused, "released, but no standby"):
            plant.root.post(f"/v1/orders/{first}/cancel", {})

        def idle():
            return all(leaf.get("/v1/status")["order"] is None for leaf in plant.leaves)
        wait_until(idle, 30, "end of the order at every leaf", every=0.1)

        old.kill(signal.SIGCONT)
        wait_until(lambda: (self.root_of(old) or {}).get("state") == "candidate", 30,
                   "old root that stands by")
        # It thought of the order as running, and every node above the leaves would know.
        self.await_copied(plant)
        self.assertTrue(idle())
        of_leader = {**self.root_of(plant.root)["journal"], "acknowledged": 0, "standbys": 0}
        self.assertEqual(self.root_of(old)["journal"], of_leader)
        self.send(plant, 2000, 3600, "after")
        self.await_delivery(plant, 2000)

    def test_one_member_of_etcd_may_die_and_without_most_of_them_no_root_leads(self):
        plant = self.roots_plant(etcd=3, leaves=2, aggregators=1)
        plant.etcd[0].kill()
        plant.etcd[0].wait()
        self.send_soon(plant, 1000, "two-members")
        self.await_delivery(plant, 1000)

        plant.etcd[1].kill()
        plant.etcd[1].wait()

        def unreachable():
            status = [node.get("/v1/status") for node in plant.roots]
            return all(any(c["code"] == "VPP_ETCD_UNREACHABLE" for c in s["health"]["codes"]) and
                       s["root"]["state"] != "leader" for s in status)
        wait_until(unreachable, 60, "roots that step down", every=0.1)
        plant.etcd[1].start()
        plant.await_leader()
        plant.await_whole()
        self.await_delivery(plant, 1000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
