"""A launch as the schedule says it, matched against its kernel: its signature, and what it is launched on."""

from __future__ import annotations

from collections.abc import Iterable

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import Label
from rdflow.dsl.launch_arguments import TensorArgument, bound_tensor, scalar_argument, tensor_argument
from rdflow.dsl.pools import Expert
from rdflow.dsl.program import Program
from rdflow.dsl.report import Abandon, At, Reporter, plural
from rdflow.dsl.source import Span
from rdflow.dsl.steps import LaunchCall, LaunchSpec


def launch(
    program: Program, statement: syntax.Launch, expert: Expert | None, names: dict[str, Value], report: Reporter
) -> LaunchCall:
    """A launch with its arguments, of this program's kernel or of an expert's."""
    kind = None if expert is None else program.pools[expert.pool].kind(expert.number)
    home = program if kind is None else kind.program
    kernel = _kernel(home, statement, expert, report)
    home = home.beside(kernel.name.text)
    given = statement.arguments or ()
    if len(given) != len(kernel.parameters):
        raise _miscounted(home, statement, kernel, report)
    shapes: list[tuple[int, ...] | None] = []
    scalars: list[tuple[str, Value]] = []
    arguments: list[TensorArgument | None] = []
    lengths: dict[str, tuple[int, Span]] = {}
    for parameter, expr in zip(kernel.parameters, given, strict=True):
        if isinstance(parameter.type, syntax.TensorType):
            argument, shape = tensor_argument(program, home, parameter, parameter.type, expr, names, lengths, report)
            arguments.append(argument)
            shapes.append(shape)
        else:
            value = scalar_argument(program, home, parameter, parameter.type, expr, names, report)
            scalars.append((parameter.name.text, value))
            arguments.append(None)
            shapes.append(None)
    bound = _bound(program, home, statement, kernel, expert, names, report)
    tiers = tuple(_tiers(program, home, kernel, arguments, bound))
    decide = home.constant.get((kernel.name.text, tuple(shapes)), frozenset())
    constants = tuple((n, v) for n, v in scalars if n in decide)
    spec = LaunchSpec(kernel.name.text, tuple(shapes), constants, "" if kind is None else kind.home, tiers)
    return LaunchCall(spec, tuple(arguments), statement.by, statement.span, expert, bound, scalars=tuple(scalars))


def _kernel(home: Program, statement: syntax.Launch, expert: Expert | None, report: Reporter) -> syntax.Kernel:
    target = statement.target
    member = target.name if expert is None else target.member
    if expert is None and (target.index is not None or target.member is not None):
        if target.name.text in report.silent:
            raise Abandon
        raise report.unknown("pool", target.name.text, target.name.span, [])
    if member is None:
        help = f"`launch {target.name.text}[..].{next(iter(home.kernels), 'run')}`"
        raise report.fail("RDF082", "which kernel of the expert?", [(target.span, "an expert is a program")], help=help)
    if expert is None and member.text in report.silent:
        raise Abandon
    if member.text not in home.kernels:
        raise report.unknown("kernel", member.text, member.span, list(home.kernels))
    return home.kernels[member.text]


def _miscounted(home: Program, statement: syntax.Launch, kernel: syntax.Kernel, report: Reporter) -> Abandon:
    name, count = kernel.name.text, len(statement.arguments or ())
    takes = plural(len(kernel.parameters), "argument")
    message = f"`{name}` takes {takes}, {count} {'is' if count == 1 else 'are'} given"
    labels: list[At] = [(statement.span, "launched here"), Label(kernel.name.span, "declared here", home.source)]
    names = ", ".join(p.name.text for p in kernel.parameters)
    return report.fail("RDF060", message, labels, help=f"`launch {name}({names})`" if names else f"`launch {name}`")


def _bound(
    program: Program,
    home: Program,
    statement: syntax.Launch,
    kernel: syntax.Kernel,
    expert: Expert | None,
    names: dict[str, Value],
    report: Reporter,
) -> tuple[tuple[str, TensorArgument], ...]:
    """The tensors of an expert's program that the launch gives it."""
    takes = any(isinstance(p.type, syntax.TensorType) for p in kernel.parameters)
    for binding in statement.bindings:
        if expert is None or takes:
            labels: list[At] = [(binding.span, "given by name"), Label(kernel.name.span, "declared here", home.source)]
            help = f"give it in the place of its parameter: `launch {kernel.name.text}(..)`"
            message = "only the tensors of an expert's program are given by name"
            raise report.fail("RDF060", message, labels, help=help)
    found = (bound_tensor(program, home, binding, names, report) for binding in statement.bindings)
    return tuple(found)


def _tiers(
    program: Program,
    home: Program,
    kernel: syntax.Kernel,
    arguments: Iterable[TensorArgument | None],
    bound: Iterable[tuple[str, TensorArgument]],
) -> Iterable[tuple[str, str]]:
    """Where tensors are that the kernel would look for elsewhere: parameters in HBM, others where they are declared."""
    for parameter, argument in zip(kernel.parameters, arguments, strict=True):
        if argument is not None and program.tensors[argument.tensor].tier != "hbm":
            yield parameter.name.text, program.tensors[argument.tensor].tier
    for name, argument in bound:
        if program.tensors[argument.tensor].tier != home.tensors[name].tier:
            yield name, program.tensors[argument.tensor].tier
