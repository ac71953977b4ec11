"""Where the numbers of a launch go in the tables of an image: constants of affines, limits of loops, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arguments import Argument, Scalars
from rdflow.dsl.launched import total
from rdflow.dsl.netlist import Affine, Blocks, Loop
from rdflow.dsl.records import dataclass
from rdflow.interpreter.kernel.layout import VECTOR, Tables

ENDLESS = 1 << 40  # a limit beyond every axis: times a stride it is still a number


@dataclass(frozen=True, slots=True)
class Limited:
    """A loop whose limit a launch gives: its place and its actor's in the tables, its level, its affines."""

    actor: int
    level: int
    loop: int
    limit: int
    unlimited: int
    """the affine of the limit where no iteration ends inside of the loop, and of what number that must be a multiple"""
    multiple: int


@dataclass
class Registers:
    """What a launch fills in."""

    affines: list[tuple[int, Affine]] = field(default_factory=list)
    loops: list[Limited] = field(default_factory=list)
    words: list[tuple[int, Argument]] = field(default_factory=list)
    counts: list[tuple[int, int, Blocks]] = field(default_factory=list)
    """where the counts of an input port are, and how many"""

    def __bool__(self) -> bool:
        return bool(self.affines or self.words or self.counts)

    def fill_tables(self, tables: Tables, scalars: Scalars) -> None:
        """Enter the numbers of a launch in tables that stand at the first cycle."""
        for offset, affine in self.affines:
            tables.affine[offset] = total(affine, scalars)
        for offset, size, blocks in self.counts:
            tables.counts[offset : offset + size] = blocks.counts(total(blocks.limit, scalars), size)
        if self.loops:
            _limit(self.loops, tables)

    def fill_words(self, words: NDArray[np.float32], scalars: Scalars) -> None:
        """Enter the constants of a launch in a store."""
        for word, argument in self.words:
            dtype = np.float32 if argument.kind == "f" else np.int32
            words[word : word + VECTOR].view(dtype)[:] = argument.number(scalars)


def unlimited(loop: Loop) -> Affine:
    """The limit of a loop in which no iteration ends."""
    assert loop.unlimited is not None
    return Affine(ENDLESS if loop.unlimited[1] is None else loop.unlimited[1])


def _limit(loops: Sequence[Limited], tables: Tables) -> None:
    """Where limits are a whole number of tiles others take their place; the first iterations of all are counted."""
    actor, level, at, limit, other, multiple = np.array(
        [(l.actor, l.level, l.loop, l.limit, l.unlimited, l.multiple) for l in loops], dtype=np.int64
    ).T
    bound = tables.loops["bound"][at]
    whole = (multiple > 0) & (tables.affine[limit] % np.maximum(multiple, 1) == 0)
    tables.bounds["limit"][bound] = np.where(whole, other, limit)
    bounds = tables.bounds[bound]
    granule, stride = bounds["granule"], bounds["stride"]
    limit, base = tables.affine[bounds["limit"]], tables.affine[bounds["base"]]
    reach = np.maximum(-(-limit // granule), base // granule + 1) * granule - base
    iterations = np.clip(-(-reach // stride), 1, tables.loops["size"][at])
    tables.loops["iterations"][at] = iterations
    np.bitwise_and.at(tables.actors["at_last"], actor, ~(1 << level))
    np.bitwise_or.at(tables.actors["at_last"], actor, (iterations == 1).astype(np.int64) << level)
