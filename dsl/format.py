"""The canonical text of a program: one way to write it, comments where they stood, columns that line up.

Formatting its own output changes nothing, and never changes what a program means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import assert_never

from rdflow.dsl import syntax
from rdflow.dsl.format_columns import INDENT, WIDTH, Row, align_comments, align_units
from rdflow.dsl.format_page import Page
from rdflow.dsl.source import Span
from rdflow.dsl.writer import Writer


def format_module(module: syntax.Module) -> str:
    """The canonical text of a module that was parsed without errors."""
    printer = _Printer(module)
    printer.items()
    rows = align_comments(align_units(printer.page.rows))
    return "".join(f"{row.text}".rstrip() + "\n" for row in rows)


class _Printer:
    """Prints statement by statement and, before each, the comments that the text has before it."""

    def __init__(self, module: syntax.Module):
        self.module = module
        self.text = module.source.text
        self.page = Page(module)
        self.write = Writer(self.text)

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
        self.page.flush(len(self.text) + 1, 0)

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
                comma = self.page.bare.index(",", before.span.end) + 1
                self.page.put(f"{lead}{row},", Span(start, comma), 0)
                lead, row, start = " " * len(lead), text, item.span.start
            else:
                row += f", {text}"
        self.page.put(lead + row + self.write.whereabouts(items[-1]), Span(start, span.end), 0)

    def item(self, item: syntax.Item) -> None:
        match item:
            case syntax.Kernel() | syntax.Layer():
                self.kernel(item)
            case syntax.Schedule(statements, span):
                self.block("schedule", span.start, span.start, statements, span.end, 0)
            case syntax.Use() | syntax.Pool():
                self.page.put(self.write.declaration(item), item.span, 0)
            case syntax.Param() | syntax.Axis() | syntax.Tensor():
                self.declarations([item])
            case _:
                assert_never(item)

    def kernel(self, kernel: syntax.Kernel | syntax.Layer) -> None:
        last = kernel.parameters[-1].span.end if kernel.parameters else kernel.name.span.end
        brace = self.page.brace(last)
        self.page.open(self.write.header(kernel), kernel.span, brace, 0)
        for line in kernel.lines:
            self.line(line, kernel.span.start)
        self.page.close(kernel.span.end, 0)

    def line(self, line: syntax.Line, kernel: int) -> None:
        if not isinstance(line, syntax.Unit):
            return self.page.put(self.write.line(line), line.span, 1, None, kernel)
        names, body, annotation = parts = self.write.unit(line)
        long = len(INDENT + names + " = " + body + annotation) >= WIDTH and annotation
        if long:
            self.page.flush(line.span.end, 1, first=line.span.start)
            self.page.space(line.span.start)
            self.page.rows.append(Row(INDENT, "", (names, body, ""), kernel))
            self.page.at, self.page.opening = line.span.end, True
            return self.page.put(annotation, Span(line.span.end, line.span.end), 2)
        self.page.put("", line.span, 1, parts, kernel)

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
        brace = self.page.brace(search)
        whole = Span(start, end)
        short = self.one_line(header, statements, Span(brace, end), depth)
        if short is not None:
            return self.page.put(short + more, whole, depth)
        self.page.open(header, Span(start, start), brace, depth)
        self.statements(statements, depth + 1)
        self.page.close(end, depth, more)

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
                self.page.put("  ".join(text or "" for text in texts), span, depth)
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
        then = self.page.closing(self.page.brace(search))
        word = re.compile(r"\s*else\b").match(self.page.bare, then)
        if word is None or word.end() > statement.span.end:
            return self.block(header, start, search, statement.then, statement.span.end, depth)
        self.page.open(header, Span(start, start), self.page.brace(search), depth)
        self.statements(statement.then, depth + 1)
        self.otherwise(statement, then - 1, word.end(), depth)

    def otherwise(self, statement: syntax.If, start: int, after: int, depth: int) -> None:
        chained = re.match(r"\s*if\b", self.page.bare[after:])
        inner = statement.otherwise[0] if chained else None
        search = inner.condition.span.end if isinstance(inner, syntax.If) else after
        self.page.flush(self.page.brace(search), depth + 1)
        self.page.opening = True
        if isinstance(inner, syntax.If):
            return self.conditional(inner, start, "} else ", depth)
        self.page.open("} else", Span(start, start), self.page.brace(after), depth)
        self.statements(statement.otherwise, depth + 1)
        self.page.close(statement.span.end, depth)
