"""No tracked file holds unfinished business or a path of somebody's machine."""
import re

import house

# Written in pieces, so that this file does not find itself. Paths: absolute ones only, a node's
# directory may well be named "root"; three letters of a word: mkstemp's six are none.
FORBIDDEN = re.compile("|".join([
    r"TO" r"DO", r"FIX" r"ME", r"\bX{3}\b", r"(?<![\w.}])/(?:ro" r"ot|wo" r"rk|ho" r"me/[a-z]+)/"]))
SHOWN_MAX = 120


def main():
    problems = []
    for file in house.files():
        if file.suffix in (".svg", ".png"):
            continue
        for number, line in enumerate(house.text(file).splitlines(), 1):
            if FORBIDDEN.search(line):
                problems.append(f"{file}:{number}: {line.strip()[:SHOWN_MAX]}")
    house.finish(problems, "words")


if __name__ == "__main__":
    main()
