"""Where the numbers of the comparison are measured: programs that ship, run on machines that ship, each once."""

from __future__ import annotations

from dataclasses import asdict, field
from functools import cached_property
from typing import Protocol

from rdflow import api
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.check import Checked
from rdflow.dsl.formulas import flops_of, traffic
from rdflow.dsl.launched import launched_kernel
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import count
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.profile import profile as profile_of
from rdflow.interpreter.rival import Rival, load_rival
from rdflow.paper import kept
from rdflow.rivals import on_rival


class Teller(Protocol):
    """Who is told how far a run is; `doing` comes first in what it says."""

    doing: str

    def __call__(self, execution: Execution) -> None: ...


@dataclass(frozen=True)
class Counted:
    """Launches of a schedule; bytes of memory and FLOPs that their kernels' bounds leave, of all sockets."""

    launches: int
    bytes: int
    flops: int

    def __sub__(self, other: Counted) -> Counted:
        return Counted(self.launches - other.launches, self.bytes - other.bytes, self.flops - other.flops)

    @property
    def intensity(self) -> float:
        """FLOPs a byte."""
        return self.flops / self.bytes


def _counted(checked: Checked) -> Counted:
    """With the numbers that each launch gives, and without what bounds leave out (the upper half of a causal mask): what a
    profile counts. A kernel that all sockets run alike is simulated on one; here it counts on each."""
    calls = list(checked.calls(checked.steps.steps))
    kinds = {(call.spec, call.scalars): call for call in calls}
    kernels = {kind: launched_kernel(checked.kernel(call.spec), call.numbers) for kind, call in kinds.items()}
    sockets = max((count(kernel) for kernel in kernels.values()), default=1)
    times = {kind: sockets if count(kernel) == 1 else 1 for kind, kernel in kernels.items()}
    moved = {kind: times[kind] * sum(one.bounded for one in traffic(kernel)) for kind, kernel in kernels.items()}
    done = {kind: times[kind] * sum(flops_of(kernel).values()) for kind, kernel in kernels.items()}
    every = [(call.spec, call.scalars) for call in calls]
    return Counted(len(every), sum(moved[kind] for kind in every), sum(done[kind] for kind in every))


class NotRun(Exception):
    """A measurement that takes long, and was not asked for."""


@dataclass(frozen=True)
class Measured:
    """What a profile says: cycles and seconds of execution, seconds with loads and copies, FLOPs, and bytes to and from
    HBM and DDR, with and without those that somebody else's count leaves out."""

    cycles: int
    seconds: float
    total: float
    launches: int
    flops: int
    bytes: int
    counted: int


@dataclass
class Lab:
    """`full`: also what takes long. `teller` is told how far a run is; `machine`: the SN40L."""

    full: bool = False
    teller: Teller | None = None
    machine: Machine = field(default_factory=lambda: load_machine(api.MACHINE))
    _known: dict[str, Measured] = field(default_factory=dict)

    @cached_property
    def rivals(self) -> dict[str, Rival]:
        found = {name: load_rival(f"dgx_{name}") for name in ("a100", "h100")}
        return {name: rival for name, rival in found.items() if rival is not None}

    def measure(self, program: str, long: bool = False, machine: Machine | None = None, **settings: Value) -> Measured:
        """A program's profile, without values. Raises NotRun for one that takes `long`, unless it was kept or is wanted."""
        target = machine or self.machine
        name = kept.key(program, sorted(settings.items()), repr(target))
        if name not in self._known:
            found = kept.read(name)
            if found is None and long and not self.full:
                raise NotRun
            self._known[name] = Measured(**found) if found else self._run(program, target, settings)
            kept.write(name, asdict(self._known[name]))
        return self._known[name]

    def _run(self, program: str, machine: Machine, settings: dict[str, Value]) -> Measured:
        if self.teller is not None:
            self.teller.doing = f"{program}: "
        loaded = api.load(program, **settings).on(machine)
        execution = loaded.timed()
        execution.advance(progress=self.teller)
        found = profile_of(execution)
        out = loaded.left_out[0] if loaded.left_out else ()
        return Measured(
            found.cycles,
            found.seconds,
            found.agenda.timetable.end / float(machine.socket.clock),
            len(found.schedule),
            found.flops,
            sum(kernel.bytes for kernel in found.kernels),
            sum(kernel.bytes_without(out) for kernel in found.kernels),
        )

    def counted(self, program: str, **settings: Value) -> Counted:
        """What a program's schedule launches, with the bytes and FLOPs of its kernels' formulas."""
        name = kept.key("counted on every socket", program, sorted(settings.items()))
        found = kept.read(name)
        if found is None:
            found = asdict(_counted(api.load(program, **settings).checked))
            kept.write(name, found)
        return Counted(**found)

    def modelled(self, rival: str, program: str, **settings: Value) -> tuple[float, int]:
        """Seconds of a program by the roofline model of a rival, and the GPU kernels that are launched."""
        target = self.rivals[rival]
        name = kept.key(program, sorted(settings.items()), repr(target))
        found = kept.read(name)
        if found is None:
            run = on_rival(api.load(program, **settings), target)
            found = {"seconds": run.seconds, "kernels": run.kernels}
            kept.write(name, found)
        return float(found["seconds"]), int(found["kernels"])
