"""What came of serving requests: when each began, had its first token and was done, and what follows from that.

Times are cycles since the start of the trace. Percentiles are of the nearest rank: each is a value that was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from math import ceil

from rdflow.dsl.records import dataclass
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.memory import MemoryPlan
from rdflow.interpreter.requests import Request
from rdflow.interpreter.timetable import Timetable

PERCENTS = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Way:
    """How requests are served: who leaves the cache; `group`: a batch's prompts by expert; `overlap`: the next expert is
    loaded while one runs, which policy `prefetch` does too."""

    policy: str
    group: bool = False
    overlap: bool = False

    @property
    def ahead(self) -> bool:
        return self.overlap or self.policy == "prefetch"


@dataclass(frozen=True, slots=True)
class Done:
    """A request that is served. When it came, when its batch began, when its expert began to run, when it had its first
    token and its last one; whether its expert was in the cache, how many left for it, cycles of the copies for that, and
    cycles that the chip waited for them."""

    number: int
    request: Request
    arrival: int
    begun: int
    started: int
    first: int
    end: int
    hit: bool
    evicted: int
    copying: int
    stalled: int

    @property
    def to_first(self) -> int:
        """Cycles from its coming to its first token."""
        return self.first - self.arrival

    @property
    def each(self) -> Fraction | None:
        """Cycles for each token after the first; None where there are none."""
        steps = self.request.answer - 1
        return Fraction(self.end - self.first, steps) if steps else None

    @property
    def latency(self) -> int:
        return self.end - self.arrival


@dataclass(frozen=True, slots=True)
class Held:
    """From a cycle on, bytes of experts in the cache."""

    at: int
    size: int


@dataclass(frozen=True)
class Served:
    """All requests in the order in which they were done, the timetable, and what the cache held."""

    way: Way
    machine: Machine
    done: tuple[Done, ...]
    timetable: Timetable
    held: tuple[Held, ...]
    plan: MemoryPlan

    @property
    def hits(self) -> int:
        return sum(one.hit for one in self.done)

    @property
    def misses(self) -> int:
        return len(self.done) - self.hits

    @property
    def evicted(self) -> int:
        return sum(one.evicted for one in self.done)

    @property
    def span(self) -> int:
        """Cycles from the first request to the last token."""
        return max(one.end for one in self.done) - min(one.arrival for one in self.done)

    def seconds(self, cycles: float | Fraction) -> float:
        return float(Fraction(cycles) / self.machine.socket.clock)

    def of_first(self) -> list[float]:
        """Seconds to the first token, in order."""
        return sorted(self.seconds(one.to_first) for one in self.done)

    def of_each(self) -> list[float]:
        """Seconds for each token after the first, in order."""
        return sorted(self.seconds(one.each) for one in self.done if one.each is not None)

    def of_all(self) -> list[float]:
        """Seconds to the last token, in order."""
        return sorted(self.seconds(one.latency) for one in self.done)

    @property
    def tokens_per_second(self) -> float:
        return sum(one.request.answer for one in self.done) / self.seconds(self.span)

    @property
    def requests_per_second(self) -> float:
        return len(self.done) / self.seconds(self.span)

    @property
    def cost_of_a_miss(self) -> tuple[float, float]:
        """Seconds of copies, and seconds that the chip waits, on average for a request whose expert was not there."""
        missed = [one for one in self.done if not one.hit]
        count = max(1, len(missed))
        copying, stalled = sum(one.copying for one in missed), sum(one.stalled for one in missed)
        return self.seconds(Fraction(copying, count)), self.seconds(Fraction(stalled, count))

    @property
    def busy(self) -> float:
        """The share of the time that a kernel executes."""
        return self.timetable.spent().get("execute", 0) / max(1, self.span)

    def queue(self) -> list[tuple[int, int]]:
        """From which cycle on how many requests wait for their batch to begin."""
        changes: dict[int, int] = {}
        for one in self.done:
            changes[one.arrival] = changes.get(one.arrival, 0) + 1
            changes[one.begun] = changes.get(one.begun, 0) - 1
        return list(_summed(sorted(changes.items())))

    @property
    def mean_queue(self) -> float:
        """Requests that wait, on average over time: by Little, what they wait together over the time."""
        return sum(one.begun - one.arrival for one in self.done) / max(1, self.span)

    @property
    def longest_queue(self) -> int:
        return max(length for _, length in self.queue())

    def occupancy(self, tier: str) -> list[tuple[int, int]]:
        """From which cycle on how many bytes of a tier are in use on a socket: its tensors, and the experts in it."""
        fixed = max((p.end for p in self.plan.placed if p.tier == tier), default=0) + self.plan.stored.get(tier, 0)
        region = self.plan.regions.get(tier)
        if region is None:
            return [(0, fixed)]
        return [(0, region.address), *((one.at, region.address + one.size) for one in self.held)]


def percentile(values: Sequence[float], percent: int) -> float | None:
    """Of values in order, the least that so many percent of them do not exceed."""
    return values[max(0, ceil(Fraction(percent * len(values), 100)) - 1)] if values else None


def _summed(changes: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    total = 0
    for at, change in changes:
        total += change
        yield at, total
