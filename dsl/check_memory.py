"""Checks loads, holds, carries, stores and routes: what memory gives and takes, and in which order (A3, A5, A7 to A9)."""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, Interval, runs, size, without
from rdflow.dsl.bounds import follows
from rdflow.dsl.checked import Carry, Hold, Load, Route, Store, Stream, TensorView, streams_of
from rdflow.dsl.orders import Order
from rdflow.dsl.program import LANES, dtype
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span
from rdflow.dsl.views import SourceView, digits_of, memory_order, stream_view, tensor_view


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
    element, order, _ = annotated(scope, unit)
    view = tensor_view(scope, body.view)
    order = order or memory_order(scope, view)
    covers(scope, order, digits_of(view), view, unit.span)
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
    scope: Scope, order: Order, streams: syntax.Expr | None, outside: tuple[Digit, ...] = ()
) -> tuple[Digit, ...]:
    """The time digits that `@n` AGCU streams share out, n streams in all: each copy of the line has n / copies.

    The innermost digit that n divides is taken; `outside` (the loops outside of a tile) are left alone. Cuts must have
    settled, for a new one here would change what the innermost digit is.
    """
    count = scope.whole(streams, "a number of AGCU streams") if streams is not None else 1
    left = max(1, count // max(1, size(order.copies)))
    if left == 1 or not scope.settled:
        return ()
    free = [d for d in reversed(order.time) if d not in outside]
    chosen = next((d for d in free if d.extent % left == 0), None)
    if chosen is None:
        chosen = next((d for d in free if d.extent > left and d.stride * d.extent >= scope.cuts.lengths[d.root]), None)
    if chosen is None:
        chosen = max(free, key=lambda d: d.extent, default=None)
        return (chosen,) if chosen is not None else ()
    if chosen.extent > left:
        scope.cuts.add(chosen.root, chosen.stride * left)
    return tuple(
        d for d in scope.cuts.digits(Interval(chosen.root, chosen.stride, chosen.stride * left)) if d in order.time
    )


def check_hold(scope: Scope, unit: syntax.Unit, body: syntax.Pmu) -> tuple[Load | None, Hold]:
    """A `pmu` line; with a nested load, the load too."""
    name = unit.names[0]
    inner: Load | None = None
    element, order, tile = annotated(scope, unit)
    if isinstance(body.source, syntax.Load):
        inner = nested_load(scope, name, body.source, order.sockets if order is not None else ())
        seen = SourceView(inner.stream, inner.stream.order, (), ())
    else:
        if body.source.name.text in scope.tensors and body.source.name.text not in scope.streams:
            raise scope.report.fail(
                "RDF036",
                f"`{body.source.name.text}` is a tensor",
                [(body.source.span, "a pmu holds a stream"), (scope.tensors[body.source.name.text].span, "a tensor")],
                notes=["only loads and stores reach memory"],
                help=f"load it on the way: `{name.text} = pmu load {scope.text(body.source.span)}{written(scope, unit)}`",
            )
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
    order = bounded(order, seen.order)
    follows(scope, order, unit.span)
    tile = tiled(scope, unit, seen, order, tile, what(inner, seen))
    if inner is not None and isinstance(body.source, syntax.Load):
        inner = replace(inner, streams=dealt(scope, inner.stream.order, body.source.streams, order.time[:tile]))
    inside(scope, unit, seen, order, what(inner, seen))
    explicit = unit.depth is not None
    depth = scope.whole(unit.depth, "a depth") if unit.depth is not None else (2 if tile else 1)
    source = without(seen.order.time, order.space)
    queue = source == order.time and not seen.moves and not seen.gathers
    queue = queue and order.bounds == bounded(replace(order, bounds=()), seen.order).bounds
    queue = (
        queue and set(without(seen.order.lanes, order.space)) == set(order.lanes) and not gathered(seen.order, order)
    )
    stream = Stream(scope.full(name.text), seen.stream.dtype, order, name.span)
    source_stream = Stream(seen.stream.name, seen.stream.dtype, seen.order, seen.stream.span)
    hold = Hold(stream, source_stream, seen.moves, seen.gathers, tile, queue, depth, explicit, False, unit.span)
    return inner, hold


def what(load: Load | None, seen: SourceView) -> str:
    """What a pmu holds, in the user's words: a stream by its name, or what a load brings."""
    return f"`load {load.view.tensor.name}`" if load is not None else f"`{seen.stream.name}`"


def written(scope: Scope, unit: syntax.Unit) -> str:
    """The `as` of a line as the user wrote it."""
    return f" {scope.text(unit.annotation.span)}" if unit.annotation else " as [..]"


def inserted(order: Order, missing: tuple[Digit, ...]) -> Order:
    """An order with digits that it lacks: each behind the slower digits of its axis, else outermost."""
    time = list(order.time)
    for digit in sorted(missing, key=lambda d: -d.stride):
        place = max((i + 1 for i, d in enumerate(time) if d.root == digit.root and d.stride > digit.stride), default=0)
        time.insert(place, digit)
    return replace(order, time=tuple(time))


def gathered(source: Order, order: Order) -> set[Digit]:
    return set(source.space) - set(order.space)


def bounded(order: Order, source: Order) -> Order:
    """An order with the bounds of its source, where it gives none of its own."""
    own = {root for root, _ in order.bounds}
    kept = tuple((r, b) for r, b in source.bounds if r not in own and any(d.root == r for d in order.digits))
    return Order(order.time, order.copies, order.sockets, order.lanes, order.bounds + kept)


def nested_load(scope: Scope, name: syntax.Name, load: syntax.Load, sockets: tuple[Digit, ...]) -> Load:
    """The load inside `pmu load T`: memory order, on the sockets where the tensor or the scratchpad is."""
    view = tensor_view(scope, load.view)
    order = memory_order(scope, view)
    chips = (*order.sockets, *(d for d in sockets if d in order.time))
    order = replace(order, time=without(order.time, chips), sockets=chips)
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


def check_carry(scope: Scope, unit: syntax.Unit, body: syntax.Carry) -> Carry:
    element, order, _ = annotated(scope, unit)
    over = scope.digits(body.over)
    initial: Stream | float | int
    value = scope.constant(body.initial)
    if value is not None and not isinstance(value, str):
        initial = float(value)
    elif isinstance(body.initial, syntax.Ref):
        initial = scope.stream(body.initial.name, body.initial.span)
    else:
        raise scope.report.fail(
            "RDF040",
            "a carry starts from a stream or a constant",
            [(body.initial.span, "an expression here")],
            notes=["a carry only selects between its start and the value of the iteration before"],
            help=f"give it a line of its own: `{scope.unused(unit.names[0].text + '0')} = pcu {scope.text(body.initial.span)}`",
        )
    if order is None:
        if isinstance(initial, Stream):
            order = Order(over + initial.order.time, initial.order.copies, initial.order.sockets, initial.order.lanes)
        else:
            raise scope.report.fail(
                "RDF040",
                "the order of this carry cannot be inferred",
                [(unit.span, "its feedback is defined below it, and a constant has no order")],
                help=f"write it: `as f32 [.., {body.over.axis.text}, .. | ..]`",
            )
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
    if element is not None and isinstance(initial, Stream) and not widens(initial.dtype, element):
        labels = [(unit.span, f"{element} here"), (initial.span, f"`{initial.name}` is {initial.dtype}")]
        notes = ["a carry moves bits; only a pcu rounds"]
        help = f"leave `{element}` out, or convert in the pcu that produces `{initial.name}`"
        raise scope.report.fail("RDF032", f"a carry does not convert {initial.dtype} to {element}", labels, notes, help)
    stream = Stream(scope.full(unit.names[0].text), element or default, order, unit.names[0].span)
    return Carry(stream, scope.full(body.feedback.text), initial, over, unit.span)


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


def check_store(scope: Scope, store: syntax.Store) -> Store:
    view = tensor_view(scope, store.target)
    source = scope.stream(store.source.text, store.source.span)
    needed = set(digits_of(view)) | {d for g in view.gathers if g is not None for d in g.order.digits}
    found = set(source.order.digits)
    if needed != found:
        missing, extra = needed - found, found - needed
        shape = ", ".join(a.name for a in view.tensor.axes)
        parts = [f"lacks `{scope.terms(missing)}`"] if missing else []
        parts += [f"has `{scope.terms(extra)}` too many"] if extra else []
        cures = []
        if extra:
            cures.append(
                f"reduce `{source.name}` over `{scope.terms(extra)}` in a pcu, or declare `{view.tensor.name}` with it"
            )
        if missing and not extra:
            fixed = ", ".join(f"{scope.writer.run((d,)).split('/')[0]} = 0" for d in _slowest(missing))
            cures.append(
                f"do not reduce over `{scope.terms(missing)}`, or fix it: `store {source.name} -> {view.tensor.name}({fixed})`"
            )
        raise scope.report.fail(
            "RDF037",
            f"`{source.name}` does not fill `{view.tensor.name}`: it {' and '.join(parts)}",
            [
                (store.span, "stored here"),
                (source.span, f"`{source.name}` is {scope.show(source.order)}"),
                (view.tensor.span, f"`{view.tensor.name}` is [{shape}]"),
            ],
            notes=["a store writes every element of its view exactly once"],
            help="; ".join(cures),
        )
    if source.dtype != view.tensor.dtype:
        raise scope.report.fail(
            "RDF032",
            f"`{source.name}` is {source.dtype}, `{view.tensor.name}` is {view.tensor.dtype}",
            [(source.span, f"{source.dtype} here"), (view.tensor.span, f"{view.tensor.dtype} here")],
            notes=["an AGCU moves bytes; only a pcu converts"],
            help=f"let the pcu that computes it end in `as {view.tensor.dtype}`",
        )
    if view.tensor.direction == "input":
        raise scope.report.fail(
            "RDF037",
            f"`{view.tensor.name}` is an input",
            [(store.span, "stored here"), (view.tensor.span, "declared input")],
            notes=["inputs are what a user gives; they are not changed"],
            help=f"store into an output, or declare `{view.tensor.name}` without `input`",
        )
    across(scope, view, source.order, store.span, store.source.text)
    scope.versions[view.tensor.name] = scope.versions.get(view.tensor.name, 0) + 1
    return Store(source, view, dealt(scope, source.order, store.streams), store.span)


def _slowest(digits: set[Digit]) -> list[Digit]:
    """The slowest digit of each root."""
    best: dict[str, Digit] = {}
    for digit in digits:
        if digit.root not in best or digit.stride > best[digit.root].stride:
            best[digit.root] = digit
    return list(best.values())


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
