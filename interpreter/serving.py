"""Serves requests over time: a router for each batch, then an expert for each prompt, from a cache of experts.

Requests wait in the order of their arrival. When the chip is free the router takes as many as wait, up to a batch; then
one prompt after the other runs on its expert, which is in HBM or is loaded first. No two things happen on the chip, the
copy path or the host at once (`timetable`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import field
from fractions import Fraction

from rdflow.dsl.pools import Expert, Kind
from rdflow.dsl.records import dataclass
from rdflow.interpreter.cache import Cache, rank
from rdflow.interpreter.costs import Cost
from rdflow.interpreter.memory import MemoryPlan
from rdflow.interpreter.requests import Request, Requests
from rdflow.interpreter.served import Done, Held, Served, Way
from rdflow.interpreter.service import Service
from rdflow.interpreter.symbols import Footprint
from rdflow.interpreter.timetable import Timetable


def serve(service: Service, requests: Requests, way: Way) -> Served:
    """All requests, in cycles since the first could have come."""
    server = Server(service, requests, way)
    server.run()
    return Served(way, service.machine, tuple(server.done), server.timetable, tuple(server.held), server.plan)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an expert: whether it was in the cache, how many left for it, cycles of the copies."""

    expert: Expert
    hit: bool
    evicted: int = 0
    copying: int = 0


@dataclass
class Server:
    """The state of a server. `held`: bytes of experts in the cache whenever these change."""

    service: Service
    requests: Requests
    way: Way
    timetable: Timetable = field(init=False)
    plan: MemoryPlan = field(init=False)
    cache: Cache = field(init=False)
    done: list[Done] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    _arrivals: list[int] = field(default_factory=list)
    _places: dict[int, list[int]] = field(default_factory=dict)
    """by topic, which requests are for it"""
    _order: list[int] = field(default_factory=list)
    """of the current batch: which requests come one after another"""
    _turn: int = 0
    _waited_for: set[Expert] = field(default_factory=set)
    _dirty: set[Expert] = field(default_factory=set)
    _asked: dict[int, Asked] = field(default_factory=dict)

    def __post_init__(self) -> None:
        machine = self.service.machine
        self.timetable = Timetable(machine)
        self.plan = self.service.largest.execution.plan
        tier = self.service.pool.cache
        region = self.plan.regions[tier] if tier is not None else None
        self.cache = Cache(region.address, region.size) if region is not None else Cache(0, 0)
        self._arrivals = [machine.cycles(Fraction(request.arrival)) for request in self.requests]
        for number, request in enumerate(self.requests):
            self._places.setdefault(request.topic, []).append(number)

    def run(self) -> None:
        first = 0
        while first < len(self.requests):
            self.timetable.wait("wait for requests", self._arrivals[first])
            waiting = bisect_right(self._arrivals, self.timetable.now, lo=first)
            last = min(waiting, first + self.service.batch)
            self.service.say(f"serving under {self.way.policy}: request {first + 1:,} of {len(self.requests):,}")
            self._batch(range(first, last))
            first = last

    def _batch(self, numbers: range) -> None:
        """The router for all of a batch, then its prompts."""
        begun = self.timetable.now
        longest = max(self.requests[n].prompt for n in numbers)
        for cost in self.service.router(longest):
            self._launch(cost, "")
        self._order = list(numbers)
        if self.way.group:
            self._read(numbers)
            self._order.sort(key=lambda n: self.requests[n].topic)
        for turn, number in enumerate(self._order):
            self._turn = turn
            self._prompt(number, begun)

    def _prompt(self, number: int, begun: int) -> None:
        """A prompt on its expert; the next expert may come meanwhile."""
        if not self.way.group and number not in self._asked:
            self._read([number])
        before = self.timetable.now
        if number in self._asked:
            self.timetable.wait_for({str(self._asked[number].expert)})
        else:
            self._asked[number] = self._ask(number, False)
        stalled = self.timetable.now - before
        if self.way.ahead:
            self._next()
        self._run(number, begun, stalled)

    def _next(self) -> None:
        """Load the expert of the next prompt of the batch, unless there is no room while this one runs."""
        if self._turn + 1 == len(self._order):
            return
        number = self._order[self._turn + 1]
        if not self._room_beside(number):
            return
        if not self.way.group:
            self._read([number])
        self._asked[number] = self._ask(number, True)

    def _read(self, numbers: Sequence[int]) -> None:
        """The host reads what the router chose."""
        for _ in numbers if self.service.largest.reads else ():
            self.timetable.read("read the choice", {"choice"})

    # -- launches ------------------------------------------------------------------------------------------------------

    def _run(self, number: int, begun: int, stalled: int) -> None:
        """The launches of an expert: up to the first token, then the steps of the answer."""
        request, asked = self.requests[number], self._asked.pop(number)
        kind = self.service.pool.kind(request.topic)
        self._used(asked.expert)
        started = self.timetable.now
        for cost in self.service.first(kind, request.prompt):
            self._launch(cost, str(asked.expert))
        first = self.timetable.now
        self._steps(request, kind, str(asked.expert))
        times = (self._arrivals[number], begun, started, first, self.timetable.now)
        self.done.append(Done(number, request, *times, asked.hit, asked.evicted, asked.copying, stalled))

    def _steps(self, request: Request, kind: Kind, expert: str) -> None:
        """The steps of an answer: one by one while something is copied or where the host hands them out, else as one."""
        number = 1
        while number < request.answer:
            costs = self.service.step(kind, request.prompt, number)
            if self.timetable.copying or any(cost.by == "software" for cost in costs):
                for cost in costs:
                    self._launch(cost, expert)
                number += 1
            else:
                self._stretch(request, kind, costs[0].what, number)
                return

    def _stretch(self, request: Request, kind: Kind, what: str, number: int) -> None:
        """All steps from a number on."""
        stretch, end = self.service.stretch(kind, request.prompt), request.answer - 1
        sums = (stretch.loads, stretch.arguments, stretch.cycles)
        self.timetable.steps(f"{what} x {request.answer - number}", *(of[end] - of[number - 1] for of in sums))

    def _launch(self, cost: Cost, expert: str) -> None:
        data = {expert} if expert else {"choice"}
        self.timetable.launch(cost.what, cost.by, data, cost.configured, cost.cycles, cost.beside, path=cost.path)

    # -- experts -------------------------------------------------------------------------------------------------------

    def _ask(self, number: int, ahead: bool) -> Asked:
        """An expert is asked for: it is there, or is loaded (ahead: while another one runs)."""
        expert = self._expert(number)
        if self.service.pool.cache is None:
            return Asked(expert, True)
        if self.cache.hit(expert):
            if not ahead:
                self.timetable.wait_for({str(expert)})
            found = Asked(expert, True)
        else:
            found = self._load(number, expert, ahead)
        self._waited_for.add(expert)
        return found

    def _load(self, number: int, expert: Expert, ahead: bool) -> Asked:
        """Copy an expert in, and those that leave for it out as far as they have changed."""
        pool = self.service.pool
        assert pool.cache is not None
        footprint = self._footprint(expert)
        gone = self._leaving(number, footprint.size)
        assert gone is not None, "an expert fits, and one beside it where it comes ahead"
        before, names = len(self.timetable.entries), {str(expert), *map(str, gone)}
        for one in gone:
            self._write_back(one, names, ahead)
        loaded = self.service.transfers.of(footprint.size, pool.tier, pool.cache)
        self.timetable.copy(f"activate {expert}", names, loaded.cycles, ahead)
        self.cache.load(expert, footprint.size, gone)
        copies = self.timetable.entries[before:]
        self._hold(copies[0].start)
        return Asked(expert, False, len(gone), sum(e.end - e.start for e in copies))

    def _write_back(self, expert: Expert, names: Collection[str], overlaps: bool) -> None:
        """Copy out what an expert has changed."""
        pool, mutable = self.service.pool, self._footprint(expert).mutable
        if expert in self._dirty and mutable:
            assert pool.cache is not None
            self._dirty.discard(expert)
            moved = self.service.transfers.of(mutable, pool.cache, pool.tier)
            self.timetable.copy(f"write back {expert}", names, moved.cycles, overlaps, "write back")

    def _leaving(self, number: int, size: int) -> list[Expert] | None:
        """Who leaves for an expert: nobody that is waited for, and if possible nobody that runs or is being loaded."""
        order = rank(self.way.policy, self._following(number) if self.way.policy == "belady" else {})
        now = self.timetable.now
        busy = {one for one in self.cache.residents if self.timetable.ready(str(one)) > now}
        found = self.cache.leaving(size, order, self._waited_for | busy)
        return self.cache.leaving(size, order, self._waited_for) if found is None else found

    def _room_beside(self, number: int) -> bool:
        """Whether an expert is there, or can come while those that are waited for stay."""
        expert = self._expert(number)
        if self.service.pool.cache is None or expert in self.cache.residents:
            return True
        return self.cache.leaving(self._footprint(expert).size, lambda r: (r.used,), self._waited_for) is not None

    def _following(self, number: int) -> dict[Expert, int]:
        """By expert, which request asks for it next: first those of the batch in its order, then by arrival. Grouping
        later batches changes their order, which nobody can know."""
        turn = self._order.index(number)
        end = max(self._order) + 1
        found: dict[Expert, int] = {}
        for place, other in enumerate(self._order[turn + 1 :]):
            found.setdefault(self._expert(other), place)
        for expert in self.cache.residents:
            places = self._places[expert.number]
            at = bisect_right(places, end - 1)
            if expert not in found and at < len(places):
                found[expert] = len(self._order) + places[at]
        return found

    def _used(self, expert: Expert) -> None:
        """An expert runs: nobody waits for it any more, and it may change."""
        self._waited_for.discard(expert)
        self._dirty.add(expert)
        if expert in self.cache.residents:
            self.cache.residents[expert].used = self.cache.requests

    def _hold(self, at: int) -> None:
        self.held.append(Held(at, sum(r.size for r in self.cache.residents.values())))

    def _expert(self, number: int) -> Expert:
        return Expert(self.service.pool.name, self.requests[number].topic)

    def _footprint(self, expert: Expert) -> Footprint:
        return self.plan.footprints[self.service.pool.kind(expert.number).label]
