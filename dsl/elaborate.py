"""From a checked kernel to a netlist: a unit for every line, its copies unrolled, their queues joined."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, prod

from rdflow.dsl.axes import Digit, Linear, without
from rdflow.dsl.checked import Carry, Compute, Hold, Kernel, Line, Load, Route, Store, Stream, TensorView
from rdflow.dsl.collectives import Choose, direct
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source
from rdflow.dsl.elaborate_compute import elaborate_compute
from rdflow.dsl.elaborate_hold import elaborate_hold
from rdflow.dsl.elaborate_route import elaborate_route
from rdflow.dsl.joins import connect
from rdflow.dsl.lanes import lane_values
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import (
    ALWAYS,
    Burst,
    Const,
    Gate,
    In,
    Mem,
    Netlist,
    Operand,
    Row,
    TensorUse,
    UnitInfo,
)
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES, PACKET_BYTES, PMU_BYTES
from rdflow.dsl.program import Tensor
from rdflow.dsl.rows import Rows
from rdflow.dsl.scalars import connect_scalars
from rdflow.dsl.waits import READ, WRITTEN, Access, wait_level


def elaborate(kernel: Kernel, form: Choose = direct) -> Netlist:
    """The netlist of a kernel. `form` chooses how sums over sockets are made, by what they move."""
    return _Elaboration(kernel, form).run()


class _Elaboration:
    """A kernel while its netlist is made."""

    def __init__(self, kernel: Kernel, form: Choose):
        self.kernel = kernel
        self.form = form
        self.nets = Nets(kernel)
        self.tensors: dict[tuple[str, int, int], int] = {}  # (tensor, version, socket) -> memory
        self.uses: dict[str, int] = {}
        self.feedback: list[tuple[Carry, list[Draft]]] = []
        self.touched: list[tuple[Access, Draft]] = []  # the actors that end loads and stores, so far

    def run(self) -> Netlist:
        for tensor in self.kernel.tensors.values():
            self._use(tensor)
        for line in self.kernel.lines:
            self._line(line)
        for carry, drafts in self.feedback:
            self._close(carry, drafts)
        connect_scalars(self.nets)
        return self.nets.finish()

    def _line(self, line: Line) -> None:
        match line:
            case Load():
                self._load(line)
            case Store():
                self._store(line)
            case Hold():
                elaborate_hold(self.nets, line)
            case Compute():
                elaborate_compute(self.nets, line, line.stream.name, self.form)
            case Carry():
                self._carry(line)
            case Route():
                elaborate_route(self.nets, line)

    # -- memory --------------------------------------------------------------------------------------------------------

    def _use(self, tensor: Tensor) -> int:
        """The tensor as the netlist knows it: rows padded to whole bursts, what is sharded on each socket once."""
        strides: list[int] = []
        sharded = sharded_axis(tensor)
        step = BYTES[tensor.dtype]
        for number in reversed(range(len(tensor.axes))):
            strides.append(0 if number == sharded else step)
            step *= 1 if number == sharded else tensor.axes[number].length
            if len(strides) == 1 and len(tensor.axes) > 1:
                step = -(-step // PACKET_BYTES) * PACKET_BYTES
        use = TensorUse(
            tensor.name,
            tensor.shape,
            tensor.dtype,
            tensor.tier,
            tensor.direction,
            tuple(reversed(strides)),
            -(-step // PACKET_BYTES) * PACKET_BYTES,
            sharded,
        )
        self.nets.netlist.tensors.append(use)
        self.uses[tensor.name] = len(self.nets.netlist.tensors) - 1
        return self.uses[tensor.name]

    def _memory(self, tensor: Tensor, version: int, socket: int) -> int:
        """The words of one version of a tensor on a socket. All start from what the kernel is given; a store writes its
        own and all later ones."""
        key = (tensor.name, version, socket)
        if key not in self.tensors:
            number = self.uses[tensor.name]
            sharded = sharded_axis(tensor)
            words = prod(n for i, n in enumerate(tensor.shape) if i != sharded) or 1
            name = tensor.name + (f"#{version}" if version else "")
            self.tensors[key] = self.nets.memory(name, words, number, socket)
        return self.tensors[key]

    def _address(self, view: TensorView, strides: Sequence[int]) -> Linear:
        total = Linear()
        for index, stride in zip(view.indices, strides, strict=True):
            total = total.plus(index.times(stride))
        return total

    def _elements(self, tensor: Tensor) -> list[int]:
        strides, step = [], 1
        sharded = sharded_axis(tensor)
        for number in reversed(range(len(tensor.axes))):
            strides.append(0 if number == sharded else step)
            step *= 1 if number == sharded else tensor.axes[number].length
        return strides[::-1]

    def _bursts(self, view: TensorView, order_lanes: Sequence[Digit]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Loops over the 64-byte bursts of a token and their address steps: one for each lane across a slow axis."""
        strides = self.nets.netlist.tensors[self.uses[view.tensor.name]].strides
        address = dict(self._address(view, strides).terms)
        sizes: list[int] = []
        steps: list[int] = []
        span = BYTES[view.tensor.dtype]
        for digit in reversed(order_lanes):
            step = abs(address.get(digit, 0))
            if step >= PACKET_BYTES and step > span:
                sizes.insert(0, digit.extent)
                steps.insert(0, step)
            else:
                span = max(span, step * (digit.extent - 1) + span)
        others = [abs(c) for d, c in address.items() if d not in order_lanes]
        shift = gcd(PACKET_BYTES, *others) if others else PACKET_BYTES
        touched = (
            -(-(span + PACKET_BYTES - shift) // PACKET_BYTES)
            if span + PACKET_BYTES - shift > PACKET_BYTES and span > shift
            else -(-span // PACKET_BYTES)
        )
        if touched > 1:
            sizes.append(touched)
            steps.append(PACKET_BYTES)
        return tuple(sizes), tuple(steps)

    def _mem(self, rows: Rows, view: TensorView, memory: int, lanes: Sequence[Digit], first_gather: int) -> Mem:
        """The words of a token: address of its first lane, offsets of the others, gathers added."""
        strides = self._elements(view.tensor)
        linear = self._address(view, strides)
        by_digit = dict(linear.terms)
        outside = linear.outside(lanes)
        dynamic: list[tuple[Operand, int]] = []
        for gather, stride in zip(view.gathers, strides, strict=True):
            if gather is not None:
                dynamic.append((In(first_gather + len(dynamic)), stride))
        return Mem(memory, rows.draft.affine(outside), lane_values(lanes, by_digit), dynamic=tuple(dynamic))

    def _checks(self, view: TensorView) -> list[tuple[Linear, Linear]]:
        """Conditions for indices that may leave the tensor by a view: 0 <= index < length."""
        found = []
        for index, axis in zip(view.indices, view.tensor.axes, strict=True):
            if index.low < 0 or index.arguments:
                found.append((Linear(-1), index))
            plain_index = index.const == 0 and all(c > 0 for _, c in index.terms)
            if not plain_index and index.high >= axis.length or index.arguments:
                found.append((index, Linear(axis.length)))
        return found

    def _load(self, load: Load) -> None:
        """A requester, a burst a firing, and a responder that pushes tokens in order."""
        nets, view, order = self.nets, load.view, load.stream.order
        unit = nets.unit(self._agcu(load.stream.name, "load", load, order.copies + load.streams))
        sizes, steps = self._bursts(view, order.lanes)
        time = without(order.time, load.streams)
        strides = nets.netlist.tensors[self.uses[view.tensor.name]].strides
        address = self._address(view, strides)
        base = address.outside(order.lanes)
        endpoints: list[Endpoint] = []
        pairs: list[tuple[Draft, Draft]] = []
        for space in nets.copies((*order.space, *load.streams), order.sockets):
            request = nets.draft(f"{load.stream.name}.request", unit, "request", time, order, space, sizes)
            respond = nets.draft(f"{load.stream.name}.respond", unit, "respond", time, order, space, sizes)
            affine = request.affine(base)
            by_loop = affine.by_loop[: len(time)] + steps
            gathers = self._indexed(view, len(request.scalars))
            request.burst = Burst(self.uses[view.tensor.name], affine._replace(by_loop=by_loop), gathers)
            pairs.append((request, respond))
        self._gathers(view, [d for pair in pairs for d in pair], order.time)
        for request, respond in pairs:
            self._wait(load, request)
            nets.token(request, respond, ALWAYS, ALWAYS, load.stream.name, server="memory")
            rows = Rows(respond, order.lanes, respond.ends(len(time)))
            memory = self._memory(view.tensor, view.version, respond.socket)
            mem = self._mem(rows, view, memory, order.lanes, len(respond.scalars))
            predicate = rows.predicate(self._checks(view), self._strays(view, len(respond.scalars)))
            value = rows.add("read", (mem, predicate) if predicate is not None else (mem,))
            endpoints.append(Endpoint(respond, rows.gate, value.index, prod(sizes)))
        nets.define(load.stream, endpoints)
        self.touched += [(load, respond) for _, respond in pairs]

    def _wait(self, access: Access, draft: Draft) -> None:
        """A load waits for the stores above it, a store for the loads above it (A9)."""
        tensor = access.view.tensor.name
        for above, done in self.touched:
            if above.view.tensor.name != tensor or type(above) is type(access) or done.socket != draft.socket:
                continue
            level = wait_level(self.nets.nests, above, done.space, access, draft.space)
            if level is not None:
                turns = prod(loop.size for loop in done.loops[:level])  # room for all tokens: the one above never waits
                push, what = done.ends(level), f"{tensor} {WRITTEN if isinstance(above, Store) else READ}"
                self.nets.token(done, draft, push, draft.starts(level), what, slots=turns)

    def _gathers(self, view: TensorView, drafts: Sequence[Draft], time: Sequence[Digit]) -> None:
        """Give the index streams of a view to the actors that address by them."""
        for gather in view.gathers:
            if gather is not None:
                level = sum(1 for d in time if d in gather.order.time)
                connect(self.nets, self.nets.sources[gather.name], [Sink(d, d.starts(level)) for d in drafts])

    def _indexed(self, view: TensorView, first: int) -> tuple[tuple[int, int, int], ...]:
        """What the index streams of a view, at input ports from `first` on, add to addresses."""
        strides = self.nets.netlist.tensors[self.uses[view.tensor.name]].strides
        axes = zip(view.gathers, strides, view.tensor.axes, strict=True)
        found = [(stride, axis.length) for gather, stride, axis in axes if gather is not None]
        return tuple((first + i, stride, length) for i, (stride, length) in enumerate(found))

    def _strays(self, view: TensorView, first: int) -> tuple[tuple[int, int], ...]:
        """Input ports of index streams, from `first` on, whose tokens may lead to another element, and the lengths of their
        axes. An index of the outermost axis alone leads out of the tensor, where nothing is."""
        lengths = [
            axis.length for gather, axis in zip(view.gathers, view.tensor.axes, strict=True) if gather is not None
        ]
        if len(lengths) == 1 and view.gathers[0] is not None:
            return ()
        return tuple((first + i, length) for i, length in enumerate(lengths))

    def _store(self, store: Store) -> None:
        """Writes a token, a burst a firing; the acknowledgements bound what is outstanding."""
        nets, view, order = self.nets, store.view, store.source.order
        name = f"store.{store.source.name}"
        unit = nets.unit(self._agcu(name, "store", store, order.copies + store.streams))
        sizes, steps = self._bursts(view, order.lanes)
        time = without(order.time, store.streams)
        strides = nets.netlist.tensors[self.uses[view.tensor.name]].strides
        address = self._address(view, strides)
        base = address.outside(order.lanes)
        drafts: list[Draft] = []
        for space in nets.copies((*order.space, *store.streams), order.sockets):
            draft = nets.draft(name, unit, "store", time, order, space, sizes)
            affine = draft.affine(base)
            by_loop, gathers = affine.by_loop[: len(time)] + steps, self._indexed(view, len(draft.scalars) + 1)
            draft.burst = Burst(self.uses[view.tensor.name], affine._replace(by_loop=by_loop), gathers)
            drafts.append(draft)
        source = nets.sources[store.source.name]
        connect(nets, source, [Sink(d, d.starts(len(time)), firings=prod(sizes)) for d in drafts])
        self._gathers(view, drafts, order.time)
        for draft in drafts:
            self._written(draft, store, source, time)
            self._wait(store, draft)
            acknowledge = nets.draft(f"{name}.acknowledge", unit, "acknowledge", time, order, draft.space, sizes)
            nets.token(draft, acknowledge, ALWAYS, ALWAYS, name, server="memory")
            self.touched.append((store, acknowledge))

    def _written(self, draft: Draft, store: Store, source: Source, time: Sequence[Digit]) -> None:
        """The rows that write a token's words, those outside of the tensor or its bounds left out."""
        view, order = store.view, store.source.order
        rows = Rows(draft, order.lanes, draft.starts(len(time)))
        data = len(draft.scalars)
        value = rows.operand(data, source.lanes)
        roots = [d.root for d in order.digits]
        checks = conditions(self.nets.nests, time, (*order.space, *store.streams), order.lanes, order, roots)
        predicate = rows.predicate([*checks, *self._checks(view)], self._strays(view, data + 1))
        args = (value, predicate) if predicate is not None else (value,)
        for version in range(view.version + 1, self._versions(view.tensor) + 1):
            out = self._mem(rows, view, self._memory(view.tensor, version, draft.socket), order.lanes, data + 1)
            draft.rows.append(Row("write", out, args, rows.width, rows.gate))

    def _versions(self, tensor: Tensor) -> int:
        """How often the kernel stores a tensor."""
        return sum(1 for line in self.kernel.lines if isinstance(line, Store) and line.view.tensor.name == tensor.name)

    def _agcu(self, name: str, verb: str, line: Load | Store, space: Sequence[Digit]) -> UnitInfo:
        order = line.stream.order if isinstance(line, Load) else line.source.order
        copies = max(1, prod(d.extent for d in space))
        return UnitInfo(name, "agcu", verb, line.span, self.kernel.writer.order(order), copies, agcus=1)

    # -- carries -------------------------------------------------------------------------------------------------------

    def _carry(self, carry: Carry) -> None:
        """Selects the initial value in the first iteration, the feedback after it."""
        nets, order = self.nets, carry.stream.order
        inside = order.time[1 + max((order.time.index(d) for d in carry.over), default=-1) :]
        size = prod(d.extent for d in inside) * max(1, order.width * BYTES[carry.stream.dtype])
        big = prod(d.extent for d in inside) > 16
        info = UnitInfo(
            carry.stream.name,
            "pmu" if big else "pcu",
            "carry",
            carry.span,
            nets.kernel.writer.order(order),
            max(1, prod(d.extent for d in order.copies)),
            0 if big else 1,
            -(-size // PMU_BYTES) if big else 0,
            0,
            size if big else 0,
        )
        unit = nets.unit(info)
        drafts = []
        endpoints = []
        for space in nets.copies(order.space, order.sockets):
            draft = nets.draft(carry.stream.name, unit, "carry", order.time, order, space)
            draft.interval = 1
            drafts.append(draft)
        first = [Gate(first=d.mask(carry.over)) for d in drafts]
        later = [Gate(not_first=d.mask(carry.over)) for d in drafts]
        if isinstance(carry.initial, Stream):
            connect(nets, nets.sources[carry.initial.name], [Sink(d, g) for d, g in zip(drafts, first, strict=True)])
        for draft, start, after in zip(drafts, first, later, strict=True):
            endpoints.append(self._selected(draft, carry, start, after))
        nets.define(carry.stream, endpoints)
        if carry.over:
            self.feedback.append((carry, drafts))

    def _selected(self, draft: Draft, carry: Carry, start: Gate, after: Gate) -> Endpoint:
        order = carry.stream.order
        out = draft.temp()
        initial: Operand
        first = len(draft.scalars)
        if isinstance(carry.initial, Stream):
            initial = Rows(draft, order.lanes).operand(first, self.nets.sources[carry.initial.name].lanes)
            back: Operand = In(first + 1)
        else:
            initial, back = Const(carry.initial), In(first)
        rows = Rows(draft, order.lanes)
        draft.rows.append(Row("copy", out, (initial,), rows.width, start))
        if carry.over:  # a loop of one iteration has no feedback
            draft.rows.append(Row("copy", out, (back,), rows.width, after))
        return Endpoint(draft, ALWAYS, out.index)

    def _close(self, carry: Carry, drafts: Sequence[Draft]) -> None:
        """Connect the feedback, whose last iteration is dropped."""
        order = carry.stream.order
        inside = order.time[1 + max((order.time.index(d) for d in carry.over), default=-1) :]
        slots = prod(d.extent for d in inside) + 16
        source = self.nets.sources[carry.feedback]
        sinks = [Sink(d, Gate(not_first=d.mask(carry.over))) for d in drafts]
        connect(self.nets, source, sinks, slots=slots, not_last=carry.over)


def sharded_axis(tensor: Tensor) -> int | None:
    """The axis of a tensor of which each socket has one index."""
    return next((i for i, a in enumerate(tensor.axes) if tensor.sharded[i] and a.length > 1), None)
