"""The arguments of a launch, matched against the parameters of its kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis
from rdflow.dsl.constants import Value, evaluate
from rdflow.dsl.program import Program, Tensor, dtype
from rdflow.dsl.report import Reporter, plural
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


def tensor_argument(
    program: Program,
    parameter: syntax.KernelParameter,
    formal: syntax.TensorType,
    expr: syntax.Expr,
    names: dict[str, Value],
    lengths: dict[str, tuple[int, Span]],
    report: Reporter,
) -> tuple[TensorArgument, tuple[int, ...]]:
    """A tensor argument with the axes that its view leaves free, matched against the parameter's."""
    view = _view(program, parameter, expr, report)
    tensor = program.tensors[view.name.text]
    fixed = dict(_fixed(program, tensor, binding, names, report) for binding in view.bindings)
    free = [a for a in tensor.axes if a.name not in fixed]
    _fits(parameter, formal, expr, tensor, free, names, report)
    _same_sockets(parameter, formal, expr, tensor, fixed, report)
    for place, axis in zip(formal.places, free, strict=True):
        _same_length(parameter, place.term.axis.text, expr, axis, lengths, report)
    return TensorArgument(tensor.name, tuple(fixed.items())), tuple(a.length for a in free)


def _view(program: Program, parameter: syntax.KernelParameter, expr: syntax.Expr, report: Reporter) -> syntax.View:
    """The argument as a view of a tensor."""
    view = expr if isinstance(expr, syntax.View) else None
    if isinstance(expr, syntax.Ref):
        view = syntax.View(syntax.Name(expr.name, expr.span), (), expr.span)
    if view is None:
        raise report.fail(
            "RDF060",
            "a tensor is expected here",
            [(expr.span, "an expression"), (parameter.span, "for this")],
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
    parameter: syntax.KernelParameter,
    formal: syntax.TensorType,
    expr: syntax.Expr,
    tensor: Tensor,
    free: Sequence[Axis],
    names: dict[str, Value],
    report: Reporter,
) -> None:
    """The argument has the dtype of the parameter and as many free axes."""
    converts = formal.dtype is not None and dtype(formal.dtype, names, report) != tensor.dtype
    if len(free) == len(formal.places) and not converts:
        return
    shape = ", ".join(a.name for a in free)
    cures = []
    if formal.dtype is not None and converts:
        cures.append(
            f"declare the parameter `{parameter.name.text}: {tensor.dtype}[..]`, or give a tensor of {formal.dtype.text}"
        )
    if len(free) > len(formal.places):
        slice_ = ", ".join(f"{a.name} = 0" for a in free[: len(free) - len(formal.places)])
        cures.append(f"fix what is too much with a view: `{tensor.name}({slice_})`")
    if len(free) < len(formal.places):
        cures.append(f"give a tensor with {plural(len(formal.places), 'axis')}")
    raise report.fail(
        "RDF060",
        f"`{tensor.name}` does not fit parameter `{parameter.name.text}`",
        [(expr.span, f"{tensor.dtype}[{shape}]"), (parameter.span, "declared here"), (tensor.span, "the tensor")],
        help="; ".join(cures),
    )


def _same_length(
    parameter: syntax.KernelParameter,
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
                (parameter.span, "declared here"),
            ],
            help="the axes of a kernel's parameters take their lengths from the arguments: they must agree",
        )


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
