"""The floor plan of a kernel: where its units are on a socket, which ways its streams take, and what links carry."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import itemgetter
from typing import Any

from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter import kept
from rdflow.interpreter.allocate import UnitCopy, unit_copies, within_unit
from rdflow.interpreter.edges import Cells, cells
from rdflow.interpreter.flows import Wires, wires
from rdflow.interpreter.links import Load, crowded, loads, streams
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.place import SMALL, melted, place
from rdflow.interpreter.rates import Rates, rates_of
from rdflow.interpreter.route import Route, routes
from rdflow.interpreter.sites import Grid, Site, mesh


@dataclass(frozen=True)
class Floorplan:
    """Where everything is, and what that achieves.

    `sites`: of each (unit, copy). `routes`: by queue the switches that it passes, empty inside a unit. `wire_length`:
    links taken, those of a multicast once, and hops of tokens without data. `loads`: of the links that carry packets, the
    most loaded first. `rounds`: of the negotiation for links.
    """

    sites: dict[tuple[int, int], tuple[Site, ...]]
    routes: list[Route]
    wire_length: int
    loads: list[Load]
    rounds: int

    @property
    def shared(self) -> int:
        """Links that several flows take."""
        return sum(load.shared for load in self.loads)

    @property
    def mean_load(self) -> float:
        """Packets a cycle, over the links that carry any."""
        return sum(load.rate for load in self.loads) / len(self.loads) if self.loads else 0.0

    def figures(self, netlist: Netlist) -> dict[str, Any]:
        """What place and route achieve; loads are packets a cycle of a run without a wait."""
        most = self.loads[0] if self.loads else None
        return {
            "hops": self.wire_length,
            "links": len(self.loads),
            "shared": self.shared,
            "mean_load": round(self.mean_load, 4),
            "most_load": round(most.rate, 4) if most else 0.0,
            "streams": streams(netlist, most) if most else [],
            "rounds": self.rounds,
        }

    def summary(self, netlist: Netlist) -> str:
        """The same in a line."""
        found = self.figures(netlist)
        if not self.loads:
            return f"wires of {self.wire_length} hops"
        return (
            f"wires of {self.wire_length} hops; {found['shared']} of {found['links']} links shared, a mean of "
            f"{found['mean_load']:.2f} packets a cycle, at most {found['most_load']:.2f} ({'; '.join(found['streams'][:2])})"
        )

    def warnings(self, netlist: Netlist) -> list[Diagnostic]:
        """RDF210 where a link is to carry too much."""
        return crowded(netlist, self.loads)


def floorplan(netlist: Netlist, machine: Machine) -> Floorplan:
    """Place and route a kernel. There must be room (`allocate.socket_errors`).

    Sockets are placed as one, for they are alike; what only one of them has is placed with the others' units. Each has
    routes of its own.
    """
    copies = _alike(unit_copies(netlist, machine))
    rates = rates_of(netlist, machine)
    crowded = is_crowded(netlist, machine, rates)
    of = cells(netlist, copies, rates, crowded)
    placed, found, rounds = _settled(netlist, machine, copies, rates, of, crowded)
    sites = Grid(machine).sites
    named = {
        (copy.unit, copy.copy): tuple(sites[placed[first + i]] for i in range(sum(count for _, count in copy.needs)))
        for copy, first in zip(copies, of.first, strict=True)
    }
    carrying = loads(netlist, rates, found)
    carried = {q for load in carrying for queues in load.flows for q in queues}
    control = sum(len(way) - 1 for q, way in enumerate(found) if way and q not in carried)
    return Floorplan(named, found, control + sum(len(load.flows) for load in carrying), carrying, rounds)


def _alike(copies: Sequence[UnitCopy]) -> list[UnitCopy]:
    """The copies of a unit at the same place on all sockets as one, with the sites of the largest."""
    found: dict[tuple[int, int], UnitCopy] = {}
    for copy in copies:
        known = found.get((copy.unit, copy.copy), replace(copy, actors=()))
        most = [max(getattr(known, kind), getattr(copy, kind)) for kind in ("pcus", "pmus", "agcus")]
        found[copy.unit, copy.copy] = UnitCopy(copy.unit, copy.copy, copy.kind, known.actors + copy.actors, *most)
    return list(found.values())


def is_crowded(netlist: Netlist, machine: Machine, rates: Rates) -> bool:
    """Whether streams want whole links, and many of them: over half a vector a cycle arrives at each switch."""
    arriving = sum(
        packets
        for packets, queue in zip(rates.crowding, netlist.queues, strict=True)
        if wires(queue) == Wires.VECTOR and not within_unit(netlist, queue.source, queue.sink)
    )
    rows, columns = mesh(machine)
    return 2 * arriving > rows * columns * rates.cycles * netlist.sockets


def _settled(
    netlist: Netlist, machine: Machine, copies: Sequence[UnitCopy], rates: Rates, of: Cells, crowded: bool
) -> tuple[list[int], list[Route], int]:
    """By cell its site, by queue its route, and the rounds of negotiation: worked out, or as kept."""
    grid = Grid(machine)
    copy_of = {actor: i for i, copy in enumerate(copies) for actor in copy.actors}
    sockets = [actor.socket for actor in netlist.actors]
    pairs = [
        None if within_unit(netlist, q.source, q.sink) else (of.first[copy_of[q.source]], of.first[copy_of[q.sink]])
        for q in netlist.queues
    ]
    large = len(of.kinds) > SMALL
    ports = [[(out.queues, out.source) for out in actor.outputs] for actor in netlist.actors]
    widths = [queue.width for queue in netlist.queues]
    key = kept.key(crowded, machine.tile, machine.socket, of, pairs, rates, ports, widths, sockets) if large else ""
    if large and (found := kept.read(key, grid, of, pairs)) is not None:
        return found
    settled = _best(netlist, machine, rates, of, pairs, crowded)
    if large:
        kept.write(key, *settled)
    return settled


def _best(
    netlist: Netlist, machine: Machine, rates: Rates, of: Cells, pairs: kept.Ends, crowded: bool
) -> tuple[list[int], list[Route], int]:
    """The same, worked out: of several places in a large kernel that is crowded, those whose routes carry least too much."""
    grid, large = Grid(machine), len(of.kinds) > SMALL

    def routed(placed: Callable[[], list[int]]) -> tuple[int, list[int], list[Route], int]:
        at = placed()
        ends = [None if pair is None else (grid.switch(at[pair[0]]), grid.switch(at[pair[1]])) for pair in pairs]
        ways, rounds, over = routes(netlist, rates, ends, mesh(machine), large, crowded)
        return over, at, ways, rounds

    if not (large and crowded):
        return routed(lambda: place(grid, of))[1:]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return min(pool.map(routed, melted(grid, of)), key=itemgetter(0))[1:]
