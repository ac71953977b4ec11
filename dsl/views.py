"""Views: how a load, a hold or a store addresses what it reads or writes."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis, Digit, Interval, Linear, without
from rdflow.dsl.checked import Stream, TensorView
from rdflow.dsl.orders import BYTES, PACKET_BYTES, Order
from rdflow.dsl.program import LANES
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Abandon
from rdflow.dsl.scope import Scope


def whole_axis(axis: Axis, scope: Scope) -> Interval:
    end = axis.stride * axis.length
    return Interval(axis.root, axis.stride, end if end < scope.cuts.lengths[axis.root] else None)


def tensor_view(scope: Scope, view: syntax.View) -> TensorView:
    """A tensor seen through the bindings of a view."""
    name = view.name.text
    if name not in scope.tensors:
        if name in scope.streams:
            raise scope.report.fail(
                "RDF036",
                f"`{name}` is a stream",
                [(view.span, "a tensor is loaded or stored here"), (scope.streams[name].span, "this is a stream")],
                help=f"streams are read by name: `pmu {name}` holds one, `pcu {name} ..` computes with it",
            )
        raise scope.report.unknown("tensor", name, view.name.span, list(scope.tensors))
    tensor = scope.tensors[name]
    _once(scope, view)
    bindings = {b.axis.text: b for b in view.bindings}
    fixed = scope.fixed.get(name, {})
    own = {a.name for number, a in enumerate(tensor.axes) if number not in fixed}
    for binding in view.bindings:
        if binding.axis.text not in own:
            message = f"`{name}` has no axis `{binding.axis.text}`"
            raise scope.report.unknown("axis of it", binding.axis.text, binding.axis.span, sorted(own), message)
    indices: list[Linear] = []
    gathers: list[Stream | None] = []
    for number, axis in enumerate(tensor.axes):
        index, gather = (fixed[number], None) if number in fixed else _index(scope, axis, bindings.get(axis.name))
        indices.append(index)
        gathers.append(gather)
    return TensorView(tensor, tuple(indices), tuple(gathers), scope.versions.get(tensor.name, 0), view.span)


def fixed_axes(scope: Scope, view: syntax.View) -> dict[int, Linear]:
    """The axes of a tensor, by number, that a view given to a layer fixes, with those that are fixed already."""
    seen = tensor_view(scope, view)
    fixed = dict(scope.fixed.get(view.name.text, {}))
    for binding in view.bindings:
        number = next(i for i, axis in enumerate(seen.tensor.axes) if axis.name == binding.axis.text and i not in fixed)
        index = seen.indices[number]
        if seen.gathers[number] is not None or index.terms:
            raise _only_fixes(scope, view, binding)
        fixed[number] = index
    return fixed


def _only_fixes(scope: Scope, view: syntax.View, binding: syntax.Binding) -> Abandon:
    """The error of an argument of a layer whose view does more than to leave axes out."""
    return scope.report.fail(
        "RDF070",
        "a layer is given a tensor, or a slice of one",
        [(binding.span, "this is no fixed index")],
        notes=["a layer loads its tensors itself, by their axes: a call can fix some of these, and no more"],
        help=f"fix it by a number or an argument of the kernel, as `{view.name.text}({binding.axis.text} = 0)`; "
        "a layer of your own can load through any view",
    )


def _once(scope: Scope, view: syntax.View) -> None:
    """A view binds an axis once."""
    seen: dict[str, syntax.Binding] = {}
    for binding in view.bindings:
        first = seen.setdefault(binding.axis.text, binding)
        if first is not binding:
            labels = [(binding.span, "bound again"), (first.span, "bound here")]
            raise scope.report.fail(
                "RDF011", f"`{binding.axis.text}` is bound twice", labels, help="leave one of them out"
            )


def _index(scope: Scope, axis: Axis, binding: syntax.Binding | None) -> tuple[Linear, Stream | None]:
    if binding is None:
        return scope.cuts.index(whole_axis(axis, scope)), None
    value = binding.value
    if isinstance(value, syntax.Ref) and value.name in scope.streams:
        return Linear(), scope.streams[value.name]
    linear = scope.linear(value)
    if linear is None:
        names = [*scope.axes, *scope.streams, *scope.names]
        if isinstance(value, syntax.Ref) and value.name not in names:
            raise scope.report.unknown("axis, stream or constant", value.name, value.span, names)
        raise scope.report.fail(
            "RDF036",
            "a view's index is linear in axes and arguments, or one scalar stream",
            [(value.span, "neither")],
            notes=["the address pipeline adds counters times strides"],
            help="compute the index in a pcu, as a stream of int32 without lanes, and gather by its name",
        )
    _reached(scope, axis, binding)
    _link(scope, axis, value)
    return linear, None


def _reached(scope: Scope, axis: Axis, binding: syntax.Binding) -> None:
    """An index that moves may leave its axis, where 0 is read and nothing written; a constant outside of it is a mistake."""
    value = scope.constant(binding.value)
    if not isinstance(value, int) or 0 <= value < axis.length:
        return
    raise scope.report.fail(
        "RDF036",
        f"`{axis.name}` = {value} is outside of its axis",
        [(binding.span, f"`{axis.name}` runs from 0 to {axis.length - 1}")],
        notes=["what is read outside of an axis is 0, and what is written there is dropped: this would be all of it"],
        help=f"use an index from 0 to {axis.length - 1}",
    )


def _link(scope: Scope, axis: Axis, value: syntax.Expr) -> None:
    """A plain rename: both axes are cut at the same points."""
    if isinstance(value, syntax.Ref) and value.name in scope.axes:
        other = scope.axes[value.name]
        if axis.length == other.length and axis.stride == other.stride == 1:
            scope.cuts.link(axis.root, other.root)


def digits_of(view: TensorView) -> tuple[Digit, ...]:
    """The digits that a view covers, by axis of the tensor, outermost first."""
    found: list[Digit] = []
    for index in view.indices:
        found.extend(sorted((d for d in index.digits if d not in found), key=lambda d: -d.stride))
    return tuple(found)


def gathered(view: TensorView) -> tuple[Digit, ...]:
    """The loops of the indices that a view gathers by."""
    return tuple(dict.fromkeys(d for stream in view.gathers if stream is not None for d in stream.order.time))


def memory_order(scope: Scope, view: TensorView) -> Order:
    """The order in which a tensor lies in memory: its free axes, 64 bytes of the last one (32 lanes at most) on the lanes.

    What a view gathers comes index by index, so the loops of the indices are outside."""
    width = min(LANES, PACKET_BYTES // BYTES[view.tensor.dtype])
    free = [i for i, index in enumerate(view.indices) if index.terms]
    if not free:
        return Order(gathered(view))
    if view.tensor.sharded[free[-1]]:  # a socket has one index of it: nothing to put on lanes
        chips = tuple(d for i in free if view.tensor.sharded[i] for d in view.indices[i].digits)
        return Order(tuple(d for d in digits_of(view) if d not in chips), (), chips)
    last = view.tensor.axes[free[-1]]
    low = min(d.stride for d in view.indices[free[-1]].digits)
    root = view.indices[free[-1]].digits[0].root
    whole_last = max(d.stride * d.extent for d in view.indices[free[-1]].digits)
    if whole_last > low * width and last.length > width:
        scope.cuts.add(root, low * width)
    digits = digits_of(view)
    lanes = tuple(
        d for d in digits if d.root == root and low <= d.stride < low * width and d in view.indices[free[-1]].digits
    )
    time = (*without(gathered(view), digits), *without(digits, lanes))
    sockets = tuple(d for i in free if view.tensor.sharded[i] for d in view.indices[i].digits if d in time)
    return Order(tuple(d for d in time if d not in sockets), (), sockets, lanes)


@dataclass(frozen=True)
class SourceView:
    """A stream through a view: its order after renames, and what shifts, flips or gathers remain, by digit of the source."""

    stream: Stream
    order: Order
    moves: tuple[tuple[Digit, Linear], ...]
    gathers: tuple[tuple[Digit, Stream], ...]


def stream_view(scope: Scope, view: syntax.View, moves_allowed: bool) -> SourceView:
    """A stream seen through renames and, for holds, flips and shifts."""
    stream = scope.stream(view.name.text, view.name.span)
    _once(scope, view)
    renames: dict[Digit, Digit] = {}
    roots: dict[str, str] = {}
    moves: list[tuple[Digit, Linear]] = []
    gathers: list[tuple[Digit, Stream]] = []
    for binding in view.bindings:
        axis = scope.axis(binding.axis)
        digits = _bound(scope, stream, axis, binding)
        value = binding.value
        if isinstance(value, syntax.Ref) and value.name in scope.axes and value.name not in scope.streams:
            renames.update(_rename(scope, axis, scope.axes[value.name], digits, binding))
            roots[axis.root] = scope.axes[value.name].root
        elif not moves_allowed:
            raise _only_renames(scope, view, stream, binding)
        elif isinstance(value, syntax.Ref) and value.name in scope.streams:
            gathers.extend((d, scope.streams[value.name]) for d in digits)
        else:
            moves.append(_move(scope, stream, axis, digits, binding))
    return SourceView(stream, stream.order.renamed(renames, roots), tuple(moves), tuple(gathers))


def _bound(scope: Scope, stream: Stream, axis: Axis, binding: syntax.Binding) -> tuple[Digit, ...]:
    """The digits of the axis that a binding names, which the stream must have."""
    digits = scope.cuts.digits(whole_axis(axis, scope))
    if not set(digits) <= set(stream.order.digits):
        labels = [
            (binding.span, f"`{axis.name}` is bound here"),
            (stream.span, f"`{stream.name}` is {scope.show(stream.order)}"),
        ]
        help = "bind an axis that the stream has, or leave the binding out"
        raise scope.report.fail("RDF036", f"`{stream.name}` has no axis `{axis.name}`", labels, help=help)
    return digits


def _only_renames(scope: Scope, view: syntax.View, stream: Stream, binding: syntax.Binding) -> Abandon:
    """The error of a view that changes addresses where there is no address pipeline."""
    name, order = scope.unused(view.name.text + "b"), scope.show(stream.order, 0)
    return scope.report.fail(
        "RDF036",
        "only renames here",
        [(binding.span, "this changes addresses")],
        notes=["an operand of a pcu comes in the order in which it travels; a scratchpad has an address pipeline"],
        help=f"hold it first: `{name} = pmu {scope.text(view.span)} as {order}`",
    )


def _move(
    scope: Scope, stream: Stream, axis: Axis, digits: tuple[Digit, ...], binding: syntax.Binding
) -> tuple[Digit, Linear]:
    """The one digit that a flip or a shift moves, and where it is read."""
    linear = scope.linear(binding.value)
    if linear is None or len(digits) != 1:
        raise scope.report.fail(
            "RDF036",
            f"`{axis.name}` cannot be moved like this",
            [
                (binding.span, "not linear in one digit"),
                (stream.span, f"`{stream.name}` is {scope.show(stream.order)}"),
            ],
            notes=["the address pipeline adds to one counter, or subtracts from it"],
            help=f"hold it in an order in which `{axis.name}` is one loop, and write `{axis.name} = {axis.name} + ..`",
        )
    return digits[0], linear


def _rename(
    scope: Scope, axis: Axis, other: Axis, digits: tuple[Digit, ...], binding: syntax.Binding
) -> dict[Digit, Digit]:
    if axis.length != other.length:
        raise scope.report.fail(
            "RDF036",
            f"`{axis.name}` has {axis.length} values and `{other.name}` {other.length}",
            [(binding.span, "renamed here")],
            help="only axes of one length are renamed into each other",
        )
    if axis.stride == other.stride == 1:
        scope.cuts.link(axis.root, other.root)
    renamed = scope.cuts.digits(whole_axis(other, scope))
    return dict(zip(digits, renamed, strict=False)) if len(digits) == len(renamed) else {}
