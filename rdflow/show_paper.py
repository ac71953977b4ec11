"""The comparison with the paper as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from rdflow.paper.rows import NOT_RUN, Row
from rdflow.show import table

COLORS = {"holds": "green", "miss": "bold red", "differs": "yellow", NOT_RUN: "bright_black"}
DIGITS = 4  # that are shown


def shown(rows: Sequence[Row]) -> list[Any]:
    """All rows, those of a table or figure together; below, the reasons for what misses; at last, how many hold."""
    made = table("row", "what", ">published", ">ours", ">error", "how", "verdict", title="published, and this model")
    before = ""
    for row in rows:
        section = row.published.name.partition(".")[0]
        if before not in ("", section):
            made.add_section()
        before = section
        what = Text(f"{row.published.what} [{row.published.unit}]")
        cells = (theirs(row), ours(row), error(row), row.published.mark)
        made.add_row(Text(row.published.name), what, *cells, Text(row.verdict, COLORS.get(row.verdict, "")))
    return [made, *_reasons(rows), Text(count(rows) + "\n", "bright_black")]


def _reasons(rows: Sequence[Row]) -> Iterator[Text]:
    for row in rows:
        if row.verdict in ("miss", "differs"):
            yield Text(f"{row.published.name}: {row.published.note} ({row.ours.how})")


def count(rows: Sequence[Row]) -> str:
    """`12 rows: 10 hold, 1 miss, ..`, and where the reasons are."""
    found = Counter(row.verdict for row in rows)
    parts = ", ".join(f"{number} {verdict}" for verdict, number in found.most_common())
    return f"{len(rows)} rows: {parts}. Sources, notes and how each of ours came about: --json, --report."


def number(value: float) -> str:
    return f"{value:.{DIGITS}g}" if abs(value) < 10**DIGITS else f"{value:,.0f}"


def theirs(row: Row) -> str:
    """A value, a range with its ends, or nothing."""
    published = row.published
    if published.value is not None:
        return number(published.value)
    if not published.ranged:
        return "-"
    if published.low is None:
        return f"at most {number(published.high or 0.0)}"
    return (
        f"at least {number(published.low)}"
        if published.high is None
        else f"{number(published.low)} to {number(published.high)}"
    )


def ours(row: Row) -> str:
    return "-" if row.ours.value is None else number(row.ours.value)


def error(row: Row) -> str:
    return "" if row.error is None else f"{row.error:+.1%}"
