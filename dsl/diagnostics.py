"""What is wrong with a program, as data. `render` draws it, `codes` explains it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Label:
    """One end of the problem: a place and what to say there. The first label of a diagnostic is where it is reported."""

    span: Span
    text: str
    source: Source | None = None  # another file than the program's (a layer of the library)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A mistake: stable code, one headline, labels at both ends, notes (why the hardware needs it), a line that cures it."""

    code: str
    message: str
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    severity: Severity = Severity.ERROR


class CompileError(Exception):
    """A program or its data is wrong. Carries every diagnostic found, and the source that they point into."""

    def __init__(self, diagnostics: Iterable[Diagnostic], source: Source | None = None):
        self.diagnostics = tuple(diagnostics)
        self.source = source
        super().__init__("; ".join(f"{d.code}: {d.message}" for d in self.diagnostics))
