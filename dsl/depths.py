"""Depths of scratchpads: as many tiles as the longest path beside them keeps on the way (A12)."""

from __future__ import annotations

from dataclasses import field, replace
from math import ceil

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.checked import Compute, Hold, Kernel, Line, Route, sources_of, space_of, streams_of
from rdflow.dsl.orders import packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.turns import producers

ABSENT = -1.0
NOTABLE = 1.1  # a slowdown below this is not worth a word


@dataclass(frozen=True, slots=True)
class Shallow:
    """A scratchpad with fewer tiles than the path beside it needs, and how much slower than at full depth it runs."""

    line: int
    needed: int
    factor: float
    fork: int
    join: int


@dataclass
class Paths:
    """The lines of a kernel as a graph without the feedback of carries; distances are counted in tiles on the way."""

    kernel: Kernel
    before: list[tuple[int, ...]] = field(init=False)
    forks: set[int] = field(init=False)
    known: dict[tuple[int, Digit, int], list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = producers(self.kernel)
        self.before = [tuple(dict.fromkeys(number[s.name] for s in sources_of(line))) for line in self.kernel.lines]
        readers = [0] * len(self.before)
        for sources in self.before:
            for source in sources:
                readers[source] += 1
        self.forks = {line for line, count in enumerate(readers) if count > 1}

    def longest(self, start: int, hold: Hold | Route) -> list[float]:
        """For every line the most tiles of `hold` that paths from `start` keep on the way; `start` itself is not counted."""
        first = hold.stream.order.time[0]
        tiles = _tiles(hold)
        key = (start, first, tiles)
        if key not in self.known:
            found = [ABSENT] * len(self.before)
            found[start] = 0.0
            for line in range(start + 1, len(found)):
                best = max((found[b] for b in self.before[line]), default=ABSENT)
                if best > ABSENT:
                    found[line] = best + _weight(self.kernel.lines[line], first, tiles)
            self.known[key] = found
        return self.known[key]

    def excess(self, number: int, hold: Hold | Route) -> tuple[float, int, int]:
        """By how many tiles the longest path beside a hold is longer than its own, and where the two part and meet."""
        after = self.longest(number, hold)
        worst = (0.0, number, number)
        for fork in self.forks:
            from_fork = self.longest(fork, hold) if fork < number else []
            if not from_fork or from_fork[number] < 0:
                continue
            for join, rest in enumerate(after):
                if rest >= 0 and len(self.before[join]) > 1:
                    worst = max(worst, (from_fork[join] - from_fork[number] - rest, fork, join), key=lambda w: w[0])
        return worst


def _tiles(hold: Hold | Route) -> int:
    return size(hold.stream.order.time[: hold.tile])


def _weight(line: Line, first: Digit, tiles: int) -> float:
    """Tiles that a line keeps: one where it is a hold of the same outer loop, less where its tiles are smaller."""
    if not isinstance(line, Hold | Route) or line.tile == 0 or line.stream.order.time[0] != first:
        return 0.0
    if isinstance(line, Hold) and line.fifo:
        return 0.0
    return min(1.0, tiles / _tiles(line))


def slowdown(excess: int, depth: int) -> float:
    """Cycles of a hold of `depth` tiles beside a path with `excess` holds more, over those at full depth.

    The longer path has a tile in each of its excess + 1 holds, one that is written and one that is read; the shorter has
    `depth` and the one that is under way to it. Measured beside 8 holds: 3.10 for depth 2, 1.88 for 4, 1.13 for 8
    (3.33, 2.00 and 1.11 by this rule). With one tile nothing is under way, since it is written only when it was read.
    """
    return max(1.0, (excess + 3) / (depth + 1) if depth > 1 else float(excess + 2))


def deepen(kernel: Kernel) -> list[Shallow]:
    """Raise default depths to 2 plus the excess of the longest path beside; give those that the user chose too small."""
    paths = Paths(kernel)
    found = []
    deeper: dict[int, Line] = {}
    for number, line in enumerate(kernel.lines):
        if not isinstance(line, Hold | Route) or line.tile == 0 or _tiles(line) < 2:
            continue
        if isinstance(line, Hold) and line.fifo:
            continue
        excess, fork, join = paths.excess(number, line)
        more = ceil(excess)
        needed = min(2 + more, _tiles(line))
        if needed > line.depth and not line.explicit_depth:
            deeper[number] = replace(line, depth=needed)
        elif line.explicit_depth and more and line.depth < needed:
            found.append(Shallow(number, needed, slowdown(more, line.depth), fork, join))
        elif line.explicit_depth and line.depth == 1 and isinstance(line, Hold):
            found.append(Shallow(number, 2, serial(paths, number, line), number, number))
    kernel.lines[:] = [deeper.get(i, line) for i, line in enumerate(kernel.lines)]
    return [s for s in found if s.factor >= NOTABLE]


# -- one tile ----------------------------------------------------------------------------------------------------------


def serial(paths: Paths, number: int, hold: Hold) -> float:
    """The least slowdown of a hold of one tile: it is written and read in turn, beside the kernel's slowest line.

    1 where a reader may begin before the tile is written: then they overlap after all.
    """
    kernel = paths.kernel
    readers = [i for i, before in enumerate(paths.before) if number in before]
    if (
        not readers
        or any(s.order.bounds for line in kernel.lines for s in streams_of(line))
        or not all(_waits(paths, number, hold, r) for r in readers)
    ):
        return 1.0
    written = cycles(kernel.lines[paths.before[number][0]])
    read = max(cycles(kernel.lines[r]) for r in readers)
    return (written + read) / max(cycles(line) for line in kernel.lines)


def _waits(paths: Paths, number: int, hold: Hold, reader: int) -> bool:
    """Whether a reader of a hold cannot begin before a tile is whole."""
    if hold.gathers or hold.moves or len(hold.stream.order.time) == hold.tile:
        return False
    if not hold.queue:
        return hold.stream.order.time[hold.tile] != without(hold.source.order.time, hold.stream.order.space)[hold.tile]
    line = paths.kernel.lines[reader]
    (source,) = paths.before[number][:1]
    if not isinstance(line, Compute):
        return False
    outside = set(hold.stream.order.time[: hold.tile])
    made = producers(paths.kernel)
    whole = [i for i in line.inputs if i.stream.name != hold.stream.name and set(i.order.time) <= outside]
    return any(paths.longest(source, hold)[made[i.stream.name]] >= 0 for i in whole)


def cycles(line: Line) -> int:
    """Cycles that a copy of a line is busy: its firings, or the packets of its widest port."""
    streams = [*streams_of(line), *sources_of(line)] if not isinstance(line, Compute) else list(streams_of(line))
    space = space_of(line)
    moved = [size(without(s.order.time, space)) * packets(s.order.width, s.dtype) for s in streams]
    if isinstance(line, Compute):
        moved.append(size(line.nest))
        moved += [size(i.order.time) * packets(i.order.width, i.stream.dtype) for i in line.inputs if not i.order.space]
    return max(moved, default=1)
