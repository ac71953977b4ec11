"""Reductions slice by slice: first over the loops in their order, then over lanes, copies and sockets (A11).

The product of a big contraction is never there as a whole: the operands are cut along the reduced loops, and along
kept digits until a slice is small enough to stay in a cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product

import numpy as np

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.checked import Compute, Op, Reduction
from rdflow.dsl.evaluate_arrays import Array, Numbers, arranged, array, shape
from rdflow.dsl.evaluate_operations import OPERATIONS, Monoid

SLICE = 1 << 18  # elements that are evaluated at once: 1 MiB, so that a few arrays of this size fit a cache
HIGHEST = np.iinfo(np.int32).max

Row = tuple[Numbers, Numbers | None]


class Nest:
    """What a line reduces, as slices over its kept digits for every iteration of the reduced loops.

    `mask`: elements that count (the others are the identity); `beside`: what accompanies the values.
    """

    def __init__(
        self,
        ops: Sequence[tuple[int, Op]],
        leaves: Mapping[int, Array],
        wanted: int,
        mask: Array | None,
        beside: Array | None,
        identity: np.float32 | np.int32,
        reduction: Reduction,
    ):
        self.wanted = wanted
        self.identity = identity
        self.time = reduction.time
        extra = [a for a in (mask, beside) if a is not None]
        space = (*reduction.lanes, *reduction.copies, *reduction.sockets)
        own = {d for a in (*leaves.values(), *extra) for d in a.digits}
        self.kept = arranged(own.union(space) - set(self.time))
        self.cut = self._cut()
        self.rest = self.kept[self.cut :]
        self.mask = self._placed(mask) if mask is not None else None
        self.beside = self._placed(beside) if beside is not None else None
        self.values = {i: self._placed(a) for i, a in leaves.items()}
        self.ops = self._hoisted(ops)

    def _cut(self) -> int:
        """How many of the kept digits are looped over, so that the others fit a slice."""
        cut = 0
        while cut < len(self.kept) and size(self.kept[cut:]) > SLICE:
            cut += 1
        return cut

    def _placed(self, values: Array) -> Numbers:
        return np.asarray(values.along((*self.kept[: self.cut], *self.time, *self.rest)), order="C")

    def _hoisted(self, ops: Sequence[tuple[int, Op]]) -> list[tuple[int, Op]]:
        """Evaluate what does not change over the loops once; the operations that are left."""
        left: list[tuple[int, Op]] = []
        loops = slice(0, self.cut + len(self.time))
        for i, op in ops:
            if all(a in self.values and size_of(self.values[a].shape[loops]) == 1 for a in op.args):
                self.values[i] = np.asarray(OPERATIONS[op.name](*(self.values[a] for a in op.args)))
            else:
                left.append((i, op))
        return left

    def slices(self) -> Iterator[tuple[int, ...]]:
        """The values of the kept digits that are looped over."""
        return product(*(range(d.extent) for d in self.kept[: self.cut]))

    def rows(self, place: tuple[int, ...]) -> Iterator[Row]:
        """The values of one slice for each iteration of the reduced loops, in their order."""
        if not self.time:
            value, beside = self.block(place)
            yield value, beside
            return
        *outer, inner = self.time
        step = max(1, SLICE // max(1, size(self.rest)))
        for counters in product(*(range(d.extent) for d in outer)):
            for start in range(0, inner.extent, step):
                stop = min(inner.extent, start + step)
                value, beside = self.block((*place, *counters), slice(start, stop))
                for i in range(stop - start):
                    yield _row(value, i), None if beside is None else _row(beside, i)

    def block(self, counters: tuple[int, ...], loop: slice | None = None) -> Row:
        """The values of several iterations of the innermost reduced loop."""
        known = {i: _at(v, counters, loop) for i, v in self.values.items()}
        for i, op in self.ops:
            known[i] = np.asarray(OPERATIONS[op.name](*(known[a] for a in op.args)))
        value = known[self.wanted]
        if self.mask is not None:
            mask = _at(self.mask, counters, loop)
            if not mask.all():
                value = np.where(mask, value, self.identity)
        return value, None if self.beside is None else _at(self.beside, counters, loop)


def size_of(extents: Sequence[int]) -> int:
    return int(np.prod(extents, dtype=np.int64))


def _at(values: Numbers, counters: tuple[int, ...], loop: slice | None) -> Numbers:
    """A slice at counters; dimensions of size 1 are the same for all of them."""
    at: list[int | slice] = [c if n > 1 else 0 for c, n in zip(counters, values.shape, strict=False)]
    if loop is not None:
        at.append(loop if values.shape[len(at)] > 1 else slice(None))
    return values[tuple(at)]


def _row(block: Numbers, i: int) -> Numbers:
    found: Numbers = block[i if len(block) > 1 else 0]
    return found


def reduced(nest: Nest, rule: Monoid, inner: int, line: Compute, reduction: Reduction) -> Array:
    """The reduction over loops, lanes, copies and sockets."""
    if reduction.op == "argmax":
        return _argmax(nest, line, reduction)
    total = np.empty(shape(nest.kept), rule.identity.dtype)
    for place in nest.slices():
        rows = nest.rows(place)
        total[place] = _last(rows, nest) if reduction.op == "last" else _in_time(rows, nest, rule, inner)
    found = Array(nest.kept, total)
    for digits, padded in (
        (_in_order(line.lanes, reduction.lanes), True),
        (_in_order(line.copies, reduction.copies), False),
    ):
        if digits:
            rest, values = _in_front(found, digits)
            found = Array(rest, tree(values, rule, padded).reshape(shape(rest)))
    return _over_sockets(found, rule, reduction.sockets)


def _in_order(places: Sequence[Digit], digits: Sequence[Digit]) -> tuple[Digit, ...]:
    return tuple(d for d in places if d in digits)


def _in_time(rows: Iterator[Row], nest: Nest, rule: Monoid, inner: int) -> Numbers:
    """From the identity, one iteration after the other; `inner` at a time where an array drains in between.

    Without a loop there is nothing to add to: the value goes on as it is (a sum keeps its -0).
    """
    if not nest.time:
        return next(rows)[0]
    count = size(nest.time)
    if inner == count:
        return _folded((value for value, _ in rows), nest, rule)
    partial = (_folded((value for value, _ in islice(rows, inner)), nest, rule) for _ in range(count // inner))
    return _folded(partial, nest, rule)


def _folded(values: Iterator[Numbers], nest: Nest, rule: Monoid) -> Numbers:
    total = np.full(shape(nest.rest), rule.identity)
    for value in values:
        if isinstance(rule.combine, np.ufunc):
            rule.combine(total, value, out=total)
        else:
            total[...] = rule.combine(total, value)
    return total


def _last(rows: Iterator[Row], nest: Nest) -> Numbers:
    """The value of the last iteration that runs; the first one always does."""
    value, _ = next(rows)
    total = np.array(np.broadcast_to(value, shape(nest.rest)))
    for value, runs in rows:
        np.copyto(total, value, where=True if runs is None else runs)
    return total


def _in_front(found: Array, digits: Sequence[Digit]) -> tuple[tuple[Digit, ...], Numbers]:
    """The digits as one dimension, the first; and the others flattened behind it."""
    rest = tuple(d for d in found.digits if d not in digits)
    return rest, found.along((*digits, *rest)).reshape(size(digits), -1)


def tree(values: Numbers, rule: Monoid, padded: bool) -> Numbers:
    """Combine along the first dimension by halves, x[i] with x[i + n/2]; without padding, if there is a partner."""
    n = 1 << (len(values) - 1).bit_length()
    if padded and n > len(values):
        values = np.concatenate([values, np.full((n - len(values), values.shape[1]), rule.identity)])
    while n > 1:
        n //= 2
        pairs = max(0, len(values) - n)
        combined = rule.combine(values[:pairs], values[n : n + pairs])
        values = np.concatenate([combined, values[pairs:n]])
    return np.asarray(values[0])


def _over_sockets(found: Array, rule: Monoid, digits: Sequence[Digit]) -> Array:
    """One socket after the other, from the identity."""
    if not digits:
        return found
    rest, values = _in_front(found, arranged(digits))
    total = np.full_like(values[0], rule.identity)
    for value in values:
        total = rule.combine(total, value)
    return Array(rest, np.asarray(total).reshape(shape(rest)))


# -- argmax ------------------------------------------------------------------------------------------------------------


def _argmax(nest: Nest, line: Compute, reduction: Reduction) -> Array:
    """The lowest index of the largest value."""
    best = np.empty(shape(nest.kept), np.float32)
    index = np.empty(shape(nest.kept), np.int32)
    for place in nest.slices():
        best[place], index[place] = _largest(nest.rows(place), nest)
    lanes = _in_order(line.lanes, reduction.lanes)
    if not lanes:
        return Array(nest.kept, index)
    rest, values = _in_front(Array(nest.kept, best), lanes)
    _, indices = _in_front(Array(nest.kept, index), lanes)
    return array(rest, argmax_tree(values, indices).reshape(shape(rest)))


def _largest(rows: Iterator[Row], nest: Nest) -> tuple[Numbers, Numbers]:
    """Over the loops, lane by lane: from -inf and the first index."""
    best = np.full(shape(nest.rest), np.float32(-np.inf))
    index: Numbers | None = None
    for value, at in rows:
        assert at is not None
        if index is None:
            index = np.array(np.broadcast_to(at, best.shape), np.int32)
        wins = value > best
        np.copyto(best, value, where=wins)
        np.copyto(index, at, where=wins, casting="unsafe")
    assert index is not None
    return best, index


def argmax_tree(values: Numbers, indices: Numbers) -> Numbers:
    """By halves over the lanes: the larger value, the lower index where values tie."""
    n = 1 << (len(values) - 1).bit_length()
    missing = (n - len(values), values.shape[1])
    values = np.concatenate([values, np.full(missing, np.float32(-np.inf))])
    indices = np.concatenate([indices, np.full(missing, np.int32(HIGHEST))])
    while n > 1:
        n //= 2
        a, b, i, j = values[:n], values[n:], indices[:n], indices[n:]
        wins = (b > a) | ((b == a) & (j < i))
        values, indices = np.where(wins, b, a), np.where(wins, j, i)
    return np.asarray(indices[0])
