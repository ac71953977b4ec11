"""Arguments that decide how a kernel is built: for these each number is a kernel of its own."""

from __future__ import annotations

from collections.abc import Iterator

from rdflow.dsl.arguments import Needed
from rdflow.dsl.axes import Digit, Linear, without
from rdflow.dsl.checked import Compute, Hold, Kernel
from rdflow.dsl.nests import Nests, ends_by_number
from rdflow.dsl.orders import Bound, Order


def refuse_deciding(kernel: Kernel) -> None:
    """Raise Needed for the parameters of a kernel that decide which queues it has and what waits for what."""
    nests = Nests(kernel)
    names = frozenset(
        name
        for line in kernel.lines
        for linear in _deciding(nests, line)
        for a, _ in linear.arguments
        for name in a.names
    )
    if names:
        raise Needed(names)


def _deciding(nests: Nests, line: object) -> Iterator[Linear]:
    match line:
        case Hold():
            yield from _copies(line)
            yield from _blocks(nests, line)
        case Compute():
            yield from _exchanged(line)


def _copies(hold: Hold) -> Iterator[Linear]:
    """A view that moves along copies says which copy reads which."""
    space = {*hold.stream.order.space, *hold.source.order.space}
    return (linear for digit, linear in hold.moves if digit in space)


def _blocks(nests: Nests, hold: Hold) -> Iterator[Linear]:
    """How many blocks the writer hands over, and when the reader may start (A3)."""
    tile, order, source = hold.tile, hold.stream.order, hold.source.order
    writer, reader = without(source.time, order.space), order.time
    if hold.queue or hold.gathers or len(writer) <= tile or len(reader) <= tile:
        return
    block, first = writer[tile], reader[tile]
    ends = [(nests.loops(d, o, dict.fromkeys(o.space, 0))[tile], o) for d, o in ((writer, source), (reader, order))]
    if any(loop.limit is not None and loop.unlimited is None for loop, _ in ends):
        return  # whole tiles, whatever a launch gives
    if ends_by_number(source, block) or ends_by_number(order, first):
        return
    for (loop, own), digit in zip(ends, (block, first), strict=True):
        if loop.unlimited is not None:
            yield from _launched(own.bound(digit.root))
    bound = order.bound(block.root)
    if first != block and isinstance(bound, Linear) and first in bound.digits:
        yield from _launched(bound)


def _exchanged(line: Compute) -> Iterator[Linear]:
    """Sums over sockets deal so many tokens to each."""
    for result in line.results:
        if result.reduction is not None and result.reduction.sockets:
            yield from _bounds(result.stream.order)
            yield from (b for i in line.inputs for b in _bounds(i.order))


def _bounds(order: Order) -> Iterator[Linear]:
    counted: tuple[Digit, ...] = order.time
    for root, bound in order.bounds:
        if any(d.root == root for d in counted):
            yield from _launched(bound)


def _launched(bound: Bound | None) -> Iterator[Linear]:
    if isinstance(bound, Linear) and bound.arguments:
        yield bound
