"""Tables over lanes: what each lane reads, or adds. Copies of a unit ask for the same ones, so they are remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from rdflow.dsl.axes import Digit, strides
from rdflow.dsl.sockets import Space

KNOWN = 1 << 12  # tables that are remembered


def lane_table(have: Sequence[Digit], want: Sequence[Digit], space: Space) -> tuple[int, ...]:
    """For each lane of `want`, the lane of a token with lanes `have` that it reads: broadcast, permuted or sliced."""
    return _read(tuple(have), tuple(want), tuple(0 if d in want else space.get(d, 0) for d in have))


@lru_cache(KNOWN)
def _read(have: tuple[Digit, ...], want: tuple[Digit, ...], fixed: tuple[int, ...]) -> tuple[int, ...]:
    """`fixed`: the values of those digits of a token that are not wanted, 0 of the others."""
    weights = strides(have)
    first = sum(weights[d] * value for d, value in zip(have, fixed, strict=True))
    return tuple(first + lane for lane in lane_values(want, weights))


def lane_values(lanes: Sequence[Digit], weights: Mapping[Digit, int]) -> tuple[int, ...]:
    """For each lane, the sum of weight * digit over the lane digits."""
    return _values(tuple(d.extent for d in lanes), tuple(weights.get(d, 0) for d in lanes))


@lru_cache(KNOWN)
def _values(extents: tuple[int, ...], weights: tuple[int, ...]) -> tuple[int, ...]:
    values = [0]
    for extent, weight in zip(extents, weights, strict=True):
        values = [v + weight * i for v in values for i in range(extent)]
    return tuple(values)
