"""When things of a schedule happen: the chip, the way from memory to memory and the host, each one thing at a time.

Times are cycles since the start of the program. Beside the cycles of execution, which are simulated, it has what lies
between them: program load, argument load, copies between tiers, the host. A statement begins when those before it have
ended; one that is `async` lets the later ones begin, but for those that touch its data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import field
from fractions import Fraction
from math import ceil

from rdflow.dsl.records import dataclass
from rdflow.interpreter.machine import Machine

CHIP, PATH, HOST = "chip", "copy path", "host"
RESOURCES = (CHIP, PATH, HOST)
NUMBERS = re.compile(r"\[\d+\]|\(.*\)")  # of experts, of elements
LAST = {"launch": "execute"}
"""the part of a statement that is there once for each"""
PARTS = ("program load", "argument load", "execute", "copy", "write back", "host step", "queue", "read", "wait")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a resource does from cycle `start` to cycle `end`. `what`: the statement; `part`: one of PARTS; `slowed`:
    cycles of it that a copy beside it costs (a model); `modelled`: how long a launch executes was estimated."""

    what: str
    part: str
    resource: str
    start: int
    end: int
    slowed: int = 0
    modelled: bool = False

    @property
    def told(self) -> str:
        """Its part in words."""
        return f"{self.part}, estimated" if self.modelled else self.part


@dataclass
class Timetable:
    """The entries so far, each resource's in order and apart from each other. `now`: when the next statement begins."""

    machine: Machine
    entries: list[Entry] = field(default_factory=list)
    now: int = 0
    _free: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESOURCES, 0))
    _pending: dict[str, int] = field(default_factory=dict)
    """by name of data: when what overlaps and touches it ends"""
    _copies: list[tuple[int, int]] = field(default_factory=list)
    _stepping: bool = False
    """whether the host is in a step: launches that it has handed out one after another"""

    @property
    def end(self) -> int:
        return max(self.now, *self._free.values(), 0)

    def spent(self) -> dict[str, int]:
        """Cycles by part."""
        found = dict.fromkeys(PARTS, 0)
        for entry in self.entries:
            found[entry.part] += entry.end - entry.start
        return {part: cycles for part, cycles in found.items() if cycles}

    def statements(self) -> dict[str, tuple[int, int]]:
        """By statement, those of all experts of a pool as one: how often, and cycles of all its parts."""
        found: dict[str, tuple[set[tuple[str, int]], int]] = {}
        for entry in self.entries:
            times, cycles = found.get(name := NUMBERS.sub("", entry.what), (set(), 0))
            if entry.part == LAST.get(entry.what.partition(" ")[0], entry.part):
                times.add((entry.part, entry.start))
            found[name] = times, cycles + entry.end - entry.start
        return {name: (len(times), cycles) for name, (times, cycles) in found.items()}

    def launch(
        self,
        what: str,
        by: str | None,
        data: Collection[str],
        configured: int,
        cycles: int,
        under_copy: Callable[[], int] | None = None,
        overlaps: bool = False,
        path: bool = False,
        modelled: bool = False,
    ) -> None:
        """A launch of a kernel that configures so many PCUs and PMUs and executes for so many cycles; `under_copy` of
        them while something is copied. `path`: it reaches DDR itself, so nothing is copied meanwhile."""
        costs = self.machine.launch
        ready = max(self._ready(data), self._free[CHIP], self._free[PATH] if path else 0)
        if by == "software":
            ready = max(ready, self._by_host(what))
        self._stepping = by == "software"
        share = Fraction(configured, self.machine.pcus + self.machine.pmus)
        ready = self._add(what, "program load", CHIP, ready, self.machine.cycles(costs.boundary + share * costs.load))
        ready = self._add(what, "argument load", CHIP, ready, self.machine.cycles(costs.arguments))
        taken = self._beside_copies(ready, cycles, under_copy)
        self._add(what, "execute", CHIP, ready, taken, taken - cycles, modelled)
        if path:
            self._free[PATH] = ready + taken
        self._ended(ready + taken, data, overlaps)

    def steps(self, what: str, loads: int, arguments: int, cycles: int) -> None:
        """Launches that follow one another by hardware while nothing is copied, summed up: as long as one by one."""
        ready = max(self.now, self._free[CHIP])
        self._stepping = False
        for part, spent in (("program load", loads), ("argument load", arguments), ("execute", cycles)):
            ready = self._add(what, part, CHIP, ready, spent)
        self.now = ready

    @property
    def copying(self) -> bool:
        """Whether a copy has yet to end."""
        return self._free[PATH] > self.now

    def copy(self, what: str, data: Collection[str], cycles: int, overlaps: bool = False, part: str = "copy") -> None:
        """A copy between tiers, which the path makes one after the other."""
        start = max(self._ready(data), self._free[PATH])
        end = self._add(what, part, PATH, start, cycles)
        self._copies = [(a, b) for a, b in self._copies if b > self.now] + [(start, end)]
        self._stepping = self._stepping and overlaps
        self._ended(end, data, overlaps)

    def read(self, what: str, data: Collection[str]) -> None:
        """The host reads a value from the chip and goes on."""
        start = max(self._ready(data), self._free[HOST])
        self.now = self._add(what, "read", HOST, start, self.machine.cycles(self.machine.launch.read))
        self._stepping = False

    def wait(self, what: str, until: int) -> None:
        """Nothing more is begun until a cycle."""
        if until > self.now:
            start = max(self.now, self._free[HOST])
            self._add(what, "wait", HOST, start, max(0, until - start))
            self.now = max(until, start)
        self._stepping = False

    def wait_for(self, data: Collection[str]) -> None:
        """The next statement begins when this data is there."""
        self.now = self._ready(data)

    def ready(self, data: str) -> int:
        """When what touches this data ends."""
        return self._pending.get(data, 0)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _ready(self, data: Iterable[str]) -> int:
        return max([self.now, *(self._pending.get(name, 0) for name in data)])

    def _by_host(self, what: str) -> int:
        """The host hands out a launch; at the first of a step it does what a step costs."""
        costs = self.machine.launch
        start = max(self.now, self._free[HOST])
        if not self._stepping:
            start = self._add(what, "host step", HOST, start, self.machine.cycles(costs.host_step))
        return self._add(what, "queue", HOST, start, self.machine.cycles(costs.queued))

    def _add(
        self, what: str, part: str, resource: str, start: int, cycles: int, slowed: int = 0, modelled: bool = False
    ) -> int:
        """An entry of a resource; when it ends."""
        if cycles:
            self.entries.append(Entry(what, part, resource, start, start + cycles, slowed, modelled))
            self._free[resource] = start + cycles
        return start + cycles

    def _ended(self, end: int, data: Iterable[str], overlaps: bool) -> None:
        if overlaps:
            self._pending.update(dict.fromkeys(data, end))
        else:
            self.now = end

    def _beside_copies(self, start: int, cycles: int, under_copy: Callable[[], int] | None) -> int:
        """How long so many cycles of execution take from `start` on: longer while something is copied."""
        during = [(max(a, start), b) for a, b in self._copies if b > start]
        if not cycles or under_copy is None or not any(a < start + cycles for a, _ in during):
            return cycles
        pace = Fraction(cycles, max(cycles, under_copy()))
        left, at = Fraction(cycles), start
        for begin, end in during:
            if left <= begin - at:
                break
            left -= begin - at
            at = begin
            if left <= pace * (end - begin):
                return begin + ceil(left / pace) - start
            left -= pace * (end - begin)
            at = end
        return at - start + ceil(left)


def overlapping(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Entry]]:
    """Entries of one resource that overlap: there are none."""
    last: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda e: (e.start, e.end)):
        before = last.get(entry.resource)
        if before is not None and before.end > entry.start:
            yield before, entry
        last[entry.resource] = entry
