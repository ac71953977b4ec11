"""Holds as actors: writers, a reader, tiles in banks (A3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rdflow.dsl.axes import Digit, Linear, elements, renames, size, strides, without
from rdflow.dsl.checked import Hold
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source
from rdflow.dsl.elaborate_blocks import tell
from rdflow.dsl.elaborate_writers import Writers
from rdflow.dsl.joins import connect
from rdflow.dsl.lanes import lane_values
from rdflow.dsl.netlist import ALWAYS, In, Mem, Row, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES, PMU_BYTES
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, Space, label


def elaborate_hold(nets: Nets, hold: Hold) -> None:
    """Add the writers and the reader of every copy of a hold, and define its stream."""
    _Hold(nets, hold).run()


class _Hold:
    """One hold while its actors are made."""

    def __init__(self, nets: Nets, hold: Hold):
        self.nets, self.hold, self.name = nets, hold, hold.stream.name
        self.order = hold.stream.order
        self.space = self.order.space
        self.chosen = self._chosen()
        self.layout = self._layout()
        self.words = max(1, size(self.layout))
        self.strides = strides(self.layout)
        self.unit = nets.unit(self._info())
        self.spaces = nets.copies(self.space, self.order.sockets)
        self.writers = Writers(nets, self._source(), hold.source.order, self.spaces[0], self.chosen)

    def _chosen(self) -> dict[Digit, int]:
        """Copies of the source of which a view reads one alone: their digits, and the value."""
        gathered = without(self.hold.source.order.space, self.order.space)
        return {
            d: linear.const
            for d, linear in self.hold.moves
            if d in gathered and not linear.terms and 0 <= linear.const < d.extent
        }

    def _source(self) -> Source:
        """The source's tokens in the digits of the hold, of the copies that are read."""
        source, own = self.nets.sources[self.hold.source.name], self.nets.kernel.stream(self.hold.source.name).order
        source = source.renamed(renames(own.digits, self.hold.source.order.digits))
        read = (e for e in source.endpoints if all(e.draft.space[d] == v for d, v in self.chosen.items()))
        return replace(source, endpoints=tuple(read))

    def _layout(self) -> tuple[Digit, ...]:
        """The digits of a tile as it lies in the scratchpad: the writer's loops, then what it gathers, then lanes."""
        source = self.hold.source.order
        outside = (*self.order.time[: self.hold.tile], *self.space, *self.chosen)
        return without((*source.time, *source.space, *source.lanes), outside)

    def run(self) -> None:
        nets, hold = self.nets, self.hold
        copies = [self._copy(space) for space in self.spaces]
        self.writers.connect()
        for index in dict.fromkeys(index for _, index in hold.gathers):
            level = sum(1 for d in self.order.time if d in index.order.time)
            connect(nets, nets.sources[index.name], [Sink(e.draft, e.draft.starts(level)) for e in copies])
        nets.define(hold.stream, copies)

    def _copy(self, space: Space) -> Endpoint:
        """One scratchpad, with what writes and what reads it."""
        nets, hold = self.nets, self.hold
        words = self.words * hold.depth
        memory = nets.memory(f"{self.name}{label(space)}", words, socket=space.get(SOCKET, 0))
        reader = nets.draft(f"{self.name}.read", self.unit, "read", self.order.time, self.order, space)
        reader.tile_level = hold.tile
        writers = self.writers.add(self.name, self.unit, hold.tile, self._moved(space), hold.source.order)
        for writer in writers:
            self._write(writer, memory)
        for writer in writers:
            tell(nets, hold, writer, reader, not self.writers.gathered)
        return self._read(reader, memory)

    def _moved(self, space: Space) -> Space:
        """The copy of the source that a copy reads, where a view moves its digits: the nearest one if there is none."""
        found = dict(space)
        for digit, linear in self.hold.moves:
            if digit in self.space and set(linear.digits) <= set(self.space):
                value = linear.const + sum(c * space[d] for d, c in linear.terms)
                found[digit] = max(0, min(digit.extent - 1, value))
        return found

    def _write(self, writer: Draft, memory: int) -> None:
        """Store a token: all its lanes, or the slice that this copy takes."""
        have = self.writers.source.lanes
        kept = without(have, self.space)
        rows = Rows(writer, kept)
        value = rows.operand(len(writer.scalars) + 1, have, kept)  # bounds and credits come first
        terms = {d: s for d, s in self.strides.items() if d in writer.digits or d in writer.space}
        address = writer.affine(Linear.of(0, terms))
        out = Mem(memory, address, lane_values(kept, self.strides), self.words, self.hold.depth)
        writer.rows.append(Row("write", out, (value,), rows.width))

    # -- the reader ----------------------------------------------------------------------------------------------------

    def _read(self, reader: Draft, memory: int) -> Endpoint:
        """Give back a token: its words, 0 where a view leads outside."""
        rows, total, ports = Rows(reader, self.order.lanes), self._total(), self._indices(reader)
        address = reader.affine(total.outside(self.order.lanes))
        lanes = lane_values(self.order.lanes, dict(total.terms))
        dynamic = tuple((In(port), self.strides[min(digits, key=lambda d: d.stride)]) for port, digits in ports)
        mem = Mem(memory, address, lanes, self.words, self.hold.depth, dynamic)
        checks = list(self._leaving())
        low = [(Linear(-1), linear) for _, linear in checks]
        high = [(linear, Linear(digit.extent)) for digit, linear in checks]
        predicate = rows.predicate([*low, *high], [(port, size(digits)) for port, digits in ports])
        value = rows.add("read", (mem, predicate) if predicate is not None else (mem,))
        return Endpoint(reader, ALWAYS, value.index)

    def _total(self) -> Linear:
        """Where a token's words lie in a tile."""
        moved, total = dict(self.hold.moves), Linear()
        for digit, stride in self.strides.items():
            total = total.plus(moved.get(digit, Linear(0, ((digit, 1),))), stride)
        return total

    def _leaving(self) -> Iterator[tuple[Digit, Linear]]:
        """The digits that a view may lead out of, those of copies first."""
        moves = self.hold.moves
        yield from ((d, linear) for d, linear in moves if d in self.space and not _inside(linear, d.extent))
        moved = dict(moves)
        own = ((d, moved[d]) for d in self.layout if d in moved)
        yield from ((d, linear) for d, linear in own if not _inside(linear, d.extent))

    def _indices(self, reader: Draft) -> list[tuple[int, list[Digit]]]:
        """The input ports of the index streams, and the digits that each chooses: the value of an index stream counts
        them together, so it adds itself times the stride of the finest."""
        start = len(reader.scalars) + max(1, size(self.writers.gathered))
        streams = dict.fromkeys(index for _, index in self.hold.gathers)
        return [(start + n, [d for d, i in self.hold.gathers if i == index]) for n, index in enumerate(streams)]

    # -- the unit table ------------------------------------------------------------------------------------------------

    def _info(self) -> UnitInfo:
        hold = self.hold
        copies = max(1, size(self.order.copies))
        held = elements(self.layout, self.nets.kernel.lengths) * BYTES[hold.stream.dtype] * hold.depth
        order = self.nets.kernel.writer.order(self.order, hold.tile)
        verb, pmus = "fifo" if hold.fifo else "pmu", max(1, -(-held // PMU_BYTES))
        return UnitInfo(self.name, "pmu", verb, hold.span, order, copies, 0, pmus, 0, held)


def _inside(linear: Linear, extent: int) -> bool:
    """Whether an index stays within 0 .. extent - 1, whatever a launch gives."""
    return not linear.arguments and linear.low >= 0 and linear.high < extent
