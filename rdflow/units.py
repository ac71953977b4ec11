"""The units of a program before anything runs: orders, copies, what each takes of the socket, and the cycles it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rdflow.dsl.check import Checked
from rdflow.dsl.coalesce import coalesce
from rdflow.dsl.diagnostics import Diagnostic
from rdflow.dsl.elaborate import elaborate
from rdflow.dsl.firings import firings
from rdflow.dsl.netlist import Netlist
from rdflow.dsl.records import dataclass
from rdflow.interpreter.allocate import MAIN, UnitRow, socket_errors, unit_table
from rdflow.interpreter.collectives import chosen
from rdflow.interpreter.floorplan import floorplan
from rdflow.interpreter.machine import Machine
from rdflow.interpreter.rates import cycles
from rdflow.interpreter.sockets import node_errors


@dataclass(frozen=True)
class UnitCost:
    """A unit: what a copy takes, how often it fires, and the cycles that this takes when nothing ever waits."""

    name: str
    kind: str
    verb: str
    order: str
    copies: int
    pcus: int
    pmus: int
    agcus: int
    bytes: int
    firings: int
    cycles: int


@dataclass(frozen=True)
class Ordered:
    """A load that waits for a store of its tensor, or a store for a load: `unit` goes on as far as `on` is. `until`: what
    it waits for; `times`: how often at most, for each of its copies that waits."""

    unit: str
    on: str
    until: str
    times: int


@dataclass(frozen=True)
class KernelCost:
    """The units of a kernel. `rows`: the socket's sites by unit, nodes of trees apart. `bounding`: streams whose values
    decide how often loops run; firings and cycles are those of the full size. `network`: what place and route achieve
    (nothing where the kernel does not fit), `crowded`: a warning where a link is to carry too much. `ordered`: who waits
    for whom at the memory."""

    name: str
    units: tuple[UnitCost, ...]
    rows: tuple[UnitRow, ...]
    capacity: tuple[int, int, int]
    bounding: tuple[str, ...]
    network: dict[str, Any]
    crowded: tuple[Diagnostic, ...]
    ordered: tuple[Ordered, ...]

    @property
    def cycles(self) -> int:
        """The cycles of the unit that needs most: no run takes fewer."""
        return max((u.cycles for u in self.units), default=0)

    @property
    def totals(self) -> tuple[int, int, int]:
        pcus, pmus, agcus = (sum(row.totals[i] for row in self.rows) for i in range(3))
        return pcus, pmus, agcus


def kernel_costs(checked: Checked, machine: Machine) -> Iterator[KernelCost]:
    """Every kernel that the schedule launches, in order. Raises CompileError for what cannot be executed."""
    for spec in checked.launches:
        netlist = coalesce(elaborate(checked.kernels[spec], chosen(machine)))
        rows = tuple(unit_table(netlist, machine))
        capacity = (machine.pcus, machine.pmus, machine.agcus)
        fits = not [*node_errors(netlist, machine), *socket_errors(netlist, machine)]
        plan = floorplan(netlist, machine) if fits else None
        network = plan.figures(netlist) if plan else {}
        crowded = tuple(plan.warnings(netlist)) if plan else ()
        units, bounding = tuple(_units(netlist, rows)), checked.kernels[spec].bounding
        yield KernelCost(spec.kernel, units, rows, capacity, bounding, network, crowded, tuple(_ordered(netlist)))


def _ordered(netlist: Netlist) -> Iterator[Ordered]:
    """From the tokens without data between units, those of all copies as one."""
    found: dict[tuple[int, int, str], int] = {}
    for actor in netlist.actors:
        for queue in (netlist.queues[p.queues[0]] for p in actor.inputs):
            source = netlist.actors[queue.source]
            if not queue.width and source.unit != actor.unit:
                found.setdefault((actor.unit, source.unit, queue.stream), queue.slots or 1)
    for (unit, on, until), times in found.items():
        yield Ordered(netlist.units[unit].name, netlist.units[on].name, until, times)


def costs_json(cost: KernelCost) -> dict[str, Any]:
    names = ("pcu", "pmu", "agcu")
    return {
        "name": cost.name,
        "cycles_at_least": cost.cycles,
        "at_full_size": list(cost.bounding),
        "resources": dict(zip(names, cost.totals, strict=True)),
        "capacity": dict(zip(names, cost.capacity, strict=True)),
        "network": cost.network,
        "units": [asdict(unit) for unit in cost.units],
        "waits": [asdict(wait) for wait in cost.ordered],
    }


def _units(netlist: Netlist, rows: tuple[UnitRow, ...]) -> Iterator[UnitCost]:
    sites = {row.name: row for row in rows}
    for number, info in enumerate(netlist.units):
        main = [actor for _, actor in netlist.actors_of(number) if actor.kind in MAIN]
        row = sites[info.name]
        yield UnitCost(
            info.name,
            info.kind,
            info.verb,
            info.order,
            info.copies,
            row.pcus,
            row.pmus,
            row.agcus,
            info.bytes,
            max((firings(a) for a in main), default=0),
            max((cycles(a) for a in main), default=0),
        )
