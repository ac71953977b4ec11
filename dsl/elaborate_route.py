"""Splits and merges as actors: a table that selectors fill, tiles of tokens in pages, writers and a reader (A8).

Of a tile, the actor `route` takes the selectors one by one. In its table it has a counter for each expert; the places of
an expert come in pages, of as many as its tokens have on the lanes, and the next free page is taken when a place begins
one. So the tokens of all experts share one scratchpad, and none takes more of it than its tokens do (and the rest of its
last page). A token's slot is its page times the places of a page plus its place in it, -1 where it goes elsewhere.

* split: `write` puts each token in the slot that `route` gives it; when the tile is there `read` finds the pages of an
  expert in the table, and `count` says how many tokens each has: a stream that bounds the loops over places.
* merge: `write` finds the pages of an expert in the table of a tile whose selectors have come, `read` the slot of a token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from rdflow.dsl.axes import Digit, Linear, elements, renames, runs, size, strides, without
from rdflow.dsl.checked import Route
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source, by_copy_of
from rdflow.dsl.joins import connect
from rdflow.dsl.lanes import lane_values
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import ALWAYS, LANES, Const, In, Mem, Operand, Row, Temp, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES, PMU_BYTES, Order, packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, Space, label

WORD = 4  # bytes of an entry of the table


def elaborate_route(nets: Nets, route: Route) -> None:
    """Add the actors of every copy of a split or a merge, and define its streams."""
    (_Merge if route.merge else _Split)(nets, route).run()


@dataclass(frozen=True)
class Pages:
    """How the slots of a tile are numbered.

    `experts`, `outer`, `inner`: digits of the expert, of the number of its page, and of the place in the page, of those
    that one scratchpad has, each from the slowest. `count`: pages that the worst routing takes.
    """

    experts: tuple[Digit, ...]
    outer: tuple[Digit, ...]
    inner: tuple[Digit, ...]
    count: int

    @property
    def shared(self) -> bool:
        """Whether several experts share the pages; one alone takes them in order, without a table."""
        return bool(self.experts)

    @property
    def places(self) -> int:
        """Of a page."""
        return size(self.inner)

    # the table: counters, the next free page, pages by expert and number, then what a split or a merge adds

    @property
    def next(self) -> int:
        return size(self.experts)

    @property
    def first(self) -> int:
        return self.next + 1

    @property
    def words(self) -> int:
        return self.first + (size(self.experts) * size(self.outer) if self.shared else 0)

    def page(self) -> Linear:
        """The entry of a page: by the loops and copies over experts and places."""
        return Linear.of(self.first, strides((*self.experts, *self.outer)))


def pages(
    route: Route, experts: Sequence[Digit], places: Sequence[Digit], lanes: Sequence[Digit], tokens: int
) -> Pages:
    """The pages of a scratchpad that has these digits, of which `lanes` are on those of a token that is read or written.

    Pages of an expert begin at least the lowest digit of their number apart: n tokens take n over that, rounded up.
    """
    slowest = sorted(places, key=lambda d: -d.stride)
    top = max((d.stride * d.extent for d in places if d in lanes), default=1)
    outer = tuple(d for d in slowest if d.stride >= top)
    inner = tuple(d for d in slowest if d.stride < top)
    own = tuple(sorted(experts, key=lambda d: -d.stride))
    apart = outer[-1].stride if outer else route.places
    worst = min(size(own) * size(outer), (tokens + size(own) * (apart - 1)) // apart, tokens)
    return Pages(own, outer, inner, max(1, worst) if own else size(outer))


class _Route(ABC):
    """What splits and merges have in common while their actors are made."""

    def __init__(self, nets: Nets, route: Route):
        self.nets, self.route = nets, route
        self.order, self.given = route.stream.order, route.source.order
        self.name, self.tile = route.stream.name, route.tile
        self.source = self._renamed()
        self.spaces = nets.copies(self.order.space, self.order.sockets)
        self._producers = by_copy_of(self.source, self.spaces[0])
        gone = {*self.order.time[: self.tile], *self.order.space, *route.choice, *route.expert, *route.place}
        self.token = tuple(d for d in (*self.given.time, *self.given.space, *self.given.lanes) if d not in gone)
        self.words = max(1, size(self.token))
        self.pages = self._pages()
        self.slots = self.pages.count * self.pages.places
        self.table_words = self.pages.words + self._more()
        self.unit = nets.unit(self._info())
        self.groups: dict[tuple[int, ...], list[Sink]] = {}
        self.routes: list[Draft] = []

    def _renamed(self) -> Source:
        """The source's tokens in the digits of the line."""
        source = self.nets.sources[self.route.source.name]
        original = self.nets.kernel.stream(self.route.source.name).order.digits
        return source.renamed(renames(original, self.given.digits))

    @abstractmethod
    def _pages(self) -> Pages:
        """Where tokens are kept."""

    @abstractmethod
    def _more(self) -> int:
        """Words of the table behind the pages."""

    @property
    def loops(self) -> tuple[Digit, ...]:
        """Of the selectors: what is outside of the tile, then what is routed."""
        return (*self.order.time[: self.tile], *self.route.choice)

    @property
    def tokens(self) -> int:
        """The most tokens that are routed in a tile."""
        return elements(self.route.choice, self.nets.kernel.lengths)

    def connect(self) -> None:
        """Join the source with the writers, and the selector with what takes it."""
        for key, sinks in self.groups.items():
            part = tuple(e for e in self.source.endpoints if self._key(e) == key)
            connect(self.nets, replace(self.source, endpoints=part), sinks)
        selector = self.nets.sources[self.route.selector.name]
        connect(self.nets, selector, [Sink(d, d.starts(len(d.loops))) for d in self.routes])

    # -- memory --------------------------------------------------------------------------------------------------------

    def data(self, space: Space) -> int:
        words = self.slots * self.words * self.route.depth
        return self.nets.memory(f"{self.name}{label(space)}", words, socket=space.get(SOCKET, 0))

    def table(self, space: Space) -> int:
        words = self.table_words * self.route.depth
        return self.nets.memory(f"{self.name}.table{label(space)}", words, socket=space.get(SOCKET, 0))

    def entry(self, draft: Draft, table: int, where: Linear, by: Operand | None = None, width: int = 1) -> Mem:
        """Words of the table of the tile at hand; `by`: an offset that is computed."""
        dynamic = ((by, 1),) if by is not None else ()
        address, lanes = draft.affine(where), tuple(range(width))
        return Mem(table, address, lanes, self.table_words, self.route.depth, dynamic)

    def place(
        self,
        draft: Draft,
        data: int,
        weights: dict[Digit, int],
        lanes: Sequence[Digit],
        slot: Operand | None,
        times: int,
    ) -> Mem:
        """Words of the scratchpad: those of a token, `times` slots from the first."""
        address = draft.affine(Linear.of(0, {d: w for d, w in weights.items() if d not in lanes}))
        dynamic = ((slot, times * self.words),) if slot is not None else ()
        bank = self.slots * self.words
        return Mem(data, address, lane_values(lanes, weights), bank, self.route.depth, dynamic)

    def weights(self) -> dict[Digit, int]:
        """Words from one value of a digit to the next, of a token and of a place within a page."""
        inner = strides((*self.pages.inner, *self.token))
        if self.pages.shared:
            return inner
        return {**inner, **{d: w * self.pages.places * self.words for d, w in strides(self.pages.outer).items()}}

    def found(self, rows: Rows, table: int) -> tuple[Operand | None, Temp]:
        """The page of the loops at hand, and whether the place is one that the expert has a token for."""
        rows_of_one = Rows(rows.draft, ())
        counters = Linear.of(0, strides(self.pages.experts))
        count = rows_of_one.add("read", (self.entry(rows.draft, table, counters),))
        place = Linear.of(0, {d: d.stride for d in self.route.place})
        there = rows.add("ilt", (rows.index(place), count))
        if not self.pages.shared:
            return None, there
        return rows_of_one.add("read", (self.entry(rows.draft, table, self.pages.page()),)), there

    # -- the actor that takes the selectors ----------------------------------------------------------------------------

    def router(self, space: Space) -> Draft:
        own = {d: v for d, v in space.items() if d not in self.route.choice}
        draft = self.nets.draft(f"{self.name}.route", self.unit, "route", self.loops, self.route.selector.order, own)
        draft.tile_level = self.tile
        self.routes.append(draft)
        return draft

    def selected(self, draft: Draft, table: int, port: int, space: Space) -> Temp:
        """The rows that give a selector's token its slot."""
        route, rows = self.route, Rows(draft, ())
        self._clear(draft, table)
        chosen = In(port)
        valid: Operand = rows.add(
            "and", (rows.add("ile", (Const(0), chosen)), rows.add("ilt", (chosen, Const(route.experts))))
        )
        order, roots = route.selector.order, [d.root for d in route.choice]
        exists = rows.predicate(conditions(self.nets.nests, self.loops, order.space, (), order, roots))
        if exists is not None:
            valid = rows.add("and", (valid, exists))
        valid = self._here(rows, valid, chosen, route.expert, space)
        expert = _number(rows, chosen, self.pages.experts)
        counter = self.entry(draft, table, Linear(), expert)
        count = rows.add("read", (counter,))
        valid = rows.add("and", (valid, rows.add("ilt", (count, Const(route.places)))))
        rows.draft.rows.append(Row("write", counter, (rows.add("iadd", (count, Const(1))), valid), 1))
        mine = self._here(rows, valid, count, route.place, space)
        slot = self._slot(rows, table, expert, count, mine)
        return rows.add("where", (mine, slot, Const(-1)))

    def _clear(self, draft: Draft, table: int) -> None:
        """Counters and the next page start from 0 with each tile."""
        inside = draft.starts(self.tile)
        for first in range(0, self.pages.first, LANES):
            width = min(LANES, self.pages.first - first)
            out = self.entry(draft, table, Linear(first), width=width)
            draft.rows.append(Row("write", out, (Const(0),), width, inside))

    def _here(self, rows: Rows, valid: Operand, value: Operand, digits: Sequence[Digit], space: Space) -> Operand:
        """Whether a copy is the one that a number's digits name."""
        for digit in digits:
            if digit in self.order.space:
                own = rows.add("ieq", (_digits(rows, value, (digit,)), Const(space[digit])))
                valid = rows.add("and", (valid, own))
        return valid

    def _slot(self, rows: Rows, table: int, expert: Operand | None, count: Operand, mine: Operand) -> Operand:
        """Where the next token of an expert goes: a new page where it is the first of one."""
        pages = self.pages
        within = _number(rows, count, pages.inner)
        number = _number(rows, count, pages.outer)
        if not pages.shared:
            return _sum(rows, _times(rows, number, pages.places), within) or Const(0)
        by = _sum(rows, _times(rows, expert, size(pages.outer)), number)
        entry = self.entry(rows.draft, table, Linear(pages.first), by)
        free = self.entry(rows.draft, table, Linear(pages.next))
        fresh = mine if within is None else rows.add("and", (mine, rows.add("ieq", (within, Const(0)))))
        taken = rows.add("read", (free,))
        page = rows.add("where", (fresh, taken, rows.add("read", (entry,))))
        rows.draft.rows.append(Row("write", entry, (page, fresh), 1))
        rows.draft.rows.append(Row("write", free, (rows.add("iadd", (taken, Const(1))), fresh), 1))
        return _sum(rows, _times(rows, page, pages.places), within) or page

    # -- writers and the reader ----------------------------------------------------------------------------------------

    def gathered(self) -> tuple[Digit, ...]:
        """Copy digits of the source that one scratchpad takes in: each has a writer of its own."""
        own = self.source.endpoints[0].draft.space if self.source.endpoints else {}
        return tuple(d for d in own if d not in self.order.space and d != SOCKET)

    def _key(self, endpoint: Endpoint) -> tuple[int, ...]:
        return tuple(endpoint.draft.space[d] for d in self.gathered())

    def writers(self, space: Space, digits: Sequence[Digit], order: Order) -> list[Draft]:
        """A writer for each copy of the source that this copy takes in; `digits`: its loops."""
        found, server = [], self._shared()
        for number in self._producers(space):
            endpoint = self.source.endpoints[number]
            own = {**space, **{d: endpoint.draft.space[d] for d in self.gathered()}}
            writer = self.nets.draft(f"{self.name}.write", self.unit, "write", digits, order, own)
            writer.tile_level = self.tile
            level = len(without(self.given.time, (*self.order.space, *self.gathered())))
            self.groups.setdefault(self._key(endpoint), []).append(Sink(writer, writer.starts(level), server))
            found.append(writer)
        return found

    def _shared(self) -> tuple[str, int] | None:
        """Several writers of one scratchpad share its write port."""
        if size(self.gathered()) <= 1 or not self.given.lanes:
            return None
        self.nets.netlist.servers += 1
        return ("port", self.nets.netlist.servers - 1)

    def reader(self, space: Space) -> Draft:
        reader = self.nets.draft(f"{self.name}.read", self.unit, "read", self.order.time, self.order, space)
        reader.tile_level = self.tile
        return reader

    def done(self, source: Draft, sink: Draft, what: str) -> None:
        """A token a tile: it is whole."""
        slots = self.route.depth + 2
        self.nets.token(source, sink, source.ends(self.tile), sink.starts(self.tile), what, slots=slots)

    def credit(self, source: Draft, sink: Draft) -> None:
        """A token a tile: it is free again."""
        push, pop, depth = source.ends(self.tile), sink.starts(self.tile), self.route.depth
        self.nets.token(source, sink, push, pop, "credit", slots=depth + 2, initial=depth)

    # -- the unit table ------------------------------------------------------------------------------------------------

    def _info(self) -> UnitInfo:
        """Capacity for the worst routing: all pages that it takes, and the table."""
        route = self.route
        token = elements(self.token, self.nets.kernel.lengths) * BYTES[route.stream.dtype]
        held = (self.slots * token + self.table_words * WORD) * route.depth
        copies = max(1, prod(d.extent for d in self.order.copies))
        order = self.nets.kernel.writer.order(self.order, self.tile)
        verb = "merge" if route.merge else "split"
        return UnitInfo(self.name, "pmu", verb, route.span, order, copies, 0, max(1, -(-held // PMU_BYTES)), 0, held)


class _Split(_Route):
    """One split while its actors are made."""

    def _pages(self) -> Pages:
        experts, places = (without(d, self.order.space) for d in (self.route.expert, self.route.place))
        return pages(self.route, experts, places, self.order.lanes, self.tokens)

    def _more(self) -> int:
        """The slots of a token that is routed several times."""
        return size(self.again)

    @property
    def again(self) -> tuple[Digit, ...]:
        """What is routed of each token that comes: digits of the selector that it has not."""
        return without(self.route.choice, self.given.digits)

    def run(self) -> None:
        nets, endpoints, counted = self.nets, [], []
        for space in self.spaces:
            table, data = self.table(space), self.data(space)
            router, reader = self.router(space), self.reader(space)
            writers = self.writers(space, *self._nest())
            self.credit(reader, router)
            if self.route.counts is not None and self._counts(space):
                counted.append(self._count(router, table, space))
            slot = self._slots(router, table, space)
            for writer in writers:
                self._give(router, writer, slot)
                self._write(writer, data)
                self.done(writer, reader, "written")
            endpoints.append(self._read(reader, table, data))
        self.connect()
        nets.define(self.route.stream, endpoints)
        if self.route.counts is not None:
            nets.define(self.route.counts, counted)

    def _nest(self) -> tuple[tuple[Digit, ...], Order]:
        """The loops of a writer: those of the source, each token as often as it is routed."""
        time = without(self.given.time, (*self.order.space, *self.gathered()))
        bounds = {**dict(self.route.selector.order.bounds), **dict(self.given.bounds)}
        return (*time, *self.again), replace(self.given, bounds=tuple(bounds.items()))

    def _slots(self, router: Draft, table: int, space: Space) -> Temp:
        """The rows of the router, and the lanes that it gives: the slots of one token."""
        slot = self.selected(router, table, len(router.inputs), space)
        if not self.again:
            return slot
        rows = Rows(router, ())
        own = strides(self.again)
        router.rows.append(Row("write", self.entry(router, table, Linear.of(self.pages.words, own)), (slot,), 1))
        width = size(self.again)
        return rows.add("read", (self.entry(router, table, Linear(self.pages.words), width=width),), width)

    def _give(self, router: Draft, writer: Draft, slot: Temp) -> None:
        """A queue of slots, a token for each of the source's."""
        level, width = len(router.loops) - len(self.again), size(self.again)
        endpoint = Endpoint(router, router.ends(level), slot.index)
        source = Source(f"{self.name}.slot", self.again, "int32", (endpoint,))
        queue = self.nets.queue(router, writer, width, source.name, packets=packets(width, "int32"))
        self.nets.join(endpoint, writer, queue, writer.starts(level))

    def _write(self, writer: Draft, data: int) -> None:
        """Store a token in its slot, unless it goes elsewhere."""
        have = self.source.lanes
        kept = without(have, self.order.space)
        rows = Rows(writer, kept)
        slots = len(writer.inputs) - 1
        slot: Operand = In(slots)
        if self.again:
            number = Rows(writer, ()).index(Linear.of(0, strides(self.again)))
            slot = rows.add("pick", (slot, number), width=1)
        there = rows.add("ile", (Const(0), slot))
        value = rows.operand(len(writer.inputs), have, kept)
        out = self.place(writer, data, strides(self.token), kept, slot, 1)
        writer.rows.append(Row("write", out, (value, there), rows.width))

    def _read(self, reader: Draft, table: int, data: int) -> Endpoint:
        """Give back the token of a place, 0 where the expert has none."""
        rows = Rows(reader, self.order.lanes)
        page, there = self.found(rows, table)
        mem = self.place(reader, data, self.weights(), self.order.lanes, page, self.pages.places)
        return Endpoint(reader, ALWAYS, rows.add("read", (mem, there)).index)

    def _counts(self, space: Space) -> bool:
        """Whether a copy tells the counts: the first of those that count alike."""
        counts = self.route.counts
        assert counts is not None
        return all(v == 0 for d, v in space.items() if d in self.order.copies and d not in counts.order.copies)

    def _count(self, router: Draft, table: int, space: Space) -> Endpoint:
        """Gives the counts of a tile when all of its selectors have come."""
        counts = self.route.counts
        assert counts is not None
        own = {d: v for d, v in space.items() if d in counts.order.space or d == SOCKET}
        draft = self.nets.draft(f"{self.name}.count", self.unit, "count", counts.order.time, counts.order, own)
        draft.tile_level = self.tile
        self.credit(draft, router)
        self.done(router, draft, "counted")
        where = Linear.of(0, strides(self.pages.experts))
        return Endpoint(draft, ALWAYS, Rows(draft, ()).add("read", (self.entry(draft, table, where),)).index)


class _Merge(_Route):
    """One merge while its actors are made."""

    def _pages(self) -> Pages:
        return pages(self.route, self.route.expert, self.route.place, self.given.lanes, self.tokens)

    def _more(self) -> int:
        """The slot of each token."""
        return size(self.route.choice)

    def run(self) -> None:
        endpoints = []
        for space in self.spaces:
            table, data = self.table(space), self.data(space)
            router, reader = self.router(space), self.reader(space)
            time = without(self.given.time, (*self.order.space, *self.gathered()))
            writers = self.writers(space, time, self.given)
            self.credit(reader, router)
            slot = self.selected(router, table, len(router.inputs), space)
            router.rows.append(Row("write", self.entry(router, table, self._entry()), (slot,), 1))
            for writer in writers:
                self.done(router, writer, "routed")
                self._write(writer, table, data)
                self.done(writer, reader, "written")
            endpoints.append(self._read(reader, table, data))
        self.connect()
        self.nets.define(self.route.stream, endpoints)

    def _entry(self) -> Linear:
        """Where the slot of a token is in the table."""
        return Linear.of(self.pages.words, strides(self.route.choice))

    def _write(self, writer: Draft, table: int, data: int) -> None:
        """Store the token of a place that the expert has one for."""
        have = self.source.lanes
        kept = without(have, self.order.space)
        rows = Rows(writer, kept)
        value = rows.operand(len(writer.inputs), have, kept)
        page, there = self.found(rows, table)
        out = self.place(writer, data, self.weights(), kept, page, self.pages.places)
        writer.rows.append(Row("write", out, (value, there), rows.width))

    def _read(self, reader: Draft, table: int, data: int) -> Endpoint:
        """Give back the token of a selector, 0 where it selects no expert."""
        rows = Rows(reader, self.order.lanes)
        slot = Rows(reader, ()).add("read", (self.entry(reader, table, self._entry()),))
        there = rows.add("ile", (Const(0), slot))
        mem = self.place(reader, data, strides(self.token), self.order.lanes, slot, 1)
        return Endpoint(reader, ALWAYS, rows.add("read", (mem, there)).index)


# -- whole numbers -----------------------------------------------------------------------------------------------------


def _digits(rows: Rows, value: Operand, run: Sequence[Digit]) -> Operand:
    """The number that neighbouring digits of a value make."""
    if run[-1].stride > 1:
        value = rows.add("idiv", (value, Const(run[-1].stride)))
    return rows.add("imod", (value, Const(size(run))))


def _number(rows: Rows, value: Operand, digits: Sequence[Digit]) -> Operand | None:
    """The number that some digits of a value make, the last the fastest; None where there are none."""
    weights, total = strides(tuple(digits)), None
    for run in runs(digits):
        total = _sum(rows, total, _times(rows, _digits(rows, value, run), weights[run[-1]]))
    return total


def _times(rows: Rows, value: Operand | None, factor: int) -> Operand | None:
    return value if value is None or factor == 1 else rows.add("imul", (value, Const(factor)))


def _sum(rows: Rows, a: Operand | None, b: Operand | None) -> Operand | None:
    return rows.add("iadd", (a, b)) if a is not None and b is not None else a if b is None else b
