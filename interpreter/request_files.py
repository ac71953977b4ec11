"""Requests from a CSV in the form of Azure's public traces of LLM inference: TIMESTAMP, ContextTokens, GeneratedTokens.

`Topic`, a further column, is the number of the expert; without it topics are drawn. A time is a date with the time of day
(any number of digits of a second, UTC unless it says otherwise), or a number of seconds. Every mistake of a file is told.
Source: github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.md and 2024.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import field
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import NOWHERE, Source, Span
from rdflow.interpreter.requests import Request, Requests, drawn_topics

CODE = "RDF330"
TIME, PROMPT, ANSWER, TOPIC = "timestamp", "contexttokens", "generatedtokens", "topic"
NAMES = {TIME: "TIMESTAMP", PROMPT: "ContextTokens", ANSWER: "GeneratedTokens", TOPIC: "Topic"}
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
SHOWN = 50  # mistakes that are told one by one
DATE = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(Z|[+-]\d\d:?\d\d)?")
SECONDS = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,2})?")


def read_requests(path: Path, topics: int, skew: float = 1.0, seed: int = 0) -> Requests:
    """The requests of a file, for so many experts; the first one comes at 0. Raises CompileError (RDF330) with every
    mistake."""
    return parse_requests(_source(path), topics, skew, seed)


def parse_requests(source: Source, topics: int, skew: float = 1.0, seed: int = 0) -> Requests:
    """The requests of a text in this form. Raises CompileError (RDF330)."""
    reader = _Reader(source, topics)
    requests = reader.requests()
    if reader.mistakes:
        raise CompileError(_shown(reader.mistakes), source)
    if TOPIC not in reader.columns:
        chosen = drawn_topics(len(requests), topics, skew, seed)
        requests = [Request(r.arrival, r.prompt, r.answer, t) for r, t in zip(requests, chosen, strict=True)]
    start = requests[0].arrival
    return tuple(Request(r.arrival - start, r.prompt, r.answer, r.topic) for r in requests)


def _source(path: Path) -> Source:
    try:
        return Source(str(path), path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise CompileError([_mistake(NOWHERE, f"`{path}` is not a text", "", "write it in UTF-8")]) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        help = f"a CSV with the columns {HEADER}, and Topic if you like"
        raise CompileError([_mistake(NOWHERE, f"cannot read `{path}`: {why}", "", help)]) from None


def _mistake(span: Span, message: str, label: str, help: str) -> Diagnostic:
    return Diagnostic(CODE, message, (Label(span, label),) if label else (), (), help)


def _shown(mistakes: list[Diagnostic]) -> list[Diagnostic]:
    """The first mistakes, and how many more there are."""
    more = len(mistakes) - SHOWN
    if more <= 0:
        return mistakes
    last = Diagnostic(CODE, f"{more:,} more mistakes in this trace", (), (), "correct these first")
    return [*mistakes[:SHOWN], last]


@dataclass
class _Reader:
    """Reads line by line. `columns`: by name in small letters, its place."""

    source: Source
    topics: int
    columns: dict[str, int] = field(default_factory=dict)
    mistakes: list[Diagnostic] = field(default_factory=list)
    _dated: bool | None = None
    _latest: tuple[Fraction, int] | None = None
    """the last time so far, and its line"""

    def requests(self) -> list[Request]:
        """All that can be read; nothing after a wrong header."""
        lines = self._lines()
        header = next(lines, None)
        if header is None or not self._header(*header[1:]):
            if header is None:
                self._add(NOWHERE, "the trace is empty", "", f"its first line is {HEADER}")
            return []
        found = [self._row(*line) for line in lines]
        if not found:
            self._add(header[2], "the trace has no requests", "nothing follows", "write a line for each request")
        return [request for request in found if request is not None]

    def _lines(self) -> Iterator[tuple[int, list[str], Span]]:
        """The lines that are not empty: number, cells, place."""
        start = 0
        for number, line in enumerate(self.source.text.split("\n"), 1):
            text = line.rstrip("\r")
            if text.strip():
                cells = [cell.strip() for cell in next(csv.reader([text]))]
                yield number, cells, Span(start, start + len(text))
            start += len(line) + 1

    def _header(self, cells: list[str], span: Span) -> bool:
        names = [cell.lower() for cell in cells]
        self.columns = {name: names.index(name) for name in NAMES if name in names}
        for name in (TIME, PROMPT, ANSWER):
            if name not in self.columns:
                self._add(span, f"the trace has no column {NAMES[name]}", "the columns", f"begin it with {HEADER}")
        return not self.mistakes

    def _row(self, number: int, cells: list[str], span: Span) -> Request | None:
        """A request, or None where something is wrong with it: then all of it is told."""
        if len(cells) <= max(self.columns.values()):
            label = f"{len(cells)} of {1 + max(self.columns.values())} columns"
            self._add(span, f"line {number} is too short", label, "give each column a value")
            return None
        arrival = self._time(cells[self.columns[TIME]], number, span)
        prompt = self._tokens(PROMPT, cells, number, span)
        answer = self._tokens(ANSWER, cells, number, span)
        topic = self._topic(cells, number, span)
        if arrival is None or prompt is None or answer is None or topic is None:
            return None
        return Request(arrival, prompt, answer, topic)

    def _time(self, text: str, number: int, span: Span) -> Fraction | None:
        found = _moment(text)
        if found is None:
            help = "write 2023-11-16 18:17:03.979, or seconds as 12.5"
            self._add(span, f"line {number} has no time that can be read", f"`{text}`", help)
            return None
        dated, at = found
        if self._dated is not None and dated != self._dated:
            label = "a date" if dated else "a number of seconds"
            self._add(span, f"line {number} has another form of time", label, "give all times as those before")
            return None
        self._dated = dated
        if self._latest is not None and at < self._latest[0]:
            label = f"before that of line {self._latest[1]}"
            self._add(span, f"line {number} is not in the order of time", label, "sort the lines by TIMESTAMP")
            return None
        self._latest = (at, number)
        return at

    def _tokens(self, name: str, cells: list[str], number: int, span: Span) -> int | None:
        text = cells[self.columns[name]]
        value = _whole(text)
        if value is None or value < 1:
            label = f"{NAMES[name]} is `{text}`"
            self._add(span, f"line {number} has a wrong length", label, "give a whole number of tokens, at least 1")
            return None
        return value

    def _topic(self, cells: list[str], number: int, span: Span) -> int | None:
        if TOPIC not in self.columns:
            return 0
        text = cells[self.columns[TOPIC]]
        value = _whole(text)
        if value is None or not 0 <= value < self.topics:
            label = f"Topic is `{text}`"
            help = f"topics are numbers of experts: 0 to {self.topics - 1}"
            self._add(span, f"line {number} is for an expert that there is not", label, help)
            return None
        return value

    def _add(self, span: Span, message: str, label: str, help: str) -> None:
        self.mistakes.append(_mistake(span, message, label, help))


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else None


def _moment(text: str) -> tuple[bool, Fraction] | None:
    """Whether a time is a date, and its seconds, exactly; None where it is no time."""
    if SECONDS.fullmatch(text):
        return False, Fraction(text)
    found = DATE.fullmatch(text)
    if found is None:
        return None
    day, clock, digits, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{(zone or '+00:00').replace('Z', '+00:00')}")
    except ValueError:
        return None
    whole = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return True, whole + (Fraction(int(digits), 10 ** len(digits)) if digits else Fraction(0))
