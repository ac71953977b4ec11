"""Axes as numbers, digits as intervals of them.

An axis is a number from 0 to its length. Named factors of a product (`axis re = r * e`) are intervals of the product,
its *root*. A digit is (root, stride, extent): floor(i / stride) mod extent. All orders of a kernel are cut at the same
points (`Cuts`), so two orders can be compared digit by digit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import NamedTuple

from rdflow.dsl.arguments import Argument, Known, linear_parts
from rdflow.dsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """A named axis: an interval [stride, stride * length) of its root; a root is its own root with stride 1."""

    name: str
    root: str
    stride: int
    length: int


@dataclass(frozen=True, slots=True)
class Interval:
    """The digits of a root from stride `low` up to `high` (None: up to the top, where the root's length ends it)."""

    root: str
    low: int
    high: int | None


class Digit(NamedTuple):
    """floor(i / stride) mod extent of root axis `root`. (A tuple, as it is a key everywhere and tuples hash quickly.)"""

    root: str
    stride: int
    extent: int


@dataclass(frozen=True, slots=True)
class Linear:
    """const + sum of coefficient * digit: an index, or the limit of a loop, in whole numbers.

    `arguments` add what a launch gives, times a coefficient each.
    """

    const: int = 0
    terms: tuple[tuple[Digit, int], ...] = ()
    arguments: tuple[tuple[Argument, int], ...] = ()

    @staticmethod
    def of(const: int, terms: Mapping[Digit, int], arguments: Mapping[Argument, int] | None = None) -> Linear:
        given = () if arguments is None else tuple((a, c) for a, c in arguments.items() if c)
        return Linear(const, tuple((d, c) for d, c in terms.items() if c), given)

    @staticmethod
    def number(value: Known) -> Linear:
        """A whole number, now or in a launch."""
        found = Linear()
        for argument, factor in linear_parts(value):
            found = found.plus(Linear(factor) if argument is None else Linear(0, (), ((argument, factor),)))
        return found

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        terms, arguments = dict(self.terms), dict(self.arguments)
        for digit, coefficient in other.terms:
            terms[digit] = terms.get(digit, 0) + factor * coefficient
        for argument, coefficient in other.arguments:
            arguments[argument] = arguments.get(argument, 0) + factor * coefficient
        return Linear.of(self.const + factor * other.const, terms, arguments)

    def times(self, factor: int) -> Linear:
        return Linear().plus(self, factor)

    @property
    def digits(self) -> tuple[Digit, ...]:
        return tuple(d for d, _ in self.terms)

    @property
    def low(self) -> int:
        """The smallest value over its digits, whatever a launch adds."""
        return self.const + sum(min(0, c * (d.extent - 1)) for d, c in self.terms)

    @property
    def high(self) -> int:
        """The largest value over its digits, whatever a launch adds."""
        return self.const + sum(max(0, c * (d.extent - 1)) for d, c in self.terms)

    def outside(self, digits: Collection[Digit]) -> Linear:
        """Without what these digits add."""
        return Linear(self.const, tuple((d, c) for d, c in self.terms if d not in digits), self.arguments)

    def renamed(self, digits: Mapping[Digit, Digit]) -> Linear:
        return Linear(self.const, tuple((digits.get(d, d), c) for d, c in self.terms), self.arguments)


@dataclass
class Cuts:
    """The points at which a kernel cuts each root axis; `grown` tells whether new ones came since it was last reset."""

    lengths: Mapping[str, int]
    points: dict[str, set[int]] = field(default_factory=dict)
    links: set[frozenset[str]] = field(default_factory=set)
    grown: bool = False

    def add(self, root: str, point: int | None) -> None:
        if point is None or point >= self.lengths[root]:
            return
        known = self.points.setdefault(root, {1})
        if point not in known:
            known.add(point)
            self.grown = True

    def link(self, a: str, b: str) -> None:
        """Two axes of one length renamed into each other share their cuts."""
        if a != b and frozenset((a, b)) not in self.links:
            self.links.add(frozenset((a, b)))
            self.grown = True

    def share(self) -> None:
        """Bring linked axes to the same cuts."""
        for pair in self.links:
            a, b = tuple(pair)
            for point in set(self.points.get(a, ())) ^ set(self.points.get(b, ())):
                self.add(a, point)
                self.add(b, point)

    def chain(self, root: str) -> list[int]:
        return sorted(self.points.get(root, {1}) | {1})

    def clash(self, root: str) -> tuple[int, int] | None:
        """Two neighbouring cuts of which one does not divide the other, if there are any."""
        chain = self.chain(root)
        return next(((a, b) for a, b in pairwise(chain) if b % a), None)

    def digits(self, interval: Interval) -> tuple[Digit, ...]:
        """The digits of an interval, outermost first; adds its ends to the cuts. Digits of extent 1 do not exist."""
        length = self.lengths[interval.root]
        high = interval.high if interval.high is not None and interval.high < length else None
        if interval.low >= length or high is not None and interval.low >= high:
            return ()
        self.add(interval.root, interval.low)
        self.add(interval.root, high)
        chain = [c for c in self.chain(interval.root) if c >= interval.low and (high is None or c < high)]
        ends = [*chain[1:], high if high is not None else length]
        found = [Digit(interval.root, low, -(-end // low)) for low, end in zip(chain, ends, strict=True)]
        return tuple(d for d in reversed(found) if d.extent > 1)

    def index(self, interval: Interval) -> Linear:
        """The number that an interval's digits stand for: floor(i / low) mod (high / low)."""
        return Linear(0, tuple((d, d.stride // interval.low) for d in self.digits(interval)))


def interval(axis: Axis, over: int, modulo: int | None, lengths: Mapping[str, int]) -> Interval:
    """`axis/over%modulo` as an interval of the root."""
    low = axis.stride * over
    end: int | None = axis.stride * axis.length
    if modulo is not None and over * modulo < axis.length:
        end = low * modulo
    if end is not None and end >= lengths[axis.root]:
        end = None
    return Interval(axis.root, low, end)


def without(digits: Iterable[Digit], others: Iterable[Digit]) -> tuple[Digit, ...]:
    """`digits` less those in `others`, order kept."""
    gone = set(others)
    return tuple(d for d in digits if d not in gone)


def renames(digits: Iterable[Digit], others: Iterable[Digit]) -> dict[Digit, Digit]:
    """Which of some digits have other names for a reader, and which."""
    return {a: b for a, b in zip(digits, others, strict=True) if a != b}


def size(digits: Iterable[Digit]) -> int:
    """The product of the extents."""
    product = 1
    for digit in digits:
        product *= digit.extent
    return product


def elements(digits: Collection[Digit], lengths: Mapping[str, int]) -> int:
    """Elements with these digits that exist, without the padding of the last one."""
    total = 1
    for root in dict.fromkeys(d.root for d in digits):
        own = [d for d in digits if d.root == root]
        low = min(d.stride for d in own)
        total *= min(size(own), -(-lengths[root] // low))
    return total


def strides(digits: Sequence[Digit]) -> dict[Digit, int]:
    """What a step of each digit adds to the mixed-radix number that all of them make, the last digit fastest."""
    found: dict[Digit, int] = {}
    stride = 1
    for digit in reversed(digits):
        found[digit] = stride
        stride *= digit.extent
    return {digit: found[digit] for digit in digits}


def runs(digits: Iterable[Digit]) -> list[tuple[Digit, ...]]:
    """Neighbouring digits (outermost first) that together are one interval, grouped."""
    groups: list[list[Digit]] = []
    for digit in digits:
        last = groups[-1][-1] if groups else None
        if last is not None and last.root == digit.root and last.stride == digit.stride * digit.extent:
            groups[-1].append(digit)
        else:
            groups.append([digit])
    return [tuple(g) for g in groups]
