"""Homes that follow value signals between orders, through a tree of real processes."""

import datetime
import unittest

from support import BIN, PlantCase, wait_until

TARGET = 12_000


class Values(PlantCase):
    def restart_at(self, plant, speed):
        """Another day begins: market time goes on from here at another speed."""
        plant.market_start = plant.market_now()
        plant.anchor_utc = datetime.datetime.now(datetime.timezone.utc)
        plant.speed = speed
        for node in plant.nodes:
            plant.write_config(node)
        plant.start_batteries()
        plant.start()
        plant.await_whole()

    def street(self):
        """Four homes of 500 W, for whom stored energy is worth more than it costs: on its own each
        would charge at full power."""
        plant = self.plant(leaves=4, aggregators=1, speed=3600)
        self.head = plant.aggregators[0]
        plant.sections[self.head.name] = {
            "values": {"target_w": TARGET, "price_max": 1000, "slot_min": 15, "slots": 8,
                       "interval_s": 2, "hold_min": 15}}
        for leaf in plant.leaves:
            plant.sections[leaf.name] = {
                "values": {"follow": True},
                "tariff": {"buy": 300, "sell": 80, "stored_value": 400}}
        for node in plant.nodes:
            plant.write_config(node)
        loads = plant.dir / "loads"
        loads.write_text("500")
        plant.battery_arguments = ["--load-file", loads, "--start-soc-pct", 50]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        wait_until(lambda: all(self.follower(leaf)["quarters_known"] == 96
                               for leaf in plant.leaves), 90, "a day watched")
        plant.stop()
        self.restart_at(plant, 30)
        return plant

    @staticmethod
    def follower(leaf):
        return leaf.get("/v1/values")["follower"]

    @staticmethod
    def drawn(plant):
        return -sum(home["site_w"] for home in plant.battery_accounts()["batteries"])

    def test_homes_share_what_their_street_can_carry(self):
        plant = self.street()
        group = lambda: self.head.get("/v1/values")["group"]
        wait_until(lambda: group() and group()["homes"] == 4, 30, "all homes follow")
        wait_until(lambda: max(group()["prices"]) > 0 and
                   group()["net_load_w"][0] < TARGET * 1.05, 60, "a price that does it")
        wait_until(lambda: abs(self.drawn(plant) - group()["net_load_w"][0]) < 500, 30,
                   "meters as planned")
        leaf = plant.leaves[0]
        self.assertEqual(leaf.get("/v1/status")["site"]["mode"], "planned")
        shown = plant.run(BIN / "vppctl", "--socket", self.head.socket, "values")
        self.assertIn("target 12.0 kW", shown)
        self.assertIn("homes that follow: 4", shown)
        self.assertIn("follows its own plan",
                      plant.run(BIN / "vppctl", "--socket", leaf.socket, "why", leaf.name))

        # Orders win, and homes go back to their plans.
        order = self.send(plant, 6_000, 300, "it-order")
        self.await_delivery(plant, 6_000)
        self.await_order_over(plant, order)
        wait_until(lambda: leaf.get("/v1/status")["site"]["mode"] == "planned", 30, "its plan again")

        # Cut off, a home goes on until its signal ends; then its device is on its own.
        self.head.kill()
        self.assertEqual(leaf.get("/v1/status")["site"]["mode"], "planned")
        wait_until(lambda: self.follower(leaf)["head"] is None, 150, "the end of the signal")
        wait_until(lambda: leaf.get("/v1/status")["site"]["mode"] == "local_default", 10,
                   "its local default")


if __name__ == "__main__":
    unittest.main(verbosity=2)
