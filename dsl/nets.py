"""A netlist under construction: its units, memories, actors and queues."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit
from rdflow.dsl.checked import Kernel, Stream
from rdflow.dsl.drafts import Draft, Endpoint, Source
from rdflow.dsl.nests import Nests
from rdflow.dsl.netlist import Gate, Loop, Memory, Netlist, Port, Queue, UnitInfo
from rdflow.dsl.orders import Order, Scalar
from rdflow.dsl.sockets import Space, count, label, spaces


class Nets:
    """The netlist under construction."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.sockets = count(kernel)
        self.netlist = Netlist(kernel.name, sockets=self.sockets)
        self.drafts: list[Draft] = []
        self.sources: dict[str, Source] = {}
        self.nests = Nests(kernel)

    @property
    def stages(self) -> int:
        """Stages of a unit: cycles of its pipeline, rows of its systolic array."""
        return self.kernel.program.stages

    def define(self, stream: Stream, endpoints: Sequence[Endpoint]) -> None:
        """The stream leaves at these endpoints."""
        order = stream.order
        self.sources[stream.name] = Source(stream.name, order.lanes, stream.dtype, tuple(endpoints), not order.sockets)

    # -- pieces --------------------------------------------------------------------------------------------------------

    def unit(self, info: UnitInfo) -> int:
        self.netlist.units.append(info)
        return len(self.netlist.units) - 1

    def memory(self, name: str, words: int, tensor: int | None = None, socket: int = 0) -> int:
        self.netlist.memories.append(Memory(name, words, tensor, socket))
        return len(self.netlist.memories) - 1

    def draft(
        self,
        name: str,
        unit: int,
        kind: str,
        digits: Sequence[Digit],
        order: Order,
        space: Space,
        bursts: Sequence[int] = (),
    ) -> Draft:
        """An actor whose loops count `digits`, with the bounds of `order`, then `bursts` loops for parts of a token."""
        loops = self.nests.loops(tuple(digits), order, space) + tuple(Loop(n) for n in bursts)
        draft = self.counted(name, unit, kind, (*digits, *(None for _ in bursts)), loops, space)
        bounds = (order.bound(d.root) if d is not None else None for d in draft.digits)
        draft.bounded([b if isinstance(b, Scalar) else None for b in bounds])
        return draft

    def counted(
        self,
        name: str,
        unit: int,
        kind: str,
        digits: Sequence[Digit | None],
        loops: tuple[Loop, ...],
        space: Space,
    ) -> Draft:
        """An actor with these loops."""
        draft = Draft(len(self.drafts), name + label(space), unit, kind, tuple(digits), loops, dict(space))
        self.drafts.append(draft)
        return draft

    def copies(self, digits: Sequence[Digit], sockets: Sequence[Digit]) -> list[Space]:
        """Every copy along these digits, of which `sockets` say on which socket it is; without them it is on all."""
        return spaces(digits, sockets, self.sockets)

    # -- connections ---------------------------------------------------------------------------------------------------

    def queue(
        self,
        source: Draft,
        sink: Draft,
        width: int,
        stream: str,
        packets: int = 1,
        slots: int | None = None,
        initial: int = 0,
        server: str | tuple[str, int] | None = None,
    ) -> int:
        self.netlist.queues.append(
            Queue(source.number, sink.number, width, packets, None, slots, initial, server, stream)
        )
        return len(self.netlist.queues) - 1

    def link(self, source: Draft, sink: Draft) -> tuple[str, int]:
        """The server that queues from one socket to another pass."""
        return ("link", source.socket * self.sockets + sink.socket)

    def join(self, source: Endpoint, sink: Draft, queue: int, pop: Gate) -> None:
        """A queue of tokens with lanes between two actors of one unit, a port at each end."""
        size = self.netlist.queues[queue].packets
        source.draft.outputs.append(Port((queue,), source.gate, size, source=source.source))
        sink.inputs.append(Port((queue,), pop, size))

    def token(
        self,
        source: Draft,
        sink: Draft,
        push: Gate,
        pop: Gate,
        stream: str,
        slots: int | None = None,
        initial: int = 0,
        server: str | None = None,
    ) -> int:
        """A queue of tokens without data between two actors of one unit: blocks, credits, banks."""
        queue = self.queue(source, sink, 0, stream, 1, slots, initial, server)
        source.outputs.append(Port((queue,), push))
        sink.inputs.append(Port((queue,), pop))
        return queue

    def finish(self) -> Netlist:
        self.netlist.actors = [d.finish() for d in self.drafts]
        return self.netlist
