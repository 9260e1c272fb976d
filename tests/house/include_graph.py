"""The folders know each other as the architecture says and not otherwise, and third-party
libraries are known to their adapters only.

    include_graph.py TARGETS.json      (written by CMake: which sources belong to a core)
"""
import fnmatch
import json
import re
import sys

import house

# Who may include whom. Everything may include its own folder.
CORES = ["config", "device", "mesh", "aggregation", "bidding"]
ARROWS = {
    "config": [],
    "device": ["config"],
    "mesh": ["config"],
    "aggregation": ["device", "config"],
    "bidding": ["aggregation", "device", "config"],
    "daemon/node": CORES,
    "daemon/driver": ["daemon/node", *CORES],
    "tools": ["daemon/node", "daemon/driver", *CORES],
}
# The plan itself: were one of these unused, the plan and not the code would be wrong.
MUST_BE_USED = [("device", "config"), ("mesh", "config"), ("aggregation", "device"),
                ("bidding", "aggregation"), *(("daemon/node", core) for core in CORES)]

# Third-party headers, and the adapters that may know them.
LIBRARIES = {
    "boost/": ["daemon/driver/http_*", "tools/market/*"],
    "capnp/": ["mesh/c*"],
    "kj/": ["mesh/c*"],
    "coin/": ["bidding/clp_*"],
    "curl/": ["bidding/http_*", "tools/vppctl/*"],
    "CLI/": ["daemon/main.cc", "tools/*/main.cc"],
    "date/": ["bidding/zone_database.cc"],
    "fmt/": ["daemon/*", "tools/*"],
    "lmdb.h": ["daemon/driver/*"],
    "modbus/": ["device/*modbus*", "tools/battery/*"],
    "modbus.h": ["device/*modbus*", "tools/battery/*"],
    "nlohmann/": ["bidding/*json*", "bidding/http_*", "daemon/driver/*", "tools/*"],
    "prometheus/": ["daemon/driver/*"],
    "sodium.h": ["mesh/key*", "mesh/node_cert*", "mesh/hash*", "daemon/driver/*"],
    "spdlog/": ["daemon/driver/log.cc"],
    "systemd/": ["daemon/driver/*"],
    "toml++/": ["config/toml_section.h"],
    "zmq.h": ["mesh/zmq_*", "mesh/key*"],
    "zmq.hpp": ["mesh/zmq_*", "daemon/driver/worker_socket.cc"],
    "zmq_addon.hpp": ["mesh/zmq_*"],
}
# Of the standard library a core takes nothing that touches the world.
WORLDLY = {"atomic", "condition_variable", "cstdio", "filesystem", "fstream", "future", "iostream",
           "mutex", "random", "semaphore", "shared_mutex", "stop_token", "thread", "ctime"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def folder_of(file):
    """The node of the graph that a file belongs to."""
    parts = file.split("/")
    if parts[0] == "daemon":
        return "daemon/node" if parts[1] == "node" else "daemon/driver"
    return parts[0]


def is_system(header):
    """Of the standard library, libc or the kernel."""
    return re.fullmatch(r"[a-z_0-9]+", header) is not None or re.match(
        r"(sys|netinet|arpa|net|linux)/|(unistd|poll|fcntl|signal|netdb|dlfcn|pwd|grp|malloc|errno|"
        r"getopt|termios|pthread|curses|ncurses)\.h$", header) is not None


def check_library(file, header):
    for prefix, places in LIBRARIES.items():
        if header == prefix or (prefix.endswith("/") and header.startswith(prefix)):
            allowed = any(fnmatch.fnmatch(file, place) for place in places)
            return None if allowed else f"{file}: <{header}> is for {', '.join(places)} only"
    return f"{file}: <{header}> is of no library that we use"


def check_file(file, core_files, used):
    folder = folder_of(file)
    for ours, system in INCLUDE.findall(house.text(file)):
        if ours and (house.ROOT / ours).is_file():
            target = folder_of(ours)
            used.add((folder, target))
            if target != folder and target not in ARROWS[folder]:
                yield f"{file}: {folder} must not know {target} (\"{ours}\")"
            if file in core_files and ours not in core_files:
                yield f"{file}: a core must not know the adapter's \"{ours}\""
        elif system and not is_system(system):
            problem = check_library(file, system)
            if problem:
                yield problem
            if file in core_files:
                yield f"{file}: a core must not know <{system}>"
        elif system and file in core_files and (system in WORLDLY or system.endswith(".h")):
            yield f"{file}: a core must not know <{system}>"


def main():
    targets = json.loads(open(sys.argv[1], encoding="utf-8").read())
    core_files = {name for target in targets if target["core"] for name in target["files"]}
    used, problems, count = set(), [], 0
    for path in house.files(".h", ".cc"):
        file = str(path)
        if folder_of(file) in ARROWS:
            count += 1
            problems += check_file(file, core_files, used)
    for arrow in MUST_BE_USED:
        if arrow not in used:
            problems.append(f"{arrow[0]} -> {arrow[1]} is in the plan, but no file uses it")
    for folder in [*CORES, "daemon/node"]:
        if not any(name.startswith(f"{folder}/") for name in core_files):
            problems.append(f"{folder} has no core")
    for name in sorted(core_files):
        if not (house.ROOT / name).is_file():
            problems.append(f"{name} is declared as a core's, but is not there")
    house.finish(problems, f"include graph of {count} files")


if __name__ == "__main__":
    main()
