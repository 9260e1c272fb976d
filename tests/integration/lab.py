"""A small network of its own for a plant: a namespace per node, joined by a bridge, with faults.

Everything is inside of namespaces that end with the test; nothing outside of them is touched.
Needs root, iproute2 and nftables; skips with a clear message where the machine does not allow it.
Netem is not needed: nft drops packets at random, and a token bucket (tbf) narrows a link.
"""

import atexit
import os
import shutil
import subprocess
import unittest

from support import Node, Plant, Process

PREFIX = "vpp-it-"
ETHERNET_HEADER = 14


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def must(*command):
    done = run(*command)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(c) for c in command)}: {done.stderr.strip()}")
    return done.stdout


def sweep():
    """Removes what tests that were killed left behind."""
    for line in run("ip", "netns", "list").stdout.splitlines():
        name = line.split()[0]
        if not name.startswith(PREFIX):
            continue
        owner = name.removeprefix(PREFIX).split("-")[0]
        if not os.path.exists(f"/proc/{owner}"):
            run("ip", "netns", "delete", name)


class Network:
    """Hosts on one bridge. All faults are of one host and its only interface."""

    def __init__(self):
        for tool in ("ip", "tc", "nft"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed (tools/setup test)")
        sweep()
        self.names = []
        self.addresses = {}
        atexit.register(self.remove)
        try:
            self._add_namespace("hub")
            must("ip", "-n", self.namespace("hub"), "link", "add", "bridge", "type", "bridge")
            must("ip", "-n", self.namespace("hub"), "link", "set", "bridge", "up")
        except RuntimeError as error:
            self.remove()
            raise unittest.SkipTest(f"this machine allows no network namespaces: {error}") from error

    @staticmethod
    def namespace(host):
        return f"{PREFIX}{os.getpid()}-{host}"

    def _add_namespace(self, host):
        must("ip", "netns", "add", self.namespace(host))
        self.names.append(host)
        must("ip", "-n", self.namespace(host), "link", "set", "lo", "up")

    def add(self, host):
        """Returns the address of a new host."""
        self._add_namespace(host)
        number = len(self.names)
        space, hub, port = self.namespace(host), self.namespace("hub"), f"port{number}"
        address = f"10.213.{number // 200}.{number % 200 + 1}"
        must("ip", "-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0",
             "netns", space)
        must("ip", "-n", hub, "link", "set", port, "master", "bridge", "up")
        must("ip", "-n", space, "address", "add", f"{address}/16", "dev", "eth0")
        must("ip", "-n", space, "link", "set", "eth0", "up")
        for rule in ("table inet faults",
                     "chain inet faults in { type filter hook input priority 0; }",
                     "chain inet faults out { type filter hook output priority 0; }"):
            self.nft(host, "add", *rule.split())
        self.addresses[host] = address
        return address

    def command(self, host, command):
        return ["ip", "netns", "exec", self.namespace(host), *command]

    def nft(self, host, *words):
        must(*self.command(host, ["nft", *words]))

    # --- faults ------------------------------------------------------------------------------

    def deafen(self, host, peer):
        """What `peer` sends no longer reaches `host`; the other way all goes on."""
        self.nft(host, "add", "rule", "inet", "faults", "in", "ip", "saddr", self.addresses[peer],
                 "counter", "drop")

    def lose(self, host, percent):
        """Of what the host sends and receives."""
        for chain, side in (("in", "iifname"), ("out", "oifname")):
            self.nft(host, "add", "rule", "inet", "faults", chain, "meta", side, "eth0", "numgen",
                     "random", "mod", "100", "<", percent, "counter", "drop")

    def narrow(self, host, rate):
        """Bandwidth of what the host sends; its queue holds a second."""
        must("tc", "-n", self.namespace(host), "qdisc", "replace", "dev", "eth0", "root", "tbf",
             "rate", rate, "burst", "2kb", "latency", "1s")

    def heal(self, host):
        for chain in ("in", "out"):
            self.nft(host, "flush", "chain", "inet", "faults", chain)
        run("tc", "-n", self.namespace(host), "qdisc", "delete", "dev", "eth0", "root")

    def dropped(self, host):
        """Packets that nft has dropped there."""
        text = must(*self.command(host, ["nft", "list", "table", "inet", "faults"]))
        return sum(int(part.split()[0]) for part in text.split("counter packets ")[1:])

    def sent_bytes(self, host):
        """Through the token bucket."""
        text = must("tc", "-n", self.namespace(host), "-s", "qdisc", "show", "dev", "eth0")
        return int(text.split("Sent ")[1].split()[0])

    def traffic(self, host):
        """Of its only interface so far: IP bytes and packets, received and sent."""
        folder = "/sys/class/net/eth0/statistics"
        out = {}
        for name in ("rx_bytes", "tx_bytes", "rx_packets", "tx_packets"):
            out[name] = int(must(*self.command(host, ["cat", f"{folder}/{name}"])))
        for side in ("rx", "tx"):
            out[f"{side}_bytes"] -= ETHERNET_HEADER * out[f"{side}_packets"]
        return out

    def remove(self):
        for host in reversed(self.names):
            run("ip", "netns", "delete", self.namespace(host))
        self.names.clear()


class LabPlant(Plant):
    """Every node on a host of its own; a leaf's battery is on its leaf's host."""

    def __init__(self, network, *arguments, **options):
        super().__init__(*arguments, **options)
        self.network = network
        self.battery_processes = []
        for node in self.nodes:
            network.add(node.name)
            node.command = network.command(node.name, node.command)

    def host_of(self, node):
        return self.network.addresses[node.name] if isinstance(node, Node) else "127.0.0.1"

    def start_batteries(self):
        for i, leaf in enumerate(self.leaves):
            command = self.battery_command(1, self.battery_port + i, self.seed + i,
                                           leaf.dir / "batteries.json")
            self.battery_processes.append(
                Process(f"battery of {leaf.name}", self.network.command(leaf.name, command),
                        leaf.dir / "batteries.log", self.env).start())
        for process in self.battery_processes:
            self._await_ready(process)

    def stop(self):
        codes = super().stop()
        for process in self.battery_processes:
            process.stop()
        return codes
