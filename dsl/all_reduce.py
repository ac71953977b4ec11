"""All-reduces as actors: a direct exchange, in rounds where it is long, or a ring (see `collectives`)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.checked import Carry
from rdflow.dsl.collectives import Choose, Collective, Message, Nest, groups, iterations, nest_of, scattered
from rdflow.dsl.drafts import Endpoint
from rdflow.dsl.exchange import AllReduce, Direct
from rdflow.dsl.netlist import ALWAYS, Affine, Const, In, Loop, Operand, Port
from rdflow.dsl.rounds import Rounds, in_rounds
from rdflow.dsl.rows import Rows
from rdflow.dsl.senders import kept


def reduce_over_sockets(task: Collective, form: Choose) -> list[Endpoint]:
    """The endpoints of the result: on all sockets, or each part on its own where the result has a digit on them."""
    if task.stream.order.sockets:
        return scattered(task)
    parts = groups(task)
    found: list[Endpoint] = []
    if not parts:
        return found
    nest = nest_of(parts[0][0])
    partial, between, result = (task.packets(dtype) for dtype in (task.partial.dtype, "f32", task.dtype))
    tokens = iterations(nest.loops) * nest.tokens
    cut = bool(nest.loops) or _carried(task, parts[0][0])
    message = Message(task.nets.sockets, len(parts), tokens, partial, between, result, cut)
    units = _units(task, message, nest, form)
    for number, group in enumerate(parts):
        found += units.reduce(group, number)
    return found


def _carried(task: Collective, endpoint: Endpoint) -> bool:
    """Whether something is carried over a loop of an endpoint's tokens."""
    lines = task.nets.kernel.lines
    over = {digit for line in lines if isinstance(line, Carry) for digit in line.over}
    return not over.isdisjoint(kept(endpoint)[0])


def _units(task: Collective, message: Message, nest: Nest, form: Choose) -> _Ring | Direct | Rounds:
    """The units of a form: a direct exchange of a long message is made in rounds."""
    if form(message) == "ring":
        return _Ring(task, message, nest)
    return (Rounds if in_rounds(message) else Direct)(task, message, nest)


class _Ring(AllReduce):
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
