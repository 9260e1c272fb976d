"""How values look in the demo."""

import datetime


def kw(watts):
    return "-" if watts is None else f"{watts / 1000:+.1f} kW"


def clock(milliseconds):
    return datetime.datetime.fromtimestamp(milliseconds / 1000,
                                           datetime.timezone.utc).strftime("%H:%M")


def bar(part, whole, width=10):
    if part is None or not whole:
        return "?"
    filled = max(0, min(width, round(width * part / whole)))
    return "[" + "#" * filled + " " * (width - filled) + f"] {100 * part / whole:.0f}%"
