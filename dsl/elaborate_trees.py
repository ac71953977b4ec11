"""Reductions over copies: trees of actors, by halves (A4)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.checked import Reduction, Result
from rdflow.dsl.drafts import Draft, Endpoint, Sink
from rdflow.dsl.elaborate_unit import Unit, finish
from rdflow.dsl.joins import connect
from rdflow.dsl.netlist import ALWAYS, In, Operand, Temp
from rdflow.dsl.orders import packets
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, Space

COMBINE: dict[str, dict[str, str]] = {
    "f": {"sum": "add", "max": "max", "min": "min"},
    "i": {"sum": "iadd", "max": "imax", "min": "imin"},
}

Top = tuple[Draft, Operand]
"""the last actor of a tree, and the reduced value in it"""


class Trees:
    """The trees of a line."""

    def __init__(self, unit: Unit):
        self.unit, self.nets = unit, unit.nets

    def combine(self, result: Result, partial: Sequence[Endpoint]) -> list[Endpoint]:
        """A tree over the reduced copies; its last actor does what is done once a result, unless sockets follow."""
        reduction = result.reduction
        assert reduction is not None
        op = COMBINE[result.ops[reduction.value].kind][reduction.op]
        tops = [self._tree(result, nodes, reduction, op) for nodes in self._groups(reduction, partial)]
        if self.unit.across:
            return [_unfinished(top, result) for top in tops]
        return self.finished(result, tops)

    def _groups(self, reduction: Reduction, partial: Sequence[Endpoint]) -> list[list[Endpoint]]:
        """The endpoints that are reduced together."""
        kept = without(self.unit.space, reduction.copies)
        found: dict[tuple[int, ...], list[Endpoint]] = {}
        for endpoint in partial:
            own = endpoint.draft.space
            found.setdefault((*(own[d] for d in kept), own.get(SOCKET, 0)), []).append(endpoint)
        return list(found.values())

    def finished(self, result: Result, tops: Sequence[Top]) -> list[Endpoint]:
        """What is done once a result, in actors that have the reduced value."""
        ports: dict[int, int] = {}
        roots = [draft for draft, _ in tops]
        for number, operand in enumerate(self.unit.line.inputs):
            if operand.at_result:
                ports[number] = len(roots[0].inputs)
                connect(self.nets, self.unit.source(number), [Sink(d, d.starts(operand.level)) for d in roots])
        endpoints = []
        for draft, value in tops:
            rows = Rows(draft, result.stream.order.lanes)
            out = finish(rows, result, self.unit.reading(rows, ports), [], value)
            endpoints.append(Endpoint(draft, ALWAYS, out.index))
        return endpoints

    def _tree(self, result: Result, nodes: Sequence[Endpoint], reduction: Reduction, op: str) -> Top:
        """Combine endpoints pairwise by halves (number i with i + n/2, n the next power of two) down to one actor."""
        space = {d: v for d, v in nodes[0].draft.space.items() if d not in reduction.copies}
        lanes = result.stream.order.lanes
        if len(nodes) == 1:
            draft = self.node(space)
            self._join(nodes[0], draft, lanes)
            return draft, In(len(draft.scalars))
        current = dict(enumerate(nodes))
        half = 1 << ((len(nodes) - 1).bit_length() - 1)
        while half:
            for i in range(half):
                if i + half in current:
                    current[i] = self._pair(current[i], current.pop(i + half), space, lanes, op)
            half //= 2
        return current[0].draft, Temp(current[0].source)

    def _pair(self, one: Endpoint, other: Endpoint, space: Space, lanes: tuple[Digit, ...], op: str) -> Endpoint:
        """An actor that combines the tokens of two."""
        draft = self.node(space)
        self._join(one, draft, lanes)
        self._join(other, draft, lanes)
        rows, first = Rows(draft, lanes), len(draft.scalars)
        value = rows.add(op, (rows.operand(first, lanes), rows.operand(first + 1, lanes)))
        return Endpoint(draft, ALWAYS, value.index)

    def node(self, space: Space) -> Draft:
        """An actor that takes a token of a result a firing."""
        order = self.unit.line.results[0].stream.order
        draft = self.nets.draft(f"{self.unit.name}.tree", self.unit.number, "pcu", order.time, order, space)
        draft.stages = self.nets.stages
        return draft

    def _join(self, endpoint: Endpoint, draft: Draft, lanes: tuple[Digit, ...]) -> None:
        """A queue of f32 partial results from one actor to a node of the tree."""
        width = size(lanes)
        count = packets(width, "f32") if lanes else 1
        queue = self.nets.queue(endpoint.draft, draft, width, f"{self.unit.name}.partial", packets=count)
        self.nets.join(endpoint, draft, queue, draft.starts(len(draft.loops)))


def _unfinished(top: Top, result: Result) -> Endpoint:
    """The end of a tree whose value goes on to be reduced over sockets."""
    draft, value = top
    rows = Rows(draft, result.stream.order.lanes)
    out = value if isinstance(value, Temp) else rows.add("copy", (value,))
    return Endpoint(draft, ALWAYS, out.index)
