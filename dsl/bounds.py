"""Checks the bounds of loops: what a counter can take as its maximum, and when it is known (A6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, without
from rdflow.dsl.checked import Stream, streams_of
from rdflow.dsl.expressions import names_in
from rdflow.dsl.orders import Bound, Order, Scalar
from rdflow.dsl.source import Span

if TYPE_CHECKING:
    from rdflow.dsl.scope import Scope


def limit(scope: Scope, place: syntax.Place, outside: tuple[Digit, ...]) -> Bound:
    """The bound of a place: a scalar stream, or a linear form over counters that stand outside of it."""
    assert place.bound is not None
    if isinstance(place.bound, syntax.Ref) and _streamed(scope, place.bound.name):
        return _scalar(scope, place, scope.stream(place.bound.name, place.bound.span))
    value = scope.linear(place.bound)
    if value is None:
        streams = [n for n in names_in(place.bound) if isinstance(n, syntax.Ref) and _streamed(scope, n.name)]
        text = scope.text(place.bound.span)
        raise scope.report.fail(
            "RDF024",
            "a bound is a stream, or a whole number of counters and arguments",
            [(place.bound.span, "not of the form a + b * counter")],
            notes=["the counter's maximum comes from a register that the loops outside set, or from a scalar port"],
            help=f"compute it in a line of its own: `{scope.unused(streams[0].name + 'b')} = pcu {text}`"
            if streams
            else "use numbers, params, arguments, and axes or their digits (`t/L`) with + - *, or one scalar stream",
        )
    inner = without(value.digits, outside)
    if inner:
        name = scope.terms(inner)
        raise scope.report.fail(
            "RDF024",
            f"`{scope.writer.run(scope.interval_digits(place))}` is bounded by `{name}`, which is not a loop outside of it",
            [(place.bound.span, f"`{name}` is not known here"), (place.span, "the loop starts here")],
            notes=["the counter's maximum is set when the loop starts, from the counters further out"],
            help=f"put `{name}` further out, bound by whole tiles (`t/L`), or mask with where(.., .., ..) in a pcu",
        )
    return value


def _streamed(scope: Scope, name: str) -> bool:
    """Whether a name is that of a stream, here or further down."""
    known = name in scope.axes or name in scope.names
    return name in scope.streams or not known and (name in scope.later or name in scope.broken)


def _scalar(scope: Scope, place: syntax.Place, stream: Stream) -> Scalar:
    """The bound that a stream is: whole numbers without lanes, in elements of the whole axis."""
    assert place.bound is not None
    labels = [
        (place.bound.span, "a bound here"),
        (stream.span, f"`{stream.name}` is {stream.dtype} {scope.show(stream.order)}"),
    ]
    if stream.order.lanes or stream.dtype not in ("int32", "int8"):
        flat = replace(stream.order, time=stream.order.time + stream.order.lanes, lanes=())
        name = scope.unused(stream.name + "b")
        raise scope.report.fail(
            "RDF024",
            f"`{stream.name}` is no scalar stream of whole numbers",
            labels,
            notes=["a counter's maximum is one word of the scalar network"],
            help=f"take them one by one: `{name} = pmu {stream.name} as {scope.show(flat, 0)}`"
            if stream.order.lanes
            else f"convert it: `{name} = pcu int({stream.name})`",
        )
    axis = scope.axis(place.term.axis)
    if axis.stride != 1 or axis.length != scope.cuts.lengths[axis.root]:
        raise scope.report.fail(
            "RDF024",
            f"a stream bounds a whole axis, and `{axis.name}` is a part of `{axis.root}`",
            labels,
            notes=["the tokens count elements, and a loop ends where its axis or its bound does"],
            help=f"give `{axis.name}` an axis of its own",
        )
    return Scalar(stream.name, stream.order.time, stream.order.space)


def counted(scope: Scope, order: Order) -> Order:
    """An order whose ragged loops end where the nearest split above says, unless they end somewhere already."""
    present = {d.root for d in order.digits}
    more = tuple((r, b) for r, b in scope.counts.items() if r in present and order.bound(r) is None)
    return replace(order, bounds=order.bounds + more)


def counted_if_outside(scope: Scope, order: Order) -> Order:
    """The same where the loops of the counts are the outer ones; other orders have all places."""
    found = counted(scope, order)
    new = [(root, b) for root, b in found.scalars if order.bound(root) is None]
    return found if all(_known(order, root, b) for root, b in new) else order


def _known(order: Order, root: str, scalar: Scalar) -> bool:
    """Whether a stream tells how far an axis runs before its loop starts."""
    level = scalar.level(order.time, order.space)
    return level is not None and not any(d.root == root for d in order.time[:level])


def follows(scope: Scope, order: Order, span: Span) -> None:
    """The loops of every stream that is a bound are the outer ones of an order, outside of the loops that it bounds."""
    for root, scalar in order.scalars:
        dealt = bool(set(scalar.time) & set(order.sockets))
        if not dealt and _known(order, root, scalar):
            continue
        known = (*(s for line in scope.lines for s in streams_of(line)), *scope.before.values())
        stream = next(s for s in known if s.name == scalar.name)
        raise scope.report.fail(
            "RDF024",
            f"`{root}` is bounded by `{stream.name}`, whose loops are not the outer ones here",
            [
                (span, f"this runs over {scope.show(order)}"),
                (stream.span, f"`{stream.name}` is {scope.show(stream.order)}"),
            ],
            notes=["the counter's maximum is a token that arrives when the loops of its stream step, and no earlier"],
            help=_placed(scope, order, scalar) if dealt else _brought(scope, order, root, stream),
        )


def _placed(scope: Scope, order: Order, scalar: Scalar) -> str:
    """A stream that all sockets have is not dealt to them."""
    shown = scope.show(Order((), (), tuple(d for d in scalar.time if d in order.sockets)))
    return f"let each socket have its own: `{scalar.name}` with `{shown.strip('[]')}` in its order"


def _brought(scope: Scope, order: Order, root: str, stream: Stream) -> str:
    """How a stream that is a bound comes to be there when the loop starts."""
    first = next((i for i, d in enumerate(order.time) if d.root == root), len(order.time))
    outside, own = order.time[:first], stream.order.time
    if any(scalar.name == stream.name for scalar in scope.counts.values()):
        return f"put `{scope.terms(own)}` outermost, and `{root}` inside of it"
    if not own or not set(own) <= set(outside):
        return f"put `{scope.terms(stream.order.digits)}` outermost"
    level = max(outside.index(d) for d in own) + 1
    shown = scope.show(Order(outside[:level], order.copies, order.sockets), 0)
    name = scope.unused(stream.name + "b")
    return f"let it come again: `{name} = pmu {stream.name} as {shown}`, and write `< {name}`"
