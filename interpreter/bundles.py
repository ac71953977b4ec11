"""Bundles: what a multicast sends is on one way until its queues part, so it is one request until then.

The queues of a bundle leave an actor in the same firings, as the same packets, over the same links. Where sockets run
apart they are bundled; fast-forward, which compares the states of queues, knows each token for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Actor
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.kernel.layout import ALONE, FOLLOWS, Tables
from rdflow.interpreter.mapped import Mapped

Table = NDArray[Any]


class Bundled(NamedTuple):
    """The tables of bundles, and by queue which it leads."""

    bundles: Table
    parts: Table
    leads: Table


def bundled(mapped: Mapped, tables: Tables) -> Bundled:
    """The bundles of a kernel whose tables are at their first cycle."""
    found = _Bundles(mapped, tables)
    for actor in mapped.netlist.actors:
        for queues in _alike(mapped, tables, actor):
            found.lead(queues)
    return found.tables()


def _alike(mapped: Mapped, tables: Tables, actor: Actor) -> Iterator[list[int]]:
    """The queues of an actor whose tokens come to a link that flows share in the same cycles, as the same packets."""
    found: dict[tuple[object, ...], list[int]] = {}
    for port in actor.outputs:
        q = port.queues[0]
        queue, timing = mapped.netlist.queues[q], mapped.queues[q]
        if len(port.queues) > 1 or port.counts or queue.initial or timing.flow < 0 or not timing.stages:
            continue
        server = timing.stages[0].server
        if server >= 0 and mapped.servers[server].shared:
            key = (port.gate, timing.flow, queue.packets, int(tables.queues["first"][q]), server)
            found.setdefault(key, []).append(q)
    yield from (queues for queues in found.values() if len(queues) > 1)


class _Bundles:
    """Collects bundles and their parts."""

    def __init__(self, mapped: Mapped, tables: Tables) -> None:
        self.mapped = mapped
        self.first = tables.queues["stages"]
        self.leads = np.full(len(tables.queues), ALONE, tables.queues["bundle"].dtype)
        self.bundles: list[dict[str, int]] = []
        self.parts: list[dict[str, int]] = []

    def lead(self, queues: Sequence[int]) -> None:
        self.leads[queues] = FOLLOWS
        self.leads[queues[0]] = self.bundle(queues, 0)

    def bundle(self, queues: Sequence[int], hop: int) -> int:
        """The number of a bundle that comes to a stage of its queues; what it parts into has numbers of its own."""
        parts = [self.part(group, hop) for group in self.groups(queues, hop)]
        self.bundles.append({"first": len(self.parts), "last": len(self.parts) + len(parts)})
        self.parts += parts
        return len(self.bundles) - 1

    def groups(self, queues: Iterable[int], hop: int) -> Iterator[list[int]]:
        """Queues that go on together: to the same link, as long behind this one."""
        found: dict[tuple[int, ...], list[int]] = {}
        for q in queues:
            stages = self.mapped.queues[q].stages
            together = hop + 1 < len(stages) and self.mapped.servers[stages[hop + 1].server].shared
            key = (stages[hop].after, stages[hop + 1].server) if together else (-1, q)
            found.setdefault(key, []).append(q)
        yield from found.values()

    def part(self, queues: Sequence[int], hop: int) -> dict[str, int]:
        bundle = self.bundle(queues, hop + 1) if len(queues) > 1 else ALONE
        return {"queue": queues[0], "stage": int(self.first[queues[0]]) + hop, "bundle": bundle}

    def tables(self) -> Bundled:
        return Bundled(layout.table(layout.BUNDLE, self.bundles), layout.table(layout.PART, self.parts), self.leads)
