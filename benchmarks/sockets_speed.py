"""Eight sockets stepped apart, on one thread and on two: firings a second, without values and with nothing skipped.

python benchmarks/sockets_speed.py [--json]

A pipeline on each socket feeds that of the next over a link. Seconds are those of a clock on the wall: let nothing else run.
"""

from __future__ import annotations

import argparse
import json
import time

from rdflow.dsl.netlist import Actor, Gate, Loop, Netlist, Port, Queue
from rdflow.interpreter.image import Image, Status, advance, build
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.mapped import Mapped, QueueTiming
from rdflow.interpreter.sockets import link_servers, link_timing

SOCKETS, DEPTH = 8, 16
FIRINGS = 60_000_000
REPEATS = 5
UNITS = (64, 512, 1024)  # of a socket
WIRE = 6  # cycles from a port to the consumer


def pipelines(units: int, machine: Machine) -> Mapped:
    """A pipeline of `units` actors on each socket, one after the other."""
    total, netlist = SOCKETS * units, Netlist("sockets", sockets=SOCKETS)
    count = FIRINGS // total
    for unit in range(total):
        inputs = (Port((unit - 1,), Gate()),) if unit > 0 else ()
        outputs = (Port((unit,), Gate()),) if unit < total - 1 else ()
        netlist.actors.append(Actor(f"u{unit}", 0, "pcu", (Loop(count),), inputs, outputs, socket=unit // units))
    timings = []
    for unit in range(total - 1):
        here, there = unit // units, (unit + 1) // units
        server = ("link", here * SOCKETS + there) if here != there else None
        queue = Queue(unit, unit + 1, 0, slots=None if server else DEPTH, server=server)
        netlist.queues.append(queue)
        timings.append(link_timing(queue, machine, WIRE, 0) if server else QueueTiming(1, 1, DEPTH))
    return Mapped(netlist, timings, link_servers(netlist, machine))


def seconds(mapped: Mapped, threads: int | None) -> tuple[float, Image]:
    """Of one run, by the clock on the wall."""
    image = build(mapped, None, threads)
    started = time.perf_counter()
    assert advance(image, forward=False) is Status.FINISHED
    return time.perf_counter() - started, image


def speeds(units: int, machine: Machine) -> dict[str, float]:
    """Million firings a second as one image, and apart on one thread and on two: the best of several runs in turn."""
    mapped, best, count = pipelines(units, machine), dict.fromkeys(("image", "1", "2"), float("inf")), 0
    for _ in range(REPEATS):
        for label, threads in (("image", None), ("1", 1), ("2", 2)):
            spent, image = seconds(mapped, threads)
            best[label], count = min(best[label], spent), int(image.tables.actors["firings"].sum())
    return {label: round(count / spent / 1e6, 1) for label, spent in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    machine = load_machine("sn40l")
    advance(build(pipelines(2, machine)), 1)  # compiles
    results = [{"units_a_socket": units, **speeds(units, machine)} for units in UNITS]
    if as_json:
        print(json.dumps(results))
        return
    for r in results:
        line = "{units_a_socket:5} units a socket: one image {image:6.1f}, apart on one thread {:6.1f}, on two {:6.1f}"
        print(line.format(r["1"], r["2"], **r), f"M firings/s ({r['2'] / r['1']:.2f} times)")


if __name__ == "__main__":
    main()
