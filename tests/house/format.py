"""clang-format (19: versions disagree) changes nothing.

    format.py CLANG_FORMAT
"""
import subprocess
import sys

import house


def main():
    files = [str(file) for file in house.files(".h", ".cc")]
    run = subprocess.run([sys.argv[1], "--dry-run", "--Werror", *files], cwd=house.ROOT,
                         capture_output=True, text=True)
    problems = [line for line in run.stderr.splitlines() if ": error: " in line]
    if run.returncode != 0 and not problems:
        problems = [run.stderr]
    house.finish(problems, f"format of {len(files)} files")


if __name__ == "__main__":
    main()
