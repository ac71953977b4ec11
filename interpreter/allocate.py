"""What a kernel takes of a socket: PCUs, PMUs and AGCUs by copy of each unit, and addresses in the memory tiers."""

from __future__ import annotations

from collections.abc import Iterable

from rdflow.dsl.diagnostics import Diagnostic, Label
from rdflow.dsl.netlist import Netlist, UnitInfo
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import NOWHERE, Span
from rdflow.interpreter.leaders import Leaders
from rdflow.interpreter.machine import BURST, Machine
from rdflow.interpreter.machine_parts import Tier
from rdflow.interpreter.sockets import received

KINDS = ("pcu", "pmu", "agcu")
MAIN = ("pcu", "systolic", "carry", "read", "respond", "store", "send")
"""kinds of actors whose firings and cycles are those of their unit: one a copy"""
TOGETHER = frozenset(
    {("write", "read"), ("systolic", "drain"), ("request", "respond"), ("store", "acknowledge")}
    | {("route", "write"), ("route", "read"), ("route", "count"), ("write", "round"), ("round", "read")}
)
"""kinds of actors that are two ends of one unit: a queue between them does not leave it"""

# -- units -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnitCopy:
    """One copy of a unit: the actors that share its sites, how many sites of each kind it takes, and its socket."""

    unit: int
    copy: int
    kind: str
    actors: tuple[int, ...]
    pcus: int
    pmus: int
    agcus: int
    socket: int = 0

    @property
    def needs(self) -> tuple[tuple[str, int], ...]:
        """Sites by kind, its own kind first: the first site is where its queues begin and end."""
        each = zip(KINDS, (self.pcus, self.pmus, self.agcus), strict=True)
        return tuple(sorted(((k, n) for k, n in each if n), key=lambda need: need[0] != self.kind))


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A line of the table of units: what a copy takes, and how many copies there are."""

    name: str
    copies: int
    pcus: int
    pmus: int
    agcus: int
    span: Span

    @property
    def totals(self) -> tuple[int, int, int]:
        return self.copies * self.pcus, self.copies * self.pmus, self.copies * self.agcus


def unit_copies(netlist: Netlist, machine: Machine) -> list[UnitCopy]:
    """The copies of every unit, in the order of their first actors.

    Actors belong to one copy where a queue joins the two ends of a unit (`TOGETHER`). A unit may have more such groups
    than copies (the nodes of a tree that reduces over copies): each of these takes one site of the unit's kind.
    """
    counts: dict[tuple[int, int], int] = {}
    kept = received(netlist, machine)
    found = []
    for actors in _groups(netlist):
        first = netlist.actors[actors[0]]
        unit, socket = first.unit, first.socket
        copy = counts.get((unit, socket), 0) if first.copy is None else first.copy
        counts[unit, socket] = copy + 1
        sites = _sites(netlist.units[unit], copy, sum(kept.get(actor, 0) for actor in actors), machine)
        found.append(UnitCopy(unit, copy, netlist.units[unit].kind, actors, *sites, socket))
    return found


def _groups(netlist: Netlist) -> list[tuple[int, ...]]:
    """Actors that share a unit copy, by their first actor."""
    leaders = Leaders(len(netlist.actors))
    for queue in netlist.queues:
        if within_unit(netlist, queue.source, queue.sink):
            leaders.join(queue.source, queue.sink)
    groups: dict[int, list[int]] = {}
    for actor, leader in enumerate(leaders.all()):
        groups.setdefault(leader, []).append(actor)
    return [tuple(actors) for actors in groups.values()]


def within_unit(netlist: Netlist, source: int, sink: int) -> bool:
    """Whether a queue from one actor to the other stays inside of one copy of a unit."""
    one, other = netlist.actors[source], netlist.actors[sink]
    if one.unit != other.unit:
        return False
    return source == sink or (one.kind, other.kind) in TOGETHER or (other.kind, one.kind) in TOGETHER


def _sites(info: UnitInfo, copy: int, received: int, machine: Machine) -> tuple[int, int, int]:
    """PCUs, PMUs and AGCUs of a copy: at least one of its kind, and PMUs enough for its bytes and for what it receives
    from other sockets. Nodes of trees come after the copies and take one each."""
    pcu, pmu, agcu = _one(info.kind)
    if copy >= info.copies:
        return pcu, max(pmu, -(-received // machine.pmu.capacity)), agcu
    needed = -(-(info.bytes + received) // machine.pmu.capacity)
    return max(info.pcus, pcu), max(info.pmus, pmu, needed), max(info.agcus, agcu)


def _one(kind: str) -> tuple[int, int, int]:
    return int(kind == "pcu"), int(kind == "pmu"), int(kind == "agcu")


def unit_table(netlist: Netlist, machine: Machine) -> list[UnitRow]:
    """What every unit takes, in the order of the program; nodes of trees are lines of their own."""
    copies: dict[int, list[UnitCopy]] = {}
    for copy in unit_copies(netlist, machine):
        copies.setdefault(copy.unit, []).append(copy)
    rows = []
    for number, info in enumerate(netlist.units):
        own = copies.get(number, [])
        rows.append(UnitRow(info.name, info.copies, *_most(info, own), info.span))
        if (nodes := max((c.copy + 1 for c in own), default=0) - info.copies) > 0:
            rows.append(UnitRow(f"{info.name} (tree)", nodes, *_one(info.kind), info.span))
    return rows


def _most(info: UnitInfo, copies: Iterable[UnitCopy]) -> tuple[int, int, int]:
    """What a copy of a unit takes on the socket where it takes most."""
    own = [c for c in copies if c.copy < info.copies]
    pcus, pmus, agcus = (max((getattr(c, f"{kind}s") for c in own), default=0) for kind in KINDS)
    return pcus, pmus, agcus


def socket_errors(netlist: Netlist, machine: Machine) -> list[Diagnostic]:
    """RDF206 where the kernel takes more of a kind of unit than a socket has."""
    rows = unit_table(netlist, machine)
    capacity = (machine.pcus, machine.pmus, machine.agcus)
    totals = [sum(row.totals[i] for row in rows) for i in range(3)]
    over = [i for i in range(3) if totals[i] > capacity[i]]
    if not over:
        return []
    largest = {i: max(rows, key=lambda row, i=i: row.totals[i]) for i in over}  # type: ignore[misc]
    excess = " and ".join(f"{totals[i]} {KINDS[i].upper()}s of {capacity[i]}" for i in over)
    labels = tuple(Label(row.span, f"{row.totals[i]} {KINDS[i].upper()}s here") for i, row in largest.items())
    return [
        Diagnostic(
            "RDF206",
            f"kernel `{netlist.kernel}` is larger than the socket: it takes {excess}",
            labels,
            (table_text(rows, capacity),),
            f"make fewer copies of `{largest[over[0]].name}`, or cut the kernel in two with `store` and `load` between",
        )
    ]


def table_text(rows: Iterable[UnitRow], capacity: tuple[int, int, int]) -> str:
    """The table of units as text: what a copy takes, times the copies; the total; what the socket has."""
    cells = [["unit", "copies", "PCUs", "PMUs", "AGCUs"]]
    totals = [0, 0, 0]
    for row in rows:
        costs = (row.pcus, row.pmus, row.agcus)
        cells.append([row.name, str(row.copies), *(_product(row.copies, cost) for cost in costs)])
        totals = [t + r for t, r in zip(totals, row.totals, strict=True)]
    cells.append(["total", "", *map(str, totals)])
    cells.append(["socket", "", *map(str, capacity)])
    widths = [max(len(line[i]) for line in cells) for i in range(5)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    )


def _product(copies: int, cost: int) -> str:
    """`8 x 2 = 16`; the product alone where a factor says nothing."""
    return f"{copies} x {cost} = {copies * cost}" if copies > 1 and cost > 1 else str(copies * cost)


# -- addresses ---------------------------------------------------------------------------------------------------------


def bases(netlist: Netlist, machine: Machine) -> list[int]:
    """The address of every tensor in its tier, in bytes: one after the other, each from the first channel on."""
    free = dict.fromkeys(machine.tiers, 0)
    found = []
    for tensor in netlist.tensors:
        found.append(free[tensor.tier])
        free[tensor.tier] += _padded(tensor.bytes, machine.tiers[tensor.tier])
    return found


def _padded(size: int, tier: Tier) -> int:
    """Bytes up to the next turn over all channels."""
    turn = tier.channels * BURST
    return -(-size // turn) * turn


def tier_errors(netlist: Netlist, machine: Machine) -> list[Diagnostic]:
    """RDF207 for every tier whose tensors are more than it holds."""
    used = {tensor.tier for tensor in netlist.tensors}
    return [d for name, tier in machine.tiers.items() if name in used for d in _overflow(netlist, name, tier)]


def _overflow(netlist: Netlist, name: str, tier: Tier) -> list[Diagnostic]:
    """The first tensor that does not fit, and the largest of those that are there before it."""
    held: list[int] = []
    total = 0
    for number, tensor in enumerate(netlist.tensors):
        if tensor.tier != name:
            continue
        size = _padded(tensor.bytes, tier)
        if total + size > tier.capacity:
            return [_full(netlist, name, tier, held, total, number)]
        held.append(number)
        total += size
    return []


def _full(netlist: Netlist, name: str, tier: Tier, held: list[int], total: int, late: int) -> Diagnostic:
    tensors = netlist.tensors
    size, left = tensors[late].bytes, tier.capacity - total
    labels = [Label(_use(netlist, late), f"`{tensors[late].name}` has {size_text(size)}, {size_text(left)} are left")]
    largest = max(held, key=lambda t: tensors[t].bytes, default=None)
    if largest is not None:
        there = f"`{tensors[largest].name}` is there with {size_text(tensors[largest].bytes)}"
        labels.append(Label(_use(netlist, largest), there))
    there_all = ", ".join(f"{tensors[t].name} {size_text(tensors[t].bytes)}" for t in held) or "nothing"
    notes = (f"{name} holds {size_text(tier.capacity)} a socket; in it: {there_all}",)
    help = "shard it over the sockets (`@socket`)" + (", or declare it `in ddr`" if name == "hbm" else "")
    return Diagnostic("RDF207", f"`{tensors[late].name}` does not fit into {name}", tuple(labels), notes, help)


def _use(netlist: Netlist, tensor: int) -> Span:
    """The line of the first unit that loads or stores a tensor."""
    uses = (a.unit for a in netlist.actors if a.burst is not None and a.burst.tensor == tensor)
    unit = next(uses, None)
    return NOWHERE if unit is None else netlist.units[unit].span


def size_text(size: int) -> str:
    """Bytes in the largest binary unit that they fill."""
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size} B"
