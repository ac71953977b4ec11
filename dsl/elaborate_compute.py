"""Compute lines as actors: maps, folds, trees over lanes and copies, systolic bodies with their drains (A4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

from rdflow.dsl.all_reduce import reduce_over_sockets
from rdflow.dsl.axes import Digit, Linear, renames, strides, without
from rdflow.dsl.checked import Compute, Reduction, Result
from rdflow.dsl.collectives import Choose, Collective
from rdflow.dsl.drafts import Draft, Endpoint, Sink, Source
from rdflow.dsl.formulas import line_flops, stage_digits
from rdflow.dsl.joins import connect
from rdflow.dsl.lanes import lane_table
from rdflow.dsl.masks import conditions
from rdflow.dsl.netlist import ALWAYS, LANES, Gate, In, Mem, Operand, Port, Row, Temp, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import PMU_BYTES, Order, packets
from rdflow.dsl.rows import Rows
from rdflow.dsl.sockets import SOCKET, chips

ADDER = 8  # cycles of an accumulation: a token of an outer reduction is visited again no sooner (A4)
QUEUE_PACKETS = 16  # accumulators that fit the unit's own queue; more are charged to PMUs
COMBINE: dict[str, dict[str, str]] = {
    "f": {"sum": "add", "max": "max", "min": "min"},
    "i": {"sum": "iadd", "max": "imax", "min": "imin"},
}
IDENTITY: dict[str, tuple[float, int]] = {
    "sum": (0.0, 0),
    "max": (float("-inf"), -(2**31)),
    "min": (float("inf"), 2**31 - 1),
    "argmax": (float("-inf"), -(2**31)),
}


def elaborate_compute(nets: Nets, line: Compute, form: Choose) -> None:
    """Add the actors of a line and define its streams. `form` chooses how a sum over sockets is made."""
    _Line(nets, line, form).run()


class _Line:
    """One line while its actors are made."""

    def __init__(self, nets: Nets, line: Compute, form: Choose):
        self.nets, self.line, self.form = nets, line, form
        self.space = line.copies + line.sockets
        self.reduced = tuple(dict.fromkeys(d for r in line.results if r.reduction for d in r.reduction.time))
        self.tree = tuple(d for r in line.results if r.reduction for d in r.reduction.copies)
        self.across = tuple(dict.fromkeys(d for r in line.results if r.reduction for d in r.reduction.sockets))
        self.order = self._bounds()
        self.name = line.stream.name
        self.unit = nets.unit(self._info())
        self.arrays: dict[int, int] = {}  # of each drain, the memory of the arrays that it reads

    def _bounds(self) -> Order:
        """The nest with the bounds of all inputs."""
        bounds = {root: limit for i in self.line.inputs for root, limit in i.order.bounds}
        return Order(self.line.nest, self.line.copies, self.line.sockets, self.line.lanes, tuple(bounds.items()))

    def run(self) -> None:
        line, nets = self.line, self.nets
        spaces = nets.copies(self.space, chips(line))
        bodies = [self._body(space) for space in spaces]
        drains = [self._drain(body) for body in bodies] if line.systolic else bodies
        ports = self._inputs(bodies, drains)
        if line.systolic:
            for body, drain in zip(bodies, drains, strict=True):
                self._array(body, drain, ports)
        endpoints: list[list[Endpoint]] = [[] for _ in line.results]
        for drain in drains:
            self._results(drain, ports, endpoints)
        for result, found in zip(line.results, endpoints, strict=True):
            nets.define(result.stream, found)
            if self.tree:
                nets.define(result.stream, self._combine(result, found))
            if self.across:
                self._over_sockets(result)

    # -- actors --------------------------------------------------------------------------------------------------------

    def _body(self, space: dict[Digit, int]) -> Draft:
        line = self.line
        draft = self.nets.draft(
            self.name, self.unit, "systolic" if line.systolic else "pcu", line.nest, self.order, space
        )
        draft.stages = self.nets.stages * line.chain
        if not line.systolic:
            draft.interval = self._interval()
        return draft

    def _interval(self) -> int:
        """At least the adder's latency between two visits of one accumulator."""
        inside = self._inside()
        tokens = prod(d.extent for d in inside)
        folds = self.reduced and inside and self.line.nest[-1] not in self.reduced
        return max(1, -(-ADDER // tokens)) if folds else 1

    def _inside(self) -> tuple[Digit, ...]:
        """Kept loops inside the outermost reduced one: each has an accumulator."""
        if not self.reduced:
            return ()
        first = min(self.line.nest.index(d) for d in self.reduced)
        return without(self.line.nest[first:], self.reduced)

    def _drain(self, body: Draft) -> Draft:
        """Reads the array that the body has summed, one stage a firing; two arrays, so that the body goes on meanwhile."""
        line = self.line
        split = self._split()
        body.tile_level = split
        digits = (*line.nest[:split], *stage_digits(self.line))
        drain = self.nets.draft(f"{self.name}.drain", self.unit, "drain", digits, self.order, body.space)
        drain.stages, drain.tile_level = self.nets.stages, split
        push = body.ends(split)
        self.nets.token(body, drain, push, drain.starts(split), "array", slots=2)
        self.nets.token(drain, body, drain.ends(split), body.starts(split), "bank", slots=2, initial=2)
        return drain

    def _split(self) -> int:
        """The loops outside of the reduced ones at the end of the nest."""
        split = len(self.line.nest)
        while split and self.line.nest[split - 1] in self.reduced:
            split -= 1
        return split

    def _inputs(self, bodies: Sequence[Draft], drains: Sequence[Draft]) -> dict[int, int]:
        """Connect the operands; input number -> port number (of the body, or of the drain for those read once a result)."""
        ports: dict[int, int] = {}
        for number, operand in enumerate(self.line.inputs):
            if operand.at_result and (self.tree or self.across):
                continue
            targets = drains if operand.at_result else bodies
            sinks = [Sink(d, self._gate(d, number)) for d in targets]
            ports[number] = len(targets[0].inputs)
            connect(self.nets, self._source(number), sinks)
        return ports

    def _source(self, number: int) -> Source:
        operand = self.line.inputs[number]
        source = self.nets.sources[operand.stream.name]
        return source.renamed(renames(operand.stream.order.digits, operand.order.digits))

    def _gate(self, draft: Draft, number: int) -> Gate:
        """When an operand is popped: where its loops start anew; for those read once a result, at the last reduced iteration."""
        operand = self.line.inputs[number]
        if not operand.at_result:
            return draft.starts(operand.level)
        kept = [d for d in draft.digits if d is not None and d not in self.reduced]
        return Gate(first=draft.mask(kept[operand.level :]), last=draft.mask(self.reduced))

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _stream(self, rows: Rows, ports: dict[int, int]) -> Callable[[int], Operand]:
        seen: dict[int, Operand] = {}

        def operand(number: int) -> Operand:
            if number not in seen:
                gate, rows.gate = rows.gate, ALWAYS
                have = self._source(number).lanes
                if number == self.line.narrow and self.line.outer:
                    seen[number] = rows.narrow(ports[number], have, self.line.nest)
                else:
                    seen[number] = rows.operand(ports[number], have)
                rows.gate = gate
            return seen[number]

        return operand

    def _array(self, body: Draft, drain: Draft, ports: dict[int, int]) -> None:
        """The row of a systolic firing and the memory of its two arrays."""
        line = self.line
        stages = stage_digits(self.line)
        memory = self.nets.memory(f"{body.name}.array", 2 * self.nets.stages * LANES, socket=body.socket)
        self.arrays[drain.number] = memory
        rows = Rows(body, line.lanes)
        wide = rows.operand(ports[line.wide], self._source(line.wide).lanes)
        have = self._source(line.narrow).lanes
        table = lane_table(have, stages, body.space)
        suffix = line.nest[self._split() :]
        checks = conditions(self.nets.nests, line.nest, self.space, (), self.order, [d.root for d in suffix])
        narrow = rows.operand(ports[line.narrow], have, have)
        if checks:
            wide = rows.masked(wide, "f", checks, 0.0)
            narrow = Rows(body, tuple(have)).masked(narrow, "f", checks, 0.0)
        bank = Mem(memory, body.affine(Linear()), tuple(range(LANES)), self.nets.stages * LANES, 2)
        init = Gate(first=body.mask(suffix))
        body.rows.append(Row("systolic", bank, (wide, narrow), rows.width, ALWAYS, init, table))

    def _drained(self, drain: Draft, rows: Rows) -> Operand:
        """The sums of one stage, read from the array."""
        stages = stage_digits(self.line)
        memory = self.arrays[drain.number]
        weights = strides(stages)
        address = drain.affine(Linear.of(0, {d: w * LANES for d, w in weights.items()}))
        return rows.add("read", (Mem(memory, address, tuple(range(rows.width)), self.nets.stages * LANES, 2),))

    def _results(self, draft: Draft, ports: dict[int, int], endpoints: list[list[Endpoint]]) -> None:
        """The rows of every result on one copy, and where it leaves."""
        rows = Rows(draft, self.line.lanes)
        stream = self._stream(rows, ports)
        left: list[Operand] = []
        for number, result in enumerate(self.line.results):
            gate = Gate(last=draft.mask(result.reduction.time)) if result.reduction else ALWAYS
            value = self._value(draft, rows, result, stream, left, gate)
            left.append(value)
            assert isinstance(value, Temp)
            endpoints[number].append(Endpoint(draft, gate, value.index))

    def _value(
        self,
        draft: Draft,
        rows: Rows,
        result: Result,
        stream: Callable[[int], Operand],
        left: list[Operand],
        gate: Gate,
    ) -> Operand:
        done: dict[int, Operand] = {}
        rows.gate = ALWAYS
        reduction = result.reduction
        if reduction is None:
            value = rows.ops(result.ops, result.value, stream, left.__getitem__, None, done)
            return rows.rounded(value, result.stream.dtype)
        if self.line.systolic:
            reduced = self._drained(draft, rows)
            outer = tuple(d for d in reduction.time if d in draft.digits)
            reduced = self._fold(draft, rows, replace(reduction, time=outer), reduced, "f") if outer else reduced
        else:
            inner = rows.ops(result.ops, reduction.value, stream, left.__getitem__, None, done)
            reduced = self._reduce(draft, rows, reduction, inner, result.ops[reduction.value].kind, gate)
        if reduction.copies or reduction.sockets:
            rows.gate = gate
            return reduced if isinstance(reduced, Temp) else rows.add("copy", (reduced,))
        rows.gate = gate
        return self._finish(rows, result, stream, left, reduced)

    def _finish(
        self, rows: Rows, result: Result, stream: Callable[[int], Operand], left: list[Operand], reduced: Operand
    ) -> Temp:
        """What is done once a result: the factors outside of the sum, and the rounding."""
        after = Rows(rows.draft, result.stream.order.lanes, rows.gate)
        value = after.ops(result.ops, result.value, stream, left.__getitem__, reduced, {})
        return after.rounded(value, result.stream.dtype)

    def _reduce(self, draft: Draft, rows: Rows, reduction: Reduction, value: Operand, kind: str, gate: Gate) -> Operand:
        """Fold over time, then the tree over lanes."""
        if reduction.op == "last":
            return value
        value = self._masked(rows, reduction, value, kind)
        if reduction.time:
            value = self._fold(draft, rows, reduction, value, kind)
        elif reduction.op == "argmax":
            value = self._fold_once(draft, rows, reduction, self._float(rows, value, kind))
        rows.gate = gate
        if not reduction.lanes:
            return self._argmax_index(rows, reduction, value)
        if reduction.op == "argmax":
            assert isinstance(value, Mem)
            best = rows.add("read", (value,))
            index = rows.add("read", (_shifted(value, LANES),))
            return rows.add("tree.argmax", (best, index), width=rows.width)
        if isinstance(value, Mem):
            value = rows.add("read", (value,))
        return rows.add(f"tree.{'i' if kind == 'i' else ''}{reduction.op}", (value,), width=rows.width)

    def _masked(self, rows: Rows, reduction: Reduction, value: Operand, kind: str) -> Operand:
        digits = (*reduction.time, *reduction.lanes, *reduction.copies, *reduction.sockets)
        checks = conditions(
            self.nets.nests, self.line.nest, self.space, self.line.lanes, self.order, [d.root for d in digits]
        )
        identity = IDENTITY[reduction.op][0 if kind == "f" else 1]
        return rows.masked(value, kind, checks, identity)

    def _fold(self, draft: Draft, rows: Rows, reduction: Reduction, value: Operand, kind: str) -> Operand:
        """Accumulate over the reduced loops: one accumulator for each iteration of the kept loops inside them."""
        loops = tuple(d for d in draft.digits if d is not None)
        first = min(loops.index(d) for d in reduction.time)
        inside = without(loops[first:], reduction.time)
        width = 2 * LANES if reduction.op == "argmax" else LANES
        memory = self.nets.memory(
            f"{draft.name}.{len(draft.rows)}.sum", width * prod(d.extent for d in inside), socket=draft.socket
        )
        weights = strides(inside)
        address = draft.affine(Linear.of(0, {d: w * width for d, w in weights.items()}))
        accumulator = Mem(memory, address, tuple(range(rows.width)))
        init = Gate(first=draft.mask(reduction.time))
        args: tuple[Operand, ...] = (value,)
        name = f"fold.{'i' if kind == 'i' else ''}{reduction.op}"
        if reduction.op == "argmax":
            assert reduction.index is not None
            args, name = (self._float(rows, value, kind), rows.index(reduction.index)), "fold.argmax"
        draft.rows.append(Row(name, accumulator, args, rows.width, ALWAYS, init))
        return accumulator

    def _fold_once(self, draft: Draft, rows: Rows, reduction: Reduction, value: Operand) -> Mem:
        assert reduction.index is not None
        memory = self.nets.memory(f"{draft.name}.{len(draft.rows)}.best", 2 * LANES, socket=draft.socket)
        accumulator = Mem(memory, draft.affine(Linear()), tuple(range(rows.width)))
        args: tuple[Operand, ...] = (value, rows.index(reduction.index))
        draft.rows.append(Row("fold.argmax", accumulator, args, rows.width, ALWAYS, ALWAYS))
        return accumulator

    def _float(self, rows: Rows, value: Operand, kind: str) -> Operand:
        return rows.add("tofloat", (value,)) if kind == "i" else value

    def _argmax_index(self, rows: Rows, reduction: Reduction, value: Operand) -> Operand:
        if reduction.op == "argmax":
            assert isinstance(value, Mem)
            return rows.add("read", (_shifted(value, LANES),))
        return rows.add("read", (value,)) if isinstance(value, Mem) else value

    # -- trees over copies ---------------------------------------------------------------------------------------------

    def _combine(self, result: Result, partial: Sequence[Endpoint]) -> list[Endpoint]:
        """A tree of units over the reduced copies, by halves; its root does what is done once a result."""
        reduction = result.reduction
        assert reduction is not None
        kept = without(self.space, reduction.copies)
        op = COMBINE[result.ops[reduction.value].kind][reduction.op]
        groups: dict[tuple[int, ...], list[Endpoint]] = {}
        for endpoint in partial:
            own = endpoint.draft.space
            groups.setdefault((*(own[d] for d in kept), own.get(SOCKET, 0)), []).append(endpoint)
        tops: list[tuple[Draft, Operand]] = []
        for nodes in groups.values():
            space = {d: v for d, v in nodes[0].draft.space.items() if d not in reduction.copies}
            tops.append(self._tree(result, nodes, space, op))
        if self.across:
            return [_unfinished(draft, value, result) for draft, value in tops]
        return self._finished(result, tops)

    def _finished(self, result: Result, tops: Sequence[tuple[Draft, Operand]]) -> list[Endpoint]:
        """What is done once a result, in actors that have the reduced value as an operand."""
        ports: dict[int, int] = {}
        roots = [draft for draft, _ in tops]
        for number, operand in enumerate(self.line.inputs):
            if operand.at_result:
                ports[number] = len(roots[0].inputs)
                connect(self.nets, self._source(number), [Sink(d, d.starts(operand.level)) for d in roots])
        endpoints = []
        for draft, value in tops:
            rows = Rows(draft, result.stream.order.lanes)
            out = self._finish(rows, result, self._stream(rows, ports), [], value)
            endpoints.append(Endpoint(draft, ALWAYS, out.index))
        return endpoints

    # -- over sockets --------------------------------------------------------------------------------------------------

    def _over_sockets(self, result: Result) -> None:
        """A collective over the links; what is done once a result comes before the results are spread, unless it reads
        streams."""
        late = _reads(result)
        reduction, source = result.reduction, self.nets.sources[result.stream.name]
        assert reduction is not None
        summed = result.ops[reduction.value]
        plain_stream = summed.name == "stream" and not (reduction.time + reduction.lanes + self.tree)
        partial = self.line.inputs[summed.source].stream.dtype if plain_stream else "f32"
        kind = summed.kind

        def finish(rows: Rows, reduced: Operand) -> Temp:
            if late:
                return rows.rounded(reduced, "f32")
            return self._finish(rows, result, self._stream(rows, {}), [], reduced)

        task = Collective(
            self.nets,
            result.stream,
            f"{'i' if kind == 'i' else ''}{reduction.op}",
            COMBINE[kind][reduction.op],
            reduction.sockets,
            replace(source, dtype=partial),
            "f32" if late else result.stream.dtype,
            finish,
        )
        endpoints = reduce_over_sockets(task, self.form)
        if late:
            self.nets.sources[result.stream.name] = replace(source, dtype="f32", endpoints=tuple(endpoints))
            endpoints = self._at_the_end(result)
        self.nets.define(result.stream, endpoints)

    def _at_the_end(self, result: Result) -> list[Endpoint]:
        """A unit on every socket for what reads other streams once a result."""
        source = self.nets.sources[result.stream.name]
        drafts = [self._node(e.draft.space) for e in source.endpoints]
        connect(self.nets, source, [Sink(d, d.starts(len(d.loops))) for d in drafts])
        return self._finished(result, [(draft, In(len(draft.scalars))) for draft in drafts])

    def _tree(self, result: Result, nodes: list[Endpoint], space: dict[Digit, int], op: str) -> tuple[Draft, Operand]:
        """Combine endpoints pairwise by halves (number i with i + n/2, n the next power of two) down to one actor."""
        lanes = result.stream.order.lanes
        current: dict[int, Endpoint] = dict(enumerate(nodes))
        half = 1 << max(0, (len(nodes) - 1).bit_length() - 1)
        last: tuple[Draft, Operand] | None = None
        if len(nodes) == 1:
            draft = self._node(space)
            self._join(nodes[0], draft, lanes)
            return draft, In(len(draft.scalars))
        while half:
            for i in range(half):
                if i + half not in current:
                    continue
                draft = self._node(space)
                self._join(current[i], draft, lanes)
                self._join(current.pop(i + half), draft, lanes)
                rows = Rows(draft, lanes)
                first = len(draft.scalars)
                value = rows.add(op, (rows.operand(first, lanes), rows.operand(first + 1, lanes)))
                last = (draft, value)
                current[i] = Endpoint(draft, ALWAYS, value.index)
            half //= 2
        assert last is not None
        return last

    def _node(self, space: dict[Digit, int]) -> Draft:
        order = self.line.results[0].stream.order
        draft = self.nets.draft(f"{self.name}.tree", self.unit, "pcu", order.time, order, space)
        draft.stages = self.nets.stages
        return draft

    def _join(self, endpoint: Endpoint, draft: Draft, lanes: tuple[Digit, ...]) -> None:
        """A queue of f32 partial results from one actor to a node of the tree."""
        width = prod(d.extent for d in lanes)
        size = packets(width, "f32") if lanes else 1
        queue = self.nets.queue(endpoint.draft, draft, width, f"{self.name}.partial", packets=size)
        endpoint.draft.outputs.append(Port((queue,), endpoint.gate, size, source=endpoint.source))
        draft.inputs.append(Port((queue,), draft.starts(len(draft.loops)), size))

    # -- the unit table ------------------------------------------------------------------------------------------------

    def _info(self) -> UnitInfo:
        line = self.line
        copies = prod(d.extent for d in without(self.space, chips(line)))
        held = (
            prod(d.extent for d in self._inside()) * packets(prod(d.extent for d in line.lanes), "f32")
            if self.reduced
            else 0
        )
        big = held > QUEUE_PACKETS and not line.systolic
        size = held * 64 if big else 0
        order = self.nets.kernel.writer.order(line.results[-1].stream.order)
        return UnitInfo(
            self.name,
            "pcu",
            "pcu",
            line.span,
            order,
            copies,
            line.chain,
            -(-size // PMU_BYTES),
            0,
            size,
            line_flops(self.nets.kernel, line) * (1 if chips(line) else self.nets.sockets),
            line.systolic,
        )


def _reads(result: Result) -> bool:
    """Whether what is done once a result reads streams or counters."""
    assert result.reduction is not None
    left, seen = [result.value], {result.reduction.value}
    while left:
        number = left.pop()
        if number not in seen:
            seen.add(number)
            left.extend(result.ops[number].args)
            if result.ops[number].name in ("stream", "index"):
                return True
    return False


def _unfinished(draft: Draft, value: Operand, result: Result) -> Endpoint:
    """The root of a tree whose value goes on to be reduced over sockets."""
    rows = Rows(draft, result.stream.order.lanes)
    out = value if isinstance(value, Temp) else rows.add("copy", (value,))
    return Endpoint(draft, ALWAYS, out.index)


def _shifted(mem: Mem, words: int) -> Mem:
    return replace(mem, lanes=tuple(l + words for l in mem.lanes))
