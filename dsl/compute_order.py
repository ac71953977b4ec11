"""The order of a result: the nest without what is reduced, with the bounds of its operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdflow.dsl.axes import without
from rdflow.dsl.bounds import follows
from rdflow.dsl.checked import Op
from rdflow.dsl.compute_line import Draft, Line, Operand, Shape
from rdflow.dsl.orders import Bound, Order
from rdflow.dsl.source import Span


def order_of(line: Line, draft: Draft, shape: Shape) -> Order:
    """The type of a result: the nest and lanes without what is reduced, a pair's narrow lanes innermost."""
    gone = set(draft.digits)
    time = without(shape.nest, gone)
    if shape.systolic:
        narrow = line.operands[shape.narrow]
        stages = without(narrow.order.lanes, (*shape.copies, *shape.sockets))
        time += without(stages, time)
    bounds: dict[str, Bound] = {}
    for operand in line.operands:
        for root, limit in operand.order.bounds:
            check_alike(line, root, bounds.setdefault(root, limit), limit, operand)
    for root, limit in bounds.items():
        check_all_end(line, root, limit)
    order = Order(time, without(shape.copies, gone), without(shape.sockets, gone), without(shape.lanes, gone))
    left = {d.root for d in order.digits}
    order = replace(order, bounds=tuple((r, b) for r, b in bounds.items() if r in left))
    check_stays(line, draft, order)
    follows(line.scope, order, line.unit.span)
    return order


def check_all_end(line: Line, root: str, limit: Bound) -> None:
    """Every operand that runs along a bounded axis is bounded too (a carry, by what it feeds: a pass later)."""
    for operand in line.operands:
        alike = operand.order.bound(root) is not None or not any(d.root == root for d in operand.order.time)
        if alike or not line.scope.settled:
            continue
        ends = line.scope.sum(limit)
        other = [o for o in line.operands if o.order.bound(root) == limit][:1]
        raise line.scope.report.fail(
            "RDF024",
            f"two lengths of `{root}` meet here",
            [
                (operand.span, f"`{operand.name}` runs to the end of `{root}`"),
                *((o.span, f"`{o.name}` ends at {ends}") for o in other),
                (operand.stream.span, line.typed(operand)),
            ],
            notes=["a loop has one counter and one maximum; tokens beyond it would stay in their queue for ever"],
            help=f"bound it alike, where it is loaded or held: `{root} < {ends}`",
        )


def check_stays(line: Line, draft: Draft, order: Order) -> None:
    """What bounds a loop of the result is not reduced."""
    for root, limit in order.bounds:
        lost = set(limit.digits) & set(draft.digits)
        if not lost or draft.reduce is None:
            continue
        name = line.scope.terms(lost)
        raise line.scope.report.fail(
            "RDF024",
            f"`{root}` is bounded by `{line.scope.sum(limit)}`, and `{name}` is reduced here",
            [(draft.reduce.span, f"`{name}` ends here"), *line.ends(draft.reduce.body)],
            notes=[f"what is reduced over `{name}` has one length of `{root}`, and each of its iterations another"],
            help=f"reduce `{root}` too, or hold it without the bound and mask: `where({root} < .., x, 0)`",
        )


def check_alike(line: Line, root: str, first: Bound, second: Bound, operand: Operand) -> None:
    """Operands that are bounded along one axis have one bound."""
    if first != second:
        other = [o for o in line.operands if o is not operand and o.order.bound(root) == first][:1]
        raise line.scope.report.fail(
            "RDF024",
            f"two bounds on `{root}` meet here",
            [
                (operand.span, f"`{operand.name}` ends at {line.scope.sum(second)}"),
                *((o.span, f"`{o.name}` ends at {line.scope.sum(first)}") for o in other),
            ],
            notes=["a loop has one counter and one maximum"],
            help=f"give both the same bound: `< {line.scope.sum(first)}`",
        )


def check_order(line: Line, found: Order) -> None:
    """The explicit order must be what the nest gives."""
    assert line.explicit is not None
    given = line.explicit
    same = given.time == found.time and set(given.space) == set(found.space) and set(given.lanes) == set(found.lanes)
    if same:
        return
    labels = [(line.unit.annotation.span if line.unit.annotation else line.unit.span, "declared here")]
    labels += [(o.stream.span, line.typed(o)) for o in line.operands]
    raise line.scope.report.fail(
        "RDF030",
        f"`{line.own[-1]}` travels as {line.scope.show(found)}, not as {line.scope.show(given)}",
        labels,
        notes=["a unit emits in the order of its loops: the longest input's, less what is reduced"],
        help=f"write `as {line.scope.show(found)}`, or hold it in another order with a pmu",
    )


def check_indices(line: Line, ops: Sequence[Op], shape: Shape, order: Order, span: Span) -> None:
    """An index value needs its digits where it is used."""
    inside = {*shape.nest, *shape.lanes, *shape.copies, *shape.sockets}
    for op in ops:
        if op.linear is None:
            continue
        known = set(order.digits) if op.at_result else inside
        missing = [d for d in op.linear.digits if d not in known]
        if missing:
            name = line.scope.terms(set(missing))
            raise line.scope.report.fail(
                "RDF044",
                f"`{name}` has no value here",
                [(line.uses(missing), "used as an index"), (span, f"this runs over {line.scope.show(order)}")],
                notes=["an index value is a counter, the number of a copy or a lane of the unit"],
                help=f"write `{name}` inside of the reduction, or use an axis over which the result runs"
                if set(missing) <= inside
                else "use an axis over which the operands run",
            )
