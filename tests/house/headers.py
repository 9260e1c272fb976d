"""Every header compiles alone. CMake compiles those of libraries, each in a file set; those of
programs and tests are tried here, with the flags of a source beside them.

    headers.py CMAKE BUILD_DIR TARGETS.json
"""
import json
import pathlib
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import house


def verify_file_sets(cmake, build):
    """CMake's own check of the headers in file sets."""
    run = subprocess.run([cmake, "--build", build, "-j", str(house.cores()), "--target",
                          "all_verify_interface_header_sets"], capture_output=True, text=True)
    return [] if run.returncode == 0 else [run.stdout + run.stderr]


def flags_for(header, commands):
    """Compiler and flags of some source in the header's own folder; in a folder that this preset
    does not build (bench/), of the source that names the most libraries."""
    beside = [command for command in commands
              if pathlib.Path(command["file"]).parent == (house.ROOT / header).parent]
    command = beside[0] if beside else max(commands, key=lambda one: one["command"].count(" -isystem"))
    words = shlex.split(command["command"])
    return [word for word in words[:words.index("-o")] if "ccache" not in word]


def compile_alone(header, flags):
    run = subprocess.run([*flags, "-fsyntax-only", "-x", "c++", "-include",
                          str(house.ROOT / header), "/dev/null"], capture_output=True, text=True)
    return None if run.returncode == 0 else f"{header} does not compile alone:\n{run.stderr}"


def main():
    cmake, build, targets = sys.argv[1:]
    with open(targets, encoding="utf-8") as file:
        in_sets = {name for target in json.load(file) for name in target["headers"]}
    with open(pathlib.Path(build) / "compile_commands.json", encoding="utf-8") as file:
        commands = json.load(file)
    problems = verify_file_sets(cmake, build)
    tried = []
    for header in house.files(".h"):
        if str(header) in in_sets:
            continue
        tried.append((header, flags_for(header, commands)))
    with ThreadPoolExecutor(house.cores()) as pool:
        problems += filter(None, pool.map(lambda pair: compile_alone(*pair), tried))
    house.finish(problems, f"{len(in_sets) + len(tried)} headers alone")


if __name__ == "__main__":
    main()
