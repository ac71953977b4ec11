"""Netlists drawn by hand: units with their actors, and queues by the numbers of actors."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Burst, Loop, Netlist, Port, Queue, TensorUse, UnitInfo
from rdflow.dsl.source import Span

KINDS = {"load": "agcu", "store": "agcu", "pmu": "pmu"}
PLAIN = Queue(0, 0, 32)
ENDS = {"load": ("request", "respond"), "store": ("store", "acknowledge"), "pmu": ("write", "read")}


class Sketch:
    """A netlist drawn by hand: units with their actors, and queues by the names of actors."""

    def __init__(self) -> None:
        self.netlist = Netlist("sketch")

    def unit(
        self, name: str, verb: str, copies: int = 1, pcus: int = 0, pmus: int = 0, agcus: int = 0, bytes: int = 0
    ) -> int:
        line = Span(10 * len(self.netlist.units), 10 * len(self.netlist.units) + len(name))
        self.netlist.units.append(
            UnitInfo(name, KINDS.get(verb, "pcu"), verb, line, "[]", copies, pcus, pmus, agcus, bytes)
        )
        for _ in range(copies):
            for kind in ENDS.get(verb, (verb,)):
                self.actor(len(self.netlist.units) - 1, kind)
        return len(self.netlist.units) - 1

    def actor(self, unit: int, kind: str, stages: int = 8) -> int:
        burst = Burst(0, Affine()) if kind in ("request", "store") else None
        name = f"{self.netlist.units[unit].name}.{len(self.netlist.actors)}"
        self.netlist.actors.append(Actor(name, unit, kind, (Loop(4),), (), (), stages=stages, burst=burst))
        return len(self.netlist.actors) - 1

    def queue(self, source: int, sink: int, queue: Queue = PLAIN, temporary: int = 0, select: bool = False) -> int:
        """A queue behind a port of its own; with `select` behind the source's last port, which deals."""
        number = len(self.netlist.queues)
        self.netlist.queues.append(replace(queue, source=source, sink=sink))
        *ports, last = self.netlist.actors[source].outputs or (None,)
        made = Port((number,), ALWAYS, queue.packets, source=temporary if queue.width else -1)
        if select and last is not None:
            outputs = (*ports, replace(last, queues=(*last.queues, number)))
        else:
            outputs = (*self.netlist.actors[source].outputs, made)
        self.netlist.actors[source] = replace(self.netlist.actors[source], outputs=outputs)
        return number

    def tensor(self, name: str, size: int, tier: str = "hbm") -> None:
        self.netlist.tensors.append(TensorUse(name, (size // 2,), "bf16", tier, None, (2,), size))


def pipeline() -> Netlist:
    """load x -> pmu h -> pcu y -> store: actors 0 1 | 2 3 | 4 | 5 6."""
    sketch = Sketch()
    sketch.tensor("X", 1024)
    sketch.unit("x", "load", agcus=1)
    sketch.unit("h", "pmu", pmus=1)
    sketch.unit("y", "pcu", pcus=1)
    sketch.unit("s", "store", agcus=1)
    sketch.queue(0, 1, Queue(0, 0, 32, server="memory"))
    sketch.queue(1, 2)
    sketch.queue(2, 3, Queue(0, 0, 0, slots=2))
    sketch.queue(3, 2, Queue(0, 0, 0, slots=2, initial=2))
    sketch.queue(3, 4, Queue(0, 0, 32, packets=2))
    sketch.queue(4, 5, Queue(0, 0, 32, depth=3))
    sketch.queue(5, 6, Queue(0, 0, 0, slots=64, server="memory"))
    return sketch.netlist


def chains(count: int, length: int) -> Netlist:
    """`count` copies of a chain of PCUs and PMUs behind one load that is multicast to all."""
    sketch = Sketch()
    sketch.tensor("X", 1024)
    sketch.unit("x", "load", agcus=1)
    sketch.queue(0, 1, Queue(0, 0, 32, server="memory"))
    heads = [(1, 1)] * count
    for step in range(length):
        first = len(sketch.netlist.actors)
        verb = ("pcu", "pmu")[step % 2]
        sketch.unit(f"u{step}", verb, count, pcus=int(verb == "pcu"), pmus=int(verb == "pmu"))
        width = (len(sketch.netlist.actors) - first) // count
        new = [(first + width * i, first + width * i + width - 1) for i in range(count)]
        for (_, source), (sink, last) in zip(heads, new, strict=True):
            sketch.queue(source, sink)
            if sink != last:
                sketch.queue(sink, last, Queue(0, 0, 0, slots=2))
        heads = new
    return sketch.netlist
