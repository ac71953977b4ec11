"""`rdflow paper`: what is published of the SN40L beside what this model gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rdflow.paper import capacity, composition, fusion, orchestrated, rates
from rdflow.paper.measures import Lab, NotRun
from rdflow.paper.published import Published, wanted
from rdflow.paper.rows import Ours, Row

OURS: dict[str, Callable[[Lab, str], Ours]] = {
    "table1": fusion.table1,
    "rates": rates.rates,
    "figure1": composition.figure1,
    "figure10": orchestrated.figure10,
    "figure11": fusion.figure11,
    "figure12": capacity.figure12,
    "figure13": capacity.figure13,
    "table5": capacity.table5,
}
"""by section, what gives our number for a row of it"""


def rows(lab: Lab, only: str | None = None) -> Iterator[Row]:
    """The rows that are wanted, one by one as they are known. Raises CompileError (RDF308) where there is none."""
    for theirs in wanted(only):
        yield Row(theirs, _ours(lab, theirs))


def _ours(lab: Lab, theirs: Published) -> Ours:
    section, _, row = theirs.name.partition(".")
    try:
        return OURS[section](lab, row)
    except NotRun:
        return Ours(None, "it takes minutes to simulate")
