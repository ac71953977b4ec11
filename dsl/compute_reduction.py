"""Checks what a result reduces: where its digits are in the nest, the lanes and the copies."""

from __future__ import annotations

from rdflow.dsl.axes import Digit, Linear, without
from rdflow.dsl.checked import Reduction
from rdflow.dsl.compute_line import Draft, Line, Shape
from rdflow.dsl.orders import Order


def check_reduction(line: Line, draft: Draft, shape: Shape) -> Reduction | None:
    """The reduction of a result; None where it reduces nothing."""
    if draft.reduce is None:
        return None
    digits = set(draft.digits)
    time = tuple(d for d in shape.nest if d in digits)
    lanes = tuple(d for d in shape.lanes if d in digits)
    kept = tuple(d for d in shape.lanes if d not in digits)
    if draft.op == "last" and digits - set(time):
        name = line.scope.terms(digits - set(time))
        raise line.scope.report.fail(
            "RDF038",
            f"`last` keeps the last iteration of a loop, and `{name}` is none here",
            [(draft.reduce.span, "here"), *line.ends(draft.reduce.body)],
            notes=["lanes and copies are there at once: none of them is the last"],
            help=f"hold it with `{name}` in time: {hold_turned(line, draft, shape, shape.nest + lanes, kept)}",
        )
    if lanes and kept:
        raise line.scope.report.fail(
            "RDF038",
            "the lanes are reduced all or not at all",
            [(draft.reduce.span, f"only {line.scope.terms(lanes)} of {line.scope.terms(shape.lanes)}")],
            notes=["the cross-lane tree combines all lanes of a unit"],
            help=f"hold it with them in time: {hold_turned(line, draft, shape, shape.nest + lanes, kept)}",
        )
    copies = tuple(d for d in shape.copies if d in digits)
    sockets = tuple(d for d in shape.sockets if d in digits)
    homeless = digits - {*time, *lanes, *copies, *sockets}
    if homeless:
        raise line.scope.report.fail(
            "RDF038",
            f"`{line.scope.terms(homeless)}` is reduced but has no place in the nest",
            [(draft.reduce.span, "here"), *line.ends(draft.reduce.body)],
            help="name it in this line's order, or leave the order out",
        )
    index = argmax_index(line, draft) if draft.op == "argmax" else None
    if draft.op == "argmax" and (copies or sockets or time and shape.nest[len(shape.nest) - len(time) :] != time):
        raise line.scope.report.fail(
            "RDF038",
            "argmax reduces its innermost loops and its lanes",
            [(draft.reduce.span, "a kept loop lies inside, or copies are reduced")],
            notes=["the index of the winner is kept beside its value in one register"],
            help=f"hold it with them innermost: {hold_turned(line, draft, shape, without(shape.nest, digits) + time, shape.lanes)}",
        )
    return Reduction(draft.op, time, lanes, copies, sockets, draft.value, index)


def hold_turned(line: Line, draft: Draft, shape: Shape, time: tuple[Digit, ...], lanes: tuple[Digit, ...]) -> str:
    """The line that holds what is reduced in another order."""
    operand = next((o for o in line.operands if o.inside), None)
    if operand is None:
        return "`pmu .. as [..]`"
    order = line.scope.show(Order(time, shape.copies, shape.sockets, lanes), 0)
    name = operand.name
    return f"`{line.scope.unused(name + 'b')} = pmu {line.scope.text(operand.span)} as {order}`"


def argmax_index(line: Line, draft: Draft) -> Linear:
    """What argmax gives: the index along the one axis that it reduces."""
    assert draft.reduce is not None
    if len(draft.reduce.terms) != 1:
        raise line.scope.report.fail(
            "RDF038",
            "argmax is over one axis",
            [(draft.reduce.terms[1].span, "a second axis")],
            notes=["its result is one whole number: the index along that axis"],
            help="name one axis, or declare the product of both as an axis and name that",
        )
    return line.scope.cuts.index(line.scope.interval(draft.reduce.terms[0]))
