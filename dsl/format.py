"""The canonical text of a program: one way to write it, comments where they stood, columns that line up.

Formatting its own output changes nothing, and never changes what a program means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import assert_never

from rdflow.dsl import syntax
from rdflow.dsl.source import Span

WIDTH = 120
INDENT = "    "
WIDEST_NAME = 12  # longer names do not push the others of their kernel to the right
WIDEST_BODY = 48  # likewise, for the column of `as`


def format_module(module: syntax.Module) -> str:
    """The canonical text of a module that was parsed without errors."""
    printer = _Printer(module)
    printer.items()
    rows = _align_comments(_align_units(printer.rows))
    return "".join(f"{row.text}".rstrip() + "\n" for row in rows)


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of output. A unit is kept in three parts until its columns are known: names, body, annotation.

    `kernel` is the kernel that it is a line of, by where that begins.
    """

    text: str
    comment: str = ""
    unit: tuple[str, str, str] | None = None
    kernel: int = -1


def _align_units(rows: list[_Row]) -> list[_Row]:
    """`=` in one column through a kernel, `as` in one column through a block of lines."""
    names = {row.kernel: 0 for row in rows}
    for row in rows:
        if row.unit and len(row.unit[0]) <= WIDEST_NAME:
            names[row.kernel] = max(names[row.kernel], len(row.unit[0]))
    result: list[_Row] = []
    for block in _runs(rows, lambda row: row.kernel >= 0):
        bodies = [len(row.unit[1]) for row in block if row.unit and row.unit[2] and len(row.unit[1]) <= WIDEST_BODY]
        widest = max(bodies, default=0)
        result.extend(_place_unit(row, names[row.kernel], widest) for row in block)
    return result


def _place_unit(row: _Row, names: int, widest: int) -> _Row:
    if row.unit is None:
        return row
    name, body, annotation = row.unit
    left = f"{INDENT}{name:<{names}} = "
    return replace(row, text=f"{left}{body:<{widest}} {annotation}" if annotation else f"{left}{body}")


def _align_comments(rows: list[_Row]) -> list[_Row]:
    """Trailing comments of lines that follow each other begin in one column."""
    result: list[_Row] = []
    for block in _runs(rows, lambda row: bool(row.comment) and not row.text.endswith("{")):
        widest = max(len(row.text) for row in block)
        result.extend(
            replace(row, text=f"{row.text:<{widest}}  {row.comment}") if row.comment else row for row in block
        )
    return result


def _runs(rows: Iterable[_Row], belongs: Callable[[_Row], bool]) -> list[list[_Row]]:
    """Rows in order, those that belong together and follow each other in one list."""
    runs: list[list[_Row]] = []
    for row in rows:
        if runs and belongs(row) and belongs(runs[-1][-1]):
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


# -- the walk over the program, in the order of the text ---------------------------------------------------------------


class _Printer:
    """Prints statement by statement and, before each, the comments that the text has before it."""

    def __init__(self, module: syntax.Module):
        self.module = module
        self.text = module.source.text
        self.bare = _without_comments(self.text, module.comments)
        self.comments = list(module.comments)
        self.rows: list[_Row] = []
        self.at = 0  # the text up to here is printed
        self.opening = True  # nothing is printed yet in this block
        self.write = Writer(self.text)

    # placing rows

    def put(
        self, text: str, span: Span, depth: int, unit: tuple[str, str, str] | None = None, kernel: int = -1
    ) -> None:
        """One row for what stands at `span`, after its comments, with the comment behind it."""
        self.flush(span.end, depth, first=span.start)
        self.space(span.start)
        self.rows.append(_Row(INDENT * depth + text, self.trailing(span.end), unit, kernel))
        self.at = max(self.at, span.end)
        self.opening = False

    def flush(self, until: int, depth: int, first: int | None = None) -> None:
        """The comments before `until`, each on a line of its own: what they stood inside is printed on one line."""
        while self.comments and self.comments[0].span.start < until:
            comment = self.comments.pop(0)
            self.space(min(comment.span.start, first if first is not None else until))
            self.rows.append(_Row(INDENT * depth + comment.text))
            self.at = max(self.at, comment.span.end if first is None else min(comment.span.end, first))
            self.opening = False

    def space(self, start: int) -> None:
        """An empty row where the text has empty lines, but none at the beginning of a block."""
        if not self.opening and re.search(r"\n[ \t\r]*\n", self.text[self.at : start]):
            self.rows.append(_Row(""))

    def trailing(self, end: int) -> str:
        """The comment behind `end` on its line, if nothing else stands between."""
        if self.comments:
            comment = self.comments[0]
            between = self.text[end : comment.span.start]
            if comment.span.start >= end and not between.strip(" \t\r;,"):
                self.comments.pop(0)
                self.at = max(self.at, comment.span.end)
                return comment.text
        return ""

    def open(self, header: str, span: Span, brace: int, depth: int) -> None:
        self.put(header + " {", Span(span.start, brace + 1), depth)
        self.at = brace + 1
        self.opening = True

    def close(self, end: int, depth: int, more: str = "") -> None:
        """The closing brace that ends before `end`; `more` follows it on its row."""
        self.flush(end - 1, depth + 1)
        self.opening = True
        self.put("}" + more, Span(end - 1, end), depth)

    def brace(self, start: int) -> int:
        """Where the next `{` stands. The tree does not say, the text does."""
        return self.bare.index("{", start)

    # declarations

    def items(self) -> None:
        items = list(self.module.items)
        while items:
            together = self.same_statement(items)
            if len(together) > 1 or isinstance(together[0], syntax.Param | syntax.Axis | syntax.Tensor):
                self.declarations(together)
            else:
                self.item(together[0])
            del items[: len(together)]
        self.flush(len(self.text) + 1, 0)

    def same_statement(self, items: Sequence[syntax.Item]) -> Sequence[syntax.Item]:
        """The first items that stood in one statement."""
        group = self.group(items[0])
        count = 1
        while count < len(items) and group.start <= items[count].span.start < group.end:
            count += 1
        return items[:count]

    def group(self, item: syntax.Item) -> Span:
        return next((g for g in self.module.groups if g.start <= item.span.start and item.span.end <= g.end), item.span)

    def declarations(self, items: Sequence[syntax.Item]) -> None:
        """`param S = 1, D = 2`; a line break between two of them stays one."""
        word = type(items[0]).__name__.lower()
        texts = [self.write.declaration(item) for item in items]
        span = self.group(items[0])
        lead, row, start = f"{word} ", texts[0], span.start
        for before, item, text in zip(items, items[1:], texts[1:], strict=False):
            if "\n" in self.text[before.span.end : item.span.start]:
                comma = self.bare.index(",", before.span.end) + 1
                self.put(f"{lead}{row},", Span(start, comma), 0)
                lead, row, start = " " * len(lead), text, item.span.start
            else:
                row += f", {text}"
        self.put(lead + row + self.write.whereabouts(items[-1]), Span(start, span.end), 0)

    def item(self, item: syntax.Item) -> None:
        match item:
            case syntax.Kernel() | syntax.Layer():
                self.kernel(item)
            case syntax.Schedule(statements, span):
                self.block("schedule", span.start, span.start, statements, span.end, 0)
            case syntax.Use() | syntax.Pool():
                self.put(self.write.declaration(item), item.span, 0)
            case syntax.Param() | syntax.Axis() | syntax.Tensor():
                self.declarations([item])
            case _:
                assert_never(item)

    def kernel(self, kernel: syntax.Kernel | syntax.Layer) -> None:
        last = kernel.parameters[-1].span.end if kernel.parameters else kernel.name.span.end
        brace = self.brace(last)
        self.open(self.write.header(kernel), kernel.span, brace, 0)
        for line in kernel.lines:
            self.line(line, kernel.span.start)
        self.close(kernel.span.end, 0)

    def line(self, line: syntax.Line, kernel: int) -> None:
        if not isinstance(line, syntax.Unit):
            return self.put(self.write.line(line), line.span, 1, None, kernel)
        names, body, annotation = parts = self.write.unit(line)
        long = len(INDENT + names + " = " + body + annotation) >= WIDTH and annotation
        if long:
            self.flush(line.span.end, 1, first=line.span.start)
            self.space(line.span.start)
            self.rows.append(_Row(INDENT, "", (names, body, ""), kernel))
            self.at, self.opening = line.span.end, True
            return self.put(annotation, Span(line.span.end, line.span.end), 2)
        self.put("", line.span, 1, parts, kernel)

    # schedules

    def block(
        self,
        header: str,
        start: int,
        search: int,
        statements: Sequence[syntax.Statement],
        end: int,
        depth: int,
        more: str = "",
    ) -> None:
        """`header { statements } more`, on one row if it was on one line and is short."""
        brace = self.brace(search)
        whole = Span(start, end)
        short = self.one_line(header, statements, Span(brace, end), depth)
        if short is not None:
            return self.put(short + more, whole, depth)
        self.open(header, Span(start, start), brace, depth)
        self.statements(statements, depth + 1)
        self.close(end, depth, more)

    def one_line(self, header: str, statements: Sequence[syntax.Statement], braces: Span, depth: int) -> str | None:
        """The block on one row, if the text has it so and at most one plain statement is in it."""
        if "\n" in self.text[braces.start : braces.end] or len(statements) > 1:
            return None
        if not statements:
            return f"{header} {{}}"
        inner = self.write.statement(statements[0])
        row = None if inner is None else f"{header} {{ {inner} }}"
        return row if row and len(INDENT * depth + row) <= WIDTH else None

    def statements(self, statements: Sequence[syntax.Statement], depth: int) -> None:
        """Short statements that stood on one line stay on one line."""
        left = list(statements)
        while left:
            together = self.same_line(left, depth)
            texts = [self.write.statement(statement) for statement in together]
            if len(together) == 1 and texts[0] is None:
                self.compound(together[0], together[0].span.start, "", depth)
            else:
                span = together[0].span.to(together[-1].span)
                self.put("  ".join(text or "" for text in texts), span, depth)
            del left[: len(together)]

    def same_line(self, statements: list[syntax.Statement], depth: int) -> list[syntax.Statement]:
        first = self.write.statement(statements[0])
        if first is None:
            return statements[:1]
        row, count = INDENT * depth + first, 1
        for before, statement in pairwise(statements):
            text = self.write.statement(statement)
            if text is None or "\n" in self.text[before.span.start : statement.span.end]:
                break
            row, count = f"{row}  {text}", count + 1
        return statements[:count] if len(row) <= WIDTH else statements[:1]

    def compound(self, statement: syntax.Statement, start: int, prefix: str, depth: int) -> None:
        """A statement with a block; `prefix` is the `async` or the `} else` before it."""
        match statement:
            case syntax.Async(inner):
                self.compound(inner, start, prefix + "async ", depth)
            case syntax.For(_, _, stop, body, span):
                header = prefix + self.write.for_header(statement)
                self.block(header, start, stop.span.end, body, span.end, depth)
            case syntax.If():
                self.conditional(statement, start, prefix, depth)
            case _:
                raise AssertionError(statement)

    def conditional(self, statement: syntax.If, start: int, prefix: str, depth: int) -> None:
        """`if c { .. } else if d { .. } else { .. }`"""
        header = f"{prefix}if {self.write.tight(statement.condition)}"
        search = statement.condition.span.end
        then = self.closing(self.brace(search))
        word = re.compile(r"\s*else\b").match(self.bare, then)
        if word is None or word.end() > statement.span.end:
            return self.block(header, start, search, statement.then, statement.span.end, depth)
        self.open(header, Span(start, start), self.brace(search), depth)
        self.statements(statement.then, depth + 1)
        self.otherwise(statement, then - 1, word.end(), depth)

    def otherwise(self, statement: syntax.If, start: int, after: int, depth: int) -> None:
        chained = re.match(r"\s*if\b", self.bare[after:])
        inner = statement.otherwise[0] if chained else None
        search = inner.condition.span.end if isinstance(inner, syntax.If) else after
        self.flush(self.brace(search), depth + 1)
        self.opening = True
        if isinstance(inner, syntax.If):
            return self.conditional(inner, start, "} else ", depth)
        self.open("} else", Span(start, start), self.brace(after), depth)
        self.statements(statement.otherwise, depth + 1)
        self.close(statement.span.end, depth)

    def closing(self, brace: int) -> int:
        """The offset behind the `}` that closes the `{` at `brace`."""
        depth = 0
        for i in range(brace, len(self.bare)):
            depth += (self.bare[i] == "{") - (self.bare[i] == "}")
            if depth == 0:
                return i + 1
        raise AssertionError("the block is closed: it was parsed")


def _without_comments(text: str, comments: Iterable[syntax.Comment]) -> str:
    """The text with blanks for comments, so that offsets stay."""
    for comment in comments:
        start, end = comment.span.start, comment.span.end
        text = text[:start] + " " * (end - start) + text[end:]
    return text


# -- the text of one node ----------------------------------------------------------------------------------------------

# How tightly an expression binds. A reduction takes the product behind it, so as a factor it is last or in brackets.
OR, AND, NOT, COMPARISON, SUM, PRODUCT, FACTOR, SIGNED, ATOM = range(9)
BINDS = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": FACTOR, "/": FACTOR, "%": FACTOR}


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
            case syntax.Pool(name, program, count, tier, cache, policy):
                cached = f" cached in {cache.text}" if cache else ""
                evict = f" evict {policy.text}" if policy else ""
                return f"pool {name.text}: {program.text}[{self.tight(count)}] in {tier.text}{cached}{evict}"
            case syntax.Kernel() | syntax.Layer() | syntax.Schedule():
                raise AssertionError("a block is not one line")
            case _:
                assert_never(item)

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
        return f"{self.term(place.term)}{at}{bound}"

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
            case syntax.Launch(target, arguments, by):
                given = "" if arguments is None else f"({', '.join(map(self.tight, arguments))})"
                return f"launch {self.target(target)}{given}" + (f" by {by}" if by else "")
            case syntax.Activate(target):
                return f"activate {self.target(target)}"
            case syntax.Copy(source, into):
                return f"copy {self.view(source)} -> {self.view(into)}"
            case syntax.Let(name, value):
                return f"let {name.text} = {self.tight(value)}"
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
        return _Expressions(self, " ").write(expr, OR, True)

    def tight(self, expr: syntax.Expr, binds: int = OR) -> str:
        """As in orders, views and schedules: `L*(t/L + 1)`."""
        return _Expressions(self, "").write(expr, binds, True)


@dataclass(frozen=True, slots=True)
class _Expressions:
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


def _is_product_of_names(expr: syntax.Expr) -> bool:
    match expr:
        case syntax.Ref():
            return True
        case syntax.Binary("*", left, right):
            return _is_product_of_names(left) and _is_product_of_names(right)
        case _:
            return False
