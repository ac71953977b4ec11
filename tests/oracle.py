"""A second interpreter of the mapped netlist, deliberately naive: cycle by cycle, every actor every cycle.

It follows the contract (`rdflow.dsl.netlist`, `rdflow.interpreter.mapped`) to the letter and shares no code with the
product's engine. Actors are visited in another random order each cycle: the result may not depend on it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from types import MappingProxyType

import numpy as np

from rdflow.dsl import numerics
from rdflow.dsl.netlist import (
    LANES,
    Actor,
    Affine,
    Burst,
    Const,
    In,
    Index,
    Mem,
    Memory,
    Netlist,
    Operand,
    Port,
    Queue,
    Row,
    Temp,
)
from rdflow.interpreter.mapped import Mapped, QueueTiming, Server

Words = np.ndarray
"""Lanes of a value: 32-bit patterns in an int32 array, of length 1 when every lane holds the same."""


# -- what comes out ----------------------------------------------------------------------------------------------------


@dataclass
class Counts:
    """What an actor did. `first` and `last` are the cycles of its first and last firing, -1 if there was none."""

    firings: int = 0
    busy: int = 0
    starved: int = 0
    blocked: int = 0
    memory: int = 0
    link: int = 0
    first: int = -1
    last: int = -1


@dataclass
class Outcome:
    """The state at the stop. A token whose service is not decided yet has ready cycle None."""

    status: str
    cycles: int
    actors: list[Counts]
    pushes: list[int]
    pops: list[int]
    served: list[int]
    memories: list[Words]
    tokens: list[list[tuple[int | None, Words]]]


# -- queues and servers ------------------------------------------------------------------------------------------------


@dataclass
class Token:
    """`stage`: the stage of its queue that it is on its way to; `queued`: cycles that it stood in line at links."""

    ready: int | None
    value: Words
    stage: int = 0
    queued: int = 0


@dataclass
class Fifo:
    """The tokens on their way, and for each free slot the cycle from which it is free."""

    queue: Queue
    timing: QueueTiming
    tokens: deque[Token] = field(default_factory=deque)
    slots: deque[int] = field(default_factory=deque)
    pushes: int = 0
    pops: int = 0

    def __post_init__(self) -> None:
        self.tokens.extend(Token(0, nothing()) for _ in range(self.queue.initial))
        self.slots.extend(0 for _ in range(self.timing.slots - self.queue.initial))

    def has(self, count: int, t: int) -> bool:
        """The oldest `count` tokens are all there and ready."""
        return len(self.tokens) >= count and all(
            token.ready is not None and token.ready <= t for token in list(self.tokens)[:count]
        )

    def has_slot(self, t: int) -> bool:
        return bool(self.slots) and self.slots[0] <= t


@dataclass
class Shop:
    """A server at work: tokens in order of arrival, ties in rotating order after the last flow served."""

    server: Server
    free: Fraction = Fraction(0)
    last: int = -1
    served: int = 0

    def serve(self, arrival: int, waiting: list[tuple[int, Token]], fifos: list[Fifo]) -> list[tuple[int, Token, int]]:
        """Serve the tokens (with their queues) that arrive in one cycle; where each goes next, and when it is there."""
        groups: dict[tuple[int, int], list[tuple[int, Token]]] = {}
        for number, token in sorted(waiting, key=lambda w: w[0]):
            flow = flow_of(number, fifos)
            apart = 0 if self.server.shared else number  # elsewhere each token is served for itself
            groups.setdefault(((flow - self.last - 1) % len(fifos), apart), []).append((number, token))
        moved = []
        for _, group in sorted(groups.items()):
            start = max(Fraction(arrival), self.free)
            packets = fifos[group[0][0]].queue.packets
            self.free = start + packets * self.pace
            self.served += packets
            self.last = flow_of(group[0][0], fifos)
            moved += [(number, token, self.leaves(arrival, start, token, fifos[number])) for number, token in group]
        return moved

    @property
    def pace(self) -> Fraction:
        return Fraction(self.server.numerator, self.server.denominator)

    def leaves(self, arrival: int, start: Fraction, token: Token, fifo: Fifo) -> int:
        """When a token whose service starts then is at its next stage, or ready."""
        stages = fifo.timing.stages
        packets = fifo.queue.packets if token.stage == len(stages) - 1 else 1
        end = ceil(start + packets * self.pace)
        if self.server.shared:
            token.queued += end - (arrival + ceil(packets * self.pace))
        return end + stages[token.stage].after


def flow_of(number: int, fifos: list[Fifo]) -> int:
    flow = fifos[number].timing.flow
    return number if flow < 0 else flow


# -- an actor at work --------------------------------------------------------------------------------------------------


@dataclass
class Worker:
    """An actor and where it stands: the counters of its next firing and the ports that take part in it."""

    actor: Actor
    counters: list[int]
    held: list[Words]
    fifos: list[Fifo]
    tn: int = 0
    tiles: int = 0
    done: bool = False
    waits: dict[str, int] = field(default_factory=lambda: {"input": 0, "output": 0})
    counts: Counts = field(default_factory=Counts)
    at_first: int = 0
    at_last: int = 0
    pops: list[tuple[int, int, int]] = field(default_factory=list)
    """(input port, queue, tokens) of the next firing"""
    pushes: list[tuple[Port, int]] = field(default_factory=list)
    """(output port, queue) of the next firing"""
    interval: int = 1
    numbers: dict[int, int] = field(default_factory=dict)
    """by input port: how many tokens its queue had given before the last one"""
    missing: list[tuple[int, int, int]] = field(default_factory=list)
    """those of the pops whose tokens must be there before the rest of the next firing is known"""

    def look(self) -> None:
        """Work out the next firing from the counters, and from the tokens that say how often loops run."""
        actor, counters = self.actor, tuple(self.counters)
        self.at_first = sum(1 << l for l, i in enumerate(counters) if i == 0)
        fresh = [(n, actor.inputs[n]) for n in {loop.port for loop in actor.loops if loop.port >= 0}]
        fresh = [(n, p) for n, p in fresh if p.gate.open(self.at_first, 0)]
        peeked = {n: self.fifos[chosen(p, counters)].tokens for n, p in fresh}
        self.missing = [(n, chosen(p, counters), 1) for n, p in fresh if not peeked[n]]
        if self.missing:
            self.pops, self.pushes = self.missing, []
            return
        says = {n: int(tokens[0].value[0]) for n, tokens in peeked.items()}
        says = {loop.port: int(self.held[loop.port][0]) for loop in actor.loops if loop.port not in (-1, *says)} | says
        runs = [loop.iterations(counters, says.get(loop.port)) for loop in actor.loops]
        self.at_last = sum(1 << l for l, count in enumerate(runs) if counters[l] == count - 1)
        inputs = [(n, p, tokens(p, counters)) for n, p in enumerate(actor.inputs) if self.opens(p)]
        self.pops = [(n, chosen(p, counters), count) for n, p, count in inputs if count > 0]
        self.pushes = [(p, chosen(p, counters)) for p in actor.outputs if self.opens(p)]
        active = [p for _, p, count in inputs if count > 0] + [p for p, _ in self.pushes]
        self.interval = max([actor.interval, *(p.packets for p in active)])

    def opens(self, port: Port | Row) -> bool:
        return port.gate.open(self.at_first, self.at_last)

    def advance(self) -> None:
        """On to the next iteration of the nest."""
        depth = len(self.counters)
        tile = ((1 << depth) - 1) & ~((1 << self.actor.tile_level) - 1)
        if self.at_last & tile == tile:
            self.tiles += 1
        for l in reversed(range(depth)):
            if not self.at_last >> l & 1:
                self.counters[l] += 1
                self.look()
                return
            self.counters[l] = 0
        self.done = True


def tokens(port: Port, counters: tuple[int, ...]) -> int:
    """How many tokens an open input port pops."""
    return port.counts[counters[port.counted]] if port.counts else 1


def chosen(port: Port, counters: tuple[int, ...]) -> int:
    """The queue that a port uses in this firing."""
    return port.queues[port.select.at(counters) if len(port.queues) > 1 else 0]


# -- the run -----------------------------------------------------------------------------------------------------------


def simulate(
    mapped: Mapped,
    values: dict[int, np.ndarray] | None = None,
    until: int | None = None,
    limit: int = 10**7,
    seed: int = 0,
) -> Outcome:
    """Run to the end, or until all firings before cycle `until` are done. Without `values` nothing is computed.
    `seed` sets the order of visits, which changes nothing."""
    run = Run(mapped, values, seed)
    t = 0
    while True:
        if run.finished():
            return run.outcome("finished")
        if t == until:
            return run.outcome("stopped", t)
        if not run.cycle(t) and t >= run.horizon:
            return run.outcome("deadlock")
        t += 1
        if t > limit:
            raise RuntimeError(f"no end after {limit} cycles")


class Run:
    """The whole state. `horizon`: no time in the state is later."""

    def __init__(self, mapped: Mapped, values: dict[int, np.ndarray] | None, seed: int) -> None:
        netlist = mapped.netlist
        self.mapped = mapped
        self.values = values is not None
        self.fifos = [Fifo(q, t) for q, t in zip(netlist.queues, mapped.queues, strict=True)]
        self.shops = [Shop(s) for s in mapped.servers]
        self.arrivals: dict[int, dict[int, list[tuple[int, Token]]]] = {}
        self.memories = [filled(m.words, m.tensor, part(netlist, m, values or {})) for m in netlist.memories]
        self.workers = [
            Worker(a, [0] * len(a.loops), [nothing() for _ in a.inputs], self.fifos) for a in netlist.actors
        ]
        for worker in self.workers:
            worker.look()
        self.horizon = 0
        self.last = -1
        self.order = random.Random(seed)

    def finished(self) -> bool:
        return all(w.done for w in self.workers)

    def cycle(self, t: int) -> bool:
        """All that happens in cycle t; whether anything fired. A slot may be freed and used in the same cycle, so
        actors are visited until no more fire."""
        self.arrive(t)
        idle = [w for w in self.workers if not w.done and t >= w.tn]
        fired = False
        while True:
            self.order.shuffle(idle)
            still = [w for w in idle if not self.fires(w, t)]
            if len(still) == len(idle):
                break
            idle, fired = still, True
        for worker in idle:
            worker.waits["output" if self.fed(worker, t) else "input"] += 1
        return fired

    def arrive(self, t: int) -> None:
        """What the servers do in cycle t."""
        for server, waiting in self.arrivals.pop(t, {}).items():
            for number, token, cycle in self.shops[server].serve(t, waiting, self.fifos):
                token.stage += 1
                stages = self.fifos[number].timing.stages
                if token.stage == len(stages):
                    token.ready = cycle
                else:
                    self.arrivals.setdefault(cycle, {}).setdefault(stages[token.stage].server, []).append(
                        (number, token)
                    )
                self.horizon = max(self.horizon, cycle)

    def fed(self, worker: Worker, t: int) -> bool:
        return all(self.fifos[q].has(count, t) for _, q, count in worker.pops)

    def fires(self, worker: Worker, t: int) -> bool:
        """Fire if it may."""
        if worker.missing:
            worker.look()
        if not self.fed(worker, t) or not all(self.fifos[q].has_slot(t) for _, q in worker.pushes):
            return False
        self.count(worker, t)
        for n, q, count in worker.pops:
            worker.held[n] = self.pop(q, count, t)
            worker.numbers[n] = self.fifos[q].pops - 1
        temps = self.compute(worker) if self.values else {}
        for port, q in worker.pushes:
            value = temps[port.source] if self.values and port.source >= 0 else nothing()
            self.push(worker, q, value[: self.fifos[q].queue.width], t)
        worker.tn = t + worker.interval
        self.last = t
        self.horizon = max(self.horizon, worker.tn)
        worker.advance()
        return True

    def count(self, worker: Worker, t: int) -> None:
        counts, waits = worker.counts, worker.waits
        if self.waits_for_memory(worker):
            counts.memory += waits["input"]
        else:
            spent = self.waits_for_links(worker)
            counts.link += spent
            counts.starved += waits["input"] - spent
        counts.blocked += waits["output"]
        worker.waits = {"input": 0, "output": 0}
        counts.firings += 1
        counts.busy += worker.interval
        counts.first = t if counts.first < 0 else counts.first
        counts.last = t

    def waits_for_memory(self, worker: Worker) -> bool:
        """The token that was ready last, strictly, came through a memory channel."""
        latest = {True: -1, False: -1}
        for _, q, count in worker.pops:
            fifo = self.fifos[q]
            memory = fifo.queue.server == "memory"
            latest[memory] = max([latest[memory], *(token.ready or 0 for token in list(fifo.tokens)[:count])])
        return latest[True] > latest[False]

    def waits_for_links(self, worker: Worker) -> int:
        """Cycles of the wait that would not have been, had no token stood in line at a link."""
        popped = [token for _, q, count in worker.pops for token in list(self.fifos[q].tokens)[:count]]
        there = max([worker.tn, *(token.ready or 0 for token in popped)])
        eased = max([worker.tn, *((token.ready or 0) - token.queued for token in popped)])
        return there - eased

    def pop(self, q: int, count: int, t: int) -> Words:
        """Take `count` tokens and give their slots back; the value of the last."""
        fifo = self.fifos[q]
        value = nothing()
        for _ in range(count):
            value = fifo.tokens.popleft().value
            fifo.slots.append(t + fifo.timing.credit)
            fifo.pops += 1
        self.horizon = max(self.horizon, t + fifo.timing.credit)
        return value

    def push(self, worker: Worker, q: int, value: Words, t: int) -> None:
        fifo = self.fifos[q]
        fifo.slots.popleft()
        fifo.pushes += 1
        server = self.server(fifo, worker)
        arrival = t + (fifo.timing.latency if server is None else fifo.timing.first)
        token = Token(arrival if server is None else None, value)
        fifo.tokens.append(token)
        if server is not None:
            self.arrivals.setdefault(arrival, {}).setdefault(server, []).append((q, token))
        self.horizon = max(self.horizon, arrival)

    def server(self, fifo: Fifo, worker: Worker) -> int | None:
        """Of the first stage."""
        stages = fifo.timing.stages
        if not stages:
            return None
        if stages[0].server >= 0:
            return stages[0].server
        burst = worker.actor.burst
        assert isinstance(burst, Burst)
        first, count, base = self.mapped.channels[burst.tensor]
        first += worker.actor.socket * self.mapped.socket_servers
        return first + (base + burst.address.at(tuple(worker.counters)) + self.gathered(burst, worker)) // 64 % count

    def gathered(self, burst: Burst, worker: Worker) -> int:
        """What indices add to an address."""
        total = 0
        for port, stride, length in burst.gathers:
            if self.values:
                held = worker.held[port]
                total += min(max(int(held[0]) if len(held) else 0, 0), length - 1) * stride
            else:
                total += worker.numbers.get(port, 0) % length * stride
        return total

    def shortest_ways(self) -> dict[int, int]:
        """By server the cycles from a push to the nearest of those servers that queues join with it."""
        ways: dict[int, int] = {}
        for _ in self.shops:  # once more than the longest chain of joined servers
            for fifo in self.fifos:
                visited = self.visited(fifo)
                shortest = min([fifo.timing.first, *(ways[s] for s in visited if s in ways)])
                ways.update(dict.fromkeys(visited, shortest))
        return ways

    def visited(self, fifo: Fifo) -> list[int]:
        """The servers that tokens of a queue may visit."""
        found = [stage.server for stage in fifo.timing.stages]
        if found and found[0] < 0:
            burst = self.mapped.netlist.actors[fifo.queue.source].burst
            assert isinstance(burst, Burst)
            first, count, _ = self.mapped.channels[burst.tensor]
            first += self.mapped.netlist.actors[fifo.queue.source].socket * self.mapped.socket_servers
            return [*range(first, first + count), *found[1:]]
        return found

    def compute(self, worker: Worker) -> dict[int, Words]:
        firing = Firing(worker, self.memories)
        for row in worker.actor.rows:
            if worker.opens(row):
                firing.do(row)
        return firing.temps

    def outcome(self, status: str, until: int = 0) -> Outcome:
        """Tokens on their way to a server are served where no firing to come can get in before them: at a stop, those
        that arrive sooner than the shortest way to a server (of those that queues join) takes from there, at the end all.
        """
        ways = self.shortest_ways()
        while self.arrivals:
            t = min(self.arrivals)
            if status == "stopped":
                self.arrivals[t] = {s: w for s, w in self.arrivals[t].items() if t < until + ways[s]}
            self.arrive(t)
        return Outcome(
            status,
            self.last + 1,
            [w.counts for w in self.workers],
            [f.pushes for f in self.fifos],
            [f.pops for f in self.fifos],
            [s.served for s in self.shops],
            self.memories,
            [[(token.ready, token.value) for token in f.tokens] for f in self.fifos],
        )


# -- values ------------------------------------------------------------------------------------------------------------


def nothing() -> Words:
    return np.zeros(0, np.int32)


def part(netlist: Netlist, memory: Memory, values: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """The values of a memory's tensor, of which a socket may have one index of an axis."""
    if memory.tensor is None or memory.tensor not in values:
        return {}
    axis, array = netlist.tensors[memory.tensor].sharded, values[memory.tensor]
    return {memory.tensor: array if axis is None else array.take(memory.socket, axis)}


def filled(words: int, tensor: int | None, values: dict[int, np.ndarray]) -> Words:
    """A memory at the start: the words of its tensor, or zeros."""
    memory = np.zeros(words, np.int32)
    if tensor is not None and tensor in values:
        given = values[tensor].reshape(-1)
        given = given.astype(np.float32 if given.dtype.kind == "f" else np.int32)
        memory[: given.size] = given.view(np.int32)
    return memory


Unary = Callable[[np.ndarray], np.ndarray]
Binary = Callable[[np.ndarray, np.ndarray], np.ndarray]


def bools(test: Binary) -> Binary:
    return lambda a, b: test(a, b).astype(np.int32)


FLOAT_BINARY: MappingProxyType[str, Binary] = MappingProxyType(
    {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
    | {"max": numerics.maximum, "min": numerics.minimum}
    | {"lt": bools(np.less), "le": bools(np.less_equal), "eq": bools(np.equal), "ne": bools(np.not_equal)}
)
FLOAT_UNARY: MappingProxyType[str, Unary] = MappingProxyType(
    {"neg": np.negative, "abs": np.abs, "sqrt": np.sqrt, "toint": numerics.toint}
    | {"exp": numerics.exp, "log": numerics.log, "rsqrt": numerics.rsqrt, "bf16": numerics.bf16}
    | {"sigmoid": numerics.sigmoid, "tanh": numerics.tanh}
)
INT_BINARY: MappingProxyType[str, Binary] = MappingProxyType(
    {"iadd": np.add, "isub": np.subtract, "imul": np.multiply}
    | {"idiv": numerics.floordiv, "imod": numerics.floormod, "imax": np.maximum, "imin": np.minimum}
    | {"ilt": bools(np.less), "ile": bools(np.less_equal), "ieq": bools(np.equal), "ine": bools(np.not_equal)}
    | {"and": bools(np.logical_and), "or": bools(np.logical_or)}
)
INT_UNARY: MappingProxyType[str, Unary] = MappingProxyType(
    {
        "ineg": np.negative,
        "iabs": np.abs,
        "not": lambda a: (a == 0).astype(np.int32),
        "tofloat": lambda a: a.astype(np.float32),
        "int8": numerics.wrap8,
    }
)
INT_EXTREMES = np.iinfo(np.int32)
FOLDS: MappingProxyType[str, tuple[str, float | int]] = MappingProxyType(
    {
        "sum": ("add", 0.0),
        "max": ("max", -np.inf),
        "min": ("min", np.inf),
        "isum": ("iadd", 0),
        "imax": ("imax", INT_EXTREMES.min),
        "imin": ("imin", INT_EXTREMES.max),
    }
)


def words(value: np.ndarray) -> Words:
    return np.ascontiguousarray(value).view(np.int32)


def floats(value: Words) -> np.ndarray:
    return value.view(np.float32)


def constant(value: float | int) -> Words:
    return np.array([value], np.int32) if isinstance(value, int) else words(np.array([value], np.float32))


def elementwise(op: str, args: list[Words]) -> Words:
    """An elementwise operation on operands of equal length."""
    with np.errstate(all="ignore"):
        if op == "copy":
            return args[0].copy()
        if op == "where":
            return np.where(args[0] != 0, args[1], args[2])
        if op in FLOAT_UNARY:
            return words(FLOAT_UNARY[op](floats(args[0])))
        if op in INT_UNARY:
            return words(INT_UNARY[op](args[0]))
        if op in FLOAT_BINARY:
            return words(FLOAT_BINARY[op](floats(args[0]), floats(args[1])))
        return words(INT_BINARY[op](args[0], args[1]))


def tree(op: str, values: Words) -> Words:
    """Combine by halves, padded with the identity to a power of two."""
    combine, identity = FOLDS[op]
    size = 1 << (len(values) - 1).bit_length()
    values = np.concatenate([values, np.repeat(constant(identity), size - len(values))])
    while size > 1:
        size //= 2
        values = elementwise(combine, [values[:size], values[size:]])
    return values


def tree_argmax(values: Words, indices: Words) -> Words:
    """The lowest index of the largest value."""
    pairs = zip(floats(values).tolist(), indices.tolist(), strict=True)
    return constant(min(pairs, key=lambda pair: (-pair[0], pair[1]))[1])


class Firing:
    """The rows of one firing."""

    def __init__(self, worker: Worker, memories: list[Words]) -> None:
        self.worker = worker
        self.counters = tuple(worker.counters)
        self.memories = memories
        self.temps: dict[int, Words] = {}

    def do(self, row: Row) -> None:
        if isinstance(row.out, Temp):
            self.temps[row.out.index] = self.result(row)
        elif row.op == "write":
            self.write(row, row.out)
        elif row.op == "systolic":
            self.systolic(row, row.out)
        elif row.op == "fold.argmax":
            self.fold_argmax(row, row.out)
        else:
            self.fold(row, row.out)

    def result(self, row: Row) -> Words:
        """The lanes that a row puts into a temporary."""
        if row.op == "read":
            assert isinstance(row.args[0], Mem)
            return self.read(row.args[0], row.width, self.lanes(row.args[1], row.width) if row.args[1:] else None)
        if row.op == "lanes":
            source = self.lanes(row.args[0])
            return source[list(row.table[: row.width])] if len(source) > 1 else np.repeat(source, row.width)
        if row.op == "pick":
            index = int(self.lanes(row.args[1])[0])
            source = self.lanes(row.args[0])
            return np.repeat(source[index if len(source) > 1 else 0], row.width)
        args = [self.lanes(a, row.width) for a in row.args]
        if row.op == "tree.argmax":
            return tree_argmax(args[0], args[1])
        if row.op.startswith("tree."):
            return tree(row.op.removeprefix("tree."), args[0])
        return elementwise(row.op, args)

    # operands

    def lanes(self, operand: Operand, width: int | None = None) -> Words:
        """An operand, of one lane or as long as it is; widened or cut to `width` where that is given."""
        match operand:
            case Temp(index):
                value = self.temps[index]
            case In(port):
                value = self.worker.held[port]
            case Const(number):
                value = constant(number)
            case Index(affine, by_lane):
                value = np.array([affine.at(self.counters) + l for l in by_lane or (0,)], np.int32)
            case Mem():
                value = self.read(operand, len(operand.lanes), None)
        if width is None:
            return value
        return np.repeat(value, width) if len(value) == 1 else value[:width]

    def addresses(self, mem: Mem, width: int) -> np.ndarray:
        address = mem.address.at(self.counters) + self.worker.tiles % mem.banks * mem.bank
        for operand, stride in mem.dynamic:
            address += int(self.lanes(operand)[0]) * stride
        return address + np.array(mem.lanes[:width], np.int64)

    def read(self, mem: Mem, width: int, predicate: Words | None) -> Words:
        memory = self.memories[mem.memory]
        addresses = self.addresses(mem, width)
        inside = (addresses >= 0) & (addresses < len(memory))
        if predicate is not None:
            inside &= predicate != 0
        value = np.zeros(width, np.int32)
        value[inside] = memory[addresses[inside]]
        return value

    # results in memory

    def put(self, mem: Mem, width: int, value: Words, predicate: Words | None = None, offset: int = 0) -> None:
        memory = self.memories[mem.memory]
        addresses = self.addresses(mem, width) + offset
        inside = (addresses >= 0) & (addresses < len(memory))
        if predicate is not None:
            inside &= predicate != 0
        memory[addresses[inside]] = value[inside]

    def starts(self, row: Row) -> bool:
        return row.init.open(self.worker.at_first, self.worker.at_last)

    def write(self, row: Row, out: Mem) -> None:
        predicate = self.lanes(row.args[1], row.width) if row.args[1:] else None
        self.put(out, row.width, self.lanes(row.args[0], row.width), predicate)

    def fold(self, row: Row, out: Mem) -> None:
        combine, identity = FOLDS[row.op.removeprefix("fold.")]
        before = np.repeat(constant(identity), row.width) if self.starts(row) else self.read(out, row.width, None)
        self.put(out, row.width, elementwise(combine, [before, self.lanes(row.args[0], row.width)]))

    def fold_argmax(self, row: Row, out: Mem) -> None:
        value, index = (self.lanes(a, row.width) for a in row.args)
        if self.starts(row):
            best, at = np.repeat(constant(-np.inf), row.width), index
        else:
            best = self.read(out, row.width, None)
            at = self.read(shifted(out, LANES), row.width, None)
        wins = floats(value) > floats(best)
        self.put(out, row.width, np.where(wins, value, best))
        self.put(out, row.width, np.where(wins, index, at), offset=LANES)

    def systolic(self, row: Row, out: Mem) -> None:
        a, b = self.lanes(row.args[0], row.width), self.lanes(row.args[1])
        for r, lane in enumerate(row.table):
            place = shifted(out, r * LANES)
            before = np.zeros(row.width, np.int32) if self.starts(row) else self.read(place, row.width, None)
            scale = np.repeat(b[lane if len(b) > 1 else 0], row.width)
            self.put(place, row.width, elementwise("add", [before, elementwise("mul", [a, scale])]))


def shifted(mem: Mem, words: int) -> Mem:
    """The same place some words further on."""
    address = Affine(mem.address.const + words, mem.address.by_loop)
    return Mem(mem.memory, address, mem.lanes, mem.bank, mem.banks, mem.dynamic)
