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

from collections.abc import Iterator

from rdflow.dsl.axes import Digit, renames, size, without
from rdflow.dsl.checked import Route
from rdflow.dsl.drafts import Draft, Source
from rdflow.dsl.elaborate_blocks import free, whole
from rdflow.dsl.elaborate_writers import Writers
from rdflow.dsl.netlist import UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import PMU_BYTES, Order
from rdflow.dsl.records import dataclass
from rdflow.dsl.route_memory import Memory
from rdflow.dsl.route_pages import Pages
from rdflow.dsl.route_selectors import Selectors
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import Space


@dataclass(frozen=True)
class Copy:
    """One copy of a split or a merge: the numbers of its memories, and its actors."""

    space: Space
    table: int
    tokens: int
    router: Draft
    reader: Draft
    writers: list[Draft]


class Routing:
    """What splits and merges have in common while their actors are made. `more`: words of the table behind the pages."""

    def __init__(self, nets: Nets, route: Route, pages: Pages, more: int):
        self.nets, self.route, self.name = nets, route, route.stream.name
        self.order, self.given = route.stream.order, route.source.order
        self.memory = Memory(nets, route, pages, more)
        self.unit = nets.unit(self._info())
        self.spaces = nets.copies(self.order.space, self.order.sockets)
        self.writers = Writers(nets, self._source(), self.given, self.spaces[0])
        self.selectors = Selectors(nets, route, self.unit, self.memory)

    def _source(self) -> Source:
        """The source's tokens in the digits of the line."""
        name = self.route.source.name
        original = self.nets.kernel.stream(name).order.digits
        return self.nets.sources[name].renamed(renames(original, self.given.digits))

    def _info(self) -> UnitInfo:
        route, held = self.route, self.memory.held
        copies = max(1, size(self.order.copies))
        order = self.nets.kernel.writer.order(self.order, route.tile)
        verb = "merge" if route.merge else "split"
        return UnitInfo(self.name, "pmu", verb, route.span, order, copies, 0, max(1, -(-held // PMU_BYTES)), 0, held)

    def copies(self, order: Order, again: tuple[Digit, ...] = ()) -> Iterator[Copy]:
        """The actors of each copy in turn. `order`: whose bounds the loops of writers have; `again`: see `Writers`."""
        for space in self.spaces:
            table, tokens = self.memory.table(space), self.memory.tokens(space)
            router, reader = self.selectors.add(space), self._reader(space)
            writers = self.writers.add(self.name, self.unit, self.route.tile, space, order, again)
            self.free(reader, router)
            yield Copy(space, table, tokens, router, reader, writers)

    def _reader(self, space: Space) -> Draft:
        reader = self.nets.draft(f"{self.name}.read", self.unit, "read", self.order.time, self.order, space)
        reader.tile_level = self.route.tile
        return reader

    def connect(self) -> None:
        """Join the source with the writers, and the selector with what takes it."""
        self.writers.connect()
        self.selectors.connect()

    def whole(self, source: Draft, sink: Draft, what: str) -> None:
        """A token a tile: it is complete."""
        whole(self.nets, source, sink, self.route.tile, self.route.depth, what)

    def free(self, source: Draft, sink: Draft) -> None:
        """A token a tile: it is free again."""
        free(self.nets, source, sink, self.route.tile, self.route.depth)

    def writing(self, writer: Draft) -> Rows:
        """The rows of a writer: on the lanes that a copy keeps of a token."""
        return Rows(writer, without(self.writers.source.lanes, self.order.space))
