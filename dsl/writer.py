"""The text of one node of the syntax tree, on one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from rdflow.dsl import syntax
from rdflow.dsl.format_columns import INDENT, WIDTH
from rdflow.dsl.writer_expressions import OR, SUM, Expressions


class Writer:
    """Nodes as text on one line. `text` is the source, of which numbers keep their spelling."""

    def __init__(self, text: str = ""):
        self.text = text

    # declarations

    def declaration(self, item: syntax.Item) -> str:
        match item:
            case syntax.Param(name, value):
                return f"{name.text} = {self.tight(value)}"
            case syntax.Axis(name, length, ragged):
                return f"{name.text} = {self.length(length)}" + (" ragged" if ragged else "")
            case syntax.Tensor(name, kind):
                return f"{name.text}: {self.tensor_type(kind)}"
            case syntax.Use(path):
                return "use " + ".".join(name.text for name in path)
            case syntax.Pool(name, members, tier, cache, policy):
                cached = f" cached in {cache.text}" if cache else ""
                evict = f" evict {policy.text}" if policy else ""
                copies = ", ".join(map(self.member, members))
                return f"pool {name.text}: {copies} in {tier.text}{cached}{evict}"
            case syntax.Kernel() | syntax.Layer() | syntax.Schedule():
                raise AssertionError("a block is not one line")
            case _:
                assert_never(item)

    def member(self, member: syntax.Member) -> str:
        settings = ", ".join(map(self.declaration, member.settings))
        return member.program.text + (f"({settings})" if settings else "") + f"[{self.tight(member.count)}]"

    def whereabouts(self, item: syntax.Item) -> str:
        """What the tensors of one statement have in common: ` in hbm input`."""
        if not isinstance(item, syntax.Tensor):
            return ""
        return f" in {item.tier.text}" + (f" {item.direction}" if item.direction else "")

    def length(self, expr: syntax.Expr) -> str:
        """An axis that names its digits is written with room, `ti * tj * tn`; other lengths are tight."""
        return self.loose(expr) if _is_product_of_names(expr) else self.tight(expr)

    def tensor_type(self, kind: syntax.TensorType) -> str:
        return f"{kind.dtype.text if kind.dtype else ''}[{self.places(kind.places)}]"

    def header(self, kernel: syntax.Kernel | syntax.Layer) -> str:
        match kernel:
            case syntax.Kernel(name, parameters):
                word, texts = "kernel", [self.kernel_parameter(p) for p in parameters]
            case syntax.Layer(name, parameters=given):
                word, texts = "layer", [self.layer_parameter(p) for p in given]
            case _:
                assert_never(kernel)
        start = f"{word} {name.text}"
        if not texts:
            return start if word == "kernel" else f"{start}()"
        row = f"{start}({', '.join(texts)})"
        return row if len(row) < WIDTH else f"{start}(\n" + ",\n".join(INDENT * 2 + t for t in texts) + f"\n{INDENT})"

    def kernel_parameter(self, parameter: syntax.KernelParameter) -> str:
        kind = parameter.type
        return f"{parameter.name.text}: {kind.text if isinstance(kind, syntax.Name) else self.tensor_type(kind)}"

    def layer_parameter(self, parameter: syntax.LayerParameter) -> str:
        text = parameter.name.text
        match parameter.type:
            case syntax.StreamType(dtype, order):
                text += f": {dtype.text if dtype else ''}{self.order(order)}"
            case syntax.TensorType(dtype, places):
                text += f": tensor{' ' + dtype.text if dtype else ''}[{self.places(places)}]"
            case syntax.WholeAxis():
                text += ": axis"
        return text + (f" = {self.tight(parameter.default)}" if parameter.default else "")

    # units

    def unit(self, unit: syntax.Unit) -> tuple[str, str, str]:
        """Names, body, and annotation: the columns of a kernel."""
        annotation = [] if unit.annotation is None else [self.annotation(unit.annotation)]
        depth = [] if unit.depth is None else [f"depth {self.count(unit.depth)}"]
        return self.names(unit.names), self.body(unit.body), " ".join(annotation + depth)

    def line(self, line: syntax.Store | syntax.Return) -> str:
        match line:
            case syntax.Store(source, streams, target):
                return f"store {source.text}{self.streams(streams)} -> {self.view(target)}"
            case syntax.Return(names):
                return f"return {self.names(names)}"
            case _:
                assert_never(line)

    def body(self, body: syntax.UnitBody) -> str:
        match body:
            case syntax.Load(view, streams):
                return f"load {self.view(view)}{self.streams(streams)}"
            case syntax.Pmu(syntax.Load() as load):
                return f"pmu {self.body(load)}"
            case syntax.Pmu(syntax.View() as view):
                return f"pmu {self.view(view)}"
            case syntax.Fifo(source):
                return f"fifo {source.text}"
            case syntax.Pcu(results):
                return "pcu " + ", ".join(map(self.loose, results))
            case syntax.Carry(feedback, initial, over):
                return f"carry {feedback.text} from {self.tight(initial, SUM)} over {self.term(over)}"
            case syntax.Split(source, selector):
                return f"split {self.view(source)} by {selector.text}"
            case syntax.Merge(source, selector):
                return f"merge {self.view(source)} by {selector.text}"
            case syntax.LayerCall(layer, arguments):
                return f"{layer.text}({', '.join(map(self.argument, arguments))})"
        raise AssertionError(body)

    def argument(self, argument: syntax.Argument) -> str:
        return (f"{argument.name.text} = " if argument.name else "") + self.tight(argument.value)

    def streams(self, count: syntax.Expr | None) -> str:
        return "" if count is None else f" @{self.count(count)}"

    def names(self, names: Iterable[syntax.Name]) -> str:
        return ", ".join(name.text for name in names)

    def view(self, view: syntax.View) -> str:
        bindings = ", ".join(f"{b.axis.text} = {self.tight(b.value)}" for b in view.bindings)
        return f"{view.name.text}({bindings})" if bindings else view.name.text

    # orders

    def annotation(self, annotation: syntax.As) -> str:
        dtype = f" {annotation.dtype.text}" if annotation.dtype else ""
        return f"as{dtype}" + (f" {self.order(annotation.order)}" if annotation.order else "")

    def order(self, order: syntax.Order) -> str:
        tile = "" if order.tile is None else f"{self.places(order.tile)}; "
        lanes = f" | {self.places(order.lanes)}" if order.lanes else ""
        return f"[{(tile + self.places(order.rest) + lanes).strip()}]"

    def places(self, places: Iterable[syntax.Place]) -> str:
        return ", ".join(map(self.place, places))

    def place(self, place: syntax.Place) -> str:
        bound = "" if place.bound is None else f" < {self.tight(place.bound, SUM)}"
        match place.at:
            case None | False:
                at = ""
            case True:
                at = " @"
            case str(word):
                at = f" @{word}"
            case count:
                at = f" @{self.count(count)}"
        return f"{self.term(place.term)}{'?' if place.optional else ''}{at}{bound}"

    def term(self, term: syntax.Term) -> str:
        over = "" if term.over is None else f"/{self.count(term.over)}"
        return term.axis.text + over + ("" if term.modulo is None else f"%{self.count(term.modulo)}")

    def count(self, expr: syntax.Expr) -> str:
        plain = isinstance(expr, syntax.Number | syntax.Ref)
        return self.tight(expr) if plain else f"({self.tight(expr)})"

    # schedules

    def statement(self, statement: syntax.Statement) -> str | None:
        """A statement on one line; None for one with a block."""
        match statement:
            case syntax.Launch(target, arguments, by, bindings=bindings):
                named = [f"{b.axis.text} = {self.tight(b.value)}" for b in bindings]
                given = "" if arguments is None else f"({', '.join([*map(self.tight, arguments), *named])})"
                return f"launch {self.target(target)}{given}" + (f" by {by}" if by else "")
            case syntax.Activate(target):
                return f"activate {self.target(target)}"
            case syntax.Copy(source, into):
                return f"copy {self.view(source)} -> {self.view(into)}"
            case syntax.Let(name, value):
                return f"let {name.text} = {self.tight(value)}"
            case syntax.Wait(until):
                return f"wait {self.tight(until)}"
            case syntax.Async(inner):
                text = self.statement(inner)
                return None if text is None else f"async {text}"
            case syntax.For() | syntax.If():
                return None
            case _:
                assert_never(statement)

    def for_header(self, loop: syntax.For) -> str:
        return f"for {loop.name.text} in {self.tight(loop.start)}..{self.tight(loop.stop)}"

    def target(self, target: syntax.Target) -> str:
        index = "" if target.index is None else f"[{self.tight(target.index)}]"
        return target.name.text + index + (f".{target.member.text}" if target.member else "")

    # expressions

    def loose(self, expr: syntax.Expr) -> str:
        """As in units: `a * b + c`."""
        return Expressions(self, " ").write(expr, OR, True)

    def tight(self, expr: syntax.Expr, binds: int = OR) -> str:
        """As in orders, views and schedules: `L*(t/L + 1)`."""
        return Expressions(self, "").write(expr, binds, True)


def _is_product_of_names(expr: syntax.Expr) -> bool:
    match expr:
        case syntax.Ref():
            return True
        case syntax.Binary("*", left, right):
            return _is_product_of_names(left) and _is_product_of_names(right)
        case _:
            return False
