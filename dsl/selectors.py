"""Which splits and merges belong together: what was counted alike, what a merge undoes; and orders without what is routed."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.axes import Digit, without
from rdflow.dsl.checked import Hold, Route, Stream
from rdflow.dsl.orders import Bound, Order, Scalar
from rdflow.dsl.program import LANES
from rdflow.dsl.records import dataclass
from rdflow.dsl.scope import Scope
from rdflow.dsl.views import SourceView


@dataclass(frozen=True, slots=True)
class Routed:
    """The digits of an order that a selector decides: the expert, the place within it, how many there are of each."""

    expert: tuple[Digit, ...]
    place: tuple[Digit, ...]
    experts: int
    places: int
    root: str
    """the axis of the places"""


def alike(scope: Scope, known: Scalar, counts: Stream, selector: Stream) -> bool:
    """Whether an earlier split by this selector has counted the same."""
    split = split_of(scope, known)
    same = (known.time, known.space) == (counts.order.time, counts.order.space)
    return split is not None and same and split.selector == selector


def split_of(scope: Scope, bound: Bound | None) -> Route | None:
    """The split whose counts a bound is."""
    if not isinstance(bound, Scalar):
        return None
    splits = (line for line in scope.lines if isinstance(line, Route) and line.counts is not None)
    return next((s for s in splits if s.counts is not None and s.counts.name == bound.name), None)


def undone(scope: Scope, split: Route, selector: Stream, choice: tuple[Digit, ...]) -> bool:
    """Whether a selector names the tokens of a split in the order in which they were split."""
    return split.choice == choice and origin(scope, split.selector.name) == origin(scope, selector.name)


def origin(scope: Scope, name: str) -> str:
    """The stream that holds and queues pass on unchanged."""
    holds = {l.stream.name: l.source.name for l in scope.lines if isinstance(l, Hold) and not (l.moves or l.gathers)}
    while name in holds:
        name = holds[name]
    return name


def on_lanes(order: Order, rest: tuple[Digit, ...]) -> Order:
    """An order with a part of its innermost loop on the lanes, where they are free and it is one of the rest of a token."""
    if order.lanes or not rest:
        return order
    last = order.time[-1]
    inner = Digit(last.root, last.stride, min(LANES, last.extent))
    outer = Digit(last.root, last.stride * LANES, -(-last.extent // LANES))
    return replace(order, time=(*order.time[:-1], *((outer,) if outer.extent > 1 else ())), lanes=(inner,))


def rest_of(seen: SourceView, routed: tuple[Digit, ...]) -> SourceView:
    """A source without the digits that are routed."""
    time, copies, sockets = (without(p, routed) for p in (seen.order.time, seen.order.copies, seen.order.sockets))
    return replace(seen, order=Order(time, copies, sockets, without(seen.order.lanes, routed)))
