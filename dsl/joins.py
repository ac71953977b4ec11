"""Drafts of actors, and what a connection between two lines does: one to one, multicast, deal, gather, slice (A2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from math import prod

from rdflow.dsl.axes import Digit, Linear, strides
from rdflow.dsl.checked import Kernel, Stream
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.netlist import (
    ALWAYS,
    Actor,
    Affine,
    Burst,
    Gate,
    In,
    Loop,
    Memory,
    Netlist,
    Port,
    Queue,
    Row,
    Temp,
    UnitInfo,
    starts,
)
from rdflow.dsl.orders import Bound, Order, Scalar, packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import SOCKET, Space, count, label, spaces
from rdflow.dsl.source import NOWHERE, Span


@dataclass
class Draft:
    """An actor that still gains ports. `digits`: the digit of each loop (None: bursts of a token). `space`: which copy it is."""

    number: int
    name: str
    unit: int
    kind: str
    digits: tuple[Digit | None, ...]
    loops: tuple[Loop, ...]
    space: Space
    stages: int = 1
    interval: int = 1
    tile_level: int = 0
    burst: Burst | None = None
    copy: int | None = None
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    temps: int = 0
    scalars: dict[Scalar, int] = field(default_factory=dict)
    """the input ports of the streams that bound its loops; they are connected at the end, when all drafts are known"""

    def scalar(self, scalar: Scalar) -> int:
        """The number of the input port of a stream that is a bound: made when first asked for."""
        if scalar not in self.scalars:
            self.scalars[scalar] = len(self.inputs)
            self.inputs.append(Port((), Gate()))
        return self.scalars[scalar]

    def bounds(self, loops: Iterable[Loop]) -> list[Scalar | None]:
        """The streams that bound some of its loops."""
        names = {port: scalar for scalar, port in self.scalars.items()}
        return [names.get(loop.port) for loop in loops]

    def bounded(self, bounds: Iterable[Scalar | None]) -> None:
        """Give each loop the port of the stream that bounds it, if one does."""
        self.loops = tuple(
            l if b is None else l._replace(port=self.scalar(b)) for l, b in zip(self.loops, bounds, strict=True)
        )

    @property
    def socket(self) -> int:
        return self.space.get(SOCKET, 0)

    def temp(self) -> Temp:
        """A fresh scratch vector."""
        self.temps += 1
        return Temp(self.temps - 1)

    def mask(self, digits: Iterable[Digit]) -> int:
        """The bits of the loops that count these digits."""
        wanted = set(digits)
        return sum(1 << i for i, d in enumerate(self.digits) if d in wanted)

    def affine(self, linear: Linear) -> Affine:
        """A linear form over digits as one over this actor's loops; copy digits are constants."""
        const = linear.const + sum(
            c * self.space[d] for d, c in linear.terms if d in self.space and d not in self.digits
        )
        by_digit = dict(linear.terms)
        return Affine(const, tuple(by_digit.get(d, 0) if d is not None else 0 for d in self.digits), linear.arguments)

    def finish(self) -> Actor:
        return Actor(
            self.name,
            self.unit,
            self.kind,
            self.loops,
            tuple(self.inputs),
            tuple(self.outputs),
            tuple(self.rows),
            self.interval,
            self.stages,
            self.tile_level,
            self.burst,
            self.socket,
            self.copy,
        )


@dataclass(frozen=True)
class Endpoint:
    """Where tokens of a stream leave: an actor, the gate of its pushes, the scratch vector pushed, the firings that a
    token takes (its packets pass in all of them)."""

    draft: Draft
    gate: Gate
    source: int
    firings: int = 1


@dataclass(frozen=True)
class Source:
    """A stream in the netlist: its endpoints, one a copy of its unit; lanes and dtype of a token.

    `everywhere`: it has no digit on the sockets, so each socket has all of it, and readers take it from their own.
    """

    name: str
    lanes: tuple[Digit, ...]
    dtype: str
    endpoints: tuple[Endpoint, ...]
    everywhere: bool = True

    @property
    def width(self) -> int:
        return prod(d.extent for d in self.lanes)

    def renamed(self, pairs: Mapping[Digit, Digit]) -> Source:
        """The same tokens under other axes (a rename in a view is wiring)."""
        if not pairs:
            return self
        endpoints = tuple(Endpoint(_renamed(e.draft, pairs), e.gate, e.source, e.firings) for e in self.endpoints)
        return replace(self, lanes=tuple(pairs.get(d, d) for d in self.lanes), endpoints=endpoints)


def _renamed(draft: Draft, pairs: Mapping[Digit, Digit]) -> Draft:
    """A draft seen under other axes; it shares the lists of the draft itself, so ports are added to both."""
    digits = tuple(pairs.get(d, d) if d is not None else None for d in draft.digits)
    space = {pairs.get(d, d): v for d, v in draft.space.items()}
    return replace(draft, digits=digits, space=space, scalars={s.renamed(pairs): n for s, n in draft.scalars.items()})


@dataclass
class Sink:
    """Where tokens enter: an actor, the gate of its pops, the port server that they pass, the firings that a token takes,
    the number of the port where it has one already."""

    draft: Draft
    gate: Gate
    server: tuple[str, int] | None = None
    firings: int = 1
    port: int = -1


class Nets:
    """The netlist under construction."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.sockets = count(kernel)
        self.netlist = Netlist(kernel.name, sockets=self.sockets)
        self.drafts: list[Draft] = []
        self.sources: dict[str, Source] = {}
        self.granules = {root: kernel.granule(root) for root in kernel.lengths}
        self.nests: dict[tuple[tuple[Digit, ...], Order], list[Loop | None]] = {}

    @property
    def stages(self) -> int:
        """Stages of a unit: cycles of its pipeline, rows of its systolic array."""
        return self.kernel.program.stages

    def define(self, stream: Stream, endpoints: Sequence[Endpoint]) -> None:
        """The stream leaves at these endpoints."""
        order = stream.order
        self.sources[stream.name] = Source(stream.name, order.lanes, stream.dtype, tuple(endpoints), not order.sockets)

    # -- pieces --------------------------------------------------------------------------------------------------------

    def unit(self, info: UnitInfo) -> int:
        self.netlist.units.append(info)
        return len(self.netlist.units) - 1

    def memory(self, name: str, words: int, tensor: int | None = None, socket: int = 0) -> int:
        self.netlist.memories.append(Memory(name, words, tensor, socket))
        return len(self.netlist.memories) - 1

    def draft(
        self,
        name: str,
        unit: int,
        kind: str,
        digits: Sequence[Digit],
        order: Order,
        space: Space,
        bursts: Sequence[int] = (),
    ) -> Draft:
        """An actor whose loops count `digits`, with the bounds of `order`, then `bursts` loops for parts of a token."""
        loops = self.loops(tuple(digits), order, space) + tuple(Loop(n) for n in bursts)
        draft = self.counted(name, unit, kind, (*digits, *(None for _ in bursts)), loops, space)
        bounds = (order.bound(d.root) if d is not None else None for d in draft.digits)
        draft.bounded([b if isinstance(b, Scalar) else None for b in bounds])
        return draft

    def counted(
        self,
        name: str,
        unit: int,
        kind: str,
        digits: Sequence[Digit | None],
        loops: tuple[Loop, ...],
        space: Space,
    ) -> Draft:
        """An actor with these loops."""
        draft = Draft(len(self.drafts), name + label(space), unit, kind, tuple(digits), loops, dict(space))
        self.drafts.append(draft)
        return draft

    def copies(self, digits: Sequence[Digit], sockets: Sequence[Digit]) -> list[Space]:
        """Every copy along these digits, of which `sockets` say on which socket it is; without them it is on all."""
        return spaces(digits, sockets, self.sockets)

    def padded(self, root: str) -> int:
        """The length of an axis that loops run to: a whole number of rounds over all copies."""
        granule = self.granules[root]
        return -(-self.kernel.lengths[root] // granule) * granule

    def loops(self, digits: tuple[Digit, ...], order: Order, space: Space) -> tuple[Loop, ...]:
        """Loops that end where their axis or its bound ends, tile by tile. Those without a limit are made once for all
        copies."""
        nest = self.nests.get((digits, order))
        if nest is None:
            first = (self._loop(digits, i, order, space) for i in range(len(digits)))
            nest = self.nests[digits, order] = [loop if loop.limit is None else None for loop in first]
        return tuple(self._loop(digits, i, order, space) if loop is None else loop for i, loop in enumerate(nest))

    def _loop(self, digits: tuple[Digit, ...], index: int, order: Order, space: Space) -> Loop:
        digit = digits[index]
        root, end = digit.root, self.padded(digit.root)
        bound: Bound | None = order.bound(root)
        covers = digit.stride * digit.extent
        top = covers >= self.kernel.lengths[root]
        if isinstance(bound, Scalar):
            bound = Linear(self.kernel.lengths[root])  # the most that its tokens say
        launched = bound.arguments if isinstance(bound, Linear) else ()
        steps = bound is not None and not top and whole_steps(bound, covers)
        if steps and not launched:
            bound = None  # it never ends inside of this loop
        whole = end % (digit.stride if top else covers) == 0
        if bound is None and whole:
            return Loop(digit.extent)
        if bound is not None and not top and not launched and largest(bound) > end:
            raise CompileError([too_far(self.kernel, root, bound)], self.kernel.program.source)
        outside = digits[:index]
        terms = {d: d.stride for d in (*outside, *space) if d.root == root}
        base = self._affine(Linear.of(0, terms), outside, space)
        limit = Affine(end) if bound is None else self._affine(bound, outside, space)
        granule = self.granules[root] if bound is not None else 1
        unlimited = (covers, None if whole else end) if steps and launched else None
        return Loop(digit.extent, digit.stride, limit, base, granule, unlimited=unlimited)

    def _affine(self, linear: Linear, loops: tuple[Digit, ...], space: Space) -> Affine:
        const = linear.const + sum(c * space[d] for d, c in linear.terms if d in space and d not in loops)
        by_digit = dict(linear.terms)
        return Affine(const, tuple(by_digit.get(d, 0) for d in loops), linear.arguments)

    # -- connections ---------------------------------------------------------------------------------------------------

    def queue(
        self,
        source: Draft,
        sink: Draft,
        width: int,
        stream: str,
        packets: int = 1,
        depth: int | None = None,
        slots: int | None = None,
        initial: int = 0,
        server: str | tuple[str, int] | None = None,
    ) -> int:
        self.netlist.queues.append(
            Queue(source.number, sink.number, width, packets, depth, slots, initial, server, stream)
        )
        return len(self.netlist.queues) - 1

    def connect(
        self,
        source: Source,
        sinks: Sequence[Sink],
        depth: int | None = None,
        slots: int | None = None,
        not_last: Sequence[Digit] = (),
    ) -> None:
        """Join every copy of a producer with the copies of a consumer that share its digits.

        Adds one input port to each sink. `not_last`: digits whose last iteration the producer keeps to itself (a carry).
        Tokens for other sockets leave through a unit of their own, which sends them over the links.
        """
        width = source.width
        size = packets(width, source.dtype) if source.lanes else 1
        outputs: dict[tuple[int, bool, tuple[int, ...]], dict[tuple[int, ...], int]] = {}
        dealt = self._dealt(source, sinks)
        producers = by_copy_of(source, sinks[0].draft.space if sinks else {})
        senders = Senders(self, source)
        for sink in sinks:
            found: dict[tuple[int, ...], int] = {}
            gathered: tuple[Digit, ...] = ()
            for i in producers(sink.draft.space):
                away = source.endpoints[i].draft.socket != sink.draft.socket
                draft = (senders.endpoint(i) if away else source.endpoints[i]).draft
                server = self.link(draft, sink.draft) if away else sink.server
                queue = self.queue(draft, sink.draft, width, source.name, size, depth, slots, 0, server)
                gathered = tuple(d for d in draft.space if d not in sink.draft.space and d in sink.draft.digits)
                found[tuple(draft.space[d] for d in gathered)] = queue
                key = tuple(sink.draft.space[d] for d in dealt)
                others = tuple(v for d, v in sink.draft.space.items() if d not in dealt)
                outputs.setdefault((i, away, others if dealt else (sink.draft.number,)), {})[key] = queue
            self._enter(sink, found, gathered, size)
        for (i, away, _), by_copy in outputs.items():
            endpoint = senders.endpoint(i) if away else source.endpoints[i]
            self._leave(endpoint, by_copy, dealt, size, not_last)

    def link(self, source: Draft, sink: Draft) -> tuple[str, int]:
        """The server that queues from one socket to another pass."""
        return ("link", source.socket * self.sockets + sink.socket)

    def _dealt(self, source: Source, sinks: Sequence[Sink]) -> tuple[Digit, ...]:
        """The loops of a producer that choose the copy of the consumer."""
        if not sinks or not source.endpoints:
            return ()
        return tuple(d for d in source.endpoints[0].draft.digits if d is not None and d in sinks[0].draft.space)

    def _enter(self, sink: Sink, found: dict[tuple[int, ...], int], gathered: tuple[Digit, ...], size: int) -> None:
        queues = tuple(found[k] for k in sorted(found))
        select = _select(sink.draft, gathered)
        port = Port(queues, sink.gate, -(-size // sink.firings), select)
        if sink.port >= 0:
            sink.draft.inputs[sink.port] = port
        else:
            sink.draft.inputs.append(port)

    def _leave(
        self,
        endpoint: Endpoint,
        by_copy: dict[tuple[int, ...], int],
        dealt: tuple[Digit, ...],
        size: int,
        not_last: Sequence[Digit],
    ) -> None:
        draft = endpoint.draft
        gate = endpoint.gate
        if not_last:
            gate = gate._replace(not_last=draft.mask(not_last))
        queues = tuple(by_copy[k] for k in sorted(by_copy))
        packets_each = -(-size // endpoint.firings)
        draft.outputs.append(Port(queues, gate, packets_each, _select(draft, dealt), (), -1, endpoint.source))

    def join(self, source: Endpoint, sink: Draft, queue: int, pop: Gate) -> None:
        """A queue of tokens with lanes between two actors of one unit, a port at each end."""
        size = self.netlist.queues[queue].packets
        source.draft.outputs.append(Port((queue,), source.gate, size, source=source.source))
        sink.inputs.append(Port((queue,), pop, size))

    def token(
        self,
        source: Draft,
        sink: Draft,
        push: Gate,
        pop: Gate,
        stream: str,
        slots: int | None = None,
        initial: int = 0,
        server: str | None = None,
    ) -> int:
        """A queue of tokens without data between two actors of one unit: blocks, credits, banks."""
        queue = self.queue(source, sink, 0, stream, 1, None, slots, initial, server)
        source.outputs.append(Port((queue,), push))
        sink.inputs.append(Port((queue,), pop))
        return queue

    def finish(self) -> Netlist:
        self.netlist.actors = [d.finish() for d in self.drafts]
        return self.netlist


def ends_by_number(order: Order, digit: Digit | None) -> bool:
    """Whether the loop of a digit is bounded by a number, the text's or a launch's."""
    bound = order.bound(digit.root) if digit is not None else None
    return isinstance(bound, Linear) and not bound.terms


def whole_steps(bound: Linear, step: int) -> bool:
    """Whether a bound is a whole number of steps whatever its counters; with arguments: whether it may be in a launch."""
    return all(v % step == 0 for v in (0 if bound.arguments else bound.const, *(c for _, c in bound.terms)))


def largest(bound: Linear) -> int:
    """The largest value of a bound over its counters."""
    return bound.const + sum(max(0, c * (d.extent - 1)) for d, c in bound.terms)


def too_far(kernel: Kernel, root: str, bound: Linear) -> Diagnostic:
    axis = kernel.program.spans.get(root, NOWHERE)
    return Diagnostic(
        "RDF024",
        f"a bound on `{root}` reaches {largest(bound)}, but the axis has {kernel.lengths[root]}",
        (Label(axis, f"`{root}` ends at {kernel.lengths[root]}"),),
        ("a counter stops at its register's value; it does not know where the tensor ends",),
        f"bound it by what exists, or make `{root}` longer",
    )


def _select(draft: Draft, digits: tuple[Digit, ...]) -> Affine:
    """Mixed radix number of some loops' counters, the last digit fastest."""
    if not digits:
        return Affine()
    weights = strides(digits)
    return Affine(0, tuple(weights.get(d, 0) if d is not None else 0 for d in draft.digits))


def agree(a: Space, b: Space) -> bool:
    """Whether two copies have the same value of every digit that both have."""
    return all(b[d] == v for d, v in a.items() if d in b)


def by_copy_of(source: Source, space: Space) -> Callable[[Space], Sequence[int]]:
    """The numbers of the endpoints that have the same values as a copy in every digit that both have, and are on its
    socket where the stream is on all of them.

    All endpoints have the same copy digits, and so have all copies that are asked about: `space` is one of them.
    """
    endpoints = source.endpoints
    own = endpoints[0].draft.space if endpoints else {}
    shared = tuple(d for d in own if d in space and (d != SOCKET or source.everywhere))
    index: dict[tuple[int, ...], list[int]] = {}
    for number, endpoint in enumerate(endpoints):
        index.setdefault(tuple(endpoint.draft.space[d] for d in shared), []).append(number)
    return lambda copy: index.get(tuple(copy[d] for d in shared), [])


class Senders:
    """The AGCUs that send the tokens of a stream to other sockets, one for each copy of which another socket reads."""

    def __init__(self, nets: Nets, source: Source):
        self.nets, self.source = nets, source
        self.unit = -1
        self.found: dict[int, Endpoint] = {}

    def endpoint(self, number: int) -> Endpoint:
        """The sender of the endpoint of that number."""
        if number not in self.found:
            self.found[number] = send(self.nets, self._unit(), self.source, self.source.endpoints[number])
        return self.found[number]

    def _unit(self) -> int:
        nets, name = self.nets, self.source.name
        if self.unit < 0:
            copies = -(-len(self.source.endpoints) // nets.sockets)
            line = nets.kernel.stream(name)
            self.unit = nets.unit(sender(f"{name}.send", line.span, nets.kernel.writer.order(line.order), copies))
        return self.unit


def sender(name: str, span: Span, order: str, copies: int) -> UnitInfo:
    """The row of the unit table for AGCUs that send."""
    return UnitInfo(name, "agcu", "send", span, order, copies, agcus=1)


def send(nets: Nets, unit: int, source: Source, endpoint: Endpoint) -> Endpoint:
    """An AGCU that takes the tokens of one endpoint in their order, to put them on links."""
    digits, loops = kept(endpoint)
    size = packets(source.width, source.dtype) if source.lanes else 1
    draft = nets.counted(nets.netlist.units[unit].name, unit, "send", digits, loops, endpoint.draft.space)
    draft.bounded(endpoint.draft.bounds(loops))
    return passed(nets, source.name, endpoint, draft, source.width, size)


def passed(nets: Nets, stream: str, endpoint: Endpoint, draft: Draft, width: int, size: int) -> Endpoint:
    """An actor that hands on each token of an endpoint as it is."""
    queue = nets.queue(endpoint.draft, draft, width, stream, packets=size)
    endpoint.draft.outputs.append(Port((queue,), endpoint.gate, -(-size // endpoint.firings), source=endpoint.source))
    draft.inputs.append(Port((queue,), ALWAYS, size))
    out = draft.temp()
    draft.rows.append(Row("copy", out, (In(len(draft.inputs) - 1),), width))
    return Endpoint(draft, ALWAYS, out.index)


def kept(endpoint: Endpoint) -> tuple[tuple[Digit | None, ...], tuple[Loop, ...]]:
    """The loops of an endpoint's actor that count its tokens: not those that it pushes only the last iteration of."""
    draft = endpoint.draft
    left = [i for i in range(len(draft.loops)) if not endpoint.gate.last >> i & 1]

    def seen(affine: Affine, outside: int) -> Affine:
        by_loop = affine.by_loop + (0,) * (len(draft.loops) - len(affine.by_loop))
        ends = sum(c * (draft.loops[i].size - 1) for i, c in enumerate(by_loop) if i not in left)
        return affine._replace(const=affine.const + ends, by_loop=tuple(by_loop[i] for i in left[:outside]))

    loops = enumerate(draft.loops[i] for i in left)
    shorter = (l if l.limit is None else l._replace(limit=seen(l.limit, i), base=seen(l.base, i)) for i, l in loops)
    return tuple(draft.digits[i] for i in left), tuple(shorter)


def plain(level: int, draft: Draft) -> Gate:
    return starts(level, len(draft.loops))
