"""Checks a program: its declarations, then each kernel with the sizes that its launches give it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis, Cuts
from rdflow.dsl.balance import balance
from rdflow.dsl.check_carry import check_carry, check_feedback
from rdflow.dsl.check_compute import check_compute
from rdflow.dsl.check_hold import check_fifo, check_hold
from rdflow.dsl.check_load import check_load
from rdflow.dsl.check_route import check_route
from rdflow.dsl.check_sockets import check_sockets
from rdflow.dsl.check_store import check_store
from rdflow.dsl.checked import Carry, Kernel, Store, Stream, bounds_of, sources_of, streams_of
from rdflow.dsl.constants import Value
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Severity
from rdflow.dsl.launches import LaunchSpec, launches
from rdflow.dsl.layers import expand
from rdflow.dsl.parse import parse
from rdflow.dsl.program import PREDEFINED, STAGES, Program, Resolve, Tensor, declare, dtype
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Source, Span

FROM_CUTS = {"RDF022", "RDF023", *(f"RDF03{i}" for i in range(10)), "RDF054"}  # what a bad cut alone may lead to
PASSES = 8  # cut points settle in two or three
_GOES_ON = ("+", "-", "*", "/", "%", "=", ",", "(", "[", "|")  # a line that ends so goes on below


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


def check(
    source: Source,
    settings: Mapping[str, Value] | None = None,
    library: Resolve | None = None,
    stages: int = STAGES,
) -> Checked:
    """Parse and check a text, for units of so many stages. Never raises for the user's mistakes: they are in `diagnostics`."""
    module, found = parse(source)
    report = Reporter(list(found), silent=set(_lost(source, found)), unread=tuple(d.labels[0].span for d in found))
    program = declare(module, settings or {}, report, library, stages)
    specs = launches(program, report)
    kernels: dict[LaunchSpec, Kernel] = {}
    for spec in dict.fromkeys(specs):
        kernel = check_kernel(program, spec, report)
        if kernel is not None:
            kernels[spec] = kernel
    if not report.failed:
        _unused(program, kernels, report)
        _unlaunched(program, specs, report)
    return Checked(program, kernels, specs, report.found)


def _lost(source: Source, mistakes: Iterable[Diagnostic]) -> Iterable[str]:
    """The names on lines that could not be read: what they define is missing through no fault of its users."""
    lines = [text.split("#")[0].strip() for text in source.text.split("\n")]
    for mistake in mistakes:
        first = last = source.position(mistake.labels[0].span.start)[0] - 1
        while first > 0 and lines[first - 1].endswith(_GOES_ON):
            first -= 1
        while last + 1 < len(lines) and lines[last].endswith(_GOES_ON):
            last += 1
        for text in lines[first : last + 1]:
            yield from re.findall(r"[^\W\d]\w*", text)


def checked(
    source: Source,
    settings: Mapping[str, Value] | None = None,
    library: Resolve | None = None,
    stages: int = STAGES,
) -> Checked:
    """`check`, raising CompileError if there is a mistake."""
    result = check(source, settings, library, stages)
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
    before: dict[str, Stream] = {}
    for _ in range(PASSES):
        cuts.grown = False
        trial = Reporter(silent=set(report.silent), unread=report.unread)
        scope = _pass(program, tree, spec, axes, cuts, tensors, trial, settled, before)
        cuts.share()
        found = {s.name: s for line in scope.lines for s in streams_of(line)}
        cuts.grown = cuts.grown or found != before
        before = found
        if settled and not cuts.grown:
            break
        settled = settled or not cuts.grown
    clashes = _clashes(cuts, tree, scope, report)
    kept = [d for d in trial.found if not (clashes and d.code in FROM_CUTS)]
    report.found.extend(d for d in kept if d not in report.found)
    if clashes or trial.failed:
        return None
    kernel = Kernel(spec.kernel, program, scope.lines, cuts, dict(roots), tensors, scope.writer)
    check_sockets(kernel, report)
    balance(kernel, report)
    return None if any(d.severity is Severity.ERROR for d in report.found) else kernel


def _arguments(
    program: Program, tree: syntax.Kernel, spec: LaunchSpec, report: Reporter
) -> tuple[dict[str, Axis], dict[str, int], dict[str, Tensor]]:
    """Axes, roots and tensors of a kernel: the program's, and those of its parameters with the launch's lengths."""
    axes, roots = dict(program.axes), dict(program.roots)
    own_tensors = any(isinstance(p.type, syntax.TensorType) for p in tree.parameters)
    tensors = {} if own_tensors else dict(program.tensors)
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


def _takes_tensors(kernel: syntax.Kernel) -> bool:
    """A kernel with tensor parameters reaches these alone; one without reaches the program's."""
    return any(isinstance(parameter.type, syntax.TensorType) for parameter in kernel.parameters)


def _pass(
    program: Program,
    tree: syntax.Kernel,
    spec: LaunchSpec,
    axes: dict[str, Axis],
    cuts: Cuts,
    tensors: dict[str, Tensor],
    report: Reporter,
    settled: bool,
    before: dict[str, Stream],
) -> Scope:
    """One pass over the lines with the cuts known so far."""
    names = {**program.names, **dict(spec.scalars)}
    scope = Scope(program, report, cuts, dict(axes), names, dict(tensors), settled=settled, before=before)
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
    if len(line.names) > 1 and not isinstance(line.body, syntax.Pcu | syntax.LayerCall):
        raise scope.report.fail(
            "RDF043",
            f"{len(line.names)} names for 1 stream",
            [(line.names[1].span, "nothing is left for this one")],
            help=f"leave `{line.names[1].text}` out, or give it a line of its own",
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
    for name, stream in zip(line.names, streams_of(found[-1]), strict=True):
        scope.define(stream, name.text)


def _holds(scope: Scope, unit: syntax.Unit) -> None:
    """`depth` and `;` stand only where something is held."""
    if unit.depth is not None and not isinstance(unit.body, syntax.Pmu | syntax.Fifo):
        raise scope.report.fail(
            "RDF046",
            "only a pmu or a fifo has a depth",
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


def _clashes(cuts: Cuts, tree: syntax.Kernel, scope: Scope, report: Reporter) -> bool:
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
                [label for cut in (a, b) for label in _cut(tree, scope, root, cut)]
                or [(tree.name.span, "in this kernel")],
                notes=["counters, copies and lanes are digits of one number: each cut is a multiple of the one before"],
                help=_dividing(a, b),
            )
    return found


def _dividing(a: int, b: int) -> str:
    """The cuts near by that would divide; a predefined one is best left alone."""
    if a in PREDEFINED.values():
        return f"cut at {' or '.join(str(n) for n in dict.fromkeys((b // a * a, -(-b // a) * a)))} instead of {b}"
    below = next(n for n in range(a - 1, 0, -1) if b % n == 0)
    above = next(n for n in range(a + 1, b + 1) if b % n == 0)
    return f"cut at {below} or {above} instead of {a}" if below > 1 else f"cut at {above} instead of {a}"


def _cut(tree: syntax.Kernel, scope: Scope, root: str, point: int) -> list[tuple[Span, str]]:
    """The first place in a kernel that cuts an axis at a point."""
    for line in tree.lines:
        annotation = getattr(line, "annotation", None)
        order = annotation.order if annotation is not None else None
        for place in (*(order.tile or ()), *order.rest, *order.lanes) if order is not None else ():
            axis = scope.axes.get(place.term.axis.text)
            if axis is None or axis.root != root:
                continue
            try:
                where = scope.interval(place.term)
            except Abandon:
                continue
            if point in (where.low, where.high):
                return [(place.span, f"cut at {point} here")]
    return []


def _unlaunched(program: Program, specs: list[LaunchSpec], report: Reporter) -> None:
    """Warn about kernels that were not checked, because nothing says with which arguments they run."""
    launched = {spec.kernel for spec in specs}
    for name, kernel in program.kernels.items():
        if name not in launched:
            call = (
                f"launch {name}({', '.join(p.name.text for p in kernel.parameters)})"
                if kernel.parameters
                else f"launch {name}"
            )
            report.warn(
                "RDF062",
                f"nothing launches `{name}`",
                [(kernel.name.span, "not checked")],
                notes=[
                    "a kernel is mapped for the lengths and scalars of a launch; without one there is nothing to check"
                ],
                help=f"`schedule {{ {call} }}`",
            )


def _unused(program: Program, kernels: Mapping[LaunchSpec, Kernel], report: Reporter) -> None:
    """Warn about streams that nobody reads and outputs that nobody writes."""
    written = set()
    for spec, kernel in kernels.items():
        read = {s.name for line in kernel.lines for s in sources_of(line)}
        read |= {line.feedback for line in kernel.lines if isinstance(line, Carry)}
        read |= {name for line in kernel.lines for name in bounds_of(line)}
        for line in kernel.lines:
            if isinstance(line, Store):
                written.add(line.view.tensor.name)
            for stream in streams_of(line):
                if stream.name not in read and "." not in stream.name:
                    report.warn(
                        "RDF042",
                        f"nothing reads `{stream.name}`",
                        [(stream.span, "its tokens go nowhere")],
                        notes=[
                            "the unit would be configured and run for nothing; it is kept, and its tokens are dropped"
                        ],
                        help="store it, use it, or delete the line",
                    )
        if _takes_tensors(program.kernels[spec.kernel]):
            written.update(t for t in program.tensors)
    for tensor in program.tensors.values():
        if tensor.direction == "output" and kernels and tensor.name not in written:
            report.warn(
                "RDF055",
                f"no kernel writes the output `{tensor.name}`",
                [(tensor.span, "it stays zero")],
                help=f"`store .. -> {tensor.name}`",
            )
