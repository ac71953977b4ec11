"""Latency against load of the network: uniform random traffic on a mesh of 8 x 8, one flow a node.

python benchmarks/network_load.py [--json] [--svg FILE]

Every node sends packets to random other nodes, in each cycle with the offered load as probability. A source is an actor
with a port that chooses among the queues to all nodes by a table; an entry that sends nothing chooses a queue to the
node itself, which crosses no link. Routes are dimension-ordered. A sink takes what comes at once.
Latency is Little's law: the tokens under way, sampled, over the tokens that arrive a cycle. The smallest is the mean
distance; what is above it was spent in line at links. Accepted: packets that arrive, a cycle and node.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict, dataclass, replace
from itertools import product

import numpy as np

from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Loop, Netlist, Port, Queue, UnitInfo
from rdflow.dsl.source import NOWHERE
from rdflow.interpreter.image import advance, build, counters
from rdflow.interpreter.mapped import Mapped, QueueTiming, Server
from rdflow.interpreter.network import meetings, through_links
from rdflow.interpreter.route import Route, Switch

SIDE = 8
PIPELINE = 1  # cycles from a firing to the first switch
SLOTS = 256  # of a queue: a source hardly ever waits for room
LOADS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.375, 0.4, 0.425, 0.45, 0.5, 0.6)


@dataclass(frozen=True)
class Point:
    """Packets a cycle and node, offered and accepted; the mean cycles from the source to the sink."""

    offered: float
    accepted: float
    latency: float


def dimension_order(start: Switch, end: Switch) -> Route:
    """The switches from one to the other, both included: along the row, then along the column."""
    (row, column), (last_row, last_column) = start, end
    across = range(column, last_column, 1 if last_column > column else -1)
    down = range(row, last_row, 1 if last_row > row else -1)
    return (*((row, c) for c in across), *((r, last_column) for r in down), end)


def mesh(load: float, cycles: int, side: int = SIDE, seed: int = 0) -> tuple[Mapped, list[Route]]:
    """The netlist of the traffic, mapped, and the routes of its queues."""
    nodes: list[Switch] = list(product(range(side), repeat=2))
    count = len(nodes)
    units = [UnitInfo(str(u), "pcu", "pcu", NOWHERE, "", 1) for u in range(2 * count)]
    netlist = Netlist("traffic", units=units)
    chosen = random.Random(seed)
    routes: list[Route] = []
    for source in range(count):
        others = [n for n in range(count) if n != source]
        ends = [chosen.choice(others) if chosen.random() < load else source for _ in range(cycles)]
        queue_to = {end: len(routes) + i for i, end in enumerate(sorted(set(ends)))}
        port = Port(tuple(queue_to[end] for end in ends), ALWAYS, select=Affine(0, (1,)), source=0)
        netlist.actors.append(Actor(f"from{source}", source, "pcu", (Loop(cycles),), (), (port,)))
        routes += [dimension_order(nodes[source], nodes[end]) for end in queue_to]
        netlist.queues += [Queue(source, -1, 32) for _ in queue_to]
    for q, queue in enumerate(netlist.queues):
        netlist.queues[q] = replace(queue, sink=len(netlist.actors))
        netlist.actors.append(Actor(f"to{q}", count + queue.source, "pcu", (Loop(cycles),), (Port((q,), ALWAYS),), ()))
    return Mapped(netlist, *_timed(netlist, routes)), routes


def _timed(netlist: Netlist, routes: list[Route]) -> tuple[list[QueueTiming], list[Server]]:
    """Queues as the mapping makes them: a hop is a cycle, and links where flows meet are servers."""
    met = meetings(netlist, routes)
    timings = []
    for way, crossed, flow in zip(routes, met.crossings, met.flows, strict=True):
        latency = PIPELINE + max(1, len(way) - 1)
        first, stages = through_links([(c.link, PIPELINE + c.hops) for c in crossed], latency, 1)
        timings.append(QueueTiming(latency, 1, SLOTS, first, stages, flow if crossed else -1))
    return timings, [Server(f"link[{n}]", shared=True) for n in range(len(met.links))]


def measure(load: float, cycles: int = 4000, samples: int = 40, side: int = SIDE) -> Point:
    """A point of the curve, from the second half of a run."""
    mapped, routes = mesh(load, cycles, side)
    image = build(mapped)
    through = np.array([len(way) > 1 for way in routes])
    under_way, arrived = [], []
    for t in np.linspace(cycles // 2, cycles - 1, samples, dtype=int).tolist():
        advance(image, t)
        seen = counters(image)
        under_way.append(int((seen.pushes - seen.pops)[through].sum()))
        arrived.append((t, int(seen.pops[through].sum())))
    (start, before), (end, after) = arrived[0], arrived[-1]
    rate = (after - before) / (end - start)
    return Point(load, rate / side**2, float(np.mean(under_way)) / rate)


def svg(points: list[Point]) -> str:
    """The curve: load accepted to the right, latency upwards."""
    high = 60
    across, up = 760 / points[-1].offered, 340 / high
    dots = [(40 + p.accepted * across, 360 - min(p.latency, high) * up) for p in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in dots)
    ticks = "".join(
        f'<text x="{40 + l / 10 * across:.0f}" y="378">{l / 10}</text>'
        for l in range(1, int(10 * points[-1].offered) + 1)
    )
    ticks += "".join(f'<text x="8" y="{364 - c * up:.0f}">{c}</text>' for c in range(0, high + 1, 10))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 400" font-family="sans-serif" font-size="12">'
        '<path d="M40 20V360H800" fill="none" stroke="currentColor"/>'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2"/>{marks}{ticks}'
        '<text x="560" y="395">packets accepted, a cycle and node</text><text x="44" y="16">cycles</text></svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--svg")
    chosen = parser.parse_args()
    points = [measure(load) for load in LOADS]
    if chosen.svg:
        with open(chosen.svg, "w", encoding="utf-8") as file:
            file.write(svg(points))
    if chosen.json:
        print(json.dumps([asdict(point) for point in points]))
        return
    print("| offered | accepted | cycles |\n|---|---|---|")
    for point in points:
        print(f"| {point.offered} | {point.accepted:.3f} | {point.latency:.1f} |")


if __name__ == "__main__":
    main()
