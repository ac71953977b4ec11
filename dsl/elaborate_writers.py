"""The writers of scratchpads: one for each copy of the source that a copy takes in, by address and so in any order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source, by_copy_of
from rdflow.dsl.joins import connect
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import Order
from rdflow.dsl.sockets import SOCKET, Space


class Writers:
    """The writers of all copies of one scratchpad.

    `source`: what they write, in the digits of the line; `order`: its order. `copy`: one of the scratchpad's. `chosen`:
    copy digits of the source of which a view reads one value alone.
    """

    def __init__(self, nets: Nets, source: Source, order: Order, copy: Space, chosen: Collection[Digit] = ()):
        self.nets, self.source, self.order = nets, source, order
        own = source.endpoints[0].draft.space if source.endpoints else {}
        self.gathered = tuple(d for d in own if d not in copy and d not in chosen and d != SOCKET)
        """copy digits of the source that one scratchpad takes in: each has a writer of its own"""
        self.time = without(order.time, (*copy, *self.gathered))
        """the loops of a writer, one for each token"""
        self._producers = by_copy_of(source, copy)
        self._groups: dict[tuple[int, ...], list[Sink]] = {}

    def add(
        self, name: str, unit: int, tile: int, space: Space, order: Order, again: tuple[Digit, ...] = ()
    ) -> list[Draft]:
        """The writers of a copy. `order`: whose bounds their loops have; `again`: loops in which a token stays."""
        found, port = [], self._port()
        for number in self._producers(space):
            endpoint = self.source.endpoints[number]
            own = {**space, **{d: endpoint.draft.space[d] for d in self.gathered}}
            writer = self.nets.draft(f"{name}.write", unit, "write", (*self.time, *again), order, own)
            writer.tile_level = tile
            sink = Sink(writer, writer.starts(len(self.time)), port)
            self._groups.setdefault(self._key(endpoint), []).append(sink)
            found.append(writer)
        return found

    def _port(self) -> tuple[str, int] | None:
        """Several writers of one scratchpad share its write port: a server of its own for each copy."""
        if size(self.gathered) <= 1 or not self.order.lanes:
            return None
        self.nets.netlist.servers += 1
        return ("port", self.nets.netlist.servers - 1)

    def _key(self, endpoint: Endpoint) -> tuple[int, ...]:
        return tuple(endpoint.draft.space[d] for d in self.gathered)

    def connect(self) -> None:
        """Join the source with all writers."""
        parts: dict[tuple[int, ...], list[Endpoint]] = {}
        for endpoint in self.source.endpoints:
            parts.setdefault(self._key(endpoint), []).append(endpoint)
        for key, sinks in self._groups.items():
            connect(self.nets, replace(self.source, endpoints=tuple(parts[key])), sinks)
