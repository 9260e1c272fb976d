"""Every header compiles alone. The build shows it of a header that the source of its name includes
first, if that source is compiled by itself; the others are tried here, with the flags of a source
beside them.

    headers.py BUILD_DIR
"""
import json
import pathlib
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import house

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*(\S+)", re.MULTILINE)


def is_shown_by_the_build(header, built):
    source = (house.ROOT / header).with_suffix(".cc")
    if source not in built:
        return False
    first = INCLUDE.search(source.read_text(encoding="utf-8"))
    return first is not None and first[1] == f'"{header}"'


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
    (build,) = sys.argv[1:]
    with open(pathlib.Path(build) / "compile_commands.json", encoding="utf-8") as file:
        commands = json.load(file)
    built = {pathlib.Path(command["file"]) for command in commands}
    headers = list(house.files(".h"))
    tried = [(header, flags_for(header, commands)) for header in headers
             if not is_shown_by_the_build(header, built)]
    with ThreadPoolExecutor(house.cores()) as pool:
        problems = list(filter(None, pool.map(lambda pair: compile_alone(*pair), tried)))
    house.finish(problems, f"{len(headers)} headers alone, {len(tried)} of them tried here")


if __name__ == "__main__":
    main()
