"""Tensors as they are declared: dtypes, tiers, axes."""

from __future__ import annotations

from collections.abc import Mapping

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Known
from rdflow.dsl.axes import Axis
from rdflow.dsl.orders import BYTES
from rdflow.dsl.program import TIERS, Program, Tensor
from rdflow.dsl.report import Reporter
from rdflow.dsl.source import Span


def dtype(name: syntax.Name, names: Mapping[str, Known], report: Reporter) -> str:
    """A dtype by name, or by a param whose value is one."""
    value = names.get(name.text, name.text)
    if not isinstance(value, str) or value not in BYTES:
        raise report.fail(
            "RDF016",
            f"there is no dtype `{name.text}`",
            [(name.span, "unknown dtype")],
            help=f"use one of {', '.join(BYTES)}",
        )
    return value


def tensor(program: Program, item: syntax.Tensor, report: Reporter) -> Tensor:
    """A declared tensor with its axes."""
    if item.type.dtype is None:
        raise report.fail("RDF016", "a tensor needs a dtype", [(item.type.span, "as bf16[q, d]")], help="`bf16[..]`")
    element = dtype(item.type.dtype, program.names, report)
    if item.tier.text not in TIERS:
        tier = item.tier
        help = "write `in hbm` or `in ddr`"
        raise report.fail("RDF016", f"there is no memory tier `{tier.text}`", [(tier.span, "unknown tier")], help=help)
    axes, sharded = shape(program.axes, item.type, report)
    return Tensor(item.name.text, element, axes, sharded, item.tier.text, item.direction, item.name.span)


def shape(
    axes: Mapping[str, Axis], type_: syntax.TensorType, report: Reporter
) -> tuple[tuple[Axis, ...], tuple[bool, ...]]:
    """The axes of a tensor type, and which of them are sharded over the sockets."""
    whole_axes(type_, report)
    found: list[Axis] = []
    sharded: list[bool] = []
    for place in type_.places:
        term = place.term
        if term.axis.text not in axes:
            raise report.unknown("axis", term.axis.text, term.span, list(axes))
        found.append(axes[term.axis.text])
        sharded.append(place.at == "socket")
    return tuple(found), tuple(sharded)


def whole_axes(type_: syntax.TensorType, report: Reporter) -> None:
    """A tensor's axes are whole, and each stands once."""
    seen: dict[str, Span] = {}
    for place in type_.places:
        name = place.term.axis.text
        if place.term.over is not None or place.term.modulo is not None or place.at not in (None, "socket"):
            raise report.fail(
                "RDF020",
                "a tensor's axes are whole",
                [(place.span, "a digit or copies here")],
                notes=[
                    "how a tensor is cut is the business of the units that load and store it; only sockets shard it"
                ],
                help=f"write `{name}`",
            )
        if name in seen:
            raise report.fail(
                "RDF020",
                f"`{name}` is two axes of one tensor",
                [(place.span, "again here"), (seen[name], "first here")],
                notes=["axes are told apart by their names: an order could not say which of the two it means"],
                help=f"declare another axis of the same length: `axis {name}2 = len({name})`",
            )
        seen[name] = place.span
