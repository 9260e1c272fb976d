#!/usr/bin/env python3
"""A forecaster of prices beside vppd, in Python: docs/workers.md explains what is said.

    forecaster.py ipc:///run/vpp/workers.sock [--name NAME] [--think SECONDS] [--broken]

Each hour is expected to cost what it cost at the same time of the last seven days, and to miss that
as it did on those days. It is an example, not a good forecast.
"""
import argparse
import json
import time

import zmq

DAY, DAYS = 24, 7


def forecast(task):
    """The output of a task from its input; an exception says why there is none."""
    history = task["history_micro_per_mwh"]
    hours = []
    for hour in range(task["hours"]):
        back = [len(history) + hour % DAY - DAY * day for day in range(1, DAYS + 1)]
        prices = sorted(history[i] for i in back if i >= 0 and history[i] is not None)
        if not prices:
            raise ValueError("no day of the history has this hour")
        price = sum(prices) // len(prices)
        quantiles = [prices[min(len(prices) * level // 1000, len(prices) - 1)]
                     for level in task["levels_permille"]]
        hours.append({"price_micro_per_mwh": price, "quantiles_micro_per_mwh": quantiles})
    return {"model": task["model"], "hours": hours}


def answer(message, make, options):
    time.sleep(options.think)
    try:
        if options.broken:
            raise ValueError("this worker is broken")
        output = make(message["input"])
    except (ValueError, KeyError, TypeError) as why:
        return {"type": "failed", "task": message["task"], "why": str(why)}
    return {"type": "result", "task": message["task"], "output": output}


def serve(kind, make, options):
    """Takes tasks of a kind for ever; `make` has the output of a task from its input."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.connect(options.address)
    hello = {"type": "hello", "version": 1, "name": options.name, "kinds": [kind]}
    say, patience_ms = hello, 1000
    while True:
        socket.send_json(say)
        if not socket.poll(patience_ms):  # nothing to do: the root must hear of us all the same
            say = {"type": "heartbeat"}
            continue
        message = json.loads(socket.recv())
        print(message["type"], message.get("task", ""), message.get("why", ""), flush=True)
        say = {"type": "heartbeat"}
        if message["type"] == "welcome":
            patience_ms = message["lease_ms"] // 3
        elif message["type"] == "task":
            say = answer(message, make, options)
        elif message["type"] == "error":  # it does not know us (any more): begin anew
            time.sleep(0.2)
            say = hello


def arguments(description, name):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("address")
    parser.add_argument("--name", default=name)
    parser.add_argument("--think", type=float, default=0, help="seconds over each task")
    parser.add_argument("--broken", action="store_true", help="fail at every task")
    return parser


if __name__ == "__main__":
    serve("forecast", forecast, arguments(__doc__, "forecaster").parse_args())
