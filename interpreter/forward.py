"""What fast-forward must know of a netlist before it runs: who the anchor is, and which loops repeat what they do."""

from __future__ import annotations

from math import gcd, lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Actor, Affine, Loop
from rdflow.dsl.records import dataclass
from rdflow.interpreter.kernel import past
from rdflow.interpreter.kernel.layout import FAR, Tables, table
from rdflow.interpreter.kernel.past import Marks
from rdflow.interpreter.mapped import Mapped

GRID = 256  # cycles between two looks, at most: shorter windows cost more than they find
APART = 16  # actors for which looks are a cycle further apart: each looks at all of them
BURST = 64
PATTERN = 64  # iterations after which a table of counts may repeat, at most
Table = NDArray[Any]


@dataclass(frozen=True)
class Skipped:
    """What was counted without being simulated: how often, cycles and firings of all actors."""

    times: int = 0
    cycles: int = 0
    firings: int = 0


def enable(marks: Marks, tables: Tables, forward: bool) -> None:
    """Fast-forward from here on, or step plainly."""
    least = min(GRID, int(tables.clock[0]["window"]))
    wanted = min(GRID, max(least, tables.actors.size // APART))
    marks.control["grid"] = 1 << (wanted.bit_length() - 1) if forward else 0


def marks(mapped: Mapped, tables: Tables, rank: NDArray[np.int64], nests: list[Actor]) -> Marks:
    """Room for past states: one for each loop of the anchor, and of an actor that stands in. `nests`: the actors with the
    loops of the tables."""
    actors = [nests[a] for a in np.argsort(rank)]
    depth = max((len(a.loops) for a in actors), default=1) or 1
    leading = int(rank[anchor(mapped.netlist.actors)]) if actors else -1
    rules = [_rule(a, level, mapped) for a in actors for level in range(len(a.loops) or 1)]
    slots = np.maximum(tables.queues["capacity"], tables.queues["pushed"])
    room, references = int(slots.sum()), 2 * depth
    watch = {"level": 0, "cycle": FAR}
    return Marks(
        control=table(past.CONTROL, []),
        watches=table(past.WATCH, [watch | {"anchor": leading}, watch | {"anchor": -1, "first": depth}]),
        references=np.zeros(references, past.REFERENCE),
        advances=table(past.ADVANCE, rules),
        first=np.cumsum(slots) - slots,
        most=_most(mapped, tables.queues.size),
        before=np.zeros(len(actors), np.int64),
        actors=np.zeros((references, tables.actors.size), past.PAST_ACTOR),
        counters=np.zeros((references, tables.loops.size), np.int64),
        queues=np.zeros((references, tables.queues.size), past.PAST_QUEUE),
        servers=np.zeros((references, tables.servers.size), past.PAST_SERVER),
        slots=np.zeros((references, room), np.int64),
        targets=np.zeros((references, room), np.int64),
        stages=np.zeros((references, room), np.int64),
        delays=np.zeros((references, room), np.int64),
        spare=np.zeros(int(tables.queues["mask"].max()) + 1, np.int64),
    )


def anchor(actors: list[Actor]) -> int:
    """The actor that fires most, and of these one with the deepest nest, whose loops turn most often; -1 without any."""

    def rate(a: int) -> tuple[int, int, int]:
        sizes = [loop.size for loop in actors[a].loops] or [1]
        return prod(sizes), len(sizes), -sizes[-1]

    return max(range(len(actors)), key=rate, default=-1)


def _most(mapped: Mapped, queues: int) -> NDArray[np.int64]:
    """By queue, how many tokens its consumer pops in a firing, at most."""
    most = np.ones(queues, np.int64)
    for actor in mapped.netlist.actors:
        for port in actor.inputs:
            if port.counts:
                most[list(port.queues)] = max(1, *port.counts)
    return most


# -- loops -------------------------------------------------------------------------------------------------------------


def _rule(actor: Actor, level: int, mapped: Mapped) -> dict[str, int]:
    """Where a loop repeats what it does.

    Between `low` and `high` of its iterations, two that lie a multiple of `unit` apart (0: none) do the same:
    - the same ports take part: it is not the first, where a gate asks for that (nor the last: the kernel sees to it)
    - they use the same queues: the loop does not select any
    - they pop as many tokens: as far as the table of counts repeats itself
    - their bursts go to the same channels: all of these are walked through, a whole number of times
    - the loops inside run as often: what limits them moves by as much as where they start, in whole granules. (A bound
      that only moves with this loop makes triangles: no two iterations are alike, even if some are as long.)
    """
    unit, low, high = 1, 0, FAR
    for port in actor.inputs + actor.outputs:
        low = max(low, (port.gate.first | port.gate.not_first) >> level & 1)
        if len(port.queues) > 1 and _coefficient(port.select, level):
            return {"unit": 0}
        if port.counts and port.counted == level:
            counts = (
                port.counts if port.blocks is None else (1, *port.counts[1:-1], 1)
            )  # none of them is alike for sure
            pattern, start, stop = _pattern(counts)
            unit, low, high = lcm(unit, pattern), max(low, start), min(high, stop)
    for loop in actor.loops[level + 1 :]:
        unit = lcm(unit, _bounded(loop, level))
    return {"unit": lcm(unit, _channels(actor, level, mapped)), "low": low, "high": high}


def _coefficient(affine: Affine, level: int) -> int:
    return affine.by_loop[level] if level < len(affine.by_loop) else 0


def _whole(step: int, turn: int) -> int:
    """The least number of steps that are a whole number of turns."""
    return turn // gcd(step, turn)


def _bounded(inner: Loop, level: int) -> int:
    """Iterations of a loop after which one inside runs as often as before; 0: never."""
    if inner.limit is None:
        return 1
    limit, base = _coefficient(inner.limit, level), _coefficient(inner.base, level)
    return _whole(limit, inner.granule) if limit == base else 0


def _channels(actor: Actor, level: int, mapped: Mapped) -> int:
    """Iterations of a loop after which its bursts are at the same channels again."""
    if actor.burst is None:
        return 1
    if actor.burst.gathers:
        return 0
    return _whole(_coefficient(actor.burst.address, level), BURST * mapped.channels[actor.burst.tensor][1])


def _pattern(counts: tuple[int, ...]) -> tuple[int, int, int]:
    """How often the middle of a table repeats itself: after how many entries, from which and to which; 0: not at all."""
    table = np.array(counts)
    for unit in range(1, min(PATTERN, len(table) // 2) + 1):
        start, length = _longest(table[unit:] == table[:-unit])
        if 2 * length > len(table):
            return unit, start, start + length - 1 + unit
    return 0, 0, 0


def _longest(same: NDArray[np.bool_]) -> tuple[int, int]:
    """Start and length of the longest run of True."""
    ends = np.flatnonzero(np.diff(np.concatenate(([0], same.view(np.int8), [0]))))
    lengths = ends[1::2] - ends[::2]
    best = int(lengths.argmax()) if lengths.size else 0
    return (int(ends[2 * best]), int(lengths[best])) if lengths.size else (0, 0)
