"""Copies that take turns: deals and gathers strictly in order, and what is left of the copies' speed-up (A2)."""

from __future__ import annotations

from collections.abc import Iterator

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.checked import Carry, Compute, Hold, Kernel, Line, Load, Store, Stream, space_of, streams_of
from rdflow.dsl.orders import Order, packets
from rdflow.dsl.records import dataclass

QUEUE = 16 + 8  # packets: what a queue and the pipeline before it hold
WORTH = 0.8  # a speed-up that is at least this share of what the copies promise is not worth a word


@dataclass(frozen=True, slots=True)
class Read:
    """A stream as a line reads it: its order there, and the loops and copies of the reader."""

    line: int
    stream: Stream
    order: Order
    loops: tuple[Digit, ...]
    space: tuple[Digit, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A deal to copies, or a gather from copies, along a digit: `tokens` go to or come from one copy at a time."""

    read: Read
    digit: Digit
    tokens: int
    gathered: bool
    producer: int

    @property
    def verb(self) -> str:
        return "gathered from" if self.gathered else "dealt to"

    def factor(self) -> float:
        """The speed-up of n copies that is left.

        While one copy has its turn of T tokens the others fill their queues of Q, so that at its turn a copy owes T - Q
        tokens, made while the others stand: T / (T - Q), and n where no copy ever stands. Measured with n = 4, Q = 16:
        4 for turns of 8 and 16, 1.30 for 64 (1.33 by this rule), 1.015 for 1024 (1.016).
        """
        queue = QUEUE // packets(self.read.order.width, self.read.stream.dtype)
        return left(self.digit.extent, self.tokens, queue)


def left(copies: int, turn: int, queue: int) -> float:
    """The speed-up that is left of copies served in turns through queues (in tokens)."""
    return float(copies) if turn <= queue else min(float(copies), turn / (turn - queue))


def reads(kernel: Kernel) -> Iterator[Read]:
    """Every stream that a line reads strictly in order, or that fills a scratchpad."""
    for number, line in enumerate(kernel.lines):
        space = space_of(line)
        match line:
            case Compute():
                for operand in line.inputs:
                    yield Read(number, operand.stream, operand.order, line.nest, space)
            case Hold(source=source):
                yield Read(number, source, source.order, source.order.time, space)
            case Store(source=source, streams=streams):
                yield Read(number, source, source.order, without(source.order.time, streams), space)
            case Carry(initial=Stream() as initial):
                yield Read(number, initial, initial.order, line.stream.order.time, space)


def turns(kernel: Kernel) -> Iterator[Turn]:
    """Every deal and every strictly ordered gather. A scratchpad gathers by address, in any order."""
    producer = producers(kernel)
    for read in reads(kernel):
        source = producer[read.stream.name]
        for digit in read.order.time:
            if digit in read.space:
                inside = read.order.time[1 + read.order.time.index(digit) :]
                yield Turn(read, digit, size(without(inside, read.space)), False, source)
        for digit in read.order.space:
            if digit in read.loops and digit not in read.space and not isinstance(kernel.lines[read.line], Hold):
                inside = read.loops[1 + read.loops.index(digit) :]
                yield Turn(read, digit, size(d for d in inside if d in read.order.time), True, source)


def multicasts(kernel: Kernel) -> Iterator[tuple[Read, Digit]]:
    """Streams that lack a digit along which their reader has copies: all copies get each token."""
    for read in reads(kernel):
        for digit in read.space:
            if digit.extent > 1 and digit not in read.order.digits:
                yield read, digit


def producers(kernel: Kernel) -> dict[str, int]:
    """The number of the line that defines each stream."""
    return {s.name: i for i, line in enumerate(kernel.lines) for s in streams_of(line)}


def wasted(kernel: Kernel) -> Iterator[Turn]:
    """Turns that cost a line most of what its copies promise.

    Copies promise something where they take several firings a token; a scratchpad takes one, and so does a line whose
    copies only pass on what comes.
    """
    for turn in turns(kernel):
        copied = turn.producer if turn.gathered else turn.read.line
        line = kernel.lines[copied]
        if isinstance(line, Load | Store | Hold | Carry) or turn.digit.extent < 2:
            continue
        promise = min(float(turn.digit.extent), work(line, turn.read.order))
        if promise > 1.5 and turn.factor() < WORTH * promise:
            yield turn


def work(line: Line, order: Order) -> float:
    """Firings of a copy of a line for a token of a stream that it reads or makes."""
    if not isinstance(line, Compute):
        return 1.0
    return size(line.nest) / max(1, size(without(order.time, space_of(line))))
