"""Launches of a kernel that are counted alike, taken together: one of them, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

from rdflow.dsl.records import dataclass
from rdflow.interpreter.image import Counters
from rdflow.interpreter.launched import Launched
from rdflow.interpreter.states import Cycles

ONCE = ("first", "last")
"""what of the counters does not add up over launches"""


@dataclass(frozen=True)
class Weighed:
    """A launch, and how many have its numbers and are counted as it is; counters and states of all of them."""

    one: Launched
    times: int
    counters: Counters
    states: Cycles


def weighed(group: Iterable[Launched]) -> list[Weighed]:
    """Launches of a kernel in the order of the first of each."""
    found: dict[object, list[Launched]] = {}
    for launched in group:
        found.setdefault((id(launched.counted), launched.call.scalars), []).append(launched)
    return [_weighed(same[0], len(same)) for same in found.values()]


def _weighed(one: Launched, times: int) -> Weighed:
    counters = one.counted.counters
    if times == 1:
        return Weighed(one, 1, counters, one.counted.states)
    sums = {f.name: getattr(counters, f.name) * times for f in fields(counters) if f.name not in ONCE}
    return Weighed(one, times, replace(counters, **sums), one.counted.states * times)
