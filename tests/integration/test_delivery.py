"""An order reaches the batteries, and their energy accounts for it."""

import unittest

from support import PlantCase, wait_until


def injected(plant):
    """Energy that all batteries gave and took on the AC side, in joules: the physical truth."""
    accounts = plant.battery_accounts()["batteries"]
    return sum(b["injected_j"] - b["absorbed_j"] for b in accounts)


class Delivery(PlantCase):
    def test_an_order_is_delivered_and_the_batteries_account_for_it(self):
        plant = self.running_plant(leaves=12, aggregators=2)
        number = self.send(plant, 12_000, 1800, "it-delivery")
        self.await_delivery(plant, 12_000)
        self.await_order_over(plant, number)
        asked_wh = 12_000 * 0.5
        wait_until(lambda: self.order(plant, number)["delivered_wh"] is not None, 10, "receipts")
        wait_until(lambda: self.order(plant, number)["delivered_wh"] > 0.97 * asked_wh, 10,
                   "receipts of the whole order")
        delivered = self.order(plant, number)["delivered_wh"]
        self.assertLess(abs(delivered - asked_wh), 0.03 * asked_wh)
        self.assertEqual(self.events(plant, "VPP_SHORTFALL"), [])

    def test_the_receipts_agree_with_what_the_batteries_gave(self):
        # No load and no PV: whatever the batteries move, they move for the plant.
        plant = self.plant(leaves=6, aggregators=2)
        plant.battery_arguments = ["--idle-homes"]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        before = injected(plant)
        number = self.send(plant, 9_000, 1200, "it-accounts")
        self.await_order_over(plant, number)
        self.await_settled_accounts(plant)
        given_wh = (injected(plant) - before) / 3600
        delivered = self.order(plant, number)["delivered_wh"]
        self.assertAlmostEqual(given_wh, delivered, delta=0.03 * delivered)

    def await_settled_accounts(self, plant):
        """Until the account file was written twice after every battery was let go."""
        def idle():
            status = plant.root.get("/v1/status")
            return status["order"] is None
        wait_until(idle, 10, "released batteries")
        first = plant.battery_accounts()["written_ms"]
        wait_until(lambda: plant.battery_accounts()["written_ms"] > first + 1000, 10,
                   "account file after the order")

    def test_a_feeder_carries_for_an_order_what_homes_without_meters_leave(self):
        # 20 kW, of which each of six homes may need 2 kW; less a margin of 2 %.
        plant = self.plant(leaves=6, aggregators=1, speed=1)
        aggregator = plant.aggregators[0]
        plant.feeders[aggregator.name] = {"export_max_w": 20_000, "site_max_w": 2_000}
        plant.write_config(aggregator)
        plant.battery_arguments = ["--idle-homes"]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        self.send(plant, 25_000, 600, "it-feeder")
        seen = {}  # what crosses all meters, each second

        def looked():
            accounts = plant.battery_accounts()
            seen[accounts["written_ms"]] = sum(b["site_w"] for b in accounts["batteries"])
            return list(seen.values())[-5:].count(7_600) == 5
        wait_until(looked, 60, "five seconds of 7,600 W")
        self.assertLessEqual(max(seen.values()), 7_600, seen)
        books = aggregator.get(f"/v1/nodes/{aggregator.name}")["node"]["dispatch"][0]
        self.assertEqual(books["asked_for_w"], 7_600)
        self.assertEqual(books["node_cap_w"], 25_000 - 7_600)

    def test_an_order_beyond_the_fleet_is_served_as_far_as_possible_and_said(self):
        plant = self.running_plant(leaves=4, aggregators=1)
        can = plant.root.get("/v1/status")["capacity"]["up"]["power_w"]
        self.send(plant, 2 * can, 600, "it-too-much")
        self.await_delivery(plant, can, tolerance=0.1)
        wait_until(lambda: self.events(plant, "VPP_SHORTFALL"), 5, "event VPP_SHORTFALL")
        order = plant.root.get("/v1/status")["order"]
        self.assertGreater(order["shortfall_w"], 0.8 * can)

    def test_a_battery_that_does_not_answer_is_made_up_for_by_the_others(self):
        plant = self.plant(leaves=6, aggregators=2)
        plant.battery_arguments = ["--unresponsive", "1"]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        can = plant.root.get("/v1/status")["capacity"]["up"]["power_w"]
        self.send(plant, can // 2, 2400, "it-deaf")
        self.await_delivery(plant, can // 2, tolerance=0.03, timeout=30)

    def test_a_cancelled_order_lets_go_of_the_batteries(self):
        plant = self.running_plant(leaves=4, aggregators=1)
        number = self.send(plant, 6_000, 3600, "it-cancel")
        self.await_delivery(plant, 6_000)
        plant.root.post(f"/v1/orders/{number}/cancel", {})
        modes = lambda: {leaf.get("/v1/status")["site"]["mode"] for leaf in plant.leaves}
        wait_until(lambda: modes() == {"local_default"}, 10, "local default everywhere")
        self.assertEqual(self.order(plant, number)["state"], "cancelled")

    def test_the_same_key_books_one_order(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        first = self.send(plant, 1_000, 600, "it-once")
        self.assertEqual(self.send(plant, 1_000, 600, "it-once"), first)
        self.assertEqual(len(plant.root.get("/v1/orders")["orders"]), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
