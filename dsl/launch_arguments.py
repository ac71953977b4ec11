"""The arguments of a launch, matched against the parameters of its kernel."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import Axis
from rdflow.dsl.constants import evaluate
from rdflow.dsl.declare_tensors import dtype
from rdflow.dsl.diagnostics import Label
from rdflow.dsl.program import Program, Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import At, Reporter, plural
from rdflow.dsl.source import Span


@dataclass(frozen=True, slots=True)
class TensorArgument:
    """A tensor given to a kernel, with the axes that its view fixes."""

    tensor: str
    fixed: tuple[tuple[str, int], ...] = ()


def integer(value: Value, span: Span, report: Reporter) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise report.fail(
            "RDF061",
            "a whole number is expected here",
            [(span, f"this is {value}")],
            notes=["loops and indices of a schedule count"],
            help="use whole numbers, params and len(axis)",
        )
    return value


def scalar_argument(
    program: Program,
    home: Program,
    parameter: syntax.KernelParameter,
    formal: syntax.Name,
    expr: syntax.Expr,
    names: dict[str, Value],
    report: Reporter,
) -> Value:
    """A scalar argument: a number of the dtype of the parameter, which is declared in `home`."""
    declared = Label(parameter.span, "declared here", home.source)
    labels: list[At]
    if isinstance(expr, syntax.Ref | syntax.View):
        name = expr.name if isinstance(expr, syntax.Ref) else expr.name.text
        if name in program.tensors and name not in names:
            labels = [(expr.span, f"`{name}` is a tensor"), declared]
            raise report.fail("RDF060", "a number is expected here", labels, help="give a number or a param")
    value = evaluate(expr, names, program.lengths, report)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, str) or dtype(formal, home.names, report) == "int32" and not whole:
        labels = [(expr.span, f"this is {value}"), declared]
        raise report.fail("RDF060", f"`{parameter.name.text}` is {formal.text}", labels, help="give a whole number")
    return value


def tensor_argument(
    program: Program,
    home: Program,
    parameter: syntax.KernelParameter,
    formal: syntax.TensorType,
    expr: syntax.Expr,
    names: dict[str, Value],
    lengths: dict[str, tuple[int, Span]],
    report: Reporter,
) -> tuple[TensorArgument, tuple[int, ...]]:
    """A tensor argument with the axes that its view leaves free, matched against the parameter's, declared in `home`."""
    view = _view(program, home, parameter, expr, report)
    argument, tensor, free = _sliced(program, view, names, report)
    declared = Label(parameter.span, "declared here", home.source)
    wanted = None if formal.dtype is None else dtype(formal.dtype, home.names, report)
    _fits(parameter.name.text, declared, wanted, len(formal.places), expr, tensor, free, report)
    sharded = [place.at == "socket" for place in formal.places]
    _same_sockets(parameter.name.text, declared, sharded, expr, tensor, argument, report)
    for place, axis in zip(formal.places, free, strict=True):
        _same_length(declared, place.term.axis.text, expr, axis, lengths, report)
    return argument, tuple(a.length for a in free)


def bound_tensor(
    program: Program, home: Program, binding: syntax.Binding, names: dict[str, Value], report: Reporter
) -> tuple[str, TensorArgument]:
    """A tensor of an expert's program, and what stands for it."""
    name = binding.axis.text
    if name not in home.tensors:
        raise report.unknown("tensor of the expert", name, binding.axis.span, list(home.tensors))
    own = home.tensors[name]
    declared = Label(own.span, "declared here", home.source)
    view = as_view(binding.value)
    if view is None or view.name.text not in program.tensors:
        labels: list[At] = [(binding.value.span, "not a tensor of this program"), declared]
        raise report.fail(
            "RDF060", "a tensor is expected here", labels, help=f"`{name} = {next(iter(program.tensors), 'X')}`"
        )
    argument, tensor, free = _sliced(program, view, names, report)
    _fits(name, declared, own.dtype, len(own.axes), binding.value, tensor, free, report)
    _same_sockets(name, declared, own.sharded, binding.value, tensor, argument, report)
    lengths = {axis.name: (axis.length, own.span) for axis in own.axes}
    for mine, axis in zip(own.axes, free, strict=True):
        if mine.length != axis.length:
            labels = [(binding.value.span, f"`{axis.name}` has {axis.length}"), declared]
            message = f"`{mine.name}` of `{name}` has {lengths[mine.name][0]} values"
            raise report.fail("RDF060", message, labels, help="set the params of both programs so that they agree")
    return name, argument


def slice_of(program: Program, view: syntax.View, names: dict[str, Value], report: Reporter) -> TensorArgument:
    """A tensor of the program with some axes fixed."""
    if view.name.text not in program.tensors:
        raise report.unknown("tensor", view.name.text, view.name.span, list(program.tensors))
    return _sliced(program, view, names, report)[0]


def element(program: Program, view: syntax.View, names: dict[str, Value], report: Reporter) -> TensorArgument:
    """One element of a tensor: all axes are fixed."""
    found = slice_of(program, view, names, report)
    tensor = program.tensors[view.name.text]
    free = [axis.name for axis in tensor.axes if axis.name not in dict(found.fixed)]
    if free:
        labels = [
            (view.span, "one value is read here"),
            (tensor.span, f"`{tensor.name}` has {plural(len(tensor.axes), 'axis')}"),
        ]
        message = f"which {', '.join(f'`{name}`' for name in free)} of `{tensor.name}`?"
        raise report.fail(
            "RDF060", message, labels, help=f"`{tensor.name}({', '.join(f'{a.name} = 0' for a in tensor.axes)})`"
        )
    return found


def same_shape(
    program: Program, statement: syntax.Copy, source: TensorArgument, target: TensorArgument, report: Reporter
) -> None:
    """Both ends of a copy have the same dtype, lengths and sockets."""
    kinds = []
    for argument in (source, target):
        tensor, fixed = program.tensors[argument.tensor], dict(argument.fixed)
        free = [(a.length, s) for a, s in zip(tensor.axes, tensor.sharded, strict=True) if a.name not in fixed]
        kinds.append((tensor.dtype, free))
    if kinds[0] != kinds[1]:
        shapes = [", ".join(f"{n} @socket" if s else str(n) for n, s in free) for _, free in kinds]
        told = [f"{dtype}[{shape}]" for (dtype, _), shape in zip(kinds, shapes, strict=True)]
        labels = [(statement.source.span, told[0]), (statement.target.span, told[1])]
        notes = ["a copy moves bytes as they are, on every socket its own"]
        help = "fix or free axes with a view until both have the same lengths"
        raise report.fail("RDF060", "the ends of this copy differ", labels, notes, help)


def _sliced(
    program: Program, view: syntax.View, names: dict[str, Value], report: Reporter
) -> tuple[TensorArgument, Tensor, list[Axis]]:
    """A view of a tensor: the axes that it fixes, and those that it leaves free."""
    tensor = program.tensors[view.name.text]
    fixed = dict(_fixed(program, tensor, binding, names, report) for binding in view.bindings)
    return TensorArgument(tensor.name, tuple(fixed.items())), tensor, [a for a in tensor.axes if a.name not in fixed]


def as_view(expr: syntax.Expr) -> syntax.View | None:
    """A tensor by name, or a slice of one, as a view; None if it is another expression."""
    if isinstance(expr, syntax.Ref):
        return syntax.View(syntax.Name(expr.name, expr.span), (), expr.span)
    return expr if isinstance(expr, syntax.View) else None


def _view(
    program: Program, home: Program, parameter: syntax.KernelParameter, expr: syntax.Expr, report: Reporter
) -> syntax.View:
    """The argument as a view of a tensor."""
    view = as_view(expr)
    if view is None:
        raise report.fail(
            "RDF060",
            "a tensor is expected here",
            [(expr.span, "an expression"), Label(parameter.span, "for this", home.source)],
            help="give a tensor by name, or a slice of one, as `W(l = 0)`",
        )
    if view.name.text not in program.tensors:
        raise report.unknown("tensor", view.name.text, view.name.span, list(program.tensors))
    return view


def _fixed(
    program: Program, tensor: Tensor, binding: syntax.Binding, names: dict[str, Value], report: Reporter
) -> tuple[str, int]:
    """The axis that a binding fixes, and its index."""
    axis = next((a for a in tensor.axes if a.name == binding.axis.text), None)
    if axis is None:
        own = [a.name for a in tensor.axes]
        message = f"`{tensor.name}` has no axis `{binding.axis.text}`"
        raise report.unknown("axis of it", binding.axis.text, binding.axis.span, own, message)
    index = integer(evaluate(binding.value, names, program.lengths, report), binding.span, report)
    if not 0 <= index < axis.length:
        raise report.fail(
            "RDF060",
            f"`{axis.name}` = {index} is outside of `{tensor.name}`",
            [(binding.span, "here"), (tensor.span, f"`{axis.name}` runs from 0 to {axis.length - 1}")],
            help=f"use an index from 0 to {axis.length - 1}; a loop `for i in 0..n` ends at n - 1",
        )
    return axis.name, index


def _fits(
    name: str,
    declared: Label,
    wanted: str | None,
    axes: int,
    expr: syntax.Expr,
    tensor: Tensor,
    free: Sequence[Axis],
    report: Reporter,
) -> None:
    """The argument has the dtype of the parameter and as many free axes."""
    converts = wanted is not None and wanted != tensor.dtype
    if len(free) == axes and not converts:
        return
    shape = ", ".join(a.name for a in free)
    cures = []
    if converts:
        cures.append(f"declare the parameter `{name}: {tensor.dtype}[..]`, or give a tensor of {wanted}")
    if len(free) > axes:
        slice_ = ", ".join(f"{a.name} = 0" for a in free[: len(free) - axes])
        cures.append(f"fix what is too much with a view: `{tensor.name}({slice_})`")
    if len(free) < axes:
        cures.append(f"give a tensor with {plural(axes, 'axis')}")
    raise report.fail(
        "RDF060",
        f"`{tensor.name}` does not fit parameter `{name}`",
        [(expr.span, f"{tensor.dtype}[{shape}]"), declared, (tensor.span, "the tensor")],
        help="; ".join(cures),
    )


def _same_length(
    declared: Label,
    name: str,
    expr: syntax.Expr,
    axis: Axis,
    lengths: dict[str, tuple[int, Span]],
    report: Reporter,
) -> None:
    """The axis has the length that the arguments before it gave the parameter's axis `name`."""
    length, given = lengths.setdefault(name, (axis.length, expr.span))
    if length != axis.length:
        raise report.fail(
            "RDF060",
            f"`{name}` would be {length} and {axis.length} in one launch",
            [
                (expr.span, f"`{axis.name}` has {axis.length}"),
                (given, f"{length} from here"),
                declared,
            ],
            help="the axes of a kernel's parameters take their lengths from the arguments: they must agree",
        )


def _same_sockets(
    name: str,
    declared: Label,
    formal: Sequence[bool],
    expr: syntax.Expr,
    tensor: Tensor,
    argument: TensorArgument,
    report: Reporter,
) -> None:
    """The argument is sharded where the parameter is: a kernel finds each index of such an axis on a socket of its own."""
    places, fixed = iter(formal), dict(argument.fixed)
    for axis, sharded in zip(tensor.axes, tensor.sharded, strict=True):
        wanted = next(places) if axis.name not in fixed else False
        if axis.length > 1 and sharded != wanted:
            there = f"`{axis.name} @socket`" if sharded else f"`{axis.name}` whole on every socket"
            raise report.fail(
                "RDF060",
                f"`{tensor.name}` does not lie on the sockets as parameter `{name}` says",
                [(expr.span, there), declared, (tensor.span, "the tensor")],
                notes=["a launch passes addresses: it moves nothing from socket to socket"],
                help="write `@socket` on the same axis of the tensor and of the parameter, or on neither",
            )
