"""The operations of expressions on arrays, by the names of netlist rows: float32 and int32, bools as 0 and 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rdflow.dsl import numerics
from rdflow.dsl.arguments import Kind
from rdflow.dsl.evaluate_arrays import Numbers
from rdflow.dsl.records import dataclass

Function = Callable[..., Numbers]


def _truth(compare: Function) -> Function:
    return lambda *x: np.asarray(compare(*x)).astype(np.int32)


def _where(condition: Numbers, x: Numbers, y: Numbers) -> Numbers:
    return np.where(condition != 0, x, y)


_COMPARISONS: dict[str, Function] = {"lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal}

OPERATIONS: dict[str, Function] = {
    "copy": lambda x: x,
    "neg": np.negative,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": numerics.maximum,
    "min": numerics.minimum,
    "abs": np.abs,
    "exp": numerics.exp,
    "log": numerics.log,
    "sqrt": np.sqrt,
    "rsqrt": numerics.rsqrt,
    "sigmoid": numerics.sigmoid,
    "tanh": numerics.tanh,
    "ineg": np.negative,
    "iadd": np.add,
    "isub": np.subtract,
    "imul": np.multiply,
    "idiv": numerics.floordiv,
    "imod": numerics.floormod,
    "imax": np.maximum,
    "imin": np.minimum,
    "iabs": np.abs,
    **{name: _truth(f) for name, f in _COMPARISONS.items()},
    **{"i" + name: _truth(f) for name, f in _COMPARISONS.items()},
    "and": _truth(np.logical_and),
    "or": _truth(np.logical_or),
    "not": _truth(np.logical_not),
    "where": _where,
    "tofloat": lambda x: np.asarray(x).astype(np.float32),
    "toint": numerics.toint,
}


def rounded(numbers: Numbers, dtype: str) -> Numbers:
    """What leaves a unit: rounded once, to nearest even, where the dtype is narrower than a word."""
    if dtype == "bf16":
        return numerics.bf16(np.asarray(numbers, np.float32))
    return numerics.wrap8(numbers) if dtype == "int8" else numbers


@dataclass(frozen=True, slots=True)
class Monoid:
    """What a reduction starts from, and how it goes on."""

    identity: np.float32 | np.int32
    combine: Function


_INT32 = np.iinfo(np.int32)
_FLOATS = {
    "sum": Monoid(np.float32(0), np.add),
    "max": Monoid(np.float32(-np.inf), numerics.maximum),
    "min": Monoid(np.float32(np.inf), numerics.minimum),
}
_INTS = {
    "sum": Monoid(np.int32(0), np.add),
    "max": Monoid(np.int32(_INT32.min), np.maximum),
    "min": Monoid(np.int32(_INT32.max), np.minimum),
}


def monoid(op: str, kind: Kind) -> Monoid:
    """The monoid of `sum`, `max` or `min`; argmax starts as max does, `last` from 0 (which is never seen)."""
    table = _FLOATS if kind == "f" else _INTS
    return table[{"argmax": "max", "last": "sum"}.get(op, op)]
