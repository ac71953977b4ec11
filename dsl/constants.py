"""Constant expressions: numbers known before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from rdflow.dsl import syntax
from rdflow.dsl.arguments import Known, combined, number
from rdflow.dsl.arithmetic import FUNCTIONS, Value
from rdflow.dsl.report import Abandon, Reporter


def is_constant(expr: syntax.Expr, names: Mapping[str, Known], lengths: Mapping[str, int]) -> bool:
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


def evaluate(expr: syntax.Expr, names: Mapping[str, Known], lengths: Mapping[str, int], report: Reporter) -> Value:
    """The number that a constant expression stands for; a whole quotient of whole numbers stays whole.

    Raises Abandon (reported) where it is not constant or not defined, Needed where a launch alone knows it.
    """
    return number(known(expr, names, lengths, report))


def known(expr: syntax.Expr, names: Mapping[str, Known], lengths: Mapping[str, int], report: Reporter) -> Known:
    """`evaluate`, for where an argument may stand as well as a number."""
    try:
        return _value(expr, names, lengths, report)
    except ZeroDivisionError:
        help = "change the params so that the divisor is at least 1"
        raise report.fail("RDF013", "this divides by zero", [(expr.span, "here")], help=help) from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise report.fail("RDF013", f"this constant has no value: {error}", [(expr.span, "here")]) from None


def _value(expr: syntax.Expr, names: Mapping[str, Known], lengths: Mapping[str, int], report: Reporter) -> Known:
    match expr:
        case syntax.Number(value):
            return value
        case syntax.Ref(name):
            if name not in names:
                raise report.unknown("constant", name, expr.span, list(names))
            return names[name]
        case syntax.Unary(op, x):
            return combined("neg" if op == "-" else "not", (_value(x, names, lengths, report),))
        case syntax.Binary(op, a, b):
            return combined(op, (_value(a, names, lengths, report), _value(b, names, lengths, report)))
        case syntax.Call(f, arguments) if f.text == "len" and len(arguments) == 1:
            axis = arguments[0]
            if isinstance(axis, syntax.Ref) and axis.name in lengths:
                return lengths[axis.name]
            raise report.unknown("axis", getattr(axis, "name", "?"), axis.span, list(lengths))
        case syntax.Call(f, arguments) if f.text in FUNCTIONS:
            return combined(f.text, tuple(_value(a, names, lengths, report) for a in arguments))
    raise report.fail(
        "RDF013",
        "this must be a constant",
        [(expr.span, "not known before the program runs")],
        help="use numbers, params, len(axis) and + - * / % on them",
    )


def whole(
    expr: syntax.Expr,
    names: Mapping[str, Known],
    lengths: Mapping[str, int],
    report: Reporter,
    what: str,
    least: int = 1,
) -> int:
    """A whole number of at least `least`."""
    value = evaluate(expr, names, lengths, report)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        divides = isinstance(value, float) and isfinite(value)
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


def constant(expr: syntax.Expr, names: Mapping[str, Known], lengths: Mapping[str, int]) -> Known | None:
    """The value of an expression if it is a constant, or will be one in a launch, else None; nothing is reported."""
    if not is_constant(expr, names, lengths):
        return None
    try:
        return known(expr, names, lengths, Reporter())
    except Abandon:
        return None
