"""Expressions as netlist rows: the same operations, over scratch vectors, with the gates of their rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rdflow.dsl.arguments import Argument
from rdflow.dsl.axes import Digit, Linear, size
from rdflow.dsl.checked import Op
from rdflow.dsl.drafts import Draft
from rdflow.dsl.lanes import lane_table, lane_values
from rdflow.dsl.netlist import ALWAYS, Const, Gate, In, Index, Operand, Row, Temp
from rdflow.dsl.orders import Bound, Scalar
from rdflow.dsl.records import dataclass


@dataclass
class Rows:
    """Appends the rows of one actor. `lanes`: the lane digits of its vectors; `gate`: when the rows at hand are done."""

    draft: Draft
    lanes: tuple[Digit, ...]
    gate: Gate = ALWAYS

    @property
    def width(self) -> int:
        return size(self.lanes)

    def add(
        self,
        op: str,
        args: Sequence[Operand],
        width: int | None = None,
        table: tuple[int, ...] = (),
        init: Gate = ALWAYS,
    ) -> Temp:
        out = self.draft.temp()
        self.draft.rows.append(
            Row(op, out, tuple(args), self.width if width is None else width, self.gate, init, table)
        )
        return out

    def index(self, linear: Linear) -> Index:
        """A linear form as an index value, lane by lane."""
        by_digit = dict(linear.terms)
        loops = linear.outside(self.lanes)
        offsets: tuple[int, ...] = ()
        if any(d in by_digit for d in self.lanes):
            offsets = lane_values(self.lanes, by_digit)
        return Index(self.draft.affine(loops), offsets)

    def limit(self, bound: Bound) -> Operand:
        """A bound as an index value: the token that bounds the loops, or a linear form."""
        return In(self.draft.scalar(bound)) if isinstance(bound, Scalar) else self.index(bound)

    def operand(self, port: int, have: Sequence[Digit], want: Sequence[Digit] | None = None) -> Operand:
        """The token of an input port, its lanes brought to those of this actor."""
        wanted = self.lanes if want is None else tuple(want)
        if not have:
            return In(port)
        table = lane_table(have, wanted, self.draft.space)
        if table == tuple(range(len(table))) and len(table) == size(have):
            return In(port)
        return self.add("lanes", (In(port),), width=len(table), table=table)

    def narrow(self, port: int, have: Sequence[Digit], loops: Sequence[Digit]) -> Operand:
        """One lane of a token, chosen by loops of this actor (an outer product that is not systolic)."""
        linear: dict[Digit, int] = {}
        weight, const = 1, 0
        for digit in reversed(have):
            if digit in loops:
                linear[digit] = weight
            else:
                const += weight * self.draft.space.get(digit, 0)
            weight *= digit.extent
        chosen = Index(self.draft.affine(Linear.of(const, linear)))
        return self.add("pick", (In(port), chosen), width=1)

    def ops(
        self,
        ops: Sequence[Op],
        value: int,
        stream: Callable[[int], Operand],
        result: Callable[[int], Operand],
        reduced: Operand | None,
        done: dict[int, Operand],
    ) -> Operand:
        """Append the rows that op `value` needs and return its operand."""
        if value in done:
            return done[value]
        op = ops[value]
        found: Operand
        match op.name:
            case "stream":
                found = stream(op.source)
            case "result":
                found = result(op.source)
            case "const":
                found = constant(op)
            case "index":
                assert op.linear is not None
                found = self.index(op.linear)
            case "reduced":
                assert reduced is not None
                found = reduced
            case _:
                args = [self.ops(ops, a, stream, result, reduced, done) for a in op.args]
                found = self.add(op.name, args)
        done[value] = found
        return found

    def rounded(self, value: Operand, element: str) -> Temp:
        """The value as it leaves the unit: rounded once, to nearest even."""
        if element == "bf16":
            return self.add("bf16", (value,))
        if element == "int8":
            return self.add("int8", (value,))
        if isinstance(value, Temp):
            return value
        return self.add("copy", (value,))

    def masked(
        self, value: Operand, kind: str, conditions: Sequence[tuple[Linear, Bound]], identity: float | int
    ) -> Operand:
        """The value where index < limit for all conditions, else the identity of a reduction."""
        for index, limit in conditions:
            valid = self.add("ilt", (self.index(index), self.limit(limit)))
            value = self.add("where", (valid, value, Const(identity)))
        return value

    def predicate(
        self, conditions: Sequence[tuple[Linear, Bound]], gathered: Sequence[tuple[int, int]] = ()
    ) -> Operand | None:
        """Whether index < limit for all conditions, and 0 <= token < length for the index streams at these ports; None
        where there are none."""
        pairs: list[tuple[Operand, Operand]] = [(self.index(index), self.limit(limit)) for index, limit in conditions]
        for port, length in gathered:
            pairs += [(Const(-1), In(port)), (In(port), Const(length))]
        found: Operand | None = None
        for pair in pairs:
            valid = self.add("ilt", pair)
            found = valid if found is None else self.add("and", (found, valid))
        return found


def constant(op: Op) -> Const:
    if isinstance(op.value, Argument):
        return Const(op.value)
    return Const(float(op.value) if op.kind == "f" else int(op.value))
