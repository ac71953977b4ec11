"""Splits as actors (see `elaborate_route`)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.axes import Linear, elements, size, strides, without
from rdflow.dsl.checked import Route
from rdflow.dsl.drafts import Draft, Endpoint
from rdflow.dsl.elaborate_route import Copy, Routing
from rdflow.dsl.netlist import ALWAYS, Const, In, Operand, Row, Temp
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import Order, packets
from rdflow.dsl.route_pages import pages
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET


def elaborate_split(nets: Nets, route: Route) -> None:
    """Add the actors of every copy of a split, and define its streams: the tokens, and how many each expert has."""
    _Split(nets, route).run()


class _Split(Routing):
    """One split while its actors are made."""

    def __init__(self, nets: Nets, route: Route):
        order = route.stream.order
        experts, places = (without(d, order.space) for d in (route.expert, route.place))
        tokens = elements(route.choice, nets.kernel.lengths)
        self.again = without(route.choice, route.source.order.digits)
        """what is routed of each token that comes: digits of the selector that it has not"""
        super().__init__(nets, route, pages(route, experts, places, order.lanes, tokens), size(self.again))

    def run(self) -> None:
        nets, counts, endpoints, counted = self.nets, self.route.counts, [], []
        for copy in self.copies(self._bounded(), self.again):
            if counts is not None and self._counts(copy):
                counted.append(self._count(copy))
            slot = self._slots(copy)
            for writer in copy.writers:
                self._give(copy.router, writer, slot)
                self._write(writer, copy.tokens)
                self.whole(writer, copy.reader, "written")
            endpoints.append(self._read(copy))
        self.connect()
        nets.define(self.route.stream, endpoints)
        if counts is not None:
            nets.define(counts, counted)

    def _bounded(self) -> Order:
        """The source's order, each token as often as it is routed."""
        bounds = {**dict(self.route.selector.order.bounds), **dict(self.given.bounds)}
        return replace(self.given, bounds=tuple(bounds.items()))

    def _slots(self, copy: Copy) -> Temp:
        """The rows of the router, and the lanes that it gives: the slots of one token."""
        memory, router = self.memory, copy.router
        slot = self.selectors.slot(router, copy.table, copy.space)
        if not self.again:
            return slot
        router.rows.append(Row("write", memory.entry(router, copy.table, memory.added(self.again)), (slot,), 1))
        width = size(self.again)
        return Rows(router, ()).add("read", (memory.entry(router, copy.table, memory.added(()), width=width),), width)

    def _give(self, router: Draft, writer: Draft, slot: Temp) -> None:
        """A queue of slots, a token for each of the source's."""
        level, width = len(router.loops) - len(self.again), size(self.again)
        endpoint = Endpoint(router, router.ends(level), slot.index)
        queue = self.nets.queue(router, writer, width, f"{self.name}.slot", packets=packets(width, "int32"))
        self.nets.join(endpoint, writer, queue, writer.starts(level))

    def _write(self, writer: Draft, tokens: int) -> None:
        """Store a token in its slot, unless it goes elsewhere."""
        rows = self.writing(writer)
        slot: Operand = In(len(writer.inputs) - 1)
        if self.again:
            number = Rows(writer, ()).index(Linear.of(0, strides(self.again)))
            slot = rows.add("pick", (slot, number), width=1)
        there = rows.add("ile", (Const(0), slot))
        value = rows.operand(len(writer.inputs), self.writers.source.lanes)
        out = self.memory.in_slot(rows, tokens, slot)
        writer.rows.append(Row("write", out, (value, there), rows.width))

    def _read(self, copy: Copy) -> Endpoint:
        """Give back the token of a place, 0 where the expert has none."""
        rows = Rows(copy.reader, self.order.lanes)
        page, there = self.memory.found(rows, copy.table)
        value = rows.add("read", (self.memory.in_page(rows, copy.tokens, page), there))
        return Endpoint(copy.reader, ALWAYS, value.index)

    def _counts(self, copy: Copy) -> bool:
        """Whether a copy tells the counts: the first of those that count alike."""
        counts = self.route.counts
        assert counts is not None
        return all(v == 0 for d, v in copy.space.items() if d in self.order.copies and d not in counts.order.copies)

    def _count(self, copy: Copy) -> Endpoint:
        """Gives the counts of a tile when all of its selectors have come."""
        counts = self.route.counts
        assert counts is not None
        own = {d: v for d, v in copy.space.items() if d in counts.order.space or d == SOCKET}
        draft = self.nets.draft(f"{self.name}.count", self.unit, "count", counts.order.time, counts.order, own)
        draft.tile_level = self.route.tile
        self.free(draft, copy.router)
        self.whole(copy.router, draft, "counted")
        return Endpoint(draft, ALWAYS, self.memory.count(draft, copy.table).index)
