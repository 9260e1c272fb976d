"""Who may join: only nodes whose certificate the fleet signed, that still holds, on its own key."""

import os
import shutil
import socket
import struct
import unittest

from support import Node, PlantCase, wait_until

try:
    import zmq
except ImportError:
    zmq = None

MALFORMED = 100_000


class Strangers(PlantCase):
    def test_a_node_of_another_fleet_is_refused(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        other = plant.dir / "other-authority"
        plant.run(plant.bin / "vppctl", "certs", "init", other)
        stranger = plant.leaves[1]
        stranger.stop()
        wait_until(lambda: plant.online() == 1, 20, "one leaf gone")
        (stranger.dir / "node.cert").unlink()
        plant.run(plant.bin / "vppctl", "certs", "sign", "--authority", other, "--request",
                  stranger.dir / "node.request", "--out", stranger.dir / "node.cert")
        # It believes its own authority, so that only the parent can refuse it.
        text = (stranger.dir / "vppd.toml").read_text()
        (stranger.dir / "vppd.toml").write_text(
            text.replace(f"{plant.authority}/fleet.pub", f"{other}/fleet.pub"))
        stranger.start()
        aggregator = plant.aggregators[0]
        wait_until(lambda: self.dropped(aggregator, "bad_cert") > 0, 20,
                   "refused stranger in the metrics")
        self.assertFalse(stranger.attached())
        self.assertEqual(plant.online(), 1)

    @unittest.skipIf(shutil.which("faketime") is None, "faketime is not installed")
    def test_an_expired_certificate_is_refused_by_the_parent_and_by_its_own_node(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        late = plant.leaves[1]
        late.stop()
        wait_until(lambda: plant.online() == 1, 20, "one leaf gone")
        (late.dir / "node.cert").unlink()
        plant.run("faketime", "100 days ago", plant.bin / "vppctl", "certs", "sign", "--authority",
                  plant.authority, "--request", late.dir / "node.request", "--out",
                  late.dir / "node.cert", "--days", "90")
        late.start()
        self.assertNotEqual(late.wait(10), 0)
        self.assertIn("expired", late.log_text())

        # A node whose clock is a hundred days slow believes itself; its parent knows better.
        late.command = ["faketime", "100 days ago", *late.command]
        late.env = dict(plant.env, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
        late.start()
        aggregator = plant.aggregators[0]
        wait_until(lambda: self.dropped(aggregator, "expired") > 0, 20,
                   "refused certificate in the metrics")
        self.assertFalse(late.attached())
        self.assertEqual(plant.online(), 1)


class Frames(PlantCase):
    def test_raw_garbage_on_the_port_changes_nothing(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        host, port = plant.aggregators[0].address.removeprefix("tcp://").split(":")
        for _ in range(200):
            with socket.create_connection((host, int(port)), timeout=5) as raw:
                raw.sendall(os.urandom(512))
        self.assertTrue(plant.aggregators[0].alive())
        self.assertEqual(plant.online(), 2)

    @unittest.skipIf(zmq is None, "python3-zmq is not installed")
    def test_100000_malformed_frames_are_dropped_and_counted(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        aggregator = plant.aggregators[0]
        context = zmq.Context()
        peer = context.socket(zmq.DEALER)
        peer.setsockopt(zmq.LINGER, 10_000)
        peer.setsockopt(zmq.SNDHWM, 1000)
        public, secret = zmq.curve_keypair()
        peer.curve_publickey, peer.curve_secretkey = public, secret
        peer.curve_serverkey = aggregator.server_key.encode()
        peer.connect(aggregator.address)
        for i in range(MALFORMED):
            peer.send(struct.pack("<I", i) + os.urandom(i % 200))

        def seen():
            return self.dropped(aggregator, "malformed", "unproven", "misdirected")
        wait_until(lambda: seen() >= MALFORMED * 0.99, 60, "counted malformed frames", every=0.2)
        peer.close()
        context.term()
        self.assertTrue(aggregator.alive())
        self.assertEqual(plant.online(), 2)
        self.assertLess(len(aggregator.log_text()), 200_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
