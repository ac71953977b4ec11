"""All-reduces as actors: a direct exchange, or a ring (see `collectives`)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.collectives import Choose, Collective, Message, Nest, fold, groups, iterations, nest_of, scattered
from rdflow.dsl.drafts import Endpoint
from rdflow.dsl.netlist import ALWAYS, Affine, Const, In, Loop, Operand, Port
from rdflow.dsl.rows import Rows
from rdflow.dsl.senders import kept, passed
from rdflow.dsl.sockets import Space


def reduce_over_sockets(task: Collective, form: Choose) -> list[Endpoint]:
    """The endpoints of the result: on all sockets, or each part on its own where the result has a digit on them."""
    if task.stream.order.sockets:
        return scattered(task)
    parts = groups(task)
    found: list[Endpoint] = []
    if not parts:
        return found
    nest = nest_of(parts[0][0])
    sizes = (task.packets(dtype) for dtype in (task.partial.dtype, "f32", task.dtype))
    message = Message(task.nets.sockets, len(parts), iterations(nest.loops) * nest.tokens, *sizes)
    units = _Ring(task, message, nest) if form(message) == "ring" else _Direct(task, message, nest)
    for number, group in enumerate(parts):
        found += units.reduce(group, number)
    return found


class _AllReduce:
    """What both forms share: the scratchpad that takes the sums in, and gives them on as the result's tokens."""

    def __init__(self, task: Collective, message: Message, nest: Nest):
        self.task, self.sockets, self.nest = task, message.sockets, nest
        self.partial, self.size = message.partial, message.result
        self.buffer = task.unit("all", "pmu", "pmu", message.copies)

    def forward(self, endpoint: Endpoint, unit: int, loops: tuple[Loop, ...], size: int) -> Endpoint:
        """An AGCU that takes the tokens of an endpoint, to put them on links."""
        draft = self.task.actor(unit, "send", self.nest, loops, endpoint.draft.space)
        return passed(self.task.nets, self.task.stream.name, endpoint, draft, self.task.width, size)

    def taken(self, sources: Sequence[Endpoint], space: Space, loops: tuple[Loop, ...], select: Affine) -> Endpoint:
        """The writing end of the scratchpad of a socket: sums from the sockets that make them, in turns."""
        task = self.task
        draft = task.actor(self.buffer, "write", self.nest, loops, space)
        queues = tuple(task.across(source.draft, draft, task.dtype) for source in sources)
        for source, queue in zip(sources, queues, strict=True):
            source.draft.outputs.append(Port((queue,), source.gate, self.size, source=source.source))
        value = Rows(draft, task.lanes).add("copy", (In(len(draft.inputs)),))
        draft.inputs.append(Port(queues, ALWAYS, self.size, select))
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

    def __init__(self, task: Collective, message: Message, nest: Nest):
        super().__init__(task, message, nest)
        self.deal = task.unit("deal", "agcu", "send", message.copies)
        self.sum = task.unit("sum", "pcu", "pcu", message.copies)
        self.share = task.unit("share", "agcu", "send", message.copies)

    def reduce(self, group: Sequence[Endpoint], number: int) -> list[Endpoint]:
        """The result of one copy on every socket, from what each has of it."""
        spaces = [self.space(endpoint) for endpoint in group]
        dealers = [self.forward(endpoint, self.deal, self._rounds(), self.partial) for endpoint in group]
        owners = [(number + i) % self.sockets for i in range(min(self.sockets, self.nest.tokens))]
        sums = self._sums(dealers, [spaces[owner] for owner in owners])
        shares = [self.forward(total, self.share, kept(total)[1][len(self.nest.loops) :], self.size) for total in sums]
        for end in (*sums, *shares):
            end.draft.copy = number  # with fewer tokens than sockets, each socket has some of the copies
        found = []
        for socket, space in enumerate(spaces):
            sources = [s if s.draft.socket == socket else share for s, share in zip(sums, shares, strict=True)]
            found.append(self.given(self.taken(sources, space, self._rounds(), self._turn())))
        return found

    def _turn(self) -> Affine:
        """The socket of a token: the innermost loop."""
        return Affine(0, (*(0 for _ in self.nest.loops), 0, 1))

    def _rounds(self) -> tuple[Loop, ...]:
        """Token after token, one for each socket a round; the last round may be short."""
        if self.nest.tokens % self.sockets == 0:
            return Loop(self.nest.tokens // self.sockets), Loop(self.sockets)
        base = Affine(0, (*(0 for _ in self.nest.loops), self.sockets))
        last = Loop(min(self.sockets, self.nest.tokens), 1, Affine(self.nest.tokens), base)
        return Loop(-(-self.nest.tokens // self.sockets)), last

    def _sums(self, dealers: Sequence[Endpoint], spaces: Sequence[Space]) -> list[Endpoint]:
        """On each of these sockets, in the order in which they are dealt to, a sum of the tokens."""
        task, select = self.task, self._turn()
        owned = [-(-(self.nest.tokens - owner) // self.sockets) for owner in range(len(spaces))]
        drafts = [
            task.actor(self.sum, "pcu", self.nest, (Loop(n), Loop(self.sockets)), space)
            for n, space in zip(owned, spaces, strict=True)
        ]
        queues = [[task.across(dealer.draft, draft, task.partial.dtype) for draft in drafts] for dealer in dealers]
        for dealer, row in zip(dealers, queues, strict=True):
            dealer.draft.outputs.append(Port(tuple(row), ALWAYS, self.partial, select, source=dealer.source))
        for draft, column in zip(drafts, zip(*queues, strict=True), strict=True):
            draft.inputs.append(Port(column, ALWAYS, self.partial, select))
        return [fold(task, draft, len(self.nest.loops) + 1) for draft in drafts]


class _Ring(_AllReduce):
    """Partial sums from socket to socket, then the sums from the last one around."""

    def __init__(self, task: Collective, message: Message, nest: Nest):
        super().__init__(task, message, nest)
        self.add = task.unit("sum", "pcu", "pcu", message.copies)
        self.on = task.unit("on", "agcu", "send", message.copies)
        self.round = task.unit("around", "agcu", "send", message.copies)
        self.loops = (Loop(nest.tokens),)

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
        draft = task.actor(self.add, "pcu", self.nest, self.loops, self.space(own))
        first = len(draft.inputs)
        for source, of in ((sent, dtype), (own, task.partial.dtype)):
            queue, size = task.across(source.draft, draft, of), task.packets(of)
            source.draft.outputs.append(Port((queue,), source.gate, size, source=source.source))
            draft.inputs.append(Port((queue,), ALWAYS, size))
        rows = Rows(draft, task.lanes)
        value: Operand = In(first)
        if task.combine == "add" and own.draft.socket == 1:
            value = rows.add("add", (Const(0.0), value))
        value = rows.add(task.combine, (value, In(first + 1)))
        out = task.finish(rows, value) if last else value
        return Endpoint(draft, ALWAYS, out.index)
