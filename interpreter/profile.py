"""What a run says about a program: cycles by unit and cause, bytes by tier, the limiter, the roofline point.

Every figure is counted from what ran, or estimated from that where a program asks for it (`modelled`). A unit's cycles add up: busy + starved + blocked + memory + link + idle =
cycles x copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.firings import firings
from rdflow.dsl.formulas import flops_of
from rdflow.dsl.launched import launched_kernel, with_numbers
from rdflow.dsl.launches import LaunchSpec
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source
from rdflow.interpreter.agenda import Agenda
from rdflow.interpreter.allocate import MAIN, unit_table
from rdflow.interpreter.bandwidth import Carrier, carriers
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.image import Counters
from rdflow.interpreter.lasting import lasting
from rdflow.interpreter.launched import Compiled, Launched
from rdflow.interpreter.limiter import Wait, limit
from rdflow.interpreter.machine import BURST, Machine
from rdflow.interpreter.network import Link, traffic
from rdflow.interpreter.reconcile import Compared, compared
from rdflow.interpreter.states import STATES, Cycles
from rdflow.interpreter.weighed import Weighed, weighed


@dataclass(frozen=True)
class UnitProfile:
    """A unit: cycles over all its copies by what it did or waited for."""

    name: str
    kind: str
    verb: str
    order: str
    copies: int
    firings: int
    busy: int
    starved: int
    blocked: int
    memory: int
    link: int
    idle: int
    flops: int

    @property
    def total(self) -> int:
        return self.busy + self.starved + self.blocked + self.memory + self.link + self.idle

    @property
    def utilization(self) -> float:
        return self.busy / self.total if self.total else 0.0


@dataclass(frozen=True)
class TierProfile:
    """A memory tier: bytes moved, bytes a second at peak, of a long stream, and achieved over the kernel."""

    read: int
    written: int
    peak: float
    sustained: float
    achieved: float

    @property
    def utilization(self) -> float:
        return self.achieved / self.peak if self.peak else 0.0

    @property
    def busy(self) -> float:
        """The share of the time in which its channels are at work."""
        return self.achieved / self.sustained if self.sustained else 0.0


@dataclass(frozen=True)
class KernelProfile:
    """A kernel over all its launches with the same sizes."""

    name: str
    launches: int
    cycles: int
    seconds: float
    flops: int
    tiers: dict[str, TierProfile]
    sram_bytes: int
    units: tuple[UnitProfile, ...]
    resources: dict[str, int]
    limiter: str
    bound: str
    why: str
    waits: tuple[Wait, ...]
    peak_flops: float
    tensor_bytes: dict[str, int]
    """bytes read and written in HBM and DDR, by tensor"""
    compared: tuple[Compared, ...]
    """bytes and FLOPs of each line by formula and as measured"""
    link_bytes: int
    """bytes over the links between switches, 64 for a packet and each link that it crosses"""
    carriers: tuple[Carrier, ...]
    """memory channels, ports and links, the busiest first"""

    @property
    def bytes(self) -> int:
        """Bytes to and from HBM and DDR."""
        return sum(t.read + t.written for t in self.tiers.values())

    @property
    def intensity(self) -> float:
        """FLOP per byte of HBM and DDR traffic."""
        return self.flops / self.bytes if self.bytes else 0.0

    def bytes_without(self, tensors: Collection[str]) -> int:
        """The same traffic with some tensors left out, for comparison with who counts so."""
        return sum(size for name, size in self.tensor_bytes.items() if name not in tensors)


@dataclass(frozen=True)
class Profile:
    """A program on a machine."""

    kernels: tuple[KernelProfile, ...]
    tiers: dict[str, TierProfile]
    cycles: int
    seconds: float
    flops: int
    firings: int
    firings_simulated: int
    fast_forwarded_cycles: int
    launches_repeated: int
    host_seconds: float
    schedule: tuple[dict[str, object], ...]
    agenda: Agenda
    """when everything was done: launches with their program and argument loads, copies, the host"""
    warnings: tuple[Diagnostic, ...] = ()
    """of memory, places and routes, which are known when a kernel runs"""
    modelled: tuple[str, ...] = ()
    """what is a model of how long launches execute and what they count, kernel by kernel"""
    launches_modelled: int = 0
    cached: str = ""
    """when it was simulated, where it comes from the cache"""

    @property
    def intensity(self) -> float:
        return self.intensity_without(())

    def intensity_without(self, tensors: Collection[str]) -> float:
        """FLOP per byte of all kernels together, the traffic of some tensors left out."""
        moved = sum(k.bytes_without(tensors) for k in self.kernels)
        return self.flops / moved if moved else 0.0


def profile(execution: Execution) -> Profile:
    """The profile of what has run so far."""
    with lasting():
        return _profile(execution)


def _profile(execution: Execution) -> Profile:
    machine = execution.machine
    groups: dict[LaunchSpec, list[Launched]] = {}
    for launched in execution.launched:
        groups.setdefault(launched.call.spec, []).append(launched)
    kernels = tuple(_kernel(name, groups[spec], machine) for spec, name in spec_names(execution).items())
    cycles = execution.time
    seconds = cycles / float(machine.socket.clock)
    tiers = {name: _sum((k.tiers[name] for k in kernels), seconds) for name in machine.tiers}
    return Profile(
        kernels,
        tiers,
        cycles,
        seconds,
        sum(k.flops for k in kernels),
        sum(l.firings for l in execution.launched),
        sum(l.firings - l.skipped.firings for l in execution.launched),
        sum(l.skipped.cycles for l in execution.launched),
        sum(l.repeats for l in execution.launched),
        sum(l.host_seconds for l in execution.launched),
        tuple(_entry(l, machine) for l in execution.launched),
        execution.agenda(),
        execution.plan.warnings
        + tuple(
            d for kernel in execution.compiled.values() for d in _warnings(kernel, execution.checked.program.source)
        ),
        execution.estimates.notes if execution.estimates is not None else (),
        sum(l.modelled for l in execution.launched),
    )


def _warnings(compiled: Compiled, own: Source) -> Iterable[Diagnostic]:
    """Of a kernel's places and routes; where it is an expert's, in the text of its program."""
    source = compiled.kernel.program.source
    for found in compiled.floorplan.warnings(compiled.netlist):
        labels = (replace(l, source=l.source or source) for l in found.labels)
        yield found if source is own else replace(found, labels=tuple(labels))


def spec_names(execution: Execution) -> dict[LaunchSpec, str]:
    """A name for each mapping: the kernel's, numbered from its second size on (`gemm`, `gemm#2`)."""
    seen: Counter[str] = Counter()
    names = {}
    for spec in dict.fromkeys(launched.call.spec for launched in execution.launched):
        seen[spec.kernel] += 1
        names[spec] = spec.kernel if seen[spec.kernel] == 1 else f"{spec.kernel}#{seen[spec.kernel]}"
    return names


def _entry(launched: Launched, machine: Machine) -> dict[str, object]:
    """A line of the schedule's timeline: execution in cycles, and what the launch costs beside it (a fit)."""
    return {
        "what": f"launch {launched.call.spec.kernel}",
        "start": launched.start,
        "end": launched.end,
        "boundary_cycles_fitted": machine.boundary_cycles(launched.compiled.configured),
        "modelled": launched.modelled,
    }


def _sum(parts: Iterable[TierProfile], seconds: float) -> TierProfile:
    found = list(parts)
    read, written = sum(t.read for t in found), sum(t.written for t in found)
    peak, sustained = (found[0].peak, found[0].sustained) if found else (0.0, 0.0)
    return TierProfile(read, written, peak, sustained, (read + written) / seconds if seconds else 0.0)


def _kernel(name: str, group: list[Launched], machine: Machine) -> KernelProfile:
    compiled = group[0].compiled
    netlist = compiled.netlist
    kinds = weighed(group)
    counted, times = [kind.counters for kind in kinds], [kind.times for kind in kinds]
    cycles = sum(l.counted.cycles for l in group)
    spent = sum((kind.states for kind in kinds[1:]), kinds[0].states)
    kernels = [launched_kernel(compiled.kernel, kind.one.call.numbers) for kind in kinds]
    work = [(flops_of(kernel), flops_of(kernel, routed=False)) for kernel in kernels]
    units = tuple(_units(netlist, kinds, spent, work))
    seconds = cycles / float(machine.socket.clock)
    flops = sum(u.flops for u in units)
    tiers = _tiers(netlist, counted, machine, seconds)
    mesh = _mesh(compiled, counted)
    carried = carriers(compiled.mapped, counted, mesh, cycles, machine.socket.clock)
    limited = limit(netlist, units, tiers, carried)
    return KernelProfile(
        name,
        len(group),
        cycles,
        seconds,
        flops,
        tiers,
        _sram(netlist, counted),
        units,
        _resources(compiled, machine),
        limited.limiter,
        limited.bound,
        limited.why,
        limited.waits,
        peak(machine) * netlist.sockets,
        _by_tensor(netlist, counted),
        compared(kernels, netlist, counted, times),
        BURST * sum(mesh.values()),
        carried,
    )


def _mesh(compiled: Compiled, counted: list[Counters]) -> dict[Link, int]:
    """Packets over each link of the mesh."""
    pushes = sum((c.pushes for c in counted[1:]), counted[0].pushes)
    return traffic(compiled.netlist, compiled.floorplan.routes, pushes.tolist())


def peak(machine: Machine) -> float:
    """FLOP a second of a socket: lanes x stages multiply-adds a cycle in every PCU."""
    return float(machine.pcus * machine.pcu.lanes * machine.pcu.stages * 2 * machine.socket.clock)


def _units(
    netlist: Netlist, kinds: Sequence[Weighed], spent: Cycles, work: Sequence[tuple[dict[str, int], dict[str, int]]]
) -> Iterable[UnitProfile]:
    """`spent`: actors x STATES, over all launches; `work`: by kind of launch, what its lines are to do, and would do with all
    places of experts taken."""
    launches = tuple(zip(kinds, work, strict=True))
    ragged = netlist.ragged
    for number, info in enumerate(netlist.units):
        actors = [i for i, a in netlist.actors_of(number) if a.kind in MAIN]
        yield UnitProfile(
            info.name,
            info.kind,
            info.verb,
            info.order,
            len(actors),
            sum(int(kind.counters.firings[actors].sum()) for kind in kinds),
            **dict(zip(STATES, spent[actors].sum(axis=0).tolist(), strict=True)),
            flops=sum(
                kind.times
                * (
                    _flops(netlist, number, kind.one, inside.get(info.name, 0), most.get(info.name, 0))
                    if ragged
                    else inside.get(info.name, 0)
                )
                for kind, (inside, most) in launches
            ),
        )


def _flops(netlist: Netlist, unit: int, launched: Launched, inside: int, most: int) -> int:
    """FLOPs of a launch. Where streams bound loops: of the iterations that ran, whole tiles of them, but no more than tokens
    that are routed have."""
    actors = [(i, a) for i, a in netlist.actors_of(unit) if a.kind in MAIN]
    if not any(loop.port >= 0 for _, a in actors for loop in a.loops):
        return inside
    ran = sum(int(launched.counted.counters.firings[i]) for i, _ in actors)
    return min(inside, most * ran // max(1, sum(firings(with_numbers(a, launched.call.numbers)) for _, a in actors)))


def _tiers(netlist: Netlist, counted: list[Counters], machine: Machine, seconds: float) -> dict[str, TierProfile]:
    """Bytes by tier on all sockets of the kernel, from the bursts that AGCUs requested and stored."""
    moved = {name: [0, 0] for name in machine.tiers}
    for number, queue in enumerate(netlist.queues):
        if queue.server != "memory":
            continue
        actor = netlist.actors[queue.source]
        assert actor.burst is not None
        moved[netlist.tensors[actor.burst.tensor].tier][actor.kind == "store"] += BURST * sum(
            int(c.pushes[number]) for c in counted
        )
    found = {}
    for name, tier in machine.tiers.items():
        read, written = moved[name]
        peak, sustained = float(tier.bandwidth) * netlist.sockets, machine.sustained(tier) * netlist.sockets
        found[name] = TierProfile(read, written, peak, sustained, (read + written) / seconds if seconds else 0.0)
    return found


def _by_tensor(netlist: Netlist, counted: list[Counters]) -> dict[str, int]:
    """Bytes moved for each tensor, from the bursts that AGCUs requested and stored."""
    moved = {use.name: 0 for use in netlist.tensors}
    for number, queue in enumerate(netlist.queues):
        burst = netlist.actors[queue.source].burst
        if queue.server == "memory" and burst is not None:
            moved[netlist.tensors[burst.tensor].name] += BURST * sum(int(c.pushes[number]) for c in counted)
    return moved


def _sram(netlist: Netlist, counted: list[Counters]) -> int:
    """Bytes written to and read from scratchpads, in whole packets."""
    total = 0
    for number, actor in enumerate(netlist.actors):
        if actor.kind in ("write", "read"):
            ports = actor.inputs if actor.kind == "write" else actor.outputs
            size = max((p.packets for p in ports), default=1)
            total += BURST * size * sum(int(c.firings[number]) for c in counted)
    return total


def _resources(compiled: Compiled, machine: Machine) -> dict[str, int]:
    rows = unit_table(compiled.netlist, machine)
    return {name: sum(getattr(r, name + "s") * r.copies for r in rows) for name in ("pcu", "pmu", "agcu")}
