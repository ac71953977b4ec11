"""Expressions of compute lines as lists of typed operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Argument, Kind, Known, as_float
from rdflow.dsl.axes import Linear
from rdflow.dsl.checked import Op
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Abandon, Reporter, plural
from rdflow.dsl.source import NOWHERE, Span

FLOAT_FUNCTIONS = ("exp", "log", "sqrt", "rsqrt", "sigmoid", "tanh")
SPECIAL = frozenset(FLOAT_FUNCTIONS) | {"div"}  # done in a unit's tail
ARITHMETIC = {"+": "add", "-": "sub", "*": "mul"}
COMPARISONS = {
    "<": ("lt", False),
    "<=": ("le", False),
    ">": ("lt", True),
    ">=": ("le", True),
    "==": ("eq", False),
    "!=": ("ne", False),
}
FUNCTIONS = (*FLOAT_FUNCTIONS, "abs", "max", "min", "where", "silu", "float", "int", "len")
REDUCTIONS = ("sum", "max", "min", "argmax", "last")


@dataclass
class Builder:
    """Appends operations to a list, giving each its type and converting whole numbers to floats where they meet.

    `leaf` resolves a name or a view to an op: a stream, an earlier result, an index value, a constant.
    `reduce` resolves the one reduction of a line.
    """

    report: Reporter
    leaf: Callable[[syntax.Expr], Op]
    constant: Callable[[syntax.Expr], Known | None]
    index: Callable[[syntax.Expr], Linear | None]
    reduce: Callable[[syntax.Reduce], int]
    ops: list[Op] = field(default_factory=list)
    at_result: bool = False
    span: Span = NOWHERE  # the expression whose operands are brought to one type

    def push(self, op: Op) -> int:
        self.ops.append(replace(op, at_result=self.at_result))
        return len(self.ops) - 1

    def kind(self, value: int) -> Kind:
        return self.ops[value].kind

    def number(self, value: Known, span: Span) -> int:
        if isinstance(value, Argument):
            return self.push(Op("const", value.kind, value=value))
        if isinstance(value, bool):
            return self.push(Op("const", "b", value=int(value)))
        if isinstance(value, str):
            help = f"a dtype stands behind `as`: `as {value}`"
            raise self.report.fail("RDF045", "a dtype is not a value", [(span, f"this is {value}")], help=help)
        return self.push(Op("const", "i" if isinstance(value, int) else "f", value=value))

    def floats(self, value: int) -> int:
        """The operation's value as a float; constants become float constants."""
        op = self.ops[value]
        if op.kind == "f":
            return value
        if op.name == "const":
            return self.push(Op("const", "f", value=as_float(op.value)))
        return self.push(Op("tofloat", "f", (value,)))

    def same(self, *values: int) -> tuple[tuple[int, ...], Kind]:
        """Values brought to one type: float if any is, else int."""
        kinds = {self.kind(v) for v in values}
        if kinds == {"b"}:
            return values, "b"
        if "b" in kinds:
            help = "choose numbers with it: `where(c, 1, 0)`"
            raise self.report.fail(
                "RDF045", "a number is expected", [(self.span, "a condition stands here")], help=help
            )
        if "f" in kinds:
            return tuple(self.floats(v) for v in values), "f"
        return values, "i"

    def build(self, expr: syntax.Expr) -> int:
        """Append an expression; its value's number."""
        value = self.constant(expr)
        if value is not None:
            return self.number(value, expr.span)
        linear = self.index(expr)
        if linear is not None:
            return self.push(Op("index", "i", linear=linear))
        match expr:
            case syntax.Ref() | syntax.View():
                return self.push(self.leaf(expr))
            case syntax.Unary("-", x):
                inner = self.build(x)
                (inner,), kind = self.same(inner)
                if kind == "b":
                    labels = [(x.span, "a condition here")]
                    raise self.report.fail(
                        "RDF045", "`-` needs a number", labels, help="write `not`, or where(c, 1, 0)"
                    )
                return self.push(Op("neg" if kind == "f" else "ineg", kind, (inner,)))
            case syntax.Unary(_, x):
                return self.push(Op("not", "b", (self.truth(x),)))
            case syntax.Binary(op, left, right):
                return self.binary(op, left, right, expr.span)
            case syntax.Call(function, arguments):
                return self.call(function, arguments, expr.span)
            case syntax.Reduce():
                return self.reduce(expr)
        raise self.report.fail("RDF045", "this is not a value", [(expr.span, "here")])

    def truth(self, expr: syntax.Expr) -> int:
        value = self.build(expr)
        if self.kind(value) != "b":
            raise self.report.fail(
                "RDF045",
                "a condition is expected",
                [(expr.span, "this is a number")],
                help=f"compare it: `{expr.name if isinstance(expr, syntax.Ref) else '..'} != 0`",
            )
        return value

    def binary(self, op: str, left: syntax.Expr, right: syntax.Expr, span: Span) -> int:
        if op in ("and", "or"):
            return self.push(Op(op, "b", (self.truth(left), self.truth(right))))
        values: tuple[int, ...] = (self.build(left), self.build(right))
        self.span = next((e.span for e, v in zip((left, right), values, strict=True) if self.kind(v) == "b"), span)
        values, kind = self.same(*values)
        if op in COMPARISONS:
            name, swapped = COMPARISONS[op]
            return self.push(Op(name if kind == "f" else "i" + name, "b", values[::-1] if swapped else values))
        if kind == "b":
            raise self.report.fail(
                "RDF045", f"`{op}` needs numbers", [(span, "conditions here")], help="use where(c, 1, 0)"
            )
        if op in ARITHMETIC:
            return self.push(Op(("" if kind == "f" else "i") + ARITHMETIC[op], kind, values))
        if op == "/":
            return self.push(Op("div" if kind == "f" else "idiv", kind, values))
        if kind == "f":
            help = "round first: `int(x) % n`"
            raise self.report.fail("RDF045", "`%` needs whole numbers", [(span, "floats here")], help=help)
        return self.push(Op("imod", "i", values))

    def call(self, function: syntax.Name, arguments: tuple[syntax.Expr, ...], span: Span) -> int:
        name = function.text
        if name not in FUNCTIONS:
            raise self.report.unknown("function", name, function.span, [*FUNCTIONS, *REDUCTIONS])
        wanted = {"where": 3, "max": 2, "min": 2}.get(name, 1)
        if len(arguments) != wanted:
            help = f"`{name}(k) x` reduces over axis k; `{name}(a, b)` takes two values" if name in REDUCTIONS else None
            help = help or ("`where(c, a, b)`: a where c holds, else b" if name == "where" else f"`{name}(x)`")
            message = f"`{name}` takes {plural(wanted, 'argument')}"
            raise self.report.fail("RDF045", message, [(span, f"{len(arguments)} here")], help=help)
        self.span = span
        if name == "len":
            text = arguments[0].name if isinstance(arguments[0], syntax.Ref) else "this"
            raise self.report.unknown("axis", text, arguments[0].span, [])
        if name == "where":
            condition = self.truth(arguments[0])
            branches = (self.build(arguments[1]), self.build(arguments[2]))
            self.span = span
            values, kind = self.same(*branches)
            return self.push(Op("where", kind, (condition, *values)))
        values, kind = self.same(*(self.build(a) for a in arguments))
        if kind == "b":
            help = "choose numbers with it: `where(c, 1, 0)`"
            raise self.report.fail("RDF045", f"`{name}` needs numbers", [(span, "a condition here")], help=help)
        prefix = "" if kind == "f" else "i"
        if name in ("max", "min", "abs"):
            return self.push(Op(prefix + name, kind, values))
        if name == "int":
            return values[0] if kind == "i" else self.push(Op("toint", "i", values))
        value = self.floats(values[0])
        if name == "float":
            return value
        if name == "silu":
            return self.push(Op("mul", "f", (value, self.push(Op("sigmoid", "f", (value,))))))
        return self.push(Op(name, "f", (value,)))


def product(expr: syntax.Expr) -> list[tuple[str, syntax.Expr]]:
    """The factors of a chain of `*` and `/`, each with its operator; the first one's is `*`."""
    match expr:
        case syntax.Binary("*" | "/" as op, left, right):
            return [*product(left), (op, right)]
    return [("*", expr)]


def chain(factors: list[tuple[str, syntax.Expr]]) -> syntax.Expr:
    """The factors back as one expression."""
    result = factors[0][1]
    for op, factor in factors[1:]:
        result = syntax.Binary(op, result, factor, result.span.to(factor.span))
    return result


def names_in(expr: syntax.Expr) -> list[syntax.Ref | syntax.View]:
    """The names that an expression mentions, in order."""
    match expr:
        case syntax.Ref() | syntax.View():
            return [expr]
        case syntax.Unary(_, x):
            return names_in(x)
        case syntax.Binary(_, a, b):
            return names_in(a) + names_in(b)
        case syntax.Call(f, arguments):
            return [] if f.text == "len" else [n for a in arguments for n in names_in(a)]
        case syntax.Reduce(_, _, body):
            return names_in(body)
    return []


def reductions_in(expr: syntax.Expr) -> list[syntax.Reduce]:
    """The reductions of an expression, outermost first."""
    match expr:
        case syntax.Reduce(_, _, body):
            return [expr, *reductions_in(body)]
        case syntax.Unary(_, x):
            return reductions_in(x)
        case syntax.Binary(_, a, b):
            return reductions_in(a) + reductions_in(b)
        case syntax.Call(_, arguments):
            return [r for a in arguments for r in reductions_in(a)]
    return []


def abandoned(action: Callable[[], object]) -> bool:
    """Whether an action was given up; its reports stay."""
    try:
        action()
    except Abandon:
        return True
    return False
