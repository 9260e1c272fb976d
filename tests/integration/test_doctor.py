"""`vppctl doctor` names what is wrong with a link. Every diagnosis is provoked for real."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import unittest

import zmq

from support import BIN, PlantCase, json, wait_until


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          **options)


def diagnose(file, *prefix, expect=1, arguments=()):
    """The findings by code; the texts of all that is well under "ok"."""
    done = run(*prefix, BIN / "vppctl", "-o", "json", "doctor", "--config", file, *arguments)
    assert done.returncode == expect, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    document = json.loads(done.stdout)
    assert document["kind"] == "doctor"
    found = {"ok": ""}
    for finding in document["findings"]:
        assert (finding["code"] is None) == (finding["verdict"] == "ok"), finding
        if finding["code"] is None:
            found["ok"] += finding["text"] + "\n"
        else:
            found.setdefault(finding["code"], finding)
    return found


class Listener:
    """A TCP port that is taken by something else than a vppd."""

    def __init__(self, says=None, full=False):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0 if full else 8)
        self.address = f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"
        self.held = []
        if full:  # nobody takes connections: when the queue is full, the kernel drops what comes
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(self.socket.getsockname())
                self.held.append(one)
        else:
            threading.Thread(target=self.serve, args=(says,), daemon=True).start()

    def serve(self, says):
        while True:
            try:
                one, _ = self.socket.accept()
            except OSError:
                return
            self.held.append(one)
            if says:
                one.sendall(says)

    def close(self):
        for one in (*self.held, self.socket):
            one.close()


class Router:
    """A ZeroMQ socket; with `answer`, it answers each frame with answer(frame)."""

    def __init__(self, curve=True, answer=None):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        public, secret = zmq.curve_keypair()
        self.key = public.decode()
        if curve:
            self.socket.curve_server = True
            self.socket.curve_secretkey = secret
        port = self.socket.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{port}"
        self.answer = answer
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.over.is_set():
            if not self.socket.poll(50):
                continue
            who, frame = self.socket.recv_multipart()[:2]
            if self.answer:
                self.socket.send_multipart([who, self.answer(frame)])

    def close(self):
        self.over.set()
        self.thread.join()
        self.socket.close()
        self.context.term()


def newer_version(frame):
    """The version is the first byte of the third packed word, behind the segment table and the
    root pointer; a byte before each word says which of its bytes are there."""
    changed = bytearray(frame)
    at = 0
    for _ in range(2):
        at += 1 + bin(frame[at]).count("1")
    changed[at + 1] += 1
    return bytes(changed)


class DoctorCase(PlantCase):
    def variant(self, node, name, replace=(), parents=None):
        """A config beside the node's own."""
        text = (node.dir / "vppd.toml").read_text()
        for old, new in replace:
            self.assertIn(old, text)
            text = text.replace(old, new)
        if parents is not None:
            head, *rest = text.split("[[parents]]\n")
            tail = rest[-1].split("\n", 2)[2]
            lines = "".join(f"[[parents]]\naddress = \"{address}\"\nserver_key = '{key}'\n"
                            for address, key in parents)
            text = head + lines + tail
        file = node.dir / f"{name}.toml"
        file.write_text(text)
        return file

    def closing(self, thing):
        self.addCleanup(thing.close)
        return thing


class Links(DoctorCase):
    """Of a leaf whose vppd does not run, below an aggregator that does."""

    def setUp(self):
        super().setUp()
        self.it = self.plant(leaves=1, aggregators=2)
        self.agg, self.other = self.it.aggregators
        self.leaf = self.it.leaves[0]

    def start(self, *nodes):
        self.it.start(nodes)
        for node in nodes:
            if node.role != "root":
                wait_until(node.attached, 30, f"{node.name} attached")

    def to(self, *parents, **options):
        return diagnose(self.variant(self.leaf, "link", parents=parents), **options)

    def test_a_link_that_works_is_well_and_nothing_changes_at_the_parent(self):
        self.start(self.it.root, self.agg)
        before = self.agg.get("/v1/status")
        found = self.to((self.agg.address, self.agg.server_key), expect=0)
        self.assertIn("1 below the root", found["ok"])
        self.assertIn("VPP_NOT_RUNNING", found)
        after = self.agg.get("/v1/status")
        for part in ("tree", "membership"):
            self.assertEqual(before[part], after[part])
        self.assertEqual(before["wire"]["handshakes_failed"], after["wire"]["handshakes_failed"])

    def test_names_ports_and_strangers_are_told_apart(self):
        key = self.agg.server_key
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            refused = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        for code, address, hint in (
                ("VPP_LINK_NAME_UNKNOWN", "tcp://no-such-host.invalid:9402", "spelt"),
                ("VPP_LINK_REFUSED", refused, "does vppd run there"),
                ("VPP_LINK_FILTERED", self.closing(Listener(full=True)).address, "firewall"),
                ("VPP_LINK_QUIET", self.closing(Listener()).address, "frozen"),
                ("VPP_LINK_NOT_VPPD",
                 self.closing(Listener(says=b"HTTP/1.1 400 Bad Request\r\n\r\n")).address,
                 "[listen] address"),
                ("VPP_LINK_NO_CURVE", self.closing(Router(curve=False)).address,
                 "[listen] address")):
            with self.subTest(code=code):
                found = self.to((address, key))
                self.assertIn(code, found)
                self.assertIn(address, found[code]["text"])
                self.assertIn(hint, found[code]["hint"])

    def test_a_resolver_that_does_not_answer_is_not_called_an_unknown_name(self):
        conf = self.it.dir / "resolv.conf"
        conf.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        file = self.variant(self.leaf, "link",
                            parents=[("tcp://agg-1.example.org:9402", self.agg.server_key)])
        inside = ("unshare", "-m", "sh", "-c",
                  f"mount --bind {conf} /etc/resolv.conf && exec \"$@\"", "sh")
        if run(*inside, "true").returncode != 0:
            self.skipTest("this machine allows no mount namespace")
        found = diagnose(file, *inside)
        self.assertIn("VPP_LINK_RESOLVER", found)

    def test_a_wrong_key_a_silent_peer_and_another_version_are_told_apart(self):
        self.start(self.it.root, self.agg)
        found = self.to((self.agg.address, self.other.server_key))
        self.assertIn("VPP_LINK_WRONG_KEY", found)
        self.assertIn(self.other.server_key, found["VPP_LINK_WRONG_KEY"]["text"])
        silent = self.closing(Router())
        self.assertIn("VPP_LINK_SILENT", self.to((silent.address, silent.key)))
        newer = self.closing(Router(answer=newer_version))
        found = self.to((newer.address, newer.key))
        self.assertIn("VPP_LINK_VERSION", found)
        self.assertIn("protocol version 2, ours is 1", found["VPP_LINK_VERSION"]["text"])

    def test_a_node_whose_parent_speaks_a_newer_version_says_so(self):
        newer = self.closing(Router(answer=newer_version))
        file = self.variant(self.leaf, "newer", parents=[(newer.address, newer.key)])
        self.leaf.command[-1] = str(file)
        self.it.start([self.leaf])
        wanted = {"VPP_NO_PARENT", "VPP_PROTOCOL_VERSION"}
        wait_until(lambda: self.leaf.try_get("/v1/status") and wanted <= self.codes(self.leaf), 30,
                   f"health codes {wanted}")

    def test_a_parent_without_a_root_and_a_frozen_one_are_told_apart(self):
        self.start(self.it.root, self.agg)
        self.it.root.kill()
        wait_until(lambda: not self.agg.attached(), 30, "agg-1 without a root")
        parent = (self.agg.address, self.agg.server_key)
        self.assertIn("VPP_LINK_NO_ROOT", self.to(parent))
        self.agg.kill(signal.SIGSTOP)
        found = self.to(parent)
        self.agg.kill(signal.SIGCONT)
        self.assertIn("VPP_LINK_QUIET", found)

    def test_a_ring_and_a_parent_that_is_the_node_itself_are_named(self):
        self.it.write_config(self.other, parents=[self.agg])
        self.start(self.it.root, self.agg, self.other)
        ring = self.variant(self.agg, "ring", parents=[
            (self.other.address, self.other.server_key),
            (self.agg.address.replace("127.0.0.1", "localhost"), self.agg.server_key)])
        found = diagnose(ring)
        self.assertIn("VPP_LINK_LOOP", found)
        self.assertIn("VPP_LINK_SELF", found)
        self.assertIn("answers as this node", found["ok"])


class Depth(DoctorCase):
    def test_a_parent_that_is_too_deep_is_named(self):
        plant = self.plant(leaves=0, aggregators=7)
        for above, node in zip(plant.aggregators, plant.aggregators[1:]):
            plant.write_config(node, parents=[above])
        *chain, beyond = plant.aggregators
        plant.start([plant.root, *chain])
        last = chain[-1]
        wait_until(last.attached, 60, "seven levels")
        file = self.variant(beyond, "deep", parents=[(last.address, last.server_key)])
        self.assertIn("VPP_LINK_TOO_DEEP", diagnose(file))


class Machine(DoctorCase):
    """What is wrong on this side; nobody else runs."""

    def setUp(self):
        super().setUp()
        self.it = self.plant(leaves=1, aggregators=1)
        self.leaf = self.it.leaves[0]
        self.agg = self.it.aggregators[0]
        self.file = self.leaf.dir / "vppd.toml"

    def sign(self, *arguments, authority=None, node=None):
        self.it.run(BIN / "vppctl", "certs", "sign", "--authority", authority or self.it.authority,
                    "--request", (node or self.leaf).dir / "node.request", "--out",
                    self.leaf.dir / "node.cert", *arguments)

    def test_keys_that_are_missing_open_or_damaged_are_named(self):
        key = self.leaf.dir / "node.key"
        good = key.read_text()
        key.chmod(0o644)
        found = diagnose(self.file)
        self.assertIn("0644", found["VPP_KEY_MODE"]["text"])
        self.assertIn("chmod 600", found["VPP_KEY_MODE"]["hint"])
        key.chmod(0o600)
        key.write_text(good[:40])
        self.assertIn("VPP_KEY_BAD", diagnose(self.file))
        key.unlink()
        self.assertIn("VPP_KEY_MISSING", diagnose(self.file))
        fleet = self.variant(self.leaf, "fleet", [("fleet.pub", "none.pub")])
        self.assertIn("VPP_FLEET_KEY_MISSING", diagnose(fleet))
        bad = self.variant(self.leaf, "bad", [(str(self.it.authority / "fleet.pub"),
                                               str(self.leaf.dir / "node.request"))])
        self.assertIn("VPP_FLEET_KEY_BAD", diagnose(bad))

    def test_certificates_that_do_not_fit_are_named(self):
        stranger = self.it.dir / "stranger"
        self.it.run(BIN / "vppctl", "certs", "init", stranger)
        for code, sign in (
                ("VPP_CERT_FLEET", {"authority": stranger}),
                ("VPP_CERT_KEY", {"node": self.agg}),
                ("VPP_CERT_ROLE", {"arguments": ("--role", "aggregator")}),
                ("VPP_CERT_REGION", {"arguments": ("--region", "elsewhere")})):
            with self.subTest(code=code):
                arguments = sign.pop("arguments", ())
                self.sign(*arguments, **sign)
                self.assertIn(code, diagnose(self.file))
        cert = self.leaf.dir / "node.cert"
        self.sign()
        bytes_ = bytearray(cert.read_bytes())
        bytes_[-1] ^= 1
        cert.write_bytes(bytes_)
        self.assertIn("VPP_CERT_SIGNATURE", diagnose(self.file))
        cert.write_bytes(bytes_[:100])
        self.assertIn("VPP_CERT_BAD", diagnose(self.file))
        cert.unlink()
        self.assertIn("VPP_CERT_MISSING", diagnose(self.file))

    def test_certificates_out_of_their_time_are_named_with_the_clock(self):
        expired = diagnose(self.file, "faketime", "-f", "+100d")
        self.assertIn("this clock says", expired["VPP_CERT_EXPIRED"]["text"])
        early = diagnose(self.file, "faketime", "-f", "-1d")
        self.assertIn("VPP_CERT_NOT_YET_VALID", early)
        old = diagnose(self.file, "faketime", "-f", "+80d")
        self.assertIn("VPP_CERT_EXPIRING", old)

    def test_a_clock_behind_the_files_of_the_store_is_named(self):
        state = self.leaf.dir / "state"
        state.mkdir()
        ahead = state / "data.mdb"
        ahead.write_bytes(b"")
        later = ahead.stat().st_mtime + 3600
        os.utime(ahead, (later, later))
        found = diagnose(self.file)
        self.assertIn(str(ahead), found["VPP_CLOCK_BEHIND"]["text"])

    def test_a_port_that_cannot_be_taken_is_named(self):
        file = self.agg.dir / "vppd.toml"
        port = int(self.agg.address.rsplit(":", 1)[1])
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            found = diagnose(file)
        self.assertIn(str(port), found["VPP_LISTEN_TAKEN"]["text"])
        away = self.variant(self.agg, "away", [(f'address = "tcp://127.0.0.1:{port}"',
                                                f'address = "tcp://192.0.2.1:{port}"')])
        self.assertIn("VPP_LISTEN_ADDRESS", diagnose(away))

    def test_a_state_directory_without_room_or_rights_is_named(self):
        inside = self.variant(self.leaf, "file", [(f"{self.leaf.dir}/state",
                                                   f"{self.leaf.dir}/node.key/state")])
        self.assertIn("VPP_STATE_NOT_WRITABLE", diagnose(inside))
        state = self.leaf.dir / "state"
        state.mkdir()
        for code, fill in (("VPP_DISK_LOW", 0), ("VPP_DISK_FULL", 7900)):
            mount = (f"mount -t tmpfs -o size=8m tmpfs {state} && head -c {fill}k /dev/zero > "
                     f"{state}/ballast && exec \"$@\"")
            small = ("unshare", "-m", "sh", "-c", mount, "sh")
            if run(*small, "true").returncode != 0:
                self.skipTest("this machine allows no mount namespace")
            self.assertIn(code, diagnose(self.file, *small))

    def test_a_broken_config_and_bad_arguments_have_their_exit_codes(self):
        bad = self.variant(self.leaf, "bad", [("region", "regoin")])
        done = run(BIN / "vppctl", "doctor", "--config", bad)
        self.assertEqual(done.returncode, 1)
        self.assertIn("region", done.stderr)
        told = run(BIN / "vppctl", "-o", "json", "doctor", "--config", bad)
        self.assertEqual(told.returncode, 1)
        document = json.loads(told.stdout)
        self.assertIsNone(document["node"])
        self.assertEqual({each["code"] for each in document["findings"]}, {"VPP_CONFIG_BAD"})
        self.assertTrue(any("regoin" in each["text"] for each in document["findings"]))
        self.assertEqual(run(BIN / "vppctl", "doctor", "--nonsense").returncode, 2)
        unreachable = run(BIN / "vppctl", "--socket", "/nonexistent.sock", "doctor")
        self.assertEqual(unreachable.returncode, 3)
        self.assertIn("--config", unreachable.stderr)


class Running(DoctorCase):
    def test_a_running_node_is_asked_at_its_socket(self):
        plant = self.running_plant(leaves=1, aggregators=1)
        leaf, agg = plant.leaves[0], plant.aggregators[0]
        for node in (leaf, agg, plant.root):
            done = run(BIN / "vppctl", "--socket", node.socket, "doctor")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("running", done.stdout)
        self.assertIn("the present parent", run(BIN / "vppctl", "--socket", leaf.socket,
                                                "doctor").stdout)
        with self.subTest("clock"):
            file = leaf.dir / "vppd.toml"
            # The leaf's vppd goes by the parent's time; vppctl by a clock an hour off.
            found = diagnose(file, "faketime", "-f", "+1h")
            self.assertIn("VPP_CLOCK_AHEAD", found)
            self.assertIn("NTP", found["VPP_CLOCK_AHEAD"]["hint"])
        with self.subTest("descriptors"):
            used = len(list(pathlib.Path(f"/proc/{agg.popen.pid}/fd").iterdir()))
            limit = run("prlimit", "--pid", agg.popen.pid, f"--nofile={used + 10}:{used + 10}")
            self.assertEqual(limit.returncode, 0, limit.stderr)
            self.assertIn("VPP_DESCRIPTORS", diagnose(agg.dir / "vppd.toml"))
        with self.subTest("parent dead"):
            for node in (agg, plant.root):  # the root would take the leaf in
                node.kill()
            wait_until(lambda: not leaf.attached(), 30, "leaf alone")
            found = diagnose(leaf.dir / "vppd.toml")
            self.assertIn("VPP_NO_PARENT", found)
            self.assertIn("VPP_LINK_REFUSED", found)


if __name__ == "__main__":
    unittest.main(verbosity=2)
