"""clang-tidy (19) finds nothing in our sources. A source whose text, headers and flags were clean
once is not looked at again: the build directory remembers.

    tidy.py CLANG_TIDY BUILD_DIR
"""
import functools
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import house

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


@functools.cache
def text_and_includes(file):
    content = (house.ROOT / file).read_bytes()
    found = INCLUDE.findall(content.decode("utf-8", errors="replace"))
    beside = str(pathlib.Path(file).parent)
    ours = [name for include in found for name in (include, f"{beside}/{include}")
            if (house.ROOT / name).is_file()]
    return content, ours


def fingerprint(file, command, setting):
    """Of everything of ours that a finding may depend on."""
    digest, seen, todo = hashlib.sha256(setting + command.encode()), set(), [file]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        content, ours = text_and_includes(name)
        digest.update(name.encode() + b"\0" + content + b"\0")
        todo += ours
    return digest.hexdigest()


def look(tidy, build, file):
    began = time.monotonic()
    run = subprocess.run([tidy, "-p", build, "--quiet", str(house.ROOT / file)],
                         capture_output=True, text=True)
    seconds = time.monotonic() - began
    if run.returncode == 0:
        return file, seconds, []
    return file, seconds, [run.stdout.replace(f"{house.ROOT}/", "") + (
        run.stderr if not run.stdout.strip() else "")]


def main():
    tidy, build = sys.argv[1:]
    cache = pathlib.Path(build) / "tidy-clean"
    cache.mkdir(exist_ok=True)
    version = subprocess.run([tidy, "--version"], check=True, capture_output=True).stdout
    setting = (house.ROOT / ".clang-tidy").read_bytes() + version
    with open(pathlib.Path(build) / "compile_commands.json", encoding="utf-8") as file:
        commands = {command["file"]: command["command"] for command in json.load(file)}
    clean, todo = 0, []
    for file in map(str, house.files(".cc")):
        command = commands.get(str(house.ROOT / file))
        if command is None:
            continue  # not built by this preset
        mark = cache / fingerprint(file, command, setting)
        if mark.exists():
            clean += 1
        else:
            todo.append((file, mark))
    problems, times = [], []
    with ThreadPoolExecutor(house.cores()) as pool:
        marks = dict(todo)
        for file, seconds, found in pool.map(lambda pair: look(tidy, build, pair[0]), todo):
            times.append((seconds, file))
            problems += found
            if not found:
                marks[file].touch()
    for seconds, file in sorted(times, reverse=True)[:5]:
        print(f"slowest: {seconds:.1f} s {file}")
    if clean + len(todo) == 0:
        problems.append("found no source at all: this check is broken")
    house.finish(problems, f"clang-tidy of {len(todo)} sources ({clean} known to be clean)")


if __name__ == "__main__":
    main()
