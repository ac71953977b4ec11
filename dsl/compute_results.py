"""Builds a result's operations and its dtype."""

from __future__ import annotations

from functools import partial

from rdflow.dsl import syntax
from rdflow.dsl.axes import Linear
from rdflow.dsl.checked import Op, Result, Stream
from rdflow.dsl.compute_line import Draft, Line, Shape
from rdflow.dsl.compute_order import check_indices, order_of
from rdflow.dsl.compute_reduction import check_reduction
from rdflow.dsl.expressions import Builder, chain, names_in

WIDTH = {"int8": 0, "bool": 0, "int32": 1, "bf16": 2, "f32": 3}  # the widest of the inputs gives a result its dtype


def check_result(line: Line, draft: Draft, name: syntax.Name, shape: Shape, last: bool) -> Result:
    """Build a result's operations and its type."""
    scope = line.scope
    builder = Builder(
        scope.report,
        partial(leaf, line),
        scope.constant,
        partial(index_value, line),
        lambda r: build_reduced(line, builder, draft),
    )
    builder.at_result = draft.reduce is not None
    value = builder.build(draft.expr)
    order = order_of(line, draft, shape)
    kind = builder.kind(value)
    element = line.dtype if line.dtype and (last or kind == "f") else default_dtype(line, kind)
    value = convert(line, builder, value, element, name)
    check_indices(line, builder.ops, shape, order, name.span)
    stream = Stream(scope.full(name.text), element, order, name.span)
    reduction = check_reduction(line, draft, shape)
    return Result(stream, tuple(builder.ops), value, reduction)


def convert(line: Line, builder: Builder, value: int, element: str, name: syntax.Name) -> int:
    """A value as it leaves the unit: floats are converted, whole numbers and conditions only to floats."""
    kind = builder.kind(value)
    if element in ("bf16", "f32"):
        if kind == "b":
            value = builder.push(Op("copy", "i", (value,)))
        return builder.floats(value)
    if kind == "f":
        raise line.scope.report.fail(
            "RDF045",
            f"a float cannot leave as {element}",
            [(name.span, f"declared {element}"), (line.unit.span, "this is a float")],
            help="convert it: `int(x)`, or leave the dtype out",
        )
    return value


def default_dtype(line: Line, kind: str) -> str:
    """The widest dtype of the inputs; int32 for whole numbers."""
    if kind == "b":
        return "bool"
    if kind == "i":
        return "int32"
    names = {o.stream.dtype for o in line.operands} & {"bf16", "f32"}
    return max(names, key=lambda d: WIDTH[d], default="f32")


def leaf(line: Line, expr: syntax.Expr) -> Op:
    """The operation that reads a name: an operand, or an earlier result of the line."""
    assert isinstance(expr, syntax.Ref | syntax.View)
    text = expr.name if isinstance(expr, syntax.Ref) else expr.name.text
    done = [n.text for n in line.unit.names[: len(line.results)]]
    if text in done:
        number = done.index(text)
        return Op("result", kind_of(line.results[number].stream.dtype), value=number)  # type: ignore[arg-type]
    if text in line.own:
        left = len(line.own) > 1 and text != line.own[len(line.results)]
        raise line.scope.report.fail(
            "RDF041",
            f"`{text}` is not defined yet" if left else f"`{text}` is computed from itself",
            [(expr.span, "used here"), (line.unit.names[line.own.index(text)].span, "defined here")],
            notes=["lines stand in the order in which data flows; only a carry reaches back"],
            help="a result may use those to its left"
            if left
            else f"take its value of the iteration before: `{line.scope.unused(text + '0')} = carry {text} from 0 over ..`",
        )
    operand = line.operand(expr)
    if operand is None:
        raise line.scope.report.unknown("value", text, expr.span, [*line.scope.streams, *line.scope.axes])
    return Op("stream", kind_of(operand.stream.dtype), value=line.operands.index(operand))  # type: ignore[arg-type]


def kind_of(element: str) -> str:
    """How a dtype is computed with: as a condition, a whole number or a float."""
    return {"bool": "b", "int32": "i", "int8": "i"}.get(element, "f")


def index_value(line: Line, expr: syntax.Expr) -> Linear | None:
    """An index value: an axis name or a linear form of axes, unless a stream has the name."""
    if any(line.operand(n) is not None for n in names_in(expr) if isinstance(n, syntax.View) or n.name not in line.own):
        return None
    if any(isinstance(n, syntax.Ref) and n.name in line.own for n in names_in(expr)):
        return None
    return line.scope.linear(expr) if names_in(expr) else None


def build_reduced(line: Line, builder: Builder, draft: Draft) -> int:
    """Append what is reduced, the reduction itself, and the factors applied after it."""
    builder.at_result = False
    value = builder.build(chain(draft.inner))
    if builder.kind(value) == "b":
        assert draft.reduce is not None
        labels = [(draft.reduce.body.span, "conditions here")]
        help = "choose numbers with it: `where(c, 1, 0)`"
        raise line.scope.report.fail("RDF045", "a reduction needs numbers", labels, help=help)
    builder.at_result = True
    draft.value = value
    kind = "i" if draft.op == "argmax" else builder.kind(value)
    result = builder.push(Op("reduced", kind))
    for op, factor in draft.after:
        other = builder.build(factor)
        builder.span = factor.span
        values, kind = builder.same(result, other)
        name = ("" if kind == "f" else "i") + {"*": "mul", "/": "div"}[op]
        result = builder.push(Op(name, kind, values))
    return result
