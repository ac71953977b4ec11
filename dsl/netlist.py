"""The netlist: actors, queues, memories. What the engine executes, before anything of a machine is in it.

Every unit becomes one or more *actors* of one kind. An actor is a loop nest with ports. A firing is one iteration of
the nest. Whether a port takes part in a firing follows from the loop counters alone (`Gate`), so without values an
actor is cyclo-static. What a firing computes is a list of `Row`s over 32-lane vectors.

Firing rule (the only one). An actor fires at cycle t when its interval since the last firing is over, every input port
that takes part has its tokens ready, and every output port that takes part has a free slot. The interval of a firing is
max(`Actor.interval`, the packets of the widest port that takes part).

What copies of a unit have in common are named tuples, which are hashed quickly: what follows from them is kept by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

from rdflow.dsl.arguments import Argument
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Span

LANES = 32  # lanes of a token: the widest vector there is


class Affine(NamedTuple):
    """const + sum of coefficients times the counters of the actor's loops (outermost first).

    `arguments` add what a launch gives, times a coefficient each: they are part of the constant from then on.
    """

    const: int = 0
    by_loop: tuple[int, ...] = ()
    arguments: tuple[tuple[Argument, int], ...] = ()

    def at(self, counters: tuple[int, ...]) -> int:
        assert not self.arguments, "a launch gives it"
        return self.const + sum(c * i for c, i in zip(self.by_loop, counters, strict=False))


class Loop(NamedTuple):
    """One loop of a nest.

    Without `limit` it runs `size` times. With one, whenever it starts anew it runs
    clamp(ceil((round_up(limit, granule) - base) / stride), 1, size) times, `limit` and `base` over the loops outside. It
    runs through the granule in which it starts whatever the limit is, as all copies take their part of a round.
    With a `port` (an input of the actor) the limit is no more than the first lane, an int32, of the token that the port
    pops in this firing, or popped last. The gate of the port is some loops at 0 (`first`), among them this one and all
    inside of it: the token is there, and looked at, before anything else is known of the firing that pops it.
    Where a launch gives a part of the limit, the loop runs `size` times for whoever does not know that part, and
    `unlimited`: (n, end) says what it is where the limit is a whole number of n: without one, or up to `end`.
    """

    size: int
    stride: int = 1
    limit: Affine | None = None
    base: Affine = Affine()
    granule: int = 1
    port: int = -1
    unlimited: tuple[int, int | None] | None = None

    def iterations(self, counters: tuple[int, ...], token: int | None = None) -> int:
        """How often it runs, given the counters (those of the loops outside matter) and what its port says."""
        if self.limit is None or self.limit.arguments:
            return self.size
        limit, base = self.limit.at(counters), self.base.at(counters)
        rounded = -(-(limit if token is None else min(limit, token)) // self.granule) * self.granule
        reach = max(rounded, (base // self.granule + 1) * self.granule) - base
        return max(1, min(self.size, -(-reach // self.stride)))


class Gate(NamedTuple):
    """When a port takes part in a firing. Each field is a bit mask over loops (bit l = loop l, outermost is 0).

    It takes part when all loops of `first` are at counter 0, all of `last` at their last iteration, and, where the mask
    is not empty, not all loops of `not_first` are at 0 and not all of `not_last` at their last iteration.
    """

    first: int = 0
    last: int = 0
    not_first: int = 0
    not_last: int = 0

    def open(self, at_first: int, at_last: int) -> bool:
        return (
            at_first & self.first == self.first
            and at_last & self.last == self.last
            and not (self.not_first and at_first & self.not_first == self.not_first)
            and not (self.not_last and at_last & self.not_last == self.not_last)
        )


ALWAYS = Gate()
NOTHING = Affine()


def starts(level: int, depth: int) -> Gate:
    """The gate of an input whose order is the outer `level` loops of a nest of `depth`: when all loops inside are at 0."""
    return Gate(first=((1 << depth) - 1) & ~((1 << level) - 1))


def ends(level: int, depth: int) -> Gate:
    """The gate of an output whose order is the outer `level` loops of a nest of `depth`: when all loops inside end."""
    return Gate(last=((1 << depth) - 1) & ~((1 << level) - 1))


@dataclass(frozen=True, slots=True)
class Blocks:
    """What a launch says of a tile: all but those blocks of `total` that begin at or above `limit` are waited for at first,
    the others at last. `limit` is rounded up to a granule; blocks are `stride` apart."""

    limit: Affine
    granule: int
    stride: int
    total: int

    def counts(self, limit: int, size: int) -> tuple[int, ...]:
        """Blocks by iteration of a loop of `size`."""
        rounded = max(self.granule, -(-limit // self.granule) * self.granule)
        first = max(1, min(self.total, -(-rounded // self.stride)))
        return (first, *(0 for _ in range(size - 2)), self.total - first) if size > 1 else (self.total,)


@dataclass(frozen=True, slots=True)
class Port:
    """Where tokens enter or leave.

    `queues` has one entry, or several of which `select` (an affine of the counters) picks one a firing: the deal of a
    producer to copies, the gather of a consumer from copies. `packets` are what one token of it moves (64 B each).
    `counts`, for inputs: how many tokens are popped, indexed by the counter of loop `counted` (else one).
    `blocks`: a launch gives the counts; all at first, for whoever does not know.
    `source`, for outputs: the temporary whose lanes are pushed (-1: a token without data).
    """

    queues: tuple[int, ...]
    gate: Gate
    packets: int = 1
    select: Affine = NOTHING
    counts: tuple[int, ...] = ()
    counted: int = -1
    source: int = -1
    blocks: Blocks | None = None


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Temp:
    """A scratch vector of the firing, by number."""

    index: int


@dataclass(frozen=True, slots=True)
class In:
    """The token that input port `port` popped last (in this firing, or earlier: it is held)."""

    port: int


@dataclass(frozen=True, slots=True)
class Const:
    """A number in all lanes: float32, or int32 where `value` is an int."""

    value: int | float | Argument


@dataclass(frozen=True, slots=True)
class Index:
    """An int32 index value: an affine of the counters plus `lanes[l]` in lane l (empty: nothing by lane)."""

    affine: Affine
    lanes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mem:
    """Words of a memory: lane l is at address `address` + lanes[l] (+ tile * `bank`) of memory number `memory`.

    tile = (number of tiles this actor has finished) mod `banks`; a tile is one round of the loops from
    `Actor.tile_level` inwards. `dynamic` adds value(first lane of the operand, int32) * stride to the address.
    """

    memory: int
    address: Affine
    lanes: tuple[int, ...]
    bank: int = 0
    banks: int = 1
    dynamic: tuple[tuple[Operand, int], ...] = ()


Operand = Temp | In | Const | Index | Mem


@dataclass(frozen=True, slots=True)
class Row:
    """One vector operation of a firing: out <- op(args), done when `gate` is open.

    Elementwise, over all lanes (`width` of the row; operands of width 1, In of a lane-less token included, are
    broadcast). Floats are float32, ints and bools int32 (bool 0/1). Ops:
      copy, neg, add, sub, mul, div, max, min, abs, exp, log, sqrt, rsqrt, sigmoid, tanh             float32
      ineg, iadd, isub, imul, idiv, imod (floor), imax, imin, iabs                                   int32
      lt le eq ne (float -> bool), ilt ile ieq ine (int -> bool), and, or, not                       bool
      where(c, a, b)            lane by lane, any type
      tofloat, toint            int32 -> float32, float32 -> int32 (truncated)
      bf16, int8                round to nearest even as bf16 (kept as float32); wrap an int32 to 8 bits
      lanes (a)                 out[l] = a[table[l]], `table` of the row
      pick (a, i)               out = a[i] in all lanes: i an int operand
      read (mem[, pred])        out = words of memory; 0 where pred is 0, or outside of the memory
      write (a[, pred])         out is a Mem; lanes with pred 0, or outside of the memory, are dropped
      fold.sum fold.max fold.min fold.isum fold.imax fold.imin (a)
                                out is a Mem: out <- out op a, starting from the identity (0, -inf, +inf, 0, int32
                                extremes) when the gate `init` is open
      fold.argmax (a, i)        out is a Mem of two vectors (value, then at +LANES the int index): the first index of
                                the largest value; starts from -inf and index i
      tree.sum tree.max tree.min tree.isum tree.imax tree.imin (a)
                                lanes [0, width) of a, padded with the identity to a power of two n, are combined
                                x[l] op x[l + n/2], and so on by halves; out is 1 lane
      tree.argmax (a, i)        the same over (value, index) pairs, the lower index where values tie; out: index
      systolic (a, b)           out is a Mem of len(table) rows of LANES words: out[r][l] += a[l] * b[r] (f32 product,
                                f32 sum), zeroed first when `init` is open; `table` lists the lanes of b
    """

    op: str
    out: Temp | Mem
    args: tuple[Operand, ...]
    width: int = LANES
    gate: Gate = ALWAYS
    init: Gate = ALWAYS
    table: tuple[int, ...] = ()


# -- structure ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Burst:
    """The address of the 64-byte burst of a firing, in bytes from the start of its tensor: requesters and stores.

    `gathers`: (input port, bytes, length), which add index * bytes. The index is the first lane of the token that the
    port popped last, at least 0 and less than `length`; in a run without values the number of that token, from 0, modulo
    `length` (0 before the first).
    """

    tensor: int
    address: Affine
    gathers: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Actor:
    """A loop nest with ports.

    kind: "pcu" (a map, a fold, a tree node), "systolic", "drain", "write", "read" (a PMU's two ends), "route", "count"
    (what a split or a merge has beside them: one takes the selectors, one gives the counts), "round" (between the two
    ends, where an all-reduce waits for complete rounds), "request", "respond" (an AGCU load), "store", "acknowledge" (an AGCU store), "carry", "send" (an AGCU that feeds links).
    `stages`: pipeline stages between a firing and its token, the machine turns them into cycles.
    `copy`: which copy of its unit it is, where a socket does not have all of them; None: the next on its socket.
    """

    name: str
    unit: int
    kind: str
    loops: tuple[Loop, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    rows: tuple[Row, ...] = ()
    interval: int = 1
    stages: int = 1
    tile_level: int = 0
    burst: Burst | None = None
    socket: int = 0
    copy: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """From output port of `source` to input port of `sink`.

    `width`: lanes of a token (0: a token without data). `packets`: 64-byte packets of a token. `depth`: packets that
    the FIFO holds, None for the machine's default; `slots`: a fixed number of tokens instead (credits, tiles, banks).
    `initial`: tokens in it at cycle 0, without data. `server`: the shared resource it passes: None, "memory" (the
    channel of the tensor's tier that the source's burst address selects, on the source's socket), ("port", n): server
    n, one packet a cycle, or ("link", n): from socket n // sockets to socket n % sockets.
    """

    source: int
    sink: int
    width: int
    packets: int = 1
    depth: int | None = None
    slots: int | None = None
    initial: int = 0
    server: str | tuple[str, int] | None = None
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Words of 4 bytes. `tensor`: the tensor whose values fill it at the start (or which it gives at the end): all of
    it, or the part that is on `socket`, where the actors are that touch it."""

    name: str
    words: int
    tensor: int | None = None
    socket: int = 0


@dataclass(frozen=True, slots=True)
class TensorUse:
    """A tensor as a kernel uses it: lengths of its axes, dtype, tier; row stride in bytes after padding to bursts.

    `sharded`: the axis of which each socket has one index; None: every socket has all of the tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    tier: str
    direction: str | None
    strides: tuple[int, ...]
    """bytes from one index to the next, by axis, in the memory tier (rows padded to whole bursts); 0 where sharded"""
    bytes: int  # on each socket
    sharded: int | None = None


@dataclass(frozen=True, slots=True)
class UnitInfo:
    """A unit of the program: one line (a layer's line has a dotted name). Copies share it; each socket has `copies`."""

    name: str
    kind: str  # "pcu", "pmu", "agcu" (what it occupies)
    verb: str  # "load", "store", "pmu", "pcu", "carry", "send", ...
    span: Span
    order: str
    copies: int
    pcus: int = 0  # a copy
    pmus: int = 0  # a copy
    agcus: int = 0  # a copy
    bytes: int = 0  # of scratchpad, a copy
    flops: int = 0  # in a whole run of the kernel, all copies on all sockets
    systolic: bool = False


@dataclass
class Netlist:
    """A kernel with its sizes: indices into these lists are the names of everything."""

    kernel: str
    units: list[UnitInfo] = field(default_factory=list)
    actors: list[Actor] = field(default_factory=list)
    queues: list[Queue] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    tensors: list[TensorUse] = field(default_factory=list)
    servers: int = 0  # ("port", n) servers
    sockets: int = 1

    @property
    def ragged(self) -> bool:
        """Whether the values of some stream decide how often a loop runs: then there are no cycles without values."""
        return any(loop.port >= 0 for actor in self.actors for loop in actor.loops)

    def actors_of(self, unit: int) -> Iterator[tuple[int, Actor]]:
        return ((i, a) for i, a in enumerate(self.actors) if a.unit == unit)


def text(netlist: Netlist) -> str:
    """The stable text form that golden tests compare."""
    lines = [f"kernel {netlist.kernel}"]
    for i, actor in enumerate(netlist.actors):
        nest = " ".join(str(l.size) if l.limit is None else f"{l.size}<" for l in actor.loops)
        lines.append(f"  a{i} {actor.name} {actor.kind} [{nest}] ii={actor.interval}")
        for side, ports in (("in", actor.inputs), ("out", actor.outputs)):
            for port in ports:
                gate = port.gate
                lines.append(f"    {side} q{','.join(map(str, port.queues))} {gate.first}/{gate.last} x{port.packets}")
        lines.extend(f"    {row.op}" for row in actor.rows)
    for i, queue in enumerate(netlist.queues):
        size = f"slots {queue.slots}" if queue.slots is not None else f"depth {queue.depth}"
        lines.append(f"  q{i} a{queue.source} -> a{queue.sink} {size} x{queue.packets} {queue.stream}")
    return "\n".join(lines) + "\n"
