"""Makes nests shorter: two neighbouring loops that nothing tells apart become one.

The engine batches firings over the innermost loop, so a long one is fast. Nothing else changes: same firings, same
order, same gates.
"""

from __future__ import annotations

from dataclasses import replace

from rdflow.dsl.netlist import Actor, Affine, Gate, Index, Loop, Mem, Netlist, Operand, Port, Row


def coalesce(netlist: Netlist) -> Netlist:
    """The netlist with the loops of every actor merged where they can be."""
    netlist.actors = [_actor(actor) for actor in netlist.actors]
    return netlist


def _actor(actor: Actor) -> Actor:
    level = len(actor.loops) - 2
    while level >= 0:
        if _mergeable(actor, level):
            actor = _merge(actor, level)
        level -= 1
    return actor


def _mergeable(actor: Actor, level: int) -> bool:
    """Whether loops `level` and the next always count as one."""
    outer, inner = actor.loops[level], actor.loops[level + 1]
    if outer.limit is not None or inner.limit is not None or actor.tile_level == level + 1:
        return False
    ports = actor.inputs + actor.outputs
    if any(port.counted in (level, level + 1) for port in ports):
        return False
    gates = [p.gate for p in ports] + [g for row in actor.rows for g in (row.gate, row.init)]
    masks = [m for g in gates for m in (g.first, g.last, g.not_first, g.not_last)]
    if any((m >> level & 1) != (m >> (level + 1) & 1) for m in masks):
        return False
    return all(_coefficient(a, level) == _coefficient(a, level + 1) * inner.size for a in _affines(actor))


def _coefficient(affine: Affine, level: int) -> int:
    return affine.by_loop[level] if level < len(affine.by_loop) else 0


def _affines(actor: Actor) -> list[Affine]:
    found = [p.select for p in actor.inputs + actor.outputs]
    found += [a for loop in actor.loops if loop.limit is not None for a in (loop.limit, loop.base)]
    found += [actor.burst.address] if actor.burst is not None else []
    for row in actor.rows:
        for operand in (row.out, *row.args):
            found += _of(operand)
    return found


def _of(operand: Operand) -> list[Affine]:
    match operand:
        case Index(affine=affine):
            return [affine]
        case Mem(address=address, dynamic=dynamic):
            return [address, *(a for inner, _ in dynamic for a in _of(inner))]
    return []


def _merge(actor: Actor, level: int) -> Actor:
    """Drop loop `level`; the one inside it runs as often as both did."""

    def mask(bits: int) -> int:
        return bits & ((1 << level) - 1) | bits >> (level + 1) << level

    def gate(g: Gate) -> Gate:
        return Gate(mask(g.first), mask(g.last), mask(g.not_first), mask(g.not_last))

    def affine(a: Affine) -> Affine:
        return replace(a, by_loop=a.by_loop[:level] + a.by_loop[level + 1 :])

    def port(p: Port) -> Port:
        counted = p.counted - 1 if p.counted > level else p.counted
        return replace(p, gate=gate(p.gate), select=affine(p.select), counted=counted)

    def operand(o: Operand) -> Operand:
        match o:
            case Index():
                return replace(o, affine=affine(o.affine))
            case Mem():
                return replace(o, address=affine(o.address), dynamic=tuple((operand(d), s) for d, s in o.dynamic))
        return o

    def row(r: Row) -> Row:
        out = operand(r.out)
        args = tuple(operand(a) for a in r.args)
        return replace(r, out=out, args=args, gate=gate(r.gate), init=gate(r.init))  # type: ignore[arg-type]

    def loop(l: Loop) -> Loop:
        return replace(l, limit=affine(l.limit), base=affine(l.base)) if l.limit is not None else l

    both = Loop(actor.loops[level].size * actor.loops[level + 1].size)
    loops = (*actor.loops[:level], both, *(loop(l) for l in actor.loops[level + 2 :]))
    burst = replace(actor.burst, address=affine(actor.burst.address)) if actor.burst is not None else None
    return replace(
        actor,
        loops=loops,
        inputs=tuple(port(p) for p in actor.inputs),
        outputs=tuple(port(p) for p in actor.outputs),
        rows=tuple(row(r) for r in actor.rows),
        tile_level=actor.tile_level - 1 if actor.tile_level > level else actor.tile_level,
        burst=burst,
    )
