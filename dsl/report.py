"""Collects diagnostics while a program is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from difflib import get_close_matches

from rdflow.dsl.diagnostics import Diagnostic, Label, Severity
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span

At = tuple[Span, str] | Label  # a label in the file that is checked, or in any


class Abandon(Exception):
    """A line cannot be given a type; what was wrong has been reported."""


@dataclass
class Reporter:
    """Diagnostics in the order found; the same mistake at the same place is told once.

    `origin` is the source that spans point into while a layer of another file is expanded, `callers` the calls that lead there.
    `silent` are names whose definition is known to be wrong: whoever uses them is not blamed. `unread` are the places of
    syntax errors: lines that hold one are not checked further.
    """

    found: list[Diagnostic] = field(default_factory=list)
    origin: Source | None = None
    callers: list[Label] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    unread: tuple[Span, ...] = ()

    def add(
        self,
        code: str,
        message: str,
        labels: Sequence[At],
        notes: Sequence[str] = (),
        help: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        own = tuple(l if isinstance(l, Label) else Label(*l, self.origin) for l in labels)
        placed = own + tuple(reversed(self.callers))
        diagnostic = Diagnostic(code, message, placed, tuple(notes), help, severity)
        if not any(d.code == code and d.labels[:1] == placed[:1] and d.severity is severity for d in self.found):
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
        labels: Sequence[At],
        notes: Sequence[str] = (),
        help: str | None = None,
    ) -> Abandon:
        """Report, and give the exception to raise where the line cannot go on."""
        self.add(code, message, labels, notes, help)
        return Abandon()

    def unknown(self, what: str, name: str, span: Span, known: Sequence[str], message: str = "") -> Abandon:
        """Report a name that nothing has, with the nearest one that something has. One that is not a slip of the pen is
        told once: its declaration is missing, not each of its uses wrong."""
        if name in self.silent:
            return Abandon()
        near = _nearest(name, known)
        if near is None:
            self.silent.add(name)
        message = message or f"there is no {what} `{name}`"
        return self.fail("RDF010", message, [(span, "unknown name")], help=_help_for(what, name, near, known))

    @property
    def failed(self) -> bool:
        return any(d.severity is Severity.ERROR for d in self.found)


def plural(count: int, noun: str) -> str:
    """`1 name`, `2 names`, `2 axes`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-2]}es" if noun.endswith("is") else f"{count} {noun}s"


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant: one letter apart from nothing is no likeness."""
    near = get_close_matches(name, list(known), n=1)
    alike = near and (len(name) > 1 or near[0][0].lower() == name[0].lower())
    return near[0] if alike else None


_DECLARATIONS = {"axis": "axis {} = ..", "constant": "param {} = ..", "tensor": "tensor {}: bf16[..] in hbm"}


def _help_for(what: str, name: str, near: str | None, known: Sequence[str]) -> str | None:
    if near is not None:
        return f"did you mean `{near}`?"
    here = [f"known here: {', '.join(sorted(set(known)))}"] if known else []
    declare = [f"declare it: `{_DECLARATIONS[what].format(name)}`"] if what in _DECLARATIONS else []
    return "; ".join([*declare, *here]) or None
