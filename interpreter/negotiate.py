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

FEW = 8
"""so many flows fill a link that are said to want one of their own"""
FAR = 1 << 62
DEAREST = 12 * HOP
"""what a shared link costs at most"""


class Prices(NamedTuple):
    """How a group of flows is negotiated: what a shared link costs more, in multiples of `sharing`, and when to end.

    `heavy`: one that is as full as it can be. `crowding`: one that would carry two packets a cycle. `grudge`: hops that a link
    costs more for good after each round in which it was too full. `most_rounds`, and `patience` of them without a better
    result, end it. `by_packets`: what counts of shared links are the packets on them, not their number. `leave`: flows are
    routed again if they share a link that is so full, in 64ths. `margin`: switches around source and sink that are looked at.
    """

    heavy: int
    crowding: int
    grudge: int
    most_rounds: int
    patience: int
    by_packets: bool
    leave: int
    margin: int


USUAL = Prices(heavy=0, crowding=8, grudge=2, most_rounds=30, patience=6, by_packets=False, leave=0, margin=4)
WIDE = Prices(heavy=0, crowding=1, grudge=4, most_rounds=300, patience=80, by_packets=True, leave=64, margin=10)
"""for streams that want a whole link each: there is one for all of them, and it takes many rounds to find"""
BESIDE = Prices(heavy=32, crowding=256, grudge=64, most_rounds=60, patience=12, by_packets=True, leave=32, margin=10)
"""for what trickles beside them, which should rather share with its like; they make room"""


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
    """Flows on one network of a mesh, whose links carry `full` packets in a run.

    `compiled`: there is much to do. `crowded`: many flows want a whole link each, and are routed first.
    """

    def __init__(
        self, flows: Sequence[Flow], rows: int, columns: int, full: int, compiled: bool = False, crowded: bool = False
    ):
        self.flows, self.columns, self.full, self.compiled, self.crowded = flows, columns, full, compiled, crowded
        self.prices = USUAL
        links, switches = 4 * rows * columns, rows * columns
        sizes = (links, links, links, switches, switches, switches, switches, switches, 2, 4)
        tables = [np.zeros(size, dtype=np.int64) for size in sizes]
        self.mesh = Mesh(rows, columns, USUAL.margin, *(tables if compiled else (table.tolist() for table in tables)))
        self.trees: list[Tree] = [({}, ())] * len(flows)
        self.rounds = 0

    def settle(self) -> None:
        """Route all flows."""
        if not self.crowded:
            return self._negotiate(range(len(self.flows)), USUAL)
        wide = [FEW * max(sink.packets for sink in flow.sinks) >= self.full for flow in self.flows]
        self._negotiate([n for n, is_wide in enumerate(wide) if is_wide], WIDE)
        self._negotiate([n for n, is_wide in enumerate(wide) if not is_wide], BESIDE)

    def _negotiate(self, group: Sequence[int], prices: Prices) -> None:
        """Route a group of flows beside those that are laid, which may have to be routed again."""
        self.prices, self.mesh = prices, self.mesh._replace(margin=prices.margin)
        best, since, rounds = ((FAR, FAR, FAR), self.trees), 0, 0
        laid, again = {n for n, (links, _) in enumerate(self.trees) if links}.union(group), list(group)
        least = 0 if prices.by_packets else self.least_shared()
        while again and rounds < prices.most_rounds and since < prices.patience:
            sharing = min(DEAREST, HOP * (1 + rounds))
            for flow in again:
                self.lay(flow, ({}, ()))
                self.lay(flow, self.grown(flow, sharing))
            rounds += 1
            since += 1
            score = self.score()
            if score < best[0]:
                best, since = (score, list(self.trees)), 0
            again = [flow for flow in self.meeting() if flow in laid] if score[:2] > (0, least) else []
        self.rounds += rounds
        for flow in laid:
            self.lay(flow, best[1][flow])

    def grown(self, number: int, sharing: int) -> Tree:
        """A tree for a flow, beside those that are laid."""
        flow = self.flows[number]
        switches = [sink.switch for sink in flow.sinks]
        packets = [sink.packets for sink in flow.sinks]
        costs = sharing, self.prices.heavy * sharing, self.prices.crowding * sharing
        if self.compiled:
            from rdflow.interpreter.mapper.compiled import fast_grow

            fast_grow(self.mesh, flow.source, np.array(switches), np.array(packets), self.full, *costs)
        else:
            grow(self.mesh, flow.source, switches, packets, self.full, *costs)
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
        """The flows that are to be routed again, for they share a link with others. Shared links get a price."""
        shared = {link for links, _ in self.trees for link in links if self.mesh.users[link] > 1}
        over = {link for link in shared if self.mesh.load[link] > self.full}
        for link in shared:
            self.mesh.history[link] += HOP // 2 if link not in over else self.prices.grudge * HOP
        bad = {link for link in shared if 64 * self.mesh.load[link] > self.prices.leave * self.full}
        return [number for number, (links, _) in enumerate(self.trees) if not bad.isdisjoint(links)]

    def score(self) -> tuple[int, int, int]:
        """Packets too many, links that are shared (or the packets on them), and length: less is better."""
        users, load = np.array(self.mesh.users), np.array(self.mesh.load)
        shared = users > 1
        worth = load[shared].sum() if self.prices.by_packets else shared.sum()
        return int(np.maximum(load - self.full, 0).sum()), int(worth), int(users.sum())

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
