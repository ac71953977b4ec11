"""Expands a layer call in place: axes are variables, matched against the arguments' types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis, Digit, runs, size
from rdflow.dsl.checked import Carry, Compute, Hold, Input, Load, Result, Route, Store, Stream, TensorView
from rdflow.dsl.constants import whole
from rdflow.dsl.diagnostics import Label
from rdflow.dsl.report import Abandon
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span

CheckLines = Callable[[Scope, tuple[syntax.Line, ...]], None]


def expand(scope: Scope, unit: syntax.Unit, call: syntax.LayerCall, check_lines: CheckLines) -> None:
    """Check the layer's lines in a scope of its own and define the call's results."""
    if call.layer.text in scope.report.silent:
        raise Abandon
    if call.layer.text not in scope.program.layers:
        if scope.program.library_missing:
            raise Abandon
        raise scope.report.unknown(
            "layer or unit", call.layer.text, call.layer.span, [*scope.program.layers, "pcu", "pmu", "load"]
        )
    if call.layer.text in scope.calls:
        raise scope.report.fail(
            "RDF070",
            f"`{call.layer.text}` calls itself",
            [(call.span, "called here")],
            notes=["a layer is expanded in place, as hardware is: there is no stack"],
            help="use a carry for what repeats over time, and copies for what repeats in space",
        )
    layer, source = scope.program.layers[call.layer.text]
    inner = Scope(
        scope.program,
        scope.report,
        scope.cuts,
        {},
        dict(scope.program.names)
        if source is scope.program.source
        else {k: v for k, v in scope.names.items() if k in ("L", "ST", "H")},
        {},
        lines=scope.lines,
        versions=scope.versions,
        path=scope.full(unit.names[0].text),
        settled=scope.settled,
        before=scope.before,
        copied=scope.copied,
        calls=(*scope.calls, call.layer.text),
    )
    _bind(scope, inner, layer, call, source is not scope.program.source)
    outside = (scope.report.origin, list(scope.report.callers))
    scope.report.origin = source if source is not scope.program.source else outside[0]
    scope.report.callers.append(Label(call.span, f"in this call of `{layer.name.text}`", outside[0]))
    first = len(scope.lines)
    try:
        check_lines(inner, layer.lines)
        results = _results(inner, layer)
    finally:
        scope.report.origin, scope.report.callers = outside
    if source is not scope.program.source:
        scope.lines[first:] = [_at_call(line, inner.path, call.span) for line in scope.lines[first:]]
        results = [_at_call(stream, inner.path, call.span) for stream in results]
    if len(results) != len(unit.names):
        raise scope.report.fail(
            "RDF043",
            f"`{layer.name.text}` returns {len(results)} stream{'s' * (len(results) != 1)}, {len(unit.names)} are named",
            [(unit.span, "called here"), (layer.lines[-1].span, "returned here")]
            if source is scope.program.source
            else [(unit.span, "called here")],
            help="one name on the left for each stream that it returns",
        )
    for name, stream in zip(unit.names, results, strict=True):
        scope.define(stream, name.text)


def _at_call(value: Any, path: str, span: Span) -> Any:
    """A line of another file as if it stood at the call: spans of a checked kernel all point into the program."""
    match value:
        case Stream():
            return replace(value, span=span) if value.name.startswith(f"{path}.") else value
        case tuple():
            return tuple(_at_call(item, path, span) for item in value)
        case Load() | Hold() | Compute() | Carry() | Store() | Route() | TensorView() | Result() | Input():
            changed = {f.name: _at_call(getattr(value, f.name), path, span) for f in fields(value)}
            return replace(value, **changed | ({"span": span} if "span" in changed else {}))
    return value


def _results(inner: Scope, layer: syntax.Layer) -> list[Stream]:
    last = layer.lines[-1] if layer.lines else None
    if not isinstance(last, syntax.Return):
        raise inner.report.fail(
            "RDF070",
            f"`{layer.name.text}` does not end in `return`",
            [(layer.name.span, "this layer")],
            help="end it in `return` and the names of the streams that it gives back",
        )
    return [inner.stream(name.text, name.span) for name in last.names]


def _bind(scope: Scope, inner: Scope, layer: syntax.Layer, call: syntax.LayerCall, foreign: bool) -> None:
    """Give every parameter its argument: streams and tensors bind axes, constants have defaults."""
    given: dict[str, syntax.Expr] = {}
    positional = [a for a in call.arguments if a.name is None]
    names = [p.name.text for p in layer.parameters]
    if len(positional) > len(names):
        raise scope.report.fail(
            "RDF070",
            f"`{layer.name.text}` takes {len(names)} arguments",
            [(call.span, f"{len(call.arguments)} here")],
            help=f"`{layer.name.text}({', '.join(names)})`",
        )
    given.update(zip(names, (a.value for a in positional), strict=False))
    for argument in call.arguments:
        if argument.name is not None:
            if argument.name.text not in names:
                message = f"`{layer.name.text}` has no parameter `{argument.name.text}`"
                raise scope.report.unknown("parameter", argument.name.text, argument.name.span, names, message)
            if argument.name.text in given:
                labels = [(argument.span, "given again"), (given[argument.name.text].span, "given here")]
                message = f"`{argument.name.text}` is given twice"
                raise scope.report.fail("RDF070", message, labels, help="leave one of them out")
            given[argument.name.text] = argument.value
    for parameter in layer.parameters:
        value = given.get(parameter.name.text, parameter.default)
        if value is None:
            raise scope.report.fail(
                "RDF070",
                f"`{layer.name.text}` needs `{parameter.name.text}`",
                [(call.span, "not given here")],
                help=f"`{layer.name.text}({', '.join(names)})`",
            )
        _argument(scope, inner, parameter, value, foreign)


def _argument(scope: Scope, inner: Scope, parameter: syntax.LayerParameter, value: syntax.Expr, foreign: bool) -> None:
    """Bind one parameter. `foreign`: the layer is of another file, where the places of the program mean nothing."""
    name = parameter.name.text
    match parameter.type:
        case syntax.Order() as formal:
            if not isinstance(value, syntax.Ref):
                raise scope.report.fail(
                    "RDF070",
                    "a stream is expected",
                    [(value.span, f"an expression, for `{name}`")],
                    help=f"give it a line of its own: `{scope.unused(name)} = pcu {scope.text(value.span)}`",
                )
            stream = scope.stream(value.name, value.span)
            _match_order(scope, inner, formal, stream, value.span)
            inner.streams[name] = replace(stream, span=parameter.name.span) if foreign else stream
        case syntax.TensorType() as formal:
            if not isinstance(value, syntax.Ref) or value.name not in scope.tensors:
                text = getattr(value, "name", "this")
                if text in scope.streams:
                    raise scope.report.fail(
                        "RDF070",
                        "a tensor is expected",
                        [(value.span, f"`{text}` is a stream"), (scope.streams[str(text)].span, "defined here")],
                        help=f"`{name}` is loaded inside of the layer: give the tensor itself",
                    )
                raise scope.report.unknown("tensor", str(text), value.span, list(scope.tensors))
            tensor = scope.tensors[value.name]
            if len(tensor.axes) != len(formal.places):
                raise scope.report.fail(
                    "RDF070",
                    f"`{tensor.name}` has {len(tensor.axes)} axes, `{name}` has {len(formal.places)}",
                    [(value.span, "given here"), (tensor.span, "declared here")],
                    help="give a tensor with as many axes as the parameter",
                )
            own = []
            for place, axis in zip(formal.places, tensor.axes, strict=True):
                shape = f"`{tensor.name}` is [{', '.join(a.name for a in tensor.axes)}]"
                name_of = place.term.axis.text
                own.append(_bind_axis(scope, inner, name_of, axis.root, axis.stride, axis.length, value.span, shape))
            span = parameter.name.span if foreign else tensor.span
            inner.tensors[name] = replace(tensor, axes=tuple(own), span=span)
        case None:
            constant = scope.constant(value)
            if constant is None:
                raise scope.report.fail(
                    "RDF070",
                    "a constant is expected",
                    [(value.span, f"for `{name}`")],
                    notes=["constants of a layer are part of the configuration of its units"],
                    help=f"give a number or a param: `{name} = 1`",
                )
            inner.names[name] = constant


def _match_order(scope: Scope, inner: Scope, formal: syntax.Order, stream: Stream, span: Span) -> None:
    """Bind the axis variables of a parameter's order, place by place, to the digits of the argument's.

    An order that names digits on the sockets alone takes any loops and lanes.
    """
    copies = frozenset(stream.order.copies)
    inner.copied = inner.copied | copies
    places, wanted_lanes = (*(formal.tile or ()), *formal.rest), formal.lanes
    wanted_chips = [place for place in places if place.at == "socket"]
    wanted_time = [place for place in places if place.at != "socket"]
    chips = runs(stream.order.sockets) if wanted_chips else []
    anyhow = wanted_chips and not wanted_time and not wanted_lanes
    time = [] if anyhow else _places(stream.order.time, copies)
    lanes = [] if anyhow else runs(stream.order.lanes)
    wanted = (*wanted_chips, *wanted_time, *wanted_lanes)
    if [len(chips), len(time), len(lanes)] != [len(wanted_chips), len(wanted_time), len(wanted_lanes)]:
        raise scope.report.fail(
            "RDF070",
            f"`{stream.name}` does not travel as this layer expects",
            [(span, f"{scope.show(stream.order)} is given"), (stream.span, "defined here")],
            help="bring it to the layer's order with a pmu",
        )
    for place, digits in zip(wanted, (*chips, *time, *lanes), strict=True):
        term = place.term
        over = whole(term.over, inner.names, {}, scope.report, "a divisor") if term.over is not None else 1
        low, extent = digits[-1].stride, size(digits)
        base = low // over
        known = inner.axes.get(term.axis.text)
        length = over * extent if term.modulo is None else (known.length if known else extent)
        if term.modulo is not None and known is None:
            length = _whole_length(scope, digits[0].root, base)
        elif known is None and base * length >= scope.cuts.lengths[digits[0].root]:
            length = scope.cuts.lengths[digits[0].root] // base
        _bind_axis(
            scope,
            inner,
            term.axis.text,
            digits[0].root,
            base,
            length,
            span,
            f"`{stream.name}` is {scope.show(stream.order)}",
        )


def _places(time: tuple[Digit, ...], copies: frozenset[Digit]) -> list[tuple[Digit, ...]]:
    """Runs of time digits; a gap filled by a copy digit does not part a run."""
    filled: list[Digit] = []
    for digit in time:
        filled.append(digit)
        below = next((c for c in copies if c.root == digit.root and c.stride * c.extent == digit.stride), None)
        if below is not None:
            filled.append(below)
    return runs(filled)


def _whole_length(scope: Scope, root: str, base: int) -> int:
    """The length of the axis that starts at a stride: up to the next named axis of the root, else to its end."""
    axes = [a for a in scope.axes.values() if a.root == root and a.stride == base]
    return max((a.length for a in axes), default=scope.cuts.lengths[root] // base)


def _bind_axis(
    scope: Scope, inner: Scope, name: str, root: str, stride: int, length: int, span: Span, given: str
) -> Axis:
    known = inner.axes.get(name)
    if known is None:
        inner.axes[name] = known = Axis(name, root, stride, length)
    elif (known.root, known.stride) != (root, stride):
        raise scope.report.fail(
            "RDF070",
            f"axis `{name}` of the layer would be both `{known.root}` and `{root}`",
            [(span, given)],
            notes=[
                "a layer's axes take their meaning from the arguments: the same name is the same axis in all of them"
            ],
            help=f"bring the argument to what the layer expects: `{name}` stands for `{known.root}` already",
        )
    return known
