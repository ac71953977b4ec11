"""Axes as they are declared: lengths, and products whose factors are intervals of them."""

from __future__ import annotations

from rdflow.dsl import syntax
from rdflow.dsl.axes import Axis
from rdflow.dsl.constants import whole
from rdflow.dsl.declare_names import claim
from rdflow.dsl.program import Program
from rdflow.dsl.report import Reporter


def _factors(expr: syntax.Expr) -> list[syntax.Ref] | None:
    """The names of a product of names, or None."""
    match expr:
        case syntax.Ref():
            return [expr]
        case syntax.Binary("*", left, right):
            a, b = _factors(left), _factors(right)
            return a + b if a is not None and b is not None else None
    return None


def axis(program: Program, item: syntax.Axis, report: Reporter) -> None:
    name = item.name.text
    factors = _factors(item.length)
    product = factors is not None and len(factors) > 1 and all(f.name in program.axes for f in factors)
    known = program.axes.get(name)
    if not product:
        length = whole(item.length, program.names, program.lengths, report, f"the length of axis `{name}`")
        claim(program, item.name, report)
        program.axes[name] = Axis(name, name, 1, length)
        program.roots[name] = length
    else:
        assert factors is not None
        if known is None:
            claim(program, item.name, report)
        _product(program, item, factors, report)
    if item.ragged:
        program.ragged.add(name)


def _product(program: Program, item: syntax.Axis, factors: list[syntax.Ref], report: Reporter) -> None:
    """`axis re = r * e`: the factors become intervals of the product, the last one the fastest."""
    name = item.name.text
    length = 1
    for factor in factors:
        length *= program.axes[factor.name].length
    known = program.axes.get(name)
    if known is not None and known.length != length:
        labels = [(item.span, f"these factors make {length}"), (program.spans[name], f"`{name}` has {known.length}")]
        raise report.fail(
            "RDF015",
            f"the factors of `{name}` do not multiply to its length",
            labels,
            notes=["a product names the digits of an axis: together they count from 0 to its length"],
            help=f"change a factor, or declare `{name}` with {length} values",
        )
    whole_axis = known or Axis(name, name, 1, length)
    program.axes[name] = whole_axis
    program.roots.setdefault(whole_axis.root, length)
    stride = 1
    for factor in reversed(factors):
        part = program.axes[factor.name]
        if part.root != part.name or part.name == whole_axis.root:
            labels = [(factor.span, "used again here"), (program.spans[part.name], f"already a digit of `{part.root}`")]
            raise report.fail(
                "RDF015",
                f"`{part.name}` is already a digit of `{part.root}`",
                labels,
                help="declare another axis of the same length for the second product",
            )
        _adopt(program, part, whole_axis, stride)
        stride *= part.length


def _adopt(program: Program, part: Axis, product: Axis, stride: int) -> None:
    """Make `part`, and all that are intervals of it, intervals of the product's root."""
    for name, axis in list(program.axes.items()):
        if axis.root == part.root:
            program.axes[name] = Axis(name, product.root, product.stride * stride * axis.stride, axis.length)
    program.roots.pop(part.root, None)
