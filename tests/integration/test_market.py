"""The root is killed around gates and resumes: no double bid, no forgotten award."""

import subprocess
import time
import unittest

from support import BIN, PlantCase, control, wait_until


class Market(PlantCase):
    @staticmethod
    def state(plant):
        return control.get_http(plant.market_port, "/v1/state")

    @staticmethod
    def vppctl(node, *arguments):
        return subprocess.run([BIN / "vppctl", "--socket", node.socket, *arguments],
                              capture_output=True, text=True, timeout=20, check=False)

    def restart_root(self, plant):
        plant.root.kill()
        plant.root.wait()
        plant.root.start()

    def test_the_plant_bids_wins_delivers_and_is_settled(self):
        plant = self.running_plant(market=True, leaves=6, aggregators=2)
        wait_until(lambda: self.state(plant)["settlements"], 120, "settlement", every=0.2)
        settlement = self.state(plant)["settlements"][0]
        self.assertGreater(settlement["awarded_wh"], 0)
        self.assertGreater(settlement["delivered_wh"], 0.95 * settlement["awarded_wh"])

    def test_an_operator_offers_power_and_takes_it_back(self):
        plant = self.running_plant(market=True, leaves=4, aggregators=1)
        gates = wait_until(lambda: plant.root.get("/v1/market/gates")["gates"], 60, "gates")
        last = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(gates[-1]["from_ms"] / 1000))
        offer = ("--yes", "bids", "submit", "--from", last, "--price", "1", "--key", "op-1")
        refused = self.vppctl(plant.root, *offer, "--power", "900kW")
        self.assertEqual(refused.returncode, 5, refused.stderr)
        self.assertIn("firm and free", refused.stderr)
        wait_until(lambda: self.vppctl(plant.root, *offer, "--power", "1kW").returncode == 0, 60,
                   "an offer of 1 kW", every=0.5)

        def held():
            return [b for b in self.state(plant)["bids"] if b["key"] == "op-1"]
        self.assertEqual(wait_until(held, 30, "the bid at the market")[0]["segments"][0]["power_w"], 1000)
        again = self.vppctl(plant.root, *offer, "--power", "2kW")
        self.assertEqual(again.returncode, 5)
        self.assertIn("another bid has the key", again.stderr)
        taken = self.vppctl(plant.root, "--yes", "bids", "withdraw", "op-1")
        self.assertEqual(taken.returncode, 0, taken.stderr)

        def withdrawn():
            return plant.root.get("/v1/bids/op-1")["bid"]["state"] == "withdrawn"
        wait_until(withdrawn, 30, "the bid withdrawn")
        self.assertEqual(self.state(plant)["double_bids"], 0)

    def test_owners_are_paid_by_their_own_receipts_and_every_decision_comes_out_again(self):
        plant = self.running_plant(market=True, leaves=4, aggregators=2)

        def settled():
            return [o for o in plant.root.get("/v1/settlement")["orders"] if o["receipts_wh"]]
        order = wait_until(settled, 150, "a settlement with receipts", every=0.2)[0]
        self.assertEqual(order["disagreements"], [])
        self.assertAlmostEqual(order["receipts_wh"], order["settled_wh"], delta=1)

        def payments():
            paid = {}
            for leaf in plant.leaves:
                for each in leaf.get("/v1/settlement")["owner"]["newest"]:
                    if each["order"] == order["order"]:
                        paid[leaf.name] = each
            return paid if sum(p["delivered_wh"] for p in paid.values()) > \
                order["receipts_wh"] - 1 else None
        paid = wait_until(payments, 30, "payments at the homes", every=0.2)
        delivered = sum(each["delivered_wh"] for each in paid.values())
        earned = sum(each["earned"] for each in paid.values())
        self.assertAlmostEqual(delivered, order["receipts_wh"], delta=1)
        self.assertLessEqual(earned, order["owners"] + 1e-9)
        self.assertAlmostEqual(earned, order["owners"], delta=1e-5)

        # A home keeps what it was paid over a restart, and is not paid twice.
        leaf = next(each for each in plant.leaves if each.name in paid)
        leaf.kill()
        leaf.wait()
        leaf.start()

        def kept():
            told = leaf.try_get("/v1/settlement") or {"owner": {"newest": []}}
            return [each for each in told["owner"]["newest"]
                    if each["order"] == order["order"]] or None
        self.assertEqual(wait_until(kept, 30, "its account"), [paid[leaf.name]])

        shown = self.vppctl(plant.root, "settlement")
        self.assertIn("agreed", shown.stdout)
        replay = self.vppctl(plant.root, "bids", "replay")
        self.assertEqual(replay.returncode, 0, replay.stdout)
        self.assertIn("0 differ", replay.stdout)

    def test_a_root_killed_again_and_again_bids_once_and_forgets_no_award(self):
        plant = self.running_plant(market=True, leaves=4, aggregators=1)
        # Gates close every 15 s of real time: these blows fall before, at and after them.
        for count in range(1, 3):
            for record in ("bids", "awards", "settlements"):
                wait_until(lambda: len(self.state(plant)[record]) >= count, 90,
                           f"{record} number {count}", every=0.05)
                self.restart_root(plant)
        plant.await_whole()
        state = self.state(plant)
        self.assertEqual(state["double_bids"], 0)
        won = {a["key"] for a in state["awards"] if a["power_w"] > 0}
        self.assertTrue(won)

        def booked():
            orders = plant.root.get("/v1/orders")["orders"]
            keys = [o["key"] for o in orders if o["source"] == "market"]
            self.assertEqual(len(keys), len(set(keys)))
            return won <= set(keys)
        wait_until(booked, 60, "an order for every award won", every=0.2)

        def settled():
            return won <= {s["key"] for s in self.state(plant)["settlements"]}
        wait_until(settled, 120, "a settlement for every award won", every=0.5)
        keys = [s["key"] for s in self.state(plant)["settlements"]]
        self.assertEqual(len(keys), len(set(keys)))

    def test_a_market_that_is_gone_for_a_while_is_said_and_used_again(self):
        plant = self.running_plant(market=True, leaves=2, aggregators=1)
        wait_until(lambda: self.state(plant)["bids"], 60, "first bid")
        plant.market.kill()
        plant.market.wait()

        def unreachable():
            codes = plant.root.get("/v1/status")["health"]["codes"]
            return any(c["code"] == "VPP_MARKET_UNREACHABLE" for c in codes)
        wait_until(unreachable, 60, "VPP_MARKET_UNREACHABLE", every=0.2)
        plant.start_market()
        wait_until(lambda: self.state(plant)["bids"], 60, "bids again", every=0.2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
