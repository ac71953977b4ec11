"""Congestion is negotiated: flows that meet on a link are routed again, while that link costs more and more.

Every flow gets a tree, grown from its source to one sink after the other; at first as if it were alone. Links that
several flows want become dearer from round to round, and keep a price for it (PathFinder: McMurchie and Ebeling, FPGA
1995). The best round counts: first no link is to carry more than a packet a cycle, then few links are to be shared, then
wires are to be short. The rounds are those of `mapper.settle`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rdflow.dsl.netlist import ALWAYS, Gate
from rdflow.dsl.records import dataclass
from rdflow.interpreter.mapper.grow import Mesh
from rdflow.interpreter.mapper.settle import Prices, Trees, score, settle

FEW = 8
"""so many flows fill a link that are said to want one of their own"""
USUAL = Prices(heavy=0, crowding=8, grudge=2, most_rounds=30, patience=6, by_packets=False, leave=0, margin=4)
WIDE = Prices(heavy=0, crowding=1, grudge=4, most_rounds=300, patience=80, by_packets=True, leave=64, margin=10)
"""for streams that want a whole link each: there is one for all of them, and it takes many rounds to find"""
BESIDE = Prices(heavy=32, crowding=256, grudge=64, most_rounds=60, patience=12, by_packets=True, leave=32, margin=10)
"""for what trickles beside them, which should rather share with its like; they make room"""


Way = tuple[tuple[int, int], ...]  # row and column of one switch after another


class Sink(NamedTuple):
    """Where a flow ends: its distance in hops, its switch, the packets that it gets in a run, by which queue and port."""

    distance: int
    switch: int
    packets: int
    queue: int
    port: int
    gate: Gate = ALWAYS


@dataclass(frozen=True)
class Flow:
    source: int
    sinks: tuple[Sink, ...]


Table = Callable[[Any], Any]
"""an array as what the loops take: itself, or a list"""


class Negotiation:
    """Flows on one network of a mesh, whose links carry `full` packets in a run.

    `compiled`: there is much to do. `crowded`: many flows want a whole link each, and are routed first.
    """

    def __init__(
        self, flows: Sequence[Flow], rows: int, columns: int, full: int, compiled: bool = False, crowded: bool = False
    ):
        self.flows, self.rows, self.columns, self.full = flows, rows, columns, full
        self.compiled, self.crowded, self.rounds = compiled, crowded, 0
        self.prices = USUAL
        table: Table = np.asarray if compiled else lambda array: array.tolist()
        self.mesh = _mesh(rows, columns, full, table)
        self.after = [int(switch) for switch in self.mesh.beside]
        self.trees = _trees(flows, rows * columns, table)

    def settle(self) -> None:
        """Route all flows."""
        if not self.crowded:
            return self._settle(range(len(self.flows)), USUAL)
        wide = [FEW * max(sink.packets for sink in flow.sinks) >= self.full for flow in self.flows]
        self._settle([n for n, is_wide in enumerate(wide) if is_wide], WIDE)
        self._settle([n for n, is_wide in enumerate(wide) if not is_wide], BESIDE)

    def _settle(self, group: Sequence[int], prices: Prices) -> None:
        """Route a group of flows beside those that are laid, which may have to be routed again."""
        self.prices = prices
        for i, flow in enumerate(group):
            self.trees.again[i] = flow
        least = 0 if prices.by_packets else self.least_shared()
        if self.compiled:
            from rdflow.interpreter.mapper.compiled import fast_settle

            self.rounds += fast_settle(self.mesh, self.trees, prices, len(group), least)
        else:
            self.rounds += settle(self.mesh, self.trees, prices, len(group), least)

    def score(self) -> tuple[int, int, int]:
        """Packets too many, links that are shared (or the packets on them), and length: less is better."""
        return score(self.mesh, self.prices.by_packets)

    def least_shared(self) -> int:
        """Links that are shared however one routes: at switches where more flows begin, or end, than there are links."""
        starts = Counter(flow.source for flow in self.flows if flow.sinks[-1].distance)
        ends = Counter(switch for flow in self.flows for switch in {s.switch for s in flow.sinks if s.distance})
        return max(sum(count > self._neighbours(at) for at, count in side.items()) for side in (starts, ends))

    def _neighbours(self, switch: int) -> int:
        return sum(self.after[4 * switch + direction] >= 0 for direction in range(4))

    def tree(self, number: int) -> dict[int, int]:
        """The links of a flow, and its packets on each."""
        room = slice(number * self.rows * self.columns, number * self.rows * self.columns + self.trees.size[number])
        links, carried = np.asarray(self.trees.links[room]), np.asarray(self.trees.carried[room])
        return dict(zip(links.tolist(), carried.tolist(), strict=True))

    def ways(self) -> list[list[Way]]:
        """The way to each sink of each flow, from its source."""
        places = [divmod(switch, self.columns) for switch in range(self.rows * self.columns)]
        return [self._ways(number, flow, places) for number, flow in enumerate(self.flows)]

    def _ways(self, number: int, flow: Flow, places: Sequence[tuple[int, int]]) -> list[Way]:
        to: dict[int, Way] = {flow.source: (places[flow.source],)}
        for link in self.tree(number):
            switch = self.after[link]
            to[switch] = (*to[link >> 2], places[switch])
        return [to[sink.switch] for sink in flow.sinks]


def _mesh(rows: int, columns: int, full: int, table: Table) -> Mesh:
    """A mesh that carries nothing."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    down, across = row[:, None] + [0, 1, 0, -1], column[:, None] + [1, 0, -1, 0]
    there = (down >= 0) & (down < rows) & (across >= 0) & (across < columns)
    return Mesh(
        full,
        table(row),
        table(column),
        table(np.where(there, down * columns + across, -1).ravel()),
        *(table(np.zeros(count * rows * columns, dtype=np.int64)) for count in (4, 4, 4, 1, 1, 1, 1, 1, 1, 3, 6)),
        *(table(np.zeros(count, dtype=np.int64)) for count in (3, 4)),
    )


def _trees(flows: Sequence[Flow], switches: int, table: Table) -> Trees:
    """Flows without trees."""
    sinks = [sink for flow in flows for sink in flow.sinks]
    first = np.cumsum([0, *(len(flow.sinks) for flow in flows)])
    turns = [(n, sink.gate, sink.port) for n, flow in enumerate(flows) for sink in flow.sinks]
    port = {turn: i for i, turn in enumerate(sorted(set(turns)))}
    gate = {turn: i for i, turn in enumerate(sorted({turn[:2] for turn in turns}))}
    sizes = (len(flows), *[len(flows) * switches] * 2) * 2 + (len(flows),) * 2
    return Trees(
        table(np.array([flow.source for flow in flows])),
        table(first),
        table(np.array([sink.switch for sink in sinks])),
        table(np.array([sink.packets for sink in sinks])),
        table(np.array(sorted(range(len(sinks)), key=lambda i: turns[i]))),
        table(np.array([port[turn] for turn in turns])),
        table(np.array([gate[turn[:2]] for turn in turns])),
        *(table(np.zeros(size, dtype=np.int64)) for size in sizes),
    )
