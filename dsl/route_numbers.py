"""Whole numbers in rows: digits of a value that comes with a token, and the numbers that they make."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, runs, size, strides
from rdflow.dsl.netlist import Const, Operand
from rdflow.dsl.rows import Rows


def run_of(rows: Rows, value: Operand, run: Sequence[Digit]) -> Operand:
    """The number that neighbouring digits of a value make."""
    if run[-1].stride > 1:
        value = rows.add("idiv", (value, Const(run[-1].stride)))
    return rows.add("imod", (value, Const(size(run))))


def number_of(rows: Rows, value: Operand, digits: Sequence[Digit]) -> Operand | None:
    """The number that some digits of a value make, the last the fastest; None where there are none."""
    weights, found = strides(tuple(digits)), None
    for run in runs(digits):
        found = plus(rows, found, times(rows, run_of(rows, value, run), weights[run[-1]]))
    return found


def times(rows: Rows, value: Operand | None, factor: int) -> Operand | None:
    return value if value is None or factor == 1 else rows.add("imul", (value, Const(factor)))


def plus(rows: Rows, a: Operand | None, b: Operand | None) -> Operand | None:
    return rows.add("iadd", (a, b)) if a is not None and b is not None else a if b is None else b
