"""A decoding step of many kernels: each kind of its launches is simulated once, alone, and all of them are put on a timetable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rdflow import api
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.records import dataclass
from rdflow.dsl.steps import LaunchCall
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.timetable import Timetable
from rdflow.paper import kept
from rdflow.paper.measures import Lab, NotRun


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
    software, hardware = Timetable(lab.machine), Timetable(lab.machine)
    ran: dict[object, tuple[int, int]] = {}
    executed = 0
    for call in calls:
        kind = (call.spec, call.scalars)
        if kind not in ran:
            launched = alone.simulate(call, lab.teller)
            ran[kind] = (launched.compiled.configured, launched.counted.cycles)
        configured, cycles = ran[kind]
        software.launch(call.spec.kernel, "software", (), configured, cycles)
        hardware.launch(call.spec.kernel, "hardware", (), configured, cycles)
        executed += cycles
    clock = float(lab.machine.socket.clock)
    return Stepped(len(calls), executed / clock, software.end / clock, hardware.end / clock)
