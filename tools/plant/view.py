"""The live terminal view of a running plant. Standard library only."""

import curses
import datetime
import time

from .demo_text import bar, kw, clock


class View:
    """Draws snapshots until told to stop; `q` or Ctrl-C ends it."""

    def __init__(self, label):
        self.label = label
        self.plant = None
        self.account = None
        self.history = []
        self.notes = []

    def attach(self, plant, account):
        self.plant, self.account = plant, account
        return self

    def note(self, text):
        self.notes.append(f"{time.strftime('%H:%M:%S')} {text}")
        self.notes = self.notes[-6:]

    def run(self, step):
        """`step(snapshot)` is called after every look; false ends the view."""
        curses.wrapper(lambda screen: self._loop(screen, step))

    def _loop(self, screen, step):
        curses.curs_set(0)
        screen.nodelay(True)
        colours = curses.has_colors()
        if colours:
            curses.use_default_colors()
            for i, colour in enumerate((curses.COLOR_GREEN, curses.COLOR_YELLOW,
                                        curses.COLOR_RED, curses.COLOR_CYAN), 1):
                curses.init_pair(i, colour, -1)
        while True:
            snapshot = self.account.look()
            if not step(snapshot) or screen.getch() in (ord("q"), ord("Q")):
                return
            screen.erase()
            for row, (text, pair) in enumerate(self._lines(snapshot)):
                height, width = screen.getmaxyx()
                if row >= height - 1:
                    break
                screen.addnstr(row, 0, text, width - 1, curses.color_pair(pair) if colours else 0)
            screen.refresh()
            time.sleep(0.4)

    def _lines(self, snap):
        yield f" vpp demo   {self.label}   run directory {self.plant.dir}   q ends", 4
        if not snap.status:
            yield " ROOT does not answer: everything below it is unknown", 3
            yield from self._notes()
            return
        status = snap.status
        now = datetime.datetime.fromtimestamp(status["now"]["market_ms"] / 1000,
                                              datetime.timezone.utc)
        health = status["health"]
        codes = "; ".join(f"{c['code']}: {c['text']}" for c in health["codes"])
        yield (f" market time {now:%a %Y-%m-%d %H:%M} UTC at {status['now']['speed']}x     "
               f"health {health['state'].upper()} {codes}"), 1 if health["state"] == "ok" else 2
        cover = status["tree"]["coverage"]
        up, down = status["capacity"]["up"], status["capacity"]["down"]
        yield (f" sites {cover['online']}/{cover['enrolled']} online   up {kw(up['power_w'])} "
               f"(firm {kw(up['firm_w'])})   down {kw(down['power_w'])}   "
               f"stored {status['stored_wh'] / 1000:.0f} kWh   net {kw(status['net_w'])}"), 0
        yield "", 0
        yield from self._delivery(snap)
        yield "", 0
        yield from self._tree(snap)
        yield "", 0
        yield from self._bids(snap)
        yield from self._notes()

    def _delivery(self, snap):
        self.history.append((snap.target_w, snap.measured_w or 0))
        self.history = self.history[-70:]
        top = max(1, *(abs(w) for pair in self.history for w in pair))
        marks = " .:-=+*#%@"
        for name, i in (("asked", 0), ("delivered", 1)):
            line = "".join(marks[min(9, abs(p[i]) * 9 // top)] for p in self.history)
            value = (snap.target_w, snap.measured_w)[i]
            yield f" {name:<10}{kw(value):>12}  {line}", 1
        order = snap.status["order"]
        if order and order["shortfall_w"]:
            yield f" shortfall {kw(order['shortfall_w'])}", 3

    def _tree(self, snap):
        yield f" {'TREE':<22}{'state':<8}{'sites':>7}{'asked':>12}{'delivered':>12}{'up':>12}  charge", 4
        yield f" root (term {snap.status['node']['term']})", 0
        for node in self.plant.aggregators:
            child = next((c for c in snap.tree["children"] if c["name"] == node.name), None)
            if child is None or child["state"] != "alive":
                state = child["state"] if child else "unknown"
                yield f"  +- {node.name:<17}{state:<8}{'-':>7}{'-':>12}{'-':>12}{'-':>12}", 3
                continue
            cover = child["coverage"] or {}
            up = (child["up"] or {}).get("power_w")
            tree = snap.aggregators.get(node.name)
            marks = "".join(_mark(c) for c in tree["children"]) if tree else "?"
            yield (f"  +- {node.name:<17}{child['state']:<8}"
                   f"{cover.get('online', '-')!s:>3}/{cover.get('enrolled', '-')!s:<3}"
                   f"{kw(child['asked_w']):>12}{kw(child['measured_w']):>12}{kw(up):>12}  "
                   f"{bar(child['stored_wh'], _room(child))}"), 0
            yield f"       {marks}", 0

    def _bids(self, snap):
        market = snap.market or {}
        price = market.get("price_now")
        yield (f" MARKET price {price if price is not None else 'unknown'} "
               f"{market.get('currency', '')}/MWh {'(synthetic)' if market.get('synthetic') else ''}"), 4
        for bid in snap.bids[:6]:
            segment = (bid["segments"] or [{"power_w": None, "price": None}])[0]
            award = bid["award"] or {"power_w": None, "clearing": None}
            delivered = bid["delivered_wh"]
            yield (f"  {clock(bid['from_ms'])}  {bid['state']:<10} bid {kw(segment['power_w']):>11} "
                   f"@ {segment['price']}   award {kw(award['power_w']):>11} @ {award['clearing']}   "
                   f"delivered {'-' if delivered is None else f'{delivered / 1000:.2f} kWh'}"), 0

    def _notes(self):
        yield "", 0
        for note in self.notes:
            yield f" {note}", 2


def _mark(child):
    """One character a site: '#' delivers, '=' rests, '.' not counted, 'x' lost."""
    if child["state"] == "lost":
        return "x"
    if not child["counted"] or child["state"] != "alive":
        return "."
    return "#" if child["measured_w"] and abs(child["measured_w"]) > 100 else "="


def _room(child):
    down = (child["down"] or {}).get("energy_wh")
    return None if down is None or child["stored_wh"] is None else child["stored_wh"] + down
