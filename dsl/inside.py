"""How many elements an order visits: inside of its axes, of its bounds and, where tokens are routed, of all experts together."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import prod

from rdflow.dsl.axes import Digit, Linear, size
from rdflow.dsl.checked import Kernel, Route
from rdflow.dsl.orders import Order


def visited(kernel: Kernel, order: Order, routed: bool = True) -> int:
    """Those beyond an axis's end or bound left out.

    A split brings each token to one place, so that all experts together have as many elements as there are tokens; fewer where
    an expert has no place left. Not `routed`: each has all of its places. Other streams, and a bound that a launch gives, leave
    out nothing here.
    """
    total = _within(kernel, order.digits)
    for root, bound in order.bounds:
        if isinstance(bound, Linear) and not bound.arguments:
            total = _bounded(total, root, bound, kernel.lengths)
    return _brought(kernel, order, total) if routed else total


def _within(kernel: Kernel, digits: Iterable[Digit]) -> int:
    """Values of digits together, each axis no further than its end."""
    given = tuple(digits)
    roots = dict.fromkeys(d.root for d in given)
    return prod(min(size(d for d in given if d.root == root), kernel.lengths[root]) for root in roots)


def _bounded(total: int, root: str, bound: Linear, lengths: dict[str, int]) -> int:
    """Scale a count by the mean share of an axis that a bound leaves, exact over the bound's own counters."""
    length = lengths[root]
    values = []
    for counters in product(*(range(d.extent) for d, _ in bound.terms)):
        limit = bound.const + sum(c * i for (_, c), i in zip(bound.terms, counters, strict=True))
        values.append(max(0, min(length, limit)))
    return total * sum(values) // (len(values) * length)


def _brought(kernel: Kernel, order: Order, total: int) -> int:
    """Of all places of all experts those that tokens are brought to, where an order visits all of these."""
    for root, scalar in order.scalars:
        line = next((line for line in kernel.lines if _counts(line, scalar.name)), None)
        if isinstance(line, Route) and _all_places(kernel, order, root, line):
            places = line.experts * line.places
            total = total // places * min(places, _within(kernel, line.choice))
    return total


def _counts(line: object, name: str) -> bool:
    return isinstance(line, Route) and line.counts is not None and line.counts.name == name


def _all_places(kernel: Kernel, order: Order, root: str, line: Route) -> bool:
    places = _within(kernel, (d for d in order.digits if d.root == root))
    return places == line.places == kernel.lengths[root] and set(line.expert) <= set(order.digits)
