"""What is published, read from published.toml: a row of the paper's own column each."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from rdflow.dsl.diagnostics import CompileError, Diagnostic
from rdflow.dsl.records import dataclass

MARKS = ("simulated", "counted", "modelled", "fitted", "not reproducible")


@dataclass(frozen=True, slots=True)
class Published:
    """A row: what it is about, what is published of it (a value, the ends of a range, or nothing), and how ours comes about."""

    name: str
    what: str
    unit: str
    mark: str
    note: str
    source: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    within: float | None = None
    digits: int | None = None

    @property
    def ranged(self) -> bool:
        return self.low is not None or self.high is not None


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads((resources.files("rdflow.paper") / "published.toml").read_text(encoding="utf-8"))


def setup(key: str) -> int:
    """A number of the paper's experiments."""
    return int(_file()["setup"][key])


def published() -> list[Published]:
    """All rows, in the order of the file."""
    sections = {name: section for name, section in _file().items() if name != "setup"}
    return [Published(f"{name}.{key}", **row) for name, section in sections.items() for key, row in section.items()]


def wanted(only: str | None) -> list[Published]:
    """All rows, or one by its name, or those of a section. Raises CompileError (RDF308)."""
    rows = published()
    found = [row for row in rows if only in (None, row.name, row.name.partition(".")[0])]
    if not found:
        from difflib import get_close_matches

        sections = list(dict.fromkeys(row.name.partition(".")[0] for row in rows))
        near = get_close_matches(str(only), [*sections, *(row.name for row in rows)], 1)
        note = "rows stand under: " + ", ".join(sections)
        help = f"did you mean `{near[0]}`?" if near else "`rdflow paper --json` lists the names"
        raise CompileError([Diagnostic("RDF308", f"the paper has no row `{only}`", (), (note,), help)])
    return found
