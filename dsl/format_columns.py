"""Rows of a formatted program, and the columns in which they line up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from rdflow.dsl.records import dataclass

WIDEST_NAME = 12  # longer names do not push the others of their kernel to the right
WIDEST_BODY = 48  # likewise, for the column of `as`
INDENT = "    "
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Row:
    """A line of output. A unit is kept in three parts until its columns are known: names, body, annotation.

    `kernel` is the kernel that it is a line of, by where that begins.
    """

    text: str
    comment: str = ""
    unit: tuple[str, str, str] | None = None
    kernel: int = -1


def align_units(rows: list[Row]) -> list[Row]:
    """`=` in one column through a kernel, `as` in one column through a block of lines."""
    names = {row.kernel: 0 for row in rows}
    for row in rows:
        if row.unit and len(row.unit[0]) <= WIDEST_NAME:
            names[row.kernel] = max(names[row.kernel], len(row.unit[0]))
    result: list[Row] = []
    for block in _runs(rows, lambda row: row.kernel >= 0):
        bodies = [len(row.unit[1]) for row in block if row.unit and row.unit[2] and len(row.unit[1]) <= WIDEST_BODY]
        widest = max(bodies, default=0)
        result.extend(_place_unit(row, names[row.kernel], widest) for row in block)
    return result


def _place_unit(row: Row, names: int, widest: int) -> Row:
    if row.unit is None:
        return row
    name, body, annotation = row.unit
    left = f"{INDENT}{name:<{names}} = "
    return replace(row, text=f"{left}{body:<{widest}} {annotation}" if annotation else f"{left}{body}")


def align_comments(rows: list[Row]) -> list[Row]:
    """Trailing comments of lines that follow each other begin in one column."""
    result: list[Row] = []
    for block in _runs(rows, lambda row: bool(row.comment) and not row.text.endswith("{")):
        widest = max(len(row.text) for row in block)
        result.extend(
            replace(row, text=f"{row.text:<{widest}}  {row.comment}") if row.comment else row for row in block
        )
    return result


def _runs(rows: Iterable[Row], belongs: Callable[[Row], bool]) -> list[list[Row]]:
    """Rows in order, those that belong together and follow each other in one list."""
    runs: list[list[Row]] = []
    for row in rows:
        if runs and belongs(row) and belongs(runs[-1][-1]):
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs
