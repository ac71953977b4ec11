"""Which blocks of a tile the reader of a hold waits for: need(j) in closed form, however long the loops are."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, Linear
from rdflow.dsl.checked import Hold
from rdflow.dsl.nests import Nests, ends_by_number
from rdflow.dsl.netlist import Loop
from rdflow.dsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Needs:
    """Blocks that the iterations of the reader's first loop inside of a tile wait for (A3).

    Iteration j reads `const + each * j` elements at most, in whole granules; a block is `stride` elements.
    """

    iterations: int
    blocks: int
    const: int
    each: int = 0
    granule: int = 1
    stride: int = 1

    def __call__(self, j: int) -> int:
        """need(j): one more than the last block that iteration j reads."""
        most = self.const + self.each * j
        most = max(self.granule, -(-most // self.granule) * self.granule)
        return max(1, min(self.blocks, -(-most // self.stride)))

    def sum(self, iterations: int) -> int:
        """Blocks that the first iterations wait for together: never fewer than before, and all of them in the end."""
        if iterations == 0:
            return 0
        return self.blocks if iterations >= self.iterations else max(self(0), self(iterations - 1))


Counted = tuple[Sequence[Digit | None], Sequence[Loop]]
"""what an actor's loops count, and the loops"""


def waited(nests: Nests, hold: Hold, writer: Counted, reader: Counted) -> Needs | None:
    """Blocks that the iterations of the reader's first loop inside of a tile wait for; None: the whole tile at once.

    A block is one iteration of the writer's first loop inside of the tile. A loop that a number bounds does not say where it
    ends, so that all numbers make the same queues.
    """
    block, first = first_inside(hold, writer[0]), first_inside(hold, reader[0])
    if block is None or first is None or hold.gathers or block in dict(hold.moves):
        return None
    ends = ((block, writer[1], hold.source.order), (first, reader[1], hold.stream.order))
    if any(loops[hold.tile].limit is not None or ends_by_number(order, digit) for digit, loops, order in ends):
        return None
    return needs(nests, hold, block, first, first.extent, block.extent)


def first_inside(hold: Hold, digits: Sequence[Digit | None]) -> Digit | None:
    """What the first loop inside of a tile counts."""
    return digits[hold.tile] if len(digits) > hold.tile else None


def needs(nests: Nests, hold: Hold, block: Digit, first: Digit, iterations: int, blocks: int) -> Needs:
    """need(j) for a writer's loop `block` and a reader's loop `first`, of these lengths."""
    if first == block:
        return Needs(iterations, blocks, 1, 1)
    bound = hold.stream.order.bound(block.root)
    top = block.stride * block.extent >= nests.kernel.lengths[block.root]
    if not isinstance(bound, Linear) or not top or bound.arguments:
        return Needs(iterations, blocks, blocks)
    others = sum(c * (d.extent - 1) for d, c in bound.terms if d != first and c > 0)
    each = sum(c for d, c in bound.terms if d == first)
    return Needs(iterations, blocks, bound.const + others, each, nests.granules[block.root], block.stride)
