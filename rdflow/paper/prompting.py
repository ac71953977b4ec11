"""A prompt through a kernel an operator: each kind of its launches is simulated once, alone.

Sockets that exchange nothing are alike, so their kernel runs on one of them, as the program of an eighth of the heads, of the wide
half and of the vocabulary; a kernel whose sockets exchange something runs on all. Each kind is kept by itself, by what its units
do: a run that is interrupted goes on where it was, and models whose operators are the same share them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from rdflow import api
from rdflow.dsl.arithmetic import Value
from rdflow.dsl.checked import Compute, Hold, Kernel, Line
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.formulas import flops_of, traffic
from rdflow.dsl.launched import launched_kernel
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import count
from rdflow.dsl.steps import LaunchCall
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.kernel_profile import peak
from rdflow.interpreter.machine import Machine
from rdflow.paper import kept
from rdflow.paper.measures import Lab, NotRun
from rdflow.paper.stepping import Stepped, on_timetables

SPLIT = ("G", "F", "V")  # params of what sockets share out
PLACE = re.compile(r"Span\(start=\d+, end=\d+\)")  # of a line in its text


@dataclass(frozen=True, slots=True)
class Kind:
    """Launches of a kernel that are alike: how many, cycles of one, units that it takes; the least cycles for its bytes and its
    FLOPs on all sockets."""

    kernel: str
    launches: int
    cycles: int
    configured: int
    least: int

    @property
    def share(self) -> float:
        """Of what HBM and the units would allow."""
        return self.least / self.cycles


@dataclass(frozen=True, slots=True)
class Prompt:
    """All launches of a prompt, by kind."""

    kinds: tuple[Kind, ...]

    @property
    def cycles(self) -> int:
        return sum(kind.launches * kind.cycles for kind in self.kinds)

    def stepped(self, machine: Machine, sequences: int) -> Stepped:
        """Of a batch, whose launches take as much longer as it has sequences. None waits for more than those before it, so
        that their order changes nothing."""
        return on_timetables(
            machine,
            ((k.kernel, k.configured, sequences * k.cycles) for k in self.kinds for _ in range(k.launches)),
        )


def prompted(lab: Lab, program: str, **settings: Value) -> Prompt:
    """The prompt of an unfused model, one sequence. Raises NotRun, unless it was kept or is wanted."""
    return launched(lab, program, settings | {"M": 1}, _split(settings) | {"M": 1})


def launched(lab: Lab, program: str, settings: Mapping[str, Value], own: Mapping[str, Value]) -> Prompt:
    """All launches of a schedule; `own`: params of what one of its sockets has. Raises NotRun, unless it was kept or is wanted."""
    name = kept.key("launches", program, sorted(settings.items()), sorted(own.items()), repr(lab.machine))
    found = kept.read(name)
    if found is None:
        if not lab.full:
            raise NotRun
        found = {"kinds": [asdict(kind) for kind in _simulated(lab, program, settings, own)]}
        kept.write(name, found)
    return Prompt(tuple(Kind(**kind) for kind in found["kinds"]))


def _simulated(lab: Lab, program: str, settings: Mapping[str, Value], own: Mapping[str, Value]) -> Iterator[Kind]:
    whole, one = _execution(lab, program, settings), _execution(lab, program, own)
    alike: dict[object, list[tuple[LaunchCall, LaunchCall]]] = {}
    for call, same in zip(_calls(whole), _calls(one), strict=True):
        alike.setdefault((call.spec, call.scalars), []).append((call, same))
    for calls in alike.values():
        call, same = calls[0]
        if lab.teller is not None:
            lab.teller.doing = f"{program}, {call.spec.kernel}: "
        kernel = whole.checked.kernel(call.spec)
        execution, launch = (whole, call) if exchanges(kernel) else (one, same)
        cycles, configured = _ran(lab, execution, launch)
        at_best = least(launched_kernel(kernel, call.numbers), lab.machine)
        yield Kind(call.spec.kernel, len(calls), cycles, configured, at_best)


def _ran(lab: Lab, execution: Execution, launch: LaunchCall) -> tuple[int, int]:
    """Cycles of a launch, and units that it configures: kept, or simulated."""
    name = kept.key("a launch", _content(execution, launch), repr(lab.machine))
    found = kept.read(name)
    if found is None:
        ran = execution.alone({}).simulate(launch, lab.teller)
        found = {"cycles": ran.counted.cycles, "configured": ran.compiled.configured}
        kept.write(name, found)
    return found["cycles"], found["configured"]


def _content(execution: Execution, launch: LaunchCall) -> str:
    """All that its kernel's units do, wherever in a program that is written, and the numbers of the launch."""
    netlist = coalesce(
        elaborate(execution.checked.kernel(launch.spec), chosen(execution.machine, execution.collective))
    )
    return f"{PLACE.sub('', repr(netlist))} {launch.scalars}"


def _execution(lab: Lab, program: str, settings: Mapping[str, Value]) -> Execution:
    return api.load(program, **settings).on(lab.machine).timed()


def _calls(execution: Execution) -> Iterator[LaunchCall]:
    return execution.checked.calls(execution.checked.steps.steps)


def _split(settings: Mapping[str, Value]) -> dict[str, Value]:
    """What one socket has."""
    sockets = int(settings["D"])
    return {name: int(n) // sockets if name in (*SPLIT, "D") else n for name, n in settings.items()}


def exchanges(kernel: Kernel) -> bool:
    """Whether a socket waits for what another one has: a sum over them, or a stream that each has a part of and all take."""
    return any(_exchanges(line) for line in kernel.lines)


def _exchanges(line: Line) -> bool:
    match line:
        case Hold(source=source, stream=stream):
            return not set(source.order.sockets) <= set(stream.order.sockets)
        case Compute(inputs=inputs, results=results, sockets=sockets):
            summed = any(result.reduction is not None and result.reduction.sockets for result in results)
            return summed or any(not set(operand.stream.order.sockets) <= set(sockets) for operand in inputs)
    return False


def least(kernel: Kernel, machine: Machine, sockets: int | None = None) -> int:
    """Cycles of its bytes at the rate that memory sustains, or of its FLOPs, on all sockets. `sockets`: unless its own."""
    sockets = sockets or count(kernel)
    moved = sum(line.bounded for line in traffic(kernel)) / (sockets * machine.sustained(machine.hbm))
    work = sum(flops_of(kernel).values()) / (sockets * peak(machine))
    return round(max(moved, work) * float(machine.socket.clock))
