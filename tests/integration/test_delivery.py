"""An order reaches the batteries, and their energy accounts for it."""

import unittest

from support import BIN, PlantCase, wait_until


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
        plant.meter_unit = None
        for node in [aggregator, *plant.leaves]:
            plant.write_config(node)
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

    def test_a_feeder_is_held_by_what_the_meters_of_its_homes_say(self):
        # 10 kW towards the grid. The meter of the sixth home is mute: it may give 2 kW of its own.
        plant = self.plant(leaves=6, aggregators=1, speed=1)
        aggregator, mute = plant.aggregators[0], plant.leaves[5]
        plant.feeders[aggregator.name] = {"export_max_w": 10_000, "site_max_w": 2_000}
        plant.write_config(aggregator)
        loads = plant.dir / "loads"
        loads.write_text("0")
        plant.battery_arguments = ["--load-file", loads, "--meter-mute", 5, "--start-soc-pct", 80]
        plant.start_batteries()
        plant.start()
        plant.await_whole()

        def nodes():
            return {node["name"]: node for node in aggregator.get("/v1/nodes")["nodes"]}

        def as_metered():
            accounts = plant.battery_accounts()["batteries"]
            told = nodes()
            nets = [told[leaf.name]["net_w"] for leaf in plant.leaves]
            return nets[5] is None and None not in nets[:5] and all(
                abs(net - home["site_w"]) <= 20 for net, home in zip(nets, accounts[:5]))
        wait_until(as_metered, 30, "net power of five homes as their meters have it")
        self.assertEqual(nodes()[aggregator.name]["net_unknown"], 1)
        self.assertIn("VPP_METER_UNKNOWN", self.codes(mute))
        order = self.send(plant, 25_000, 600, "it-meters")
        seen = {}  # what crosses all six connections, each second

        def asked():
            accounts = plant.battery_accounts()
            seen[accounts["written_ms"]] = sum(b["site_w"] for b in accounts["batteries"])
            return nodes()[aggregator.name]["dispatch"][0]["asked_for_w"]
        wait_until(lambda: asked() >= 7_000, 40, "most of the 7.8 kW that there is room for")
        loads.write_text("-300")
        # Their 1.5 kW of sun take as much, and the margin for how fast it came out once more.
        wait_until(lambda: asked() <= 5_500, 20, "less for the batteries when the sun comes out")
        wait_until(as_metered, 30, "net power as the meters have it, under the order")
        asked()
        self.assertLessEqual(max(seen.values()), 10_000, seen)
        self.assertEqual(mute.get("/v1/status")["site"]["order"], order)
        told = plant.run(BIN / "vppctl", "--socket", mute.socket, "events")
        self.assertEqual(told.count("VPP_METER_UNKNOWN"), 1, told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
