"""Checks holds: what a scratchpad or a fifo takes, its tiles, and the order in which it gives them back (A3)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, Linear, runs, without
from rdflow.dsl.bounds import counted, follows
from rdflow.dsl.check_gather import outside
from rdflow.dsl.check_load import annotated, dealt, inserted
from rdflow.dsl.checked import Hold, Load, Stream
from rdflow.dsl.orders import Order
from rdflow.dsl.program import LANES
from rdflow.dsl.scope import Scope
from rdflow.dsl.views import SourceView, memory_order, stream_view, tensor_view


def check_hold(scope: Scope, unit: syntax.Unit, body: syntax.Pmu) -> tuple[Load | None, Hold]:
    """A `pmu` line; with a nested load, the load too."""
    name = unit.names[0]
    inner: Load | None = None
    element, order, tile = annotated(scope, unit)
    if isinstance(body.source, syntax.Load):
        inner = nested_load(scope, name, body.source, order or Order())
        seen = SourceView(inner.stream, inner.stream.order, (), ())
    else:
        is_stream(scope, unit, body.source)
        seen = stream_view(scope, body.source, moves_allowed=True)
    if element is not None and element != seen.stream.dtype:
        raise scope.report.fail(
            "RDF032",
            f"a scratchpad does not convert {seen.stream.dtype} to {element}",
            [(unit.span, f"held as {element}"), (seen.stream.span, f"{what(inner, seen)} is {seen.stream.dtype}")],
            notes=["a pmu keeps bits; a pcu rounds where a value leaves it"],
            help=f"leave `{element}` out here; a pcu converts: `pcu {name.text} as {element}`",
        )
    if order is None:
        order = seen.order
    order = counted(scope, bounded(order, seen.order))
    follows(scope, order, unit.span)
    tile = tiled(scope, unit, seen, order, tile, what(inner, seen))
    if inner is not None and isinstance(body.source, syntax.Load):
        streams = dealt(scope, inner.stream.order, body.source.streams, order.time[:tile], order)
        inner = replace(inner, streams=streams)
    inside(scope, unit, seen, order, what(inner, seen))
    outside(scope, order, (index for _, index in seen.gathers), name.text, unit.span)
    explicit = unit.depth is not None
    depth = scope.whole(unit.depth, "a depth") if unit.depth is not None else (2 if tile else 1)
    stream = Stream(scope.full(name.text), seen.stream.dtype, order, name.span)
    source_stream = Stream(seen.stream.name, seen.stream.dtype, seen.order, seen.stream.span)
    hold = Hold(
        stream, source_stream, seen.moves, seen.gathers, tile, is_queue(seen, order), depth, explicit, False, unit.span
    )
    return inner, hold


def is_stream(scope: Scope, unit: syntax.Unit, source: syntax.View) -> None:
    """A scratchpad takes a stream, not a tensor."""
    if source.name.text in scope.tensors and source.name.text not in scope.streams:
        raise scope.report.fail(
            "RDF036",
            f"`{source.name.text}` is a tensor",
            [(source.span, "a pmu holds a stream"), (scope.tensors[source.name.text].span, "a tensor")],
            notes=["only loads and stores reach memory"],
            help=f"load it on the way: `{unit.names[0].text} = pmu load {scope.text(source.span)}{written(scope, unit)}`",
        )


def what(load: Load | None, seen: SourceView) -> str:
    """What a pmu holds, in the user's words: a stream by its name, or what a load brings."""
    return f"`load {load.view.tensor.name}`" if load is not None else f"`{seen.stream.name}`"


def written(scope: Scope, unit: syntax.Unit) -> str:
    """The `as` of a line as the user wrote it."""
    return f" {scope.text(unit.annotation.span)}" if unit.annotation else " as [..]"


def is_queue(seen: SourceView, order: Order) -> bool:
    """Whether what is held leaves as it comes: no tile is needed, the scratchpad is a queue."""
    given = seen.order
    return (
        without(given.time, order.space) == order.time
        and not seen.moves
        and not seen.gathers
        and order.bounds == bounded(replace(order, bounds=()), given).bounds
        and set(without(given.lanes, order.space)) == set(order.lanes)
        and not gathered(given, order)
    )


def gathered(source: Order, order: Order) -> set[Digit]:
    return set(source.space) - set(order.space)


def bounded(order: Order, source: Order) -> Order:
    """An order with the bounds of its source, where it gives none of its own."""
    own = {root for root, _ in order.bounds}
    kept = tuple((r, b) for r, b in source.bounds if r not in own and any(d.root == r for d in order.digits))
    return Order(order.time, order.copies, order.sockets, order.lanes, order.bounds + kept)


def nested_load(scope: Scope, name: syntax.Name, load: syntax.Load, held: Order) -> Load:
    """The load inside `pmu load T`: memory order, on the sockets where the tensor or the scratchpad is, and as far as the
    bounds of the scratchpad say, where these are the same in all of its loops."""
    view = tensor_view(scope, load.view)
    order = memory_order(scope, view)
    chips = (*order.sockets, *(d for d in held.sockets if d in order.time))
    roots = {d.root for d in order.digits}
    bounds = tuple((r, b) for r, b in held.bounds if r in roots and isinstance(b, Linear) and not b.terms)
    order = replace(order, time=without(order.time, chips), sockets=chips, bounds=bounds)
    outside(scope, order, view.gathers, name.text, load.span)
    stream = Stream(scope.full(name.text) + ".load", view.tensor.dtype, order, load.span)
    return Load(stream, view, (), load.span)


def tiled(scope: Scope, unit: syntax.Unit, seen: SourceView, order: Order, tile: int | None, source_name: str) -> int:
    """The number of loops outside of a tile: those before `;`, which must be the source's first; else the common prefix."""
    source = without(seen.order.time, order.space)
    if tile is None:
        common = 0
        while common < min(len(source), len(order.time)) and source[common] == order.time[common]:
            common += 1
        if common == len(source):
            groups = runs(order.time)
            whole = scope.show(order, len(order.time) - len(groups[-1]) if groups else 0)
            raise scope.report.fail(
                "RDF034",
                f"`{unit.names[0].text}` holds a tile of one token",
                [
                    (unit.span, "the order is that of its source"),
                    (seen.stream.span, f"{source_name} is {scope.show(seen.order)}"),
                ],
                notes=[
                    "without `;` a tile is what lies inside the common outer loops; here nothing does, so nothing waits in it"
                ],
                help=f"say what it holds: `as {whole}`, or use a fifo: `{unit.names[0].text} = fifo .. depth n`",
            )
        return common
    legal = gathered_below(seen.order, order, source, tile)
    if legal is not None:
        return legal
    if order.time[:tile] != source[:tile]:
        outer = scope.terms(order.time[:tile])
        raise scope.report.fail(
            "RDF033",
            f"`{outer}` before `;` {'are' if ',' in outer else 'is'} not the outer loop{'s' * (',' in outer)} of {source_name}",
            [(unit.span, "tiled here"), (seen.stream.span, f"{source_name} is {scope.show(seen.order)}")],
            notes=[
                "a tile is what arrives between two steps of the loops outside of it; it can only be cut along the writer's outer loops"
            ],
            help=f"move the `;` to the front to hold all of it: `as {scope.show(order, 0)}`",
        )
    return tile


def gathered_below(given: Order, order: Order, source: tuple[Digit, ...], tile: int) -> int | None:
    """Where loops before `;` count copies of the source that are gathered here: the loops outside of them. What several
    copies write at the same time is one tile. None where the loops are not the source's for another reason."""
    first = next((i for i, d in enumerate(order.time[:tile]) if d in given.copies), None)
    if first is None or order.time[:first] != source[:first]:
        return None
    own = tuple(d for d in order.time[:tile] if d not in given.copies)
    return first if own == source[: len(own)] else None


def inside(scope: Scope, unit: syntax.Unit, seen: SourceView, order: Order, source_name: str) -> None:
    """Every digit of the source is somewhere in the order (unless the view replaces it)."""
    replaced = {d for d, _ in seen.moves} | {d for d, _ in seen.gathers}
    missing = without(tuple(d for d in seen.order.digits if d not in replaced), order.digits)
    if missing:
        name = scope.terms(missing)
        raise scope.report.fail(
            "RDF035",
            f"`{name}` of {source_name} is in no loop, copy or lane of `{unit.names[0].text}`",
            [(unit.span, f"no {name} here"), (seen.stream.span, f"{source_name} is {scope.show(seen.order)}")],
            notes=[
                "a scratchpad gives back all that it holds; leaving a digit out would read one value of it for ever"
            ],
            help=f"add it to the order: `as {scope.show(inserted(order, missing), 0)}`; only a pcu reduces",
        )


def check_fifo(scope: Scope, unit: syntax.Unit, body: syntax.Fifo) -> Hold:
    source = scope.stream(body.source.text, body.source.span)
    depth = scope.whole(unit.depth, "a depth") if unit.depth is not None else LANES // 2
    stream = Stream(scope.full(unit.names[0].text), source.dtype, source.order, unit.names[0].span)
    return Hold(stream, source, (), (), len(source.order.time), True, depth, True, True, unit.span)
