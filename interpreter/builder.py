"""A mapped netlist as flat tables: every actor, loop, port and queue a row, in the order in which tokens flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Gate, Loop, Netlist, Port
from rdflow.interpreter.forward import anchor
from rdflow.interpreter.fuse import fused
from rdflow.interpreter.kernel import layout
from rdflow.interpreter.kernel.layout import FAR, Tables
from rdflow.interpreter.lookahead import WINDOW, lookahead
from rdflow.interpreter.mapped import Mapped, QueueTiming
from rdflow.interpreter.registers import Limited, Registers, unlimited

CALENDAR = 1024  # cycles of a round at least: tokens that queue longer are passed over once a round
Table = NDArray[Any]


class Pool:
    """Numbers of many lists in one array, each list by its offset. `registers`: what of them a launch gives."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.registers = Registers()
        self.known: dict[tuple[Affine, int], int] = {}

    def add(self, numbers: tuple[int, ...]) -> int:
        offset = len(self.numbers)
        self.numbers.extend(numbers)
        return offset

    def affine(self, affine: Affine, depth: int) -> int:
        """Constant, then a coefficient for each of `depth` loops; those of copies are often the same."""
        offset = self.known.get((affine, depth))
        if offset is None:
            by_loop = affine.by_loop[:depth]
            offset = self.known[affine, depth] = self.add((affine.const, *by_loop, *(0,) * (depth - len(by_loop))))
            if affine.arguments:
                self.registers.affines.append((offset, affine))
        return offset

    def array(self) -> NDArray[np.int64]:
        return np.array([*self.numbers, 0], dtype=np.int64)


def ranks(netlist: Netlist) -> NDArray[np.int64]:
    """Actors in the order in which tokens flow, so that one round of visits carries tokens far.

    Queues that hold tokens at the start (credits) point backwards. Other cycles are cut where they are met.
    """
    sinks: list[list[int]] = [[] for _ in netlist.actors]
    for queue in netlist.queues:
        if queue.initial == 0:
            sinks[queue.source].append(queue.sink)
    finished: list[int] = []
    seen: set[int] = set()
    for root in range(len(netlist.actors)):
        _descend(root, sinks, seen, finished)
    rank = np.empty(len(netlist.actors), dtype=np.int64)
    rank[finished[::-1]] = np.arange(len(finished))
    return rank


def nests(netlist: Netlist) -> list[Actor]:
    """The actors with as few loops as can be; but the anchor of fast-forward has its own, which say when to look."""
    found = [fused(actor) for actor in netlist.actors]
    if found:
        leading = anchor(netlist.actors)
        found[leading] = netlist.actors[leading]
    return found


def _descend(root: int, sinks: list[list[int]], seen: set[int], finished: list[int]) -> None:
    """Depth first from `root`; actors are finished after all that they feed."""
    if root in seen:
        return
    seen.add(root)
    path: list[tuple[int, Iterator[int]]] = [(root, iter(sinks[root]))]
    while path:
        actor, rest = path[-1]
        following = next((s for s in rest if s not in seen), None)
        if following is None:
            finished.append(actor)
            path.pop()
        else:
            seen.add(following)
            path.append((following, iter(sinks[following])))


def _ring(slots: int) -> int:
    """Places of a queue: a power of two."""
    return 1 << max(0, slots - 1).bit_length()


class Builder:
    """Collects the tables of a mapped netlist."""

    def __init__(self, mapped: Mapped, room: int) -> None:
        self.mapped = mapped
        self.room = room  # places that rings have beyond their slots, at least
        self.netlist = mapped.netlist
        self.rank = ranks(mapped.netlist)
        self.nests = mapped.netlist.actors if room else nests(mapped.netlist)
        self.look = lookahead(mapped, WINDOW)
        self.affine, self.fan, self.counts = Pool(), Pool(), Pool()
        linked = {n for n, server in enumerate(mapped.servers) if server.shared}
        self.linked = [any(stage.server in linked for stage in timing.stages) for timing in mapped.queues]
        self.loops: list[dict[str, int]] = []
        self.bounds: list[dict[str, int]] = []
        self.stages: list[dict[str, int]] = []
        self.gathers: list[dict[str, int]] = []
        self.ports: list[dict[str, int]] = []
        self.actors: list[dict[str, int]] = []

    def add_loop(self, loop: Loop, outer: int, first_port: int) -> None:
        bound, iterations = -1, loop.size
        if loop.limit is not None:
            bound = len(self.bounds)
            iterations = loop.iterations((0,) * outer)
            limit, base = self.affine.affine(loop.limit, outer), self.affine.affine(loop.base, outer)
            if loop.limit.arguments:
                self.add_register(loop, outer, limit)
            port = {"port": first_port + loop.port if loop.port >= 0 else -1, "token": FAR}
            self.bounds.append({"stride": loop.stride, "granule": loop.granule, "limit": limit, "base": base} | port)
        self.loops.append({"size": loop.size, "iterations": iterations, "bound": bound})

    def add_register(self, loop: Loop, level: int, limit: int) -> None:
        """A loop whose limit a launch gives."""
        multiple, other = 0, limit
        if loop.unlimited is not None:
            multiple, other = loop.unlimited[0], self.affine.affine(unlimited(loop), level)
        found = Limited(len(self.actors), level, len(self.loops), limit, other, multiple)
        self.affine.registers.loops.append(found)

    def add_port(self, port: Port, actor: Actor) -> None:
        depth = max(1, len(actor.loops))
        first_loop = len(self.loops) - depth
        chosen = len(port.queues) > 1
        moving = chosen and len(port.select.by_loop) == depth and port.select.by_loop[-1] != 0
        counting = bool(port.counts) and port.counted == depth - 1
        queue = self.netlist.queues[port.queues[0]]
        if port.blocks is not None:
            self.affine.registers.counts.append((len(self.counts.numbers), len(port.counts), port.blocks))
        gate, counts = port.gate, self.counts.add(port.counts) if port.counts else -1
        row = {"first": gate.first, "last": gate.last, "not_first": gate.not_first, "not_last": gate.not_last}
        row["packets"], row["width"] = port.packets, queue.width
        row["queue"] = row["current"] = port.queues[0]
        row["choices"], row["fan"] = len(port.queues), self.fan.add(port.queues)
        row["select"], row["varies"] = self.affine.affine(port.select, depth), int(moving or counting)
        row["counts"], row["counted"] = counts, first_loop + port.counted
        row["plain"], row["holds"] = int(gate == ALWAYS), int(gate != ALWAYS or bool(port.counts))
        self.ports.append(row)

    def add_actor(self, actor: Actor) -> None:
        loops = actor.loops or (Loop(1),)
        depth, start = len(loops), len(self.loops)
        for level, loop in enumerate(loops):
            self.add_loop(loop, level, len(self.ports))
        ended = sum(1 << level for level, loop in enumerate(self.loops[start:]) if loop["iterations"] == 1)
        first_in = len(self.ports)
        for port in actor.inputs + actor.outputs:
            self.add_port(port, actor)
        first_out = first_in + len(actor.inputs)
        gates = [port.gate for port in actor.inputs + actor.outputs]
        self.actors.append(
            {"interval": actor.interval, "depth": depth, "loop": start, "inner": start + depth - 1}
            | {"ragged": int(any(loop.port >= 0 for loop in loops))}
            | {"first_in": first_in, "last_in": first_out, "first_out": first_out, "last_out": len(self.ports)}
            | (split(gates, depth) if self.room else {})
            | {"even": int(not any(port.counts for port in actor.inputs))}
            | {"at_first": (1 << depth) - 1, "at_last": ended}
            | {
                "waiting": layout.READY,
                "turned": FAR,
                "first": -1,
                "last": -1,
                "tile_level": min(actor.tile_level, depth),
                "shape": layout.PLAIN,
            }
            | {"linked": int(any(self.linked[q] for port in actor.inputs for q in port.queues))}
            | self.burst(actor, depth)
            | self.shape(actor)
        )

    def burst(self, actor: Actor, depth: int) -> dict[str, int]:
        """Where the memory requests of an actor go."""
        if actor.burst is None:
            return {"channels": 1}
        first, count, base = self.mapped.channels[actor.burst.tensor]
        first += actor.socket * self.mapped.socket_servers
        address = self.affine.affine(actor.burst.address, depth)
        first_gather = len(self.gathers)
        inputs = len(self.ports) - len(actor.inputs) - len(actor.outputs)
        for port, stride, length in actor.burst.gathers:
            self.gathers.append({"port": inputs + port, "stride": stride, "length": length})
        gathers = {"first_gather": first_gather, "last_gather": len(self.gathers)}
        return {"burst": address, "channel": first, "channels": count, "base": base} | gathers

    def shape(self, actor: Actor) -> dict[str, int]:
        """Actors whose every firing does the same with at most one queue on each side have loops of their own."""
        ports = actor.inputs + actor.outputs
        same = all(p.gate == ALWAYS and len(p.queues) == 1 and not p.counts for p in ports)
        served = any(self.mapped.queues[p.queues[0]].stages for p in actor.outputs)
        served |= any(self.linked[p.queues[0]] for p in actor.inputs)
        shapes = {(1, 1): layout.MAP, (0, 1): layout.SOURCE, (1, 0): layout.SINK}
        shape = shapes.get((len(actor.inputs), len(actor.outputs)), layout.PLAIN)
        if shape == layout.PLAIN or not same or served:
            return {}
        return {"shape": shape, "interval": max(actor.interval, *(p.packets for p in ports))}

    def add_stages(self, number: int, timing: QueueTiming) -> dict[str, int]:
        """The servers that the tokens of a queue visit, at times that are moved on by its shift of the lookahead."""
        start = len(self.stages) if timing.stages else layout.UNSERVED
        shift = self.look.shifts[number]
        flow = timing.flow if timing.flow >= 0 else number
        own = {"flow": flow, "packets": self.netlist.queues[number].packets}
        self.stages += [{"server": stage.server, "after": stage.after} | own for stage in timing.stages]
        if timing.stages:
            self.stages[-1]["final"] = 1
            self.stages[-1]["after"] -= shift
        return {"stages": start, "first": timing.first + shift, "flow": flow}

    @staticmethod
    def pop_pace(sink: Actor) -> int:
        """Cycles between two pops, at least: none where several tokens are popped at once."""
        return 0 if any(port.counts for port in sink.inputs) else sink.interval

    def queues(self) -> Table:
        rows = []
        places = 0
        for number, (queue, timing) in enumerate(zip(self.netlist.queues, self.mapped.queues, strict=True)):
            ring = _ring(max(timing.slots, queue.initial) + (self.room if queue.width > 0 else 0))
            rows.append(
                {"pushed": queue.initial, "available": queue.initial, "capacity": timing.slots, "mask": ring - 1}
                | {"ring": places, "latency": timing.latency, "credit": timing.credit, "width": queue.width}
                | {"source": int(self.rank[queue.source]), "sink": int(self.rank[queue.sink])}
                | {"packets": queue.packets, "bundle": layout.ALONE}
                | {"push_pace": 0 if timing.stages else self.netlist.actors[queue.source].interval}
                | {"pop_pace": self.pop_pace(self.netlist.actors[queue.sink])}
                | self.add_stages(number, timing)
                | {"memory": int(queue.server == "memory"), "linked": int(self.linked[number])}
            )
            places += ring
        return layout.table(layout.QUEUE, rows)

    def build(self) -> Tables:
        for a in np.argsort(self.rank):
            self.add_actor(self.nests[a])
        actors = layout.table(layout.ACTOR, self.actors)[: len(self.actors)]
        queues = self.queues()
        servers = [
            {"numerator": s.numerator, "denominator": s.denominator, "shared": int(s.shared), "last": -1, "head": -1}
            for s in self.mapped.servers
        ]
        places = int((queues["mask"] + 1).sum())
        clock = {"window": self.look.window, "reach": self.look.reach, "running": len(self.actors), "unused": -1}
        calendar = _ring(max(CALENDAR, self.look.window + self.look.longest + 1)) if self.stages else 1
        tables = Tables(
            clock=layout.table(layout.CLOCK, [clock]),
            actors=actors,
            loops=layout.table(layout.LOOP, self.loops),
            bounds=layout.table(layout.BOUND, self.bounds),
            ports=layout.table(layout.PORT, self.ports),
            fan=self.fan.array(),
            counts=self.counts.array(),
            affine=self.affine.array(),
            queues=queues,
            stages=layout.table(layout.STAGE, self.stages),
            bundles=layout.table(layout.BUNDLE, []),
            parts=layout.table(layout.PART, []),
            gathers=layout.table(layout.GATHER, self.gathers),
            servers=layout.table(layout.SERVER, servers),
            requests=layout.room(queues),
            ready=layout.zeros(places + layout.OVER, np.int64),
            free=layout.zeros(places + layout.OVER, np.int64),
            due=np.zeros(len(self.actors), np.int64),
            pending=np.zeros(-(-len(self.actors) // 64), np.uint64),
            calendar=np.full(calendar, -1, np.int64),
            delay=np.zeros(places, np.int64),
            busy=np.zeros(max(1, len(servers)), np.int64),
            offset=np.zeros(layout.BATCH, np.int64),
            scratch=np.zeros((layout.ROW_FIRED + 1, layout.BATCH), np.int64),
        )
        return tables


def split(gates: list[Gate], depth: int) -> dict[str, int]:
    """Whether the first and the last iteration of the innermost loop differ from the others for some gate."""
    bit = 1 << (depth - 1)
    return {
        "split_first": int(any((g.first | g.not_first) & bit for g in gates)),
        "split_last": int(any((g.last | g.not_last) & bit for g in gates)),
    }
