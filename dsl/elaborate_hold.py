"""Holds as actors: writers, a reader, tiles in banks, blocks and credits (A3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod

from rdflow.dsl.axes import Digit, Linear, renames, size, strides, without
from rdflow.dsl.checked import Hold
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source, by_copy_of
from rdflow.dsl.joins import connect
from rdflow.dsl.lanes import lane_values
from rdflow.dsl.needs import needs
from rdflow.dsl.nests import ends_by_number
from rdflow.dsl.netlist import ALWAYS, Blocks, In, Mem, Port, Row, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES, PMU_BYTES, Order
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, Space, label


def elaborate_hold(nets: Nets, hold: Hold) -> None:
    """Add the writers and the reader of every copy of a hold, and define its stream."""
    _Hold(nets, hold).run()


class _Hold:
    """One hold while its actors are made."""

    def __init__(self, nets: Nets, hold: Hold):
        self.nets, self.hold = nets, hold
        self.order = hold.stream.order
        self.space = self.order.space
        self.fixed = self._one_copy()
        self.source = self._renamed_source()
        self.tile = self.order.time[: hold.tile]
        self.layout = self._layout()
        self.words = max(1, prod(d.extent for d in self.layout))
        self.strides = strides(self.layout)
        self.unit = nets.unit(self._info())
        self.spaces = nets.copies(self.space, self.order.sockets)
        self._producers = by_copy_of(self.source, self.spaces[0])

    def _renamed_source(self) -> Source:
        """The source's tokens in the digits of the hold."""
        source = self.nets.sources[self.hold.source.name]
        if not source.endpoints:
            return source
        source = source.renamed(renames(self._original(), self.hold.source.order.digits))
        read = (e for e in source.endpoints if all(e.draft.space[d] == v for d, v in self.fixed.items()))
        return replace(source, endpoints=tuple(read))

    def _one_copy(self) -> dict[Digit, int]:
        """Copies of the source of which a view reads one alone: their digits, and the value."""
        gathered = without(self.hold.source.order.space, self.order.space)
        return {
            d: linear.const
            for d, linear in self.hold.moves
            if d in gathered and not linear.terms and 0 <= linear.const < d.extent
        }

    def _original(self) -> tuple[Digit, ...]:
        """The source's digits before the renames of the view."""
        return self.nets.kernel.stream(self.hold.source.name).order.digits

    def _layout(self) -> tuple[Digit, ...]:
        """The digits of a tile as it lies in the scratchpad: the writer's loops, then what it gathers, then lanes."""
        source = self.hold.source.order
        outside = {*self.tile, *self.space, *self.fixed}
        return tuple(d for d in (*source.time, *source.space, *source.lanes) if d not in outside)

    def run(self) -> None:
        nets, hold = self.nets, self.hold
        endpoints: list[Endpoint] = []
        groups: dict[tuple[int, ...], list[Sink]] = {}
        readers: list[Draft] = []
        for space in self.spaces:
            socket = space.get(SOCKET, 0)
            memory = nets.memory(f"{hold.stream.name}{label(space)}", self.words * hold.depth, socket=socket)
            reader = self._reader(space)
            writers = self._writers(space, memory, groups)
            for writer in writers:
                self._tokens(writer, reader)
            readers.append(reader)
            endpoints.append(self._read(reader, memory))
        parts = self._parts()
        for key, sinks in groups.items():
            connect(nets, replace(self.source, endpoints=tuple(parts.get(key, ()))), sinks)
        for index in dict.fromkeys(index for _, index in hold.gathers):
            level = sum(1 for d in self.order.time if d in index.order.time)
            connect(nets, nets.sources[index.name], [Sink(r, r.starts(level)) for r in readers])
        nets.define(hold.stream, endpoints)

    # -- actors --------------------------------------------------------------------------------------------------------

    def _gathered(self) -> tuple[Digit, ...]:
        """Copy digits of the source that lie inside of a tile: each has a writer of its own."""
        if not self.source.endpoints:
            return ()
        own = self.source.endpoints[0].draft.space
        return tuple(d for d in own if d not in self.space and d not in self.fixed and d != SOCKET)

    def _parts(self) -> dict[tuple[int, ...], list[Endpoint]]:
        """The copies of the source by those digits."""
        found: dict[tuple[int, ...], list[Endpoint]] = {}
        for endpoint in self.source.endpoints:
            found.setdefault(self._key(endpoint), []).append(endpoint)
        return found

    def _key(self, endpoint: Endpoint) -> tuple[int, ...]:
        return tuple(endpoint.draft.space[d] for d in self._gathered())

    def _writers(self, space: Space, memory: int, groups: dict[tuple[int, ...], list[Sink]]) -> list[Draft]:
        """A writer for each copy of the source that this copy gathers, by address and so in any order."""
        found = []
        port = self._shared()
        times = without(self.hold.source.order.time, (*self.space, *self._gathered()))
        read = self._moved(space)
        for number in self._producers(read):
            endpoint = self.source.endpoints[number]
            own = {**read, **{d: endpoint.draft.space[d] for d in self._gathered()}}
            name = f"{self.hold.stream.name}.write"
            writer = self.nets.draft(name, self.unit, "write", times, self.hold.source.order, own)
            writer.tile_level = self.hold.tile
            groups.setdefault(self._key(endpoint), []).append(Sink(writer, writer.starts(len(times)), port))
            self._write(writer, memory, own)
            found.append(writer)
        return found

    def _moved(self, space: Space) -> Space:
        """The copy of the source that a copy reads, where a view moves its digits: the nearest one if there is none."""
        found = dict(space)
        for digit, linear in self.hold.moves:
            if digit in self.space and set(linear.digits) <= set(self.space):
                found[digit] = max(0, min(digit.extent - 1, _value(linear, space)))
        return found

    def _shared(self) -> tuple[str, int] | None:
        """Several writers of one scratchpad share its write port: a server of its own for each copy."""
        if prod(d.extent for d in self._gathered()) <= 1 or not self.hold.source.order.lanes:
            return None
        self.nets.netlist.servers += 1
        return ("port", self.nets.netlist.servers - 1)

    def _write(self, writer: Draft, memory: int, own: Space) -> None:
        """Store a token: all its lanes, or the slice that this copy takes."""
        have = self.source.lanes
        kept = without(have, self.space)
        rows = Rows(writer, kept)
        value = rows.operand(self._data_port(writer), have, kept)
        terms = {d: s for d, s in self.strides.items() if d in writer.digits or d in own}
        address = writer.affine(Linear.of(0, terms))
        lanes = lane_values(kept, self.strides)
        out = Mem(memory, address, lanes, self.words, self.hold.depth)
        writer.rows.append(Row("write", out, (value,), rows.width))

    def _data_port(self, writer: Draft) -> int:
        """The number that the data port will have: bounds and credits come first."""
        return len(writer.scalars) + 1

    def _reader(self, space: Space) -> Draft:
        reader = self.nets.draft(f"{self.hold.stream.name}.read", self.unit, "read", self.order.time, self.order, space)
        reader.tile_level = self.hold.tile
        return reader

    def _read(self, reader: Draft, memory: int) -> Endpoint:
        """Give back a token: its words, 0 where a view leads outside."""
        rows = Rows(reader, self.order.lanes)
        moved = dict(self.hold.moves)
        total = Linear()
        checks: list[tuple[Digit, Linear]] = []
        for digit, linear in self.hold.moves:
            if digit in self.space and not _inside(linear, digit.extent):
                checks.append((digit, linear))
        for digit, stride in self.strides.items():
            linear = moved.get(digit, Linear(0, ((digit, 1),)))
            total = total.plus(linear, stride)
            if digit in moved and not _inside(linear, digit.extent):
                checks.append((digit, linear))
        weights = dict(total.terms)
        loops = total.outside(self.order.lanes)
        lanes = lane_values(self.order.lanes, weights)
        dynamic = self._dynamic(len(reader.scalars))
        mem = Mem(memory, reader.affine(loops), lanes, self.words, self.hold.depth, dynamic)
        low = [(Linear(-1), linear) for _, linear in checks]
        high = [(linear, Linear(digit.extent)) for digit, linear in checks]
        predicate = rows.predicate([*low, *high], self._strays(len(reader.scalars)))
        value = rows.add("read", (mem, predicate) if predicate is not None else (mem,))
        return Endpoint(reader, ALWAYS, value.index)

    def _indices(self, first: int) -> list[tuple[int, list[Digit]]]:
        """The input ports of the index streams, and the digits that each chooses."""
        start = first + max(1, prod(d.extent for d in self._gathered()))
        streams = dict.fromkeys(index for _, index in self.hold.gathers)
        return [(start + n, [d for d, i in self.hold.gathers if i == index]) for n, index in enumerate(streams)]

    def _dynamic(self, first: int) -> tuple[tuple[In, int], ...]:
        """Gathers: the index stream's value times the stride of the axis that it chooses."""
        return tuple(
            (In(port), self.strides[min(digits, key=lambda d: d.stride)]) for port, digits in self._indices(first)
        )

    def _strays(self, first: int) -> tuple[tuple[int, int], ...]:
        """Ports of the index streams, and the lengths of the axes that they choose: beyond them are other elements."""
        return tuple((port, size(digits)) for port, digits in self._indices(first))

    # -- tokens --------------------------------------------------------------------------------------------------------

    def _tokens(self, writer: Draft, reader: Draft) -> None:
        """Credits for free tiles one way, blocks written the other way."""
        hold, nets = self.hold, self.nets
        tile, depth = hold.tile, hold.depth
        nets.token(reader, writer, reader.ends(tile), writer.starts(tile), "credit", slots=depth + 2, initial=depth)
        if hold.queue and not self._gathered():
            tokens = depth * max(1, size(self.order.time[tile:])) + 2
            nets.token(writer, reader, ALWAYS, ALWAYS, "written", slots=tokens)
            return
        counts, blocks = self._need(writer, reader), self._launched(writer, reader)
        if counts is None:
            push, pop = writer.ends(tile), reader.starts(tile)
            nets.token(writer, reader, push, pop, "written", slots=depth + 2)
            return
        queue = nets.queue(writer, reader, 0, "written", slots=depth * sum(counts) + 2)
        writer.outputs.append(Port((queue,), writer.ends(tile + 1)))
        reader.inputs.append(Port((queue,), reader.starts(tile + 1), 1, counts=counts, counted=tile, blocks=blocks))

    def _need(self, writer: Draft, reader: Draft) -> tuple[int, ...] | None:
        """Blocks that each iteration of the reader's first loop waits for, beyond those before; None: the whole tile at once.

        A block is one iteration of the writer's first loop inside of the tile.
        """
        tile = self.hold.tile
        if len(writer.loops) <= tile or len(reader.loops) <= tile:
            return None
        if any(self._ends(*end) for end in ((writer, self.hold.source.order), (reader, self.order))):
            return None
        block, first = writer.digits[tile], reader.digits[tile]
        assert block is not None and first is not None
        moved = {d for d, _ in self.hold.moves}
        if block in moved or self.hold.gathers:
            return None
        total = writer.loops[tile].size
        need = needs(self.nets.nests, self.hold, block, first, reader.loops[tile].size, total)
        if need(0) >= total and bounded_alike(self.nets, self.hold, block, first) is None:
            return None
        return tuple(b - a for a, b in pairwise(need.sum(j) for j in range(need.iterations + 1)))

    def _ends(self, draft: Draft, order: Order) -> bool:
        """Whether the first loop inside of the tile may end before its size: a number that bounds it does not say where
        it ends, so that all numbers make the same queues."""
        return draft.loops[self.hold.tile].limit is not None or ends_by_number(order, draft.digits[self.hold.tile])

    def _launched(self, writer: Draft, reader: Draft) -> Blocks | None:
        """How many blocks are waited for, where a launch says it."""
        tile = self.hold.tile
        block = writer.digits[tile] if len(writer.loops) > tile else None
        first = reader.digits[tile] if len(reader.loops) > tile else None
        bound = bounded_alike(self.nets, self.hold, block, first)
        if bound is None or block is None or not bound.arguments:
            return None
        limit = replace(bound, const=bound.high, terms=())
        return Blocks(reader.affine(limit), self.nets.nests.granules[block.root], block.stride, writer.loops[tile].size)

    # -- the unit table ------------------------------------------------------------------------------------------------

    def _info(self) -> UnitInfo:
        hold = self.hold
        copies = max(1, prod(d.extent for d in self.order.copies))
        held = elements(self.layout, self.nets.kernel.lengths) * BYTES[hold.stream.dtype] * hold.depth
        order = self.nets.kernel.writer.order(self.order, hold.tile)
        verb = "fifo" if hold.fifo else "pmu"
        return UnitInfo(
            hold.stream.name, "pmu", verb, hold.span, order, copies, 0, max(1, -(-held // PMU_BYTES)), 0, held
        )


def elements(layout: Sequence[Digit], lengths: Mapping[str, int]) -> int:
    """Elements of a tile with these digits: what exists, not the padding of the last one."""
    total = 1
    for root in dict.fromkeys(d.root for d in layout):
        digits = [d for d in layout if d.root == root]
        extent = prod(d.extent for d in digits)
        low = min(d.stride for d in digits)
        total *= min(extent, -(-lengths[root] // low))
    return total


def bounded_alike(nets: Nets, hold: Hold, block: Digit | None, first: Digit | None) -> Linear | None:
    """The bound of a writer's blocks that is the same in all iterations of the reader's first loop, a number or a
    launch's."""
    if block is None or block == first or block.stride * block.extent < nets.kernel.lengths[block.root]:
        return None
    bound = hold.stream.order.bound(block.root)
    return bound if isinstance(bound, Linear) and first not in bound.digits else None


def _value(linear: Linear, space: Space) -> int:
    return linear.const + sum(c * space[d] for d, c in linear.terms)


def _inside(linear: Linear, extent: int) -> bool:
    """Whether an index stays within 0 .. extent - 1, whatever a launch gives."""
    return not linear.arguments and linear.low >= 0 and linear.high < extent
