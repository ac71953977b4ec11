"""Checks loads: what memory gives, in which order, over how many AGCU streams."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, Interval, size, without
from rdflow.dsl.bounds import counted_if_outside
from rdflow.dsl.check_gather import outside
from rdflow.dsl.checked import Load, Stream, TensorView
from rdflow.dsl.declare_tensors import dtype
from rdflow.dsl.orders import Order
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span
from rdflow.dsl.views import digits_of, gathered, memory_order, tensor_view


def annotated(scope: Scope, unit: syntax.Unit) -> tuple[str | None, Order | None, int | None]:
    """The dtype, the order and the tile count that a line's `as` gives."""
    annotation = unit.annotation
    if annotation is None:
        return None, None, None
    element = dtype(annotation.dtype, scope.names, scope.report) if annotation.dtype else None
    if annotation.order is None:
        return element, None, None
    order, tile = scope.order(annotation.order)
    return element, order, tile


def check_load(scope: Scope, unit: syntax.Unit, body: syntax.Load) -> Load:
    """A line that loads."""
    element, order, _ = annotated(scope, unit)
    view = tensor_view(scope, body.view)
    order = counted_if_outside(scope, order or memory_order(scope, view))
    covers(scope, order, (*digits_of(view), *gathered(view)), view, unit.span)
    outside(scope, order, view.gathers, unit.names[0].text, unit.span)
    same_dtype(scope, element, view, unit)
    across(scope, view, order, unit.span)
    stream = Stream(scope.full(unit.names[0].text), view.tensor.dtype, order, unit.names[0].span)
    return Load(stream, view, dealt(scope, order, body.streams), unit.span)


def same_dtype(scope: Scope, element: str | None, view: TensorView, unit: syntax.Unit) -> None:
    if element is not None and element != view.tensor.dtype:
        raise scope.report.fail(
            "RDF032",
            f"`{view.tensor.name}` is {view.tensor.dtype}, not {element}",
            [(unit.span, f"loaded as {element}"), (view.tensor.span, f"declared {view.tensor.dtype}")],
            notes=["an AGCU moves bytes; only a pcu converts"],
            help=f"leave `{element}` out here and convert in the pcu that reads it",
        )


def covers(scope: Scope, order: Order, needed: tuple[Digit, ...], view: TensorView, span: Span) -> None:
    missing = without(needed, order.digits)
    if missing:
        name = scope.terms(missing)
        shape = ", ".join(a.name for a in view.tensor.axes)
        raise scope.report.fail(
            "RDF022",
            f"the order leaves out `{name}` of `{view.tensor.name}`",
            [(span, f"no {name} here"), (view.tensor.span, f"`{view.tensor.name}` is [{shape}]")],
            notes=["every element must have a time, a copy or a lane"],
            help=f"add it: `as {scope.show(inserted(order, missing))}`, or fix it in the view: "
            f"`{view.tensor.name}({missing[0].root} = 0)`",
        )


def inserted(order: Order, missing: tuple[Digit, ...]) -> Order:
    """An order with digits that it lacks: each behind the slower digits of its axis, else outermost."""
    time = list(order.time)
    for digit in sorted(missing, key=lambda d: -d.stride):
        place = max((i + 1 for i, d in enumerate(time) if d.root == digit.root and d.stride > digit.stride), default=0)
        time.insert(place, digit)
    return replace(order, time=tuple(time))


def across(scope: Scope, view: TensorView, order: Order, span: Span, stored: str = "") -> None:
    """Warn where lanes run across a slow axis: a burst an element. `stored`: the stream, if it is one that is stored."""
    if not order.lanes or not view.indices:
        return
    lanes = set(order.lanes)
    last = view.indices[-1]
    if lanes & set(last.digits) or size(order.lanes) == 1:
        return
    scope.report.warn(
        "RDF054",
        f"the lanes run across a slow axis of `{view.tensor.name}`: {size(order.lanes)} bursts a token",
        [(span, f"{scope.terms(order.lanes)} on the lanes"), (view.tensor.span, "the last axis is the fast one")],
        notes=["memory moves 64 bytes a burst, whatever is used of it"],
        help=turned(scope, view, order, stored),
    )


def turned(scope: Scope, view: TensorView, order: Order, stored: str) -> str:
    """The line that lets a scratchpad transpose, so that memory is read or written in its own order."""
    natural = memory_order(scope, view)
    lanes = {*natural.lanes}
    outer = tuple(d for d in order.time if d not in lanes)
    start = next((i for i, (a, b) in enumerate(zip(natural.time, outer, strict=False)) if a != b), len(outer))
    if stored:
        time = outer[:start] + tuple(d for d in natural.time if d not in outer[:start] and d not in order.space)
        turned_order = scope.show(replace(natural, time=time, copies=order.copies, sockets=order.sockets), start)
        name = scope.unused(stored + "b")
        return f"let a pmu transpose before it is stored: `{name} = pmu {stored} as {turned_order}`"
    common = next((i for i, (a, b) in enumerate(zip(natural.time, order.time, strict=False)) if a != b), 0)
    return f"load in memory order and let a pmu transpose: `pmu load {scope.text(view.span)} as {scope.show(order, common)}`"


def dealt(
    scope: Scope, order: Order, streams: syntax.Expr | None, outside: tuple[Digit, ...] = (), fed: Order | None = None
) -> tuple[Digit, ...]:
    """The time digits that `@n` AGCU streams share out, n streams in all: each copy of the line has n / copies.

    First the copies of the order that is `fed`, as far as n and their number divide: a stream that feeds few of them
    crosses few others on its way. Then the innermost digit that what is left divides; `outside` (the loops outside of a
    tile) are left alone. Cuts must have settled, for a new one here would change what the innermost digit is.
    """
    count = scope.whole(streams, "a number of AGCU streams") if streams is not None else 1
    left = max(1, count // max(1, size(order.copies)))
    if left == 1 or not scope.settled:
        return ()
    fed = fed or Order()
    apart: tuple[Digit, ...] = ()
    for digit in reversed([d for d in order.time if d in fed.copies]):
        share = gcd(left, digit.extent)
        apart += _innermost(scope, order, digit, share)
        left //= share
    free = [d for d in reversed(order.time) if d not in outside and d not in fed.copies]
    return (*apart, *_by_burst(scope, order, free, left, fed.lanes))


def _by_burst(scope: Scope, order: Order, free: list[Digit], left: int, lanes: tuple[Digit, ...]) -> tuple[Digit, ...]:
    """Digits that `left` streams share out, of those that are free, the innermost first; as many as can be if none do.

    A topmost digit is cut anywhere, unless it comes to `lanes`, which a cut could make more.
    """
    for digit in free:
        if digit.extent % left == 0:
            return _innermost(scope, order, digit, left)
    for digit in free:
        if left < digit.extent and digit.stride * digit.extent >= scope.cuts.lengths[digit.root] and digit not in lanes:
            return _innermost(scope, order, digit, left)
    best = max(free, key=lambda d: _parts(d, left), default=None)
    return () if best is None else _innermost(scope, order, best, _parts(best, left))


def _parts(digit: Digit, most: int) -> int:
    """So many streams share out a digit, at most `most`."""
    return digit.extent if digit.extent < most else gcd(digit.extent, most)


def _innermost(scope: Scope, order: Order, digit: Digit, count: int) -> tuple[Digit, ...]:
    """The innermost part of a digit, of this extent; where that is new, from the next pass on."""
    if count < digit.extent:
        scope.cuts.add(digit.root, digit.stride * count)
    found = scope.cuts.digits(Interval(digit.root, digit.stride, digit.stride * count))
    return tuple(d for d in found if d in order.time)
