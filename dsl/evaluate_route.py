"""Values of `split` and `merge`: a stable sort by the selector, and its inverse (A8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.checked import Route
from rdflow.dsl.evaluate_arrays import Array, Numbers, arranged, array, pick, shape
from rdflow.dsl.evaluate_frame import Frame


def route(frame: Frame, line: Route) -> None:
    frame.define(line.stream, merge(frame, line) if line.merge else split(frame, line))
    if line.counts is not None:
        frame.define(line.counts, counts(frame, line))


def split(frame: Frame, line: Route) -> Array:
    """x at the n-th (token, choice) of the tile whose selector is e; 0 at places from count(e) on."""
    outer, chosen = selectors(frame, line)
    experts, places = arranged(line.expert), arranged(line.place)
    table = np.full((len(chosen), size(experts), size(places)), -1)
    for row, selected in zip(table, chosen, strict=True):
        for expert in range(line.experts):
            members = np.flatnonzero(selected == expert)[: line.places]
            row[expert, : len(members)] = members
    digits = (*outer, *experts, *places)
    token = array(digits, table.reshape(shape(digits)))
    return moved(frame.read(line.source), token, line.choice)


def counts(frame: Frame, line: Route) -> Array:
    """How many tokens of the tile each expert has, as far as there are places."""
    outer, chosen = selectors(frame, line)
    digits = (*outer, *arranged(line.expert))
    found = np.zeros((len(chosen), size(arranged(line.expert))), np.int32)
    for expert in range(line.experts):
        found[:, expert] = np.minimum((chosen == expert).sum(axis=1), line.places)
    return array(digits, found.reshape(shape(digits)))


def merge(frame: Frame, line: Route) -> Array:
    """y at (e, n) for the token that is the n-th of expert e; 0 for a token that no expert has."""
    outer, chosen = selectors(frame, line)
    experts, places = arranged(line.expert), arranged(line.place)
    table = np.full(chosen.shape, -1)
    for row, selected in zip(table, chosen, strict=True):
        for expert in range(line.experts):
            members = np.flatnonzero(selected == expert)[: line.places]
            row[members] = expert * size(places) + np.arange(len(members))
    digits = (*outer, *line.choice)
    slot = array(digits, table.reshape(shape(digits)))
    return moved(frame.read(line.source), slot, (*experts, *places))


def selectors(frame: Frame, line: Route) -> tuple[tuple[Digit, ...], Numbers]:
    """The selector by tile (its other digits) and by token of the tile, in the order in which tokens travel.

    Tokens beyond the length or the bound of their axis select nothing: -1.
    """
    stream = line.selector
    selected = frame.read(stream)
    exists = frame.defined_in(stream.order)
    outer = arranged(d for d in selected.digits if d not in line.choice)
    if exists is not None:
        outer = arranged((*outer, *(d for d in exists.digits if d not in line.choice)))
    digits = (*outer, *line.choice)
    numbers = selected.full(digits)
    if exists is not None:
        numbers = np.where(exists.along(digits), numbers, -1)
    return outer, numbers.reshape(size(outer), size(line.choice))


def parts(index: Array, digits: Sequence[Digit]) -> dict[Digit, Array]:
    """A number as mixed-radix digits, the last the fastest; -1 in all of them for a number below 0."""
    found: dict[Digit, Array] = {}
    stride = 1
    for digit in reversed(digits):
        value = index.numbers // stride % digit.extent
        found[digit] = Array(index.digits, np.where(index.numbers < 0, -1, value))
        stride *= digit.extent
    return found


def moved(source: Array, index: Array, digits: Sequence[Digit]) -> Array:
    """The source with some digits replaced by those of a number; 0 where it is -1."""
    moves = parts(index, digits)
    own = arranged((*source.digits, *moves))
    found = pick(source.full(own), [moves.get(d) or Array((d,), np.arange(d.extent)) for d in own])
    every = arranged((*found.digits, *index.digits))  # an index of a single token has no digit to move
    there = index.along(every) >= 0
    return Array(every, np.where(there, found.along(every), found.numbers.dtype.type(0)))
