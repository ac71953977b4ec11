"""A `pcu` line while it is checked: its operands, its results, and where its counters, copies and lanes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit
from rdflow.dsl.checked import Result, Stream
from rdflow.dsl.declare_tensors import dtype
from rdflow.dsl.expressions import names_in
from rdflow.dsl.orders import Order
from rdflow.dsl.records import dataclass
from rdflow.dsl.scope import Scope
from rdflow.dsl.source import Span
from rdflow.dsl.views import stream_view


@dataclass
class Operand:
    """A stream that a line reads, under one set of renames."""

    stream: Stream
    order: Order
    key: str
    span: Span
    inside: bool = False  # read at the rate of the nest

    @property
    def name(self) -> str:
        """The name under which the line reads it."""
        return self.key.split("(")[0]


@dataclass
class Draft:
    """One result while it is checked."""

    expr: syntax.Expr
    reduce: syntax.Reduce | None
    op: str = ""
    digits: tuple[Digit, ...] = ()
    inner: list[tuple[str, syntax.Expr]] = field(default_factory=list)
    after: list[tuple[str, syntax.Expr]] = field(default_factory=list)
    value: int = -1  # the operation whose values are reduced


@dataclass
class Shape:
    """Where the line's counters, copies and lanes are."""

    nest: tuple[Digit, ...]
    lanes: tuple[Digit, ...]
    copies: tuple[Digit, ...]
    sockets: tuple[Digit, ...]
    wide: int = -1
    narrow: int = -1
    systolic: bool = False

    @property
    def outer(self) -> bool:
        return self.wide >= 0 and not self.systolic


class Line:
    """The state of checking one line."""

    def __init__(self, scope: Scope, unit: syntax.Unit, body: syntax.Pcu):
        self.scope = scope
        self.unit = unit
        self.body = body
        self.operands: list[Operand] = []
        self.results: list[Result] = []
        self.own = [n.text for n in unit.names]
        annotation = unit.annotation
        self.explicit = scope.order(annotation.order)[0] if annotation and annotation.order else None
        self.dtype = dtype(annotation.dtype, scope.names, scope.report) if annotation and annotation.dtype else None

    def operand(self, name: syntax.Ref | syntax.View) -> Operand | None:
        """The operand of a name; None for axes, constants and earlier results of the line."""
        scope = self.scope
        text = name.name if isinstance(name, syntax.Ref) else name.name.text
        if text in self.own:
            return None
        if isinstance(name, syntax.Ref):
            if text not in scope.streams and (text in scope.axes or text in scope.names):
                return None
            if text not in scope.streams and text in scope.tensors:
                raise scope.report.fail(
                    "RDF036",
                    f"`{text}` is a tensor",
                    [(name.span, "a stream is expected"), (scope.tensors[text].span, "a tensor")],
                    notes=["streams are what units compute with; only loads and stores reach memory"],
                    help=f"load it first: `{scope.unused(text.lower())} = load {text}`",
                )
            view = syntax.View(syntax.Name(text, name.span), (), name.span)
        else:
            view = name
        seen = stream_view(scope, view, moves_allowed=False)
        key = text + "".join(f"({b.axis.text})" for b in view.bindings)
        for operand in self.operands:
            if operand.key == key:
                return operand
        self.operands.append(Operand(seen.stream, seen.order, key, name.span))
        return self.operands[-1]

    def mark(self, name: syntax.Ref | syntax.View) -> None:
        """Note that a name is read at the rate of the nest."""
        operand = self.operand(name)
        if operand is not None:
            operand.inside = True

    def mentioned(self, name: syntax.Ref | syntax.View) -> tuple[Digit, ...]:
        """The digits of a name: a stream's, an axis's, or those of an earlier result of the line."""
        operand = self.operand(name)
        if operand is not None:
            return operand.order.digits
        if isinstance(name, syntax.Ref):
            if name.name in self.own:
                return tuple(d for o in self.operands for d in o.order.digits)
            linear = self.scope.linear(name)
            return linear.digits if linear is not None else ()
        return ()

    def ends(self, expr: syntax.Expr) -> list[tuple[Span, str]]:
        """Labels that show the type of every stream in an expression."""
        found = []
        for name in names_in(expr):
            operand = self.operand(name)
            if operand is not None:
                found.append((operand.stream.span, self.typed(operand)))
        return found

    def typed(self, operand: Operand) -> str:
        """What a label says of an operand."""
        return f"`{operand.name}` is {self.scope.show(operand.order)}"

    def uses(self, digits: Sequence[Digit]) -> Span:
        """Where the line names an axis of these digits."""
        for expr in self.body.results:
            for name in names_in(expr):
                if isinstance(name, syntax.Ref) and name.name not in self.own and self.operand(name) is None:
                    linear = self.scope.linear(name)
                    if linear is not None and set(linear.digits) & set(digits):
                        return name.span
        return self.unit.span
