"""Draws a diagnostic for a terminal, or as JSON. The only file that knows what one looks like."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rdflow.dsl.diagnostics import Diagnostic, Label, Severity
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span

RESET, BOLD, RED, YELLOW, BLUE, CYAN = "\033[0m", "\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;34m", "\033[1;36m"
SEVERITY_COLOR = {Severity.ERROR: RED, Severity.WARNING: YELLOW}


def render(diagnostic: Diagnostic, source: Source, color: bool = False) -> str:
    """The diagnostic with the lines that it points at, as in rustc: headline, place, lines with carets, notes, help."""
    return _Drawing(diagnostic, source, color).text()


def as_json(diagnostic: Diagnostic, source: Source) -> dict[str, Any]:
    """The fields that the command line prints with --json."""
    labels = [{"text": label.text} | _place(label, source) for label in diagnostic.labels]
    nowhere = {"file": source.name} | dict.fromkeys(("line", "column", "end_line", "end_column"))
    first = _place(diagnostic.labels[0], source) if diagnostic.labels else nowhere
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        **first,
        "labels": labels,
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
    }


def _place(label: Label, source: Source) -> dict[str, Any]:
    where = label.source or source
    line, column = where.position(label.span.start)
    end_line, end_column = where.position(label.span.end)
    return {"file": where.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is underlined of one line: columns from 0, `end` excluded; a text at the label's last line only."""

    line: int
    start: int
    end: int
    text: str
    primary: bool


class _Drawing:
    def __init__(self, diagnostic: Diagnostic, source: Source, color: bool):
        self.diagnostic = diagnostic
        self.source = source
        self.color = color
        lines = [(label.source or source).position(_last(label.span))[0] for label in diagnostic.labels]
        self.gutter = len(str(max(lines, default=1)))

    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.rows())

    def rows(self) -> Iterator[str]:
        diagnostic = self.diagnostic
        kind = self.paint(SEVERITY_COLOR[diagnostic.severity], f"{diagnostic.severity}[{diagnostic.code}]")
        yield kind + self.paint(BOLD, f": {diagnostic.message}")
        for first, (source, labels) in enumerate(self.by_source()):
            yield from self.excerpt(source, labels, ":::" if first else "-->")
        if diagnostic.labels and (diagnostic.notes or diagnostic.help):
            yield self.edge("|")
        for note in diagnostic.notes:
            yield from self.remark("note", note)
        if diagnostic.help:
            yield from self.remark("help", diagnostic.help)

    def by_source(self) -> list[tuple[Source, list[Label]]]:
        """The labels of each source, the source of the first label first."""
        found: list[tuple[Source, list[Label]]] = []
        for label in self.diagnostic.labels:
            where = label.source or self.source
            same = next((labels for source, labels in found if source is where), None)
            if same is None:
                found.append((where, [label]))
            else:
                same.append(label)
        return found

    def excerpt(self, source: Source, labels: list[Label], arrow: str) -> Iterator[str]:
        line, column = source.position(labels[0].span.start)
        yield f"{' ' * self.gutter}{self.paint(BLUE, arrow)} {source.name}:{line}:{column}"
        yield self.edge("|")
        marks = [mark for label in labels for mark in _marks(label, source, label is self.diagnostic.labels[0])]
        last = None
        for number, group in groupby(sorted(marks, key=lambda mark: mark.line), key=lambda mark: mark.line):
            if last is not None and number > last + 2:
                yield self.paint(BLUE, "...")
            elif last is not None and number == last + 2:
                yield self.source_row(source, last + 1)
            yield self.source_row(source, number)
            yield from self.underline(list(group))
            last = number

    def source_row(self, source: Source, number: int) -> str:
        text = source.line(number).replace("\t", " ").rstrip()
        return f"{self.paint(BLUE, f'{number:>{self.gutter}} |')} {text}"

    def underline(self, marks: list[_Mark]) -> Iterator[str]:
        """Carets under all marks of a line, the last one's text behind them, the texts of the others below."""
        marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
        cells = [(" ", False)] * max(mark.end for mark in marks)
        for mark in sorted(marks, key=lambda mark: mark.primary):
            cells[mark.start : mark.end] = [("^" if mark.primary else "-", mark.primary)] * (mark.end - mark.start)
        *others, last = marks
        beside = self.label(last) if all(mark.end <= last.start for mark in others) else ""
        yield self.edge(f"| {self.paint_cells(cells)}" + (f" {beside}" if beside else ""))
        below = [mark for mark in (others if beside else marks) if mark.text]
        if below:
            yield self.hanging(below)
        while below:
            mark = below.pop()
            yield self.hanging(below, mark)

    def hanging(self, marks: list[_Mark], with_text: _Mark | None = None) -> str:
        """A row with a bar under each mark; the text of one stands in place of its bar."""
        row, width = "", 0
        before = [mark for mark in marks if with_text is None or mark.start < with_text.start]
        for start in sorted({mark.start for mark in before}):
            color = next(mark.primary for mark in before if mark.start == start)
            row += " " * (start - width) + self.paint(self.mark_color(color), "|")
            width = start + 1
        if with_text is not None:
            row += " " * (with_text.start - width) + self.label(with_text)
        return self.edge(f"| {row}")

    def remark(self, kind: str, text: str) -> Iterator[str]:
        first, *more = text.split("\n")
        yield self.edge("=") + f" {self.paint(BOLD if kind == 'note' else CYAN, kind)}: {first}"
        for line in more:
            yield f"{' ' * (self.gutter + 3)}{' ' * len(kind)}  {line}"

    def edge(self, text: str) -> str:
        return f"{' ' * (self.gutter + 1)}{self.paint(BLUE, text[0])}{text[1:]}"

    def label(self, mark: _Mark) -> str:
        return self.paint(self.mark_color(mark.primary), mark.text) if mark.text else ""

    def paint_cells(self, cells: list[tuple[str, bool]]) -> str:
        runs = (
            ("".join(cell for cell, _ in group), primary)
            for (_, primary), group in groupby(cells, key=lambda cell: (cell[0] == " ", cell[1]))
        )
        return "".join(text if text.isspace() else self.paint(self.mark_color(primary), text) for text, primary in runs)

    def mark_color(self, primary: bool) -> str:
        return SEVERITY_COLOR[self.diagnostic.severity] if primary else BLUE

    def paint(self, code: str, text: str) -> str:
        return f"{code}{text}{RESET}" if self.color and text else text


def _last(span: Span) -> int:
    """The last character of a span, which may be empty."""
    return max(span.start, span.end - 1)


def _marks(label: Label, source: Source, primary: bool) -> Iterator[_Mark]:
    """One mark for a label within a line; the first and the last line of a longer one."""
    first, start = source.position(label.span.start)
    last, end = source.position(_last(label.span))
    if first == last:
        yield _Mark(first, start - 1, max(end, start), label.text, primary)
        return
    yield _Mark(first, start - 1, max(len(source.line(first).rstrip()), start), "", primary)
    text = source.line(last)
    indent = min(len(text) - len(text.lstrip()), end - 1)
    yield _Mark(last, indent, end, label.text, primary)
