"""A row of the comparison: what is published, what this model gives, and what their difference amounts to."""

from __future__ import annotations

from typing import Any

from rdflow.dsl.records import dataclass
from rdflow.paper.published import Published

NOT_RUN = "not run: --full"
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Ours:
    """A number and how it came about, in words that name programs and machines. None: there is none, `missing` says why."""

    value: float | None
    how: str
    missing: str = NOT_RUN


@dataclass(frozen=True, slots=True)
class Row:
    published: Published
    ours: Ours

    @property
    def error(self) -> float | None:
        """Ours over theirs, less 1; of a range how far outside of it."""
        theirs, value = self.published, self.ours.value
        if value is None:
            return None
        if theirs.low is not None and value < theirs.low:
            return value / theirs.low - 1
        if theirs.high is not None and value > theirs.high:
            return value / theirs.high - 1
        if theirs.ranged:
            return 0.0
        return None if theirs.value is None else value / theirs.value - 1

    @property
    def verdict(self) -> str:
        """`holds`, `miss`, what it is where nothing can be said, or that it was not run."""
        if self.ours.value is None:
            return self.ours.missing
        error, theirs = self.error, self.published
        if error is None:
            return "no number published"
        if theirs.mark == "not reproducible":
            return "differs" if not self._close(error) else "holds"
        return "holds" if self._close(error) else "miss"

    def _close(self, error: float) -> bool:
        theirs = self.published
        if theirs.digits is not None and theirs.value is not None:
            assert self.ours.value is not None
            return round(self.ours.value, theirs.digits) == theirs.value
        return abs(error) <= (theirs.within or 0.0) + ROUNDING

    def document(self) -> dict[str, Any]:
        theirs = self.published
        return {
            "name": theirs.name, "what": theirs.what, "unit": theirs.unit, "published": theirs.value,
            "low": theirs.low, "high": theirs.high, "source": theirs.source, "ours": self.ours.value,
            "error": self.error, "within": theirs.within, "digits": theirs.digits, "mark": theirs.mark,
            "verdict": self.verdict, "how": self.ours.how, "note": theirs.note,
        }  # fmt: skip
