"""A subtree that loses the root does what it was told ahead, goes home, and accounts for it once."""

import datetime
import unittest

from support import PlantCase, wait_until

SPEED = 60


def site(leaf):
    status = leaf.try_get("/v1/status")
    return status["site"] if status and status["site"] else {"mode": None, "order": None,
                                                             "accounts": []}


def said_wh(leaves, order):
    """What the leaves say that they delivered for an order."""
    return sum(account["delivered_wh"] for leaf in leaves for account in site(leaf)["accounts"]
               if account["order"] == order)


class CutOff(PlantCase):
    def quiet_plant(self, **options):
        """No load and no PV: whatever the batteries move, they move for the plant."""
        plant = self.plant(speed=SPEED, **options)
        plant.battery_arguments = ["--idle-homes"]
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        return plant

    def book(self, plant, power_w, begins_in_s, lasts_s, key):
        """Times in real seconds from now; the order's number."""
        begin = plant.market_now() + datetime.timedelta(seconds=begins_in_s * SPEED)
        body = {"key": key, "power_w": power_w, "duration_s": lasts_s * SPEED,
                "from_ms": int(begin.timestamp() * 1000)}
        return plant.root.post("/v1/orders", body)["order"]["id"]

    def await_account(self, plant, order):
        """Until the root's receipts are what the leaves say. Of one reading: a leaf that came back is
        left out for a moment, until it is counted again."""
        told = []
        def equal():
            told[:] = [self.order(plant, order)["delivered_wh"]]
            return told[0] is not None and abs(told[0] - said_wh(plant.leaves, order)) < 0.01
        wait_until(equal, 30, f"receipts of order {order} that equal what the leaves say")
        return told[0]

    def test_a_plant_without_its_root_follows_the_schedule_and_then_goes_home(self):
        plant = self.quiet_plant(leaves=6, aggregators=2)
        first = self.book(plant, 9_000, 0, 12, "it-first")
        second = self.book(plant, -4_000, 12, 8, "it-second")
        self.await_delivery(plant, 9_000)
        plant.root.kill()
        plant.root.wait()

        # Nobody is there to tell them.
        wait_until(lambda: any(site(leaf)["order"] == second for leaf in plant.leaves), 30,
                   "a leaf that follows the second order without a root")
        wait_until(lambda: all(site(leaf)["mode"] == "local_default" for leaf in plant.leaves), 30,
                   "local default everywhere")

        plant.root.start()
        plant.await_whole()
        delivered = self.await_account(plant, first)
        self.assertAlmostEqual(delivered, 9_000 * 12 * SPEED / 3600, delta=0.08 * 1800)
        self.assertLess(self.await_account(plant, second), -0.85 * 4_000 * 8 * SPEED / 3600)
        accounts = plant.battery_accounts()["batteries"]
        given = sum(b["injected_j"] - b["absorbed_j"] for b in accounts) / 3600
        told = sum(self.order(plant, number)["delivered_wh"] for number in (first, second))
        self.assertAlmostEqual(given, told, delta=0.05 * 1800)

    def test_a_leaf_killed_after_its_order_still_accounts_for_it(self):
        plant = self.quiet_plant(leaves=2, aggregators=1)
        number = self.book(plant, 4_000, 0, 5, "it-kept")
        self.await_order_over(plant, number)
        self.await_account(plant, number)
        victim = max(plant.leaves, key=lambda leaf: said_wh([leaf], number))
        self.assertGreater(said_wh([victim], number), 0)
        wait_until(lambda: victim.try_get("/v1/status")["site"]["mode"] == "local_default", 10,
                   "the end of the order at the leaf")
        self.await_durable(victim)
        mine = said_wh([victim], number)  # with its last joules
        delivered = self.await_account(plant, number)
        victim.kill()
        victim.wait()
        victim.start()
        plant.await_whole()
        wait_until(lambda: abs(said_wh([victim], number) - mine) < 0.01, 10,
                   "the account of the earlier life")
        self.assertAlmostEqual(self.await_account(plant, number), delivered, delta=0.01)

    @staticmethod
    def await_durable(leaf):
        """An account is whole and durable a few seconds after the end of its order."""
        begin = leaf.get("/v1/status")["node"]["uptime_ms"]
        wait_until(lambda: leaf.get("/v1/status")["node"]["uptime_ms"] > begin + 5_000, 20,
                   "five seconds of its own clock")


if __name__ == "__main__":
    unittest.main(verbosity=2)
