"""How the rows of a run are shown: as a table for a terminal, or as the tables of docs/benchmarks.md.
"""

SECTIONS = {"aggregation": "Split and merge", "dispatch": "Dispatch to 200 leaves",
            "ready": "A leaf's start", "healing": "Healing of 60 leaves",
            "scale": "One parent, up to 10,000 children", "losses": "A parent or the root is lost",
            "peers": "Brokers"}
# What a row tells beside its figure, and how that is called.
BESIDE = {"p50": "median", "posted_p50": "with its request", "p95": "95 %", "p99": "99 %",
          "max": "most", "runs": "each", "counted_again_max": "all counted again",
          "bare_share": "libzmq alone", "with_reports_each_s": "with reports",
          "parent_us": "parent's us a message", "leases_lost": "leases lost",
          "bare_fdatasync": "fdatasync alone", "samples": "samples"}
BEGIN, END = "<!-- bench/run --docs writes from here -->", "<!-- to here -->"


def against(row):
    if "aim" in row:
        return f"{row['aim']} {row['unit']}"
    if "least" in row:
        return f"at least {row['least']:,} {row['unit']}"
    if "times_peer_max" in row:
        return f"{row['times_peer_max']} x {row['peer']:.3g} {row['unit']}, {row['peer_name']}"
    if "peer" in row:
        return f"{row['peer']:.3g} {row['unit']}, {row['peer_name']}"
    return "-"


def figure(value):
    """Three digits that count, and never an exponent."""
    if isinstance(value, (list, tuple)):
        return " / ".join(figure(each) for each in value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{round(value, 3 - len(str(int(value)))):,.0f}" if value >= 100 else f"{value:.3g}"


def cells(row):
    return (row["name"], f"{figure(row['measured'])} {row['unit']}", against(row),
            "-" if row["ratio"] is None else f"{row['ratio']:.2f}", row["verdict"])


def table(rows):
    lines = [("name", "measured", "limit or peer", "ratio", "verdict"), *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in lines)


def beside(row):
    told = [f"{word} {figure(row[key])}" for key, word in BESIDE.items() if key in row]
    return ", ".join(told) or "-"


def markdown_table(rows):
    lines = ["| what | measured | limit or peer | ratio | verdict | beside |",
             "| --- | ---: | --- | ---: | --- | --- |"]
    return lines + [f"| {' | '.join((*cells(row), beside(row)))} |" for row in rows]


# --- the same shapes, beside each other ------------------------------------------------------------

COLUMNS = ("vpp", "libzmq alone", "mosquitto", "nats-server")
SHAPES = {"fan-in, msg/s": ("fan-in, {} leaves", None, "mosquitto: fan-in, {} clients",
                            "nats-server: fan-in, {} clients"),
          "fan-out and answers, ms": ("fan-out to the last acknowledgement, {}",
                                      "libzmq alone: fan-out and back, {}",
                                      "mosquitto: fan-out to the last answer, {}",
                                      "nats-server: fan-out to the last answer, {}"),
          "memory per client, kB": ("parent of {}: memory per child", None,
                                    "mosquitto: memory per client, {}",
                                    "nats-server: memory per client, {}")}


def peers_table(rows, sizes):
    measured = {row["name"]: figure(row["measured"]) for row in rows}
    lines = [f"| | {' | '.join(COLUMNS)} |", "| --- | ---: | ---: | ---: | ---: |"]
    for shape, names in SHAPES.items():
        for leaves in sizes["scale_leaves"]:
            found = [measured.get(name.format(leaves), "-") if name else "-" for name in names]
            if any(each != "-" for each in found):
                lines.append(f"| {shape}: {leaves:,} | {' | '.join(found)} |")
    return lines


# --- the document ----------------------------------------------------------------------------------


def markdown(result):
    machine, rows = result["machine"], result["rows"]
    changed = " with changes" if machine["commit_changed"] else ""
    lines = [f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, "
             f"{machine['memory_mb'] / 1024:.0f} GB, kernel {machine['kernel']}, `-O2`, "
             f"sources at `{machine['commit']}`{changed}; load {machine['load_before']} before, "
             f"{machine['load_after']} after (of this alone, or of others too), scheduling "
             f"{machine['scheduling']}; {result['minutes']} minutes."]
    for section, title in SECTIONS.items():
        of_section = [row for row in rows if row["section"] == section]
        if section == "peers":
            of_section = []  # beside vpp, below
        if of_section:
            lines += ["", f"**{title}**", "", *markdown_table(of_section)]
    if any(row["section"] in ("scale", "peers") for row in rows):
        lines += ["", "**The same shapes beside each other**", "",
                  *peers_table(rows, result["sizes"])]
    lines += [f"\n{each['section']} could not be measured: {each['why']}"
              for each in result["failed"]]
    return "\n".join(lines)


def write_into(document, result):
    """Replaces what stands between the marks."""
    text = document.read_text()
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    document.write_text(f"{text[:begin]}\n\n{markdown(result)}\n\n{text[end:]}")
