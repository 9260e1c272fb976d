"""Thousands of leaves for a plant: a few processes `vppfleet`, asked over their pipes."""

import json
import resource
import subprocess
import time

from plant.plant import PlantError

DESCRIPTORS_PER_LINK = 4  # see bench/fleet.h
LINKS_MAX = 2             # of one leaf at once: the parent and a standby, or two that are probed
OTHER_DESCRIPTORS = 100
NANO = 1e-9


def monotonic_s(ns):
    return ns * NANO


class Fleets:
    """As many leaves as wanted, spread over as few processes as their descriptors allow."""

    # A parent lets in limits::kRejoinsPerSecond; a little below that nobody is turned away.
    def __init__(self, plant, build, leaves, links_max=LINKS_MAX, starts=1_000, contexts=1):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = (hard - OTHER_DESCRIPTORS) // (DESCRIPTORS_PER_LINK * links_max)
        self.configs = [leaf.dir / "vppd.toml" for leaf in plant.leaves]  # for each a process
        count = max(-(-leaves // most), len(self.configs))
        self.leaves = leaves
        self.log = plant.dir / "fleet.log"
        self.processes = []
        self.program = build / "bench" / "vppfleet"
        self.authority = plant.authority
        self.contexts = contexts  # of libzmq, in a process
        self.starts = starts  # leaves that begin in a second
        self.sizes = [leaves // count + (1 if i < leaves % count else 0) for i in range(count)]

    def __enter__(self):
        starts = self.starts // len(self.sizes)
        for number, size in enumerate(self.sizes):
            config = self.configs[number % len(self.configs)]
            with open(self.log, "ab") as log:
                self.processes.append(subprocess.Popen(
                    [self.program, "--config", config, "--authority", self.authority,
                     "--leaves", str(size), "--starts", str(starts),
                     "--contexts", str(self.contexts)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True))
        try:
            for process in self.processes:
                if process.stdout.readline() != "READY\n":
                    raise PlantError(f"vppfleet ended: {self.log.read_text()[-400:]}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def ask(self, command):
        """The answer of each process."""
        try:
            for process in self.processes:
                process.stdin.write(command + "\n")
                process.stdin.flush()
            return [json.loads(process.stdout.readline()) for process in self.processes]
        except (OSError, ValueError) as error:
            raise PlantError(f"vppfleet ended: {self.log.read_text()[-400:]}") from error

    def total(self, key, answers=None):
        return sum(answer[key] for answer in answers or self.ask("status"))

    def standbys(self):
        """How many leaves hold another parent ready."""
        return self.total("standbys", self.ask("standbys"))

    def parents(self):
        """Leaves by the id of their parent."""
        out = {}
        for answer in self.ask("status"):
            for parent, count in answer["parents"].items():
                out[parent] = out.get(parent, 0) + count
        return out

    def await_attached(self, timeout, parent=None, count=None):
        """Until all leaves (or `count`) have a parent (or this one); seconds it took."""
        want = self.leaves if count is None else count
        begin = time.monotonic()
        while True:
            parents = self.parents()
            have = sum(parents.values()) if parent is None else parents.get(parent, 0)
            if have >= want:
                return time.monotonic() - begin
            if time.monotonic() - begin > timeout:
                raise PlantError(f"after {timeout} s only {have} of {want} leaves have a parent")
            time.sleep(0.1)

    def moved_s(self, since_ns):
        """When leaves had a parent again, in seconds after `since_ns`; sorted."""
        times = [at for answer in self.ask("moves") for at in answer["attached_ns"]]
        return sorted(monotonic_s(at - since_ns) for at in times)
