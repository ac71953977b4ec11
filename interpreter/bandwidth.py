"""Bytes and bandwidth of everything that carries packets: memory channels, ports of units, links of the mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import Netlist, Port
from rdflow.dsl.records import dataclass
from rdflow.interpreter.image import Counters
from rdflow.interpreter.machine import BURST
from rdflow.interpreter.mapped import Mapped
from rdflow.interpreter.network import Link

BETWEEN = {"p2p": "socket link", "port": "write port", "hbm": "channel", "ddr": "channel"}
"""kinds of servers by the first word of their name; links of the mesh are not all servers, and counted by their routes"""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Something that carries packets of 64 bytes: bytes moved, bytes a second over the kernel's cycles and at most.

    A link of the mesh carries more than it can where the run did not make the flows that meet on it wait.
    """

    kind: str
    name: str
    bytes: int
    achieved: float
    peak: float

    @property
    def utilization(self) -> float:
        return self.achieved / self.peak if self.peak else 0.0


def carriers(
    mapped: Mapped, counted: Sequence[Counters], mesh: Mapping[Link, int], cycles: int, clock: int
) -> tuple[Carrier, ...]:
    """Everything that carried something, the busiest first. `mesh`: packets by link; `cycles`: of all launches counted;
    `clock`: Hz."""
    packet = float(BURST * clock)  # bytes a second at a packet a cycle

    def carrier(kind: str, name: str, packets: int, peak: float) -> Carrier:
        return Carrier(kind, name, BURST * packets, packet * packets / cycles, peak)

    found = [carrier(kind, name, n, packet * rate) for kind, name, n, rate in _served(mapped, counted) if n]
    found += [carrier("port", name, n, packet * ports) for name, n, ports in _ports(mapped.netlist, counted) if n]
    found += [carrier("mesh link", link.name, n, packet) for link, n in mesh.items() if n]
    return tuple(sorted(found, key=lambda c: -c.utilization)) if cycles else ()


def _served(mapped: Mapped, counted: Sequence[Counters]) -> Iterator[tuple[str, str, int, float]]:
    """Servers: kind, name, packets, packets a cycle."""
    packets = np.sum([c.packets for c in counted], axis=0)
    for number, server in enumerate(mapped.servers):
        kind = BETWEEN.get(server.name.partition("[")[0])
        if kind is not None:
            yield kind, server.name, int(packets[number]), server.denominator / server.numerator


def _ports(netlist: Netlist, counted: Sequence[Counters]) -> Iterator[tuple[str, int, int]]:
    """The ports of units for each stream, those of all copies as one: name, packets, how many ports."""
    pushes, pops = (np.sum([getattr(c, side) for c in counted], axis=0) for side in ("pushes", "pops"))
    found: dict[str, tuple[int, int]] = {}
    for actor in netlist.actors:
        unit = netlist.units[actor.unit].name
        sides = (("into", actor.inputs, pops), ("out of", _distinct(actor.outputs), pushes))
        for side, ports, moved in sides:
            for port in ports:
                name = f"{_stream(netlist, port)} {side} {unit}"
                if _between_units(netlist, port):
                    packets, several = found.get(name, (0, 0))
                    found[name] = packets + _packets(port, moved), several + 1
    yield from ((name, packets, ports) for name, (packets, ports) in found.items())


def _distinct(ports: Sequence[Port]) -> list[Port]:
    """One port for each temporary that is pushed: what several take leaves the unit once."""
    return list({port.source: port for port in reversed(ports)}.values())


def _stream(netlist: Netlist, port: Port) -> str:
    return netlist.queues[port.queues[0]].stream


def _between_units(netlist: Netlist, port: Port) -> bool:
    """Whether tokens with data pass, to or from another unit."""
    queue = netlist.queues[port.queues[0]]
    return queue.width > 0 and netlist.actors[queue.source].unit != netlist.actors[queue.sink].unit


def _packets(port: Port, moved: NDArray[np.int64]) -> int:
    return port.packets * int(moved[list(port.queues)].sum())
