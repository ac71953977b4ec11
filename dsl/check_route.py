"""Checks splits and merges: which digits a selector routes (A8)."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.check_load import annotated
from rdflow.dsl.checked import Route, Stream
from rdflow.dsl.scope import Scope
from rdflow.dsl.views import stream_view


def check_route(scope: Scope, unit: syntax.Unit, body: syntax.Split | syntax.Merge) -> Route:
    """`split` and `merge`: the digits of the selector outside of the tile are those that are routed."""
    seen = stream_view(scope, body.source, moves_allowed=False)
    selector = scope.stream(body.selector.text, body.selector.span)
    _, order, tile = annotated(scope, unit)
    if order is None:
        raise scope.report.fail(
            "RDF035",
            "a split or a merge needs its order",
            [(unit.span, "no `as` here")],
            notes=["which digits are the expert and the place within it is read from the order"],
            help="`as [tile; e, n, .. | ..]`",
        )
    tokens, routed = (seen.order, order) if isinstance(body, syntax.Split) else (order, seen.order)
    outside = set(order.time[: tile or 0])
    chosen = set(selector.order.digits) - outside
    own = tuple(d for d in routed.digits if d not in tokens.digits)
    ragged = {scope.axes[n].root for n in scope.program.ragged if n in scope.axes}
    place = tuple(d for d in own if d.root in ragged)
    expert = tuple(d for d in own if d.root not in ragged)
    single = any(scope.cuts.lengths[root] == 1 for root in ragged)  # one place has no digits
    if not expert or not (place or single):
        raise scope.report.fail(
            "RDF035",
            "a routed order has an expert digit and a ragged place within it",
            [(unit.span, "here")],
            notes=["(e, n) is the n-th token of the tile whose selector is e"],
            help="declare `axis n = T ragged` and write `[..; e, n, .. | ..]`",
        )
    choice = tuple(sorted(chosen, key=lambda d: selector.order.digits.index(d)))
    stream = Stream(scope.full(unit.names[0].text), seen.stream.dtype, order, unit.names[0].span)
    source = Stream(seen.stream.name, seen.stream.dtype, seen.order, seen.stream.span)
    return Route(stream, source, selector, isinstance(body, syntax.Merge), expert, place, choice, tile or 0, unit.span)
