"""Two brokers in the shape of a parent with as many children: mosquitto (QoS 1) and nats-server.

Both from Debian, in their own configuration but for what would drop messages; plaintext, loopback.
The clients are `peer_load`: one thread that speaks either protocol over epoll. What they send is as
long as our frames are.
"""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess

from measuring import Scratch, frame_bytes, memory_mb, percentile, processor_ms, row
from plant.plant import PlantError, free_port_block, wait_until

MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
user root
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_type error
"""


def program(name):
    """Debian has mosquitto in a directory that is not on everybody's path."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise PlantError(f"{name} is not installed; tools/setup fuzz brings it")
    return found


@contextlib.contextmanager
def broker(kind, directory):
    port = free_port_block(1)
    if kind == "mqtt":
        config = directory / "mosquitto.conf"
        config.write_text(MOSQUITTO.format(port=port))
        command = [program("mosquitto"), "-c", config]
    else:
        command = [program("nats-server"), "-a", "127.0.0.1", "-p", str(port)]

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    with open(directory / f"{kind}.log", "wb") as log, \
            subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(answers, 10, f"answer of {command[0]}")
            yield process.pid, port
        finally:
            process.kill()


class Load:
    """Connected clients that wait for a word."""

    def __init__(self, build, kind, port, clients, shape, **options):
        more = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [build / "bench" / "peer_load", "--protocol", kind, "--port", str(port), "--clients",
             str(clients), "--shape", shape, "--hold", *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        if self.process.stdout.readline() != "READY\n":
            self.__exit__()
            raise PlantError("peer_load ended")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def rows_of(build, sizes, say, name, kind, clients):
    bytes_of = frame_bytes(build)
    say(f"{name} with {clients} clients")
    with Scratch(say) as scratch, broker(kind, pathlib.Path(scratch)) as (pid, port):
        before = memory_mb(pid)
        with Load(build, kind, port, clients, "fan-out", rounds=sizes["peer_rounds"],
                  bytes=bytes_of["dispatch"], **{"ack-bytes": bytes_of["ack"]}) as load:
            resident = memory_mb(pid)
            rounds = [us / 1000 for us in load.run()["us"]]
        with Load(build, kind, port, clients, "fan-in", seconds=sizes["peer_seconds"],
                  bytes=bytes_of["report"]) as load:
            used = processor_ms(pid)
            rate = load.run()["per_second"]
            used = processor_ms(pid) - used
        after = memory_mb(pid)
    return [
        row(f"{name}: fan-in, {clients} clients", float(rate), "msg/s",
            broker_cores=used / 1000 / (sizes["peer_seconds"] + 1), memory_after_mb=after),
        row(f"{name}: fan-out to the last answer, {clients}", percentile(rounds, 50), "ms",
            p95=percentile(rounds, 95), samples=len(rounds)),
        row(f"{name}: memory per client, {clients}", (resident - before) * 1024 / clients, "kB",
            resident_mb=resident),
    ]


def peers(build, sizes, say):
    rows = []
    for clients in sizes["scale_leaves"]:
        rows += rows_of(build, sizes, say, "mosquitto", "mqtt", clients)
        rows += rows_of(build, sizes, say, "nats-server", "nats", clients)
    return rows
