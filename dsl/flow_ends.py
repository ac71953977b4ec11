"""The ends of channels: copies of actors where tokens leave or enter, and in which iterations of their loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from rdflow.dsl.axes import Digit
from rdflow.dsl.flow import Node, Pulses, Ranges
from rdflow.dsl.records import dataclass
from rdflow.dsl.sockets import Space

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

    def starts(self, level: int) -> End:
        """It where each iteration of its first `level` loops starts."""
        return replace(self, ranges=dict.fromkeys(self.digits[level:], FIRST))

    def ends(self, level: int) -> End:
        """It where each iteration of its first `level` loops ends."""
        return replace(self, ranges=dict.fromkeys(self.digits[level:], LAST))

    def pulses(self) -> Pulses:
        """The firings in which tokens leave or enter, where no loop chooses a copy."""
        return self.node.pulses(self.at({}))

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
