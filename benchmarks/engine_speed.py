"""Firings a second of the engine, without values: a source, maps with one queue in and one out, a sink.

python benchmarks/engine_speed.py [--json]
"""

from __future__ import annotations

import argparse
import json
import time

from rdflow.dsl.netlist import Actor, Gate, Loop, Netlist, Port, Queue
from rdflow.interpreter.image import Status, advance, build
from rdflow.interpreter.mapped import Mapped, QueueTiming

FIRINGS = 40_000_000
REPEATS = 5
CASES = ((64, 16), (64, 2), (1024, 16), (1024, 2))  # units, depth of the queues


def pipeline(units: int, count: int, depth: int) -> Mapped:
    """`units` actors in a row that fire `count` times each, latency 1."""
    netlist = Netlist("pipeline")
    for unit in range(units):
        inputs = (Port((unit - 1,), Gate()),) if unit > 0 else ()
        outputs = (Port((unit,), Gate()),) if unit < units - 1 else ()
        netlist.actors.append(Actor(f"u{unit}", 0, "pcu", (Loop(count),), inputs, outputs))
    netlist.queues.extend(Queue(unit, unit + 1, 0, slots=depth) for unit in range(units - 1))
    return Mapped(netlist, [QueueTiming(1, 1, depth)] * (units - 1))


def speed(units: int, depth: int) -> float:
    """Million firings a second of this process's time, the best of several runs."""
    count = FIRINGS // units
    best = float("inf")
    for _ in range(REPEATS):
        image = build(pipeline(units, count, depth))
        started = time.process_time()
        assert advance(image, forward=False) is Status.FINISHED
        best = min(best, time.process_time() - started)
    return units * count / best / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    advance(build(pipeline(2, 1, 2)))  # compiles
    results = [{"units": u, "depth": d, "million_firings_a_second": round(speed(u, d), 1)} for u, d in CASES]
    if as_json:
        print(json.dumps(results))
        return
    for result in results:
        print("{units:5} units, depth {depth:2}: {million_firings_a_second:7.1f} M firings/s".format(**result))


if __name__ == "__main__":
    main()
