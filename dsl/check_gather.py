"""Checks the indices that a view gathers by: whoever reads through it pops an index, then goes on inside of its loops."""

from __future__ import annotations

from collections.abc import Iterable

from rdflow.dsl.axes import without
from rdflow.dsl.checked import Stream
from rdflow.dsl.orders import Order
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span


def outside(scope: Scope, order: Order, indices: Iterable[Stream | None], name: str, span: Span) -> None:
    """The loops of every index are the first of the unit's: it is held, as a prefix of an order is."""
    for index in dict.fromkeys(i for i in indices if i is not None):
        alone(scope, index, span)
        loops = without(index.order.time, order.space)
        if loops != order.time[: len(loops)]:
            raise scope.report.fail(
                "RDF030",
                f"the loops of the index `{index.name}` are not the outer loops of `{name}`",
                [(span, f"{scope.show(order)}"), (index.span, f"`{index.name}` is {scope.show(index.order)}")],
                notes=["a unit that gathers takes an index and holds it while the loops inside of it run"],
                help=f"bring the index to these loops: `{scope.unused(index.name + 'b')} = pmu {index.name} as "
                f"[; {scope.terms(tuple(d for d in order.time if d in loops)) or '..'}]`, or put them first here",
            )


def alone(scope: Scope, index: Stream, span: Span) -> None:
    """An index has no lanes: a unit has one address pipeline."""
    if index.order.lanes:
        order = Order((*index.order.time, *index.order.lanes), index.order.copies, index.order.sockets)
        raise scope.report.fail(
            "RDF036",
            f"the index `{index.name}` has lanes",
            [(span, "gathers by it"), (index.span, f"`{index.name}` is {scope.show(index.order)}")],
            notes=["a unit that gathers has one address pipeline: it takes one index at a time"],
            help=f"bring them one by one: `as {scope.show(order)}`",
        )
