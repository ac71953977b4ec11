"""Which kernels a schedule launches, with which sizes: what must be checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rdflow.dsl import syntax
from rdflow.dsl.constants import Value, evaluate
from rdflow.dsl.launch_arguments import TensorArgument, integer, scalar_argument, tensor_argument
from rdflow.dsl.program import Program
from rdflow.dsl.report import Abandon, Reporter, plural
from rdflow.dsl.source import Span

UNROLLED = 100_000  # iterations of schedule loops that are followed


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """A kernel with the lengths of its tensor parameters and the values of its scalars: one mapping each."""

    kernel: str
    shapes: tuple[tuple[int, ...] | None, ...] = ()
    scalars: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchCall:
    """A launch as it happens: what is launched on what."""

    spec: LaunchSpec
    arguments: tuple[TensorArgument | None, ...]
    by: str | None
    span: Span


def launches(program: Program, report: Reporter) -> list[LaunchSpec]:
    """The signatures launched, in order of their first launch."""
    return list(dict.fromkeys(call.spec for call in calls(program, report)))


def calls(program: Program, report: Reporter) -> list[LaunchCall]:
    """Every launch in order. Without a schedule: each kernel without parameters once."""
    if program.schedule is None:
        return [
            LaunchCall(LaunchSpec(name), (), None, kernel.name.span)
            for name, kernel in program.kernels.items()
            if not kernel.parameters
        ]
    found: list[LaunchCall] = []
    for call in _walk(program, program.schedule.statements, {}, report):
        found.append(call)
        if len(found) > UNROLLED:
            report.add(
                "RDF061",
                f"the schedule launches more than {UNROLLED} kernels",
                [(call.span, "here")],
                notes=["loops of a schedule are followed to find every size that must be mapped"],
                help="move the loop into the kernel: a loop of the hardware costs nothing",
            )
            break
    return found


def _walk(
    program: Program, statements: tuple[syntax.Statement, ...], local: dict[str, Value], report: Reporter
) -> Iterator[LaunchCall]:
    for statement in statements:
        try:
            yield from _statement(program, statement, local, report)
        except Abandon:
            continue


def _statement(
    program: Program, statement: syntax.Statement, local: dict[str, Value], report: Reporter
) -> Iterator[LaunchCall]:
    names = {**program.names, **local}
    match statement:
        case syntax.Launch():
            call = _launch(program, statement, names, report)
            if call is not None:
                yield call
        case syntax.For(name, start, stop, body):
            first = integer(evaluate(start, names, program.lengths, report), start.span, report)
            last = integer(evaluate(stop, names, program.lengths, report), stop.span, report)
            for i in range(first, min(last, first + UNROLLED + 1)):
                yield from _walk(program, body, {**local, name.text: i}, report)
        case syntax.If(condition, then, otherwise):
            chosen = evaluate(condition, names, program.lengths, report)
            yield from _walk(program, then if chosen else otherwise, local, report)
        case syntax.Async(inner):
            yield from _statement(program, inner, local, report)
        case syntax.Let() | syntax.Activate() | syntax.Copy():
            raise report.fail(
                "RDF080",
                "this statement is checked but not executed yet",
                [
                    (
                        statement.span,
                        "values read by the schedule, pools and copies between tiers are not run in this version",
                    )
                ],
                help="launch kernels directly, with for and if over constants",
            )


def _launch(program: Program, launch: syntax.Launch, names: dict[str, Value], report: Reporter) -> LaunchCall | None:
    name = launch.target.name.text
    if launch.target.index is not None or launch.target.member is not None or name in program.pools:
        raise report.fail(
            "RDF080",
            "experts of a pool are not executed yet",
            [(launch.span, "launched here")],
            help="launch a kernel of this program by its name",
        )
    if name in report.silent:
        raise Abandon
    if name not in program.kernels:
        raise report.unknown("kernel", name, launch.target.span, list(program.kernels))
    kernel = program.kernels[name]
    given = launch.arguments or ()
    if len(given) != len(kernel.parameters):
        raise report.fail(
            "RDF060",
            f"`{name}` takes {plural(len(kernel.parameters), 'argument')}, {len(given)} {'is' if len(given) == 1 else 'are'} given",
            [(launch.span, "launched here"), (kernel.name.span, "declared here")],
            help=f"`launch {name}({', '.join(p.name.text for p in kernel.parameters)})`"
            if kernel.parameters
            else f"`launch {name}`",
        )
    shapes: list[tuple[int, ...] | None] = []
    scalars: list[tuple[str, Value]] = []
    arguments: list[TensorArgument | None] = []
    lengths: dict[str, tuple[int, Span]] = {}
    for parameter, expr in zip(kernel.parameters, given, strict=True):
        if isinstance(parameter.type, syntax.TensorType):
            argument, shape = tensor_argument(program, parameter, parameter.type, expr, names, lengths, report)
            arguments.append(argument)
            shapes.append(shape)
        else:
            scalars.append(
                (parameter.name.text, scalar_argument(program, parameter, parameter.type, expr, names, report))
            )
            arguments.append(None)
            shapes.append(None)
    return LaunchCall(LaunchSpec(name, tuple(shapes), tuple(scalars)), tuple(arguments), launch.by, launch.span)
