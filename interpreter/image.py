"""A mapped netlist as flat tables, and what can be done with them: advance, count, look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arguments import Scalars
from rdflow.dsl.netlist import ALWAYS, Actor, Affine, Gate, Loop, Netlist, Port
from rdflow.dsl.records import dataclass
from rdflow.interpreter import parallel
from rdflow.interpreter.forward import Skipped, anchor, enable, marks
from rdflow.interpreter.fuse import apart, fused
from rdflow.interpreter.kernel import layout, native
from rdflow.interpreter.kernel.layout import FAR, Tables, Values
from rdflow.interpreter.kernel.past import Marks
from rdflow.interpreter.lookahead import lookahead
from rdflow.interpreter.mapped import Mapped, QueueTiming
from rdflow.interpreter.parallel import Apart, put_together, take_apart
from rdflow.interpreter.registers import Limited, Registers, unlimited
from rdflow.interpreter.rows import Store, lower
from rdflow.interpreter.sockets import shard

WINDOW = 16384  # cycles that actors run ahead where no server forbids it: fastest of those tried
ROOM = 3 * layout.VALUE_BATCH  # so that few batches of values end because a ring does
CALENDAR = 1024  # cycles of a round at least: tokens that queue longer are passed over once a round
Table = NDArray[Any]


class Status(IntEnum):
    """What `advance` came to."""

    RUNNING = layout.RUNNING
    FINISHED = layout.FINISHED
    DEADLOCK = layout.DEADLOCK


@dataclass
class Image:
    """The tables of a run, and where things of the netlist are in them."""

    mapped: Mapped
    tables: Tables
    values: Values | None
    rank: NDArray[np.int64]  # by actor: its place in the tables
    nests: list[Actor]  # by actor: with the loops that are in the tables
    store: Store | None
    marks: Marks | None  # None: with values
    apart: Apart | None = None
    """its sockets, where they run apart"""
    registers: Registers = field(default_factory=Registers)
    status: Status = Status.RUNNING

    @property
    def time(self) -> int:
        """Every firing before this cycle is done, and none after."""
        return int(self.tables.clock[0]["time"])

    @property
    def cycles(self) -> int:
        """Last cycle in which an actor fired, plus one."""
        fired = self.tables.actors[self.tables.actors["firings"] > 0]
        return int(fired["last"].max()) + 1 if fired.size else 0

    @property
    def skipped(self) -> Skipped:
        """What was counted without being simulated."""
        if self.marks is None:
            return Skipped()
        control = self.marks.control[0]
        return Skipped(int(control["skips"]), int(control["cycles"]), int(control["firings"]))


# -- building ----------------------------------------------------------------------------------------------------------


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
        self.ahead = lookahead(mapped, WINDOW)
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
        shift = self.ahead.shifts[number]
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
                | {"packets": queue.packets}
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
        clock = {"window": self.ahead.window, "reach": self.ahead.reach, "running": len(self.actors), "unused": -1}
        calendar = _ring(max(CALENDAR, self.ahead.window + self.ahead.longest + 1)) if self.stages else 1
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
            gathers=layout.table(layout.GATHER, self.gathers),
            servers=layout.table(layout.SERVER, servers),
            requests=layout.room(queues),
            ready=np.zeros(places + layout.OVER, np.int64),
            free=np.zeros(places + layout.OVER, np.int64),
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


def build(
    mapped: Mapped,
    values: Mapping[int, NDArray[Any]] | None = None,
    threads: int | None = None,
    scalars: Scalars | None = None,
) -> Image:
    """The image of a mapped netlist at cycle 0. `values`: by tensor, what its memory holds; None: timing only.
    `threads`: several sockets run apart, in so many threads, and simulate all that repeats; None: as one. `scalars`: the
    numbers of a kernel's arguments.

    Raises ValueError for a ragged netlist without values: they decide how often its loops run.
    """
    image = blank(mapped, values is not None, threads)
    start(image, scalars or {})
    for number, memory in enumerate(mapped.netlist.memories):
        if values is not None and memory.tensor is not None and memory.tensor in values:
            load(image, number, values[memory.tensor])
    return image


def start(image: Image, scalars: Scalars) -> None:
    """Enter the numbers of a launch in an image that stands at its first cycle."""
    if not image.registers:
        return
    image.registers.fill_tables(image.tables, scalars)
    if image.apart is not None:
        image.apart.actors["at_last"][image.apart.place] = image.tables.actors["at_last"]
    for words in _stores(image):
        image.registers.fill_words(words, scalars)


def load(image: Image, memory: int, values: Table) -> None:
    """Fill a memory with what a tensor holds, or its socket with the part that is on it."""
    assert image.store is not None, "a run without values has no words"
    own = image.mapped.netlist.memories[memory]
    assert own.tensor is not None
    part = shard(image.mapped.netlist.tensors[own.tensor], values, own.socket)
    first = image.store.memories[memory]
    words = words_of(image, own.socket)[first : first + part.size]
    target = words if part.dtype.kind == "f" else words.view(np.int32)
    target.reshape(part.shape)[...] = part


def _stores(image: Image) -> list[Table]:
    """The words of every socket."""
    if image.values is None:
        return []
    return [v.words for v in image.apart.values] if image.apart is not None else [image.values.words]


def blank(mapped: Mapped, with_values: bool, threads: int | None = None) -> Image:
    """An image at cycle 0 without the numbers and the tensors of a launch."""
    if mapped.netlist.ragged and not with_values:
        raise ValueError("values decide how often a loop runs")
    builder = Builder(mapped, ROOM if with_values else 0)
    tables = builder.build()
    if not with_values:
        image = Image(mapped, tables, None, builder.rank, builder.nests, None, None)
        image.marks = marks(mapped, tables, builder.rank, builder.nests)
    else:
        store = lower(mapped.netlist, builder.rank, tables, builder.affine)
        tables = tables._replace(affine=builder.affine.array())
        image = Image(mapped, tables, store.values, builder.rank, builder.nests, store, None)
    image.registers = builder.affine.registers
    if threads and mapped.netlist.sockets > 1:
        image.apart = take_apart(mapped, tables, builder.rank, image.store, threads)
    return image


# -- running -----------------------------------------------------------------------------------------------------------


def compile_needed(with_values: bool = False) -> bool:
    """Whether the first `advance` will compile the engine, which takes some seconds."""
    return not native.ready(with_values)


def advance(image: Image, until: int = FAR, forward: bool = True, pause: int = FAR) -> Status:
    """Do every firing before cycle `until`, and none after. It may return sooner: where it comes by at `pause` or later.

    `forward`: without values, count what repeats instead of simulating it. The result is the same.
    """
    if image.apart is not None:
        image.status = Status(parallel.advance(image.apart, until, pause))
        put_together(image.apart, image.tables)
        return image.status
    if image.marks is not None:
        enable(image.marks, image.tables, forward)
    image.tables.clock["pause"] = pause
    image.status = Status(native.advance(image.tables, image.marks, image.values, until))
    return image.status


def changing(image: Image) -> Iterator[NDArray[Any]]:
    """All arrays that a run changes: with their copies put back, the image stands where it stood."""
    yield from (*image.tables, *(image.values or ()))
    if image.apart is not None:
        yield from parallel.arrays(image.apart)


def words_of(image: Image, socket: int) -> NDArray[np.float32]:
    """The store that has the words of a socket."""
    assert image.values is not None, "a run without values has no words"
    return (image.values if image.apart is None else image.apart.values[socket]).words


@dataclass(frozen=True)
class Counters:
    """Of a run so far. Cycles, by actor: `memory` are those starved for a token that came through a memory channel,
    `link` those that a token spent in line at shared links; they are not in `starved`.

    By queue: tokens pushed and popped (those it held at the start are not pushed). By server: packets served.
    """

    firings: NDArray[np.int64]
    busy: NDArray[np.int64]
    starved: NDArray[np.int64]
    blocked: NDArray[np.int64]
    memory: NDArray[np.int64]
    link: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    pushes: NDArray[np.int64]
    pops: NDArray[np.int64]
    packets: NDArray[np.int64]


def counters(image: Image) -> Counters:
    """What has been counted, in the netlist's order."""
    actors = image.tables.actors[image.rank]
    netlist = image.mapped.netlist
    queues = image.tables.queues[: len(netlist.queues)]
    initial = np.array([q.initial for q in netlist.queues], dtype=np.int64)
    names = ("firings", "busy", "starved", "blocked", "memory", "link", "first", "last")
    return Counters(
        **{name: actors[name].copy() for name in names},
        pushes=queues["pushed"] - initial,
        pops=queues["popped"].copy(),
        packets=image.tables.servers["packets"][: len(image.mapped.servers)].copy(),
    )


# -- looking -----------------------------------------------------------------------------------------------------------


def tokens(image: Image, queue: int) -> list[tuple[int | None, NDArray[np.float32] | None]]:
    """Tokens in a queue, oldest first: the cycle at which each can be popped (None: not yet served), its lanes."""
    row = image.tables.queues[queue]
    socket = image.mapped.netlist.actors[image.mapped.netlist.queues[queue].source].socket
    result = []
    for k in range(int(row["popped"]), int(row["pushed"])):
        place = k & int(row["mask"])
        at = int(row["ring"]) + place
        decided = image.tables.ready[at] >= 0
        words = None
        if image.values is not None and row["width"] > 0:
            start = int(row["word"]) + place * int(row["width"])
            words = words_of(image, socket)[start : start + int(row["width"])].copy()
        result.append((int(image.tables.ready[at]) if decided else None, words))
    return result


def counters_of(image: Image, actor: int) -> tuple[int, ...]:
    """Loop counters of the actor's next firing (all 0 when it is done)."""
    return apart(_counters(image, actor), image.nests[actor], image.mapped.netlist.actors[actor])


def _counters(image: Image, actor: int) -> tuple[int, ...]:
    """The same of the loops in the tables."""
    row = image.tables.actors[image.rank[actor]]
    depth = len(image.nests[actor].loops)
    return tuple(int(c) for c in image.tables.loops["counter"][row["loop"] : row["loop"] + depth])


Wait = tuple[Literal["input", "output", "interval", "done"], int | None, int | None]


def waiting(image: Image, actor: int) -> Wait:
    """What the actor's next firing waits for, the queue, and until when (None: that is not known).

    A queue without the token or the slot comes first; else it is what will be there last.
    """
    row = image.tables.actors[image.rank[actor]]
    if row["waiting"] == layout.DONE:
        return ("done", None, None)
    waits = list(_waits(image, actor))
    unknown = [w for w in waits if w[2] is None]
    if unknown:
        return unknown[0]
    latest: Wait = ("interval", None, int(row["next"]))
    for wait in waits:
        if wait[2] is not None and latest[2] is not None and wait[2] > latest[2]:
            latest = wait
    return latest


def _waits(image: Image, actor: int) -> Iterator[Wait]:
    """Every port of the next firing: its queue, and when its tokens or its slot are there."""
    subject = image.nests[actor]
    row = image.tables.actors[image.rank[actor]]
    indices = _counters(image, actor)
    for place, port in enumerate(subject.inputs + subject.outputs):
        if not port.gate.open(int(row["at_first"]), int(row["at_last"])):
            continue
        queue = port.queues[port.select.at(indices) if len(port.queues) > 1 else 0]
        if place >= len(subject.inputs):
            yield ("output", queue, _slot(image, queue))
            continue
        count = port.counts[indices[port.counted]] if port.counts else 1
        if count:
            yield ("input", queue, _arrival(image, queue, count))


def _arrival(image: Image, queue: int, count: int) -> int | None:
    """When the first `count` tokens of a queue can be popped."""
    row = image.tables.queues[queue]
    if row["available"] - row["popped"] < count:
        return None
    places = row["ring"] + (row["popped"] + np.arange(count) & row["mask"])
    return int(image.tables.ready[places].max())


def _slot(image: Image, queue: int) -> int | None:
    """When the next slot of a queue is free."""
    row = image.tables.queues[queue]
    if row["pushed"] - row["popped"] >= row["capacity"]:
        return None
    return int(image.tables.free[row["ring"] + (row["pushed"] - row["capacity"] & row["mask"])])


def memory_words(image: Image, memory: int) -> NDArray[np.float32]:
    """The words of a memory as float32; `.view(np.int32)` where they are integers."""
    assert image.store is not None and image.values is not None, "a run without values has no words"
    start = image.store.memories[memory]
    own = image.mapped.netlist.memories[memory]
    return words_of(image, own.socket)[start : start + own.words].copy()
