#!/usr/bin/env python3
"""Evidence for the split and the curve: against linear programs, other policies, sums and grids.

  bench/flexibility.py                    1,000 cases, as tables; a few minutes
  bench/flexibility.py -o json            the document of flexibility_evidence as it is
  bench/flexibility.py --docs             the tables into docs/flexibility.md, the plots beside it

Fleets are drawn from the real ratings of ../shared/data/fleet where they are, else synthetic.
`--docs` needs gnuplot (tools/setup fuzz). Builds the preset `release`, or takes --build DIR.
"""

import argparse
import json
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
RATINGS = TOP.parent / "shared" / "data" / "fleet" / "fleet_ratings.csv"
DOCUMENT = TOP / "docs" / "flexibility.md"
BEGIN, END = "<!-- bench/flexibility.py --docs writes from here -->", "<!-- to here -->"
COLOUR = {True: "#2a6f97", False: "#b0b7bd"}  # ours, others


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/flexibility.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", dest="output", choices=["table", "json"], default="table")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--build", type=pathlib.Path)
    return parser.parse_args(arguments)


def measure(options):
    build = options.build or TOP / "build" / "release"
    if not options.build:
        for command in (["cmake", "--preset", "release"],
                        ["cmake", "--build", "--preset", "release", "--target",
                         "flexibility_evidence"]):
            subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    command = [build / "bench" / "flexibility_evidence", "--cases", str(options.cases),
               "--seed", str(options.seed)]
    if RATINGS.exists():
        command += ["--ratings", RATINGS]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        sys.exit(f"bench/flexibility.py: flexibility_evidence failed with {done.returncode}")
    return json.loads(done.stdout), done.returncode


def percent(part):
    return "0" if part == 0 else f"{100 * part:.4f} %" if abs(part) < 1e-3 else f"{100 * part:.2f} %"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1),
            *("| " + " | ".join(map(str, row)) + " |" for row in rows)]


def shares(document):
    return [(name, percent(row["mean"]), percent(row["median"]), percent(row["worst"]),
             row["cases"]) for name, row in document.items()]


def tables(document):
    exact = document["against_linear_programs"]
    boundary = dict(sorted(document["unserved_at_the_boundary"].items(),
                           key=lambda item: item[1]["mean"]))
    source = (f"{document['sites_rated']} real ratings" if document["sites_rated"]
              else "synthetic ratings")
    return [
        f"{source}, seed {document['seed']}.", "",
        f"**Against linear programs**: of {exact['cases']:,} random fleets and requests, "
        f"{exact['feasible']} of them feasible, {exact['disagreements']} disagreements about "
        "feasibility, the largest factor of a request, the energy left unserved, or what the plan "
        f"then serves. Largest difference {exact['largest_difference']:.1e} of the request.", "",
        "**Unserved of a request at the exact boundary** of what the fleet can do, in slots of 5, "
        "15 or 30 minutes:", "",
        *table(("policy", "mean", "median", "worst", "cases"), shares(boundary)), "",
        "**Promised too much by the sums of power and energy**, as one large battery:", "",
        *table(("request", "mean", "median", "worst", "cases"),
               shares(document["promised_by_sums"])), "",
        "**Given away by a grid**: of the largest factor of a request, because the chord lies "
        "below the curve:", "",
        *table(("grid", "mean", "median", "worst", "cases"),
               shares(document["given_away_by_grid"])),
    ]


def plot(path, title, rows, ours):
    """Horizontal bars of percentages."""
    lines = [f'{i} {100 * value:.5f} {int(COLOUR[ours(name)][1:], 16)} "{name}"'
             for i, (name, value) in enumerate(reversed(rows))]
    script = "\n".join([
        f"set terminal svg size 760,{70 + 26 * len(rows)} font 'sans,12' background '#ffffff'",
        f"set output '{path}'", f'set title "{title}"', "set style fill solid", "unset key",
        "set boxwidth 0.7", "set border 1", "set xtics nomirror", "set yrange [-0.7:*]",
        f"set xrange [0:{118 * max(value for _, value in rows)}]", "set ytics nomirror scale 0",
        "set offsets 0,0,0.5,0", "set format x '%g %%'", "set grid x",
        "$rows << EOD", *lines, "EOD",
        "plot $rows using (0.5*$2):1:(0.5*$2):(0.35):3:ytic(4) with boxxy linecolor rgb variable, "
        "$rows using 2:1:(sprintf(' %.3g %%', $2)) with labels left"])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def plots(document, directory):
    def means(part):
        return sorted(((name, row["mean"]) for name, row in document[part].items()),
                      key=lambda item: item[1])

    directory.mkdir(exist_ok=True)
    plot(directory / "boundary.svg", "unserved at the exact boundary, mean",
         means("unserved_at_the_boundary"), lambda name: name.startswith("time to go"))
    plot(directory / "grids.svg", "given away by the grid, mean", means("given_away_by_grid"),
         lambda name: name.startswith("hybrid"))


def write_docs(document):
    plots(document, DOCUMENT.parent / "plots")
    text = DOCUMENT.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    DOCUMENT.write_text(text[:begin] + "\n\n" + "\n".join(tables(document)) + "\n\n" + text[end:])


def main(arguments):
    options = parse(arguments)
    document, status = measure(options)
    print(json.dumps(document) if options.output == "json" else "\n".join(tables(document)))
    if options.docs:
        write_docs(document)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
