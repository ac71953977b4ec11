"""Rates: packets by queue in a whole run and the least cycles that it takes, from nests and gates alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import field
from fractions import Fraction
from math import ceil, prod

from rdflow.dsl.firings import firings, moments
from rdflow.dsl.netlist import Actor, Netlist, Port
from rdflow.dsl.records import dataclass
from rdflow.interpreter.leaders import Leaders
from rdflow.interpreter.machine import Machine

MEMORY = ("request", "respond", "store", "acknowledge")
"""kinds of actors whose pace is that of a memory tier"""


@dataclass(frozen=True)
class Rates:
    """Packets of every queue in a whole run, and the cycles that it takes at least. `dense`: the packets that there would
    be if all of the run were as the phase in which the queue carries some (none: they are the same)."""

    packets: list[int]
    cycles: int
    dense: list[int] = field(default_factory=list)

    @property
    def crowding(self) -> list[int]:
        """By queue what place and route reckon with."""
        return self.dense or self.packets

    def rate(self, packets: int) -> float:
        """Packets a cycle, at most: of a run without a wait."""
        return packets / self.cycles


def rates_of(netlist: Netlist, machine: Machine) -> Rates:
    """What every queue carries; the cycles are those of the busiest actor, or of the busiest memory tier."""
    packets = [0] * len(netlist.queues)
    for actor in netlist.actors:
        for port in actor.outputs:
            tokens = moments(actor, port.gate)
            for queue in port.queues:
                packets[queue] += tokens * port.packets // len(port.queues)
    busiest = max((cycles(actor) for actor in netlist.actors), default=1)
    whole = max(1, busiest, *_tier_cycles(netlist, machine, packets))
    return Rates(packets, whole, _dense(netlist, packets, whole))


def _dense(netlist: Netlist, packets: Sequence[int], whole: int) -> list[int]:
    """Packets of queues whose actors are at work in a part of the run alone, as if that part were all of it.

    Between the tiles of a hold its writers and its reader take turns; actors that streams join work at the same time, for
    as long as the busiest of them takes. What comes from or goes to memory is spread over the run: it is fetched ahead.
    """
    phase = _phases(netlist)
    spent: dict[int, int] = {}
    for number, actor in enumerate(netlist.actors):
        own = whole if actor.kind in MEMORY else cycles(actor)
        spent[phase[number]] = max(spent.get(phase[number], 1), own)
    return [
        count * whole // min(whole, spent[phase[queue.source]])
        for count, queue in zip(packets, netlist.queues, strict=True)
    ]


def _phases(netlist: Netlist) -> list[int]:
    """By actor the number of its phase: those that tokens with data join, and the two ends of what is no hold."""
    leaders = Leaders(len(netlist.actors))
    for queue in netlist.queues:
        if queue.width or netlist.actors[queue.source].kind in ("systolic", "drain", *MEMORY):
            leaders.join(queue.source, queue.sink)
    return leaders.all()


def _tier_cycles(netlist: Netlist, machine: Machine, packets: Sequence[int]) -> list[int]:
    """The cycles of each memory tier of each socket for all its bursts, spread evenly over its channels."""
    bursts: Counter[tuple[str, int]] = Counter()
    for queue, count in zip(netlist.queues, packets, strict=True):
        source = netlist.actors[queue.source]
        if queue.server == "memory" and source.burst is not None:
            bursts[netlist.tensors[source.burst.tensor].tier, source.socket] += count
    tiers = machine.tiers
    return [
        ceil(Fraction(count, tiers[name].channels) * machine.cycles_per_burst(tiers[name]))
        for (name, _), count in bursts.items()
    ]


# -- actors ------------------------------------------------------------------------------------------------------------


def cycles(actor: Actor) -> int:
    """Cycles of all firings: the actor's interval, or the packets of the widest port that takes part."""
    ports = actor.inputs + actor.outputs
    usual = max([actor.interval, *(p.packets for p in ports if not _rare(p))])
    extra = sum((p.packets - usual) * _share(actor, p) for p in ports if _rare(p) and p.packets > usual)
    return round(firings(actor) * (usual + extra))


def _rare(port: Port) -> bool:
    return bool(port.gate.first or port.gate.last)


def _share(actor: Actor, port: Port) -> float:
    """The part of the firings in which a port takes part."""
    bound = port.gate.first | port.gate.last
    return 1 / prod(loop.size for level, loop in enumerate(actor.loops) if bound >> level & 1)
