"""Sections of a table as records: readers that take what TOML has and collect every fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.source import NOWHERE, Source, Span
from rdflow.interpreter.machine_files import places


class Faults:
    """What is wrong with a table, each at the nearest line that its text has."""

    def __init__(self, texts: tuple[Source, ...]):
        self.texts = [(source, places(source)) for source in texts]
        self.found: list[Diagnostic] = []

    def unknown(self, path: str, known: list[str]) -> None:
        section, _, key = path.rpartition(".")
        near = get_close_matches(key, known, 1)
        note = f"{f'`{section}`' if section else 'a table'} has: " + ", ".join(known)
        help = f"did you mean `{near[0]}`?" if near else None
        self.add(f"a table has no `{path}`", path, False, "nothing reads this", help, note)

    def missing(self, path: str) -> None:
        key = path.rpartition(".")[2]
        help = f"add `{key}`: `rdflow explain RDF317` says what a table has"
        self.add(f"the table lacks `{path}`", path, False, f"`{key}` belongs here", help)

    def unfit(self, path: str, expected: str) -> None:
        self.add(f"`{path}` is not {expected}", path, True, f"expected {expected}", None)

    def add(self, message: str, path: str, at_value: bool, label: str, help: str | None, *notes: str) -> None:
        source, spans = self.place(path)
        shown = Label(spans[at_value], label, source)
        self.found.append(Diagnostic("RDF317", message, (shown,), notes, help))

    def place(self, path: str) -> tuple[Source, tuple[Span, Span]]:
        """Where a key and its value are, or else the key above; the first text that has it counts."""
        while path:
            for source, known in self.texts:
                if path in known:
                    return source, known[path]
            path = path.rpartition(".")[0]
        return self.texts[0][0], (NOWHERE, NOWHERE)


Reader = Callable[[Any, str, Faults], Any]
"""Takes what TOML has at a dotted path; what it gives counts only where no fault was found."""


def text(given: Any, path: str, faults: Faults) -> str:
    if not isinstance(given, str):
        faults.unfit(path, "a text in quotes")
    return str(given)


def formula(given: Any, path: str, faults: Faults) -> str | int | float | bool:
    if not isinstance(given, str | int | float):
        faults.unfit(path, "a number, or arithmetic in quotes")
        return 0
    return given


def texts(given: Any, path: str, faults: Faults) -> tuple[str, ...]:
    """A text, or a list of some."""
    found = given if isinstance(given, list) else [given]
    if not found or not all(isinstance(item, str) for item in found):
        faults.unfit(path, "a text in quotes, or a list of them")
    return tuple(found)


def formulas(given: Any, path: str, faults: Faults) -> tuple[str | int | float | bool, ...]:
    """A formula, or a list of some."""
    found = given if isinstance(given, list) else [given]
    if not found or not all(isinstance(item, str | int | float) for item in found):
        faults.unfit(path, "a number, arithmetic in quotes, or a list of them")
    return tuple(found)


def each(reader: Reader) -> Reader:
    """A section of any keys, all read in one way."""

    def read(given: Any, path: str, faults: Faults) -> dict[str, Any]:
        if not isinstance(given, dict):
            faults.unfit(path, "a section")
            return {}
        return {key: reader(value, f"{path}.{key}", faults) for key, value in given.items()}

    return read


def record(cls: type, readers: Mapping[str, Reader]) -> Reader:
    """A section with these keys; those for which the class has a default may be left out."""
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]

    def read(given: Any, path: str, faults: Faults) -> Any:
        if not isinstance(given, dict):
            faults.unfit(path, "a section")
            return None
        within = f"{path}." if path else ""
        for key in [key for key in given if key not in readers]:
            faults.unknown(within + key, list(readers))
        missing = [key for key in needed if key not in given]
        for key in missing:
            faults.missing(within + key)
        values = {key: readers[key](value, within + key, faults) for key, value in given.items() if key in readers}
        return None if missing else cls(**values)

    return read
