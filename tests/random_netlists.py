"""Random mapped netlists, well-formed: the token rates at both ends of every queue agree.

A `Builder` grows a graph block by block: each block consumes open streams (sequences of tokens with a loop order) and
opens new ones; the nests of consumers follow from the orders of what they consume. Memories are never raced for: what a
reader may read has been announced to it by a token. Queues may be too short, so some netlists deadlock.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from rdflow.dsl.netlist import (
    LANES,
    Actor,
    Affine,
    Burst,
    Const,
    Gate,
    In,
    Index,
    Loop,
    Mem,
    Memory,
    Netlist,
    Operand,
    Port,
    Queue,
    Row,
    Temp,
    TensorUse,
    UnitInfo,
    ends,
    starts,
)
from rdflow.dsl.source import NOWHERE
from rdflow.interpreter.mapped import BY_ADDRESS, Mapped, QueueTiming, Server, Stage

Order = tuple[Loop, ...]
ALWAYS = Gate()
FIRINGS = 160  # of an actor with values, at most
TENSOR_WORDS = 256
DEEPEST = 8  # a loop that a stream bounds has as its `port`, until it is built: stream * DEEPEST + loops of the stream
FRACTIONS = ((1, 1), (1, 2), (4, 3), (15, 11), (3, 1), (5, 2))
WHOLE = ((1, 1), (1, 1), (2, 1), (5, 4))  # of links


@dataclass(frozen=True)
class Size:
    """What loops to draw: iterations, firings of an actor at most, how often a loop is bounded; whether with values.

    LONG: most of a run repeats.
    """

    loops: tuple[int, ...]
    firings: int
    bounded: float = 0.25
    values: bool = True


SHORT = Size((1, 2, 3, 4, 4, 5, 5), FIRINGS)
LONG = Size((2, 3, 4, 7, 16, 30, 40, 100, 300), 4000, bounded=0.15, values=False)


@dataclass(frozen=True)
class Case:
    """A netlist to run, with the values of its tensors or without any. `wild`: with infinities and NaNs."""

    mapped: Mapped
    values: dict[int, np.ndarray] | None
    wild: bool


@st.composite
def random_netlists(draw: st.DrawFn) -> Case:
    """Anything the contract allows."""
    return random_case(draw(st.randoms(use_true_random=False)))


@st.composite
def random_pipeline(draw: st.DrawFn) -> Case:
    """A source, a few maps in a row, a sink."""
    return pipeline_case(draw(st.randoms(use_true_random=False)))


def random_case(rng: random.Random, size: Size = SHORT) -> Case:
    builder = Builder(rng, size)
    builder.source()
    for _ in range(rng.randint(1, 6)):
        if len(builder.actors) > 10:
            break
        rng.choice(BLOCKS)(builder)
    return builder.finish()


def pipeline_case(rng: random.Random) -> Case:
    builder = Builder(rng, SHORT)
    builder.source()
    for _ in range(rng.randint(1, 4)):
        builder.map(sources=1)
    return builder.finish()


# -- loop orders -------------------------------------------------------------------------------------------------------


def firings(order: Sequence[Loop]) -> int:
    """How often a nest fires, at most."""
    return math.prod(loop.size for loop in order)


def prefix(a: Order, b: Order) -> bool:
    return b[: len(a)] == a


def told(loop: Loop, level: int) -> bool:
    """Whether a stream that has the loop at `level` says how often a loop runs."""
    return loop.port >= 0 and level < loop.port % DEEPEST


def refers(loop: Loop, level: int) -> bool:
    """Whether the bounds of a loop depend on the counter at `level`."""
    if told(loop, level):
        return True
    bounds = [loop.base] if loop.limit is None else [loop.limit, loop.base]
    return any(len(a.by_loop) > level and a.by_loop[level] for a in bounds)


def without(order: Order, level: int) -> Order:
    """The order with a loop taken out, on which no other depends."""

    def drop(a: Affine) -> Affine:
        return Affine(a.const, a.by_loop[:level] + a.by_loop[level + 1 :])

    return rewritten(order[:level] + order[level + 1 :], level, drop)


def with_loop(order: Order, level: int, size: int) -> Order:
    """The order with another loop at `level`."""

    def shift(a: Affine) -> Affine:
        return Affine(a.const, (*a.by_loop[:level], 0, *a.by_loop[level:])) if len(a.by_loop) > level else a

    return (*order[:level], Loop(size), *rewritten(order, level, shift)[level:])


def at(order: Order, level: int, counter: int) -> Order:
    """The order with the loop at `level` held at `counter`."""

    def hold(a: Affine) -> Affine:
        if len(a.by_loop) <= level:
            return a
        return Affine(a.const + a.by_loop[level] * counter, (*a.by_loop[:level], 0, *a.by_loop[level + 1 :]))

    held = rewritten(order, level + 1, hold)
    return (*held[:level], Loop(1), *held[level + 1 :])


def rewritten(order: Order, start: int, change: Callable[[Affine], Affine]) -> Order:
    """The order with the bounds of the loops from `start` changed."""
    return order[:start] + tuple(
        loop._replace(limit=None if loop.limit is None else change(loop.limit), base=change(loop.base))
        for loop in order[start:]
    )


def strides(order: Sequence[Loop], unit: int) -> tuple[int, ...]:
    """Of a row-major array over the loops, in words."""
    return tuple(unit * firings(order[l + 1 :]) for l in range(len(order)))


# -- the graph ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Value:
    """An operand of a row: `kind` is "f" or "i", `width` 1 or the netlist's; floats are at most `bound`."""

    operand: Operand
    kind: str
    width: int
    bound: float = 0.0


@dataclass(frozen=True)
class Stream:
    """An open queue: what consumes it is not there yet. `width` 0: without data."""

    queue: int
    order: Order
    kind: str
    width: int


@dataclass
class Draft:
    """An actor in the making."""

    kind: str
    loops: Order
    interval: int
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    temps: int = 0
    tile_level: int = 0
    burst: Burst | None = None
    limits: dict[int, int] = field(default_factory=dict)
    """input ports of the streams that bound loops"""

    def temp(self) -> Temp:
        self.temps += 1
        return Temp(self.temps - 1)


STREAM_BOUND = 1e4


class Builder:
    """The graph as it grows."""

    def __init__(self, rng: random.Random, size: Size) -> None:
        self.rng = rng
        self.size = size
        self.width = rng.choice((1, 3, 8, 32))
        self.ragged = rng.choice((0.0, 0.0, 0.4)) if size.values else 0.0
        self.wild = rng.random() < 0.2
        self.tight = rng.choice((0.0, 0.3, 0.6, 0.9))
        self.actors: list[Draft] = []
        self.queues: list[Queue] = []
        self.needs: list[int] = []
        self.memories: list[Memory] = []
        self.open: list[Stream] = []
        self.ports = rng.randint(0, 2)
        self.links = rng.choice((0, 0, 1, 2, 4))
        self.tensors = [self.memory(TENSOR_WORDS, tensor) for tensor in range(2)]
        self.limits: dict[tuple[int, Order], tuple[int, Value]] = {}
        self.base = self.nest()

    # small parts

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def nest(self) -> Order:
        order: Order = ()
        for _ in range(self.rng.randint(1, 4)):
            size = self.rng.choice(self.size.loops)
            if firings(order) * size > self.size.firings:
                break
            order += (self.bounded(order, size) if order and self.chance(self.size.bounded) else Loop(size),)
            if self.chance(self.ragged):
                stream = self.rng.randint(0, 1) * DEEPEST + self.rng.randint(0, len(order) - 1)
                longest = order[-1]._replace(limit=order[-1].limit or Affine(self.rng.randint(2, 9)), port=stream)
                order = (*order[:-1], longest)
        return order

    def bounded(self, outside: Order, size: int) -> Loop:
        """A loop that ends earlier or later by the counters outside: triangles, ragged ends, blocks of a granule."""
        rng = self.rng
        slopes = tuple(rng.choice((0, 0, 1, 2, -1)) for _ in outside)
        base = (
            Affine(rng.randint(-1, 2), tuple(rng.choice((0, 0, 1)) for _ in outside)) if self.chance(0.4) else Affine()
        )
        limit = Affine(rng.randint(0, 6), slopes)
        if self.size is LONG:  # the outer loops are longer, and some move a window
            limit = Affine(rng.randint(0, 40), slopes)
            base = base._replace(by_loop=slopes) if self.chance(0.5) else base
        return Loop(size, rng.choice((1, 1, 2, 3)), limit, base, rng.choice((1, 1, 2, 4)))

    def memory(self, words: int, tensor: int | None = None) -> int:
        self.memories.append(Memory(f"m{len(self.memories)}", words, tensor))
        return len(self.memories) - 1

    def actor(self, kind: str, loops: Order, tile_level: int = 0) -> int:
        self.actors.append(Draft(kind, loops, self.rng.choice((1, 1, 1, 2, 4)), tile_level=tile_level))
        actor = len(self.actors) - 1
        for port in {loop.port: None for loop in loops if loop.port >= 0}:
            self.limit(actor, port)
        return actor

    def limit(self, actor: int, port: int) -> None:
        """Give an actor the stream that bounds some of its loops."""
        order = self.actors[actor].loops[: port % DEEPEST]
        key = (port, order)
        if key not in self.limits:
            source = self.actor("pcu", order)
            draft = self.actors[source]
            mem = Value(Mem(self.tensors[1], Affine(port, self.slopes(order)), (0,)), "i", 1)
            word = self.row(draft, "read", mem, kind="i", bound=0, width=1)
            word = self.row(draft, "imod", word, constant(9), kind="i", bound=0)
            word = self.row(draft, "isub", word, constant(self.rng.randint(0, 2)), kind="i", bound=0)
            width = self.rng.choice((1, self.width))
            self.limits[key] = source, self.row(draft, "copy", word, kind="i", bound=0, width=width)
        source, value = self.limits[key]
        q = self.queue(source, value.width)
        self.output(source, [q], ends(len(order), len(order)), value)
        self.actors[actor].limits[port] = self.connect([q], actor, starts(len(order), len(self.actors[actor].loops)))

    def queue(self, source: int, width: int, server: str | None = None, initial: int = 0, need: int = 0) -> int:
        """A new queue; at least `need` slots let it run (most get them)."""
        chosen: str | tuple[str, int] | None = server
        if server is None and self.ports and not initial and self.chance(0.2):
            chosen = ("port", self.rng.randrange(self.ports))
        self.queues.append(Queue(source, -1, width, self.rng.choice((1, 1, 2)), initial=initial, server=chosen))
        self.needs.append(max(need, initial))
        return len(self.queues) - 1

    def output(
        self, actor: int, queues: Sequence[int], gate: Gate, value: Value | None, select: Affine | None = None
    ) -> None:
        draft = self.actors[actor]
        source = -1
        if value is not None:
            assert isinstance(value.operand, Temp)
            source = value.operand.index
        packets = self.alike(queues)
        draft.outputs.append(Port(tuple(queues), gate, packets, select or Affine(), source=source))

    def alike(self, queues: Sequence[int]) -> int:
        """Give the queues of one port the packets of the first."""
        packets = self.queues[queues[0]].packets
        for q in queues:
            self.queues[q] = replace(self.queues[q], packets=packets)
        return packets

    def emit(self, actor: int, level: int, value: Value | None, server: str | None = None) -> None:
        """Open a stream: the outer `level` loops of the actor's nest."""
        loops = self.actors[actor].loops
        q = self.queue(actor, value.width if value else 0, server)
        self.output(actor, [q], ends(level, len(loops)), value)
        self.open.append(Stream(q, loops[:level], value.kind if value else "f", value.width if value else 0))

    def token(self, source: int, sink: int, leaves: Gate, enters: Gate, initial: int = 0, need: int = 0) -> None:
        """A queue of tokens without data between two actors."""
        q = self.queue(source, 0, initial=initial, need=need)
        self.output(source, [q], leaves, None)
        self.connect([q], sink, enters)

    def connect(
        self, queues: Sequence[int], actor: int, gate: Gate, select: Affine | None = None, **counted: object
    ) -> int:
        """An input port of an actor; its number."""
        draft = self.actors[actor]
        for q in queues:
            self.queues[q] = replace(self.queues[q], sink=actor)
        packets = self.queues[queues[0]].packets
        draft.inputs.append(replace(Port(tuple(queues), gate, packets, select or Affine()), **counted))  # type: ignore[arg-type]
        return len(draft.inputs) - 1

    def consume(self, stream: Stream, actor: int, gate: Gate | None = None) -> list[Value]:
        """Connect an open stream; what the rows may use of it."""
        self.open.remove(stream)
        gate = starts(len(stream.order), len(self.actors[actor].loops)) if gate is None else gate
        port = self.connect([stream.queue], actor, gate)
        return [Value(In(port), stream.kind, stream.width, STREAM_BOUND)] if stream.width else []

    def pick(self) -> Stream | None:
        return self.rng.choice(self.open) if self.open else None

    # rows

    def row(
        self, draft: Draft, op: str, *args: Value, kind: str, bound: float, gate: Gate = ALWAYS, **more: object
    ) -> Value:
        width = int(more.pop("width", max((a.width for a in args), default=1)))  # type: ignore[call-overload]
        out = draft.temp()
        draft.rows.append(Row(op, out, tuple(a.operand for a in args), width, gate, **more))  # type: ignore[arg-type]
        return Value(out, kind, 1 if op.startswith("tree.") else width, bound)

    def clamped(self, draft: Draft, a: Value, bound: float, gate: Gate) -> Value:
        if a.kind == "i" or a.bound <= bound or self.wild:
            return a
        a = self.row(draft, "min", a, constant(float(bound)), kind="f", bound=a.bound, gate=gate)
        return self.row(draft, "max", a, constant(-float(bound)), kind="f", bound=bound, gate=gate)

    def floating(self, draft: Draft, a: Value, gate: Gate) -> Value:
        return a if a.kind == "f" else self.row(draft, "tofloat", a, kind="f", bound=2.0**31, gate=gate)

    def integral(self, draft: Draft, a: Value, gate: Gate) -> Value:
        return (
            a
            if a.kind == "i"
            else self.row(draft, "toint", self.clamped(draft, a, 1e6, gate), kind="i", bound=0, gate=gate)
        )

    def cast(self, draft: Draft, a: Value, kind: str) -> Value:
        """A value as one of a given kind and of full width, fit for a queue."""
        a = self.floating(draft, a, ALWAYS) if kind == "f" else self.integral(draft, a, ALWAYS)
        a = self.clamped(draft, a, STREAM_BOUND, ALWAYS)
        return self.row(draft, "copy", a, kind=kind, bound=STREAM_BOUND, width=self.width)

    def positive(self, draft: Draft, a: Value, gate: Gate) -> Value:
        """A float of at least one half."""
        if self.wild:
            return a
        a = self.row(draft, "abs", a, kind="f", bound=a.bound, gate=gate)
        return self.row(draft, "add", a, constant(0.5), kind="f", bound=a.bound + 1, gate=gate)

    def step(self, draft: Draft, values: list[Value], gate: Gate) -> Value:
        """One random operation on some of the values."""
        rng = self.rng
        a, b, c = (rng.choice(values) for _ in range(3))
        group = rng.choice(("float1", "float2", "int1", "int2", "test", "where", "across", "memory", "copy"))
        if group in ("float1", "float2"):
            a, b = (self.clamped(draft, self.floating(draft, v, gate), 1e4, gate) for v in (a, b))
        if group in ("int1", "int2", "memory"):
            a, b = (self.integral(draft, v, gate) for v in (a, b))
        match group:
            case "float1":
                return self.float1(draft, rng.choice(FLOAT1), a, gate)
            case "float2":
                op = rng.choice(("add", "sub", "mul", "div", "max", "min"))
                b = self.positive(draft, b, gate) if op == "div" else b
                return self.row(draft, op, a, b, kind="f", bound=max(1, a.bound) * max(2, b.bound) + a.bound, gate=gate)
            case "int1":
                return self.row(draft, rng.choice(("ineg", "iabs", "int8", "not")), a, kind="i", bound=0, gate=gate)
            case "int2":
                op = rng.choice(("iadd", "isub", "imul", "imax", "imin", "and", "or", "idiv", "imod"))
                b = constant(rng.choice((2, 3, 7, -3, -1, 0))) if op in ("idiv", "imod") and self.chance(0.7) else b
                return self.row(draft, op, a, b, kind="i", bound=0, gate=gate)
            case "test":
                b = self.floating(draft, b, gate) if a.kind == "f" else self.integral(draft, b, gate)
                op = rng.choice(("lt", "le", "eq", "ne"))
                return self.row(draft, op if a.kind == "f" else "i" + op, a, b, kind="i", bound=0, gate=gate)
            case "where":
                c = self.floating(draft, c, gate) if b.kind == "f" else self.integral(draft, c, gate)
                a = self.integral(draft, a, gate)
                return self.row(draft, "where", a, b, c, kind=b.kind, bound=max(b.bound, c.bound), gate=gate)
            case "across":
                return self.across(draft, a, b, gate)
            case "memory":
                return self.load_word(draft, a, b, gate)
            case _:
                return self.row(draft, "copy", a, kind=a.kind, bound=a.bound, gate=gate, width=self.width)

    def float1(self, draft: Draft, op: str, a: Value, gate: Gate) -> Value:
        if op == "exp":
            a = self.clamped(draft, a, 8, gate)
        if op in ("log", "sqrt", "rsqrt"):
            a = self.positive(draft, a, gate)
        return self.row(draft, op, a, kind="f", bound=3000 if op == "exp" else a.bound + 1, gate=gate)

    def across(self, draft: Draft, a: Value, b: Value, gate: Gate) -> Value:
        """Operations that move data between lanes."""
        rng = self.rng
        op = rng.choice(("lanes", "pick", "tree", "argmax"))
        if op == "lanes" and a.width > 1:
            table = tuple(rng.randrange(a.width) for _ in range(self.width))
            return self.row(draft, "lanes", a, kind=a.kind, bound=a.bound, gate=gate, table=table, width=self.width)
        if op == "pick" and a.width > 1:
            b = self.row(draft, "imod", self.integral(draft, b, gate), constant(a.width), kind="i", bound=0, gate=gate)
            return self.row(draft, "pick", a, b, kind=a.kind, bound=a.bound, gate=gate, width=self.width)
        if op == "argmax" and not self.wild:
            a, b = self.floating(draft, a, gate), self.integral(draft, b, gate)
            return self.row(draft, "tree.argmax", a, b, kind="i", bound=0, gate=gate)
        ops = ("tree.sum", "tree.max", "tree.min") if a.kind == "f" else ("tree.isum", "tree.imax", "tree.imin")
        return self.row(draft, rng.choice(ops), a, kind=a.kind, bound=a.bound * self.width, gate=gate)

    def load_word(self, draft: Draft, a: Value, b: Value, gate: Gate) -> Value:
        """Words of a tensor at an address that depends on a value; some may lie outside."""
        rng = self.rng
        tensor = rng.randrange(2)
        a = self.row(draft, "imod", a, constant(TENSOR_WORDS), kind="i", bound=0, gate=gate)
        lanes = tuple(rng.randrange(8) * rng.choice((1, 8)) for _ in range(self.width))
        address = Affine(rng.randint(-8, 8), self.slopes(draft.loops))
        mem = Value(Mem(self.tensors[tensor], address, lanes, dynamic=((a.operand, rng.choice((1, 2))),)), "f", 1)
        predicate = (b,) if self.chance(0.3) else ()
        kind = "fi"[tensor]
        return self.row(draft, "read", mem, *predicate, kind=kind, bound=10, gate=gate, width=self.width)

    def slopes(self, loops: Order) -> tuple[int, ...]:
        return tuple(self.rng.choice((0, 1, 2, 7)) for _ in loops)

    def grow(self, draft: Draft, values: list[Value], steps: int, gate: Gate = ALWAYS) -> Value:
        """Random operations, each on what there is and what the ones before gave; the last value, fit for a queue."""
        values = list(values) or [self.fresh(draft)]
        for _ in range(steps):
            values.append(self.step(draft, values, gate))
        last = self.clamped(draft, values[-1], STREAM_BOUND, gate)
        if last.width > 1 and self.width > 1 and self.chance(0.2):
            last = self.row(draft, "pick", last, constant(0), kind=last.kind, bound=last.bound, gate=gate, width=1)
        return self.row(draft, "copy", last, kind=last.kind, bound=last.bound, gate=gate)

    def fresh(self, draft: Draft) -> Value:
        """A value out of the counters."""
        lanes = tuple(self.rng.randint(-9, 9) for _ in range(self.width)) if self.chance(0.5) else ()
        return Value(
            Index(Affine(self.rng.randint(-3, 3), self.slopes(draft.loops)), lanes), "i", self.width if lanes else 1
        )

    def folded(self, draft: Draft, value: Value, init: Gate, last: Gate, address: Affine, words: int) -> Value:
        """Accumulate a value in a memory of its own, read it when a round ends."""
        rng = self.rng
        lanes, width = tuple(range(self.width)), self.width
        if self.chance(0.25) and not self.wild:
            value = self.floating(draft, value, ALWAYS)
            memory, spread = self.memory(words * 2 * LANES), 2 * LANES
            op, kind, offset, args = "fold.argmax", "i", LANES, (value.operand, self.fresh(draft).operand)
        else:
            memory, spread, kind, offset, args = self.memory(words * LANES), LANES, value.kind, 0, (value.operand,)
            op = "fold." + ("" if kind == "f" else "i") + rng.choice(("sum", "max", "min"))
        slopes = tuple(c * spread for c in address.by_loop)
        draft.rows.append(Row(op, Mem(memory, Affine(0, slopes), lanes), args, width, init=init))
        mem = Value(Mem(memory, Affine(offset, slopes), lanes), kind, width, value.bound * self.size.firings + 1)
        if self.chance(0.2):
            return self.row(draft, "copy", mem, kind=kind, bound=mem.bound, gate=last)
        return self.row(draft, "read", mem, kind=kind, bound=mem.bound, gate=last, width=width)

    # blocks

    def source(self) -> None:
        """Tokens from nowhere."""
        order = self.base[: self.rng.randint(1, len(self.base))] if self.chance(0.8) else self.nest()
        actor = self.actor("pcu", order)
        self.emits(actor, [])

    def emits(self, actor: int, values: list[Value], outputs: int | None = None) -> None:
        """Outputs at random levels, several at one level being a multicast."""
        draft, rng = self.actors[actor], self.rng
        depth = len(draft.loops)
        for _ in range(rng.choice((1, 1, 2)) if outputs is None else outputs):
            level = rng.choice((depth, depth, rng.randint(0, depth)))
            gate = ends(level, depth)
            if self.chance(0.1):
                value = None
            elif level < depth and self.chance(0.7):
                inner = self.grow(draft, values, rng.randint(0, 2))
                read = self.folded(draft, inner, starts(level, depth), gate, Affine(), 1)
                value = self.grow(draft, [read, *values], rng.randint(0, 2), gate)
            else:
                value = self.grow(draft, values, rng.randint(0, 4), gate)
            for _ in range(1 + self.chance(0.15)):
                self.emit(actor, level, value)

    def joined(self, count: int) -> list[Stream]:
        """Open streams of which each order is a prefix of the longest, which is the first."""
        streams: list[Stream] = []
        for stream in self.rng.sample(self.open, len(self.open)):
            if all(prefix(s.order, stream.order) or prefix(stream.order, s.order) for s in streams):
                streams.append(stream)
        return sorted(streams[:count], key=lambda s: -len(s.order))

    def map(self, sources: int | None = None) -> None:
        """A map or a reduction of one to three streams, those of outer levels held."""
        streams = self.joined(sources or self.rng.randint(1, 3))
        if not streams:
            return
        order = streams[0].order
        while self.chance(0.25) and firings(order) * 3 <= self.size.firings and len(order) < 5:
            order += (Loop(self.rng.randint(1, 3)),)
        actor = self.actor("pcu", order)
        values = [v for s in streams for v in self.consume(s, actor)]
        self.emits(actor, values)

    def diamond(self) -> None:
        """A stream beside a reduction of itself: the queue between must hold what the reduction waits for."""
        stream = self.pick()
        if stream is None:
            return
        level = self.rng.randint(0, len(stream.order))
        waiting, reduced = self.multicast(stream, 2)
        actor = self.actor("pcu", stream.order)
        draft = self.actors[actor]
        value = self.grow(draft, self.consume(reduced, actor), 1)
        gate = ends(level, len(stream.order))
        self.emit(actor, level, self.folded(draft, value, starts(level, len(stream.order)), gate, Affine(), 1))
        if self.chance(0.7):
            self.needs[waiting.queue] = firings(stream.order[level:]) + 2
        join = self.actor("pcu", stream.order)
        self.emits(join, self.consume(waiting, join) + self.consume(self.open[-1], join))

    def reshape(self) -> None:
        """The same number of tokens, seen as another nest."""
        stream = self.pick()
        if stream is None or any(loop.limit for loop in stream.order):
            return
        count, loops = firings(stream.order), []
        while count > 1:
            size = self.rng.choice([d for d in range(2, count + 1) if count % d == 0])
            loops.append(Loop(size))
            count //= size
        actor = self.actor("pcu", tuple(loops))
        self.emits(actor, self.consume(stream, actor, ALWAYS))

    def outer(self) -> None:
        """A reduction over a loop that is not the innermost."""
        found = [
            (s, l)
            for s in self.open
            for l in range(len(s.order))
            if s.width and not any(refers(loop, l) for loop in s.order)
        ]
        if not found:
            return
        stream, level = self.rng.choice(found)
        order, rest = stream.order, without(stream.order, level)
        actor = self.actor("pcu", order)
        draft = self.actors[actor]
        value = self.grow(draft, self.consume(stream, actor), 1)
        sizes = strides(rest, 1)
        address = Affine(0, (*sizes[:level], 0, *sizes[level:]))
        gate = Gate(last=1 << level)
        read = self.folded(draft, value, Gate(first=1 << level), gate, address, firings(rest))
        result = self.grow(draft, [read], 1, gate)
        q = self.queue(actor, result.width)
        self.output(actor, [q], gate, result)
        self.open.append(Stream(q, rest, result.kind, result.width))

    def deal(self) -> None:
        """Deal a loop to copies and gather from them; another stream may be multicast to all copies."""
        found = [
            (s, l)
            for s in self.open
            for l, loop in enumerate(s.order)
            if s.width and loop.limit is None and 2 <= loop.size <= 4 and not any(told(x, l) for x in s.order)
        ]
        if not found:
            return
        stream, level = self.rng.choice(found)
        order, count = stream.order, stream.order[level].size
        select = Affine(0, (0,) * level + (1,))
        dealer = self.actor("pcu", order)
        value = self.grow(self.actors[dealer], self.consume(stream, dealer), 1)
        dealt = [self.queue(dealer, value.width) for _ in range(count)]
        self.output(dealer, dealt, ends(len(order), len(order)), value, select)
        shared = next((s for s in self.open if prefix(s.order, order[:level])), None) if self.chance(0.5) else None
        casts = self.multicast(shared, count) if shared else []
        last = self.rng.randint(level + 1, len(order))
        results, kind = [], self.rng.choice("fi")
        steps, seed = self.rng.randint(0, 2), self.rng.random()
        for c, q in enumerate(dealt):
            nest = at(order, level, c)
            gone = self.chance(0.5) and not any(refers(loop, level) for loop in nest)
            nest, shift = (without(nest, level), 1) if gone else (nest, 0)
            copy = self.actor("pcu", nest)
            gate = starts(len(nest), len(nest))
            values = [Value(In(self.connect([q], copy, gate)), value.kind, value.width, STREAM_BOUND)]
            values += self.consume(casts[c], copy) if casts else []
            outer, self.rng = self.rng, random.Random(seed)  # the same rows in each copy
            out = self.grow(self.actors[copy], values, steps)
            self.rng = outer
            out = self.cast(self.actors[copy], out, kind)
            results.append(self.queue(copy, out.width))
            self.alike(results)
            self.output(copy, results[-1:], ends(last - shift, len(nest)), out)
        gather = self.actor("pcu", order[:last])
        port = self.connect(results, gather, starts(last, last), select)
        self.emits(gather, [Value(In(port), kind, self.width, STREAM_BOUND)])

    def multicast(self, stream: Stream, count: int) -> list[Stream]:
        """One stream to many."""
        actor = self.actor("pcu", stream.order)
        values = self.consume(stream, actor)
        value = self.grow(self.actors[actor], values, 0) if values else None
        for _ in range(count):
            self.emit(actor, len(stream.order), value)
        return self.open[-count:]

    def pmu(self) -> None:
        """A writer and a reader: tiles in banks, credits back; tiles announced whole or block by block (counted)."""
        stream = self.pick()
        if stream is None or not stream.width:
            return
        rng, order = self.rng, stream.order
        k = rng.randint(0, len(order))
        block_levels = [l for l in range(k, len(order) + 1) if not any(loop.limit for loop in order[k:l])]
        kb = rng.choice((k, *block_levels))
        blocks, tile = firings(order[k:kb]), firings(order[k:]) * self.width
        banks = rng.choice((1, 2, 2, 3))
        memory = self.memory(banks * tile)
        writer = self.actor("write", order, tile_level=k)
        (value,) = self.consume(stream, writer)
        address = Affine(0, (0,) * k + strides(order[k:], self.width))
        lanes = tuple(range(self.width))
        out = Mem(memory, address, lanes, bank=tile, banks=banks)
        self.actors[writer].rows.append(Row("write", out, (value.operand,), self.width))
        inner = self.tile_loops(blocks, firings(order[:k]))
        reader = self.actor("read", order[:k] + inner, tile_level=k)
        self.read_tile(reader, memory, k, tile, banks, blocks, value.kind)
        depth = len(order[:k] + inner)
        credits = self.queue(reader, 0, initial=banks)
        self.output(reader, [credits], ends(k, depth), None)
        self.connect([credits], writer, starts(k, len(order)))
        self.announce(writer, reader, kb, k, blocks)

    def tile_loops(self, blocks: int, rounds: int) -> Order:
        """The loops of a reader inside a tile, the first over the blocks."""
        inner = (Loop(blocks if blocks > 1 else self.rng.randint(1, 4)),)
        size = self.rng.randint(1, 4)
        return inner + ((Loop(size),) if rounds * firings(inner) * size <= self.size.firings else ())

    def read_tile(self, reader: int, memory: int, k: int, tile: int, banks: int, blocks: int, kind: str) -> None:
        """Rows that read words of the blocks that have been announced."""
        rng, draft = self.rng, self.actors[reader]
        inner = draft.loops[k:]
        vectors = tile // blocks // self.width
        slopes = [tile // blocks if blocks > 1 else self.width * (inner[0].size <= vectors)]
        if len(inner) > 1:
            reach = vectors if blocks > 1 else vectors - slopes[0] // self.width * (inner[0].size - 1)
            slopes.append(self.width * (inner[1].size <= reach))
        lanes = tuple(rng.sample(range(self.width), self.width))
        mem = Mem(memory, Affine(0, (0,) * k + tuple(slopes)), lanes, bank=tile, banks=banks)
        value = self.row(draft, "read", Value(mem, kind, 1), kind=kind, bound=STREAM_BOUND, width=self.width)
        self.emits(reader, [value], outputs=1)

    def announce(self, writer: int, reader: int, kb: int, k: int, blocks: int) -> None:
        """The queue of full tiles, or of blocks of which the reader counts as many as it needs."""
        loops = self.actors[reader].loops
        q = self.queue(writer, 0, need=blocks)
        self.output(writer, [q], ends(kb, len(self.actors[writer].loops)), None)
        if blocks == 1:
            self.connect([q], reader, starts(k, len(loops)))
            return
        counts, taken = [], 0
        for c in range(blocks):
            least = max(0, c + 1 - taken)
            counts.append(blocks - taken if c == blocks - 1 else self.rng.randint(least, blocks - taken))
            taken += counts[-1]
        self.connect([q], reader, starts(k + 1, len(loops)), counts=tuple(counts), counted=k)

    def systolic(self) -> None:
        """An accumulator with two banks and its drain."""
        streams = [s for s in self.joined(2) if s.width]
        if not streams:
            return
        rng, order = self.rng, streams[0].order
        k = rng.randint(0, len(order))
        rows = rng.randint(1, 4)
        if firings(order[:k]) * rows > self.size.firings:
            return
        memory = self.memory(2 * rows * LANES)
        grid = self.actor("systolic", order, tile_level=k)
        draft = self.actors[grid]
        values = [v for s in streams for v in self.consume(s, grid)]
        a, b = (self.clamped(draft, self.floating(draft, v, ALWAYS), 100, ALWAYS) for v in (values[0], values[-1]))
        table = tuple(rng.randrange(b.width) for _ in range(rows))
        lanes = tuple(range(self.width))
        out = Mem(memory, Affine(), lanes, bank=rows * LANES, banks=2)
        first = starts(k, len(order))
        draft.rows.append(Row("systolic", out, (a.operand, b.operand), self.width, init=first, table=table))
        drain = self.actor("drain", (*order[:k], Loop(rows)), tile_level=k)
        mem = Mem(memory, Affine(0, (0,) * k + (LANES,)), lanes, bank=rows * LANES, banks=2)
        value = self.row(self.actors[drain], "read", Value(mem, "f", 1), kind="f", bound=1e7, width=self.width)
        self.emits(drain, [value], outputs=1)
        self.token(grid, drain, ends(k, len(order)), starts(k, k + 1))
        self.token(drain, grid, ends(k, k + 1), first, initial=2)

    def load(self) -> None:
        """Requests through a memory channel to a responder; a stream may pace them."""
        stream = self.pick() if self.chance(0.4) else None
        order = stream.order if stream else self.base[: self.rng.randint(0, len(self.base))]
        tensor = self.rng.randrange(2)
        request = self.actor("request", order)
        draft = self.actors[request]
        if stream:
            self.consume(stream, request)
        slopes = tuple(self.rng.choice((0, 1, 2, 3)) for _ in order)
        indexed = stream is not None and stream.kind == "i" and stream.width > 0
        gathers = ((0, self.rng.choice((64, 192, 320)), self.rng.randint(1, 9)),) if indexed else ()
        draft.burst = Burst(tensor, Affine(0, tuple(64 * c for c in slopes)), gathers)
        mem = Mem(self.tensors[tensor], Affine(0, slopes), tuple(range(self.width)))
        kind = "fi"[tensor]
        value = self.row(draft, "read", Value(mem, kind, 1), kind=kind, bound=10, width=self.width)
        self.emit(request, len(order), value, "memory")
        respond = self.actor("respond", order)
        self.emits(respond, self.consume(self.open[-1], respond))

    def store(self, stream: Stream) -> None:
        """The end of a stream: into a memory, and perhaps to a channel and back."""
        order = stream.order
        actor = self.actor("store", order)
        draft = self.actors[actor]
        for value in self.consume(stream, actor):
            memory = self.memory(max(1, firings(order) * value.width - self.rng.choice((0, 0, 1))))
            mem = Mem(memory, Affine(0, strides(order, value.width)), tuple(range(value.width)))
            predicate = (self.fresh(draft).operand,) if self.chance(0.2) else ()
            draft.rows.append(Row("write", mem, (value.operand, *predicate), value.width))
        if self.chance(0.3) and len(self.actors) < 14:
            draft.burst = Burst(0, Affine(64, tuple(64 * s for s in strides(order, 1))))
            self.emit(actor, len(order), None, "memory")
            acknowledge = self.actor("acknowledge", order)
            self.consume(self.open[-1], acknowledge)

    def carry(self) -> None:
        """A value goes around: the first round takes it from a stream, the others from the round before."""
        stream = self.pick()
        if stream is None or not stream.width:
            return
        rng, level = self.rng, self.rng.randint(0, len(stream.order))
        size = rng.randint(1, 4)
        if firings(stream.order) * size > self.size.firings or any(told(loop, level) for loop in stream.order):
            return
        order = with_loop(stream.order, level, size)
        once, again = Gate(first=1 << level), Gate(not_first=1 << level)
        carry, body = self.actor("carry", order), self.actor("pcu", order)
        draft, kind = self.actors[carry], stream.kind
        (start,) = self.consume(stream, carry, once)
        around = self.queue(body, self.width, need=firings(stream.order[level:]))
        back = In(self.connect([around], carry, again))
        state = draft.temp()
        draft.rows.append(Row("copy", state, (start.operand,), self.width, once))
        draft.rows.append(Row("copy", state, (back,), self.width, again))
        forth = self.queue(carry, self.width)
        full = starts(len(order), len(order))
        self.output(carry, [forth], full, Value(state, kind, self.width))
        value = Value(In(self.connect([forth], body, full)), kind, self.width, STREAM_BOUND)
        held = next((s for s in self.open if prefix(s.order, order)), None)
        draft = self.actors[body]
        out = self.grow(draft, [value, *(self.consume(held, body) if held else [])], rng.randint(0, 3))
        out = self.cast(draft, out, kind)
        self.output(body, [around], Gate(not_last=1 << level), out)
        result = self.queue(body, self.width)
        self.output(body, [result], Gate(last=1 << level), out)
        self.open.append(Stream(result, stream.order, kind, self.width))

    # the end

    def finish(self) -> Case:
        """Give every open stream an end, number everything at random, draw the machine."""
        while self.open:
            if len(self.actors) > 11:
                self.sink()
            else:
                self.store(self.open[0])
        rng = self.rng
        actors, queues = (rng.sample(range(len(x)), len(x)) for x in (self.actors, self.queues))
        netlist = Netlist(
            "random",
            [UnitInfo("u", "pcu", "pcu", NOWHERE, "", 1)],
            [self.built(self.actors[a], queues) for a in actors],
            [self.moved(self.queues[q], actors) for q in queues],
            self.memories,
            [
                TensorUse(n, (TENSOR_WORDS,), d, "hbm", "in", (4,), 4 * TENSOR_WORDS)
                for n, d in (("x", "f32"), ("n", "i32"))
            ],
            self.ports,
        )
        channels = [(0, rng.randint(1, 4), 64 * rng.randint(0, 5)) for _ in range(2)]
        channels[1] = (rng.choice((0, 1)), *channels[1][1:])
        memory = max(first + count for first, count, _ in channels)
        servers = [Server(f"channel{n}", *rng.choice(FRACTIONS)) for n in range(memory)]
        servers += [Server(f"port{n}") for n in range(self.ports)]
        servers += [Server(f"link{n}", *rng.choice(WHOLE), shared=True) for n in range(self.links)]
        flows = rng.sample(range(len(queues)), min(3, len(queues)))
        timings = [self.timing(q, memory, flows) for q in queues]
        mapped = Mapped(netlist, timings, servers, channels)
        values = netlist.ragged or self.size.values and self.chance(0.6)
        return Case(mapped, self.values() if values else None, self.wild)

    def sink(self) -> None:
        """The end of several streams at once."""
        streams = self.joined(4)
        actor = self.actor("store", streams[0].order)
        draft = self.actors[actor]
        values = [v for s in streams for v in self.consume(s, actor)]
        out = self.grow(draft, values, 2)
        mem = Mem(self.memory(self.width), Affine(), tuple(range(out.width)))
        draft.rows.append(Row("write", mem, (out.operand,), out.width))

    def built(self, draft: Draft, queues: list[int]) -> Actor:
        number = {old: new for new, old in enumerate(queues)}

        def moved(ports: list[Port]) -> tuple[Port, ...]:
            return tuple(replace(p, queues=tuple(number[q] for q in p.queues)) for p in ports)

        inputs, outputs = moved(draft.inputs), moved(draft.outputs)
        loops = tuple(l._replace(port=draft.limits[l.port]) if l.port >= 0 else l for l in draft.loops)
        return Actor(
            draft.kind, 0, draft.kind, loops, inputs, outputs, tuple(draft.rows),
            draft.interval, 1, draft.tile_level, draft.burst,
        )  # fmt: skip

    def moved(self, queue: Queue, actors: list[int]) -> Queue:
        return replace(queue, source=actors.index(queue.source), sink=actors.index(queue.sink))

    def timing(self, q: int, ports: int, flows: list[int]) -> QueueTiming:
        rng, need = self.rng, self.needs[q]
        slots = rng.choice((1, 2, 2, 3, rng.randint(4, 20))) if self.chance(self.tight) else rng.randint(20, 200)
        if need and not self.chance(0.2 * self.tight):
            slots = max(slots, need)
        slots = max(slots, self.queues[q].initial)
        first, stages = rng.randint(1, 5), self.stages(self.queues[q], ports)
        flow = rng.choice(flows) if stages and self.chance(0.7) else -1
        return QueueTiming(rng.randint(1, 6), rng.randint(0, 4), slots, first, stages, flow)

    def stages(self, queue: Queue, ports: int) -> tuple[Stage, ...]:
        """A memory channel; or some links in any order, then perhaps a port."""
        rng = self.rng
        if queue.server == "memory":
            return (Stage(BY_ADDRESS, rng.randint(0, 4)),)
        links = rng.sample(range(self.links), rng.randint(1, self.links)) if self.links and self.chance(0.5) else []
        stages = [Stage(ports + self.ports + n, rng.randint(0, 4)) for n in links]
        if isinstance(queue.server, tuple):
            stages.append(Stage(ports + queue.server[1], rng.randint(0, 4)))
        elif stages and self.chance(0.5):
            stages[-1] = replace(stages[-1], after=1 - queue.packets)
        return tuple(stages)

    def values(self) -> dict[int, np.ndarray]:
        numbers = np.random.default_rng(self.rng.randrange(1 << 32))
        floats = numbers.normal(0, 2, TENSOR_WORDS).clip(-9, 9).astype(np.float32)
        return {0: floats, 1: numbers.integers(-100, 100, TENSOR_WORDS).astype(np.int32)}


FLOAT1 = ("neg", "abs", "tanh", "sigmoid", "exp", "log", "sqrt", "rsqrt", "bf16")
BLOCKS = (
    Builder.source,
    Builder.map,
    Builder.map,
    Builder.map,
    Builder.diamond,
    Builder.diamond,
    Builder.reshape,
    Builder.outer,
    Builder.deal,
    Builder.deal,
    Builder.pmu,
    Builder.pmu,
    Builder.pmu,
    Builder.systolic,
    Builder.load,
    Builder.load,
    Builder.carry,
    Builder.carry,
)


def tensor(name: str, dtype: str) -> TensorUse:
    return TensorUse(name, (TENSOR_WORDS,), dtype, "hbm", "in", (4,), 4 * TENSOR_WORDS)


def constant(value: float | int) -> Value:
    return Value(Const(value), "i" if isinstance(value, int) else "f", 1, abs(value))
