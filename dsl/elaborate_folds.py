"""Reductions in one actor: a fold over its loops, then the tree over lanes (A4)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.axes import Linear, size, strides, without
from rdflow.dsl.checked import Reduction
from rdflow.dsl.elaborate_unit import Unit
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import ALWAYS, LANES, Gate, Mem, Operand, Row
from rdflow.dsl.rows import Rows

IDENTITY: dict[str, tuple[float, int]] = {
    "sum": (0.0, 0),
    "max": (float("-inf"), -(2**31)),
    "min": (float("inf"), 2**31 - 1),
    "argmax": (float("-inf"), -(2**31)),
}


class Folds:
    """The reductions of a line, but for those over copies and sockets."""

    def __init__(self, unit: Unit):
        self.unit, self.nets = unit, unit.nets

    def reduce(self, rows: Rows, reduction: Reduction, value: Operand, kind: str, gate: Gate) -> Operand:
        """Fold over time, then the tree over lanes. `gate`: of what is done once a result; rows have it from here on."""
        if reduction.op == "last":
            return value
        value = self._masked(rows, reduction, value, kind)
        if reduction.time:
            value = self.fold(rows, reduction, value, kind)
        elif reduction.op == "argmax":
            value = self._once(rows, reduction, _float(rows, value, kind))
        rows.gate = gate
        if reduction.op == "argmax":
            return _argmax(rows, reduction, value)
        if not reduction.lanes:
            return _read(rows, value)
        return rows.add(f"tree.{_typed(reduction.op, kind)}", (_read(rows, value),), width=rows.width)

    def _masked(self, rows: Rows, reduction: Reduction, value: Operand, kind: str) -> Operand:
        """The value where it exists, elsewhere the identity."""
        unit = self.unit
        digits = (*reduction.time, *reduction.lanes, *reduction.copies, *reduction.sockets)
        roots = [d.root for d in digits]
        checks = conditions(self.nets.nests, unit.line.nest, unit.space, unit.line.lanes, unit.order, roots)
        return rows.masked(value, kind, checks, IDENTITY[reduction.op][0 if kind == "f" else 1])

    def fold(self, rows: Rows, reduction: Reduction, value: Operand, kind: str) -> Mem:
        """Accumulate over the reduced loops: one accumulator for each iteration of the kept loops inside them."""
        draft = rows.draft
        loops = tuple(d for d in draft.digits if d is not None)
        first = min(loops.index(d) for d in reduction.time)
        inside = without(loops[first:], reduction.time)
        width = 2 * LANES if reduction.op == "argmax" else LANES
        name = f"{draft.name}.{len(draft.rows)}.sum"
        memory = self.nets.memory(name, width * size(inside), socket=draft.socket)
        address = draft.affine(Linear.of(0, {d: w * width for d, w in strides(inside).items()}))
        accumulator = Mem(memory, address, tuple(range(rows.width)))
        op, args = _folding(rows, reduction, value, kind)
        init = Gate(first=draft.mask(reduction.time))
        draft.rows.append(Row(op, accumulator, args, rows.width, ALWAYS, init))
        return accumulator

    def _once(self, rows: Rows, reduction: Reduction, value: Operand) -> Mem:
        """The pairs of value and index of one firing, where only lanes are reduced."""
        draft = rows.draft
        memory = self.nets.memory(f"{draft.name}.{len(draft.rows)}.best", 2 * LANES, socket=draft.socket)
        best = Mem(memory, draft.affine(Linear()), tuple(range(rows.width)))
        args = _numbered(rows, reduction, value)
        draft.rows.append(Row("fold.argmax", best, args, rows.width, ALWAYS, ALWAYS))
        return best


def _typed(op: str, kind: str) -> str:
    return f"i{op}" if kind == "i" else op


def _float(rows: Rows, value: Operand, kind: str) -> Operand:
    return rows.add("tofloat", (value,)) if kind == "i" else value


def _read(rows: Rows, value: Operand) -> Operand:
    return rows.add("read", (value,)) if isinstance(value, Mem) else value


def _folding(rows: Rows, reduction: Reduction, value: Operand, kind: str) -> tuple[str, tuple[Operand, ...]]:
    """The operation that takes in another value, and what it takes."""
    if reduction.op == "argmax":
        return "fold.argmax", _numbered(rows, reduction, _float(rows, value, kind))
    return f"fold.{_typed(reduction.op, kind)}", (value,)


def _numbered(rows: Rows, reduction: Reduction, value: Operand) -> tuple[Operand, ...]:
    """A value and the index that it has."""
    assert reduction.index is not None
    return value, rows.index(reduction.index)


def _argmax(rows: Rows, reduction: Reduction, pairs: Operand) -> Operand:
    """The index of the best value of each lane, or of the best lane."""
    assert isinstance(pairs, Mem)
    index = replace(pairs, lanes=tuple(l + LANES for l in pairs.lanes))
    if not reduction.lanes:
        return rows.add("read", (index,))
    best = rows.add("read", (pairs,))
    return rows.add("tree.argmax", (best, rows.add("read", (index,))), width=rows.width)
