"""What a machine with twice of one resource would give: measured, by running the mapped program again.

The runs count in half cycles. Everything takes twice as many of them, except what the doubled resource does, which takes
as many half cycles as it took cycles: it works at twice its rate, on the same places, routes and queues. Latencies stay
as they are, in seconds; so do firings, tokens and bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import ceil

from rdflow.dsl.netlist import Actor, Netlist, Port
from rdflow.dsl.records import dataclass
from rdflow.interpreter.execution import Execution
from rdflow.interpreter.launched import Compiled
from rdflow.interpreter.mapped import Mapped, QueueTiming, Server

ABOUT = {
    "compute": "PCUs at twice their rate",
    "sram": "PMUs at twice their rate",
    "agcu": "AGCUs at twice their rate",
    "network": "links of the mesh at twice their rate",
    "all units": "PCUs, PMUs, AGCUs and the mesh at twice their rate",
    "hbm": "HBM at twice its bandwidth",
    "ddr": "DDR at twice its bandwidth",
    "links": "links between sockets at twice their bandwidth",
    "launch": "launches in half their time",
}
KINDS = {"compute": ("pcu",), "sram": ("pmu",), "agcu": ("agcu",), "all units": ("pcu", "pmu", "agcu")}
"""kinds of units that do twice as much"""
SERVERS = {
    "sram": ("port",),
    "network": ("link",),
    "all units": ("port", "link"),
    "hbm": ("hbm",),
    "ddr": ("ddr",),
    "links": ("p2p",),
}
"""kinds of servers that do twice as much, by the first word of their name"""

Progress = Callable[[str, Execution], None]


@dataclass(frozen=True, slots=True)
class Doubled:
    """The program with twice of one resource: `cycles` and `seconds` of execution, `total` seconds with its launches
    (whose times are fits), how often that is faster than it is now, and how it was found: run again, estimated again (the
    launches that were simulated are, the others lie between or beyond these as before), reckoned, unused."""

    resource: str
    cycles: int
    seconds: float
    total: float
    speedup: float
    total_speedup: float
    how: str


def what_if(execution: Execution, progress: Progress | None = None) -> list[Doubled]:
    """Every resource doubled, the most useful first. `execution`: the program as it is, run to its end."""
    now, launching = Fraction(execution.time), Fraction(launch_cycles(execution))
    found = []
    for resource in ABOUT:
        cycles, halved, how = now, launching, "unused"
        if resource == "launch":
            halved, how = launching / 2, "reckoned"
        elif used(execution, resource):
            cycles, how = _rerun(execution, resource, progress)
        found.append(_doubled(resource, cycles, halved, now, launching, float(execution.machine.socket.clock), how))
    return sorted(found, key=lambda d: (-round(d.total_speedup, 4), d.how == "unused"))


def _doubled(
    resource: str, cycles: Fraction, launching: Fraction, now: Fraction, launching_now: Fraction, clock: float, how: str
) -> Doubled:
    speedup = float(now / cycles) if cycles else 1.0
    total = cycles + launching
    total_speedup = float((now + launching_now) / total) if total else 1.0
    return Doubled(resource, ceil(cycles), float(cycles) / clock, float(total) / clock, speedup, total_speedup, how)


def launch_cycles(execution: Execution) -> int:
    """Cycles between the launches, by the machine's fit: their execution comes on top."""
    return sum(execution.machine.boundary_cycles(launched.compiled.configured) for launched in execution.launched)


def used(execution: Execution, resource: str) -> bool:
    """Whether any kernel has what the resource is made of."""
    return any(_uses(compiled.mapped, resource) for compiled in execution.compiled.values())


def _uses(mapped: Mapped, resource: str) -> bool:
    netlist = mapped.netlist
    units = {unit.kind for unit in netlist.units} & set(KINDS.get(resource, ()))
    tiers = {tensor.tier for tensor in netlist.tensors} & {resource}
    network = resource == "network" and any(_kind(s) == "link" for s in mapped.servers)
    links = resource == "links" and netlist.sockets > 1
    return bool(units or tiers or network or links)


def _rerun(execution: Execution, resource: str, progress: Progress | None) -> tuple[Fraction, str]:
    """Cycles of the program with the resource doubled: a launch whose last firing is in half cycle h takes h / 2 + 1. And how
    they were found."""
    again = execution.again(lambda compiled: _compiled(compiled, resource))
    again.advance(progress=None if progress is None else lambda e: progress(resource, e))
    how = "estimated again" if any(launched.modelled for launched in again.launched) else "run again"
    return Fraction(again.time + len(again.launched), 2), how


# -- half cycles -------------------------------------------------------------------------------------------------------


def _compiled(compiled: Compiled, resource: str) -> Compiled:
    return replace(compiled, mapped=doubled(compiled.mapped, resource))


def doubled(mapped: Mapped, resource: str) -> Mapped:
    """The mapped netlist in half cycles, with twice of a resource (of none for a name that is no resource)."""
    kinds, servers = KINDS.get(resource, ()), SERVERS.get(resource, ())
    return replace(
        mapped,
        netlist=_netlist(mapped.netlist, kinds),
        queues=[_timing(queue) for queue in mapped.queues],
        servers=[s if _kind(s) in servers else replace(s, numerator=2 * s.numerator) for s in mapped.servers],
    )


def _netlist(netlist: Netlist, kinds: tuple[str, ...]) -> Netlist:
    fast = {i for i, unit in enumerate(netlist.units) if unit.kind in kinds}
    return replace(netlist, actors=[a if a.unit in fast else _slow(a) for a in netlist.actors])


def _slow(actor: Actor) -> Actor:
    """Twice the intervals: the actor's, and that of tokens of several packets."""
    inputs, outputs = (tuple(map(_wide, ports)) for ports in (actor.inputs, actor.outputs))
    return replace(actor, interval=2 * actor.interval, inputs=inputs, outputs=outputs)


def _wide(port: Port) -> Port:
    return replace(port, packets=2 * port.packets)


def _timing(queue: QueueTiming) -> QueueTiming:
    """Twice the cycles; the room of a queue is in tokens and stays."""
    stages = tuple(replace(stage, after=2 * stage.after) for stage in queue.stages)
    return replace(queue, latency=2 * queue.latency, credit=2 * queue.credit, first=2 * queue.first, stages=stages)


def _kind(server: Server) -> str:
    """What a server is a part of: `hbm[3]` of hbm."""
    return server.name.partition("[")[0]
