"""The memory manager: which tier and which addresses every symbol has, decided before anything runs.

The paper's rules: HBM first; symbols that are not needed at the same time share addresses; if it does not fit then,
the symbol of which the fewest bytes are moved over the whole application goes to DDR, then the next. What is left of the
tier caches the experts of pools. Addresses and sizes are those of one socket; all sockets are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rdflow.dsl.check import Checked, check_kernels
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label, Severity
from rdflow.dsl.pools import Kind, Pool, homes
from rdflow.dsl.records import dataclass
from rdflow.dsl.report import Reporter
from rdflow.dsl.steps import LaunchCall
from rdflow.interpreter.allocate import size_text
from rdflow.interpreter.machine import BURST, Machine
from rdflow.interpreter.symbols import Footprint, Symbol, footprint, padded, symbols

SPILLS_TO = {"hbm": "ddr"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A symbol at its address in a tier, and why it is there."""

    symbol: Symbol
    tier: str
    address: int
    size: int
    why: str

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Region:
    """What a tier has left for the experts that it caches: from an address on, so many bytes."""

    tier: str
    address: int
    size: int


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything is. `footprints`: of an expert, by the label of its kind; `regions`: by tier, for caches."""

    placed: tuple[Placed, ...]
    footprints: dict[str, Footprint]
    regions: dict[str, Region]
    capacities: dict[str, int]
    stored: dict[str, int]
    """bytes of all experts in the tiers where their pools are kept"""
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def spilled(self) -> dict[str, str]:
        """Symbols that are not in the tier that they are declared in, and where they are."""
        return {p.symbol.name: p.tier for p in self.placed if p.tier != p.symbol.tier}


def plan(checked: Checked, machine: Machine) -> MemoryPlan:
    """Tiers and addresses for a program. Raises CompileError (RDF207, RDF211, RDF212) where nothing fits."""
    found = symbols(checked)
    turns = {name: tier.channels * BURST for name, tier in machine.tiers.items()}
    footprints = _footprints(checked, turns)
    stored, reserved = _pools(checked, machine, footprints)
    tiers = {symbol.name: symbol.tier for symbol in found}
    reasons = {symbol.name: f"declared in {symbol.tier}" for symbol in found}
    at: dict[str, dict[str, int]] = {}
    warnings = []
    for name in ("hbm", "ddr"):
        room = machine.tiers[name].capacity - stored.get(name, 0) - reserved.get(name, 0)
        at[name] = addresses([s for s in found if tiers[s.name] == name], turns[name])
        while _top(found, tiers, at[name], name, turns[name]) > room:
            moved = _least_moved(found, tiers, name)
            if moved is None or name not in SPILLS_TO:
                raise CompileError([_full(found, tiers, name, room, machine)], checked.program.source)
            tiers[moved.name] = SPILLS_TO[name]
            warnings.append(_spill(moved, name, room, found))
            reasons[moved.name] = f"spilled: {size_text(moved.moved)} moved, the least in {name}, which is full"
            at[name] = addresses([s for s in found if tiers[s.name] == name], turns[name])
    placed = tuple(_placed(found, tiers, at, turns, reasons))
    return MemoryPlan(
        placed,
        footprints,
        _regions(checked, machine, placed, stored),
        {name: tier.capacity for name, tier in machine.tiers.items()},
        stored,
        tuple(warnings),
    )


def addresses(found: Iterable[Symbol], turn: int) -> dict[str, int]:
    """An address for each symbol, the largest first, each as low as those allow that are needed at the same time."""
    taken: list[tuple[Symbol, int, int]] = []
    for symbol in sorted(found, key=lambda s: (-s.size, s.first, s.name)):
        size = padded(symbol.size, turn)
        address = 0
        for other, start, end in taken:  # in the order of their addresses
            if symbol.overlaps(other):
                if start >= address + size:
                    break
                address = max(address, end)
        taken.append((symbol, address, address + size))
        taken.sort(key=lambda one: one[1:])
    return {symbol.name: address for symbol, address, _ in taken}


def _top(found: Sequence[Symbol], tiers: dict[str, str], at: dict[str, int], tier: str, turn: int) -> int:
    """The first address behind all symbols of a tier."""
    return max((at[s.name] + padded(s.size, turn) for s in found if tiers[s.name] == tier), default=0)


def _least_moved(found: Iterable[Symbol], tiers: dict[str, str], tier: str) -> Symbol | None:
    """The symbol of a tier of which the fewest bytes are moved over the application; of equals the largest."""
    there = (s for s in found if tiers[s.name] == tier)
    return min(there, key=lambda s: (s.moved, -s.size), default=None)


def _placed(
    found: Iterable[Symbol],
    tiers: dict[str, str],
    at: dict[str, dict[str, int]],
    turns: dict[str, int],
    reasons: dict[str, str],
) -> Iterable[Placed]:
    rows = [
        Placed(s, tiers[s.name], at[tiers[s.name]][s.name], padded(s.size, turns[tiers[s.name]]), reasons[s.name])
        for s in found
    ]
    for row in rows:
        shared = [o.symbol.name for o in rows if o is not row and o.tier == row.tier and _share(o, row)]
        yield replace(row, why=f"{row.why}; where {', '.join(shared)} {_be(shared)} at other times") if shared else row


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _share(one: Placed, other: Placed) -> bool:
    return one.address < other.end and other.address < one.end


# -- pools -------------------------------------------------------------------------------------------------------------


def _footprints(checked: Checked, turns: dict[str, int]) -> dict[str, Footprint]:
    """Of an expert of each kind, in turns of the tier that it runs from."""
    calls = [step for step in checked.steps.steps if isinstance(step, LaunchCall) and step.spec.home]
    return {
        kind.label: footprint(checked, kind, calls, turns[pool.cache or pool.tier])
        for pool, kind in homes(checked.program.pools)
    }


def _pools(
    checked: Checked, machine: Machine, footprints: dict[str, Footprint]
) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of all experts by the tier that keeps them, and of the largest one by the tier that caches it."""
    stored: dict[str, int] = {}
    reserved: dict[str, int] = {}
    mistakes = []
    for pool, kind in homes(checked.program.pools):
        size = footprints[kind.label].size
        stored[pool.tier] = stored.get(pool.tier, 0) + size * kind.count
        if pool.cache is not None:
            reserved[pool.cache] = max(reserved.get(pool.cache, 0), size)
    for pool, kind in homes(checked.program.pools):
        size = footprints[kind.label].size
        if pool.cache is not None and stored.get(pool.cache, 0) + size > machine.tiers[pool.cache].capacity:
            mistakes.append(_too_large(checked, machine, pool, kind, footprints))
    for name, size in stored.items():
        if size > machine.tiers[name].capacity:
            mistakes.append(_too_many(checked, machine, name, footprints))
    if mistakes:
        raise CompileError(mistakes, checked.program.source)
    return stored, reserved


def _regions(checked: Checked, machine: Machine, placed: Iterable[Placed], stored: dict[str, int]) -> dict[str, Region]:
    """What each tier that caches experts has left for them."""
    found = {}
    for tier in dict.fromkeys(pool.cache for pool in checked.program.pools.values() if pool.cache is not None):
        start = max((p.end for p in placed if p.tier == tier), default=0) + stored.get(tier, 0)
        found[tier] = Region(tier, start, machine.tiers[tier].capacity - start)
    return found


# -- mistakes ----------------------------------------------------------------------------------------------------------


def _too_large(
    checked: Checked, machine: Machine, pool: Pool, kind: Kind, footprints: dict[str, Footprint]
) -> Diagnostic:
    """Of an expert that the cache has no room for, beside those that are kept in the same tier."""
    assert pool.cache is not None
    holds, size = size_text(machine.tiers[pool.cache].capacity), size_text(footprints[kind.label].size)
    tensors = sorted(kind.program.tensors.values(), key=lambda t: -_elements(t.shape))[:1]
    labels = [Label(pool.span, f"an expert has {size} for each socket, {pool.cache} holds {holds}")]
    labels += [
        Label(other.span, f"{size_text(one.count * footprints[one.label].size)} are kept there for these")
        for other, one in homes(checked.program.pools)
        if other.tier == pool.cache
    ]
    labels += [Label(t.span, f"`{t.name}` is the largest", kind.program.source) for t in tensors]
    help = "shard its tensors over more sockets (`@socket`), or make it smaller"
    notes = ("an expert is in the cache as a whole before one of its kernels is launched",)
    return Diagnostic(
        "RDF211", f"an expert of `{pool.name}` does not fit into {pool.cache}", tuple(labels), notes, help
    )


def _elements(shape: tuple[int, ...]) -> int:
    total = 1
    for length in shape:
        total *= length
    return total


def _too_many(checked: Checked, machine: Machine, tier: str, footprints: dict[str, Footprint]) -> Diagnostic:
    kinds = [(pool, kind) for pool, kind in homes(checked.program.pools) if pool.tier == tier]
    capacity = machine.tiers[tier].capacity
    labels = []
    for pool, kind in kinds:
        each = footprints[kind.label].size
        labels.append(
            Label(pool.span, f"{kind.count} experts of {size_text(each)} each: {size_text(each * kind.count)}")
        )
    most = capacity // max(1, max(footprints[kind.label].size for _, kind in kinds))
    notes = (f"{tier} holds {size_text(capacity)} a socket",)
    help = f"declare {most} experts, or shard them over more sockets (`@socket`)"
    return Diagnostic("RDF212", f"the pools in {tier} are larger than {tier}", tuple(labels), notes, help)


def _full(found: Iterable[Symbol], tiers: dict[str, str], tier: str, room: int, machine: Machine) -> Diagnostic:
    there = sorted((s for s in found if tiers[s.name] == tier), key=lambda s: -s.size)
    labels = tuple(Label(s.span, f"`{s.name}` has {size_text(s.size)}") for s in there[:2])
    everything = ", ".join(f"{s.name} {size_text(s.size)}" for s in there)
    capacity = machine.tiers[tier].capacity
    taken = f", of which {size_text(capacity - room)} are for experts" if room < capacity else ""
    notes = (f"{tier} holds {size_text(capacity)} a socket{taken}; in it: {everything}",)
    help = "shard it over the sockets (`@socket`), or make it smaller"
    return Diagnostic("RDF207", f"`{there[0].name}` does not fit into {tier}" if there else f"{tier} is full", labels,
                      notes, help)  # fmt: skip


def _spill(moved: Symbol, tier: str, room: int, found: Iterable[Symbol]) -> Diagnostic:
    most = max(found, key=lambda s: s.size)
    labels = [Label(moved.span, f"its uses move {size_text(moved.moved)}, the least")]
    if most is not moved:
        labels.append(Label(most.span, f"`{most.name}` is the largest, with {size_text(most.size)}"))
    notes = (f"{size_text(room)} of {tier} are there for tensors on each socket, and those needed at once are more",)
    help = f"declare it `in {SPILLS_TO[tier]}` to say so, or shard tensors over more sockets (`@socket`)"
    message = f"`{moved.name}` is spilled to {SPILLS_TO[tier]}"
    return Diagnostic("RDF213", message, tuple(labels), notes, help, Severity.WARNING)


def respelled(checked: Checked, found: MemoryPlan) -> Checked:
    """The program with its spilled tensors declared where they are: what runs. Kernels are checked again as needed."""
    if not found.spilled:
        return checked
    tensors = {n: replace(t, tier=found.spilled.get(n, t.tier)) for n, t in checked.program.tensors.items()}
    program = replace(checked.program, tensors=tensors)
    moved = Checked(program, {}, [], checked.diagnostics)
    _, specs, kernels = check_kernels(program, moved.steps.steps, Reporter(), moved.judges)
    return Checked(program, kernels, specs, checked.diagnostics, moved.walked, moved.judges)
