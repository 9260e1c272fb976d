"""A street that keeps what it draws together under a target, with its own batteries."""

import unittest

from support import BIN, PlantCase, wait_until

TARGET = 4_000


class Peaks(PlantCase):
    def street(self):
        """Four homes of 500 W each, which serve themselves as far as their batteries can."""
        plant = self.plant(leaves=4, aggregators=1, speed=1)
        self.aggregator = plant.aggregators[0]
        plant.peaks[self.aggregator.name] = {"target_w": TARGET}
        for leaf in plant.leaves:
            plant.programs[leaf.name] = [{"name": "energy"}, {"name": "peak", "priority": 5}]
        for node in [self.aggregator, *plant.leaves]:
            plant.write_config(node)
        self.loads = plant.dir / "loads"
        self.loads.write_text("500")
        plant.battery_arguments = ["--load-file", self.loads, "--start-soc-pct", 80]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        self.await_peak(lambda peak: abs((peak["load_w"] or 0) - 2_000) < 50, "load of all homes")
        return plant

    def peak(self):
        return self.aggregator.get("/v1/status")["peak"]

    def await_peak(self, condition, what):
        def met():
            peak = self.peak()
            return peak if condition(peak) else None
        return wait_until(met, 30, what)

    @staticmethod
    def drawn(plant):
        """By all homes, as their connections have it."""
        return -sum(home["site_w"] for home in plant.battery_accounts()["batteries"])

    def test_the_homes_keep_their_peak_down_and_the_plant_gets_what_is_left(self):
        plant = self.street()
        self.assertIsNone(self.peak()["asked_w"])
        able = self.aggregator.get("/v1/status")["capacity"]["up"]["power_w"]
        # One home draws more than its own battery gives: it takes all four.
        extra = able * 9 // 10
        self.loads.write_text(f"{TARGET - 1_500 + extra} 500 500 500")
        peak = self.await_peak(lambda p: p["asked_w"] and abs(p["asked_w"] - extra) < 100,
                               "all that is above the target")
        self.assertEqual((peak["level_w"], peak["over_w"]), (TARGET, 0))
        wait_until(lambda: abs(self.drawn(plant) - TARGET) < 200, 30, "meters at the target")
        orders = {leaf.get("/v1/status")["site"]["order"] for leaf in plant.leaves}
        self.assertEqual(len(orders), 1)
        self.assertGreaterEqual(orders.pop(), 2**52)
        shown = plant.run(BIN / "vppctl", "--socket", self.aggregator.socket, "status")
        self.assertIn("PEAK    target 4.0 kW", shown)

        # Who serves the peak does nothing for the plant, and does once the peak is over.
        order = self.send(plant, 2_000, 600, "it-plant")
        wait_until(lambda: self.order(plant, order)["state"] == "active", 10, "order in force")
        self.assertEqual(plant.root.get("/v1/status")["order"]["shortfall_w"], 2_000)
        self.assertGreater(self.peak()["asked_w"], 0)
        self.loads.write_text("500")
        self.await_peak(lambda p: p["asked_w"] == 0, "load below the target")
        wait_until(lambda: self.peak()["asked_w"] is None, 60, "homes released")
        self.await_delivery(plant, 2_000)

        # The peak takes homes over from the plant's order.
        self.loads.write_text(f"{TARGET - 1_500 + extra} 500 500 500")
        wait_until(lambda: self.drawn(plant) > TARGET, 30, "a second peak")
        wait_until(lambda: abs(self.drawn(plant) - TARGET) < 200, 30, "meters at the target")
        told = [event["code"] for event in self.events(plant, "VPP_PEAK", self.aggregator)]
        self.assertEqual(told, ["VPP_PEAK", "VPP_PEAK_OVER", "VPP_PEAK"])

    def test_more_than_the_batteries_can_hold_is_told(self):
        plant = self.street()
        able = self.aggregator.get("/v1/status")["capacity"]["up"]["power_w"]
        self.loads.write_text(f"{TARGET + able + 5_000} 500 500 500")
        peak = self.await_peak(lambda p: p["over_w"] > 3_000, "a peak beyond the target")
        self.assertGreater(peak["asked_w"], 0)
        told = plant.run(BIN / "vppctl", "--socket", self.aggregator.socket, "events")
        self.assertIn("VPP_PEAK_BEYOND", told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
