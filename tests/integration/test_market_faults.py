"""A market does all wrong that it can: the root does nothing twice, and `vppctl market` says it."""

import http.client
import json
import subprocess
import unittest

from support import BIN, PlantCase, PlantError, control, wait_until


class MarketFaults(PlantCase):
    @staticmethod
    def state(plant):
        return control.get_http(plant.market_port, "/v1/state")

    @staticmethod
    def set_faults(plant, **faults):
        connection = http.client.HTTPConnection("127.0.0.1", plant.market_port, timeout=5)
        connection.request("POST", "/v1/faults", json.dumps(faults))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()

    @staticmethod
    def vppctl(plant, *arguments):
        return subprocess.run([BIN / "vppctl", "--socket", plant.root.socket, *arguments],
                              check=True, capture_output=True, text=True).stdout

    def health(self, plant):
        return json.loads(self.vppctl(plant, "-o", "json", "market"))

    def await_health(self, plant, good, what):
        found = []

        def look():
            found[:] = [self.health(plant)]
            return good(found[0])
        try:
            wait_until(look, 180, what, every=0.2)
        except PlantError as problem:
            raise AssertionError(f"{problem}: {json.dumps(found)}") from problem
        return found[0]

    def plant_at_market(self, *arguments):
        plant = self.plant(leaves=2, aggregators=1)
        plant.market_arguments = [*arguments]
        plant.start_market()
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        return plant

    def check_books(self, plant):
        state = self.state(plant)
        self.assertEqual(state["double_bids"], 0)
        self.assertEqual(state["counters"]["deliveries_conflicting"], 0)
        self.assertEqual(state["counters"]["bids_invalid"], 0)
        return state

    def await_settled(self, plant):
        """Of all that were won by now."""
        won = {a["key"] for a in self.state(plant)["awards"] if a["power_w"] > 0}
        self.assertTrue(won)
        wait_until(lambda: won <= {s["key"] for s in self.state(plant)["settlements"]}, 120,
                   "a settlement for every award won", every=0.5)

    def test_a_market_that_fails_in_every_way_is_bid_to_once_and_said(self):
        plant = self.plant_at_market()
        self.await_health(plant, lambda h: h["real_time"]["last"] and h["clock"]["agrees"],
                          "prices and a clock")
        self.set_faults(plant, error_permille=400, half_body_permille=200, odd_permille=200,
                        corrected_permille=1000, corrected_after_ms=1_800_000,
                        duplicate_awards=1, changed_awards=1)
        bids = len(self.state(plant)["bids"])
        wait_until(lambda: len(self.state(plant)["bids"]) > bids + 1, 90, "bids all the same",
                   every=0.2)
        self.await_settled(plant)
        health = self.await_health(
            plant, lambda h: h["failures"] and h["prices_refused"] and h["corrections"]["all"] and
            h["awards"]["contradicted"], "failures, refused and corrected prices, contradictions")
        self.assertIn("awarded first", health["awards"]["contradiction"])
        self.assertTrue(health["last_error"]["text"])
        self.assertIn("contradicted; the first counts", self.vppctl(plant, "market"))
        self.check_books(plant)

    def test_a_busy_market_is_left_alone_until_it_said(self):
        plant = self.plant_at_market()
        wait_until(lambda: self.state(plant)["bids"], 60, "first bid")
        self.set_faults(plant, busy_permille=1000, retry_after_s=20)
        health = self.await_health(plant, lambda h: h["quiet_for_ms"], "the wait that is asked for")
        self.assertLessEqual(health["quiet_for_ms"], 20_000)
        self.assertIn("as the market asked", self.vppctl(plant, "market"))
        self.set_faults(plant)
        calls = health["failures"]
        self.await_health(plant, lambda h: h["quiet_for_ms"] is None, "the end of the wait")
        # One batch of calls may have been on its way.
        self.assertLess(self.health(plant)["failures"] - calls, 5)
        self.await_settled(plant)
        self.check_books(plant)

    def test_a_clock_in_another_zone_ends_bidding_until_it_is_right(self):
        plant = self.plant_at_market()
        wait_until(lambda: self.state(plant)["bids"], 60, "first bid")
        self.set_faults(plant, clock_shift_ms=-36_000_000)
        health = self.await_health(plant, lambda h: not h["clock"]["agrees"], "the other clock")
        self.assertAlmostEqual(health["clock"]["ahead_ms"], -36_000_000, delta=900_000)
        self.assertIn("another clock than ours", self.vppctl(plant, "market"))
        bids = len(plant.root.get("/v1/bids")["bids"])
        prices = len(plant.root.get("/v1/market/prices")["prices"])
        # Gates close every 15 s of real time.
        calls = health["real_time"]["last_age_ms"]
        self.await_health(plant, lambda h: h["real_time"]["last_age_ms"] > calls + 20_000,
                          "a gate that closed meanwhile")
        self.assertEqual(len(plant.root.get("/v1/bids")["bids"]), bids)
        self.assertEqual(len(plant.root.get("/v1/market/prices")["prices"]), prices)
        self.set_faults(plant)
        wait_until(lambda: len(plant.root.get("/v1/bids")["bids"]) > bids, 60, "bids again")
        self.check_books(plant)

    def test_two_sessions_are_bid_to_side_by_side(self):
        # Market time begins at 17:40.
        plant = self.plant_at_market("--day-ahead", "UTC", "--day-ahead-closes", "19h")
        wait_until(lambda: "day_ahead" in {
            g["session"] for g in plant.root.get("/v1/market/gates")["gates"]}, 30, "gates of both")

        def sold():
            keys = {a["key"] for a in self.state(plant)["awards"] if a["power_w"] > 0}
            return any(k.startswith("bid-da-") for k in keys) and any(
                not k.startswith("bid-da-") for k in keys)
        wait_until(sold, 150, "something sold in each session", every=0.5)
        self.await_health(plant, lambda h: h["day_ahead"]["last"], "day-ahead prices")
        position = json.loads(self.vppctl(plant, "-o", "json", "market", "position"))["position"]
        self.assertTrue(any(p["awarded_w"] > 0 for p in position))
        self.assertIn("day_ahead", self.vppctl(plant, "market", "prices") +
                      self.vppctl(plant, "market", "gates"))
        self.check_books(plant)


if __name__ == "__main__":
    unittest.main(verbosity=2)
