"""Declarations: params, axes, tensors, kernels, layers, the schedule."""

from __future__ import annotations

from collections.abc import Mapping

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.constants import evaluate
from rdflow.dsl.declare_axes import axis
from rdflow.dsl.declare_names import claim, predefined
from rdflow.dsl.declare_tensors import dtype, tensor, whole_axes
from rdflow.dsl.libraries import Brought, mentioned, read
from rdflow.dsl.orders import BYTES
from rdflow.dsl.pools import pool as declare_pool
from rdflow.dsl.program import PREDEFINED, SCALARS, STAGES, Program, Resolve
from rdflow.dsl.report import Abandon, Reporter
from rdflow.dsl.source import NOWHERE, Span


def declare(
    module: syntax.Module,
    settings: Mapping[str, Value],
    report: Reporter,
    library: Resolve | None = None,
    stages: int = STAGES,
) -> Program:
    """Resolve a module's declarations, with params set as `settings` say, for units of so many stages. Mistakes are
    reported; the rest is kept."""
    program = Program(module.source, module, names=PREDEFINED | {"ST": stages}, stages=stages)
    for item in module.items:
        try:
            _declare(program, item, settings, report, library)
        except Abandon:
            report.silent |= _declared(item) - set(program.spans)
            program.library_missing |= isinstance(item, syntax.Use)
    _brought(program, report)
    for name in settings:
        if name not in program.params:
            report.unknown("param", name, NOWHERE, list(program.params))
    return program


def _declare(
    program: Program, item: syntax.Item, settings: Mapping[str, Value], report: Reporter, library: Resolve | None
) -> None:
    match item:
        case syntax.Param():
            _param(program, item, settings, report)
        case syntax.Axis():
            axis(program, item, report)
        case syntax.Tensor():
            program.tensors[item.name.text] = tensor(program, item, report)
            claim(program, item.name, report)
        case syntax.Kernel():
            _parameters(program, item, report)
            claim(program, item.name, report)
            program.kernels[item.name.text] = item
        case syntax.Layer():
            claim(program, item.name, report)
            program.layers[item.name.text] = (item, program.source)
        case syntax.Pool():
            pool = declare_pool(program, item, report, library)
            claim(program, item.name, report)
            program.pools[item.name.text] = pool
        case syntax.Use():
            _use(program, item, report, library)
        case syntax.Schedule():
            if program.schedule is not None:
                labels = [(item.span, "a second schedule"), (program.schedule.span, "the first one")]
                raise report.fail(
                    "RDF011", "a program has one schedule", labels, help="put both into one `schedule { }`"
                )
            program.schedule = item


def _declared(item: syntax.Item) -> set[str]:
    """The name that a declaration was to give."""
    return set() if isinstance(item, syntax.Use | syntax.Schedule) else {item.name.text}


def _parameters(program: Program, kernel: syntax.Kernel, report: Reporter) -> None:
    """A kernel's parameters: each name once, whole axes, scalars of a dtype that a register holds."""
    seen: dict[str, Span] = {}
    for parameter in kernel.parameters:
        name = parameter.name
        if name.text in PREDEFINED:
            raise predefined(name, report)
        if name.text in seen:
            labels = [(name.span, "declared again"), (seen[name.text], "first declared here")]
            message = f"`{name.text}` is declared twice"
            raise report.fail("RDF011", message, labels, help="rename one of them")
        seen[name.text] = name.span
        if isinstance(parameter.type, syntax.TensorType):
            whole_axes(parameter.type, report)
            if parameter.type.dtype is not None:
                dtype(parameter.type.dtype, program.names, report)
        elif dtype(parameter.type, program.names, report) not in SCALARS:
            raise report.fail(
                "RDF016",
                f"a scalar parameter is not {parameter.type.text}",
                [(parameter.type.span, "a launch loads this into a register")],
                notes=["argument registers hold 32 bits: a whole number or a float"],
                help=f"`{name.text}: f32` or `{name.text}: int32`",
            )


def _param(program: Program, item: syntax.Param, settings: Mapping[str, Value], report: Reporter) -> None:
    name = item.name.text
    default = (
        item.value.name
        if isinstance(item.value, syntax.Ref) and item.value.name in BYTES
        else evaluate(item.value, program.names, program.lengths, report)
    )
    value = settings.get(name, default)
    if isinstance(default, str) != isinstance(value, str) or isinstance(value, str) and value not in BYTES:
        report.add(
            "RDF017",
            f"`{name}` cannot be {value}",
            [(item.span, f"its default is {default}")],
            help=f"give {'a dtype: ' + ', '.join(BYTES) if isinstance(default, str) else 'a number'}",
        )
        value = default
    claim(program, item.name, report)
    program.names[name] = program.params[name] = value


def _use(program: Program, item: syntax.Use, report: Reporter, library: Resolve | None) -> None:
    """Bring a library file's layers and kernels into the program."""
    found = read(program, item, report, library)
    for name, entry in found.layers.items():
        claim(program, syntax.Name(name, item.span), report)
        program.layers[name] = entry
    for kernel in found.kernels:
        claim(program, syntax.Name(kernel.name.text, item.span), report)
        program.kernels[kernel.name.text] = kernel
        program.brought[kernel.name.text] = Brought(found.source, item.span)


def _brought(program: Program, report: Reporter) -> None:
    """Hold the parameters of a library's kernels against the names of this program, those that it launches."""
    launched = set(mentioned(program.schedule.statements)) if program.schedule is not None else set()
    for name in launched & set(program.brought):
        brought, outside = program.brought[name], (report.origin, list(report.callers))
        report.origin, report.callers = brought.source, [*report.callers, brought.label]
        try:
            _parameters(program, program.kernels[name], report)
        except Abandon:
            report.silent.add(name)
            del program.kernels[name]
        finally:
            report.origin, report.callers = outside
