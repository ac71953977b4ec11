"""A decoding step of many kernels: each kind of its launches is simulated once, alone, and all of them are put on a timetable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rdflow import api
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import LaunchCall
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.timetable import Timetable
from rdflow.paper import kept
from rdflow.paper.measures import Lab, NotRun

One = tuple[str, int, int]
"""a launch: its kernel, the units that it configures, its cycles"""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step: its launches; seconds of execution, and from its start to its end where the host launches, and where the chip does."""

    launches: int
    executed: float
    software: float
    hardware: float


def stepped(lab: Lab, program: str, **settings: Value) -> Stepped:
    """The first step after the prompt of a model, whose M counts new tokens. Raises NotRun, unless it was kept or is wanted."""
    name = kept.key("a step", program, sorted(settings.items()), repr(lab.machine))
    found = kept.read(name)
    if found is None:
        if not lab.full:
            raise NotRun
        found = asdict(_stepped(lab, program, settings))
        kept.write(name, found)
    return Stepped(**found)


def _stepped(lab: Lab, program: str, settings: dict[str, Value]) -> Stepped:
    if lab.teller is not None:
        lab.teller.doing = f"{program}: "
    execution = api.load(program, **settings, M=2).on(lab.machine).timed()
    checked = execution.checked
    calls = list(checked.calls(checked.steps.steps))
    prompt = lab.counted(program, **settings, M=1).launches
    return _timed(lab, execution.alone({}), calls[prompt:])


def _timed(lab: Lab, alone: Execution, calls: Sequence[LaunchCall]) -> Stepped:
    """Launches one after another; those that differ in slices of tensors alone take as long."""
    ran: dict[object, tuple[int, int]] = {}
    found: list[One] = []
    for call in calls:
        kind = (call.spec, call.scalars)
        if kind not in ran:
            launched = alone.simulate(call, lab.teller)
            ran[kind] = (launched.compiled.configured, launched.counted.cycles)
        found.append((call.spec.kernel, *ran[kind]))
    return on_timetables(lab.machine, found)


def from_hardware(machine: Machine, launches: int, executed: float, hardware: float) -> Stepped:
    """So many launches, whose seconds are known where the chip makes them; the host takes a step of its own, and queues each."""
    costs = machine.launch
    software = hardware + float(costs.host_step) + launches * float(costs.queued)
    return Stepped(launches, executed, software, hardware)


def on_timetables(machine: Machine, launches: Iterable[One]) -> Stepped:
    """Launches one after another, once by the host and once by the chip."""
    software, hardware = Timetable(machine), Timetable(machine)
    number = executed = 0
    for kernel, configured, cycles in launches:
        software.launch(kernel, "software", (), configured, cycles)
        hardware.launch(kernel, "hardware", (), configured, cycles)
        number, executed = number + 1, executed + cycles
    clock = float(machine.socket.clock)
    return Stepped(number, executed / clock, software.end / clock, hardware.end / clock)
