"""A kernel mapped to a machine, and its launches: what is known of each when the next one has its tables."""

from __future__ import annotations

from dataclasses import field, replace

from rdflow.dsl.arguments import Scalars
from rdflow.dsl.checked import Kernel
from rdflow.dsl.launched import launched_netlist
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import LaunchCall
from rdflow.interpreter.floorplan import Floorplan
from rdflow.interpreter.forward import Skipped
from rdflow.interpreter.image import Counters, Image, advance, build, counters
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.restart import Restart
from rdflow.interpreter.states import Cycles, elapsed, states

PATIENCE = 5_000_000  # firings of a launch, up to a second's, in which something should have repeated


@dataclass(frozen=True)
class Compiled:
    """A kernel mapped to a machine."""

    kernel: Kernel
    mapped: Mapped
    floorplan: Floorplan
    configured: int = 0
    """PCUs and PMUs that it takes of a socket"""

    @property
    def netlist(self) -> Netlist:
        return self.mapped.netlist

    def launched(self, call: LaunchCall) -> Mapped:
        """The mapped kernel with the numbers of a launch in its netlist."""
        return replace(self.mapped, netlist=launched_netlist(self.netlist, self.kernel, call.numbers))


@dataclass(frozen=True)
class Counted:
    """What is counted of a launch so far: cycles up to the last firing, or to where it stands; cycles by actor and state."""

    cycles: int
    counters: Counters
    states: Cycles
    skipped: Skipped
    sockets: int = 1
    """for how many that are alike one was executed"""

    @staticmethod
    def of(image: Image) -> Counted:
        return Counted(elapsed(image), counters(image), states(image), image.skipped, image.sockets)

    @property
    def firings(self) -> int:
        """Of all actors."""
        return int(self.counters.firings.sum())


@dataclass
class Tables:
    """The tables that the launches of a kernel take in turns. `holds`: by memory, the tensor that is in it, what of it,
    and how often it had been written to."""

    restart: Restart
    turns: int = 0
    holds: dict[int, object] = field(default_factory=dict)

    def begin(self, scalars: Scalars) -> Turn:
        """The next turn: the image stands at the first cycle of a launch with these numbers."""
        self.restart.begin(scalars)
        self.turns += 1
        return Turn(self, self.turns)

    def apart(self, scalars: Scalars, threads: int) -> Turn:
        """The same with the sockets apart from now on, in so many threads."""
        self.restart = self.restart.apart(threads)
        return self.begin(scalars)


@dataclass(frozen=True)
class Turn:
    """A launch's turn with the tables of its kernel."""

    tables: Tables
    number: int

    @property
    def image(self) -> Image | None:
        """The image, as long as no other launch has it."""
        return self.tables.restart.image if self.tables.turns == self.number else None


@dataclass
class Launched:
    """A launch: when it started, in cycles of execution since the start of the program, and its turn with the tables."""

    call: LaunchCall
    compiled: Compiled
    start: int
    turn: Turn | None
    """none where it was not simulated"""
    host_seconds: float = 0.0
    repeats: bool = False
    """whether it was not simulated, as a launch before it is alike"""
    _counted: Counted | None = None
    """of a launch that has ended"""
    _rerun: Image | None = None
    modelled: bool = False
    """whether what is counted was not all simulated (`estimates`)"""

    @property
    def finished(self) -> bool:
        return self._counted is not None

    @property
    def image(self) -> Image:
        """Its tables. Where a later launch has them by now, it runs again: without values, which are gone."""
        found = (self.turn and self.turn.image) or self._rerun
        if found is None:
            found = self._rerun = build(self.compiled.mapped, scalars=self.call.numbers)
            advance(found)
        return found

    @property
    def whole(self) -> Image:
        """The same with the tables of all sockets: run again, where one stands for them."""
        if self.image.alike is None:
            return self.image
        found = build(self.compiled.mapped, scalars=self.call.numbers)
        advance(found)
        return found

    @property
    def counted(self) -> Counted:
        return self._counted if self._counted is not None else Counted.of(self.image)

    def repeats_little(self) -> bool:
        """Whether fast-forward had its time, and counted less than was simulated."""
        counted = self.image.skipped.firings // self.image.sockets
        simulated = self.firings // self.image.sockets - counted
        return simulated > PATIENCE and counted < simulated

    def begin_apart(self, threads: int) -> None:
        """Begin again, with the sockets in so many threads: results are the same."""
        assert self.turn is not None, "it runs"
        self.turn = self.turn.tables.apart(self.call.numbers, threads)

    def end_here(self) -> None:
        """It has ended: keep what was counted."""
        self._counted = Counted.of(self.image)

    def again(self, call: LaunchCall, start: int) -> Launched:
        """A launch that does the same, later."""
        return Launched(call, self.compiled, start, self.turn, 0.0, True, self._counted, modelled=self.modelled)

    @property
    def end(self) -> int:
        return self.start + self.counted.cycles

    @property
    def firings(self) -> int:
        """Of all actors, so far."""
        return self.counted.firings if self.finished else self.image.firings

    @property
    def simulated(self) -> int:
        """Firings that were simulated: of sockets that are alike those of one."""
        return (self.firings - self.skipped.firings) // self.counted.sockets

    @property
    def skipped(self) -> Skipped:
        """What was counted and not simulated."""
        if self.modelled:
            return Skipped(0, 0, self.firings)
        return Skipped(1, self.counted.cycles, self.firings) if self.repeats else self.counted.skipped
