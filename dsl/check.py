"""Checks a program: its declarations, then each kernel with the sizes that its launches give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis, Cuts
from rdflow.dsl.balance import balance
from rdflow.dsl.check_compute import check_compute
from rdflow.dsl.check_memory import (
    check_carry,
    check_feedback,
    check_fifo,
    check_hold,
    check_load,
    check_route,
    check_store,
)
from rdflow.dsl.checked import Carry, Kernel, Store, sources_of, streams_of
from rdflow.dsl.constants import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.launches import LaunchSpec, launches
from rdflow.dsl.layers import expand
from rdflow.dsl.parse import parse
from rdflow.dsl.program import Program, Resolve, Tensor, declare, dtype
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Source

PASSES = 8  # cut points settle in two or three


@dataclass
class Checked:
    """A program with every kernel that its schedule launches, by signature. `diagnostics`: all that was found."""

    program: Program
    kernels: dict[LaunchSpec, Kernel]
    launches: list[LaunchSpec]
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.diagnostics if d.severity is Severity.ERROR]


def check(source: Source, settings: Mapping[str, Value] | None = None, library: Resolve | None = None) -> Checked:
    """Parse and check a text. Never raises for the user's mistakes: they are in `diagnostics`."""
    module, found = parse(source)
    report = Reporter(list(found))
    program = declare(module, settings or {}, report, library)
    specs = launches(program, report)
    kernels: dict[LaunchSpec, Kernel] = {}
    for spec in dict.fromkeys(specs):
        kernel = check_kernel(program, spec, report)
        if kernel is not None:
            kernels[spec] = kernel
    if not report.failed:
        _unused(program, kernels, report)
    return Checked(program, kernels, specs, report.found)


def checked(source: Source, settings: Mapping[str, Value] | None = None, library: Resolve | None = None) -> Checked:
    """`check`, raising CompileError if there is a mistake."""
    result = check(source, settings, library)
    if result.errors:
        raise CompileError(result.diagnostics, source)
    return result


def check_kernel(program: Program, spec: LaunchSpec, report: Reporter) -> Kernel | None:
    """One kernel with the lengths and scalars of a launch; None if it has mistakes (reported)."""
    tree = program.kernels[spec.kernel]
    axes, roots, tensors = _arguments(program, tree, spec, report)
    cuts = Cuts(roots)
    for axis in axes.values():
        cuts.add(axis.root, axis.stride)
        cuts.add(axis.root, axis.stride * axis.length)
    settled = False
    for _ in range(PASSES):
        cuts.grown = False
        trial = Reporter()
        scope = _pass(program, tree, spec, axes, cuts, tensors, trial, settled)
        cuts.share()
        if settled and not cuts.grown:
            break
        settled = settled or not cuts.grown
    clashes = _clashes(cuts, tree, report)
    report.found.extend(d for d in trial.found if d not in report.found)
    if clashes or trial.failed:
        return None
    kernel = Kernel(spec.kernel, program, scope.lines, cuts, dict(roots), tensors, scope.writer)
    balance(kernel, report)
    return None if any(d.severity is Severity.ERROR for d in report.found) else kernel


def _arguments(
    program: Program, tree: syntax.Kernel, spec: LaunchSpec, report: Reporter
) -> tuple[dict[str, Axis], dict[str, int], dict[str, Tensor]]:
    """Axes, roots and tensors of a kernel: the program's, and those of its parameters with the launch's lengths."""
    axes, roots = dict(program.axes), dict(program.roots)
    tensors = {} if tree.parameters else dict(program.tensors)
    for parameter, shape in zip(tree.parameters, spec.shapes, strict=True):
        if not isinstance(parameter.type, syntax.TensorType) or shape is None:
            continue
        own: list[Axis] = []
        for place, length in zip(parameter.type.places, shape, strict=True):
            name = place.term.axis.text
            known = axes.get(name)
            if known is None or known.length != length:
                axes[name] = known = Axis(name, name, 1, length)
                roots[name] = length
            own.append(known)
        sharded = tuple(p.at == "socket" for p in parameter.type.places)
        assert parameter.type.dtype is not None
        element = dtype(parameter.type.dtype, program.names, report)
        name = parameter.name.text
        tensors[name] = Tensor(name, element, tuple(own), sharded, "hbm", None, parameter.name.span)
    return axes, roots, tensors


def _pass(
    program: Program,
    tree: syntax.Kernel,
    spec: LaunchSpec,
    axes: dict[str, Axis],
    cuts: Cuts,
    tensors: dict[str, Tensor],
    report: Reporter,
    settled: bool,
) -> Scope:
    """One pass over the lines with the cuts known so far."""
    names = {**program.names, **dict(spec.scalars)}
    scope = Scope(program, report, cuts, dict(axes), names, dict(tensors), settled=settled)
    check_lines(scope, tree.lines)
    for line in scope.lines:
        if isinstance(line, Carry):
            check_feedback(scope, line)
    return scope


def check_lines(scope: Scope, lines: tuple[syntax.Line, ...]) -> None:
    """Check lines in order; a line with a mistake silences the lines that use it, not the others."""
    for line in lines:
        if isinstance(line, syntax.Unit):
            for name in line.names:
                scope.later.setdefault(name.text, name.span)
    for line in lines:
        try:
            check_line(scope, line)
        except Abandon:
            if isinstance(line, syntax.Unit):
                scope.broken.update(n.text for n in line.names)


def check_line(scope: Scope, line: syntax.Line) -> None:
    """Check one line and define its streams."""
    if isinstance(line, syntax.Return):
        return
    if isinstance(line, syntax.Store):
        scope.lines.append(check_store(scope, line))
        return
    for name in line.names:
        _new(scope, name)
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
    for name, stream in zip(line.names, streams_of(found[-1]), strict=True):
        scope.define(stream, name.text)


def _new(scope: Scope, name: syntax.Name) -> None:
    from rdflow.dsl.program import PREDEFINED

    if name.text in PREDEFINED:
        raise scope.report.fail(
            "RDF012", f"`{name.text}` is predefined", [(name.span, "here")], help="choose another name for the stream"
        )
    if name.text in scope.streams:
        raise scope.report.fail(
            "RDF011",
            f"`{name.text}` is defined twice",
            [(name.span, "again here"), (scope.streams[name.text].span, "first here")],
            notes=["a stream has one producer"],
            help="rename one of them",
        )


def _clashes(cuts: Cuts, tree: syntax.Kernel, report: Reporter) -> bool:
    """Report axes whose cuts do not divide each other."""
    found = False
    for root in cuts.points:
        clash = cuts.clash(root)
        if clash is not None:
            found = True
            a, b = clash
            report.add(
                "RDF021",
                f"`{root}` is cut at {a} and at {b}, and {a} does not divide {b}",
                [(_where(tree, root) or tree.name.span, f"orders of this kernel divide `{root}` by both")],
                notes=["counters, copies and lanes are digits of one number: each cut is a multiple of the one before"],
                help=f"tile by multiples: change {b} to {-(-b // a) * a}, or {a} to a divisor of {b}",
            )
    return found


def _where(tree: syntax.Kernel, root: str):  # type: ignore[no-untyped-def]
    """The first place in a kernel that divides an axis."""
    for line in tree.lines:
        annotation = getattr(line, "annotation", None)
        order = annotation.order if annotation is not None else None
        if order is None:
            continue
        for place in (*(order.tile or ()), *order.rest, *order.lanes):
            if place.term.axis.text == root and (place.term.over is not None or place.term.modulo is not None):
                return place.span
    return None


def _unused(program: Program, kernels: Mapping[LaunchSpec, Kernel], report: Reporter) -> None:
    """Warn about streams that nobody reads and outputs that nobody writes."""
    written = set()
    for spec, kernel in kernels.items():
        read = {s.name for line in kernel.lines for s in sources_of(line)}
        read |= {line.feedback for line in kernel.lines if isinstance(line, Carry)}
        for line in kernel.lines:
            if isinstance(line, Store):
                written.add(line.view.tensor.name)
            for stream in streams_of(line):
                if stream.name not in read and "." not in stream.name:
                    report.warn(
                        "RDF042",
                        f"nothing reads `{stream.name}`",
                        [(stream.span, "its tokens go nowhere")],
                        notes=["the unit would be configured and run for nothing; it is kept, and its tokens are dropped"],
                        help="store it, use it, or delete the line",
                    )
        if program.kernels[spec.kernel].parameters:
            written.update(t for t in program.tensors)
    for tensor in program.tensors.values():
        if tensor.direction == "output" and kernels and tensor.name not in written:
            report.warn(
                "RDF055",
                f"no kernel writes the output `{tensor.name}`",
                [(tensor.span, "it stays zero")],
                help=f"`store .. -> {tensor.name}`",
            )
