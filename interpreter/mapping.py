"""From a netlist and a machine to cycles: places, routes, and with them what every queue takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rdflow.dsl.diagnostics import CompileError
from rdflow.dsl.netlist import Actor, Netlist, Queue
from rdflow.interpreter.allocate import bases, socket_errors, tier_errors, within_unit
from rdflow.interpreter.floorplan import Floorplan, floorplan
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.machine_parts import Tier
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage
from rdflow.interpreter.network import Meetings, meetings, through_links
from rdflow.interpreter.route import Route, hops
from rdflow.interpreter.sockets import beside_links, is_link, link_room, link_servers, link_timing, node_errors

CREDIT_SOURCES = ("read", "count", "round", "drain")
"""kinds whose queues inside a unit give room back: with the last read, not when its value is out of the pipeline; a round
goes on to the reader, whose latency counts"""


def map_netlist(netlist: Netlist, machine: Machine) -> tuple[Mapped, Floorplan]:
    """Cycles, addresses and servers for a kernel; its floor plan beside.

    Raises CompileError (RDF206, RDF207, RDF209) if a socket, a memory tier or the node is too small.
    """
    mistakes = [
        *node_errors(netlist, machine),
        *socket_errors(netlist, machine),
        *tier_errors(netlist, machine),
    ]
    if mistakes:
        raise CompileError(mistakes)
    plan = floorplan(netlist, machine)
    met = meetings(netlist, plan.routes)
    firsts = _first_servers(netlist, machine)
    queues = [_timing(netlist, machine, firsts, met, q, way) for q, way in enumerate(plan.routes)]
    for number in beside_links(netlist):
        room = link_room(netlist.queues[number], machine, queues[number].credit)
        queues[number] = replace(queues[number], slots=max(queues[number].slots, room))
    channels, servers = _channels(netlist, machine), _servers(netlist, machine, met)
    return Mapped(netlist, queues, servers, channels, _channels_a_socket(machine)), plan


# -- queues ------------------------------------------------------------------------------------------------------------


def _timing(
    netlist: Netlist, machine: Machine, firsts: Mapping[str, int], met: Meetings, number: int, way: Route
) -> QueueTiming:
    """The cycles of a queue. `firsts`: see `_first_servers`.

    latency: the producer's pipeline and the wire, at least a cycle. credit: the wire back, nothing inside a unit.
    slots: as the queue says, else what the FIFO, the pipeline and the wires of both ways hold, at least 2 tokens.
    """
    queue = netlist.queues[number]
    pipeline, wire = _pipeline(netlist, machine, queue), hops(way) * machine.network.hop
    if is_link(queue):
        return link_timing(queue, machine, wire, firsts["p2p"])
    if queue.server == "memory":
        return _memory_timing(machine, queue, machine.tiers[_tier_of(netlist, queue)], credit=wire)
    slots = queue.slots if queue.slots is not None else _slots(machine, queue, pipeline, wire)
    latency = max(1, pipeline + wire)
    crossed = [(firsts["link"] + c.link, pipeline + c.hops * machine.network.hop) for c in met.crossings[number]]
    first, stages = through_links(crossed, latency, queue.packets)
    if queue.server is not None:
        stages = _to_port(stages, queue.packets, _port(machine, firsts, queue))
    return QueueTiming(latency, wire, slots, first, stages, met.flows[number] if crossed else -1)


def _to_port(stages: tuple[Stage, ...], packets: int, port: Stage) -> tuple[Stage, ...]:
    """The stages with a PMU's write port behind them, to which the first packet comes."""
    return (*stages[:-1], *(replace(last, after=last.after + packets - 1) for last in stages[-1:]), port)


def _port(machine: Machine, firsts: Mapping[str, int], queue: Queue) -> Stage:
    assert isinstance(queue.server, tuple), f"{queue.stream} passes no port"
    return Stage(firsts["port"] + queue.server[1], machine.pmu.write_latency)


def _slots(machine: Machine, queue: Queue, pipeline: int, wire: int) -> int:
    depth = machine.pcu.fifo if queue.depth is None else queue.depth
    return max(2, (depth + pipeline + 2 * wire) // queue.packets)


def _memory_timing(machine: Machine, queue: Queue, tier: Tier, credit: int) -> QueueTiming:
    """A request: from the AGCU to the controller, then the channel, then the tier's latency.

    Room for the bursts that an AGCU may have under way. `latency` (unloaded, without the burst) is for information.
    """
    first, tail = machine.agcu.to_memory, machine.cycles(tier.latency)
    slots = tier.outstanding if queue.slots is None else queue.slots
    return QueueTiming(first + tail, credit, slots, first, (Stage(BY_ADDRESS, tail),))


def _pipeline(netlist: Netlist, machine: Machine, queue: Queue) -> int:
    """Cycles from a firing of the source to its token at the edge of the unit; a credit inside a unit takes one."""
    source = netlist.actors[queue.source]
    if source.kind in CREDIT_SOURCES and within_unit(netlist, queue.source, queue.sink):
        return 1
    return pipeline_cycles(source, netlist.units[source.unit].kind, machine)


def pipeline_cycles(actor: Actor, occupies: str, machine: Machine) -> int:
    """Cycles from a firing to its token, by kind of actor.

    pcu, systolic, drain: a cycle each of `Actor.stages`, which counts chains and tails already. write and route, read
    and count: the PMU's latencies. request, respond, store, acknowledge: the AGCU's. carry: it computes nothing, but unused stages of a PCU
    still count; in a PMU it takes the latency of a read.
    """
    match actor.kind:
        case "pcu" | "systolic" | "drain":
            return actor.stages
        case "write" | "route":
            return machine.pmu.write_latency
        case "read" | "count" | "round":
            return machine.pmu.read_latency
        case "request" | "respond" | "store" | "acknowledge" | "send":
            return machine.agcu.latency
        case "carry":
            return machine.pcu.stages if occupies == "pcu" else machine.pmu.read_latency
    raise AssertionError(f"no latency for actors of kind {actor.kind}")


# -- servers -----------------------------------------------------------------------------------------------------------


def _first_servers(netlist: Netlist, machine: Machine) -> dict[str, int]:
    """The number of the first server of each tier on the first socket, of the first port, of the first link between
    sockets, and of the first of the mesh."""
    firsts, free = {}, 0
    for name, tier in machine.tiers.items():
        firsts[name] = free
        free += tier.channels
    ports = _channels_a_socket(machine) * netlist.sockets
    between = ports + netlist.servers
    pairs = netlist.sockets**2 if netlist.sockets > 1 else 0
    return firsts | {"port": ports, "p2p": between, "link": between + pairs}


def _channels_a_socket(machine: Machine) -> int:
    return sum(tier.channels for tier in machine.tiers.values())


def _servers(netlist: Netlist, machine: Machine, met: Meetings) -> list[Server]:
    """The channels of every tier, socket by socket, the write ports of PMUs, the links between sockets, and those of the
    mesh where flows meet: ports and these take a packet a cycle."""
    found = []
    for socket in range(netlist.sockets):
        on = f"@{socket}" if netlist.sockets > 1 else ""
        for name, tier in machine.tiers.items():
            service = machine.cycles_per_burst(tier)
            found += [Server(f"{name}[{i}]{on}", service.numerator, service.denominator) for i in range(tier.channels)]
    found += [Server(f"port[{i}]", 1, machine.pmu.write_ports) for i in range(netlist.servers)]
    found += link_servers(netlist, machine)
    return found + [Server(link.name, shared=True) for link in met.links]


def _channels(netlist: Netlist, machine: Machine) -> list[tuple[int, int, int]]:
    firsts = _first_servers(netlist, machine)
    return [
        (firsts[tensor.tier], machine.tiers[tensor.tier].channels, base)
        for tensor, base in zip(netlist.tensors, bases(netlist, machine), strict=True)
    ]


def _tier_of(netlist: Netlist, queue: Queue) -> str:
    """The tier that the bursts of a memory queue go to."""
    burst = netlist.actors[queue.source].burst
    assert burst is not None, f"actor {netlist.actors[queue.source].name} has no burst for its memory queue"
    return netlist.tensors[burst.tensor].tier
