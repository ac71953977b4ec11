"""The text of an expression, with as few brackets as it needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, assert_never

from rdflow.dsl import syntax
from rdflow.dsl.records import dataclass

if TYPE_CHECKING:
    from rdflow.dsl.writer import Writer

# How tightly an expression binds. A reduction takes the product behind it, so as a factor it is last or in brackets.
OR, AND, NOT, COMPARISON, SUM, PRODUCT, FACTOR, SIGNED, ATOM = range(9)
BINDS = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": FACTOR, "/": FACTOR, "%": FACTOR}


@dataclass(frozen=True, slots=True)
class Expressions:
    """Expressions with as few brackets as they need; `room` is what stands around `*`, `/` and `%`."""

    writer: Writer
    room: str

    def write(self, expr: syntax.Expr, binds: int, last: bool) -> str:
        """In a place for what binds at least so tightly. `last`: no factor follows before a bracket or a sum."""
        text_binds = self.binding(expr, last)
        return self.bare(expr, last) if text_binds >= binds else f"({self.bare(expr, True)})"

    def binding(self, expr: syntax.Expr, last: bool) -> int:
        match expr:
            case syntax.Binary(op):
                return BINDS.get(op, COMPARISON)
            case syntax.Unary("not"):
                return NOT
            case syntax.Unary(_, operand):
                return SIGNED if self.binding(operand, last) >= SIGNED else OR
            case syntax.Reduce():
                return SIGNED if last else PRODUCT
            case _:
                return ATOM

    def bare(self, expr: syntax.Expr, last: bool) -> str:
        match expr:
            case syntax.Number():
                return self.number(expr)
            case syntax.Ref(name):
                return name
            case syntax.View():
                return self.writer.view(expr)
            case syntax.Call(function, arguments):
                return f"{function.text}({', '.join(self.write(a, OR, True) for a in arguments)})"
            case syntax.Reduce(op, terms, body):
                return f"{op.text}({', '.join(map(self.writer.term, terms))}) {self.body(body)}"
            case syntax.Unary("not", operand):
                return f"not {self.write(operand, NOT, True)}"
            case syntax.Unary(op, operand):
                return f"{op}{self.write(operand, SIGNED, last)}"
            case syntax.Binary():
                return self.binary(expr, last)
            case _:
                assert_never(expr)

    def binary(self, expr: syntax.Binary, last: bool) -> str:
        binds = BINDS.get(expr.op, COMPARISON)
        factor = binds == FACTOR
        left = self.write(expr.left, binds + (binds == COMPARISON), not factor)
        right = self.write(expr.right, binds + 1, last if factor else True)
        room = self.room if factor else " "
        return f"{left}{room}{expr.op}{room}{right}"

    def body(self, body: syntax.Expr) -> str:
        """What a reduction runs over: a product that begins with a name, a number or a bracket."""
        first = body
        while isinstance(first, syntax.Binary) and BINDS.get(first.op) == FACTOR:
            first = first.left
        return f"({self.bare(body, True)})" if isinstance(first, syntax.Unary) else self.write(body, FACTOR, True)

    def number(self, number: syntax.Number) -> str:
        written = self.writer.text[number.span.start : number.span.end]
        spelled = re.fullmatch(r"\d+(\.\d+)?([eE][+-]?\d+)?", written)
        if spelled and float(written) == number.value and written.isdecimal() == isinstance(number.value, int):
            return written
        return repr(number.value)
