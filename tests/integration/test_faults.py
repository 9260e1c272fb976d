"""Processes that are killed, frozen, beset or starved; nobody is ever counted twice meanwhile."""

import glob
import os
import resource
import signal
import socket
import threading
import unittest

from support import PlantCase, wait_until

LEAVES = 6
IDLE = 4_000


def pause(seconds):
    """How long a fault lasts; nothing is waited for."""
    threading.Event().wait(seconds)


def host_and_port(node):
    host, port = node.address.removeprefix("tcp://").split(":")
    return host, int(port)


class Killed(PlantCase):
    def test_whoever_is_killed_is_back_in_the_tree_after_its_restart(self):
        plant = self.running_plant(leaves=LEAVES, aggregators=2)
        self.watched(plant)
        number = self.send(plant, 6_000, 7_200, "it-killed")
        self.await_delivery(plant, 6_000)
        leaf = plant.leaves[0]
        leaf.kill()
        self.await_count(plant, LEAVES - 1)
        leaf.start()
        self.await_count(plant, LEAVES)
        aggregator = plant.aggregators[0]
        aggregator.kill()
        self.await_moved(plant.leaves, aggregator)
        self.await_count(plant, LEAVES)
        aggregator.start()
        plant.root.kill()
        plant.root.wait()
        plant.root.start()
        self.await_count(plant, LEAVES)
        self.assertEqual(self.order(plant, number)["state"], "active")
        self.await_delivery(plant, 6_000, timeout=40)


class Frozen(PlantCase):
    def freeze(self, plant, victim, seconds):
        victim.kill(signal.SIGSTOP)
        pause(seconds)
        moved = all(self.parent(leaf) not in (None, victim.id) for leaf in plant.leaves)
        counted = plant.online()
        victim.kill(signal.SIGCONT)
        wait_until(victim.attached, 60, f"{victim.name} attached again")
        self.await_count(plant, LEAVES)
        return moved, counted

    def test_an_aggregator_that_stops_for_5_or_30_s_is_left_and_comes_back(self):
        plant = self.running_plant(leaves=LEAVES, aggregators=2)
        self.watched(plant)
        self.freeze(plant, plant.aggregators[0], 5)
        moved, counted = self.freeze(plant, plant.aggregators[1], 30)
        self.assertTrue(moved, "leaves still wait for a parent that was gone for 30 s")
        self.assertEqual(counted, LEAVES)

    def test_leaves_that_stop_hold_up_nobody(self):
        plant = self.running_plant(leaves=LEAVES, aggregators=1)
        self.watched(plant)
        for leaf in plant.leaves[:2]:
            leaf.kill(signal.SIGSTOP)
        self.await_count(plant, LEAVES - 2)
        self.send(plant, 4_000, 7_200, "it-frozen-leaves")
        self.await_delivery(plant, 4_000)
        for leaf in plant.leaves[:2]:
            leaf.kill(signal.SIGCONT)
        self.await_count(plant, LEAVES)
        self.await_delivery(plant, 4_000)


class Beset(PlantCase):
    def test_4000_idle_connections_on_the_port_disturb_nobody(self):
        plant = self.running_plant(leaves=LEAVES, aggregators=1)
        self.watched(plant)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < IDLE + 200:
            self.skipTest(f"this machine allows {hard} open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        aggregator = plant.aggregators[0]
        idle = [socket.create_connection(host_and_port(aggregator), timeout=30)
                for _ in range(IDLE)]
        try:
            self.assertEqual(plant.online(), LEAVES)
            newcomer = plant.leaves[0]
            newcomer.stop()
            newcomer.start()
            wait_until(newcomer.attached, 60, "a leaf attached beside idle connections")
            self.send(plant, 4_000, 7_200, "it-idle")
            self.await_delivery(plant, 4_000)
            # They said nothing within the time for a handshake: the parent hangs up on them.
            wait_until(lambda: self.hung_up(idle) == IDLE, 60, "hung up connections", every=0.5)
        finally:
            for connection in idle:
                connection.close()
        self.await_count(plant, LEAVES)

    @staticmethod
    def hung_up(connections):
        done = 0
        for connection in connections:
            connection.setblocking(False)
            try:
                while connection.recv(4096):
                    pass
                done += 1
            except BlockingIOError:
                pass
            except OSError:
                done += 1
        return done

    def test_without_descriptors_a_node_says_so_keeps_its_children_and_recovers(self):
        plant = self.running_plant(leaves=LEAVES, aggregators=1)
        self.watched(plant)
        aggregator, late = plant.aggregators[0], plant.leaves[0]
        late.stop()
        self.await_count(plant, LEAVES - 1)
        pid = aggregator.get("/v1/status")["node"]["pid"]
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (self.lowest_free(pid), before[1]))
        # Nobody new can be answered, its operator neither; the log goes on.
        wait_until(lambda: "VPP_DESCRIPTORS_LOW" in aggregator.log_text(), 30, "log line")
        late.start()
        wait_until(lambda: late.try_get("/v1/status"), 30, f"{late.name}")
        self.send(plant, 4_000, 7_200, "it-descriptors")
        self.await_delivery(plant, 4_000)
        others = [leaf for leaf in plant.leaves if leaf is not late]
        self.assertTrue(all(self.parent(leaf) == aggregator.id for leaf in others))
        self.assertNotEqual(self.parent(late), aggregator.id, "there was no descriptor for it")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        self.await_count(plant, LEAVES)
        with socket.create_connection(host_and_port(aggregator), timeout=30) as newcomer:
            self.assertTrue(newcomer.recv(1), "a greeting for whoever comes now")
        wait_until(lambda: "VPP_DESCRIPTORS_LOW" not in self.codes(aggregator), 30, "health again")

    @staticmethod
    def lowest_free(pid):
        """The number that its next descriptor gets, once that stands still."""
        seen = []

        def stands_still():
            used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
            seen.append(next(n for n in range(len(used) + 1) if n not in used))
            return len(seen) > 3 and len(set(seen[-3:])) == 1
        wait_until(stands_still, 30, "descriptors at rest", every=0.3)
        return seen[-1]


FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


@unittest.skipIf(not FAKETIME, "faketime is not installed (tools/setup test)")
class Clocks(PlantCase):
    """The wall clocks of nodes, each stepped by a file; nothing else of the machine is changed."""

    def step(self, node, seconds):
        file = node.dir / "clock"
        new = node.dir / "clock.new"
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, file)

    def stepped_plant(self):
        plant = self.plant(leaves=LEAVES, aggregators=2)
        for node in plant.nodes:
            self.step(node, 0)
            node.env = dict(plant.env, LD_PRELOAD=FAKETIME[0], FAKETIME_NO_CACHE="1",
                            FAKETIME_TIMESTAMP_FILE=str(node.dir / "clock"),
                            FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
        plant.start_batteries()
        plant.start()
        plant.await_whole()
        return plant

    @staticmethod
    def sessions(plant):
        return {node.name: node.get("/v1/status")["uplink"]["session"]
                for node in plant.nodes if node.role != "root"}

    def test_clocks_that_step_by_an_hour_lose_nobody_and_change_no_order(self):
        plant = self.stepped_plant()
        self.watched(plant)
        number = self.send(plant, 6_000, 1_500, "it-clock")  # 25 s at this plant's speed
        self.await_delivery(plant, 6_000)
        sessions = self.sessions(plant)
        for seconds in (3600, -3600, 0):
            for node in plant.nodes:
                self.step(node, seconds)
            stepped = lambda: all(("VPP_CLOCK_STEPPED" in self.codes(n)) == bool(seconds)
                                  for n in plant.nodes)
            wait_until(stepped, 30, f"clocks that stand {seconds} s off")
            self.await_delivery(plant, 6_000)
            self.assertEqual(plant.online(), LEAVES)
            self.assertEqual(self.order(plant, number)["state"], "active")
        self.assertEqual(self.sessions(plant), sessions, "nobody had to join again")
        self.await_order_over(plant, number)
        delivered = self.order(plant, number)["delivered_wh"]
        self.assertAlmostEqual(delivered, 2_500, delta=125)


class DamagedState(PlantCase):
    def test_a_damaged_or_cut_store_is_refused_with_a_clear_message(self):
        plant = self.running_plant(leaves=2, aggregators=1)
        self.watched(plant)
        leaf = plant.leaves[0]
        leaf.stop()
        store = leaf.dir / "state" / "vppd.mdb"
        whole = store.read_bytes()
        damages = {
            "cut in half": whole[:len(whole) // 2],
            "cut to a page": whole[:4096],
            "overwritten": os.urandom(len(whole)),
            "a text": b"not a store\n" * 1000,
            "one bit of the uplink record": flipped(whole, b'"session"'),
        }
        for name, data in damages.items():
            with self.subTest(name):
                store.write_bytes(data)
                leaf.start()
                self.assertNotEqual(leaf.wait(20), 0)
                self.assertIn("vppd.mdb", leaf.log_text())
                self.assertIn("hint", leaf.log_text())
        store.write_bytes(whole)
        leaf.start()
        self.await_count(plant, 2)


def flipped(data, mark):
    """The last copy of a record that holds `mark`, with one bit of its text turned."""
    at = data.rindex(mark)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


if __name__ == "__main__":
    unittest.main(verbosity=2)
