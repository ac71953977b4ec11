"""All-reduces of long messages: a direct exchange in rounds, in which no two sockets send to the same one at a time.

In a round every socket has a token for each. They wait in a scratchpad until the round is complete; then socket i sends
at step d to socket i + d (modulo n), as all-to-all exchanges are staggered (Thakur and Gropp, Euro PVM/MPI 2003). What
comes waits for its round to be complete, too: a socket adds it in the order of the sockets, whenever it came. So every
socket does in every cycle what the others do, which makes links even and lets one socket stand for all (`symmetry`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.collectives import Collective, Message, Nest, fold
from rdflow.dsl.drafts import Draft, Endpoint
from rdflow.dsl.elaborate_blocks import free, whole
from rdflow.dsl.exchange import AllReduce
from rdflow.dsl.netlist import ALWAYS, Affine, Const, In, Index, Loop, Mem, Port, Row
from rdflow.dsl.rows import Rows
from rdflow.dsl.senders import kept, passed, taken

LONG = 64
"""rounds from which a message counts as long: three more rounds in which tokens wait do not matter then"""
HELD = 64
"""tokens that a scratchpad holds, of two rounds at least: while one is read others fill, for longer than its pipeline"""


def in_rounds(message: Message) -> bool:
    """Whether a direct exchange is made in rounds: whole ones, and many, whatever streams say and none waits for."""
    return not message.cut and message.tokens % message.sockets == 0 and message.tokens >= LONG * message.sockets


class Rounds(AllReduce):
    """Every socket sums a token of each round and sends the sum to all others."""

    def __init__(self, task: Collective, message: Message, nest: Nest):
        super().__init__(task, message, nest)
        self.turn = task.unit("turn", "pmu", "pmu", message.copies)
        self.deal = task.unit("deal", "agcu", "send", message.copies)
        self.gather = task.unit("gather", "pmu", "pmu", message.copies)
        self.sum = task.unit("sum", "pcu", "pcu", message.copies)
        self.share = task.unit("share", "agcu", "send", message.copies)
        self.held = max(2, HELD // self.sockets)
        assert not nest.loops, "rounds are whole whatever a stream says"
        self.loops = (Loop(nest.tokens // self.sockets), Loop(self.sockets))

    def reduce(self, group: Sequence[Endpoint], number: int) -> list[Endpoint]:
        """The result of one copy on every socket, from what each has of it."""
        task, spaces = self.task, [self.space(endpoint) for endpoint in group]
        dealers = [self._dealer(endpoint) for endpoint in group]
        gathers = [task.actor(self.gather, "write", self.nest, self.loops, space) for space in spaces]
        self._exchange(dealers, gathers)
        sums = [self._sum(write) for write in gathers]
        shares = [self.forward(total, self.share, kept(total)[1], self.size) for total in sums]
        writes = [task.actor(self.buffer, "write", self.nest, self.loops, space) for space in spaces]
        self._spread(sums, shares, writes)
        return [self._result(write) for write in writes]

    def _dealer(self, endpoint: Endpoint) -> Endpoint:
        """A socket's tokens, those of a round in the order in which it sends them."""
        task = self.task
        write = task.actor(self.turn, "write", self.nest, self.loops, endpoint.draft.space)
        taken(task.nets, task.stream.name, endpoint, write, task.width, self.partial)
        read = self._read(write, self.turn, self._held(write, 0), write.socket)
        return self.forward(read, self.deal, self.loops, self.partial)

    def _exchange(self, dealers: Sequence[Endpoint], gathers: Sequence[Draft]) -> None:
        """Step by step, from every socket to the one that is so far on."""
        task, size = self.task, self.partial
        steps = [self._step(d, dealers, gathers, task.partial.dtype) for d in range(self.sockets)]
        for dealer, queues in zip(dealers, zip(*steps, strict=True), strict=True):
            dealer.draft.outputs.append(Port(queues, ALWAYS, size, self._number(), source=dealer.source))
        for socket, gather in enumerate(gathers):
            gather.inputs.append(Port(self._coming(socket, steps), ALWAYS, size, self._number()))

    def _spread(self, sums: Sequence[Endpoint], shares: Sequence[Endpoint], writes: Sequence[Draft]) -> None:
        """The sums of a round, to all sockets at once; each takes its own first, and then the nearest before it."""
        steps = [self._step(d, shares if d else sums, writes, self.task.dtype) for d in range(self.sockets)]
        for d, step in enumerate(steps):
            for source, queue in zip(shares if d else sums, step, strict=True):
                source.draft.outputs.append(Port((queue,), source.gate, self.size, source=source.source))
        for socket, write in enumerate(writes):
            write.inputs.append(Port(self._coming(socket, steps), ALWAYS, self.size, self._number()))

    def _step(self, distance: int, sources: Sequence[Endpoint], sinks: Sequence[Draft], dtype: str) -> list[int]:
        """The queues from every socket to the one that is so far on, by the socket that sends."""
        ends = ((source, sinks[(i + distance) % self.sockets]) for i, source in enumerate(sources))
        return [self.task.across(source.draft, sink, dtype) for source, sink in ends]

    def _coming(self, socket: int, steps: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """The queues that come to a socket, step by step."""
        return tuple(step[(socket - d) % self.sockets] for d, step in enumerate(steps))

    def _sum(self, write: Draft) -> Endpoint:
        """The sum of what has come to a socket, in the order of the sockets."""
        read = self._read(write, self.gather, self._held(write, write.socket, -1), 0)
        draft = self.task.actor(self.sum, "pcu", self.nest, self.loops, write.space)
        taken(self.task.nets, self.task.stream.name, read, draft, self.task.width, self.partial)
        return fold(self.task, draft, 1)

    def _result(self, write: Draft) -> Endpoint:
        """The result of a socket, in the nest of the stream."""
        task, order = self.task, self.task.stream.order
        read = self._read(write, self.buffer, self._held(write, write.socket, -1), 0, "round")
        draft = task.nets.draft(read.draft.name, self.buffer, "read", order.time, order, write.space)
        return passed(task.nets, task.stream.name, read, draft, task.width, self.size)

    # -- scratchpads ---------------------------------------------------------------------------------------------------

    def _held(self, write: Draft, first: int, sign: int = 1) -> int:
        """The memory of a scratchpad whose writer puts token d of a round at place first + sign d (modulo n)."""
        memory = self.task.nets.memory(write.name, self.held * self.sockets * self.task.width, socket=write.socket)
        write.tile_level = 1
        rows = Rows(write, self.task.lanes)
        out = self._place(rows, memory, first, sign)
        write.rows.append(Row("write", out, (In(len(write.inputs) - 1),), rows.width))
        return memory

    def _read(self, write: Draft, unit: int, memory: int, first: int, kind: str = "read") -> Endpoint:
        """The reader of a scratchpad: a complete round, from place `first` on."""
        read = self.task.actor(unit, kind, self.nest, self.loops, write.space)
        read.tile_level = level = write.tile_level
        free(self.task.nets, read, write, level, self.held)
        whole(self.task.nets, write, read, level, self.held, "written")
        rows = Rows(read, self.task.lanes)
        value = rows.add("read", (self._place(rows, memory, first, 1),))
        return Endpoint(read, ALWAYS, value.index)

    def _place(self, rows: Rows, memory: int, first: int, sign: int) -> Mem:
        """Place first + sign d (modulo n) of a round, at step d."""
        step = Index(self._number(sign)._replace(const=first))
        place = rows.add("imod", (step, Const(self.sockets)), width=1)
        width = rows.width
        return Mem(memory, Affine(), tuple(range(width)), self.sockets * width, self.held, ((place, width),))

    def _number(self, sign: int = 1) -> Affine:
        """The step of a round: the innermost loop."""
        return Affine(0, (0, sign))
