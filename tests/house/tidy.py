"""clang-tidy (19) finds nothing in our sources. A source whose text, headers and flags were clean
once is not looked at again: the build directory remembers.

The sources of a folder are looked at many at a time, as one text that includes them: most of the time
goes into the standard library, again in every text. What is found in a bundle, also that two sources
give two things of their own one name, is looked for in its parts.

    tidy.py CLANG_TIDY BUILD_DIR
"""
import functools
import hashlib
import pathlib
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import house

BUNDLE = 32  # sources
SETTINGS = (".clang-tidy", "tests/.clang-tidy")


@functools.cache
def text_and_includes(file):
    content = (house.ROOT / file).read_bytes()
    found = house.INCLUDE.findall(content.decode("utf-8", errors="replace"))
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


def flags_of(commands):
    """What the compiler is told in one or another of them, but for files, code and warnings: a list
    of words for each flag."""
    out = []
    for command in commands:
        words = iter(shlex.split(command))
        for word in words:
            flag = [word]
            if word in ("-o", "-c", "-isystem"):
                flag.append(next(words))
            if word == "-isystem" or word.startswith(("-D", "-I", "-std=")):
                if flag not in out:
                    out.append(flag)
    return [word for flag in out for word in flag]


def bundles(todo, commands):
    folders = {}
    for file in sorted(todo):
        folders.setdefault(pathlib.Path(file).parent.parts[:2], []).append(file)
    for files in folders.values():
        flags = flags_of(commands[file] for file in files)
        parts = -(-len(files) // BUNDLE)
        for part in range(parts):
            yield flags, files[part::parts]


class Look:
    """Of one bundle after the other; from several threads."""

    def __init__(self, tidy, build):
        self.tidy, self.build = tidy, pathlib.Path(build).resolve()
        self.texts = self.build / "tidy-bundles"
        for setting in SETTINGS:
            copy = self.texts / setting
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((house.ROOT / setting).read_bytes())

    def __call__(self, flags, files):
        """The seconds it took, and what is found in which file."""
        began = time.monotonic()
        run = subprocess.run([self.tidy, "--quiet", str(self.text_of(files)), "--", *flags],
                             capture_output=True, text=True, cwd=self.build)
        seconds = time.monotonic() - began
        if run.returncode == 0:
            return seconds, {}
        if len(files) == 1:
            said = run.stdout if run.stdout.strip() else run.stderr
            return seconds, {files[0]: said.replace(f"{house.ROOT}/", "")}
        found = {}
        for half in (files[::2], files[1::2]):
            more_seconds, more = self(flags, half)
            seconds += more_seconds
            found |= more
        return seconds, found

    def text_of(self, files):
        if len(files) == 1:
            return house.ROOT / files[0]
        name = hashlib.sha256("\n".join(files).encode()).hexdigest()[:12]
        text = self.texts / ("tests" if files[0].startswith("tests/") else "") / f"{name}.cc"
        text.write_text("".join(f'#include "{house.ROOT / file}"\n' for file in files))
        return text


def main():
    tidy, build = sys.argv[1:]
    cache = pathlib.Path(build) / "tidy-clean"
    cache.mkdir(exist_ok=True)
    version = subprocess.run([tidy, "--version"], check=True, capture_output=True).stdout
    setting = b"".join((house.ROOT / each).read_bytes() for each in SETTINGS) + version
    commands = house.commands_of(build)
    clean, todo = 0, []
    for file in map(str, house.files(".cc")):
        command = commands.get(file)
        if command is None:
            continue  # not built by this preset
        mark = cache / fingerprint(file, command, setting)
        if mark.exists():
            clean += 1
        else:
            todo.append((file, mark))
    problems, times = [], []
    look, marks = Look(tidy, build), dict(todo)
    with ThreadPoolExecutor(house.cores()) as pool:
        looks = [(files, pool.submit(look, flags, files))
                 for flags, files in bundles(marks, commands)]
        for files, result in looks:
            seconds, found = result.result()
            times.append((seconds, f"{files[0]} and {len(files) - 1} more"))
            problems += found.values()
            for file in set(files) - set(found):
                marks[file].touch()
    for seconds, files in sorted(times, reverse=True)[:5]:
        print(f"slowest: {seconds:.1f} s {files}")
    if clean + len(todo) == 0:
        problems.append("found no source at all: this check is broken")
    house.finish(problems, f"clang-tidy of {len(todo)} sources ({clean} known to be clean)")


if __name__ == "__main__":
    main()
