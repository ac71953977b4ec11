"""Expands a layer call in place: axes are variables, matched against the arguments' types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit
from rdflow.dsl.checked import Carry, Compute, Hold, Input, Load, Result, Route, Store, Stream, TensorView
from rdflow.dsl.diagnostics import Label
from rdflow.dsl.layer_arguments import bind
from rdflow.dsl.program import Tensor
from rdflow.dsl.report import Abandon, plural
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Source, Span

CheckLines = Callable[[Scope, tuple[syntax.Line, ...]], None]


def expand(scope: Scope, unit: syntax.Unit, call: syntax.LayerCall, check_lines: CheckLines) -> None:
    """Check the layer's lines in a scope of its own and define the call's results."""
    layer, source = _called(scope, call)
    own = source is scope.program.source
    inner = _inside(scope, unit, call, own)
    bind(scope, inner, layer, call, source)
    outside = (scope.report.origin, list(scope.report.callers))
    scope.report.origin = outside[0] if own else source
    scope.report.callers.append(Label(call.span, f"in this call of `{layer.name.text}`", outside[0]))
    first = len(scope.lines)
    try:
        check_lines(inner, layer.lines)
        results = _results(inner, layer)
    finally:
        scope.report.origin, scope.report.callers = outside
    if not own:
        scope.lines[first:] = [moved(line, call.span, f"{inner.path}.") for line in scope.lines[first:]]
        results = [moved(stream, call.span, f"{inner.path}.") for stream in results]
    _define(scope, unit, layer, results, own)


def _called(scope: Scope, call: syntax.LayerCall) -> tuple[syntax.Layer, Source]:
    """The layer that is called, and the file that it stands in."""
    name = call.layer.text
    if name in scope.report.silent:
        raise Abandon
    origin = scope.report.origin
    known = scope.program.layers if origin is None else scope.program.libraries[origin.name].callable
    if name not in known:
        if scope.program.library_missing:
            raise Abandon
        raise scope.report.unknown("layer or unit", name, call.layer.span, [*known, "pcu", "pmu", "load"])
    if name in scope.calls:
        raise scope.report.fail(
            "RDF070",
            f"`{name}` calls itself",
            [(call.span, "called here")],
            notes=["a layer is expanded in place, as hardware is: there is no stack"],
            help="use a carry for what repeats over time, and copies for what repeats in space",
        )
    return known[name]


def _inside(scope: Scope, unit: syntax.Unit, call: syntax.LayerCall, own: bool) -> Scope:
    """The scope of a layer's lines. A layer of the program's `own` file sees its constants, one of a library the machine's."""
    names = scope.program.names if own else {k: v for k, v in scope.names.items() if k in ("L", "ST", "H")}
    return Scope(
        scope.program,
        scope.report,
        scope.cuts,
        {},
        dict(names),
        {},
        lines=scope.lines,
        versions=scope.versions,
        counts=scope.counts,
        named=scope.named,
        path=scope.full(unit.names[0].text),
        settled=scope.settled,
        before=scope.before,
        copied=scope.copied,
        sharded=scope.sharded,
        calls=(*scope.calls, call.layer.text),
    )


def _define(scope: Scope, unit: syntax.Unit, layer: syntax.Layer, results: list[Stream], own: bool) -> None:
    """Give the results the names on the left of the call."""
    if len(results) != len(unit.names):
        returned = [(layer.lines[-1].span, "returned here")] if own else []
        raise scope.report.fail(
            "RDF043",
            f"`{layer.name.text}` returns {plural(len(results), 'stream')}, {len(unit.names)} are named",
            [(unit.span, "called here"), *returned],
            help="one name on the left for each stream that it returns",
        )
    for name, stream in zip(unit.names, results, strict=True):
        scope.define(stream, name.text)


def moved(value: Any, span: Span, prefix: str = "") -> Any:
    """A line of another file as if it stood at `span`: spans of a checked kernel all point into the program. Streams of
    other names than those with the prefix are the program's already."""
    match value:
        case Stream():
            return replace(value, span=span) if value.name.startswith(prefix) else value
        case Tensor():
            return value if prefix else replace(value, span=span)
        case Digit():
            return value
        case tuple():
            return tuple(moved(item, span, prefix) for item in value)
        case Load() | Hold() | Compute() | Carry() | Store() | Route() | TensorView() | Result() | Input():
            changed = {f.name: moved(getattr(value, f.name), span, prefix) for f in fields(value)}
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
