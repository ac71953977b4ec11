"""Makes nests shorter: two neighbouring loops that nothing tells apart become one.

The engine batches firings over the innermost loop, so a long one is fast. Nothing else changes: same firings, same
order, same gates.

Copies of a unit have the same nests, gates and coefficients, so what follows from these alone is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Gate, Index, Loop, Mem, Netlist, Operand, Port, Row, Temp

Kept = tuple[int, ...]  # the loops that are left: of each run of merged ones the innermost
KNOWN = 1 << 14  # gates, nests and coefficients that are remembered


def coalesce(netlist: Netlist) -> Netlist:
    """The netlist with the loops of every actor merged where they can be."""
    netlist.actors = [_actor(actor) for actor in netlist.actors]
    return netlist


def _actor(actor: Actor) -> Actor:
    depth = len(actor.loops)
    borders = _borders(actor)
    kept = tuple(level for level in range(depth) if borders >> level & 1 or level == depth - 1)
    return actor if len(kept) == depth else _merged(actor, kept)


# -- which loops are told apart ----------------------------------------------------------------------------------------


def _borders(actor: Actor) -> int:
    """The bits of the loops that something tells apart from the next one.

    Loops l and l + 1 count as one where both run a fixed number of times, no tile begins and nothing is counted between
    them, every mask of a gate has both or none, and every affine goes on from one to the other.
    """
    loops = actor.loops
    found = _ends(loops)
    if actor.tile_level:
        found |= 1 << (actor.tile_level - 1)
    for port in actor.inputs + actor.outputs:
        found |= _masked(port.gate)
        if port.counted >= 0:
            found |= 3 << port.counted >> 1
    for row in actor.rows:
        found |= _masked(row.gate) | _masked(row.init)
    for affine in _affines(actor):
        found |= _stepped(affine.by_loop, loops)
    return found


@lru_cache(KNOWN)
def _ends(loops: tuple[Loop, ...]) -> int:
    """On both sides of loops that may end early."""
    found = 0
    for level, loop in enumerate(loops):
        found |= 3 << level >> 1 if loop.limit is not None else 0
    return found


@lru_cache(KNOWN)
def _masked(gate: Gate) -> int:
    """Where the loops that a gate asks for begin or end."""
    found = 0
    for mask in (gate.first, gate.last, gate.not_first, gate.not_last):
        found |= mask ^ mask >> 1
    return found


@lru_cache(KNOWN)
def _stepped(by_loop: tuple[int, ...], loops: tuple[Loop, ...]) -> int:
    """Where a whole round of a loop is another step than one of the loop outside."""
    steps = by_loop + (0,) * (len(loops) - len(by_loop))
    pairs = enumerate(zip(steps, steps[1:], loops[1:], strict=False))
    return sum(1 << level for level, (outer, inner, loop) in pairs if outer != inner * loop.size)


def _affines(actor: Actor) -> Iterator[Affine]:
    """All of them that count anything."""
    for port in actor.inputs + actor.outputs:
        if port.select.by_loop:
            yield port.select
    for loop in actor.loops:
        if loop.limit is not None:
            yield loop.limit
            yield loop.base
    if actor.burst is not None:
        yield actor.burst.address
    for row in actor.rows:
        for operand in (row.out, *row.args):
            yield from _of(operand)


def _of(operand: Operand) -> Iterator[Affine]:
    match operand:
        case Index(affine=affine):
            yield affine
        case Mem(address=address, dynamic=dynamic):
            yield address
            for inner, _ in dynamic:
                yield from _of(inner)


# -- the shorter nest --------------------------------------------------------------------------------------------------


def _merged(actor: Actor, kept: Kept) -> Actor:
    """The actor with these loops alone, each as long as those that it stands for."""
    burst = actor.burst
    return Actor(
        actor.name,
        actor.unit,
        actor.kind,
        _loops(actor.loops, kept),
        tuple(_port(p, kept) for p in actor.inputs),
        tuple(_port(p, kept) for p in actor.outputs),
        tuple(_row(r, kept) for r in actor.rows),
        actor.interval,
        actor.stages,
        sum(level < actor.tile_level for level in kept),
        replace(burst, address=_affine(burst.address, kept)) if burst is not None else None,
        actor.socket,
    )


@lru_cache(KNOWN)
def _loops(loops: tuple[Loop, ...], kept: Kept) -> tuple[Loop, ...]:
    found = []
    size = 1
    for level, loop in enumerate(loops):
        size *= loop.size
        if level in kept:
            found.append(_loop(loop, size, kept))
            size = 1
    return tuple(found)


def _loop(loop: Loop, size: int, kept: Kept) -> Loop:
    if loop.limit is None:
        return Loop(size)
    return loop._replace(limit=_affine(loop.limit, kept), base=_affine(loop.base, kept))


@lru_cache(KNOWN)
def _gate(gate: Gate, kept: Kept) -> Gate:
    def mask(bits: int) -> int:
        return sum((bits >> level & 1) << place for place, level in enumerate(kept))

    return Gate(mask(gate.first), mask(gate.last), mask(gate.not_first), mask(gate.not_last))


@lru_cache(KNOWN)
def _steps(by_loop: tuple[int, ...], kept: Kept) -> tuple[int, ...]:
    return tuple(by_loop[level] for level in kept if level < len(by_loop))


def _affine(affine: Affine, kept: Kept) -> Affine:
    return affine._replace(by_loop=_steps(affine.by_loop, kept)) if affine.by_loop else affine


def _port(port: Port, kept: Kept) -> Port:
    counted = kept.index(port.counted) if port.counted >= 0 else -1
    gate, select = _gate(port.gate, kept), _affine(port.select, kept)
    return Port(port.queues, gate, port.packets, select, port.counts, counted, port.source, port.blocks)


def _operand(operand: Operand, kept: Kept) -> Operand:
    match operand:
        case Index(affine=affine, lanes=lanes):
            return Index(_affine(affine, kept), lanes)
        case Mem():
            return _mem(operand, kept)
    return operand


def _mem(mem: Mem, kept: Kept) -> Mem:
    dynamic = tuple((_operand(inner, kept), stride) for inner, stride in mem.dynamic)
    return Mem(mem.memory, _affine(mem.address, kept), mem.lanes, mem.bank, mem.banks, dynamic)


def _row(row: Row, kept: Kept) -> Row:
    out: Temp | Mem = _mem(row.out, kept) if isinstance(row.out, Mem) else row.out
    args = tuple(_operand(a, kept) for a in row.args)
    gate = row.gate if row.gate is ALWAYS else _gate(row.gate, kept)
    init = row.init if row.init is ALWAYS else _gate(row.init, kept)
    return Row(row.op, out, args, row.width, gate, init, row.table)
