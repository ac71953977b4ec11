"""Which kernels a schedule launches, with which sizes: what must be checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rdflow.dsl import syntax
from rdflow.dsl.constants import Value, evaluate
from rdflow.dsl.program import Program, Tensor, dtype
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.source import Span

UNROLLED = 100_000  # iterations of schedule loops that are followed


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A tensor given to a kernel, with the axes that its view fixes."""

    tensor: str
    fixed: tuple[tuple[str, int], ...] = ()


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
            first = _integer(evaluate(start, names, program.lengths, report), start.span, report)
            last = _integer(evaluate(stop, names, program.lengths, report), stop.span, report)
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


def _integer(value: Value, span: Span, report: Reporter) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise report.fail(
            "RDF061",
            "a whole number is expected here",
            [(span, f"this is {value}")],
            notes=["loops and indices of a schedule count"],
            help="use whole numbers, params and len(axis)",
        )
    return value


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
            f"`{name}` takes {_plural(len(kernel.parameters), 'argument')}, {len(given)} {'is' if len(given) == 1 else 'are'} given",
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
            argument, shape = _tensor(program, parameter, parameter.type, expr, names, lengths, report)
            arguments.append(argument)
            shapes.append(shape)
        else:
            scalars.append((parameter.name.text, _scalar(program, parameter, parameter.type, expr, names, report)))
            arguments.append(None)
            shapes.append(None)
    return LaunchCall(LaunchSpec(name, tuple(shapes), tuple(scalars)), tuple(arguments), launch.by, launch.span)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _scalar(
    program: Program,
    parameter: syntax.KernelParameter,
    formal: syntax.Name,
    expr: syntax.Expr,
    names: dict[str, Value],
    report: Reporter,
) -> Value:
    """A scalar argument: a number of the parameter's dtype."""
    if isinstance(expr, syntax.Ref | syntax.View):
        name = expr.name if isinstance(expr, syntax.Ref) else expr.name.text
        if name in program.tensors and name not in names:
            labels = [(expr.span, f"`{name}` is a tensor"), (parameter.span, "declared here")]
            raise report.fail("RDF060", "a number is expected here", labels, help="give a number or a param")
    value = evaluate(expr, names, program.lengths, report)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str) or dtype(formal, names, report) == "int32" and not whole:
        labels = [(expr.span, f"this is {value}"), (parameter.span, "declared here")]
        raise report.fail("RDF060", f"`{parameter.name.text}` is {formal.text}", labels, help="give a whole number")
    return value


def _tensor(
    program: Program,
    parameter: syntax.KernelParameter,
    formal: syntax.TensorType,
    expr: syntax.Expr,
    names: dict[str, Value],
    lengths: dict[str, tuple[int, Span]],
    report: Reporter,
) -> tuple[TensorArgument, tuple[int, ...]]:
    """A tensor argument with the axes that its view leaves free, matched against the parameter's."""
    view = expr if isinstance(expr, syntax.View) else None
    if isinstance(expr, syntax.Ref):
        view = syntax.View(syntax.Name(expr.name, expr.span), (), expr.span)
    if view is None or view.name.text not in program.tensors:
        what = view.name.text if view is not None else "this"
        if view is not None:
            raise report.unknown("tensor", what, view.name.span, list(program.tensors))
        raise report.fail(
            "RDF060",
            "a tensor is expected here",
            [(expr.span, "an expression"), (parameter.span, "for this")],
            help="give a tensor by name, or a slice of one, as `W(l = 0)`",
        )
    tensor: Tensor = program.tensors[view.name.text]
    fixed: dict[str, int] = {}
    for binding in view.bindings:
        axis = next((a for a in tensor.axes if a.name == binding.axis.text), None)
        if axis is None:
            own = [a.name for a in tensor.axes]
            message = f"`{tensor.name}` has no axis `{binding.axis.text}`"
            raise report.unknown("axis of it", binding.axis.text, binding.axis.span, own, message)
        index = _integer(evaluate(binding.value, names, program.lengths, report), binding.span, report)
        if not 0 <= index < axis.length:
            raise report.fail(
                "RDF060",
                f"`{axis.name}` = {index} is outside of `{tensor.name}`",
                [(binding.span, "here"), (tensor.span, f"`{axis.name}` runs from 0 to {axis.length - 1}")],
                help=f"use an index from 0 to {axis.length - 1}; a loop `for i in 0..n` ends at n - 1",
            )
        fixed[axis.name] = index
    free = [a for a in tensor.axes if a.name not in fixed]
    if (
        len(free) != len(formal.places)
        or formal.dtype is not None
        and dtype(formal.dtype, names, report) != tensor.dtype
    ):
        shape = ", ".join(a.name for a in free)
        cures = []
        if formal.dtype is not None and dtype(formal.dtype, names, report) != tensor.dtype:
            cures.append(
                f"declare the parameter `{parameter.name.text}: {tensor.dtype}[..]`, or give a tensor of {formal.dtype.text}"
            )
        if len(free) > len(formal.places):
            slice_ = ", ".join(f"{a.name} = 0" for a in free[: len(free) - len(formal.places)])
            cures.append(f"fix what is too much with a view: `{tensor.name}({slice_})`")
        if len(free) < len(formal.places):
            cures.append(f"give a tensor with {_plural(len(formal.places), 'axis').replace('axiss', 'axes')}")
        raise report.fail(
            "RDF060",
            f"`{tensor.name}` does not fit parameter `{parameter.name.text}`",
            [(expr.span, f"{tensor.dtype}[{shape}]"), (parameter.span, "declared here"), (tensor.span, "the tensor")],
            help="; ".join(cures),
        )
    _same_sockets(parameter, formal, expr, tensor, fixed, report)
    for place, axis in zip(formal.places, free, strict=True):
        name = place.term.axis.text
        known = lengths.setdefault(name, (axis.length, expr.span))
        if known[0] != axis.length:
            raise report.fail(
                "RDF060",
                f"`{name}` would be {known[0]} and {axis.length} in one launch",
                [
                    (expr.span, f"`{axis.name}` has {axis.length}"),
                    (known[1], f"{known[0]} from here"),
                    (parameter.span, "declared here"),
                ],
                help="the axes of a kernel's parameters take their lengths from the arguments: they must agree",
            )
    return TensorArgument(tensor.name, tuple(fixed.items())), tuple(a.length for a in free)


def _same_sockets(
    parameter: syntax.KernelParameter,
    formal: syntax.TensorType,
    expr: syntax.Expr,
    tensor: Tensor,
    fixed: Mapping[str, int],
    report: Reporter,
) -> None:
    """The argument is sharded where the parameter is: a kernel finds each index of such an axis on a socket of its own."""
    places = iter(formal.places)
    for axis, sharded in zip(tensor.axes, tensor.sharded, strict=True):
        wanted = next(places).at == "socket" if axis.name not in fixed else False
        if axis.length > 1 and sharded != wanted:
            there = f"`{axis.name} @socket`" if sharded else f"`{axis.name}` whole on every socket"
            raise report.fail(
                "RDF060",
                f"`{tensor.name}` does not lie on the sockets as parameter `{parameter.name.text}` says",
                [(expr.span, there), (parameter.span, "declared here"), (tensor.span, "the tensor")],
                notes=["a launch passes addresses: it moves nothing from socket to socket"],
                help="write `@socket` on the same axis of the tensor and of the parameter, or on neither",
            )
