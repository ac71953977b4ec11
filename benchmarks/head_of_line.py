"""What end-to-end credits leave out: a network whose switches have one FIFO an input, so that a blocked packet blocks
all behind it.

python benchmarks/head_of_line.py [--json]

The engine gives every queue room for all that it may have under way, so a consumer that stalls holds up its own queue
only. Here packets of all flows share the FIFOs. Two cases, each run by both: two flows over one link, of which one has a
slow consumer; and uniform random traffic, where every consumer takes at once and only packets that turn block others.

For whole programs: the share of the cycles in which shared FIFOs could be blocked, that is, in which some queue over a
link that flows share has more packets at its consumer than the consumer's own FIFO holds (sampled, by the engine).
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
from network_load import dimension_order, measure

import rdflow
from rdflow.dsl.netlist import ALWAYS, Actor, Loop, Netlist, Port, Queue
from rdflow.interpreter.image import Image, Status, advance, build, counters
from rdflow.interpreter.mapped import Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.route import Route, Switch

FIFO = 16  # packets of a switch's input, as of a unit's (machines/sn40l.toml)
Link = tuple[Switch, Switch]
PROGRAMS: tuple[tuple[str, dict[str, int]], ...] = (("attention", {"P": 8}), ("swiglu_mlp", {}), ("monarch_fft", {}))
Place = Link | Switch  # a FIFO: behind a link, or of a source


@dataclass
class Packet:
    """On its way: the links that it has yet to cross, and who takes it."""

    way: deque[Link]
    consumer: int


@dataclass
class Mesh:
    """FIFOs of `depth` packets behind every link; sources have room for all that they send. `intervals`: cycles a packet
    of consumers that are slower than one a cycle; in front of a consumer is a FIFO of the same depth."""

    depth: int
    intervals: dict[int, int] = field(default_factory=dict)
    fifos: dict[Place, deque[Packet]] = field(default_factory=lambda: defaultdict(deque))
    last: dict[Link, int] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    taken: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def send(self, way: Route, consumer: int) -> None:
        self.fifos[way[0]].append(Packet(deque(pairwise(way)), consumer))

    def cycle(self, t: int) -> None:
        """A packet over every link that has one for it and room behind it; inputs in rotating order."""
        for consumer, count in self.waiting.items():
            if count and t % self.intervals.get(consumer, 1) == 0:
                self.waiting[consumer] -= 1
                self.taken[consumer] += 1
        room = {place: self.depth - len(fifo) for place, fifo in self.fifos.items()}
        asking: dict[Link, list[int]] = defaultdict(list)
        places = list(self.fifos)
        for number, place in enumerate(places):
            fifo = self.fifos[place]
            if fifo and not fifo[0].way:
                if self.waiting[fifo[0].consumer] < self.depth:
                    self.waiting[fifo.popleft().consumer] += 1
            elif fifo:
                asking[fifo[0].way[0]].append(number)
        for link, inputs in asking.items():
            if room.get(link, self.depth) > 0:
                chosen = min(inputs, key=lambda n: (n - self.last.get(link, -1) - 1) % len(places))
                self.last[link] = chosen
                packet = self.fifos[places[chosen]].popleft()
                packet.way.popleft()
                self.fifos[link].append(packet)


def random_traffic(load: float, depth: int, cycles: int = 2000, side: int = 8) -> float:
    """Packets accepted, a cycle and node, over the second half."""
    nodes = list(product(range(side), repeat=2))
    chosen, mesh, half = random.Random(0), Mesh(depth), 0
    for t in range(cycles):
        for source in nodes:
            if chosen.random() < load:
                end = chosen.choice([n for n in nodes if n != source])
                mesh.send(dimension_order(source, end), nodes.index(end))
        mesh.cycle(t)
        half = sum(mesh.taken.values()) if t == cycles // 2 else half
    return (sum(mesh.taken.values()) - half) / (cycles - cycles // 2 - 1) / side**2


def two_flows(interval: int, depth: int, cycles: int = 20_000) -> tuple[float, float]:
    """Packets a cycle of two flows over one link, the first to a consumer that takes one in `interval` cycles."""
    mesh = Mesh(depth, {0: interval})
    ways = dimension_order((0, 0), (0, 3)), ((1, 0), *dimension_order((0, 0), (0, 2)))
    for _ in range(cycles):
        for consumer, way in enumerate(ways):
            mesh.send(way, consumer)
    for t in range(cycles):
        mesh.cycle(t)
    return mesh.taken[0] / cycles, mesh.taken[1] / cycles


def two_flows_engine(interval: int, cycles: int = 20_000) -> tuple[float, float]:
    """The same by the engine."""
    actors = [Actor(f"from{q}", q, "pcu", (Loop(cycles),), (), (Port((q,), ALWAYS),)) for q in range(2)]
    paces = (interval, 1)
    actors += [
        Actor(f"to{q}", 2 + q, "pcu", (Loop(cycles),), (Port((q,), ALWAYS),), (), (), paces[q]) for q in range(2)
    ]
    netlist = Netlist("two", actors=actors, queues=[Queue(q, 2 + q, 32) for q in range(2)])
    timing = QueueTiming(0, 3, FIFO + 1 + 2 * 3, 1, (Stage(0, 2),))
    image = build(Mapped(netlist, [timing] * 2, [Server("link", shared=True)]))
    advance(image, cycles)
    popped = counters(image).pops.tolist()
    return popped[0] / cycles, popped[1] / cycles


def crowded(name: str, step: int = 16, **params: int) -> tuple[int, float, float]:
    """Of a program's first kernel: queues over links that flows share; the share of the cycles in which one of them has
    more at its consumer than a FIFO holds; the same for the queue that has it most often."""
    compiled = rdflow.load(name, **params).execution().begin().compiled
    servers = compiled.mapped.servers
    image = build(compiled.mapped)
    over = [
        q
        for q, timing in enumerate(compiled.mapped.queues)
        if any(s.server >= 0 and servers[s.server].shared for s in timing.stages)
    ]
    samples = blocked = 0
    worst: dict[int, int] = dict.fromkeys(over, 0)
    while advance(image, image.time + step) is Status.RUNNING:
        samples += 1
        full = [q for q in over if _there(image, q) > FIFO]
        blocked += bool(full)
        for q in full:
            worst[q] += 1
    return len(over), blocked / samples, max(worst.values(), default=0) / samples


def _there(image: Image, queue: int) -> int:
    """Packets that wait at the consumer."""
    row, ready = image.tables.queues[queue], image.tables.ready
    places = row["ring"] + (np.arange(row["popped"], row["available"]) & row["mask"])
    return int((ready[places] <= image.time).sum() * row["packets"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    meeting = {n: (two_flows_engine(n), two_flows(n, FIFO)) for n in (1, 2, 4, 8, 32)}
    loads = {load: (measure(load).accepted, random_traffic(load, FIFO)) for load in (0.2, 0.3, 0.4, 0.45, 0.6)}
    programs = {f"{name} {params}": crowded(name, **params) for name, params in PROGRAMS}
    if as_json:
        print(json.dumps({"two_flows": meeting, "random": loads, "programs": programs}))
        return
    print("| the first consumer takes one in | engine: both flows | shared FIFOs: both flows |\n|---|---|---|")
    for interval, ours in meeting.items():
        print(f"| {interval} | " + " | ".join(f"{a:.3f} {b:.3f}" for a, b in ours) + " |")
    print("\n| offered | engine | shared FIFOs |\n|---|---|---|")
    for load, accepted in loads.items():
        print(f"| {load} | {accepted[0]:.3f} | {accepted[1]:.3f} |")
    print(
        "\n| program | queues over shared links | cycles in which one is crowded | the worst queue |\n|---|---|---|---|"
    )
    for label, (queues, cycles, worst) in programs.items():
        print(f"| {label} | {queues} | {cycles:.1%} | {worst:.1%} |")


if __name__ == "__main__":
    main()
