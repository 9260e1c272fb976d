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

    def test_reserve_that_is_called_moves_batteries_and_what_is_not_called_earns_its_keep(self):
        plant = self.plant(leaves=4, aggregators=1)
        # In the evening far dearer than energy; of what is worth the same the sooner is sold.
        rows = [f"2026-01-{day:02d} {hour:02d}:{minute:02d}:00,{900 if 17 <= hour < 21 else 1}"
                for day in range(1, 20) for hour in range(24) for minute in (0, 15, 30, 45)]
        prices = plant.dir / "capacity.csv"
        prices.write_text("time_local_market,price_per_mwh\n" + "\n".join(rows) + "\n")
        # Half of the blocks are called, each for half of its time.
        plant.market_arguments = ["--reserve-up", "15m", "--reserve-lead", "8m",
                                  "--reserve-prices", prices, "--called-permille", "250"]
        plant.market_lines = ["reserve = true", "called_pct = 25"]
        plant.start_market()
        plant.start_batteries()
        plant.start()
        plant.await_whole()

        def settled(called):
            return [bid for bid in plant.root.get("/v1/bids")["bids"]
                    if bid["product"] == "reserve_up" and bid["state"] == "settled"
                    and (bid["call"]["power_w"] > 0) == called]

        idle = wait_until(lambda: settled(False), 240, "reserve that was not called", every=0.5)[0]
        self.assertIsNone(idle["order"])
        hours = (idle["until_ms"] - idle["from_ms"]) / 3_600_000
        earned = idle["award"]["power_w"] / 1e6 * hours * idle["award"]["clearing"]
        self.assertAlmostEqual(idle["settlement"]["revenue"], earned, places=4)
        self.assertEqual(idle["settlement"]["availability"], idle["settlement"]["revenue"])
        self.assertEqual(idle["settlement"]["penalty"], 0)

        called = wait_until(lambda: settled(True), 240, "reserve that was called", every=0.5)[0]
        call = called["call"]
        asked_wh = call["power_w"] * (call["until_ms"] - call["from_ms"]) / 3_600_000
        self.assertGreater(called["delivered_wh"], 0.9 * asked_wh)
        self.assertAlmostEqual(called["settlement"]["awarded_wh"], asked_wh, delta=1)
        self.assertGreater(called["settlement"]["revenue"], called["settlement"]["availability"])
        orders = plant.root.get("/v1/orders")["orders"]
        order = next(each for each in orders if each["id"] == called["order"])
        self.assertEqual((order["power_w"], order["from_ms"], order["until_ms"]),
                         (call["power_w"], call["from_ms"], call["until_ms"]))

        state = self.state(plant)
        self.assertEqual(state["double_bids"], 0)
        self.assertEqual(state["counters"]["deliveries_conflicting"], 0)
        shown = self.vppctl(plant.root, "settlement")
        self.assertIn("reserve_up", shown.stdout)
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
