"""Where the rows of a formatted program go: comments, empty lines and braces stand as in its text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rdflow.dsl import syntax
from rdflow.dsl.format_columns import INDENT, Row
from rdflow.dsl.source import Span


class Page:
    """Rows in the order of the text: before each, the comments and the empty line that the text has before it."""

    def __init__(self, module: syntax.Module):
        self.text = module.source.text
        self.bare = _without_comments(self.text, module.comments)
        self.comments = list(module.comments)
        self.rows: list[Row] = []
        self.at = 0  # the text up to here is printed
        self.opening = True  # nothing is printed yet in this block

    def put(
        self, text: str, span: Span, depth: int, unit: tuple[str, str, str] | None = None, kernel: int = -1
    ) -> None:
        """One row for what stands at `span`, after its comments, with the comment behind it."""
        self.flush(span.end, depth, first=span.start)
        self.space(span.start)
        self.rows.append(Row(INDENT * depth + text, self.trailing(span.end), unit, kernel))
        self.at = max(self.at, span.end)
        self.opening = False

    def flush(self, until: int, depth: int, first: int | None = None) -> None:
        """The comments before `until`, each on a line of its own: what they stood inside is printed on one line."""
        while self.comments and self.comments[0].span.start < until:
            comment = self.comments.pop(0)
            self.space(min(comment.span.start, first if first is not None else until))
            self.rows.append(Row(INDENT * depth + comment.text))
            self.at = max(self.at, comment.span.end if first is None else min(comment.span.end, first))
            self.opening = False

    def space(self, start: int) -> None:
        """An empty row where the text has empty lines, but none at the beginning of a block."""
        if not self.opening and re.search(r"\n[ \t\r]*\n", self.text[self.at : start]):
            self.rows.append(Row(""))

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
