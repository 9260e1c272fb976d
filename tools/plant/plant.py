"""A whole plant as real processes on loopback: batteries, market, root, aggregators, leaves.

Used by the demo, the integration tests and the benchmarks. Everything a run makes is below one
directory: keys, configs, state, sockets, logs. Standard library only.
"""

import datetime
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import control

UTC = datetime.timezone.utc


class PlantError(Exception):
    """Something the plant needs did not come up; says what and where its log is."""


def free_port_block(count):
    """First of `count` neighbouring TCP ports that are free now."""
    for base in range(20000 + os.getpid() % 10000, 60000, count + 1):
        held = []
        try:
            for port in range(base, base + count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise PlantError(f"no {count} neighbouring ports are free")


def wait_until(condition, timeout, what, every=0.02):
    """Polls a condition that another process brings about; raises PlantError after `timeout`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise PlantError(f"after {timeout:.0f} s still no {what}")
        time.sleep(every)


class Process:
    """One child process with a log file of its own."""

    def __init__(self, name, command, log, env=None):
        self.name = name
        self.command = [str(c) for c in command]
        self.log = pathlib.Path(log)
        self.env = env
        self.popen = None
        self.log_begin = 0  # of this life; earlier lives wrote to the same file

    def start(self):
        self.log_begin = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.command, stdout=out, stderr=subprocess.STDOUT,
                                          stdin=subprocess.DEVNULL, env=self.env,
                                          start_new_session=True)
        return self

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            self.popen.send_signal(sig)

    def wait(self, timeout=10):
        return self.popen.wait(timeout)

    def stop(self, timeout=10):
        """SIGTERM; the exit code, or None when it had to be killed."""
        if self.alive():
            self.popen.terminate()
        return self.ended(timeout)

    def ended(self, timeout=10):
        """The exit code of a process that was asked to stop; None when it had to be killed."""
        if self.popen is None:
            return None
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            return None
        finally:
            try:  # a wrapper's child would outlive it
                os.killpg(self.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def log_text(self):
        """What this life has written."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self.log_begin:].decode(errors="replace")


class Node(Process):
    """One vppd."""

    def __init__(self, plant, name, role, region):
        self.dir = plant.dir / "nodes" / name
        super().__init__(name, [plant.bin / "vppd", "--config", self.dir / "vppd.toml"],
                         self.dir / "log", plant.env)
        self.role = role
        self.region = region
        self.socket = self.dir / "control.sock"
        self.server_key = None
        self.id = None
        self.address = None

    def get(self, route, timeout=5.0):
        return control.request(self.socket, route, timeout=timeout)

    def post(self, route, body, timeout=5.0):
        return control.request(self.socket, route, body, timeout=timeout)

    def try_get(self, route, timeout=2.0):
        """Like get, but None when the daemon does not answer."""
        try:
            return self.get(route, timeout)
        except (control.Unreachable, control.Refused):
            return None

    def attached(self):
        status = self.try_get("/v1/status")
        return bool(status and status["uplink"] and status["uplink"]["state"] == "attached")


class Plant:
    """Names: root, root-2.., agg-1.., home-001... Market, batteries and etcd are optional; `roots`
    above 1 need etcd, and `root` is then the one that was last seen to lead."""

    def __init__(self, directory, bin_dir, leaves=60, aggregators=3, speed=60,
                 market_start="2026-01-15T17:40:00Z", seed=1, roots=1, etcd=0):
        # A control socket's path has to fit in 107 bytes.
        self.dir = pathlib.Path(directory).resolve()
        self.bin = pathlib.Path(bin_dir).resolve()
        self.speed = speed
        self.seed = seed
        self.market_start = datetime.datetime.fromisoformat(market_start.replace("Z", "+00:00"))
        self.anchor_utc = datetime.datetime.now(UTC)
        self.env = dict(os.environ)
        regions = ["north", "middle", "south", "east", "west"]
        self.roots = [Node(self, "root" if i == 0 else f"root-{i + 1}", "root", regions[0])
                      for i in range(roots)]
        self.root = self.roots[0]
        self.aggregators = [Node(self, f"agg-{i + 1}", "aggregator", regions[i % len(regions)])
                            for i in range(aggregators)]
        self.leaves = [Node(self, f"home-{i + 1:03d}", "leaf",
                            regions[i % max(1, aggregators) % len(regions)])
                       for i in range(leaves)]
        self.batteries = None
        self.market = None
        self.market_port = None
        self.battery_port = None
        self.spare_port = None
        self.battery_arguments = []
        self.market_arguments = []
        self.market_lines = []  # further lines of the root's [market]
        self.leaf_site = {}
        self.leaf_poll_ms = 250
        self.meter_unit = 240  # vppbattery's; None: homes without a meter
        self.programs = {}  # of leaves, by name: a list of [[programs]], each a dict
        self.groups = {}  # likewise: a dict
        self.feeders = {}  # of aggregators, by name: a dict
        self.peaks = {}  # likewise: [peak]
        self.sections = {}  # of any node, by name: other sections, each a dict by its name
        self.links = {}  # kind of link to the parents, by name of node
        self.firm_pct = 90
        self.price_min = 0
        self.etcd_members = etcd
        self.etcd = []
        self.etcd_port = None

    # --- preparation -------------------------------------------------------------------------

    @property
    def nodes(self):
        return [*self.roots, *self.aggregators, *self.leaves]

    def node(self, name):
        return next(n for n in self.nodes if n.name == name)

    def host_of(self, _node):
        """Where a node listens."""
        return "127.0.0.1"

    def anchor_arguments(self):
        return ["--speed", self.speed, "--anchor-utc", _rfc3339(self.anchor_utc),
                "--anchor-market", _rfc3339(self.market_start)]

    def market_now(self):
        passed = datetime.datetime.now(UTC) - self.anchor_utc
        return self.market_start + passed * self.speed

    def run(self, *command):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                              env=self.env, check=False)
        if done.returncode != 0:
            raise PlantError(f"{' '.join(str(c) for c in command)}: {done.stderr.strip()}")
        return done.stdout

    def prepare(self, caps="100kW"):
        """Keys, certificates, ports and configs of every node."""
        if self.dir.exists():
            shutil.rmtree(self.dir)
        self.dir.mkdir(parents=True)
        self.authority = self.dir / "authority"
        self.run(self.bin / "vppctl", "certs", "init", self.authority)
        parents = [*self.roots, *self.aggregators]
        base = free_port_block(len(parents) + 1 + 2 * self.etcd_members + len(self.leaves))
        for i, node in enumerate(parents):
            node.address = f"tcp://{self.host_of(node)}:{base + i}"
        self.spare_port = base + len(parents)  # the market's, when there is one
        self.etcd_port = self.spare_port + 1  # of clients, then of members, for each
        self.battery_port = self.etcd_port + 2 * self.etcd_members
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: self.enrol(node, caps), self.nodes))
        for node in self.nodes:
            self.write_config(node)

    def enrol(self, node, caps="100kW", days=None, authority=None):
        node.dir.mkdir(parents=True, exist_ok=True)
        self.run(self.bin / "vppd", "keygen", "--dir", node.dir)
        authority = authority or self.authority
        extra = ["--days", days] if days is not None else []
        self.run(self.bin / "vppctl", "certs", "sign", "--authority", authority, "--request",
                 node.dir / "node.request", "--out", node.dir / "node.cert", "--role", node.role,
                 "--discharge-max", caps, "--charge-max", caps, *extra)
        fields = dict(line.split(None, 1) for line in
                      (node.dir / "node.request").read_text().splitlines() if " " in line)
        node.server_key = fields["curve"].strip()
        node.id = fields["node"].strip()

    def parents_of(self, node):
        if node.role == "root":
            return []
        if node.role == "aggregator" or not self.aggregators:
            return self.roots
        first = self.leaves.index(node) % len(self.aggregators) if node in self.leaves else 0
        return self.aggregators[first:] + self.aggregators[:first]

    def write_config(self, node, parents=None):
        lines = [f'role = "{node.role}"', f'name = "{node.name}"', f'region = "{node.region}"',
                 f'state_dir = "{node.dir}/state"', f'run_dir = "{node.dir}"',
                 *([f'link = "{self.links[node.name]}"'] if node.name in self.links else []),
                 *(['lease = "etcd"'] if node.role == "root" and self.etcd_members else []),
                 "[identity]", f'key = "{node.dir}/node.key"', f'certificate = "{node.dir}/node.cert"',
                 f'fleet_key = "{self.authority}/fleet.pub"']
        for parent in self.parents_of(node) if parents is None else parents:
            lines += ["[[parents]]", f'address = "{parent.address}"',
                      f"server_key = '{parent.server_key}'"]
        if node.role != "leaf":
            lines += ["[listen]", f'address = "{node.address}"', f'advertise = "{node.address}"']
        if node.name in self.feeders:
            lines += ["[feeder]", *(f"{k} = {v}" for k, v in self.feeders[node.name].items())]
        if node.name in self.peaks:
            lines += ["[peak]", *(f"{k} = {v}" for k, v in self.peaks[node.name].items())]
        for section, values in self.sections.get(node.name, {}).items():
            lines += [f"[{section}]", *(f"{k} = {_toml(v)}" for k, v in values.items())]
        lines += ["[time]", f"speed = {self.speed}", f"anchor_utc = {_rfc3339(self.anchor_utc)}",
                  f"anchor_market = {_rfc3339(self.market_start)}"]
        if node.role == "leaf":
            port = self.battery_port + self.leaves.index(node)
            lines += ["[device]", 'driver = "sunspec"', f'address = "127.0.0.1:{port}"',
                      "unit = 1", f"poll_ms = {self.leaf_poll_ms}",
                      *(["[meter]", f"unit = {self.meter_unit}"] if self.meter_unit else []),
                      "[site]"]
            site = {"reserve_pct": 20, "ramp_w_per_s": 5000, **self.leaf_site}
            lines += [f"{key} = {value}" for key, value in site.items()]
            for program in self.programs.get(node.name, []):
                lines += ["[[programs]]", *(f"{k} = {_toml(v)}" for k, v in program.items())]
            if node.name in self.groups:
                lines += ["[groups]",
                          *(f"{k} = {_toml(v)}" for k, v in self.groups[node.name].items())]
        if node.role == "root" and self.etcd_members:
            urls = ", ".join(f'"{url}"' for url in self.etcd_urls())
            lines += ["[etcd]", f"endpoints = [{urls}]"]
            for peer in self.roots:
                if peer is not node:
                    lines += ["[[peers]]", f'address = "{peer.address}"',
                              f"server_key = '{peer.server_key}'"]
        if node.role == "root" and self.market_port:
            lines += ["[market]", f'url = "http://127.0.0.1:{self.market_port}"',
                      f"price_min = {self.price_min}", f"firm_pct = {self.firm_pct}",
                      *self.market_lines]
        (node.dir / "vppd.toml").write_text("\n".join(lines) + "\n")

    # --- life --------------------------------------------------------------------------------

    def start_batteries(self):
        command = self.battery_command(len(self.leaves), self.battery_port, self.seed,
                                       self.dir / "batteries.json")
        self.batteries = Process("vppbattery", command, self.dir / "batteries.log",
                                 self.env).start()
        self._await_ready(self.batteries)

    def battery_command(self, count, port_base, seed, accounts):
        return [self.bin / "vppbattery", "--count", count, "--port-base", port_base, "--speed",
                self.speed, "--seed", seed, "--start", _rfc3339(self.market_start), "--accounts",
                accounts, *self.battery_arguments]

    def start_market(self):
        """Before prepare()'s configs are used: the root's config names the market's port."""
        self.market_port = self.spare_port
        self.market = Process(
            "vppmarket",
            [self.bin / "vppmarket", "--port", self.market_port, *self.anchor_arguments(),
             "--seed", self.seed, "--journal", self.dir / "market.jsonl", *self.market_arguments],
            self.dir / "market.log", self.env).start()
        self._await_ready(self.market)
        for root in self.roots:
            self.write_config(root)

    def etcd_urls(self, kind=0):
        """Where clients ask, or (1) where members meet."""
        return [f"http://127.0.0.1:{self.etcd_port + 2 * i + kind}"
                for i in range(self.etcd_members)]

    def start_etcd(self, timeout=30):
        """Debian's etcd-server, as many members as were asked for."""
        names = [f"etcd-{i + 1}" for i in range(self.etcd_members)]
        cluster = ",".join(f"{name}={url}" for name, url in zip(names, self.etcd_urls(1)))
        for name, client, peer in zip(names, self.etcd_urls(), self.etcd_urls(1)):
            self.etcd.append(Process(
                name, ["etcd", "--name", name, "--data-dir", self.dir / name,
                       "--listen-client-urls", client, "--advertise-client-urls", client,
                       "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                       "--initial-cluster", cluster],
                self.dir / f"{name}.log", self.env).start())
        for member in self.etcd:
            wait_until(lambda m=member: "ready to serve client requests" in m.log_text(), timeout,
                       f"{member.name} that serves")

    def await_leader(self, timeout=60, other_than=None):
        """Until a root leads and serves, which is `root` from then on; seconds it took."""
        begin = time.monotonic()

        def leads(node):
            status = node.try_get("/v1/status") if node.alive() else None
            return bool(status and status["root"] and status["root"]["serves"])

        def found():
            for node in self.roots:
                if node is not other_than and leads(node):
                    self.root = node
                    return True
            return False
        wait_until(found, timeout, "root that leads", every=0.05)
        return time.monotonic() - begin

    def _await_ready(self, process, timeout=20):
        def ready():
            if not process.alive():
                raise PlantError(f"{process.name} ended: {process.log_text()[-400:]}")
            return "READY" in process.log_text()
        wait_until(ready, timeout, f"READY of {process.name}")

    def start(self, nodes=None):
        for node in nodes or self.nodes:
            node.start()

    def await_whole(self, timeout=60, leaves=None):
        """Until the root counts every leaf; seconds it took."""
        want = len(self.leaves) if leaves is None else leaves
        begin = time.monotonic()

        def whole():
            dead = [n for n in self.nodes if n.popen and not n.alive()]
            if dead:
                raise PlantError(f"{dead[0].name} ended: {dead[0].log_text()[-600:]}")
            return self.online() == want
        try:
            wait_until(whole, timeout, "whole tree", every=0.1)
        except PlantError as error:
            raise PlantError(f"{error}: the root counts {self.online()} of {want} leaves") from error
        return time.monotonic() - begin

    def online(self):
        status = self.root.try_get("/v1/status")
        return status["tree"]["coverage"]["online"] if status and status["tree"] else None

    def battery_accounts(self):
        return control.json.loads((self.dir / "batteries.json").read_text())

    def stop(self):
        """Leaves first, so that every battery is released; exit codes by name."""
        codes = {}
        for group in (self.leaves, self.aggregators, self.roots, [self.market, self.batteries],
                      self.etcd):
            group = [p for p in group if p is not None and p.popen is not None]
            for process in group:
                if process.alive():
                    process.popen.send_signal(signal.SIGCONT)
                    process.popen.terminate()
            for process in group:
                codes[process.name] = process.ended()
        return codes


def _toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else value


def _rfc3339(at):
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
