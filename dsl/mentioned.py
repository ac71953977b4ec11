"""What an expression mentions, from left to right: its names and views; not those inside of a view's indices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rdflow.dsl import syntax


def parts(expr: syntax.Expr, into: Callable[[syntax.Call], bool] = lambda call: True) -> Iterator[syntax.Expr]:
    """An expression and what its operations work on. `into`: which calls are looked into."""
    yield expr
    match expr:
        case syntax.Unary(_, x):
            yield from parts(x, into)
        case syntax.Binary(_, a, b):
            yield from parts(a, into)
            yield from parts(b, into)
        case syntax.Call(_, arguments) if into(expr):
            for argument in arguments:
                yield from parts(argument, into)


def names(expr: syntax.Expr, into: Callable[[syntax.Call], bool] = lambda call: True) -> Iterator[str]:
    """The names that an expression mentions. `into`: see `parts`."""
    return (part.name for part in parts(expr, into) if isinstance(part, syntax.Ref))


def reads(expr: syntax.Expr) -> Iterator[syntax.View]:
    """The elements of tensors that an expression mentions."""
    return (part for part in parts(expr) if isinstance(part, syntax.View))
