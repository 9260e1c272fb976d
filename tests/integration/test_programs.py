"""Orders for programs and groups, side by side; an owner who opts out; the grid's frequency."""

import unittest

from support import BIN, PlantCase, wait_until


class Programs(PlantCase):
    def plant_of_two_feeders(self):
        """Six homes below two aggregators; feeders cut across them, three homes each. Nothing but
        the plant moves the batteries."""
        plant = self.plant(leaves=6, aggregators=2, speed=1)
        for i, leaf in enumerate(plant.leaves):
            plant.groups[leaf.name] = {"feeder": "a" if i < 3 else "b"}
            plant.programs[leaf.name] = [{"name": "energy"}]
        plant.programs[plant.leaves[0].name].append({"name": "emergency", "priority": 10})
        for leaf in plant.leaves:
            plant.write_config(leaf)
        self.grid = plant.dir / "hz"
        self.grid.write_text("50.0")
        plant.battery_arguments = ["--idle-homes", "--frequency-file", self.grid]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        self.await_scope(plant, "energy", "feeder=a", lambda part: part["online"] == 3)
        self.await_scope(plant, "energy", "feeder=b", lambda part: part["online"] == 3)
        return plant

    @staticmethod
    def scope(plant, program, group):
        for part in plant.root.get("/v1/programs")["below"]:
            if (part["program"], part["group"]) == (program, group):
                return part
        return None

    def await_scope(self, plant, program, group, condition, timeout=20):
        def met():
            part = self.scope(plant, program, group)
            return part if part and condition(part) else None
        return wait_until(met, timeout, f"{program} {group} as it should be")

    def send(self, plant, key, power_w, **scope):
        body = {"key": key, "power_w": power_w, "duration_s": 600, **scope}
        return plant.root.post("/v1/orders", body)["order"]["id"]

    @staticmethod
    def follows(leaf, order):
        return leaf.get("/v1/status")["site"]["order"] == order

    @staticmethod
    def near(asked):
        return lambda part: abs(part["measured_w"] - asked) <= 0.03 * abs(asked)

    @staticmethod
    def account(leaf):
        """Of the frequency; apart from those of energy."""
        return leaf.get("/v1/status")["site"]["frequency"]["accounts"][-1]

    def test_two_feeders_do_different_things_at_once(self):
        plant = self.plant_of_two_feeders()
        give = self.send(plant, "it-give", 3_000, group="feeder=a")
        take = self.send(plant, "it-take", -2_400, group="feeder=b")
        self.await_scope(plant, "energy", "feeder=a", self.near(3_000))
        self.await_scope(plant, "energy", "feeder=b", self.near(-2_400))
        for i, leaf in enumerate(plant.leaves):
            self.assertTrue(self.follows(leaf, give if i < 3 else take), leaf.name)
        shown = plant.run(BIN / "vppctl", "--socket", plant.root.socket, "programs")
        self.assertIn("feeder=a", shown)
        listed = plant.run(BIN / "vppctl", "--socket", plant.root.socket, "orders", "list")
        self.assertIn("energy feeder=b", listed)

        # Its owner wants no more of this event; two others of the feeder make up for it.
        home = plant.leaves[1]
        said = plant.run(BIN / "vppctl", "--socket", home.socket, "optout")
        self.assertIn("opted out until", said)
        self.await_scope(plant, "energy", "feeder=a", self.near(3_000))
        wait_until(lambda: not self.follows(home, give), 10, "a home that has stopped")
        self.assertTrue(self.follows(plant.leaves[0], give))

        # The emergency takes the first home over; whoever is left does what it can.
        help_me = self.send(plant, "it-help", 1_500, program="emergency")
        self.await_scope(plant, "emergency", None, self.near(1_500))
        self.assertTrue(self.follows(plant.leaves[0], help_me))
        self.assertTrue(self.follows(plant.leaves[2], give))
        plant.root.post(f"/v1/orders/{help_me}/cancel", {})
        self.await_scope(plant, "energy", "feeder=a", self.near(3_000))

    def test_nobody_is_asked_for_a_group_that_is_not_there(self):
        plant = self.plant_of_two_feeders()
        with self.assertRaisesRegex(Exception, "no site below serves energy in feeder=c"):
            self.send(plant, "it-wrong", 1_000, group="feeder=c")

    def test_homes_armed_for_the_frequency_answer_to_it_by_themselves(self):
        plant = self.plant_of_two_feeders()
        order = self.send(plant, "it-droop", 3_000, group="feeder=a", service="frequency")
        self.await_scope(plant, "energy", "feeder=a", self.near(3_000))  # armed, not delivered
        first = plant.leaves[0]
        self.assertTrue(first.get("/v1/status")["site"]["frequency"]["armed"])
        self.assertEqual(sum(leaf.get("/v1/status")["site"]["set_point_w"]
                             for leaf in plant.leaves), 0)
        self.grid.write_text("49.8")  # 200 mHz low: all of it
        wait_until(lambda: abs(plant.root.get("/v1/programs")["droop_w"] - 3_000) < 100, 10,
                   "response of the armed homes in the root's sum")
        armed = plant.leaves[:3]
        wait_until(lambda: sum(self.account(leaf)["discharged_wh"] for leaf in armed) > 0, 20,
                   "energy on the account of the frequency")
        self.grid.write_text("50.105")  # half way up
        wait_until(lambda: abs(plant.root.get("/v1/programs")["droop_w"] + 1_500) < 100, 10,
                   "response the other way")
        self.grid.write_text("50.005")
        wait_until(lambda: abs(plant.root.get("/v1/programs")["droop_w"]) < 50, 10,
                   "rest within the dead band")
        self.assertEqual(plant.root.get("/v1/programs")["armed_w"], 3_000)
        self.assertTrue(all(self.account(leaf)["order"] == order for leaf in armed))


if __name__ == "__main__":
    unittest.main(verbosity=2)
