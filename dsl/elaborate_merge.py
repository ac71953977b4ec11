"""Merges as actors (see `elaborate_route`)."""

from __future__ import annotations

from rdflow.dsl.axes import elements, size
from rdflow.dsl.checked import Route
from rdflow.dsl.drafts import Draft, Endpoint
from rdflow.dsl.elaborate_route import Copy, Routing
from rdflow.dsl.netlist import ALWAYS, Const, Row
from rdflow.dsl.nets import Nets
from rdflow.dsl.route_pages import pages
from rdflow.dsl.rows import Rows


def elaborate_merge(nets: Nets, route: Route) -> None:
    """Add the actors of every copy of a merge, and define its stream."""
    _Merge(nets, route).run()


class _Merge(Routing):
    """One merge while its actors are made. Behind the pages its table has the slot of each token."""

    def __init__(self, nets: Nets, route: Route):
        tokens = elements(route.choice, nets.kernel.lengths)
        lanes = route.source.order.lanes
        super().__init__(nets, route, pages(route, route.expert, route.place, lanes, tokens), size(route.choice))
        self.entry = self.memory.added(route.choice)

    def run(self) -> None:
        endpoints = []
        for copy in self.copies(self.given):
            self._keep(copy)
            for writer in copy.writers:
                self.whole(copy.router, writer, "routed")
                self._write(writer, copy)
                self.whole(writer, copy.reader, "written")
            endpoints.append(self._read(copy))
        self.connect()
        self.nets.define(self.route.stream, endpoints)

    def _keep(self, copy: Copy) -> None:
        """The router's rows: the slot of each token, for the reader."""
        slot = self.selectors.slot(copy.router, copy.table, copy.space)
        copy.router.rows.append(Row("write", self.memory.entry(copy.router, copy.table, self.entry), (slot,), 1))

    def _write(self, writer: Draft, copy: Copy) -> None:
        """Store the token of a place that the expert has one for."""
        rows = self.writing(writer)
        value = rows.operand(len(writer.inputs), self.writers.source.lanes)
        page, there = self.memory.found(rows, copy.table)
        out = self.memory.in_page(rows, copy.tokens, page)
        writer.rows.append(Row("write", out, (value, there), rows.width))

    def _read(self, copy: Copy) -> Endpoint:
        """Give back the token of a selector, 0 where it selects no expert."""
        rows = Rows(copy.reader, self.order.lanes)
        slot = Rows(copy.reader, ()).add("read", (self.memory.entry(copy.reader, copy.table, self.entry),))
        there = rows.add("ile", (Const(0), slot))
        value = rows.add("read", (self.memory.in_slot(rows, copy.tokens, slot), there))
        return Endpoint(copy.reader, ALWAYS, value.index)
