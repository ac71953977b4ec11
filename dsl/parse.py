"""Text to syntax tree. A syntax error is a diagnostic, never an exception, and the lines beside it are still read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rdflow.dsl import syntax
from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.lexing import JOINS_NEXT, grammar
from rdflow.dsl.reader import Reader
from rdflow.dsl.source import Source, Span
from rdflow.dsl.tree import Build, Group


def parse(source: Source) -> tuple[syntax.Module, list[Diagnostic]]:
    """The tree of a file, without what could not be read, and every syntax error."""
    parts, diagnostics = _build(source, "module")
    groups = tuple(part.span for part in parts if isinstance(part, Group))
    return syntax.Module(source, tuple(_items(parts)), _comments(source.text), groups), diagnostics


def parse_lines(source: Source) -> tuple[tuple[syntax.Item, ...], tuple[syntax.Line, ...], list[Diagnostic]]:
    """What is typed in the REPL: declarations, or lines of a kernel without the kernel."""
    parts, diagnostics = _build(source, "session")
    lines = tuple(part for part in parts if isinstance(part, syntax.Line))
    return tuple(_items(part for part in parts if not isinstance(part, syntax.Line))), lines, diagnostics


def is_incomplete(text: str) -> bool:
    """Whether more is to come: a bracket or a brace is open, or the last line ends with an operator."""
    tokens = [token for token in grammar().lex(text) if token.type not in ("_NEWLINE", "UNCLOSED")]
    kinds = [token.type for token in tokens]
    pairs = (("LPAR", "RPAR"), ("LSQB", "RSQB"), ("LBRACE", "RBRACE"))
    return any(kinds.count(a) > kinds.count(b) for a, b in pairs) or (bool(kinds) and kinds[-1] in JOINS_NEXT)


def _build(source: Source, start: str) -> tuple[tuple[Any, ...], list[Diagnostic]]:
    reader = Reader(source, start)
    tree = reader.read()
    build = Build()
    parts = build.transform(tree)
    found = reader.diagnostics + build.diagnostics
    return parts, sorted(found, key=lambda diagnostic: diagnostic.labels[0].span.start)


def _items(parts: Iterable[Any]) -> Iterator[syntax.Item]:
    for part in parts:
        if isinstance(part, Group):
            yield from part.items
        else:
            yield part


def _comments(text: str) -> tuple[syntax.Comment, ...]:
    """The language has no strings, so a `#` always begins a comment."""
    return tuple(_comment(text, found) for found in re.finditer(r"#[^\n]*", text))


def _comment(text: str, found: re.Match[str]) -> syntax.Comment:
    start = found.start()
    alone = not text[text.rfind("\n", 0, start) + 1 : start].strip()
    written = found.group().rstrip()
    return syntax.Comment(written, alone, Span(start, start + len(written)))
