"""Reductions over sockets: an all-reduce as a direct exchange or as a ring, a reduce-scatter (A2).

All forms add in the order of the sockets, starting from the identity, so their values are the same bit for bit.

* direct all-reduce: the tokens of a copy are dealt by index to the sockets (token i of copy c to socket (i + c) mod n, so
  that short messages of many copies are spread, too). Each socket sums its tokens and sends every sum to all others,
  which take them in turns. A link carries 2/n of the message.
* ring: partial sums go from socket 0 to socket 1 and on to the last, token behind token, then the sums from the last to
  socket 0 and on around. A link carries up to twice the message, but each socket sends to one neighbour alone.
* reduce-scatter: the result has a digit on the sockets, and each socket sums what it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from rdflow.dsl.axes import Digit, strides
from rdflow.dsl.checked import Stream
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.joins import Draft, Endpoint, Nets, Source, kept, passed, sender
from rdflow.dsl.netlist import ALWAYS, LANES, Affine, Const, Gate, In, Loop, Mem, Operand, Port, Row, Temp, UnitInfo
from rdflow.dsl.orders import packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, Space

Form = Literal["direct", "ring"]


@dataclass(frozen=True, slots=True)
class Message:
    """What an all-reduce moves: on each of `sockets`, `copies` streams of `tokens`. A token has `partial` packets before
    anything is added, `between` where some is, and `result` at the end."""

    sockets: int
    copies: int
    tokens: int
    partial: int
    between: int
    result: int


Choose = Callable[[Message], Form]


def direct(message: Message) -> Form:
    """The form that is the fastest wherever every socket has a link to every other."""
    return "direct"


def ring(message: Message) -> Form:
    return "ring"


@dataclass(frozen=True)
class Collective:
    """A reduction over sockets under construction.

    `op`: the fold, as in rows; `combine`: the same for two operands. `partial`: one endpoint a copy and socket. `dtype`
    of the results, `finish`: the rows from a sum to what leaves.
    """

    nets: Nets
    stream: Stream
    op: str
    combine: str
    digits: tuple[Digit, ...]
    partial: Source
    dtype: str
    finish: Callable[[Rows, Operand], Temp]

    @property
    def lanes(self) -> tuple[Digit, ...]:
        return self.stream.order.lanes

    @property
    def width(self) -> int:
        return self.partial.width

    def packets(self, dtype: str) -> int:
        """Of a token."""
        return packets(self.width, dtype) if self.lanes else 1

    def unit(self, name: str, kind: str, verb: str, copies: int) -> int:
        """A unit of this line beside the user's."""
        nets, full = self.nets, f"{self.stream.name}.{name}"
        order = nets.kernel.writer.order(self.stream.order)
        if kind == "agcu":
            return nets.unit(sender(full, self.stream.span, order, copies))
        info = UnitInfo(full, kind, verb, self.stream.span, order, copies, int(kind == "pcu"), int(kind == "pmu"))
        return nets.unit(info)

    def actor(self, unit: int, kind: str, loops: tuple[Loop, ...], space: Space) -> Draft:
        """An actor that counts tokens."""
        name = self.nets.netlist.units[unit].name
        draft = self.nets.counted(name, unit, kind, (None,) * len(loops), loops, space)
        if kind == "pcu":
            draft.stages = self.nets.stages
        return draft

    def across(self, source: Draft, sink: Draft, dtype: str) -> int:
        """A queue of tokens from one actor to another, over a link where they are on two sockets."""
        server = self.nets.link(source, sink) if source.socket != sink.socket else None
        size = self.packets(dtype)
        return self.nets.queue(source, sink, self.width, self.stream.name, packets=size, server=server)


def reduce_over_sockets(task: Collective, form: Choose) -> list[Endpoint]:
    """The endpoints of the result: on all sockets, or each part on its own where the result has a digit on them."""
    if task.stream.order.sockets:
        return _scattered(task)
    groups = _groups(task)
    found: list[Endpoint] = []
    if not groups:
        return found
    if any(loop.port >= 0 for loop in kept(groups[0][0])[1]):
        raise CompileError([_ragged(task)], task.nets.kernel.program.source)
    tokens = tokens_of(groups[0][0])
    sizes = (task.packets(dtype) for dtype in (task.partial.dtype, "f32", task.dtype))
    message = Message(task.nets.sockets, len(groups), tokens, *sizes)
    units = _Ring(task, message) if form(message) == "ring" else _Direct(task, message)
    for number, group in enumerate(groups):
        found += units.reduce(group, number)
    return found


def _ragged(task: Collective) -> Diagnostic:
    message = "a sum over sockets has as many tokens as a stream says, which the engine does not execute yet"
    help = "reduce the loop that is bounded in the same line, or let the result have a digit on the sockets"
    return Diagnostic("RDF080", message, (Label(task.stream.span, "in this line"),), (), help)


def tokens_of(endpoint: Endpoint) -> int:
    """How many tokens leave at an endpoint in a whole run."""
    return iterations(kept(endpoint)[1])


def iterations(loops: Sequence[Loop], outside: tuple[int, ...] = ()) -> int:
    """Iterations of a nest, given the counters of the loops outside."""
    if not loops:
        return 1
    own = loops[0].iterations(outside)
    if all(loop.limit is None for loop in loops[1:]):
        return own * iterations(loops[1:], (*outside, 0))
    return sum(iterations(loops[1:], (*outside, i)) for i in range(own))


def _groups(task: Collective) -> list[list[Endpoint]]:
    """The endpoints that are reduced together, by socket."""
    groups: dict[tuple[tuple[Digit, int], ...], list[Endpoint]] = {}
    for endpoint in task.partial.endpoints:
        own = endpoint.draft.space
        key = tuple((d, v) for d, v in own.items() if d not in task.digits and d != SOCKET)
        groups.setdefault(key, []).append(endpoint)
    return [sorted(group, key=lambda e: e.draft.socket) for group in groups.values()]


def _fold(task: Collective, draft: Draft, inner: int) -> Endpoint:
    """Rows of an actor whose loops from `inner` on count the sockets: a sum of the tokens of all, in their order."""
    depth = len(draft.loops)
    mask = ((1 << depth) - 1) & ~((1 << inner) - 1)
    rows = Rows(draft, task.lanes)
    memory = task.nets.memory(f"{draft.name}.sum", LANES, socket=draft.socket)
    total = Mem(memory, Affine(), tuple(range(rows.width)))
    draft.rows.append(Row(f"fold.{task.op}", total, (In(len(draft.scalars)),), rows.width, ALWAYS, Gate(first=mask)))
    rows.gate = Gate(last=mask)
    value = task.finish(rows, total)
    return Endpoint(draft, rows.gate, value.index)


# -- reduce-scatter ----------------------------------------------------------------------------------------------------


def _scattered(task: Collective) -> list[Endpoint]:
    """A unit on each socket that sums what the socket keeps."""
    nets, order = task.nets, task.stream.order
    groups = _groups(task)
    copies = len(groups) // nets.sockets
    away = task.unit("send", "agcu", "send", copies * (nets.sockets - 1))
    unit = task.unit("sum", "pcu", "pcu", copies)
    spaces = nets.copies(order.space, order.sockets)
    found = []
    for group in groups:
        own = group[0].draft.space
        space = next(s for s in spaces if all(own[d] == v for d, v in s.items() if d != SOCKET))
        draft = nets.draft(nets.netlist.units[unit].name, unit, "pcu", (*order.time, *task.digits), order, space)
        draft.stages = nets.stages
        _gather(task, group, draft, away)
        found.append(_fold(task, draft, len(order.time)))
    return found


def _gather(task: Collective, group: Sequence[Endpoint], draft: Draft, away: int) -> None:
    """One input port that takes the tokens of all sockets in turns, by the actor's innermost loops."""
    size = task.packets(task.partial.dtype)
    queues = []
    for endpoint in group:
        source = endpoint
        if endpoint.draft.socket != draft.socket:
            source = _sent(task, endpoint, away)
        queue = task.across(source.draft, draft, task.partial.dtype)
        source.draft.outputs.append(Port((queue,), source.gate, -(-size // source.firings), source=source.source))
        queues.append(queue)
    weights = strides(task.digits)
    select = Affine(0, tuple(weights.get(d, 0) if d is not None else 0 for d in draft.digits))
    draft.inputs.append(Port(tuple(queues), ALWAYS, size, select))


def _sent(task: Collective, endpoint: Endpoint, unit: int) -> Endpoint:
    digits, loops = kept(endpoint)
    name = task.nets.netlist.units[unit].name
    draft = task.nets.counted(name, unit, "send", digits, loops, endpoint.draft.space)
    draft.bounded(endpoint.draft.bounds(loops))
    return passed(task.nets, task.stream.name, endpoint, draft, task.width, task.packets(task.partial.dtype))


# -- all-reduce --------------------------------------------------------------------------------------------------------


class _AllReduce:
    """What both forms share: the scratchpad that takes the sums in, and gives them on as the result's tokens."""

    def __init__(self, task: Collective, message: Message):
        self.task, self.sockets, self.tokens = task, message.sockets, message.tokens
        self.partial, self.size = message.partial, message.result
        self.buffer = task.unit("all", "pmu", "pmu", message.copies)

    def forward(self, endpoint: Endpoint, unit: int, loops: tuple[Loop, ...], size: int) -> Endpoint:
        """An AGCU that takes the tokens of an endpoint, to put them on links."""
        draft = self.task.actor(unit, "send", loops, endpoint.draft.space)
        return passed(self.task.nets, self.task.stream.name, endpoint, draft, self.task.width, size)

    def taken(self, sources: Sequence[Endpoint], space: Space, loops: tuple[Loop, ...], select: Affine) -> Endpoint:
        """The writing end of the scratchpad of a socket: sums from the sockets that make them, in turns."""
        task = self.task
        draft = task.actor(self.buffer, "write", loops, space)
        queues = tuple(task.across(source.draft, draft, task.dtype) for source in sources)
        for source, queue in zip(sources, queues, strict=True):
            source.draft.outputs.append(Port((queue,), source.gate, self.size, source=source.source))
        draft.inputs.append(Port(queues, ALWAYS, self.size, select))
        value = draft.temp()
        draft.rows.append(Row("copy", value, (In(0),), task.width))
        return Endpoint(draft, ALWAYS, value.index)

    def given(self, write: Endpoint) -> Endpoint:
        """The reading end: the nest of the result."""
        task, order = self.task, self.task.stream.order
        name = task.nets.netlist.units[self.buffer].name
        draft = task.nets.draft(name, self.buffer, "read", order.time, order, write.draft.space)
        return passed(task.nets, task.stream.name, write, draft, task.width, self.size)

    def space(self, endpoint: Endpoint) -> Space:
        """The place of a sum beside one of what is summed."""
        return {d: v for d, v in endpoint.draft.space.items() if d not in self.task.digits}


class _Direct(_AllReduce):
    """Every socket sums its share of the tokens and sends the sums to all others."""

    def __init__(self, task: Collective, message: Message):
        super().__init__(task, message)
        self.deal = task.unit("deal", "agcu", "send", message.copies)
        self.sum = task.unit("sum", "pcu", "pcu", message.copies)
        self.share = task.unit("share", "agcu", "send", message.copies)

    def reduce(self, group: Sequence[Endpoint], number: int) -> list[Endpoint]:
        """The result of one copy on every socket, from what each has of it."""
        spaces = [self.space(endpoint) for endpoint in group]
        dealers = [self.forward(endpoint, self.deal, self._rounds(), self.partial) for endpoint in group]
        owners = [(number + i) % self.sockets for i in range(min(self.sockets, self.tokens))]
        sums = self._sums(dealers, [spaces[owner] for owner in owners])
        shares = [self.forward(total, self.share, kept(total)[1], self.size) for total in sums]
        found = []
        for socket, space in enumerate(spaces):
            sources = [s if s.draft.socket == socket else share for s, share in zip(sums, shares, strict=True)]
            found.append(self.given(self.taken(sources, space, self._rounds(), Affine(0, (0, 1)))))
        return found

    def _rounds(self) -> tuple[Loop, ...]:
        """Token after token, one for each socket a round; the last round may be short."""
        if self.tokens % self.sockets == 0:
            return Loop(self.tokens // self.sockets), Loop(self.sockets)
        last = Loop(min(self.sockets, self.tokens), 1, Affine(self.tokens), Affine(0, (self.sockets,)))
        return Loop(-(-self.tokens // self.sockets)), last

    def _sums(self, dealers: Sequence[Endpoint], spaces: Sequence[Space]) -> list[Endpoint]:
        """On each of these sockets, in the order in which they are dealt to, a sum of the tokens."""
        task, select = self.task, Affine(0, (0, 1))
        owned = [-(-(self.tokens - owner) // self.sockets) for owner in range(len(spaces))]
        drafts = [
            task.actor(self.sum, "pcu", (Loop(n), Loop(self.sockets)), space)
            for n, space in zip(owned, spaces, strict=True)
        ]
        queues = [[task.across(dealer.draft, draft, task.partial.dtype) for draft in drafts] for dealer in dealers]
        for dealer, row in zip(dealers, queues, strict=True):
            dealer.draft.outputs.append(Port(tuple(row), ALWAYS, self.partial, select, source=dealer.source))
        for draft, column in zip(drafts, zip(*queues, strict=True), strict=True):
            draft.inputs.append(Port(column, ALWAYS, self.partial, select))
        return [_fold(task, draft, 1) for draft in drafts]


class _Ring(_AllReduce):
    """Partial sums from socket to socket, then the sums from the last one around."""

    def __init__(self, task: Collective, message: Message):
        super().__init__(task, message)
        self.add = task.unit("sum", "pcu", "pcu", message.copies)
        self.on = task.unit("on", "agcu", "send", message.copies)
        self.round = task.unit("around", "agcu", "send", message.copies)
        self.loops = (Loop(message.tokens),)

    def reduce(self, group: Sequence[Endpoint], number: int) -> list[Endpoint]:
        """The result of one copy on every socket, from what each has of it."""
        total, dtype = group[0], self.task.partial.dtype
        for endpoint in group[1:]:
            total, dtype = self._added(total, dtype, endpoint, endpoint is group[-1]), "f32"
        spaces = [self.space(endpoint) for endpoint in group]
        found: dict[int, Endpoint] = {}
        for socket in (self.sockets - 1, *range(self.sockets - 1)):
            write = self.taken([total], spaces[socket], self.loops, Affine())
            found[socket] = self.given(write)
            if socket != self.sockets - 2:
                total = self.forward(write, self.round, self.loops, self.size)
        return [found[socket] for socket in range(self.sockets)]

    def _added(self, before: Endpoint, dtype: str, own: Endpoint, last: bool) -> Endpoint:
        """The sum of what the sockets before have, and this one. The first sum of floats starts from the identity."""
        task = self.task
        sent = self.forward(before, self.on, self.loops, task.packets(dtype))
        draft = task.actor(self.add, "pcu", self.loops, self.space(own))
        for source, of in ((sent, dtype), (own, task.partial.dtype)):
            queue, size = task.across(source.draft, draft, of), task.packets(of)
            source.draft.outputs.append(Port((queue,), source.gate, size, source=source.source))
            draft.inputs.append(Port((queue,), ALWAYS, size))
        rows = Rows(draft, task.lanes)
        value: Operand = In(0)
        if task.combine == "add" and own.draft.socket == 1:
            value = rows.add("add", (Const(0.0), value))
        value = rows.add(task.combine, (value, In(1)))
        out = task.finish(rows, value) if last else value
        return Endpoint(draft, ALWAYS, out.index)
