"""Nests with fewer loops that fire alike: two loops become one where nothing tells the turns of the inner one apart.

A batch of firings ends with the innermost loop, so short loops cost time. Only for runs without values: rows read and
write by the counters of the loops as they are.
"""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.netlist import Actor, Affine, Gate, Loop, Port


def fused(actor: Actor) -> Actor:
    """The same firings, in as few loops as can be."""
    level = 0
    while level + 1 < len(actor.loops):
        if _alike(actor, level):
            actor = _joined(actor, level)
        else:
            level += 1
    return actor


def apart(counters: tuple[int, ...], nest: Actor, actor: Actor) -> tuple[int, ...]:
    """Counters of an actor's loops, from those of its nest."""
    found: list[int] = []
    level = 0
    for counter, loop in zip(counters, nest.loops, strict=True):
        sizes = [actor.loops[level].size]
        while len(actor.loops) - level - len(sizes) > 0 and sizes and _product(sizes) < loop.size:
            sizes.append(actor.loops[level + len(sizes)].size)
        level += len(sizes)
        inner: list[int] = []
        for size in reversed(sizes[1:]):
            counter, rest = divmod(counter, size)
            inner.insert(0, rest)
        found += [counter, *inner]
    return (*found, *(0,) * (len(actor.loops) - len(found)))


def _product(sizes: list[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _alike(actor: Actor, level: int) -> bool:
    """Whether a loop and the next one inside are one to every port, bound and address."""
    outer, inner = actor.loops[level : level + 2]
    if outer.limit is not None or inner.limit is not None:
        return False
    bounds = [affine for loop in actor.loops[level + 2 :] if loop.limit for affine in (loop.limit, loop.base)]
    if any(any(affine.by_loop[level : level + 2]) for affine in bounds):
        return False
    addresses = [actor.burst.address] if actor.burst is not None else []
    return all(_same(port, level, inner.size) for port in actor.inputs + actor.outputs) and all(
        _even(address, level, inner.size) for address in addresses
    )


def _same(port: Port, level: int, size: int) -> bool:
    """Whether a port asks for both loops or for none, selects by both as by one, and counts by neither."""
    gate = port.gate
    both = all(mask >> level & 3 in (0, 3) for mask in (gate.first, gate.last, gate.not_first, gate.not_last))
    counting = bool(port.counts) and port.counted in (level, level + 1)
    return both and not counting and (len(port.queues) == 1 or _even(port.select, level, size))


def _even(affine: Affine, level: int, size: int) -> bool:
    """Whether a step of the outer loop is as `size` steps of the inner one."""
    outer, inner = (affine.by_loop[l] if l < len(affine.by_loop) else 0 for l in (level, level + 1))
    return outer == size * inner


def _joined(actor: Actor, level: int) -> Actor:
    """A loop and the next one inside as one."""
    loops = [_rebased(loop, level) for loop in actor.loops]
    loops[level : level + 2] = [Loop(loops[level].size * loops[level + 1].size)]
    return replace(
        actor,
        loops=tuple(loops),
        inputs=tuple(_port(port, level) for port in actor.inputs),
        outputs=tuple(_port(port, level) for port in actor.outputs),
        burst=actor.burst and replace(actor.burst, address=_affine(actor.burst.address, level)),
        tile_level=actor.tile_level - (actor.tile_level > level),
    )


def _rebased(loop: Loop, level: int) -> Loop:
    if loop.limit is None:
        return loop
    return loop._replace(limit=_affine(loop.limit, level), base=_affine(loop.base, level))


def _port(port: Port, level: int) -> Port:
    gate = Gate(*(_mask(m, level) for m in (port.gate.first, port.gate.last, port.gate.not_first, port.gate.not_last)))
    counted = port.counted - (port.counted > level)
    return replace(port, gate=gate, select=_affine(port.select, level), counted=counted)


def _mask(mask: int, level: int) -> int:
    """Without the bit of a loop."""
    return mask & (1 << level) - 1 | mask >> level + 1 << level


def _affine(affine: Affine, level: int) -> Affine:
    """Without the coefficient of a loop."""
    return affine._replace(by_loop=affine.by_loop[:level] + affine.by_loop[level + 1 :])
