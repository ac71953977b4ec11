"""The actor of a split or a merge that takes the selectors, and gives each token its slot (A8)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, Linear, size
from rdflow.dsl.checked import Route
from rdflow.dsl.drafts import Draft, Sink
from rdflow.dsl.joins import connect
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import LANES, Const, In, Operand, Row, Temp
from rdflow.dsl.nets import Nets
from rdflow.dsl.route_memory import Memory
from rdflow.dsl.route_numbers import number_of, plus, run_of, times
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import Space


class Selectors:
    """The actors of all copies that take selectors."""

    def __init__(self, nets: Nets, route: Route, unit: int, memory: Memory):
        self.nets, self.route, self.unit, self.memory = nets, route, unit, memory
        self.pages = memory.pages
        self.drafts: list[Draft] = []

    @property
    def loops(self) -> tuple[Digit, ...]:
        """What is outside of the tile, then what is routed."""
        return (*self.route.stream.order.time[: self.route.tile], *self.route.choice)

    def add(self, space: Space) -> Draft:
        """The actor of a copy."""
        own = {d: v for d, v in space.items() if d not in self.route.choice}
        name, order = f"{self.route.stream.name}.route", self.route.selector.order
        draft = self.nets.draft(name, self.unit, "route", self.loops, order, own)
        draft.tile_level = self.route.tile
        self.drafts.append(draft)
        return draft

    def connect(self) -> None:
        """Join the selector with all of them."""
        selector = self.nets.sources[self.route.selector.name]
        connect(self.nets, selector, [Sink(d, d.starts(len(d.loops))) for d in self.drafts])

    def slot(self, draft: Draft, table: int, space: Space) -> Temp:
        """The rows that give a selector's token its slot, -1 where it is not of this copy."""
        route, rows, chosen = self.route, Rows(draft, ()), In(len(draft.inputs))
        self._clear(draft, table)
        valid = self._here(rows, self._valid(rows, chosen), chosen, route.expert, space)
        expert = number_of(rows, chosen, self.pages.experts)
        counter = self.memory.entry(draft, table, Linear(), expert)
        count = rows.add("read", (counter,))
        valid = rows.add("and", (valid, rows.add("ilt", (count, Const(route.places)))))
        draft.rows.append(Row("write", counter, (rows.add("iadd", (count, Const(1))), valid), 1))
        mine = self._here(rows, valid, count, route.place, space)
        return rows.add("where", (mine, self._place(rows, table, expert, count, mine), Const(-1)))

    def _clear(self, draft: Draft, table: int) -> None:
        """Counters and the next page start from 0 with each tile."""
        inside = draft.starts(self.route.tile)
        for first in range(0, self.pages.first, LANES):
            width = min(LANES, self.pages.first - first)
            out = self.memory.entry(draft, table, Linear(first), width=width)
            draft.rows.append(Row("write", out, (Const(0),), width, inside))

    def _valid(self, rows: Rows, chosen: Operand) -> Operand:
        """Whether a selector is the number of an expert, and of a token that exists."""
        route = self.route
        valid = rows.add("and", (rows.add("ile", (Const(0), chosen)), rows.add("ilt", (chosen, Const(route.experts)))))
        order, roots = route.selector.order, [d.root for d in route.choice]
        exists = rows.predicate(conditions(self.nets.nests, self.loops, order.space, (), order, roots))
        return valid if exists is None else rows.add("and", (valid, exists))

    def _here(self, rows: Rows, valid: Operand, value: Operand, digits: Sequence[Digit], space: Space) -> Operand:
        """Whether a copy is the one that a number's digits name."""
        for digit in digits:
            if digit in self.route.stream.order.space:
                own = rows.add("ieq", (run_of(rows, value, (digit,)), Const(space[digit])))
                valid = rows.add("and", (valid, own))
        return valid

    def _place(self, rows: Rows, table: int, expert: Operand | None, count: Operand, mine: Operand) -> Operand:
        """Where the next token of an expert goes: a new page where it is the first of one."""
        pages = self.pages
        within = number_of(rows, count, pages.inner)
        number = number_of(rows, count, pages.outer)
        if not pages.shared:
            return plus(rows, times(rows, number, pages.places), within) or Const(0)
        by = plus(rows, times(rows, expert, size(pages.outer)), number)
        entry = self.memory.entry(rows.draft, table, Linear(pages.first), by)
        free = self.memory.entry(rows.draft, table, Linear(pages.next))
        fresh = mine if within is None else rows.add("and", (mine, rows.add("ieq", (within, Const(0)))))
        taken = rows.add("read", (free,))
        page = rows.add("where", (fresh, taken, rows.add("read", (entry,))))
        rows.draft.rows.append(Row("write", entry, (page, fresh), 1))
        rows.draft.rows.append(Row("write", free, (rows.add("iadd", (taken, Const(1))), fresh), 1))
        return plus(rows, times(rows, page, pages.places), within) or page
