"""The events of an OpenADR server move batteries; servers that change their mind, fail, and come
back."""

import unittest

from support import BIN, PlantCase, wait_until
from vtn import CLIENT, Vtn, rfc3339

NOW = "0001-01-01T00:00:00Z"


class Toml:
    """A value of the config as it is written."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


OBEY = Toml('[{payload = "CONTROL_SETPOINT", positive = "export"}, '
            '{payload = "DISPATCH_SETPOINT"}, {payload = "SIMPLE", level_1_w = 1000}]')


class OpenAdr(PlantCase):
    def obedient(self, version="3.1", token_lasts=3600, speed=10, leaves=2):
        vtn = Vtn(version, token_lasts=token_lasts).start()
        self.addCleanup(vtn.stop)
        plant = self.plant(leaves=leaves, aggregators=1, speed=speed)
        secret = plant.dir / "openadr.secret"
        secret.write_text(CLIENT[1] + "\n")
        plant.sections["root"] = {"openadr": {
            "url": vtn.url, "version": version[:3], "ven_name": "our plant",
            "client_id": CLIENT[0], "client_secret_file": str(secret), "poll_s": 1,
            "obey": OBEY}}
        plant.write_config(plant.root)
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        return plant, vtn

    @staticmethod
    def openadr(plant):
        return plant.root.get("/v1/openadr")

    @staticmethod
    def orders(plant):
        orders = plant.root.get("/v1/orders")["orders"]
        return [each for each in orders if each["source"] == "openadr"]

    def await_power(self, plant, watts, timeout=60):
        def there():
            tree = plant.root.try_get("/v1/tree")
            measured = [child.get("measured_w") for child in tree["children"]] if tree else [None]
            return None not in measured and abs(sum(measured) - watts) <= max(20, abs(watts) // 50)
        wait_until(there, timeout, f"{watts} W measured", every=0.1)

    def test_an_event_moves_the_batteries_is_changed_cancelled_and_reported(self):
        plant, vtn = self.obedient()
        wait_until(lambda: vtn.resources, 30, "a resource")
        self.assertEqual(vtn.vens[0]["venName"], "our plant")
        start = rfc3339(plant.market_now())
        event = vtn.add_event(start, "PT10M", [{"CONTROL_SETPOINT": 3}] * 6, reportDescriptors=[
            {"payloadType": "DEMAND", "startInterval": 0, "numIntervals": 1, "repeat": 1}])
        self.await_power(plant, 3000)
        vtn.change(event, intervals=[{"id": i, "payloads": [
            {"type": "CONTROL_SETPOINT", "values": [-2]}]} for i in range(6)])
        self.await_power(plant, -2000)
        states = [order["state"] for order in self.orders(plant)]
        self.assertIn("cancelled", states)
        # The report of the first interval, ten minutes of market time from its begin.
        wait_until(lambda: vtn.reports_of(event), 120, "a report", every=0.2)
        report = vtn.reports_of(event)[0]
        interval = report["resources"][0]["intervals"][0]
        values = {each["type"]: each["values"][0] for each in interval["payloads"]}
        self.assertEqual(interval["intervalPeriod"]["duration"], "PT10M")
        self.assertIn(values["DATA_QUALITY"], ("OK", "ESTIMATED"))
        self.assertGreater(values["DEMAND"], -3.1)  # consumption > 0: first it gave, then it took
        self.assertLess(values["DEMAND"], 2.1)
        self.assertEqual(report["payloadDescriptors"][0]["units"], "KW")
        vtn.delete(event)
        self.await_power(plant, 0)
        self.assertEqual(vtn.problems, [])

    def test_what_homes_drew_survives_a_kill_and_a_baseline_of_no_days_is_missing(self):
        plant, vtn = self.obedient(speed=120)
        event = vtn.add_event(rfc3339(plant.market_now()), "PT15M", [{"CONTROL_SETPOINT": 1}] * 2,
                              reportDescriptors=[{"payloadType": "BASELINE"}])

        def load():
            told = plant.root.get("/v1/forecast/load")
            return told if told["hours_known"] else None
        known = wait_until(load, 120, "an hour of the homes' meters", every=0.5)
        self.assertEqual((known["metered"], known["enrolled"]), (2, 2))
        self.assertEqual(len(known["hours"]), 24)
        report = wait_until(lambda: vtn.reports_of(event), 60, "a report", every=0.2)[0]
        for interval in report["resources"][0]["intervals"]:
            values = {each["type"]: each["values"][0] for each in interval["payloads"]}
            self.assertEqual(values, {"DATA_QUALITY": "MISSING"})
        plant.root.kill()
        plant.root.wait()
        plant.root.start()
        plant.await_whole()
        self.assertGreaterEqual(load()["hours_known"], known["hours_known"])
        printed = plant.run(BIN / "vppctl", "--socket", plant.root.socket, "forecast", "--load")
        self.assertIn("2 of 2 homes are metered", printed)

    def test_a_server_that_fails_dies_and_comes_back_finds_its_events_obeyed(self):
        plant, vtn = self.obedient(token_lasts=4)
        event = vtn.add_event(NOW, "PT2H", [{"CONTROL_SETPOINT": 2}])
        self.await_power(plant, 2000)
        keys = [order["key"] for order in self.orders(plant)]
        vtn.faults = ["500", "429", "half", "hang-up", "500"]
        wait_until(lambda: not vtn.faults, 60, "faults used up", every=0.1)
        vtn.forget_tokens()
        vtn.stop()

        wait_until(lambda: "VPP_OPENADR_UNREACHABLE" in self.codes(plant.root), 60, "unreachable")
        self.await_power(plant, 2000)  # what is known goes on
        plant.root.kill()
        plant.root.wait()
        plant.root.start()
        plant.await_whole()
        self.await_power(plant, 2000)  # from the journal
        vtn.start()
        wait_until(lambda: self.openadr(plant)["state"] == "polling", 120, "polling", every=0.2)
        self.assertNotIn("VPP_OPENADR_UNREACHABLE", self.codes(plant.root))
        given = vtn.tokens_given
        wait_until(lambda: vtn.tokens_given >= given + 2, 60, "tokens renewed", every=0.2)
        self.assertEqual([order["key"] for order in self.orders(plant)], keys)
        self.assertEqual(len(vtn.vens), 1)
        vtn.change(event, intervalPeriod={"start": NOW, "duration": "PT0S"})
        self.await_power(plant, 0)
        self.assertEqual(self.openadr(plant)["events"][0]["state"], "cancelled")

    def test_the_older_version_is_spoken_and_what_cannot_be_obeyed_is_said(self):
        plant, vtn = self.obedient(version="3.0.1")
        vtn.add_event(NOW, "PT2H", [{"DISPATCH_SETPOINT": -1, "CURVE": 1}])
        self.await_power(plant, 1000)
        shown = self.openadr(plant)["events"][0]
        self.assertEqual(shown["not_obeyed"], {"CURVE": "the config has no rule for it"})
        self.assertEqual(shown["orders"][0]["power_w"], 1000)
        self.assertEqual(vtn.problems, [])
        self.assertNotIn(("GET", "/auth/server"), vtn.requests)
        printed = plant.run(BIN / "vppctl", "--socket", plant.root.socket, "openadr")
        self.assertIn("DISPATCH_SETPOINT", printed)
        self.assertIn("the config has no rule for it", printed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
