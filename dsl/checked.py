"""A checked kernel: every stream with its type, every line with the nest it runs. What is here is legal."""

from __future__ import annotations

from dataclasses import field
from math import lcm

from rdflow.dsl.arguments import Argument, Kind
from rdflow.dsl.axes import Cuts, Digit, Linear, without
from rdflow.dsl.orders import Order, Writer
from rdflow.dsl.program import Program, Tensor
from rdflow.dsl.records import dataclass
from rdflow.dsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream: the tokens of one line, in an order."""

    name: str
    dtype: str
    order: Order
    span: Span


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor (a version of it) through index expressions: one per axis, over digits, plus a stream for a gather.

    `version` is the one that a load denotes: the number of stores to the tensor above it.
    """

    tensor: Tensor
    indices: tuple[Linear, ...]
    gathers: tuple[Stream | None, ...]
    version: int
    span: Span


@dataclass(frozen=True, slots=True)
class Op:
    """An operation of an expression, in the names of netlist rows. Leaves: stream, result, index, const, reduced.

    `args` are numbers of earlier ops of the list. `at_result` marks what is done once a result, after the reduction.
    """

    name: str
    kind: Kind
    args: tuple[int, ...] = ()
    value: int | float | Argument = 0  # const; the number of the input (stream) or of the earlier result (result)
    linear: Linear | None = None
    at_result: bool = False

    @property
    def source(self) -> int:
        """The number of the input, or of the earlier result, that is read."""
        assert isinstance(self.value, int)
        return self.value

    @property
    def number(self) -> float:
        """The constant, in a launch."""
        assert not isinstance(self.value, Argument), "a launch gives it"
        return self.value


@dataclass(frozen=True, slots=True)
class Reduction:
    """`op` over digits: time digits in the order of the nest, all lanes or none, copies, sockets. `value` is what is reduced."""

    op: str
    time: tuple[Digit, ...]
    lanes: tuple[Digit, ...]
    copies: tuple[Digit, ...]
    sockets: tuple[Digit, ...]
    value: int
    index: Linear | None = None  # argmax: the index value of the reduced axis


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a compute line: its stream, its operations, the number of the one that is the result."""

    stream: Stream
    ops: tuple[Op, ...]
    value: int
    reduction: Reduction | None


@dataclass(frozen=True, slots=True)
class Input:
    """An operand: the stream, its order after renames, whether it is read once a result, and where its time ends in the nest.

    `level`: loops of the nest (of the result's order where `at_result`) that its time digits span.
    """

    stream: Stream
    order: Order
    at_result: bool
    level: int


@dataclass(frozen=True, slots=True)
class Load:
    """AGCU streams from a tensor. `streams`: digits dealt over several AGCUs."""

    stream: Stream
    view: TensorView
    streams: tuple[Digit, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Hold:
    """A scratchpad. `source`: after the renames of the view; `moves`: index of each source root where the
    view shifts or flips it (else the identity). The first `tile` loops of the result are outside of a tile.
    `queue`: the order is unchanged, tokens are readable one by one; `fifo`: the tile is one token."""

    stream: Stream
    source: Stream
    moves: tuple[tuple[Digit, Linear], ...]
    gathers: tuple[tuple[Digit, Stream], ...]
    tile: int
    queue: bool
    depth: int
    explicit_depth: bool
    fifo: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Compute:
    """A `pcu` line. `nest`: loops of a copy; `lanes`: lanes inside it; `copies`, `sockets`: where the unit exists.

    Systolic lines and outer products: `wide` and `narrow` are the numbers of the two inputs; the narrow one's lanes are the innermost loop of
    the result. `chain`: PCUs that the line takes.
    """

    inputs: tuple[Input, ...]
    results: tuple[Result, ...]
    nest: tuple[Digit, ...]
    lanes: tuple[Digit, ...]
    copies: tuple[Digit, ...]
    sockets: tuple[Digit, ...]
    systolic: bool
    outer: bool
    wide: int
    narrow: int
    chain: int
    span: Span

    @property
    def stream(self) -> Stream:
        return self.results[0].stream

    @property
    def order(self) -> Order:
        """The nest with the bounds of all inputs."""
        bounds = {root: limit for i in self.inputs for root, limit in i.order.bounds}
        return Order(self.nest, self.copies, self.sockets, self.lanes, tuple(bounds.items()))

    @property
    def reductions(self) -> tuple[Reduction, ...]:
        return tuple(r.reduction for r in self.results if r.reduction is not None)

    @property
    def reduced(self) -> tuple[Digit, ...]:
        """The loops that are reduced."""
        return tuple(dict.fromkeys(d for r in self.reductions for d in r.time))

    @property
    def outside(self) -> int:
        """How many loops are outside of those at the end of the nest that are reduced."""
        reduced, level = set(self.reduced), len(self.nest)
        while level and self.nest[level - 1] in reduced:
            level -= 1
        return level

    @property
    def stages(self) -> tuple[Digit, ...]:
        """Of a systolic line: the digits on its stages, the narrow operand's lanes less the copies that slice them."""
        if not self.systolic:
            return ()
        return without(self.inputs[self.narrow].order.lanes, self.copies + self.sockets)


@dataclass(frozen=True, slots=True)
class Carry:
    """x = carry y from x0 over D. `initial` is a stream or a constant; `feedback` the name of y, defined below."""

    stream: Stream
    feedback: str
    initial: Stream | float | int | Argument
    over: tuple[Digit, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Store:
    """The next version of a tensor."""

    source: Stream
    view: TensorView
    streams: tuple[Digit, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Route:
    """`split` or `merge` by a selector, over tiles (A8): (expert, place) is the place-th token whose selector is the expert.

    `expert`, `place`: digits of the routed side, `experts`, `places` how many there are; `choice`: the digits of the
    selector that are routed, in the order in which tokens travel. `counts`: of a split, the stream of the tokens of each
    expert, which bounds the loops over places (None where an earlier split by the same selector has it).
    """

    stream: Stream
    source: Stream
    selector: Stream
    counts: Stream | None
    merge: bool
    expert: tuple[Digit, ...]
    place: tuple[Digit, ...]
    experts: int
    places: int
    choice: tuple[Digit, ...]
    tile: int
    depth: int
    explicit_depth: bool
    span: Span


Line = Load | Hold | Compute | Carry | Store | Route


@dataclass
class Kernel:
    """A checked kernel with its sizes."""

    name: str
    program: Program
    lines: list[Line]
    cuts: Cuts
    lengths: dict[str, int]
    tensors: dict[str, Tensor]
    writer: Writer
    sources: dict[str, Source] = field(default_factory=dict)
    scalars: tuple[str, ...] = ()
    """the parameters whose numbers a launch gives; the others of its kernel are constants here"""
    launched: dict[object, Kernel] = field(default_factory=dict, repr=False, compare=False)
    """with the numbers of launches, as far as somebody asked for that"""
    given: tuple[int, ...] = field(default=(), repr=False, compare=False)
    """the lines that have such parameters in them, from the first launch that was asked for on"""

    def stream(self, name: str) -> Stream:
        """A stream by name; KeyError if there is none."""
        return next(s for line in self.lines for s in streams_of(line) if s.name == name)

    @property
    def bounding(self) -> tuple[str, ...]:
        """The streams whose values decide how often loops run: without them there are no cycles."""
        return tuple(dict.fromkeys(name for line in self.lines for name in sorted(bounds_of(line))))

    def granule(self, root: str) -> int:
        """Elements of an axis that all copies together take in one round: loops run to a whole number of these."""
        parts = [d.stride * d.extent for line in self.lines for d in space_of(line) if d.root == root]
        return lcm(1, *parts)


def name_of(line: Line) -> str:
    """How a line is called in a message."""
    return f"store {line.source.name}" if isinstance(line, Store) else line.stream.name


def span_of(line: Line) -> Span:
    """Where a line is marked in the text."""
    return line.span if isinstance(line, Store) else line.stream.span


def streams_of(line: Line) -> tuple[Stream, ...]:
    """The streams that a line defines."""
    match line:
        case Compute(results=results):
            return tuple(r.stream for r in results)
        case Store():
            return ()
        case Route(stream=stream, counts=Stream() as counts):
            return (stream, counts)
        case _:
            return (line.stream,)


def sources_of(line: Line) -> tuple[Stream, ...]:
    """The streams that a line reads (a carry's feedback, defined below it, is not among them)."""
    match line:
        case Compute(inputs=inputs):
            return tuple(i.stream for i in inputs)
        case Hold(source=source, gathers=gathers):
            return (source, *(s for _, s in gathers))
        case Store(source=source, view=view):
            return (source, *(g for g in view.gathers if g is not None))
        case Load(view=view):
            return tuple(g for g in view.gathers if g is not None)
        case Carry(initial=initial):
            return (initial,) if isinstance(initial, Stream) else ()
        case Route(source=source, selector=selector):
            return (source, selector)


def bounds_of(line: Line) -> set[str]:
    """The names of the streams that bound loops of a line."""
    orders = [s.order for s in streams_of(line)]
    match line:
        case Compute(inputs=inputs):
            orders += [i.order for i in inputs]
        case Hold(source=source) | Store(source=source) | Route(source=source):
            orders.append(source.order)
    return {scalar.name for order in orders for _, scalar in order.scalars}


def space_of(line: Line) -> tuple[Digit, ...]:
    """The digits over which a line's unit exists in copies."""
    match line:
        case Compute(copies=copies, sockets=sockets):
            return copies + sockets
        case Load(stream=stream, streams=streams) | Store(source=stream, streams=streams):
            return stream.order.space + streams
        case _:
            return line.stream.order.space
