"""Drafts of actors, and what a connection between two lines does: one to one, multicast, deal, gather, slice (A2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from rdflow.dsl.axes import Digit, Linear, strides
from rdflow.dsl.checked import Kernel
from rdflow.dsl.diagnostics import CompileError, Diagnostic, Label
from rdflow.dsl.netlist import (
    Actor,
    Affine,
    Burst,
    Gate,
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
from rdflow.dsl.orders import Order, packets
from rdflow.dsl.source import NOWHERE

Space = dict[Digit, int]  # which copy: the value of each copy digit


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
    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    temps: int = 0

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
        return Affine(const, tuple(by_digit.get(d, 0) if d is not None else 0 for d in self.digits))

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
    """A stream in the netlist: its endpoints, one a copy of its unit; lanes and packets of a token."""

    name: str
    lanes: tuple[Digit, ...]
    dtype: str
    endpoints: tuple[Endpoint, ...]

    @property
    def width(self) -> int:
        return prod(d.extent for d in self.lanes)

    def renamed(self, pairs: Mapping[Digit, Digit]) -> Source:
        """The same tokens under other axes (a rename in a view is wiring)."""
        if not pairs:
            return self
        endpoints = tuple(Endpoint(_renamed(e.draft, pairs), e.gate, e.source, e.firings) for e in self.endpoints)
        return Source(self.name, tuple(pairs.get(d, d) for d in self.lanes), self.dtype, endpoints)


def _renamed(draft: Draft, pairs: Mapping[Digit, Digit]) -> Draft:
    """A draft seen under other axes; it shares the lists of the draft itself, so ports are added to both."""
    digits = tuple(pairs.get(d, d) if d is not None else None for d in draft.digits)
    return replace(draft, digits=digits, space={pairs.get(d, d): v for d, v in draft.space.items()})


@dataclass
class Sink:
    """Where tokens enter: an actor, the gate of its pops, the port server that they pass, the firings that a token takes."""

    draft: Draft
    gate: Gate
    server: tuple[str, int] | None = None
    firings: int = 1


class Nets:
    """The netlist under construction."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.netlist = Netlist(kernel.name)
        self.drafts: list[Draft] = []
        self.sources: dict[str, Source] = {}
        self.granules = {root: kernel.granule(root) for root in kernel.lengths}

    # -- pieces --------------------------------------------------------------------------------------------------------

    def unit(self, info: UnitInfo) -> int:
        self.netlist.units.append(info)
        return len(self.netlist.units) - 1

    def memory(self, name: str, words: int, tensor: int | None = None) -> int:
        self.netlist.memories.append(Memory(name, words, tensor))
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
        label = name + (f"[{','.join(str(v) for v in space.values())}]" if space else "")
        draft = Draft(len(self.drafts), label, unit, kind, (*digits, *(None for _ in bursts)), loops, dict(space))
        self.drafts.append(draft)
        return draft

    def copies(self, digits: Sequence[Digit]) -> list[Space]:
        """Every combination of values of copy digits, the last digit fastest."""
        return [dict(zip(digits, values, strict=True)) for values in product(*(range(d.extent) for d in digits))]

    def padded(self, root: str) -> int:
        """The length of an axis that loops run to: a whole number of rounds over all copies."""
        granule = self.granules[root]
        return -(-self.kernel.lengths[root] // granule) * granule

    def loops(self, digits: tuple[Digit, ...], order: Order, space: Space) -> tuple[Loop, ...]:
        """Loops that end where their axis or its bound ends, tile by tile."""
        return tuple(self._loop(digits, i, order, space) for i in range(len(digits)))

    def _loop(self, digits: tuple[Digit, ...], index: int, order: Order, space: Space) -> Loop:
        digit = digits[index]
        root, end = digit.root, self.padded(digit.root)
        bound = order.bound(root)
        covers = digit.stride * digit.extent
        top = covers >= self.kernel.lengths[root]
        if bound is not None and not top and whole_steps(bound, covers):
            bound = None  # it never ends inside of this loop
        whole = end % (digit.stride if top else covers) == 0
        if bound is None and whole:
            return Loop(digit.extent)
        if bound is not None and not top and largest(bound) > end:
            raise CompileError([_too_far(self.kernel, root, bound)], self.kernel.program.source)
        outside = digits[:index]
        terms = {d: d.stride for d in (*outside, *space) if d.root == root}
        base = self._affine(Linear.of(0, terms), outside, space)
        limit = Affine(end) if bound is None else self._affine(bound, outside, space)
        return Loop(digit.extent, digit.stride, limit, base, self.granules[root] if bound is not None else 1)

    def _affine(self, linear: Linear, loops: tuple[Digit, ...], space: Space) -> Affine:
        const = linear.const + sum(c * space[d] for d, c in linear.terms if d in space and d not in loops)
        by_digit = dict(linear.terms)
        return Affine(const, tuple(by_digit.get(d, 0) for d in loops))

    # -- connections ---------------------------------------------------------------------------------------------------

    def queue(self, source: Draft, sink: Draft, width: int, stream: str, **more: object) -> int:
        self.netlist.queues.append(Queue(source.number, sink.number, width, stream=stream, **more))  # type: ignore[arg-type]
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
        """
        size = packets(source.width, source.dtype) if source.lanes else 1
        outputs: dict[tuple[int, tuple[int, ...]], dict[tuple[int, ...], int]] = {}
        dealt = self._dealt(source, sinks)
        producers = by_copy_of(source.endpoints, sinks[0].draft.space if sinks else {})
        for sink in sinks:
            found: dict[tuple[int, ...], int] = {}
            gathered: tuple[Digit, ...] = ()
            for i in producers(sink.draft.space):
                draft = source.endpoints[i].draft
                queue = self.queue(
                    draft,
                    sink.draft,
                    source.width,
                    source.name,
                    packets=size,
                    depth=depth,
                    slots=slots,
                    server=sink.server,
                )
                gathered = tuple(d for d in draft.space if d not in sink.draft.space and d in sink.draft.digits)
                found[tuple(draft.space[d] for d in gathered)] = queue
                key = tuple(sink.draft.space[d] for d in dealt)
                others = tuple(v for d, v in sink.draft.space.items() if d not in dealt)
                outputs.setdefault((i, others if dealt else (sink.draft.number,)), {})[key] = queue
            self._enter(sink, found, gathered, size)
        for (i, _), by_copy in outputs.items():
            self._leave(source.endpoints[i], by_copy, dealt, size, not_last)

    def _dealt(self, source: Source, sinks: Sequence[Sink]) -> tuple[Digit, ...]:
        """The loops of a producer that choose the copy of the consumer."""
        if not sinks or not source.endpoints:
            return ()
        return tuple(d for d in source.endpoints[0].draft.digits if d is not None and d in sinks[0].draft.space)

    def _enter(self, sink: Sink, found: dict[tuple[int, ...], int], gathered: tuple[Digit, ...], size: int) -> None:
        queues = tuple(found[k] for k in sorted(found))
        select = _select(sink.draft, gathered)
        sink.draft.inputs.append(Port(queues, sink.gate, -(-size // sink.firings), select))

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
            gate = replace(gate, not_last=draft.mask(not_last))
        queues = tuple(by_copy[k] for k in sorted(by_copy))
        packets_each = -(-size // endpoint.firings)
        draft.outputs.append(Port(queues, gate, packets_each, _select(draft, dealt), source=endpoint.source))

    def token(self, source: Draft, sink: Draft, push: Gate, pop: Gate, stream: str, **more: object) -> int:
        """A queue of tokens without data between two actors of one unit: blocks, credits, banks."""
        queue = self.queue(source, sink, 0, stream, **more)
        source.outputs.append(Port((queue,), push))
        sink.inputs.append(Port((queue,), pop))
        return queue

    def finish(self) -> Netlist:
        self.netlist.actors = [d.finish() for d in self.drafts]
        return self.netlist


def whole_steps(bound: Linear, step: int) -> bool:
    """Whether a bound is a whole number of steps whatever its counters."""
    return all(v % step == 0 for v in (bound.const, *(c for _, c in bound.terms)))


def largest(bound: Linear) -> int:
    """The largest value of a bound over its counters."""
    return bound.const + sum(max(0, c * (d.extent - 1)) for d, c in bound.terms)


def _too_far(kernel: Kernel, root: str, bound: Linear) -> Diagnostic:
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


def by_copy_of(endpoints: Sequence[Endpoint], space: Space) -> Callable[[Space], Sequence[int]]:
    """The numbers of the endpoints that have the same values as a copy in every digit that both have.

    All endpoints have the same copy digits, and so have all copies that are asked about: `space` is one of them.
    """
    shared = tuple(d for d in endpoints[0].draft.space if d in space) if endpoints else ()
    index: dict[tuple[int, ...], list[int]] = {}
    for number, endpoint in enumerate(endpoints):
        index.setdefault(tuple(endpoint.draft.space[d] for d in shared), []).append(number)
    return lambda copy: index.get(tuple(copy[d] for d in shared), [])


def lane_table(
    have: Sequence[Digit], want: Sequence[Digit], space: Space, fixed: Mapping[Digit, int] | None = None
) -> tuple[int, ...]:
    """For each lane of `want`, the lane of a token with lanes `have` that it reads: broadcast, permuted or sliced."""
    table = []
    for values in product(*(range(d.extent) for d in want)):
        at = {**space, **(fixed or {}), **dict(zip(want, values, strict=True))}
        lane = 0
        for digit in have:
            lane = lane * digit.extent + at.get(digit, 0)
        table.append(lane)
    return tuple(table)


def plain(level: int, draft: Draft) -> Gate:
    return starts(level, len(draft.loops))
