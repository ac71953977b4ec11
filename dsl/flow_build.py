"""From a checked kernel to a flow: the actors of every line, with some of their copies, as `elaborate` will join them.

Rooms are at least those of any machine that is not stranger than its defaults, so that what is stuck here is stuck there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import isqrt

from rdflow.dsl.axes import Digit, renames, size, without
from rdflow.dsl.checked import Carry, Compute, Hold, Kernel, Line, Load, Route, Store, Stream, space_of
from rdflow.dsl.flow import FAR, Blocks, Flow, Node, Ranges
from rdflow.dsl.needs import Counted, waited
from rdflow.dsl.nests import Nests
from rdflow.dsl.orders import Order, packets
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import Space, agree
from rdflow.dsl.waits import Access, wait_level

FIFO = 16  # packets of an input queue
PIPELINE = 16  # packets that a unit's pipeline holds: the longest of a PCU with its tail, a PMU and an AGCU
NEAR, ACROSS = 20, 70  # hops between units that exchange tokens: in a small kernel, over a whole socket

FIRST, LAST, LATER, BEFORE_LAST = (0, 1), (-1, 0), (1, 0), (0, -1)
"""iterations of a loop: its first, its last, all but the first, all but the last"""

Copies = Callable[[tuple[Digit, ...]], list[Space]]


@dataclass(frozen=True)
class End:
    """A node where tokens leave or enter, in the digits of the stream's reader, and in which of its iterations."""

    node: Node
    digits: tuple[Digit, ...]
    space: Space
    ranges: Ranges

    def renamed(self, pairs: Mapping[Digit, Digit]) -> End:
        digits = tuple(pairs.get(d, d) for d in self.digits)
        ranges = {pairs.get(d, d): r for d, r in self.ranges.items()}
        return End(self.node, digits, {pairs.get(d, d): v for d, v in self.space.items()}, ranges)

    def at(self, chosen: Mapping[Digit, int]) -> dict[int, tuple[int, int]]:
        """The iterations by number of the loop, with those loops that choose a copy fixed."""
        ranges = {**self.ranges, **{d: (v, v + 1) for d, v in chosen.items() if d in self.digits}}
        return {self.digits.index(d): r for d, r in ranges.items()}


def one_copy(space: tuple[Digit, ...]) -> list[Space]:
    """The first copy."""
    return [dict.fromkeys(space, 0)]


def neighbours(digits: frozenset[Digit]) -> Copies:
    """The first copy, and the second along each of these digits."""

    def chosen(space: tuple[Digit, ...]) -> list[Space]:
        first = dict.fromkeys(space, 0)
        return [first, *({**first, d: 1} for d in space if d in digits and d.extent > 1)]

    return chosen


def build(kernel: Kernel, copies: Copies = one_copy) -> Flow:
    """The flow of a kernel with these copies of each line."""
    return _Builder(kernel, copies).run()


class _Builder:
    """A flow under construction."""

    def __init__(self, kernel: Kernel, copies: Copies):
        self.kernel, self.copies = kernel, copies
        self.nests = Nests(kernel)
        self.flow = Flow()
        self.ends: dict[str, list[End]] = {}
        self.touched: list[tuple[Access, End]] = []
        self.line = 0
        self.wires = 2 * self._hops()

    def _hops(self) -> int:
        """Hops of a long wire: more copies spread over more of the socket."""
        return min(ACROSS, max(NEAR, 2 * isqrt(sum(size(space_of(line)) for line in self.kernel.lines))))

    def run(self) -> Flow:
        for number, line in enumerate(self.kernel.lines):
            self.line = number
            self._add(line)
        for line in self.kernel.lines:
            if isinstance(line, Carry):
                self._close(line)
        return self.flow

    def _add(self, line: Line) -> None:
        match line:
            case Load():
                self._load(line)
            case Store():
                self._store(line)
            case Hold():
                self._hold(line)
            case Compute():
                self._compute(line)
            case Carry():
                self._carry(line)
            case Route():
                self._route(line)

    # -- pieces --------------------------------------------------------------------------------------------------------

    def _node(self, digits: Sequence[Digit], order: Order, space: Space, pipeline: int = PIPELINE) -> End:
        loops = self.nests.loops(tuple(digits), order, space)
        return End(self.flow.node(self.line, digits, loops, space, pipeline), tuple(digits), space, {})

    def _tokens(self, source: End, push: Ranges, sink: End, pop: Ranges, initial: int = 0) -> None:
        """Credits and the like inside of a unit: there is always room for them."""
        pushes = source.node.pulses(replace(source, ranges=push).at({}))
        pops = sink.node.pulses(replace(sink, ranges=pop).at({}))
        self.flow.channel(source.node, sink.node, pushes, pops, FAR, initial)

    def _connect(self, stream: Stream, order: Order, sinks: Iterable[End], room: int | None = None) -> None:
        """Join the copies of a producer with the sinks that share their digits. `order`: the stream's, after renames."""
        pairs = renames(self.kernel.stream(stream.name).order.digits, order.digits)
        sources = [e.renamed(pairs) for e in self.ends.get(stream.name, [])]
        for sink in sinks:
            for source in sources:
                if agree(source.space, sink.space):
                    self._join(source, sink, stream.name, packets(order.width, stream.dtype), room)

    def _join(self, source: End, sink: End, name: str, size: int, room: int | None = None, levels: int = 1) -> None:
        push = source.node.pulses(source.at(sink.space))
        gathered = {d: v for d, v in source.space.items() if d not in sink.space}
        pop = sink.node.pulses(sink.at(gathered))
        slots = levels * max(2, (FIFO + source.node.pipeline + self.wires) // size)
        self.flow.channel(source.node, sink.node, push, pop, slots if room is None else room, stream=name)

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _load(self, load: Load) -> None:
        order = load.stream.order
        time = without(order.time, load.streams)
        ends = [self._node(time, order, s) for s in self.copies((*order.space, *load.streams))]
        for gather in load.view.gathers:
            if gather is not None:
                self._index(gather, ends, order.time)
        self._wait(load, ends)
        self.ends[load.stream.name] = ends

    def _index(self, index: Stream, ends: Sequence[End], time: Sequence[Digit]) -> None:
        """An index stream, read where its loops start anew."""
        level = sum(1 for d in time if d in index.order.time)
        self._connect(index, index.order, [self._held(e, level) for e in ends])

    def _held(self, end: End, level: int) -> End:
        return replace(end, ranges=dict.fromkeys(end.digits[level:], FIRST))

    def _store(self, store: Store) -> None:
        order = store.source.order
        time = without(order.time, store.streams)
        ends = [self._node(time, order, s) for s in self.copies((*order.space, *store.streams))]
        self._connect(store.source, order, ends)
        for gather in store.view.gathers:
            if gather is not None:
                self._index(gather, ends, order.time)
        self._wait(store, ends)

    def _wait(self, access: Access, ends: Sequence[End]) -> None:
        """Loads wait for the stores above them, stores for the loads above them."""
        tensor = access.view.tensor.name
        others = [(a, e) for a, e in self.touched if a.view.tensor.name == tensor and type(a) is not type(access)]
        for above, done in others:
            for end in ends:
                level = wait_level(self.nests, above, done.space, access, end.space)
                if level is not None and agree(done.space, end.space):
                    push = done.node.pulses(replace(done, ranges=dict.fromkeys(done.digits[level:], LAST)).at({}))
                    pop = end.node.pulses(self._held(end, level).at({}))
                    self.flow.channel(done.node, end.node, push, pop, FAR, tensor=tensor)
        self.touched += [(access, end) for end in ends]

    def _carry(self, carry: Carry) -> None:
        order = carry.stream.order
        ends = [self._node(order.time, order, s) for s in self.copies(order.space)]
        if isinstance(carry.initial, Stream):
            starts = [replace(e, ranges=dict.fromkeys(carry.over, FIRST)) for e in ends]
            self._connect(carry.initial, carry.initial.order, starts)
        self.ends[carry.stream.name] = ends

    def _close(self, carry: Carry) -> None:
        """The feedback of a carry over one digit, whose last iteration is dropped."""
        if len(carry.over) != 1 or carry.feedback not in self.ends:
            return
        (over,) = carry.over
        time = carry.stream.order.time
        room = size(time[1 + time.index(over) :]) + FIFO
        sinks = [replace(e, ranges={over: LATER}) for e in self.ends[carry.stream.name]]
        for sink in sinks:
            for source in self.ends[carry.feedback]:
                if agree(source.space, sink.space) and over in source.digits and over not in source.ranges:
                    kept = replace(source, ranges={**source.ranges, over: BEFORE_LAST})
                    self._join(kept, sink, carry.feedback, 1, room)

    # -- holds ---------------------------------------------------------------------------------------------------------

    def _hold(self, hold: Hold) -> None:
        order, source = hold.stream.order, hold.source.order
        gathered = without(source.space, order.space)
        times = without(source.time, (*order.space, *gathered))
        readers: list[End] = []
        writers: list[End] = []
        for space in self.copies(order.space):
            reader = self._node(order.time, order, space)
            for own in self.copies(gathered):
                writer = self._node(times, source, {**space, **own})
                self._tile(hold, writer, reader, bool(gathered))
                writers.append(writer)
            readers.append(reader)
        self._connect(hold.source, source, writers)
        for _, index in hold.gathers:
            self._index(index, readers, order.time)
        self.ends[hold.stream.name] = readers

    def _tile(self, hold: Hold, writer: End, reader: End, gathered: bool) -> None:
        """Credits for free tiles one way, what is written the other way."""
        tile = hold.tile
        inside, outside = writer.digits[tile:], reader.digits[tile:]
        self._credit(reader, writer, tile, hold.depth)
        if hold.queue and not gathered:
            self._tokens(writer, {}, reader, {})
            return
        need = waited(
            self.nests, hold, self._counted(writer, hold.source.order), self._counted(reader, hold.stream.order)
        )
        if need is None or need(0) >= need.blocks:
            self._whole(writer, reader, tile)
            return
        push = writer.node.pulses(replace(writer, ranges=dict.fromkeys(inside[1:], LAST)).at({}))
        pop = reader.node.pulses(replace(reader, ranges=dict.fromkeys(outside[1:], FIRST)).at({}))
        self.flow.channel(writer.node, reader.node, push, Blocks(pop, need), FAR)

    def _counted(self, end: End, order: Order) -> Counted:
        return end.digits, self.nests.loops(end.digits, order, end.space)

    # -- splits and merges ---------------------------------------------------------------------------------------------

    def _route(self, route: Route) -> None:
        """As a hold of which a tile is one block, with an actor that takes the selectors of a tile."""
        order, source, selector = route.stream.order, route.source.order, route.selector
        gathered = without(source.space, order.space)
        again = () if route.merge else without(route.choice, source.digits)
        times = (*without(source.time, (*order.space, *gathered)), *again)
        routers: list[End] = []
        readers: list[End] = []
        writers: list[End] = []
        for space in self.copies(order.space):
            own = {d: v for d, v in space.items() if d not in route.choice}
            router = self._node((*order.time[: route.tile], *route.choice), selector.order, own)
            reader = self._node(order.time, order, space)
            self._credit(reader, router, route.tile, route.depth)
            for copy in self.copies(gathered):
                writer = self._node(
                    times, replace(source, bounds=selector.order.bounds + source.bounds), {**space, **copy}
                )
                if route.merge:
                    self._whole(router, writer, route.tile)
                else:
                    self._slots(router, writer, again)
                self._whole(writer, reader, route.tile)
                writers.append(self._held(writer, len(times) - len(again)))
            routers.append(router)
            readers.append(reader)
        self._connect(route.source, source, writers)
        self._connect(selector, selector.order, routers)
        self.ends[route.stream.name] = readers
        if route.counts is not None:
            self.ends[
                route.counts.name
            ] = []  # those that it bounds are not linked to it: only what always waits is asked

    def _slots(self, router: End, writer: End, again: Sequence[Digit]) -> None:
        """A queue inside of a split: the slots of each token."""
        level = len(router.digits) - len(again)
        push = replace(router, ranges=dict.fromkeys(router.digits[level:], LAST))
        pop, room = self._held(writer, level), max(2, FIFO + router.node.pipeline + self.wires)
        self.flow.channel(
            router.node, writer.node, router.node.pulses(push.at({})), writer.node.pulses(pop.at({})), room
        )

    def _credit(self, reader: End, writer: End, tile: int, depth: int) -> None:
        last, first = dict.fromkeys(reader.digits[tile:], LAST), dict.fromkeys(writer.digits[tile:], FIRST)
        self._tokens(reader, last, writer, first, depth)

    def _whole(self, writer: End, reader: End, tile: int) -> None:
        """The reader of a tile starts when it is written."""
        last, first = dict.fromkeys(writer.digits[tile:], LAST), dict.fromkeys(reader.digits[tile:], FIRST)
        self._tokens(writer, last, reader, first)

    # -- compute -------------------------------------------------------------------------------------------------------

    def _compute(self, line: Compute) -> None:
        order, reduced = line.order, line.reduced
        tree = tuple(d for r in line.reductions for d in (*r.copies, *r.sockets))
        pipeline = max(PIPELINE, self.kernel.program.stages * line.chain)
        bodies = [self._node(line.nest, order, s, pipeline) for s in self.copies(line.copies + line.sockets)]
        drains = [self._drain(line, b) for b in bodies] if line.systolic else bodies
        for operand in line.inputs:
            if operand.at_result and tree:
                continue
            targets = (
                [self._result_end(d, operand.level, reduced) for d in drains]
                if operand.at_result
                else [self._held(b, operand.level) for b in bodies]
            )
            self._connect(operand.stream, operand.order, targets)
        for result in line.results:
            done = result.reduction.time if result.reduction is not None else ()
            ends = [replace(d, ranges=dict.fromkeys(without(done, without(done, d.digits)), LAST)) for d in drains]
            self.ends[result.stream.name] = self._tree(line, result.stream, ends, tree) if tree else ends

    def _result_end(self, drain: End, level: int, reduced: tuple[Digit, ...]) -> End:
        """An operand that is read once a result: at the last reduced iteration, where its own loops start anew."""
        kept = without(drain.digits, reduced)
        last = [d for d in drain.digits if d in reduced]
        return replace(drain, ranges={**dict.fromkeys(kept[level:], FIRST), **dict.fromkeys(last, LAST)})

    def _drain(self, line: Compute, body: End) -> End:
        """The systolic array's second half: two arrays, one summed while the other is read."""
        stages, inside = line.stages, line.nest[line.outside :]
        drain = self._node((*line.nest[: line.outside], *stages), line.order, body.space)
        self._tokens(body, dict.fromkeys(inside, LAST), drain, dict.fromkeys(stages, FIRST))
        self._tokens(drain, dict.fromkeys(stages, LAST), body, dict.fromkeys(inside, FIRST), 2)
        return drain

    def _tree(self, line: Compute, stream: Stream, partial: Sequence[End], tree: tuple[Digit, ...]) -> list[End]:
        """The tree over copies as one node with the room of all its levels."""
        roots: list[End] = []
        kept = without(line.copies + line.sockets, tree)
        levels = size(tree).bit_length() + 1
        for space in self.copies(kept):
            root = self._node(stream.order.time, stream.order, space)
            for end in partial:
                if agree(end.space, space):
                    self._join(end, root, stream.name, packets(stream.order.width, "f32"), levels=levels)
            roots.append(root)
        for operand in line.inputs:
            if operand.at_result:
                self._connect(operand.stream, operand.order, [self._held(r, operand.level) for r in roots])
        return roots
