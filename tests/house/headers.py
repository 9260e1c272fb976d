"""Every header compiles alone, with the flags of a source beside it.

    headers.py BUILD_DIR
"""
import pathlib
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import house


def flags_for(header, commands):
    """Compiler and flags of some source in the header's own folder; in a folder that this preset
    does not build (bench/), of the source that names the most libraries."""
    beside = [command for source, command in commands.items()
              if pathlib.Path(source).parent == header.parent]
    command = beside[0] if beside else max(commands.values(), key=lambda one: one.count(" -isystem"))
    words = shlex.split(command)
    return [word for word in words[:words.index("-o")] if "ccache" not in word]


def compile_alone(header, flags):
    run = subprocess.run([*flags, "-fsyntax-only", "-x", "c++", "-include",
                          str(house.ROOT / header), "/dev/null"], capture_output=True, text=True)
    return None if run.returncode == 0 else f"{header} does not compile alone:\n{run.stderr}"


def main():
    (build,) = sys.argv[1:]
    commands = house.commands_of(build)
    tried = [(header, flags_for(header, commands)) for header in house.files(".h")]
    with ThreadPoolExecutor(house.cores()) as pool:
        problems = list(filter(None, pool.map(lambda pair: compile_alone(*pair), tried)))
    house.finish(problems, f"{len(tried)} headers alone")


if __name__ == "__main__":
    main()
