"""A flow under construction: nodes for the copies of actors, channels between their ends.

Rooms are at least those of any machine that is not stranger than its defaults, so that what is stuck here is stuck there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

from rdflow.dsl.axes import Digit, renames, size
from rdflow.dsl.checked import Kernel, Stream, space_of
from rdflow.dsl.flow import FAR, Flow
from rdflow.dsl.flow_ends import Copies, End
from rdflow.dsl.nests import Nests
from rdflow.dsl.orders import Order, packets
from rdflow.dsl.sockets import Space, agree
from rdflow.dsl.waits import Access

FIFO = 16  # packets of an input queue
PIPELINE = 16  # packets that a unit's pipeline holds: the longest of a PCU with its tail, a PMU and an AGCU
NEAR, ACROSS = 20, 70  # hops between units that exchange tokens: in a small kernel, over a whole socket


class Builder:
    """A flow under construction."""

    def __init__(self, kernel: Kernel, copies: Copies):
        self.kernel, self.copies = kernel, copies
        self.nests = Nests(kernel)
        self.flow = Flow()
        self.ends: dict[str, list[End]] = {}
        self.touched: list[tuple[Access, End]] = []
        self.line = 0
        self.wires = 2 * self._hops()

    def _hops(self) -> int:
        """Hops of a long wire: more copies spread over more of the socket."""
        return min(ACROSS, max(NEAR, 2 * isqrt(sum(size(space_of(line)) for line in self.kernel.lines))))

    def node(self, digits: Sequence[Digit], order: Order, space: Space, pipeline: int = PIPELINE) -> End:
        """A copy of an actor of the line at hand."""
        loops = self.nests.loops(tuple(digits), order, space)
        return End(self.flow.node(self.line, digits, loops, space, pipeline), tuple(digits), space, {})

    def tokens(self, source: End, sink: End, initial: int = 0, tensor: str = "") -> None:
        """Tokens without data, credits and the like: there is always room for them."""
        self.flow.channel(source.node, sink.node, source.pulses(), sink.pulses(), FAR, initial, tensor=tensor)

    def credit(self, reader: End, writer: End, tile: int, depth: int) -> None:
        """The writer of a tile starts when one is free."""
        self.tokens(reader.ends(tile), writer.starts(tile), depth)

    def whole(self, writer: End, reader: End, tile: int) -> None:
        """The reader of a tile starts when it is written."""
        self.tokens(writer.ends(tile), reader.starts(tile))

    def connect(self, stream: Stream, order: Order, sinks: Iterable[End], room: int | None = None) -> None:
        """Join the copies of a producer with the sinks that share their digits. `order`: the stream's, after renames."""
        pairs = renames(self.kernel.stream(stream.name).order.digits, order.digits)
        sources = [e.renamed(pairs) for e in self.ends.get(stream.name, [])]
        for sink in sinks:
            for source in sources:
                if agree(source.space, sink.space):
                    self.join(source, sink, stream.name, packets(order.width, stream.dtype), room)

    def join(self, source: End, sink: End, name: str, size: int, room: int | None = None, levels: int = 1) -> None:
        """A queue from one unit to another."""
        push = source.node.pulses(source.at(sink.space))
        gathered = {d: v for d, v in source.space.items() if d not in sink.space}
        pop = sink.node.pulses(sink.at(gathered))
        slots = levels * self.slots(source, size) if room is None else room
        self.flow.channel(source.node, sink.node, push, pop, slots, stream=name)

    def slots(self, source: End, packets: int = 1) -> int:
        """Tokens of so many packets that have room between a unit and another."""
        return max(2, (FIFO + source.node.pipeline + self.wires) // packets)

    def index(self, index: Stream, ends: Sequence[End], time: Sequence[Digit]) -> None:
        """An index stream, read where its loops start anew."""
        level = sum(1 for d in time if d in index.order.time)
        self.connect(index, index.order, [e.starts(level) for e in ends])
