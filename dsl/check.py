"""Checks a program: its declarations, then each kernel with the sizes that its launches give it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Argument, Known, Needed
from rdflow.dsl.arguments import parameter as register
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import Axis, Cuts
from rdflow.dsl.balance import balance
from rdflow.dsl.check_arguments import refuse_deciding
from rdflow.dsl.check_carry import check_feedback, fed
from rdflow.dsl.check_cuts import clashes
from rdflow.dsl.check_declared import declared_specs
from rdflow.dsl.check_lines import check_lines
from rdflow.dsl.check_sockets import check_sockets
from rdflow.dsl.check_unused import unlaunched, unused
from rdflow.dsl.checked import Carry, Kernel, Stream, streams_of
from rdflow.dsl.declare import declare
from rdflow.dsl.declare_tensors import dtype
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label, Severity
from rdflow.dsl.launched import Judges
from rdflow.dsl.launches import LaunchCall, LaunchSpec, Step, Walked, follow, respecified, signatures
from rdflow.dsl.layers import moved
from rdflow.dsl.parse import parse
from rdflow.dsl.pools import elsewhere, homes
from rdflow.dsl.program import STAGES, Program, Resolve, Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Source
from rdflow.dsl.unread import lost_names

FROM_CUTS = {"RDF022", "RDF023", *(f"RDF03{i}" for i in range(10)), "RDF054"}  # what a bad cut alone may lead to
PASSES = 32


@dataclass
class Checked:
    """A program with every kernel that its schedule launches, by signature. `diagnostics`: all that was found."""

    program: Program
    kernels: dict[LaunchSpec, Kernel]
    launches: list[LaunchSpec]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    walked: Walked | None = None
    judges: Judges = field(default_factory=Judges, repr=False, compare=False)

    @property
    def steps(self) -> Walked:
        """What the schedule does, as far as it is known before anything runs."""
        if self.walked is None:
            self.walked = follow(self.program, Reporter())
        return self.walked

    def kernel(self, spec: LaunchSpec) -> Kernel:
        """A kernel by signature: one that a value decides is checked when it is launched. Raises CompileError."""
        if spec not in self.kernels:
            report = Reporter()
            found = check_home(self.program, spec, report)
            if found is None:
                raise CompileError(report.found, self.program.source)
            self.kernels[spec] = found
        return self.kernels[spec]

    def settled(self, call: LaunchCall) -> LaunchCall:
        """A launch with the signature of its kernel, where a value decided it. Raises CompileError for what is wrong."""
        while True:
            call = respecified(self.program, call)
            try:
                kernel = self.kernel(call.spec)
            except Needed as needed:
                decide(self.program, call.spec, needed)
                continue
            found = self.judges.mistakes(kernel, call)
            if found:
                raise CompileError(found, self.program.source)
            return call

    def calls(self, steps: Iterable[object]) -> Iterator[LaunchCall]:
        """The launches among steps of the schedule, each settled when it is asked for."""
        return (self.settled(step) for step in steps if isinstance(step, LaunchCall))

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.diagnostics if d.severity is Severity.ERROR]


def check(
    source: Source,
    settings: Mapping[str, Value] | None = None,
    library: Resolve | None = None,
    stages: int = STAGES,
    most: int | None = None,
) -> Checked:
    """Parse and check a text, for units of so many stages. Never raises for the user's mistakes: they are in `diagnostics`.
    `most`: of its schedule so many steps are followed (None: all)."""
    module, found = parse(source)
    report = Reporter(list(found), silent=set(lost_names(source, found)), unread=tuple(d.labels[0].span for d in found))
    program = declare(module, settings or {}, report, library, stages)
    followed = follow(program, report, most)
    unread = program.schedule is not None and report.failed
    judges = Judges()
    walked, specs, kernels = check_kernels(program, followed.steps, report, judges)
    if unread:
        check_declared(program, specs, report)
    if not report.failed:
        unused(program, kernels, walked, report)
        unlaunched(program, walked, report)
    return Checked(program, kernels, specs, report.found, followed, judges)


def checked(
    source: Source,
    settings: Mapping[str, Value] | None = None,
    library: Resolve | None = None,
    stages: int = STAGES,
    most: int | None = None,
) -> Checked:
    """`check`, raising CompileError if there is a mistake."""
    result = check(source, settings, library, stages, most)
    if result.errors:
        raise CompileError(result.diagnostics, source)
    return result


def check_kernels(
    program: Program, walked: Sequence[Step], report: Reporter, judges: Judges
) -> tuple[list[Step], list[LaunchSpec], dict[LaunchSpec, Kernel]]:
    """The steps of a schedule, what they launch by signature, and the kernels that are right."""
    tried: dict[LaunchSpec, Kernel | None] = {}
    while True:
        found = [respecified(program, s) if isinstance(s, LaunchCall) else s for s in walked]
        specs = signatures(found)
        new = next((spec for spec in specs if spec not in tried), None)
        if new is None:
            break
        try:
            tried[new] = check_home(program, new, report)
        except Needed as needed:
            decide(program, new, needed)
    launches = {(s.spec, s.scalars): s for s in found if isinstance(s, LaunchCall)}
    for call in launches.values():
        kernel = tried.get(call.spec)
        if kernel is not None:
            report.found.extend(d for d in judges.mistakes(kernel, call) if d not in report.found)
    return found, specs, {spec: kernel for spec in specs if (kernel := tried[spec]) is not None}


def check_declared(program: Program, launched: Iterable[LaunchSpec], report: Reporter) -> None:
    """Check the kernels whose launch may be among what could not be read, so that all mistakes are told at once."""
    for spec in declared_specs(program, launched):
        with suppress(Needed):  # how it is built is the launch's to decide
            check_kernel(program, spec, report)


def decide(program: Program, spec: LaunchSpec, needed: Needed) -> None:
    """Keep that the numbers of some parameters decide how a kernel is built."""
    known, key = program.home(spec.home).constant, (spec.kernel, spec.shapes)
    known[key] = known.get(key, frozenset()) | needed.names


def check_home(program: Program, spec: LaunchSpec, report: Reporter) -> Kernel | None:
    """`check_kernel` of the program that the kernel is in: this one, or an expert's, whose mistakes name the pool."""
    if not spec.home:
        return check_kernel(program, spec, report)
    pool, kind = next((pool, kind) for pool, kind in homes(program.pools) if kind.home == spec.home)
    inner = Reporter()
    kernel = check_kernel(kind.program, spec, inner)
    end = Label(pool.span, "an expert of this pool", program.source)
    report.found.extend(d for d in elsewhere(inner.found, kind.program.source, end) if d not in report.found)
    return kernel


def check_kernel(program: Program, spec: LaunchSpec, report: Reporter) -> Kernel | None:
    """One kernel with the lengths of a launch; None if it has mistakes (reported).

    Raises Needed where scalars decide how it is built.
    """
    found = _lines(program, spec, report)
    if found is None:
        return None
    check_sockets(found, report)
    balance(found, report)
    return None if any(d.severity is Severity.ERROR for d in report.found) else found


def _lines(program: Program, spec: LaunchSpec, report: Reporter) -> Kernel | None:
    """A kernel whose lines have their types. Those of a kernel from a library stand where it is brought in."""
    brought = program.brought.get(spec.kernel)
    if brought is None:
        return _typed(program, spec, report)
    outside = (report.origin, list(report.callers))
    report.origin, report.callers = brought.source, [*report.callers, brought.label]
    try:
        kernel = _typed(program, spec, report)
    finally:
        report.origin, report.callers = outside
    if kernel is not None:
        kernel.lines[:] = [moved(line, brought.span) for line in kernel.lines]
        kernel.tensors.update({name: moved(tensor, brought.span) for name, tensor in kernel.tensors.items()})
    return kernel


def _typed(program: Program, spec: LaunchSpec, report: Reporter) -> Kernel | None:
    """A kernel whose lines have their types, found in passes: each knows the cuts of the one before."""
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
        trial = Reporter(
            origin=report.origin, callers=list(report.callers), silent=set(report.silent), unread=report.unread
        )
        scope = _pass(program, tree, spec, axes, cuts, tensors, trial, settled, before)
        cuts.share()
        found = {s.name: s for line in scope.lines for s in streams_of(line)} | scope.named
        cuts.grown = cuts.grown or found != before
        before = found
        if settled and not cuts.grown:
            break
        settled = settled or not cuts.grown
    arguments = tuple(a for a in registers(program, tree, spec, report))
    kernel = Kernel(spec.kernel, program, scope.lines, cuts, dict(roots), tensors, scope.writer, scalars=arguments)
    uneven = clashes(cuts, tree, scope, report)
    if arguments and not (uneven or trial.failed):
        refuse_deciding(kernel)
    kept = [d for d in trial.found if not (uneven and d.code in FROM_CUTS)]
    report.found.extend(d for d in kept if d not in report.found)
    return None if uneven or trial.failed else kernel


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
    for name, tier in spec.tiers:
        tensors[name] = replace(tensors[name], tier=tier)
    return axes, roots, tensors


def registers(program: Program, tree: syntax.Kernel, spec: LaunchSpec, report: Reporter) -> dict[str, Argument]:
    """The scalar parameters that each launch gives a number of its own."""
    scalars = [(p.name.text, p.type) for p in tree.parameters if not isinstance(p.type, syntax.TensorType)]
    decided = dict(spec.constants)
    return {name: register(name, dtype(t, program.names, report)) for name, t in scalars if name not in decided}


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
    names: dict[str, Known] = {**program.names, **dict(spec.constants), **registers(program, tree, spec, report)}
    scope = Scope(program, report, cuts, dict(axes), names, dict(tensors), settled=settled, before=before)
    check_lines(scope, tree.lines)
    for number, line in enumerate(scope.lines):
        if isinstance(line, Carry):
            scope.lines[number] = closed = fed(scope, line)
            check_feedback(scope, closed)
    return scope
