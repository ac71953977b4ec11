"""Values that nobody knows before a program runs: what a schedule reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value


class Unknown(int):
    """A number that is not known yet. It counts as 0, which every index may be."""


UNKNOWN = Unknown(0)


def reads(expr: syntax.Expr) -> Iterator[syntax.View]:
    """The elements of tensors that an expression mentions, from left to right; not those inside of their indices."""
    match expr:
        case syntax.View():
            yield expr
        case syntax.Unary(_, x):
            yield from reads(x)
        case syntax.Binary(_, a, b):
            yield from reads(a)
            yield from reads(b)
        case syntax.Call(_, arguments):
            for argument in arguments:
                yield from reads(argument)


def unknown(expr: syntax.Expr, names: Mapping[str, Value]) -> bool:
    """Whether an expression mentions a name whose value is not known."""
    match expr:
        case syntax.Ref(name):
            return isinstance(names.get(name), Unknown)
        case syntax.Unary(_, x):
            return unknown(x, names)
        case syntax.Binary(_, a, b):
            return unknown(a, names) or unknown(b, names)
        case syntax.Call(_, arguments):
            return any(unknown(a, names) for a in arguments)
    return False
