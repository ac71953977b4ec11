"""Firings a second of the engine, without values and with nothing skipped: pipelines (a source, maps with one queue in
and one out, a sink), and attention.

python benchmarks/engine_speed.py [--json]
"""

from __future__ import annotations

import argparse
import json
import time

import rdflow
from rdflow.dsl.netlist import Actor, Gate, Loop, Netlist, Port, Queue
from rdflow.interpreter.image import Image, Status, advance, build
from rdflow.interpreter.mapped import Mapped, QueueTiming

FIRINGS = 40_000_000
REPEATS = 5
CASES = ((64, 16), (64, 2), (1024, 16), (1024, 2), (8192, 16))  # units, depth of the queues
SIZE = 4096  # of attention


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
    return best([build(pipeline(units, count, depth)) for _ in range(REPEATS)])


def attention(size: int) -> float:
    """The same of attention with so many queries and keys."""
    program = rdflow.load("attention", S=size)
    return best([program.execution().begin().image for _ in range(REPEATS)])


def best(images: list[Image]) -> float:
    """Million firings a second of this process's time, of images that do the same."""
    spent, count = float("inf"), 0
    for image in images:
        started = time.process_time()
        assert advance(image, forward=False) is Status.FINISHED
        spent = min(spent, time.process_time() - started)
        count = int(image.tables.actors["firings"].sum())
    return count / spent / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    advance(build(pipeline(2, 1, 2)))  # compiles
    results = [{"units": u, "depth": d, "million_firings_a_second": round(speed(u, d), 1)} for u, d in CASES]
    streamed = round(attention(SIZE), 1)
    if as_json:
        print(json.dumps([*results, {"attention": SIZE, "million_firings_a_second": streamed}]))
        return
    print(f"attention S={SIZE}:        {streamed:7.1f} M firings/s")
    for result in results:
        print("{units:5} units, depth {depth:2}: {million_firings_a_second:7.1f} M firings/s".format(**result))


if __name__ == "__main__":
    main()
