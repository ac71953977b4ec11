"""Which elements of a nest lie outside of their axis or bound, and must not count."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

from rdflow.dsl.axes import Digit, Linear, size
from rdflow.dsl.nests import Nests, whole_steps
from rdflow.dsl.orders import Bound, Order, Scalar

Condition = tuple[Linear, Bound]  # an index that must be smaller than a limit


def conditions(
    nests: Nests,
    loops: Sequence[Digit],
    space: Sequence[Digit],
    lanes: Sequence[Digit],
    order: Order,
    roots: Sequence[str],
) -> list[Condition]:
    """For each of these axes, what an element must satisfy, where the loops alone do not see to it."""
    found: list[Condition] = []
    for root in dict.fromkeys(roots):
        digits = [d for d in (*loops, *space, *lanes) if d.root == root]
        if not digits or not _complete(digits, nests.kernel.lengths[root]):
            continue
        index = Linear.of(0, {d: d.stride for d in digits})
        length = nests.kernel.lengths[root]
        bound = order.bound(root)
        step = _step(nests, digits, lanes, root)
        whole = length % step == 0
        if not whole:
            found.append((index, Linear(length)))
        if isinstance(bound, Scalar) or bound is not None and not _multiple(bound, step):
            found.append((index, bound))
    return found


def _complete(digits: Sequence[Digit], length: int) -> bool:
    """Whether the digits together are the whole axis (a part of an axis has no end of its own)."""
    return size(digits) >= length


def _step(nests: Nests, digits: Sequence[Digit], lanes: Sequence[Digit], root: str) -> int:
    """Elements that execution takes or leaves together: what lanes cover, and a round of the copies."""
    length = nests.kernel.lengths[root]
    covers = [d.stride * d.extent for d in lanes if d.root == root and d.stride * d.extent <= length]
    ragged = [d for d in lanes if d.root == root and d.stride * d.extent > length]
    finest = [d.stride for d in digits if d not in lanes]
    step = lcm(nests.granules[root], *covers, *(finest[-1:] if ragged else ()))
    if ragged or finest and nests.granules[root] > 1:
        step = lcm(step, *(d.stride * d.extent for d in digits if d.stride * d.extent < length))
    return step


def _multiple(bound: Linear, step: int) -> bool:
    """Whether a bound is a whole number of steps whatever its counters, and at least one."""
    return bound.const > 0 and not bound.arguments and whole_steps(bound, step)
