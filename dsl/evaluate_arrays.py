"""Arrays whose dimensions are digits: what the evaluator knows of a stream.

A stream that does not change along a digit (a replay) has no dimension for it. The top digit of an axis is padded to a
whole number of strides; what stands there has no meaning, and reductions and stores leave it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.axes import Digit, Linear
from rdflow.dsl.records import dataclass

Numbers = NDArray[Any]
"""float32, int32 (bools are 0 and 1), and where they are masks or addresses bool and intp"""

Fixed = Mapping[Digit, int]
"""Digits that have one value: the iteration of a carried loop that is being evaluated"""


@dataclass(frozen=True, slots=True)
class Array:
    """Numbers with one dimension per digit, in the order of `arranged`."""

    digits: tuple[Digit, ...]
    numbers: Numbers

    def along(self, digits: Sequence[Digit]) -> Numbers:
        """A view with one dimension for each of `digits`, of size 1 where the array has none."""
        own = [self.digits.index(d) for d in digits if d in self.digits]
        return self.numbers.transpose(own)[tuple(slice(None) if d in self.digits else None for d in digits)]

    def full(self, digits: Sequence[Digit]) -> Numbers:
        """`along`, spread over the extents of `digits`."""
        return np.broadcast_to(self.along(digits), shape(digits))

    def at(self, fixed: Fixed) -> Array:
        """The slice at fixed digits."""
        left = tuple(d for d in self.digits if d not in fixed)
        return Array(left, np.asarray(self.numbers[tuple(fixed.get(d, slice(None)) for d in self.digits)]))

    def renamed(self, names: Mapping[Digit, Digit]) -> Array:
        return array([names.get(d, d) for d in self.digits], self.numbers)


def arranged(digits: Iterable[Digit]) -> tuple[Digit, ...]:
    """Each digit once, by axis and from the slowest: neighbours of one axis then lie in memory as one dimension."""
    return tuple(sorted(set(digits), key=lambda d: (d.root, -d.stride)))


def shape(digits: Iterable[Digit]) -> tuple[int, ...]:
    return tuple(d.extent for d in digits)


def array(digits: Sequence[Digit], numbers: Numbers) -> Array:
    """An array from dimensions in any order."""
    order = arranged(digits)
    return Array(order, numbers.transpose([digits.index(d) for d in order]))


def constant(number: Any) -> Array:
    return Array((), np.asarray(number))


def every(masks: Iterable[Array | None]) -> Array | None:
    """Where all masks hold; None if there are none, or if they hold everywhere."""
    given = [m for m in masks if m is not None and not m.numbers.all()]
    if not given:
        return None
    digits = arranged(d for m in given for d in m.digits)
    return Array(digits, np.asarray(np.logical_and.reduce(np.broadcast_arrays(*(m.along(digits) for m in given)))))


def stacked(over: Sequence[Digit], slices: Sequence[Array]) -> Array:
    """One array from its slices at every value of `over`, the last digit the fastest."""
    inner = arranged(d for s in slices for d in s.digits)
    numbers = np.stack([s.full(inner) for s in slices])
    return array([*over, *inner], numbers.reshape(shape(over) + shape(inner)))


# -- index values ------------------------------------------------------------------------------------------------------


def affine(linear: Linear, fixed: Fixed) -> Array:
    """The values of a linear form over its digits."""
    free = arranged(d for d in linear.digits if d not in fixed)
    numbers = np.full(shape(free), linear.const + sum(c * fixed[d] for d, c in linear.terms if d in fixed), np.intp)
    for digit, coefficient in linear.terms:
        if digit not in fixed:
            numbers += Array((digit,), np.arange(digit.extent) * coefficient).along(free)
    return Array(free, numbers)


def position(digits: Iterable[Digit], root: str) -> Linear:
    """The smallest index along an axis of what has these digits: digits that are not there count as 0."""
    return Linear(0, tuple((d, d.stride) for d in digits if d.root == root))


def pick(numbers: Numbers, indices: Sequence[Array]) -> Array:
    """numbers[indices], one index an axis, over the digits of all of them; 0 where an index is out of range."""
    digits = arranged(d for i in indices for d in i.digits)
    inside = every(Array(i.digits, in_range(i.numbers, n)) for i, n in zip(indices, numbers.shape, strict=True))
    safe = [np.where(in_range(i.numbers, n), i.numbers, 0) for i, n in zip(indices, numbers.shape, strict=True)]
    at = tuple(Array(i.digits, s).along(digits) for i, s in zip(indices, safe, strict=True))
    found = np.asarray(numbers[at])
    return Array(digits, found if inside is None else np.where(inside.along(digits), found, numbers.dtype.type(0)))


def in_range(index: Numbers, length: int) -> Numbers:
    return np.asarray((index >= 0) & (index < length))


# -- what exists -------------------------------------------------------------------------------------------------------


def below(digits: Iterable[Digit], root: str, limit: Array, fixed: Fixed) -> Array:
    """Which positions along an axis are below a limit."""
    at = affine(position(digits, root), fixed)
    both = arranged((*at.digits, *limit.digits))
    return Array(both, np.asarray(at.along(both) < limit.along(both)))
