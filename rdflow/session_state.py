"""A program as it is typed, entry by entry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import lru_cache
from typing import TYPE_CHECKING

from rdflow.dsl import syntax
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.parse import is_incomplete, parse_lines
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source

if TYPE_CHECKING:
    from rdflow.interpreter.machine import Machine


KERNEL = "main"
JOINS = re.compile(r"(as|depth)\b")  # a line that begins so belongs to the unit before it
DECLARES = re.compile(r"(param|axis|tensor|use|pool|kernel|layer|schedule)\b(?!\s*=)")


@dataclass(frozen=True)
class State:
    """A program as it was typed, the params that are set, the machine (None: the usual one). Undo goes back to one."""

    entries: tuple[str, ...] = ()
    settings: Mapping[str, Value] = field(default_factory=dict)
    machine: Machine | None = None
    name: str = "session"

    @property
    def text(self) -> str:
        return "\n".join(self.entries)

    def placed(self) -> Iterator[tuple[int, str]]:
        """Every entry and where it begins in the text."""
        offset = 0
        for entry in self.entries:
            yield offset, entry
            offset += len(entry) + 1


Parsed = tuple[tuple[syntax.Item, ...], tuple[syntax.Line, ...], tuple[Diagnostic, ...]]


@lru_cache(maxsize=1024)
def parsed(offset: int, text: str) -> Parsed:
    """An entry's declarations and lines, with spans that count from the beginning of the session."""
    items, lines, found = parse_lines(Source("entry", " " * offset + text))
    return items, lines, tuple(found)


def statements(text: str) -> list[str]:
    """A text cut into entries: a line each, or several where a bracket is open or a line goes on."""
    found: list[str] = []
    gathered: list[str] = []
    for line in text.split("\n"):
        gathered.append(line)
        if is_incomplete("\n".join(gathered)):
            continue
        if found and JOINS.match(line.lstrip()) and len(gathered) == 1:
            found[-1] += "\n" + line
        else:
            found.append("\n".join(gathered))
        gathered = []
    return [*found, "\n".join(gathered)] if gathered else found
