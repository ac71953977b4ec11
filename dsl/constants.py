"""Constant expressions: numbers known before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from rdflow.dsl import syntax
from rdflow.dsl.report import Abandon, Reporter

Value = int | float | str | bool  # a str is the name of a dtype

FUNCTIONS: dict[str, Callable[..., Value]] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "min": min,
    "max": max,
    "abs": abs,
}


def _divide(a: Value, b: Value) -> Value:
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b  # type: ignore[operator]


OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "+": lambda a, b: a + b,  # type: ignore[operator]
    "-": lambda a, b: a - b,  # type: ignore[operator]
    "*": lambda a, b: a * b,  # type: ignore[operator]
    "/": _divide,
    "%": lambda a, b: a % b,  # type: ignore[operator]
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}


def is_constant(expr: syntax.Expr, names: Mapping[str, Value], lengths: Mapping[str, int]) -> bool:
    """Whether an expression mentions nothing but constants."""
    match expr:
        case syntax.Number():
            return True
        case syntax.Ref(name):
            return name in names
        case syntax.Unary(_, x):
            return is_constant(x, names, lengths)
        case syntax.Binary(_, a, b):
            return is_constant(a, names, lengths) and is_constant(b, names, lengths)
        case syntax.Call(f, arguments):
            if f.text == "len":
                return all(isinstance(a, syntax.Ref) and a.name in lengths for a in arguments)
            return f.text in FUNCTIONS and all(is_constant(a, names, lengths) for a in arguments)
    return False


def evaluate(expr: syntax.Expr, names: Mapping[str, Value], lengths: Mapping[str, int], report: Reporter) -> Value:
    """The number that a constant expression stands for; a whole quotient of whole numbers stays whole.

    Raises Abandon (reported) where it is not constant or not defined.
    """
    try:
        return _value(expr, names, lengths, report)
    except ZeroDivisionError:
        help = "change the params so that the divisor is at least 1"
        raise report.fail("RDF013", "this divides by zero", [(expr.span, "here")], help=help) from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise report.fail("RDF013", f"this constant has no value: {error}", [(expr.span, "here")]) from None


def _value(expr: syntax.Expr, names: Mapping[str, Value], lengths: Mapping[str, int], report: Reporter) -> Value:
    match expr:
        case syntax.Number(value):
            return value
        case syntax.Ref(name):
            if name not in names:
                raise report.unknown("constant", name, expr.span, list(names))
            return names[name]
        case syntax.Unary("-", x):
            return -_value(x, names, lengths, report)  # type: ignore[operator]
        case syntax.Unary(_, x):
            return not _value(x, names, lengths, report)
        case syntax.Binary(op, a, b):
            return OPERATORS[op](_value(a, names, lengths, report), _value(b, names, lengths, report))
        case syntax.Call(f, arguments) if f.text == "len" and len(arguments) == 1:
            axis = arguments[0]
            if isinstance(axis, syntax.Ref) and axis.name in lengths:
                return lengths[axis.name]
            raise report.unknown("axis", getattr(axis, "name", "?"), axis.span, list(lengths))
        case syntax.Call(f, arguments) if f.text in FUNCTIONS:
            return FUNCTIONS[f.text](*(_value(a, names, lengths, report) for a in arguments))
    raise report.fail(
        "RDF013",
        "this must be a constant",
        [(expr.span, "not known before the program runs")],
        help="use numbers, params, len(axis) and + - * / % on them",
    )


def whole(
    expr: syntax.Expr,
    names: Mapping[str, Value],
    lengths: Mapping[str, int],
    report: Reporter,
    what: str,
    least: int = 1,
) -> int:
    """A whole number of at least `least`."""
    value = evaluate(expr, names, lengths, report)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        divides = isinstance(value, float) and math.isfinite(value)
        raise report.fail(
            "RDF013",
            f"{what} must be a whole number of at least {least}",
            [(expr.span, f"this is {value}")],
            notes=["counters, copies and tiles of the hardware come in whole numbers"],
            help="change the params so that it divides, or divide by another number"
            if divides
            else f"write {least} or more",
        )
    return value


def constant(expr: syntax.Expr, names: Mapping[str, Value], lengths: Mapping[str, int]) -> Value | None:
    """The value of an expression if it is a constant, else None; nothing is reported."""
    if not is_constant(expr, names, lengths):
        return None
    try:
        return evaluate(expr, names, lengths, Reporter())
    except Abandon:
        return None
