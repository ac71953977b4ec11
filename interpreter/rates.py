"""Rates: packets by queue in a whole run and the least cycles that it takes, from nests and gates alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, prod

from rdflow.dsl.firings import firings, moments
from rdflow.dsl.netlist import Actor, Netlist, Port
from rdflow.dsl.records import dataclass
from rdflow.interpreter.machine import Machine


@dataclass(frozen=True)
class Rates:
    """Packets of every queue in a whole run, and the cycles that it takes at least."""

    packets: list[int]
    cycles: int

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
    return Rates(packets, max(1, busiest, *_tier_cycles(netlist, machine, packets)))


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
