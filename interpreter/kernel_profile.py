"""The figures of a kernel, counted from its launches: cycles by unit, bytes by tier, what limited it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rdflow.dsl.firings import firings
from rdflow.dsl.formulas import flops_of
from rdflow.dsl.launched import launched_kernel, with_numbers
from rdflow.dsl.netlist import Netlist
from rdflow.interpreter.allocate import MAIN, unit_table
from rdflow.interpreter.bandwidth import carriers
from rdflow.interpreter.figures import KernelProfile, TierProfile, UnitProfile
from rdflow.interpreter.image import Counters
from rdflow.interpreter.launched import Compiled, Launched
from rdflow.interpreter.limiter import limit
from rdflow.interpreter.machine import BURST, Machine
from rdflow.interpreter.network import Link, traffic
from rdflow.interpreter.reconcile import compared
from rdflow.interpreter.states import STATES, Cycles
from rdflow.interpreter.weighed import Weighed, weighed


def kernel_profile(name: str, group: list[Launched], machine: Machine) -> KernelProfile:
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
        found[name] = TierProfile.over(seconds, read, written, peak, sustained)
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


def peak(machine: Machine) -> float:
    """FLOP a second of a socket: lanes x stages multiply-adds a cycle in every PCU."""
    return float(machine.pcus * machine.pcu.lanes * machine.pcu.stages * 2 * machine.socket.clock)
