"""Which launches of a kernel are alike: those whose numbers make no difference to what runs without values.

Numbers decide where loops end, which queue a port takes, how many tokens it takes at once, and which channels bursts go to.
A limit acts by the granule in which it lies, and not at all where loops outside end with it; an address acts by its place
among the channels. Launches that are the same in all of that run the same, cycle for cycle and counter for counter.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from rdflow.dsl.arguments import Scalars
from rdflow.dsl.launched import total
from rdflow.dsl.records import dataclass
from rdflow.interpreter.image import Image
from rdflow.interpreter.kernel.layout import Tables
from rdflow.interpreter.machine import BURST
from rdflow.interpreter.registers import Limited, Registers

Numbers = NDArray[np.int64]
WHOLE = 0  # modulus of a number that acts as it is


@dataclass(frozen=True)
class Alike:
    """What the numbers of a kernel's launches act by. `moduli`: by affine that a launch fills in, of which number it matters
    modulo what; `kept`: which of them matter beside as limits; `limits`: by loop, the affine of its limit (its place among
    these), its granule, and the number whose multiples limit nothing inside."""

    registers: Registers
    kept: Numbers
    moduli: Numbers
    limits: Numbers
    granules: Numbers
    multiples: Numbers

    @staticmethod
    def of(image: Image) -> Alike:
        """Of an image without values."""
        assert image.values is None, "values depend on all numbers"
        registers, places = image.registers, {o: i for i, (o, _) in enumerate(image.registers.affines)}
        acting = {places[o]: modulus for o, modulus in _acting(image) if o in places}
        kept = np.array(sorted(acting), np.int64)
        moduli = np.array([acting[at] for at in sorted(acting)], np.int64)
        loops = registers.loops
        limits = np.array([places[l.limit] for l in loops], np.int64)
        granules = np.array([_granule(l, image.tables) for l in loops], np.int64)
        return Alike(registers, kept, moduli, limits, granules, np.array([l.multiple for l in loops], np.int64))

    def key(self, scalars: Scalars) -> bytes:
        """The same for launches that are alike."""
        totals = np.array([total(affine, scalars) for _, affine in self.registers.affines], np.int64)
        own = totals[self.kept]
        counts = [blocks.counts(total(blocks.limit, scalars), size) for _, size, blocks in self.registers.counts]
        parts = (np.where(self.moduli == WHOLE, own, own % np.maximum(self.moduli, 1)), *self._limits(totals))
        return b"".join(part.tobytes() for part in (*parts, *(np.array(c, np.int64) for c in counts)))

    def _limits(self, totals: Numbers) -> tuple[Numbers, Numbers]:
        """By loop, whether its limit is none, and else the granule in which it lies."""
        limit = totals[self.limits]
        none = (self.multiples > 0) & (limit % np.maximum(self.multiples, 1) == 0)
        return none.astype(np.int64), np.where(none, 0, -(-limit // self.granules))


def _acting(image: Image) -> Iterator[tuple[int, int]]:
    """Affines that act by their number itself (a choice of queues, where a loop begins) or modulo another one (addresses)."""
    tables = image.tables
    found: dict[int, int] = {}
    for at, actor in enumerate(image.mapped.netlist.actors):
        if actor.burst is not None:
            row = tables.actors[image.rank[at]]
            offset, modulus = int(row["burst"]), BURST * int(row["channels"])
            found[offset] = lcm(found.get(offset, 1), modulus)
    for offset in {*tables.ports["select"].tolist(), *tables.bounds["base"].tolist()}:
        found[offset] = WHOLE
    yield from found.items()


def _granule(limited: Limited, tables: Tables) -> int:
    """A limit acts by its next multiple of this: a granule, or less where counters outside add less to it."""
    granule = int(tables.bounds["granule"][tables.loops["bound"][limited.loop]])
    factors = tables.affine[limited.limit + 1 : limited.limit + 1 + limited.level].tolist()
    return gcd(granule, *factors)
