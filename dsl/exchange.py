"""What all forms of an all-reduce share, and the direct exchange (see `collectives`)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.collectives import Collective, Message, Nest, fold
from rdflow.dsl.drafts import Endpoint
from rdflow.dsl.netlist import ALWAYS, Affine, In, Loop, Port
from rdflow.dsl.rows import Rows
from rdflow.dsl.senders import kept, passed
from rdflow.dsl.sockets import Space


class AllReduce:
    """What all forms share: the scratchpad that takes the sums in, and gives them on as the result's tokens."""

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


class Direct(AllReduce):
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
