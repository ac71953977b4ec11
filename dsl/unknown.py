"""Values that nobody knows before a program runs: what a schedule reads."""

from __future__ import annotations

from collections.abc import Mapping

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.mentioned import names


class Unknown(int):
    """A number that is not known yet. It counts as 0, which every index may be."""


UNKNOWN = Unknown(0)


def unknown(expr: syntax.Expr, values: Mapping[str, Value]) -> bool:
    """Whether an expression mentions a name whose value is not known."""
    return any(isinstance(values.get(name), Unknown) for name in names(expr))
