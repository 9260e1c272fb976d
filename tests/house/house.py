"""What the house's checks share: the files of the repository, and how a check ends."""
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def files(*suffixes):
    """Tracked files, and new ones that are not ignored, as paths relative to the root."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout
    names = sorted(set(name for name in listed.split("\0") if name))
    return [pathlib.Path(name) for name in names
            if (not suffixes or name.endswith(suffixes)) and (ROOT / name).is_file()]


def text(file):
    return (ROOT / file).read_text(encoding="utf-8", errors="replace")


def commands_of(build):
    """How each source is compiled, by its path relative to the root. A text of the build that only
    includes sources stands for each of them."""
    out = {}
    with open(pathlib.Path(build) / "compile_commands.json", encoding="utf-8") as file:
        for each in json.load(file):
            path, command = pathlib.Path(each["file"]), each["command"]
            sources = [path]
            if path.parent.name == "Unity" and path.is_file():
                sources = [pathlib.Path(name) for name in INCLUDE.findall(path.read_text())]
            for source in sources:
                if source.is_relative_to(ROOT):
                    out.setdefault(str(source.relative_to(ROOT)),
                                   command.replace(str(path), str(source)))
    return out


def finish(problems, what):
    """Prints every problem and ends the process as ctest expects."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problems" if problems else f"{what}: clean")
    sys.exit(1 if problems else 0)


def cores():
    return max(1, len(os.sched_getaffinity(0)))
