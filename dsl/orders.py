"""Order types: in which order, in which copies and on which lanes the elements of a stream travel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rdflow.dsl.axes import Axis, Digit, Linear, runs, size, without
from rdflow.dsl.records import dataclass

BYTES = {"bf16": 2, "f32": 4, "int32": 4, "int8": 1, "bool": 1}
PACKET_BYTES = 64
PMU_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Scalar:
    """A stream of whole numbers without lanes that bounds a loop (A6): its name, its digits in time and in copies.

    A number below 0 counts as 0, one beyond the length of the axis as the length.
    """

    name: str
    time: tuple[Digit, ...]
    space: tuple[Digit, ...]

    @property
    def digits(self) -> tuple[Digit, ...]:
        return self.time + self.space

    def renamed(self, digits: Mapping[Digit, Digit]) -> Scalar:
        return Scalar(
            self.name, tuple(digits.get(d, d) for d in self.time), tuple(digits.get(d, d) for d in self.space)
        )

    def level(self, loops: Sequence[Digit | None], space: Iterable[Digit]) -> int | None:
        """The outer loops of a nest in whose iterations a token arrives; None where they are not the stream's."""
        wanted, gathered = without(self.time, space), without(self.space, space)
        level = max((i + 1 for i, d in enumerate(loops) if d in wanted or d in gathered), default=0)
        outer = tuple(d for d in loops[:level] if d is not None)
        return level if without(outer, gathered) == wanted and set(gathered) <= set(outer) else None


Bound = Linear | Scalar


@dataclass(frozen=True, slots=True)
class Order:
    """Digits in time (outermost first), in copies, on sockets and on lanes; bounds by root axis, in elements."""

    time: tuple[Digit, ...] = ()
    copies: tuple[Digit, ...] = ()
    sockets: tuple[Digit, ...] = ()
    lanes: tuple[Digit, ...] = ()
    bounds: tuple[tuple[str, Bound], ...] = ()

    @property
    def digits(self) -> tuple[Digit, ...]:
        return self.time + self.copies + self.sockets + self.lanes

    @property
    def space(self) -> tuple[Digit, ...]:
        return self.copies + self.sockets

    @property
    def width(self) -> int:
        """Lanes of a token, at least 1."""
        return size(self.lanes)

    def bound(self, root: str) -> Bound | None:
        for axis, limit in self.bounds:
            if axis == root:
                return limit
        return None

    @property
    def scalars(self) -> tuple[tuple[str, Scalar], ...]:
        """The bounds that come as streams, by root axis."""
        return tuple((root, b) for root, b in self.bounds if isinstance(b, Scalar))

    def renamed(self, digits: Mapping[Digit, Digit], roots: Mapping[str, str]) -> Order:
        """The same order over other axes."""

        def swap(place: tuple[Digit, ...]) -> tuple[Digit, ...]:
            return tuple(digits.get(d, d) for d in place)

        bounds = tuple((roots.get(r, r), limit.renamed(digits)) for r, limit in self.bounds)
        return Order(swap(self.time), swap(self.copies), swap(self.sockets), swap(self.lanes), bounds)

    def with_time(self, time: tuple[Digit, ...]) -> Order:
        return replace(self, time=time)


def packets(width: int, dtype: str) -> int:
    """64-byte packets of a token of `width` lanes (a lane-less token is a word on the scalar network)."""
    return max(1, -(-width * BYTES[dtype] // PACKET_BYTES))


@dataclass(frozen=True)
class Writer:
    """Writes digits back in the user's notation, with the axes' own names."""

    axes: Mapping[str, Axis]
    constants: Mapping[int, str]
    roots: Mapping[str, int]

    def number(self, value: int) -> str:
        return self.constants.get(value, str(value))

    def run(self, digits: tuple[Digit, ...]) -> str:
        """One interval as a term: the axis of the root that fits best, over a stride, modulo an extent."""
        low, high = digits[-1].stride, digits[0].stride * digits[0].extent
        root = digits[0].root
        fits = [
            a
            for a in self.axes.values()
            if a.root == root and a.stride <= low and a.stride * a.length >= min(high, self.roots[root])
        ]
        axis = min(fits, key=lambda a: (a.length, a.name), default=Axis(root, root, 1, self.roots[root]))
        over = low // axis.stride
        text = axis.name + (f"/{self._divisor(over)}" if over > 1 else "")
        extent = high // low
        if high < axis.stride * axis.length:
            text += f"%{self._divisor(extent)}"
        return text

    def _divisor(self, value: int) -> str:
        return self.number(value)

    def digits(self, digits: tuple[Digit, ...], mark: str = "") -> list[str]:
        return [self.run(r) + mark for r in runs(digits)]

    def order(self, order: Order, tile: int | None = None) -> str:
        """`[tile; time, copies @ | lanes]`."""
        space = self.digits(order.copies, " @") + self.digits(order.sockets, " @socket")
        if tile is None:
            inside = ", ".join([*self.digits(order.time), *space])
        else:
            outer = ", ".join([*self.digits(order.time[:tile]), *space])
            inside = f"{outer}; " + ", ".join(self.digits(order.time[tile:]))
        lanes = ", ".join(self.digits(order.lanes))
        return f"[{inside} | {lanes}]" if lanes else f"[{inside}]"
