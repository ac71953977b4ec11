"""What a roofline model gives for a program: the time of every launch from its formulas, and the timeline of its schedule.

A launch moves the bytes and does the FLOPs of its kernel's formulas on as many GPUs as the kernel has sockets; it takes
what the slower of the two takes, and what its kernels cost to launch. Experts are cached by the same policies, and come
over the host link. The timetable is that of all machines, with a cycle of a nanosecond and no costs of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from math import ceil

from rdflow.dsl.arithmetic import Value
from rdflow.dsl.axes import size
from rdflow.dsl.check import Checked
from rdflow.dsl.checked import Carry, Kernel
from rdflow.dsl.formulas import flops_of, traffic
from rdflow.dsl.launched import launched_kernel
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.schedule import Walk
from rdflow.dsl.sockets import count
from rdflow.dsl.steps import LaunchCall, LaunchSpec, Read
from rdflow.interpreter.agenda import Agenda, Logged
from rdflow.interpreter.machine import Machine, load_machine
from rdflow.interpreter.machine_parts import Launch, Node
from rdflow.interpreter.memory import plan, respelled
from rdflow.interpreter.rival import Rival
from rdflow.interpreter.transfer import Transfer, Transfers

CLOCK = 10**9  # of the timetable: a cycle is a nanosecond
Numbers = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Cost:
    """A launch: kernels that a GPU's software makes of it, bytes to and from HBM and over the host link, FLOPs, on how
    many GPUs, and the seconds that each of these takes."""

    kernels: int
    bytes: int
    host_bytes: int
    flops: int
    devices: int
    launching: Fraction
    memory: Fraction
    compute: Fraction

    @property
    def seconds(self) -> Fraction:
        return self.launching + max(self.memory, self.compute)

    @property
    def bound(self) -> str:
        parts = {"launches": self.launching, "memory": self.memory, "compute": self.compute}
        return max(parts, key=lambda name: parts[name])


def cost(kernel: Kernel, numbers: Numbers, rival: Rival) -> Cost:
    """What a launch of a kernel with these arguments costs."""
    whole = launched_kernel(kernel, dict(numbers))
    moved = {"hbm": 0, "ddr": 0}
    for line in traffic(whole):
        moved[whole.tensors[line.tensor].tier] += line.bounded
    flops, devices = sum(flops_of(whole).values()), count(whole)
    reached = devices * rival.device.efficiency
    memory = Fraction(moved["hbm"]) / (rival.hbm.bandwidth * reached) + Fraction(moved["ddr"], rival.host.bandwidth)
    kernels = launches(whole, rival)
    compute = Fraction(flops) / (rival.device.compute * reached)
    return Cost(kernels, moved["hbm"], moved["ddr"], flops, devices, kernels * rival.launch.kernel, memory, compute)


def launches(kernel: Kernel, rival: Rival) -> int:
    """How many kernels a GPU's software launches for it: one; for what goes round a carry over a whole axis, which are the
    layers of a model in one kernel, as many as a layer has, for each step."""
    steps = [size(line.over) for line in kernel.lines if isinstance(line, Carry) and _whole(kernel, line)]
    return rival.launch.layer * max(steps) if steps else 1


def _whole(kernel: Kernel, line: Carry) -> bool:
    return all(d.stride == 1 and d.extent == kernel.lengths[d.root] for d in line.over)


# -- the schedule ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Modelled:
    """A program on a rival. `launched`: by signature and arguments, how often and at what cost."""

    checked: Checked
    rival: Rival
    launched: dict[tuple[LaunchSpec, tuple[tuple[str, Value], ...]], tuple[int, Cost]]
    agenda: Agenda

    @property
    def seconds(self) -> float:
        """Of the whole schedule, copies included."""
        return self.agenda.timetable.end / CLOCK

    @property
    def kernels(self) -> int:
        """That are launched."""
        return sum(times * cost.kernels for times, cost in self.launched.values())


def modelled(checked: Checked, rival: Rival, choices: Callable[[Read], Value], policy: str | None = None) -> Modelled:
    """Follow the schedule of a program. `choices`: what it reads. Raises CompileError where memory does not hold it."""
    sockets = max((count(kernel) for kernel in checked.kernels.values()), default=1)
    box = shell(rival, sockets)
    decided = plan(checked, box)
    checked = respelled(checked, decided)
    log: list[Logged] = []
    launched: dict[tuple[LaunchSpec, tuple[tuple[str, Value], ...]], tuple[int, Cost]] = {}
    for step in Walk(checked.program, choices, Reporter(), running=True).steps():
        if isinstance(step, LaunchCall):
            step = checked.settled(step)
            key = step.spec, step.scalars
            times, found = launched.get(key) or (0, cost(checked.kernel(step.spec), step.numbers, rival))
            launched[key] = times + 1, found
            log.append(Logged(step, ceil(found.seconds * CLOCK)))
        else:
            log.append(Logged(step))
    agenda = Agenda(checked, box, decided, Link(box, rival=rival, sockets=sockets), policy).follow(log)
    return Modelled(checked, rival, launched, agenda)


def shell(rival: Rival, sockets: int) -> Machine:
    """What the memory manager and the timetable ask of a machine: capacities, a clock, and costs that are all 0, for those of
    launches are in the launches. Its DDR is the host's memory, a part for each GPU in use. It executes nothing."""
    base, free = load_machine("sn40l"), Fraction(0)
    return replace(
        base,
        name=rival.name,
        about=rival.about,
        node=Node(max(sockets, rival.node.devices)),
        socket=replace(base.socket, clock=CLOCK),
        hbm=replace(base.hbm, capacity=rival.hbm.capacity, bandwidth=rival.hbm.bandwidth),
        ddr=replace(base.ddr, capacity=rival.host.capacity // sockets, bandwidth=rival.host.bandwidth),
        launch=Launch(free, free, free, free, free, free),
    )


@dataclass
class Link(Transfers):
    """Copies over the host link, which all GPUs in use share: bytes over bandwidth, nothing else."""

    rival: Rival | None = None
    sockets: int = 1

    def of(self, size: int, source: str, target: str) -> Transfer:
        assert self.rival is not None
        rate = self.rival.host.bandwidth if source != target else self.sockets * self.rival.hbm.bandwidth
        return Transfer(ceil(Fraction(size * self.sockets * CLOCK, rate)), size, size)
