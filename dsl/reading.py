"""What a schedule does with the values that it reads: whether they may be drawn by chance where nobody computes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rdflow.dsl import syntax
from rdflow.dsl.constants import constant
from rdflow.dsl.mentioned import names, reads
from rdflow.dsl.program import Program

Found = Iterator[tuple[str, int | None]]


def ranges(program: Program) -> dict[str, int | None]:
    """The tensors that a schedule reads. Of one that only says which expert of a pool is meant: how many there are; None
    for one that decides anything else."""
    found: dict[str, int | None] = {}
    if program.schedule is not None:
        for tensor, count in _block(program, program.schedule.statements, {}):
            before = found.get(tensor, count)
            found[tensor] = None if before is None or count is None else min(before, count)
    return found


def _block(program: Program, statements: Iterable[syntax.Statement], outer: Mapping[str, str]) -> Found:
    """`outer`, and what is added: the names that stand for one element, and its tensor."""
    known = dict(outer)
    for statement in statements:
        match statement:
            case syntax.Let(name, syntax.View(tensor)):
                known[name.text] = tensor.text
                yield from _inner(statement.value, known)
            case syntax.Let(_, value) | syntax.Wait(value):
                yield from _others(value, known)
            case syntax.Async(inner):
                yield from _block(program, (inner,), known)
            case syntax.For(_, start, stop, body):
                yield from _others(start, known)
                yield from _others(stop, known)
                yield from _block(program, body, known)
            case syntax.If(condition, then, otherwise):
                chosen = constant(condition, program.names, program.lengths)
                yield from _others(condition, known)
                yield from _block(program, then, known) if chosen is None or chosen else ()
                yield from _block(program, otherwise, known) if not chosen else ()
            case syntax.Activate(target):
                yield from _index(program, target, known)
            case syntax.Launch(target, arguments, bindings=bindings):
                yield from _index(program, target, known)
                for argument in (*(arguments or ()), *(b.value for b in bindings)):
                    yield from _argument(program, argument, known)
            case syntax.Copy(source, into):
                yield from _inner(source, known)
                yield from _inner(into, known)


def _index(program: Program, target: syntax.Target, known: Mapping[str, str]) -> Found:
    pool = program.pools.get(target.name.text)
    match target.index:
        case syntax.View(tensor) as view if pool is not None:
            yield tensor.text, pool.count
            yield from _inner(view, known)
        case syntax.Ref(name) if pool is not None and name in known:
            yield known[name], pool.count
        case None:
            pass
        case other:
            yield from _others(other, known)


def _argument(program: Program, expr: syntax.Expr, known: Mapping[str, str]) -> Found:
    """An argument: a slice of a tensor is not read, its indices may be."""
    tensor = program.tensors.get(expr.name.text) if isinstance(expr, syntax.View) else None
    if tensor is not None and isinstance(expr, syntax.View) and len(expr.bindings) < len(tensor.axes):
        yield from _inner(expr, known)
    else:
        yield from _others(expr, known)


def _inner(view: syntax.Expr, known: Mapping[str, str]) -> Found:
    """What the indices of a view mention."""
    if isinstance(view, syntax.View):
        for binding in view.bindings:
            yield from _others(binding.value, known)


def _others(expr: syntax.Expr, known: Mapping[str, str]) -> Found:
    """What an expression mentions that is no index of a pool."""
    for view in reads(expr):
        yield view.name.text, None
        yield from _inner(view, known)
    yield from ((known[name], None) for name in names(expr) if name in known)
