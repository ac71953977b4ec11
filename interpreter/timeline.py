"""What a program does over time: runs it once more, stops it now and then, and takes the differences of its counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import MAIN
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import Image, advance, build
from rdflow.interpreter.launched import Launched
from rdflow.interpreter.machine import BURST
from rdflow.interpreter.profile import spec_names
from rdflow.interpreter.states import STATES, elapsed, settled, states

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Lane:
    """A unit of the timeline: its name, what it occupies, its copies."""

    name: str
    kind: str
    copies: int


@dataclass(frozen=True)
class Stream:
    """The queues of a stream to one unit: from which unit to which, and the tokens that they hold when full."""

    name: str
    source: str
    sink: str
    room: int


@dataclass(frozen=True)
class Stretch:
    """A launch, cut into slices at `edges` (cycles since the start of the program, one more than there are slices).

    By slice: `spent` cycles (x lanes x STATES, over all copies), tokens in queues at its end (`fills`, x streams), bytes
    `moved` (x tiers x read, written). `modelled`: it was not simulated (`estimates`), and has one slice without lanes.
    """

    name: str
    edges: Numbers
    lanes: tuple[Lane, ...]
    streams: tuple[Stream, ...]
    spent: Numbers
    fills: Numbers
    moved: Numbers
    modelled: bool = False

    @property
    def told(self) -> str:
        """Its name, with a word where it is not simulated."""
        return f"{self.name}, estimated" if self.modelled else self.name


@dataclass(frozen=True)
class Timeline:
    """A program from its first cycle to its last. `clock`: Hz."""

    stretches: tuple[Stretch, ...]
    tiers: tuple[str, ...]
    clock: int

    @property
    def cycles(self) -> int:
        return int(self.stretches[-1].edges[-1]) if self.stretches else 0


def timeline(
    execution: Execution, slices: int, progress: Callable[[int], None] | None = None, least: int = 1
) -> Timeline:
    """Run a program that has ended again, each launch in slices of equal length, the whole in about `slices`.

    `least`: the first launch of each kernel has at least so many. Launches that are alike are run once in equal slices.
    Of one that was estimated there is when it runs, and nothing of what units do. `progress` is called with the cycles that
    are behind.
    """
    length = max(1, ceil(execution.time / slices))
    names = spec_names(execution)
    tiers = tuple(execution.machine.tiers)
    known: dict[tuple[str, int, object], Stretch] = {}
    alike: dict[int, object] = {}
    seen: set[str] = set()
    stretches: list[Stretch] = []
    for launched in execution.launched:
        name, cycles = names[launched.call.spec], launched.end - launched.start
        own = length if name in seen else max(1, min(length, cycles // least))
        key = name, own, alike.setdefault(id(launched.counted), launched.call.scalars)
        if cycles and key not in known:
            known[key] = (
                _estimated(cycles, name, len(tiers))
                if launched.modelled
                else _stretch(launched, cycles, name, own, tiers)
            )
        if cycles:
            stretch = known[key]
            stretches.append(replace(stretch, edges=stretch.edges + launched.start))
        if cycles and not launched.modelled:
            seen.add(name)
        if progress is not None:
            progress(launched.end)
    return Timeline(tuple(stretches), tiers, execution.machine.socket.clock)


def _stretch(launched: Launched, cycles: int, name: str, length: int, tiers: tuple[str, ...]) -> Stretch:
    """Run a launch of so many cycles, in slices of this length."""
    edges = [0, *range(length, cycles, length), cycles]
    compiled = launched.compiled
    image, netlist = build(compiled.mapped, scalars=launched.call.numbers), compiled.netlist
    requests = _requests(image, tiers)
    curves, fills, moved = [states(image)], [], [_moved(image, requests, len(tiers))]
    groups = list(_streams(netlist))
    for edge in edges[1:]:
        advance(image, edge)
        curves.append(states(image))
        fills.append(_fills(image, [queues for _, queues in groups]))
        moved.append(_moved(image, requests, len(tiers)))
    return Stretch(
        name,
        np.array(edges, dtype=np.int64),
        tuple(Lane(u.name, u.kind, len(_main(netlist, i))) for i, u in enumerate(netlist.units)),
        tuple(Stream(*ends, _room(image, queues)) for ends, queues in groups),
        _gained(_by_unit(netlist, settled(np.array(curves)))),
        np.array(fills, dtype=np.int64).reshape(len(edges) - 1, len(groups)),
        _gained(np.array(moved)),
    )


def _gained(curves: Numbers) -> Numbers:
    """What was added from one time to the next."""
    return curves[1:] - curves[:-1]


def _estimated(cycles: int, name: str, tiers: int) -> Stretch:
    """A launch of so many cycles that was estimated: when it runs."""
    spent, fills = np.zeros((1, 0, len(STATES)), dtype=np.int64), np.zeros((1, 0), dtype=np.int64)
    return Stretch(name, np.array([0, cycles]), (), (), spent, fills, np.zeros((1, tiers, 2), np.int64), modelled=True)


def _main(netlist: Netlist, unit: int) -> list[int]:
    return [i for i, actor in netlist.actors_of(unit) if actor.kind in MAIN]


def _by_unit(netlist: Netlist, curves: Numbers) -> Numbers:
    """Times x actors x states as times x units x states, of the actors whose cycles are the unit's."""
    return np.stack([curves[:, _main(netlist, i)].sum(axis=1) for i in range(len(netlist.units))], axis=1)


def _streams(netlist: Netlist) -> Iterator[tuple[tuple[str, str, str], list[int]]]:
    """Queues with data between units, by stream and the unit that it goes to."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for number, queue in enumerate(netlist.queues):
        ends = [netlist.actors[a].unit for a in (queue.source, queue.sink)]
        if ends[0] != ends[1] and queue.width:
            source, sink = (netlist.units[unit].name for unit in ends)
            found.setdefault((queue.stream, source, sink), []).append(number)
    yield from found.items()


def _fills(image: Image, groups: list[list[int]]) -> list[int]:
    filled = image.tables.queues["pushed"] - image.tables.queues["popped"]
    return [int(filled[queues].sum()) for queues in groups]


def _room(image: Image, queues: list[int]) -> int:
    return int(image.tables.queues["capacity"][queues].sum())


def _requests(image: Image, tiers: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """The memory queues: number, tier, and whether they write."""
    netlist = image.mapped.netlist
    found = []
    for number, queue in enumerate(netlist.queues):
        actor = netlist.actors[queue.source]
        if queue.server == "memory" and actor.burst is not None:
            tier = tiers.index(netlist.tensors[actor.burst.tensor].tier)
            found.append((number, tier, int(actor.kind == "store")))
    return found


def _moved(image: Image, requests: list[tuple[int, int, int]], tiers: int) -> Numbers:
    """Bytes read from each tier and written to it so far: bursts whose service has ended."""
    found = np.zeros((tiers, 2), dtype=np.int64)
    pushed, popped = (image.tables.queues[side].tolist() for side in ("pushed", "popped"))
    for number, tier, way in requests:
        under_way = _served(image, number) if pushed[number] > popped[number] else 0
        found[tier, way] += BURST * (popped[number] + under_way)
    return found


def _served(image: Image, queue: int) -> int:
    """Tokens of a memory queue that have left their channel and are not popped."""
    row, timing = image.tables.queues[queue], image.mapped.queues[queue]
    way_back = timing.latency - timing.first
    waiting = row["ring"] + (np.arange(row["popped"], row["pushed"]) & row["mask"])
    ready = image.tables.ready[waiting]
    return int(np.count_nonzero((ready >= 0) & (ready - way_back <= elapsed(image))))
