"""Nanoseconds a burst through arbiters: streams of 64-byte requests on the memory channels, nothing skipped.

python benchmarks/arbiter_speed.py [--json]

A burst is a firing of the requester, a request in line at its channel, and a firing of the responder.
"""

from __future__ import annotations

import argparse
import json
import time

from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Burst, Loop, Netlist, Port, Queue
from rdflow.interpreter.image import Status, advance, build
from rdflow.interpreter.machine import load_machine
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage

BURSTS = 2_000_000
REPEATS = 5
STREAMS = (8, 24, 64)  # below what HBM can serve, at it, above


def streams(count: int) -> Mapped:
    """So many loads of the usual machine, one tensor behind the other."""
    machine = load_machine("sn40l")
    tier, netlist, each = machine.hbm, Netlist("streams"), BURSTS // count
    for s in range(count):
        burst = Burst(s, Affine(0, (64,)))
        netlist.actors.append(Actor(f"request{s}", 0, "request", (Loop(each),), (), (Port((s,), ALWAYS),), burst=burst))
        netlist.actors.append(Actor(f"respond{s}", 0, "respond", (Loop(each),), (Port((s,), ALWAYS),), ()))
        netlist.queues.append(Queue(2 * s, 2 * s + 1, 0, server="memory"))
    service = machine.cycles_per_burst(tier)
    servers = [Server(f"hbm[{c}]", service.numerator, service.denominator) for c in range(tier.channels)]
    way = (Stage(BY_ADDRESS, machine.cycles(tier.latency)),)
    timing = QueueTiming(1, 0, tier.outstanding, machine.agcu.to_memory, way)
    places = [(0, tier.channels, 64 * each * s) for s in range(count)]
    return Mapped(netlist, [timing] * count, servers, places)


def nanoseconds(count: int) -> float:
    """A burst, by this process's time; the best of several runs."""
    best = float("inf")
    for _ in range(REPEATS):
        image = build(streams(count))
        started = time.process_time()
        assert advance(image, forward=False) is Status.FINISHED
        best = min(best, time.process_time() - started)
    return best / (BURSTS // count * count) * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    advance(build(streams(2)), 1000)  # compiles
    results = [{"streams": count, "nanoseconds_a_burst": round(nanoseconds(count), 1)} for count in STREAMS]
    if as_json:
        print(json.dumps(results))
        return
    for result in results:
        print("{streams:3} streams: {nanoseconds_a_burst:5.1f} ns a burst".format(**result))


if __name__ == "__main__":
    main()
