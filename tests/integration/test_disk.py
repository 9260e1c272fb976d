"""A full disk: said, survived, and nothing is sent that could not be made durable."""

import os
import subprocess
import unittest

from support import PlantCase, control, wait_until


class FullDisk(PlantCase):
    def setUp(self):
        super().setUp()
        self.mounted = []

    def tearDown(self):
        super().tearDown()
        for path in self.mounted:
            subprocess.run(["umount", "-l", path], check=False)

    def small_state(self, plant, node):
        state = node.dir / "state"
        state.mkdir(exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", state],
                              capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("this machine allows no tmpfs mount")
        self.mounted.append(state)
        return state

    def test_a_root_with_a_full_disk_says_so_and_goes_on_when_there_is_room(self):
        plant = self.plant(leaves=2, aggregators=1)
        state = self.small_state(plant, plant.root)
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        ballast = state / "ballast"
        with open(ballast, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"\0" * 4096)
            except OSError:
                pass
        refused = 0
        for i in range(200):
            try:
                self.send(plant, 1_000, 60, f"it-full-{i}")
            except (control.Refused, control.Unreachable):
                refused += 1
                break
        self.assertEqual(refused, 1, "a full disk must refuse an order sooner or later")
        self.assertTrue(plant.root.alive())
        self.assertTrue(self.events(plant, "VPP_STORE_FULL"))
        os.unlink(ballast)

        def booked():
            try:
                return self.send(plant, 1_000, 600, "it-room")
            except (control.Refused, control.Unreachable):
                return None
        number = wait_until(booked, 20, "an order booked with room again", every=0.2)
        self.await_delivery(plant, 1_000)
        self.assertEqual(self.order(plant, number)["state"], "active")


if __name__ == "__main__":
    unittest.main(verbosity=2)
