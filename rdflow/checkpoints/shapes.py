"""The shape of a weight in terms of the axes of a tensor: which factors it is a product of, and how to read it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from rdflow.checkpoints.formulas import Formulas, Unknown
from rdflow.dsl.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Factor:
    """A part of a weight's shape: `length` values, of which those from `first` on are `axes` of a tensor (with their
    lengths); without axes, that one value."""

    text: str
    length: int
    axes: tuple[tuple[str, int], ...]
    first: int = 0

    @property
    def count(self) -> int:
        return prod(length for _, length in self.axes)


def plain(lengths: dict[str, int]) -> tuple[Factor, ...]:
    """The factors of a weight whose shape is the axes, in their order."""
    return tuple(Factor(name, length, ((name, length),)) for name, length in lengths.items())


def written(shape: str, lengths: dict[str, int], formulas: Formulas) -> tuple[Factor, ...]:
    """The factors that a table writes out. Raises Unknown unless each axis stands once."""
    factors = tuple(_factor(word, lengths, formulas) for word in shape.split())
    axes = [name for factor in factors for name, _ in factor.axes]
    if sorted(axes) != sorted(lengths):
        raise Unknown(f"its axes are {' '.join(axes)}", f"each of {', '.join(lengths)} stands once")
    return factors


def _factor(word: str, lengths: dict[str, int], formulas: Formulas) -> Factor:
    """`e`, `d*g`, `r:R+2` (the first of R+2), `r+1:R+2` (those from number 1 on), or `R:R+2` (number R)."""
    what, _, of = word.partition(":")
    base, _, offset = what.partition("+")
    axes = tuple((name, lengths[name]) for name in base.split("*") if name in lengths)
    if len(axes) < len(base.split("*")):
        axes, offset = (), what
    count = prod(length for _, length in axes)
    first = _whole(offset, formulas) if offset else 0
    length = _whole(of, formulas) if of else count
    if not axes and not of or first + count > length:
        known = ", ".join(lengths)
        help = f"a word is an axis ({known}), `axis:N` for the first of N, or `i:N` for number i of N"
        raise Unknown(f"`{word}` is none of its parts" if not of else f"`{word}` goes beyond {length}", help)
    return Factor(word, length, axes, first)


def _whole(formula: str, formulas: Formulas) -> int:
    value = formulas.evaluated(int(formula) if formula.isdigit() else formula)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unknown(f"`{formula}` is {value}", "it must be a whole number")
    return value


def fits(shape: Sequence[int], factors: Sequence[Factor]) -> bool:
    """Whether the shape is the factors in their order, neighbours taken together or not."""
    left = [factor.length for factor in factors if factor.length != 1]
    for dimension in (d for d in shape if d != 1):
        found = 1
        while left and found < dimension:
            found *= left.pop(0)
        if found != dimension:
            return False
    return not left


def expected(rank: int, shape: Sequence[int], factors: Sequence[Factor]) -> tuple[str, tuple[int, ...]]:
    """The shape of that rank that would fit and has most in common with `shape`: in words, and in numbers."""
    rank = max(1, min(rank, len(factors)))
    best: tuple[str, tuple[int, ...]] = ("", ())
    for cuts in combinations(range(1, len(factors)), rank - 1):
        bounds = [0, *cuts, len(factors)]
        groups = [factors[a:b] for a, b in pairwise(bounds)]
        numbers = tuple(prod(factor.length for factor in group) for group in groups)
        if not best[0] or _alike(numbers, shape) > _alike(best[1], shape):
            best = (", ".join("*".join(factor.text for factor in group) for group in groups), numbers)
    return best


def _alike(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x == y for x, y in zip(a, b, strict=False))


def arranged(values: NDArray[Any], factors: Sequence[Factor], axes: Sequence[str]) -> NDArray[Any]:
    """A weight's values with one axis for each of `axes`, in their order: a view where that can be."""
    apart = values.reshape([factor.length for factor in factors])
    taken = apart[tuple(slice(f.first, f.first + f.count) if f.axes else f.first for f in factors)]
    lengths = dict(axis for factor in factors for axis in factor.axes)
    named = list(lengths)
    return taken.reshape(list(lengths.values())).transpose([named.index(name) for name in axes])
