"""Collects diagnostics while a program is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from rdflow.dsl.diagnostics import Diagnostic, Label, Severity
from rdflow.dsl.source import Source, Span


class Abandon(Exception):
    """A line cannot be given a type; what was wrong has been reported."""


@dataclass
class Reporter:
    """Diagnostics in the order found; the same mistake at the same place is told once.

    `origin` is the source that spans point into while a layer of another file is expanded, `callers` the calls that lead there.
    """

    found: list[Diagnostic] = field(default_factory=list)
    origin: Source | None = None
    callers: list[Label] = field(default_factory=list)

    def add(
        self,
        code: str,
        message: str,
        labels: Sequence[tuple[Span, str]],
        notes: Sequence[str] = (),
        help: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        placed = tuple(Label(span, text, self.origin) for span, text in labels) + tuple(reversed(self.callers))
        diagnostic = Diagnostic(code, message, placed, tuple(notes), help, severity)
        if diagnostic not in self.found:
            self.found.append(diagnostic)

    def warn(
        self,
        code: str,
        message: str,
        labels: Sequence[tuple[Span, str]],
        notes: Sequence[str] = (),
        help: str | None = None,
    ) -> None:
        self.add(code, message, labels, notes, help, Severity.WARNING)

    def fail(
        self,
        code: str,
        message: str,
        labels: Sequence[tuple[Span, str]],
        notes: Sequence[str] = (),
        help: str | None = None,
    ) -> Abandon:
        """Report, and give the exception to raise where the line cannot go on."""
        self.add(code, message, labels, notes, help)
        return Abandon()

    def unknown(self, what: str, name: str, span: Span, known: Sequence[str]) -> Abandon:
        """Report a name that nothing has, with the nearest one that something has."""
        near = get_close_matches(name, list(known), n=1)
        help = f"did you mean `{near[0]}`?" if near else (f"known here: {', '.join(sorted(known))}" if known else None)
        return self.fail("RDF010", f"there is no {what} `{name}`", [(span, "unknown name")], help=help)

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.found)
