"""Congestion is negotiated: flows that meet on a link are routed again, while that link costs more and more.

Every flow gets a tree, grown from its source to one sink after the other; at first as if it were alone. Links that
several flows want become dearer from round to round, and keep a price for it (PathFinder: McMurchie and Ebeling, FPGA
1995). The best round counts: first no link is to carry more than a packet a cycle, then few links are to be shared, then
wires are to be short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rdflow.dsl.netlist import ALWAYS, Gate
from rdflow.dsl.records import dataclass
from rdflow.interpreter.mapper.grow import HOP, Mesh, grow

MOST_ROUNDS, PATIENCE = 30, 6
"""rounds of a negotiation, and how many without a better result end it"""
DEAREST = 12 * HOP
"""what a shared link costs at most"""
CROWDED = 8
"""how much more than a shared link one costs that would carry two packets a cycle"""


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


Tree = tuple[dict[int, int], tuple[tuple[int, ...], ...]]
"""packets by link; the links to each sink"""


class Negotiation:
    """Flows on one network of a mesh, whose links carry `full` packets in a run. `compiled`: there is much to do."""

    def __init__(self, flows: Sequence[Flow], rows: int, columns: int, full: int, compiled: bool = False):
        self.flows, self.columns, self.full, self.compiled = flows, columns, full, compiled
        links, switches = 4 * rows * columns, rows * columns
        sizes = (links, links, links, switches, switches, switches, switches, switches, 2, 4)
        tables = [np.zeros(size, dtype=np.int64) for size in sizes]
        self.mesh = Mesh(rows, columns, *(tables if compiled else (table.tolist() for table in tables)))
        self.trees: list[Tree] = [({}, ())] * len(flows)
        self.rounds = 0

    def settle(self) -> None:
        """Route all flows."""
        best, since, least = (self.score(), self.trees), 0, self.least_shared()
        again: Sequence[int] = range(len(self.flows))
        while again and self.rounds < MOST_ROUNDS and since < PATIENCE:
            sharing = min(DEAREST, HOP * (1 + self.rounds))
            for flow in again:
                self.lay(flow, ({}, ()))
                self.lay(flow, self.grown(flow, sharing))
            self.rounds += 1
            since += 1
            score = self.score()
            if self.rounds == 1 or score < best[0]:
                best, since = (score, list(self.trees)), 0
            again = self.meeting() if score[:2] > (0, least) else ()
        self.trees = best[1]

    def grown(self, number: int, sharing: int) -> Tree:
        """A tree for a flow, beside those that are laid."""
        flow = self.flows[number]
        switches = [sink.switch for sink in flow.sinks]
        packets = [sink.packets for sink in flow.sinks]
        if self.compiled:
            from rdflow.interpreter.mapper.compiled import fast_grow

            fast_grow(
                self.mesh, flow.source, np.array(switches), np.array(packets), self.full, sharing, CROWDED * sharing
            )
        else:
            grow(self.mesh, flow.source, switches, packets, self.full, sharing, CROWDED * sharing)
        ways = tuple(self._way(flow.source, switch) for switch in switches)
        return loads(flow.sinks, ways), ways

    def _way(self, source: int, sink: int) -> tuple[int, ...]:
        """The links to a sink of the tree that was grown last."""
        way = []
        while sink != source:
            way.append(int(self.mesh.came[sink]))
            sink = way[-1] // 4
        return tuple(reversed(way))

    def lay(self, number: int, tree: Tree) -> None:
        """A tree for a flow instead of the one it had."""
        for sign, links in ((-1, self.trees[number][0]), (1, tree[0])):
            for link, packets in links.items():
                self.mesh.users[link] += sign
                self.mesh.load[link] += sign * packets
        self.trees[number] = tree

    def meeting(self) -> list[int]:
        """The flows that share a link with others. The links get a price."""
        shared = {link for links, _ in self.trees for link in links if self.mesh.users[link] > 1}
        for link in shared:
            self.mesh.history[link] += HOP // 2 if self.mesh.load[link] <= self.full else 2 * HOP
        return [number for number, (links, _) in enumerate(self.trees) if not shared.isdisjoint(links)]

    def score(self) -> tuple[int, int, int]:
        """Packets too many, links that are shared, and length: less is better."""
        users, load = np.array(self.mesh.users), np.array(self.mesh.load)
        return int(np.maximum(load - self.full, 0).sum()), int((users > 1).sum()), int(users.sum())

    def least_shared(self) -> int:
        """Links that are shared however one routes: at switches where more flows begin, or end, than there are links."""
        starts = Counter(flow.source for flow in self.flows if flow.sinks[-1].distance)
        ends = Counter(switch for flow in self.flows for switch in {s.switch for s in flow.sinks if s.distance})
        return max(sum(count > self._neighbours(at) for at, count in side.items()) for side in (starts, ends))

    def _neighbours(self, switch: int) -> int:
        row, column = divmod(switch, self.columns)
        return (row > 0) + (row < self.mesh.rows - 1) + (column > 0) + (column < self.columns - 1)

    def ways(self, flows: Sequence[Flow]) -> dict[int, list[int]]:
        """The switches that each queue passes, by queue, of these flows or of others that differ in their queues alone."""
        return {
            sink.queue: [flow.source, *(self._after(link) for link in way)]
            for flow, (_, ways) in zip(flows, self.trees, strict=True)
            for sink, way in zip(flow.sinks, ways, strict=True)
        }

    def _after(self, link: int) -> int:
        """The switch that a link leads to."""
        return link // 4 + (1, self.columns, -1, -self.columns)[link % 4]


def loads(sinks: Sequence[Sink], ways: Sequence[Sequence[int]]) -> dict[int, int]:
    """Packets of a flow by link.

    What one port deals to several sinks adds up; what several ports with the same gate send is the same; behind other
    gates it is taken as something else.
    """
    by_port: dict[tuple[Gate, int], dict[int, int]] = {}
    for sink, way in zip(sinks, ways, strict=True):
        sums = by_port.setdefault((sink.gate, sink.port), {})
        for link in way:
            sums[link] = sums.get(link, 0) + sink.packets
    by_gate: dict[tuple[Gate, int], int] = {}
    for (gate, _), sums in by_port.items():
        for link, packets in sums.items():
            by_gate[gate, link] = max(by_gate.get((gate, link), 0), packets)
    found: dict[int, int] = {}
    for (_, link), packets in by_gate.items():
        found[link] = found.get(link, 0) + packets
    return found
