#!/usr/bin/env python3
"""An optimiser of bids beside vppd, in Python: docs/workers.md explains what is said.

    optimiser.py ipc:///run/vpp/workers.sock [--name NAME] [--think SECONDS] [--power-pct 100]

The plant can deliver in so many intervals of the horizon until it is empty. If the gate's is among
the dearest ones, all is offered at a price that is nearly always reached; if it may become one, at
the price of the last of these; otherwise nothing. It is an example, not a good optimiser.
"""
from forecaster import arguments, serve


def advise(task, power_pct):
    """The output of a task from its input; an exception says why there is none."""
    gate, slots, curve = task["gate"], task["slots"], task["firm_curve"]
    seconds = (gate["until_ms"] - gate["from_ms"]) / 1000
    in_slot = next(p["energy_j"] for p in curve if p["duration_s"] >= seconds)
    lasts = max(1, curve[-1]["energy_j"] // max(1, in_slot))
    dearest = sorted((slot["price_micro_per_mwh"] for slot in slots), reverse=True)[:lasts]
    expected = slots[0]["price_micro_per_mwh"]
    quantiles = slots[0]["quantiles_micro_per_mwh"] or [expected]
    if expected >= dearest[-1]:
        price = min(expected, quantiles[0])
    elif quantiles[-1] >= dearest[-1]:
        price = dearest[-1]
    else:
        return {"model": task["model"], "segments": [], "why": "other times are dearer"}
    price = max(price, task["price_min_micro_per_mwh"], task["price_least_micro_per_mwh"])
    power = task["most_w"] * power_pct // 100
    return {"model": task["model"],
            "segments": [{"power_w": power, "price_micro_per_mwh": price}]}


def main():
    parser = arguments(__doc__, "optimiser")
    parser.add_argument("--power-pct", type=int, default=100, help="of what can be sold then")
    options = parser.parse_args()
    serve("optimise", lambda task: advise(task, options.power_pct), options)


if __name__ == "__main__":
    main()
