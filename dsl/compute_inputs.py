"""Checks the operands of a `pcu` line: an input is a prefix of the nest, and its lanes meet those of the unit."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.checked import Input
from rdflow.dsl.compute_line import Draft, Line, Operand, Shape
from rdflow.dsl.orders import Order
from rdflow.dsl.report import Abandon
from rdflow.dsl.source import Span


def check_input(line: Line, operand: Operand, shape: Shape, drafts: Sequence[Draft]) -> Input:
    """Check that an operand's time is a prefix of the nest (of the result's loops, where it is read once a result)."""
    loops = shape.nest
    if not operand.inside:
        gone = {d for draft in drafts for d in draft.digits}
        loops = without(shape.nest, gone)
        if shape.narrow >= 0:
            loops += without(line.operands[shape.narrow].order.lanes, (*shape.copies, *shape.sockets, *loops))
    space = (*shape.copies, *shape.sockets)
    wanted = without(operand.order.time, space)
    gathered = set(operand.order.space) - set(space)
    if set(without(operand.order.lanes, (*space, *shape.lanes))) & set(loops):
        check_lanes(line, operand, shape, loops)
    level = max((i + 1 for i, d in enumerate(loops) if d in wanted or d in gathered), default=0)
    if without(loops[:level], gathered) != wanted or not gathered <= set(loops):
        raise not_a_prefix(line, operand, shape, loops, wanted, gathered)
    check_lanes(line, operand, shape, loops)
    return Input(operand.stream, operand.order, not operand.inside, level)


def check_lanes(line: Line, operand: Operand, shape: Shape, loops: tuple[Digit, ...]) -> None:
    """Every lane digit of an operand is on the lanes of the unit, sliced by its copies, or it is the narrow one."""
    index = line.operands.index(operand)
    left = without(operand.order.lanes, (*shape.copies, *shape.sockets, *shape.lanes))
    if not left or index == shape.narrow:
        return
    name = line.scope.terms(left)
    others = [o for o in line.operands if o is not operand and o.inside]
    labels = [(operand.span, f"{name} on the lanes here"), (operand.stream.span, line.typed(operand))]
    labels += [(o.stream.span, line.typed(o)) for o in others[:1]]
    raise line.scope.report.fail(
        "RDF031",
        f"the lanes of `{operand.name}` do not meet the others'",
        labels,
        notes=["a lane of a unit sees the same lane of its operands: lanes change only in a scratchpad"],
        help=f"hold it in the other order: {hold_for(line, operand, shape, loops)}",
    )


def hold_for(line: Line, operand: Operand, shape: Shape, loops: tuple[Digit, ...]) -> str:
    """The line that brings an operand to what the unit consumes: its digits in the unit's loops and lanes."""
    space = (*shape.copies, *shape.sockets)
    own = set(without(operand.order.digits, space))
    narrow = line.operands.index(operand) == shape.narrow
    lanes = operand.order.lanes if narrow else tuple(d for d in shape.lanes if d in own)
    rest = own - set(lanes)
    level = max((i + 1 for i, d in enumerate(loops) if d in rest), default=0)
    time = loops[:level] + tuple(d for d in operand.order.digits if d in rest and d not in loops)
    arrives = without(operand.order.time, space)
    tile = next(
        (i for i, (a, b) in enumerate(zip(time, arrives, strict=False)) if a != b), min(len(time), len(arrives))
    )
    copies = tuple(d for d in shape.copies if d in operand.order.digits)
    sockets = tuple(d for d in shape.sockets if d in operand.order.digits)
    order = Order(time, copies, sockets, lanes)
    name = operand.name
    text = line.scope.text(operand.span)
    return f"`{line.scope.unused(name + 'b')} = pmu {text} as {line.scope.show(order, tile)}`"


def not_a_prefix(
    line: Line,
    operand: Operand,
    shape: Shape,
    loops: tuple[Digit, ...],
    wanted: tuple[Digit, ...],
    gathered: set[Digit],
) -> Abandon:
    """The error of an order that the unit cannot consume, with the hold that cures it."""
    scope = line.scope
    other = max((o for o in line.operands if o is not operand), key=lambda o: size(o.order.time), default=operand)
    labels = [(operand.span, "read here"), (operand.stream.span, line.typed(operand))]
    if other is not operand:
        labels.append((other.stream.span, line.typed(other)))
    homeless = gathered - set(loops)
    if homeless:
        return no_place(line, operand, homeless, labels)
    extra = [d for d in wanted if d not in loops]
    if line.explicit is not None and extra and not {*extra} & {*line.explicit.digits}:
        return left_out(line, operand, set(extra), labels)
    return scope.report.fail(
        "RDF030",
        misfit(line, operand, loops, wanted, extra),
        labels,
        notes=[
            f"the unit's loops are [{scope.terms(loops)}]; an input is a prefix of them and held inside: "
            "what is missing outside must be replayed from a scratchpad"
        ],
        help=f"hold it: {hold_for(line, operand, shape, loops)}",
    )


def no_place(line: Line, operand: Operand, homeless: set[Digit], labels: list[tuple[Span, str]]) -> Abandon:
    """The error of copies that the unit neither has nor gathers."""
    name = line.scope.terms(homeless)
    return line.scope.report.fail(
        "RDF030",
        f"the copies of `{operand.name}` along `{name}` have no place here",
        labels,
        notes=["a digit of an operand is a loop, a copy or a lane of the unit that reads it"],
        help=f"give `{name}` a place in this line's order, in time (gathered) or as copies: `as [.., {name} @]`",
    )


def left_out(line: Line, operand: Operand, extra: set[Digit], labels: list[tuple[Span, str]]) -> Abandon:
    """The error of digits that the explicit order does not name."""
    lost = line.scope.terms(extra)
    return line.scope.report.fail(
        "RDF030",
        f"`{operand.name}` runs over `{lost}`, which this line's order leaves out",
        labels,
        notes=["each token of a result is made of tokens of the operands: what they run over, it runs over or reduces"],
        help=f"leave the order out of `as`, add `{lost}` to it, or reduce: `sum({lost}) ..`",
    )


def misfit(
    line: Line, operand: Operand, loops: tuple[Digit, ...], wanted: tuple[Digit, ...], extra: list[Digit]
) -> str:
    """What lies between the loops of the unit and an operand: a digit too many, one that is missing, or their order."""
    terms = line.scope.terms
    missing = [d for d in loops if d not in wanted]
    if extra and not missing:
        return f"`{operand.name}` runs over `{terms(extra)}`, which this unit does not"
    if not missing:
        return f"`{operand.name}` comes in another order than this unit consumes"
    first = next((i for i, d in enumerate(loops) if i >= len(wanted) or wanted[i] != d), None)
    name = terms((loops[first],)) if first is not None else "?"
    inside = terms(wanted[first or 0 :] or wanted[-1:]).split(", ")[0]
    return f"`{name}` is missing outside `{inside}` in `{operand.name}`"
