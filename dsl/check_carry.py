"""Checks carries: where they start, over which loop, and what feeds them (A5)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Argument, as_float
from rdflow.dsl.axes import Digit, without
from rdflow.dsl.bounds import follows
from rdflow.dsl.check_hold import bounded
from rdflow.dsl.check_load import annotated
from rdflow.dsl.checked import Carry, Stream, streams_of
from rdflow.dsl.orders import Order
from rdflow.dsl.scope import Scope


def check_carry(scope: Scope, unit: syntax.Unit, body: syntax.Carry) -> Carry:
    element, order, _ = annotated(scope, unit)
    over = scope.digits(body.over)
    initial = start_of(scope, unit, body)
    order = order or order_from_start(scope, unit, body, initial, over)
    if over and not set(over) <= set(order.time):
        raise scope.report.fail(
            "RDF040",
            f"`{scope.terms(over)}` is not a time loop of this carry",
            [(body.over.span, "carried over this"), (unit.span, f"it travels as {scope.show(order)}")],
            notes=["a carry delays by one iteration of a loop: lanes and copies have no iterations"],
            help=f"carry over a digit that stands in time: `over {scope.terms(order.time[:1])}`"
            if order.time
            else None,
        )
    if isinstance(initial, Stream):
        starts_right(scope, body, initial, order, over)
    if body.feedback.text not in scope.later and body.feedback.text not in scope.streams:
        raise scope.report.unknown("stream", body.feedback.text, body.feedback.span, [*scope.later, *scope.streams])
    known = scope.before.get(scope.full(body.feedback.text))
    if known is not None:
        order = bounded(order, known.order)
        follows(scope, order, unit.span)
    default = initial.dtype if isinstance(initial, Stream) else known.dtype if known is not None else "f32"
    if element is not None and isinstance(initial, Stream):
        converts_nothing(scope, unit, initial, element)
    stream = Stream(scope.full(unit.names[0].text), element or default, order, unit.names[0].span)
    return Carry(stream, scope.full(body.feedback.text), initial, over, unit.span)


def start_of(scope: Scope, unit: syntax.Unit, body: syntax.Carry) -> Stream | float | Argument:
    """What the first iteration takes: a stream or a constant."""
    value = scope.constant(body.initial)
    if isinstance(value, Argument):
        return as_float(value)
    if value is not None and not isinstance(value, str):
        return float(value)
    if isinstance(body.initial, syntax.Ref):
        return scope.stream(body.initial.name, body.initial.span)
    name = scope.unused(unit.names[0].text + "0")
    raise scope.report.fail(
        "RDF040",
        "a carry starts from a stream or a constant",
        [(body.initial.span, "an expression here")],
        notes=["a carry only selects between its start and the value of the iteration before"],
        help=f"give it a line of its own: `{name} = pcu {scope.text(body.initial.span)}`",
    )


def order_from_start(
    scope: Scope, unit: syntax.Unit, body: syntax.Carry, initial: Stream | float | Argument, over: tuple[Digit, ...]
) -> Order:
    """The order of a carry that gives none: its start's, with the loop that is carried over outermost."""
    if isinstance(initial, Stream):
        return Order(over + initial.order.time, initial.order.copies, initial.order.sockets, initial.order.lanes)
    raise scope.report.fail(
        "RDF040",
        "the order of this carry cannot be inferred",
        [(unit.span, "its feedback is defined below it, and a constant has no order")],
        help=f"write it: `as f32 [.., {body.over.axis.text}, .. | ..]`",
    )


def converts_nothing(scope: Scope, unit: syntax.Unit, initial: Stream, element: str) -> None:
    """The dtype that a carry declares takes the values of its start as they are."""
    if not widens(initial.dtype, element):
        labels = [(unit.span, f"{element} here"), (initial.span, f"`{initial.name}` is {initial.dtype}")]
        notes = ["a carry moves bits; only a pcu rounds"]
        help = f"leave `{element}` out, or convert in the pcu that produces `{initial.name}`"
        raise scope.report.fail("RDF032", f"a carry does not convert {initial.dtype} to {element}", labels, notes, help)


def widens(element: str, into: str) -> bool:
    """Whether a carry may take values of one dtype for another: appending zero bits rounds nothing."""
    return element == into or (element, into) == ("bf16", "f32")


def starts_right(scope: Scope, body: syntax.Carry, initial: Stream, order: Order, over: tuple[Digit, ...]) -> None:
    if without(order.time, over) != without(initial.order.time, order.space) or set(initial.order.lanes) != set(
        order.lanes
    ):
        raise scope.report.fail(
            "RDF040",
            f"`{initial.name}` does not travel as the carry without its loop",
            [
                (body.initial.span, f"`{initial.name}` is {scope.show(initial.order)}"),
                (body.over.span, f"the carry is {scope.show(order)}"),
            ],
            notes=["the start is read once for each run of the loop that is carried over"],
            help=f"bring it to {scope.show(order.with_time(without(order.time, over)))}, or start from a constant",
        )


def fed(scope: Scope, carry: Carry) -> Carry:
    """A carry that may name the result of a call below it, fed by the line of the layer which makes that."""
    stream = scope.named.get(carry.feedback)
    return carry if stream is None else replace(carry, feedback=stream.name)


def check_feedback(scope: Scope, carry: Carry) -> None:
    """A carry's feedback, defined below it, travels as the carry does."""
    stream = next((s for line in scope.lines for s in streams_of(line) if s.name == carry.feedback), None)
    if stream is None:
        return
    order = carry.stream.order
    if not widens(stream.dtype, carry.stream.dtype):
        scope.report.add(
            "RDF032",
            f"`{stream.name}` is {stream.dtype}, the carry that it feeds is {carry.stream.dtype}",
            [(carry.stream.span, f"{carry.stream.dtype} here"), (stream.span, f"{stream.dtype} here")],
            notes=["a carry moves bits; only a pcu rounds"],
            help=f"end the line of `{stream.name}` in `as {carry.stream.dtype}`, or that of the carry in `as {stream.dtype} ..`",
        )
    same = stream.order.time == order.time and set(stream.order.lanes) == set(order.lanes)
    if not same or set(stream.order.space) != set(order.space):
        scope.report.add(
            "RDF040",
            f"`{stream.name}` does not travel as the carry that it feeds",
            [
                (stream.span, f"`{stream.name}` is {scope.show(stream.order)}"),
                (carry.span, f"the carry is {scope.show(order)}"),
            ],
            notes=["the value of one iteration is the operand of the next, token by token"],
            help=f"bring `{stream.name}` to {scope.show(order)} with a pmu, or change the carry's order",
        )
