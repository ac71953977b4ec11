"""The memories of a split or a merge: the words of a token in its slot, the entries of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rdflow.dsl.axes import Digit, Linear, elements, size, strides
from rdflow.dsl.checked import Route
from rdflow.dsl.drafts import Draft
from rdflow.dsl.lanes import lane_values
from rdflow.dsl.netlist import Mem, Operand, Temp
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES
from rdflow.dsl.route_pages import Pages
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, Space, label

WORD = 4  # bytes of an entry of the table


class Memory:
    """How the tiles of one split or merge lie in their memories. `more`: words of the table behind the pages."""

    def __init__(self, nets: Nets, route: Route, pages: Pages, more: int):
        self.nets, self.route, self.pages = nets, route, pages
        self.token = self._token()
        self.words = max(1, size(self.token))
        self.slots = pages.count * pages.places
        self.table_words = pages.words + more

    def _token(self) -> tuple[Digit, ...]:
        """The digits inside of a token: those that are neither outside of the tile, nor a copy's, nor routed."""
        route, order, given = self.route, self.route.stream.order, self.route.source.order
        gone = {*order.time[: route.tile], *order.space, *route.choice, *route.expert, *route.place}
        return tuple(d for d in (*given.time, *given.space, *given.lanes) if d not in gone)

    @property
    def held(self) -> int:
        """Bytes for the worst routing: all pages that it takes, and the table."""
        token = elements(self.token, self.nets.kernel.lengths) * BYTES[self.route.stream.dtype]
        return (self.slots * token + self.table_words * WORD) * self.route.depth

    def tokens(self, space: Space) -> int:
        """The memory of a copy's tokens."""
        words = self.slots * self.words * self.route.depth
        return self.nets.memory(f"{self.route.stream.name}{label(space)}", words, socket=space.get(SOCKET, 0))

    def table(self, space: Space) -> int:
        """The memory of a copy's table."""
        words = self.table_words * self.route.depth
        return self.nets.memory(f"{self.route.stream.name}.table{label(space)}", words, socket=space.get(SOCKET, 0))

    # -- entries of the table ------------------------------------------------------------------------------------------

    def entry(self, draft: Draft, table: int, where: Linear, by: Operand | None = None, width: int = 1) -> Mem:
        """Words of the table of the tile at hand; `by`: an offset that is computed."""
        dynamic = ((by, 1),) if by is not None else ()
        address, lanes = draft.affine(where), tuple(range(width))
        return Mem(table, address, lanes, self.table_words, self.route.depth, dynamic)

    def added(self, digits: Sequence[Digit]) -> Linear:
        """Where the entry of these loops is, among those that a split or a merge adds."""
        return Linear.of(self.pages.words, strides(digits))

    def count(self, draft: Draft, table: int) -> Temp:
        """Read how many tokens the expert of the loops at hand has."""
        return Rows(draft, ()).add("read", (self.entry(draft, table, Linear.of(0, strides(self.pages.experts))),))

    # -- slots ---------------------------------------------------------------------------------------------------------

    def found(self, rows: Rows, table: int) -> tuple[Operand | None, Temp]:
        """The page of the loops at hand, and whether the place is one that the expert has a token for."""
        count = self.count(rows.draft, table)
        place = Linear.of(0, {d: d.stride for d in self.route.place})
        there = rows.add("ilt", (rows.index(place), count))
        if not self.pages.shared:
            return None, there
        return Rows(rows.draft, ()).add("read", (self.entry(rows.draft, table, self.pages.page()),)), there

    def in_page(self, rows: Rows, memory: int, page: Operand | None) -> Mem:
        """The words of the token at the place of the loops at hand."""
        return self._words(rows, memory, self._weights(), page, self.pages.places)

    def in_slot(self, rows: Rows, memory: int, slot: Operand) -> Mem:
        """The words of the token in a slot."""
        return self._words(rows, memory, strides(self.token), slot, 1)

    def _weights(self) -> Mapping[Digit, int]:
        """Words from one value of a digit to the next, of a token and of a place within a page."""
        inner = strides((*self.pages.inner, *self.token))
        if self.pages.shared:
            return inner
        return {**inner, **{d: w * self.pages.places * self.words for d, w in strides(self.pages.outer).items()}}

    def _words(self, rows: Rows, memory: int, weights: Mapping[Digit, int], first: Operand | None, slots: int) -> Mem:
        """Words of a token, `slots` for each that the operand `first` counts behind the beginning of the tile."""
        address = rows.draft.affine(Linear.of(0, {d: w for d, w in weights.items() if d not in rows.lanes}))
        dynamic = ((first, slots * self.words),) if first is not None else ()
        lanes, bank = lane_values(rows.lanes, weights), self.slots * self.words
        return Mem(memory, address, lanes, bank, self.route.depth, dynamic)
