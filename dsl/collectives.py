"""Reductions over sockets: an all-reduce as a direct exchange or as a ring, a reduce-scatter (A2).

All forms add in the order of the sockets, starting from the identity, so their values are the same bit for bit.

* direct all-reduce: the tokens of a copy are dealt by index to the sockets (token i of copy c to socket (i + c) mod n, so
  that short messages of many copies are spread, too). Each socket sums its tokens and sends every sum to all others,
  which take them in turns. A link carries 2/n of the message. A long message goes in rounds, see `rounds`.
* ring: partial sums go from socket 0 to socket 1 and on to the last, token behind token, then the sums from the last to
  socket 0 and on around. A link carries up to twice the message, but each socket sends to one neighbour alone.
* reduce-scatter: the result has a digit on the sockets, and each socket sums what it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from rdflow.dsl.axes import Digit, Linear, strides
from rdflow.dsl.checked import Stream
from rdflow.dsl.drafts import Draft, Endpoint, Source
from rdflow.dsl.netlist import ALWAYS, LANES, Affine, Gate, In, Loop, Mem, Operand, Port, Row, Temp, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import Scalar, packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.rows import Rows
from rdflow.dsl.senders import kept, send, sender
from rdflow.dsl.sockets import SOCKET, Space

Form = Literal["direct", "ring"]


@dataclass(frozen=True, slots=True)
class Message:
    """What an all-reduce moves: on each of `sockets`, `copies` streams of `tokens`. A token has `partial` packets before
    anything is added, `between` where some is, and `result` at the end. `cut`: streams say how many tokens there are,
    or a carry has some wait for the results of others."""

    sockets: int
    copies: int
    tokens: int
    partial: int
    between: int
    result: int
    cut: bool = False


Choose = Callable[[Message], Form]


@dataclass(frozen=True, slots=True)
class Nest:
    """The tokens of a copy: `tokens` of them in each iteration of `loops`, the outer ones, which streams bound."""

    digits: tuple[Digit | None, ...]
    loops: tuple[Loop, ...]
    bounds: tuple[Scalar | None, ...]
    tokens: int


def nest_of(endpoint: Endpoint) -> Nest:
    """The loops of an endpoint's tokens: all of them count tokens, unless a stream bounds some."""
    digits, loops = kept(endpoint)
    outer = 0
    if any(loop.port >= 0 for loop in loops):
        outer = 1 + max(i for i, loop in enumerate(loops) if loop.limit is not None)
    bounds = tuple(endpoint.draft.bounds(loops[:outer]))
    return Nest(digits[:outer], loops[:outer], bounds, iterations(loops[outer:]))


def iterations(loops: Sequence[Loop], outside: tuple[int, ...] = ()) -> int:
    """Iterations of a nest at full size, given the counters of the loops outside."""
    if not loops:
        return 1
    own = loops[0].iterations(outside)
    if all(loop.limit is None for loop in loops[1:]):
        return own * iterations(loops[1:], (*outside, 0))
    return sum(iterations(loops[1:], (*outside, i)) for i in range(own))


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

    def actor(self, unit: int, kind: str, nest: Nest, loops: tuple[Loop, ...], space: Space) -> Draft:
        """An actor that counts tokens, in each iteration of the loops that streams bound."""
        name = self.nets.netlist.units[unit].name
        digits = (*nest.digits, *(None for _ in loops))
        draft = self.nets.counted(name, unit, kind, digits, (*nest.loops, *loops), space)
        draft.bounded((*nest.bounds, *(None for _ in loops)))
        if kind == "pcu":
            draft.stages = self.nets.stages
        return draft

    def across(self, source: Draft, sink: Draft, dtype: str) -> int:
        """A queue of tokens from one actor to another, over a link where they are on two sockets."""
        server = self.nets.link(source, sink) if source.socket != sink.socket else None
        size = self.packets(dtype)
        return self.nets.queue(source, sink, self.width, self.stream.name, packets=size, server=server)


def groups(task: Collective) -> list[list[Endpoint]]:
    """The endpoints that are reduced together, by socket."""
    found: dict[tuple[tuple[Digit, int], ...], list[Endpoint]] = {}
    for endpoint in task.partial.endpoints:
        own = endpoint.draft.space
        key = tuple((d, v) for d, v in own.items() if d not in task.digits and d != SOCKET)
        found.setdefault(key, []).append(endpoint)
    return [sorted(group, key=lambda e: e.draft.socket) for group in found.values()]


def fold(task: Collective, draft: Draft, inner: int) -> Endpoint:
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


def scattered(task: Collective) -> list[Endpoint]:
    """A unit on each socket that sums what the socket keeps."""
    nets, order = task.nets, task.stream.order
    parts = groups(task)
    copies = len(parts) // nets.sockets
    away = task.unit("send", "agcu", "send", copies * (nets.sockets - 1))
    unit = task.unit("sum", "pcu", "pcu", copies)
    spaces = nets.copies(order.space, order.sockets)
    found = []
    for group in parts:
        own = group[0].draft.space
        space = next(s for s in spaces if all(own[d] == v for d, v in s.items() if d != SOCKET))
        draft = nets.draft(nets.netlist.units[unit].name, unit, "pcu", (*order.time, *task.digits), order, space)
        draft.stages = nets.stages
        _gather(task, group, draft, away)
        found.append(fold(task, draft, len(order.time)))
    return found


def _gather(task: Collective, group: Sequence[Endpoint], draft: Draft, away: int) -> None:
    """One input port that takes the tokens of all sockets in turns, by the actor's innermost loops."""
    size = task.packets(task.partial.dtype)
    queues = []
    for endpoint in group:
        source = endpoint
        if endpoint.draft.socket != draft.socket:
            source = send(task.nets, away, task.partial, endpoint)
        queue = task.across(source.draft, draft, task.partial.dtype)
        source.draft.outputs.append(Port((queue,), source.gate, -(-size // source.firings), source=source.source))
        queues.append(queue)
    select = draft.affine(Linear.of(0, strides(task.digits)))
    draft.inputs.append(Port(tuple(queues), ALWAYS, size, select))
