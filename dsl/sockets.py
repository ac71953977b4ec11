"""Which socket each copy of a line is on. Lines without a digit on the sockets are on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.checked import Compute, Kernel, Line, Store

Space = dict[Digit, int]  # which copy: the value of each copy digit, and its socket where a kernel has several

SOCKET = Digit("@socket", 1, 0)
"""the key of a copy's socket in its space: no digit of any axis"""


def chips(line: Line) -> tuple[Digit, ...]:
    """The digits that a line has on the sockets; a reduction over sockets keeps what it reduces where it is."""
    match line:
        case Compute(sockets=sockets):
            reduced = {d for r in line.reductions for d in r.sockets}
            return tuple(d for d in sockets if d in reduced) or sockets
        case Store(source=source):
            return source.order.sockets
        case _:
            return line.stream.order.sockets


def count(kernel: Kernel) -> int:
    """Sockets that a kernel runs on: as many as its digits on them have values, 1 without any."""
    return max((size(chips(line)) for line in kernel.lines), default=1)


def number(space: Mapping[Digit, int], sockets: Sequence[Digit]) -> int:
    """The socket of a copy by its digits on the sockets, the last one the fastest."""
    found = 0
    for digit in sockets:
        found = found * digit.extent + space[digit]
    return found


def spaces(digits: Sequence[Digit], sockets: Sequence[Digit], total: int) -> list[Space]:
    """Every combination of values of copy digits, the last digit fastest, with the socket of each where there are several.

    `sockets`: the digits that say on which socket a copy is; without any, each copy is on all `total` sockets.
    """
    values = product(*(range(d.extent) for d in digits))
    found = [dict(zip(digits, v, strict=True)) for v in values]
    if total == 1:
        return found
    if sockets:
        return [{**space, SOCKET: number(space, sockets)} for space in found]
    return [{**space, SOCKET: socket} for socket in range(total) for space in found]


def agree(a: Space, b: Space) -> bool:
    """Whether two copies have the same value of every digit that both have."""
    return all(b[d] == v for d, v in a.items() if d in b)


def label(space: Space) -> str:
    """How a copy is named: `[1,0]`, `[1,0@3]` where it is on socket 3 of several."""
    own = ",".join(str(v) for d, v in space.items() if d != SOCKET) + (f"@{space[SOCKET]}" if SOCKET in space else "")
    return f"[{own}]" if own else ""
