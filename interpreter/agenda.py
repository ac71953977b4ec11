"""What the steps of a run cost over time: a timetable of launches, copies, switches of experts and what the host does.

A run keeps a log of its steps and of the cycles of its launches. From that follow the times, for any policy of the caches:
no policy changes a value or what a kernel executes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from fractions import Fraction
from functools import partial

from rdflow.dsl.check import Checked
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.launch_arguments import TensorArgument
from rdflow.dsl.pools import Expert
from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import Activation, CopyCall, LaunchCall, Pause, Read, Step
from rdflow.interpreter.cache import Cache, rank
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.memory import MemoryPlan
from rdflow.interpreter.symbols import bytes_of, uses
from rdflow.interpreter.timetable import Timetable
from rdflow.interpreter.transfer import Transfer, Transfers


@dataclass(frozen=True, slots=True)
class Logged:
    """A step that is done; of a launch the cycles, the PCUs and PMUs that it configures, its mapped kernel, and whether
    the cycles were estimated."""

    step: Step
    cycles: int = 0
    configured: int = 0
    mapped: Mapped | None = None
    modelled: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """A request for an expert: whether it was in the cache, who left for it, bytes moved on each socket, and when it was
    asked for and there."""

    expert: Expert
    hit: bool
    evicted: tuple[Expert, ...]
    loaded: int
    written_back: int
    asked: int
    there: int
    ahead: bool = False
    """loaded before it was asked for, by the policy"""


@dataclass
class Agenda:
    """Follows a log. `policy`: instead of those of the pools. `slowed`: the cycles of a launch while experts are copied (None:
    as many). `transfers` keeps what was simulated."""

    checked: Checked
    machine: Machine
    plan: MemoryPlan
    transfers: Transfers
    policy: str | None = None
    slowed: Callable[[LaunchCall], int] | None = None
    timetable: Timetable = field(init=False)
    caches: dict[str, Cache] = field(default_factory=dict)
    switches: list[Switch] = field(default_factory=list)
    moved: dict[str, list[int]] = field(default_factory=dict)
    """by tier, bytes read and written by copies on each socket"""
    _waited_for: set[Expert] = field(default_factory=set)
    _dirty: set[Expert] = field(default_factory=set)
    _written: set[str] = field(default_factory=set)
    _known: set[TensorArgument] = field(default_factory=set)
    """what the host has read and nothing has written since"""
    _asked: dict[Expert, list[int]] = field(default_factory=dict)
    _log: Sequence[Logged] = ()

    def __post_init__(self) -> None:
        self.timetable = Timetable(self.machine)
        self.caches = {tier: Cache(r.address, r.size) for tier, r in self.plan.regions.items()}
        self.moved = {tier: [0, 0] for tier in self.machine.tiers}

    def follow(self, log: Sequence[Logged]) -> Agenda:
        """Do all steps of a log in their order. Raises CompileError (RDF214) where experts that must stay fill a cache."""
        self._log = log
        for number, logged in enumerate(log):
            expert = getattr(logged.step, "expert", None)
            if expert is not None:
                self._asked.setdefault(expert, []).append(number)
        for number, logged in enumerate(log):
            self._do(number, logged)
        return self

    def _do(self, number: int, logged: Logged) -> None:
        match logged.step:
            case LaunchCall() as call:
                self._launch(number, logged, call)
            case Activation(expert, overlaps=overlaps):
                self._activate(number, expert, overlaps)
            case CopyCall() as copy:
                self._copy(copy)
            case Read(element):
                if element.tensor in self._written and element not in self._known:
                    self.timetable.read(f"read {_text(element)}", {element.tensor})
                    self._known.add(element)
            case Pause(until):
                self.timetable.wait(f"wait {until:g} s", self.machine.cycles(Fraction(until).limit_denominator(10**12)))

    # -- launches and copies -------------------------------------------------------------------------------------------

    def _launch(self, number: int, logged: Logged, call: LaunchCall) -> None:
        what = f"launch {call.spec.kernel}"
        touched = list(uses(self.checked, call))
        data = {use.tensor for use in touched}
        self._wrote({use.tensor for use in touched if use.written})
        if call.expert is not None:
            what = f"launch {call.expert}.{call.spec.kernel}"
            self._at_hand(number, call.expert)
            data.add(str(call.expert))
        kernel = self.checked.kernel(call.spec)
        slow = None if kernel.bounding or self.slowed is None else partial(self.slowed, call)
        path = any(tensor.tier == "ddr" and tensor.name in _used(logged) for tensor in kernel.tensors.values())
        self.timetable.launch(
            what, call.by, data, logged.configured, logged.cycles, slow, call.overlaps, path, logged.modelled
        )

    def _at_hand(self, number: int, expert: Expert) -> None:
        """An expert that is to run is in the cache: one that nobody activated is now."""
        tier = self.checked.program.pools[expert.pool].cache
        if tier is None:
            return
        resident = self.caches[tier].residents.get(expert)
        if resident is None:
            self._activate(number, expert, False)
        else:
            resident.used = self.caches[tier].requests
        self._waited_for.discard(expert)
        self._dirty.add(expert)

    def _copy(self, copy: CopyCall) -> None:
        """A copy between tensors, on every socket its own part."""
        tensors = self.checked.program.tensors
        size = bytes_of(tensors[copy.source.tensor], (name for name, _ in copy.source.fixed))
        ends = (tensors[copy.source.tensor].tier, tensors[copy.target.tensor].tier)
        self._wrote({copy.target.tensor})
        data = {copy.source.tensor, copy.target.tensor}
        transfer = self._move(size, *ends)
        self.timetable.copy(f"copy {_text(copy.source)} -> {_text(copy.target)}", data, transfer.cycles, copy.overlaps)

    def _wrote(self, tensors: set[str]) -> None:
        """The chip has written these: what the host knows of them is old."""
        self._written |= tensors
        self._known = {element for element in self._known if element.tensor not in tensors}

    def _move(self, size: int, source: str, target: str) -> Transfer:
        """A transfer, its bytes counted."""
        found = self.transfers.of(size, source, target)
        self.moved[source][0] += found.read
        self.moved[target][1] += found.written
        return found

    # -- experts -------------------------------------------------------------------------------------------------------

    def _activate(self, number: int, expert: Expert, overlaps: bool) -> None:
        """Load an expert unless it is in the cache; the next statement waits for it unless it overlaps."""
        pool = self.checked.program.pools[expert.pool]
        if pool.cache is None:
            return
        asked = self.timetable.now
        if self.caches[pool.cache].hit(expert):
            if not overlaps:
                self.timetable.wait_for({str(expert)})
            there = max(asked, self.timetable.ready(str(expert)))
            self.switches.append(Switch(expert, True, (), 0, 0, asked, there))
        else:
            self._load(number, expert, overlaps)
        self._waited_for.add(expert)
        if self._policy(expert) == "prefetch":
            self._ahead(number)

    def _policy(self, expert: Expert) -> str:
        return self.policy or self.checked.program.pools[expert.pool].policy

    def _load(self, number: int, expert: Expert, overlaps: bool, ahead: bool = False) -> bool:
        """Copy an expert in, and those that leave for it out as far as they have changed."""
        pool = self.checked.program.pools[expert.pool]
        assert pool.cache is not None
        footprint = self.plan.footprints[pool.kind(expert.number).label]
        gone = self._leaving(number, expert, footprint.size, self._waited_for | ({expert} if ahead else set()))
        if gone is None:
            if ahead:
                return False
            raise CompileError([self._crowded(number, expert)], self.checked.program.source)
        asked, names = self.timetable.now, {str(expert), *map(str, gone)}
        back = sum(self._write_back(one, names, overlaps) for one in gone)
        loaded = self._move(footprint.size, pool.tier, pool.cache)
        self.timetable.copy(f"activate {expert}", names, loaded.cycles, overlaps)
        there = self.timetable.ready(str(expert)) if overlaps else self.timetable.now
        self.caches[pool.cache].load(expert, footprint.size, gone)
        self.switches.append(Switch(expert, False, tuple(gone), loaded.read, back, asked, there, ahead))
        return True

    def _leaving(self, number: int, expert: Expert, size: int, kept: set[Expert]) -> list[Expert] | None:
        """Who leaves for an expert: nobody that is waited for, and if possible nobody that runs or is being loaded."""
        tier = self.checked.program.pools[expert.pool].cache
        assert tier is not None
        order = rank(self._policy(expert), self._following(number))
        cache, now = self.caches[tier], self.timetable.now
        busy = {one for one in cache.residents if self.timetable.ready(str(one)) > now}
        found = cache.leaving(size, order, kept | busy)
        return cache.leaving(size, order, kept) if found is None else found

    def _following(self, number: int) -> Mapping[Expert, int]:
        """By expert, the step that asks for it next."""
        found = {}
        for cache in self.caches.values():
            for expert in cache.residents:
                asked = self._asked[expert]
                place = bisect_right(asked, number)
                if place < len(asked):
                    found[expert] = asked[place]
        return found

    def _write_back(self, expert: Expert, names: Collection[str], overlaps: bool) -> int:
        """Copy out what an expert has changed; bytes on each socket."""
        pool = self.checked.program.pools[expert.pool]
        mutable = self.plan.footprints[pool.kind(expert.number).label].mutable
        if expert not in self._dirty or not mutable:
            return 0
        assert pool.cache is not None
        self._dirty.discard(expert)
        moved = self._move(mutable, pool.cache, pool.tier)
        self.timetable.copy(f"write back {expert}", names, moved.cycles, overlaps, "write back")
        return moved.read

    def _ahead(self, number: int) -> None:
        """Load what the router has chosen next while the expert that was asked for runs, if that is known and there is room."""
        coming = self._next_choice(number)
        if coming is not None:
            at, expert = coming
            tier = self.checked.program.pools[expert.pool].cache
            if tier is not None and expert not in self.caches[tier].residents and self._load(at, expert, True, True):
                self._waited_for.add(expert)

    def _next_choice(self, number: int) -> tuple[int, Expert] | None:
        """The next other expert that is asked for, unless a kernel of this program runs before: it may choose anew."""
        current = getattr(self._log[number].step, "expert", None)
        for at in range(number + 1, len(self._log)):
            step = self._log[at].step
            expert = getattr(step, "expert", None)
            if isinstance(step, LaunchCall) and expert is None or isinstance(step, Pause):
                return None
            if expert is not None and expert != current:
                return at, expert
        return None

    def _crowded(self, number: int, expert: Expert) -> Diagnostic:
        waited = ", ".join(sorted(map(str, self._waited_for)))
        pool = self.checked.program.pools[expert.pool]
        span = self._log[number].step.span
        labels = (Label(span, f"for {expert}"), Label(pool.span, f"{waited} wait for their launches there"))
        notes = ("an expert that was activated and not launched yet stays, or it would be loaded for nothing",)
        help = "launch what was activated before more is activated"
        return Diagnostic("RDF214", f"{pool.cache} has no room for {expert}", labels, notes, help)


def _used(logged: Logged) -> set[str]:
    """The tensors that a launch's kernel loads or stores."""
    if logged.mapped is None:
        return set()
    netlist = logged.mapped.netlist
    return {netlist.tensors[a.burst.tensor].name for a in netlist.actors if a.burst is not None}


def _text(argument: TensorArgument) -> str:
    fixed = ", ".join(f"{axis} = {index}" for axis, index in argument.fixed)
    return f"{argument.tensor}({fixed})" if fixed else argument.tensor
