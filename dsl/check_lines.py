"""Checks the lines of a kernel or a layer, one after the other."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.check_carry import check_carry
from rdflow.dsl.check_compute import check_compute
from rdflow.dsl.check_hold import check_fifo, check_hold
from rdflow.dsl.check_load import check_load
from rdflow.dsl.check_route import check_route
from rdflow.dsl.check_store import check_store
from rdflow.dsl.checked import streams_of
from rdflow.dsl.layers import expand
from rdflow.dsl.program import PREDEFINED
from rdflow.dsl.report import Abandon, plural
from rdflow.dsl.scope import Scope


def check_lines(scope: Scope, lines: tuple[syntax.Line, ...]) -> None:
    """Check lines in order; a line with a mistake silences the lines that use it, not the others."""
    for line in lines:
        if isinstance(line, syntax.Unit):
            for name in line.names:
                scope.later.setdefault(name.text, name.span)
    for line in lines:
        try:
            if scope.report.origin is None and any(
                line.span.start <= s.start < line.span.end for s in scope.report.unread
            ):
                raise Abandon
            check_line(scope, line)
        except Abandon:
            if isinstance(line, syntax.Unit):
                scope.broken.update(n.text for n in line.names)


def check_line(scope: Scope, line: syntax.Line) -> None:
    """Check one line and define its streams."""
    if isinstance(line, syntax.Return):
        if not scope.path:
            help = "store what leaves a kernel: `store y -> Y`"
            raise scope.report.fail(
                "RDF070", "`return` ends a layer, not a kernel", [(line.span, "in a kernel")], help=help
            )
        return
    if isinstance(line, syntax.Store):
        scope.lines.append(check_store(scope, line))
        return
    for name in line.names:
        _new(scope, name)
    most = 2 if isinstance(line.body, syntax.Split) else 1  # a split has its counts, too
    if len(line.names) > most and not isinstance(line.body, syntax.Pcu | syntax.LayerCall):
        raise scope.report.fail(
            "RDF043",
            f"{len(line.names)} names for {plural(most, 'stream')}",
            [(line.names[most].span, "nothing is left for this one")],
            help=f"leave `{line.names[most].text}` out, or give it a line of its own",
        )
    _holds(scope, line)
    match line.body:
        case syntax.Load() as body:
            found = [check_load(scope, line, body)]
        case syntax.Pmu() as body:
            inner, hold = check_hold(scope, line, body)
            found = [inner, hold] if inner is not None else [hold]  # type: ignore[list-item]
        case syntax.Fifo() as body:
            found = [check_fifo(scope, line, body)]  # type: ignore[list-item]
        case syntax.Pcu() as body:
            found = [check_compute(scope, line, body)]  # type: ignore[list-item]
        case syntax.Carry() as body:
            found = [check_carry(scope, line, body)]  # type: ignore[list-item]
        case syntax.Split() | syntax.Merge() as body:
            found = [check_route(scope, line, body)]  # type: ignore[list-item]
        case syntax.LayerCall() as body:
            expand(scope, line, body, check_lines)
            return
    for checked_line in found:
        scope.lines.append(checked_line)
    for name, stream in zip(line.names, streams_of(found[-1]), strict=False):  # counts need no name
        scope.define(stream, name.text)


def _holds(scope: Scope, unit: syntax.Unit) -> None:
    """`depth` and `;` stand only where something is held."""
    if unit.depth is not None and not isinstance(unit.body, syntax.Pmu | syntax.Fifo | syntax.Split | syntax.Merge):
        raise scope.report.fail(
            "RDF046",
            "only a scratchpad or a fifo has a depth",
            [(unit.depth.span, "a depth here")],
            notes=["tiles are held in a scratchpad; the queues in front of all other units are of one size"],
            help=f"leave it out, or deepen the queue behind it: `{unit.names[0].text}q = fifo {unit.names[0].text} depth "
            f"{scope.text(unit.depth.span)}`",
        )
    order = unit.annotation.order if unit.annotation else None
    if order is not None and order.tile is not None and isinstance(unit.body, syntax.Load | syntax.Pcu | syntax.Carry):
        raise scope.report.fail(
            "RDF046",
            "only a scratchpad has a tile",
            [(order.span, "`;` here")],
            notes=["loops before `;` are outside of what a pmu holds at a time; other units hold nothing"],
            help=f"write `{scope.text(order.span).replace('; ', ', ', 1).replace('[, ', '[')}`, or hold it: `pmu ..`",
        )


def _new(scope: Scope, name: syntax.Name) -> None:
    if name.text in PREDEFINED:
        raise scope.report.fail(
            "RDF012",
            f"`{name.text}` is predefined",
            [(name.span, f"already {PREDEFINED[name.text]}")],
            notes=["L is the lanes of a unit, ST its stages, H = L/2; orders are written with them"],
            help=f"choose another name, as `{name.text.lower()}0`",
        )
    if name.text in scope.streams:
        raise scope.report.fail(
            "RDF011",
            f"`{name.text}` is defined twice",
            [(name.span, "again here"), (scope.streams[name.text].span, "first here")],
            notes=["a stream has one producer"],
            help="rename one of them",
        )
