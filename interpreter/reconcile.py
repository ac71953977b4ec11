"""Formulas beside measurements: bytes and FLOPs that the checked program says, those of the run, and why they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from rdflow.dsl.checked import Kernel
from rdflow.dsl.formulas import Traffic, Work, flops_of, traffic, work
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.image import Counters
from rdflow.interpreter.machine import BURST

BOUND = "left out by a bound"
ROUND = "past the end of an axis or bound, in tiles and rounds of copies that run whole"
MASKED = "computed and dropped, past the end of an axis or bound"
ROUTED = "places of experts that no token is brought to"
RAGGED = "left out by a stream's bound, in whole tiles"
BURSTS = "the rest of 64-byte bursts"
SHARED = "elements that share a burst"


@dataclass(frozen=True, slots=True)
class Compared:
    """A line's bytes (`tensor` names what it moves) or FLOPs: by formula, as measured, and what makes the difference.

    `again`: how often a tensor's elements are moved, with the axes that make it so.
    """

    unit: str
    tensor: str | None
    text: str
    again: tuple[str, int]
    formula: int
    measured: int
    causes: tuple[tuple[str, int], ...]


def compared(
    kernels: Sequence[Kernel], netlist: Netlist, counted: Sequence[Counters], times: Sequence[int]
) -> tuple[Compared, ...]:
    """Every line that moves bytes to or from a tier, then every one that computes, over all launches counted.

    `kernels`: of each kind of launch, with its numbers; `times`: how many there are of it, all of them in its counters.
    """
    run = _Run(netlist, counted, times)
    moved = (run.moved(lines) for lines in zip(*map(traffic, kernels), strict=True))
    most, inside = ([flops_of(kernel, routed) for kernel in kernels] for routed in (False, True))
    computed = (
        run.computed(l, *(run.summed(flops[l.unit] for flops in each) for each in (most, inside)))
        for l in work(kernels[0])
    )
    return (*moved, *computed)


class _Run:
    """What the counters say of units and streams."""

    def __init__(self, netlist: Netlist, counted: Sequence[Counters], times: Sequence[int]):
        self.netlist = netlist
        self.times = times
        self.launches = sum(times)
        self.firings = np.sum([c.firings for c in counted], axis=0)
        self.pushes = np.sum([c.pushes for c in counted], axis=0)
        self.pops = np.sum([c.pops for c in counted], axis=0)
        self.units = {unit.name: i for i, unit in enumerate(netlist.units)}

    def summed(self, each: Iterable[int]) -> int:
        """Over all launches, of what one of each kind has."""
        return sum(n * value for n, value in zip(self.times, each, strict=True))

    def moved(self, lines: Sequence[Traffic]) -> Compared:
        line, bounded = lines[0], self.summed(l.bounded for l in lines)
        formula = line.formula.value * self.launches
        ran = self.tokens(line.unit) * line.token
        measured = BURST * self.bursts(line.unit)
        steps = (
            (BOUND, bounded - formula),
            (RAGGED if line.ragged and ran < bounded else ROUND, ran - bounded),
            (BURSTS, measured - ran),
        )
        causes = tuple((SHARED if cause is BURSTS and size < 0 else cause, size) for cause, size in steps if size)
        again = (line.again.text, line.again.value)
        return Compared(line.unit, line.tensor, f"{line.formula.text} B", again, formula, measured, causes)

    def computed(self, line: Work, most: int, inside: int) -> Compared:
        """FLOPs inside of all bounds: `most` with all places of experts taken, `inside` with those that tokens are brought to."""
        number = self.units[line.unit]
        body = [i for i, a in self.netlist.actors_of(number) if a.name.partition("[")[0] == line.unit]
        measured = int(self.firings[body].sum()) * line.inside
        measured += sum(self.results(number, stream) * each for stream, each in line.outside)
        formula = line.formula.value * self.launches
        steps = (
            (BOUND, most - formula),
            (ROUTED, inside - most),
            (RAGGED if line.ragged and measured < inside else MASKED, measured - inside),
        )
        return Compared(
            line.unit, None, line.formula.text, ("1", 1), formula, measured, tuple((c, n) for c, n in steps if n)
        )

    def bursts(self, unit: str) -> int:
        """Bursts that the unit asked for or stored."""
        return sum(int(self.pushes[q]) for q, queue in self._queues(unit) if queue == "memory")

    def tokens(self, unit: str) -> int:
        """Tokens that a load gave, or that a store took: of each actor, those of its first port for data."""
        found = 0
        for _, actor in self.netlist.actors_of(self.units[unit]):
            ports, moved = (actor.outputs, self.pushes) if actor.kind == "respond" else (actor.inputs, self.pops)
            if actor.kind in ("respond", "store"):
                bounds = [actor.inputs[loop.port] for loop in actor.loops if loop.port >= 0]
                data = [p for p in ports if self.netlist.queues[p.queues[0]].width and p not in bounds]
                found += int(moved[list(data[0].queues)].sum()) if data else 0
        return found

    def results(self, number: int, stream: str) -> int:
        """Tokens of a stream that the unit's actors pushed, each counted once however many take it."""
        found = 0
        for _, actor in self.netlist.actors_of(number):
            ports = [p for p in actor.outputs if self.netlist.queues[p.queues[0]].stream == stream]
            found += int(self.pushes[list(ports[0].queues)].sum()) if ports else 0
        return found

    def _queues(self, unit: str) -> Iterator[tuple[int, object]]:
        number = self.units[unit]
        for q, queue in enumerate(self.netlist.queues):
            if self.netlist.actors[queue.source].unit == number:
                yield q, queue.server
