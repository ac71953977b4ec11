"""What the writers and the reader of a hold tell each other: blocks written one way, free tiles the other way (A3)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from rdflow.dsl.axes import Digit, Linear, size
from rdflow.dsl.checked import Hold
from rdflow.dsl.drafts import Draft
from rdflow.dsl.needs import first_inside, waited
from rdflow.dsl.netlist import ALWAYS, Blocks, Port
from rdflow.dsl.nets import Nets


def tell(nets: Nets, hold: Hold, writer: Draft, reader: Draft, alone: bool) -> None:
    """The queues of tokens between a writer and the reader. `alone`: the copy has no other writer."""
    free(nets, reader, writer, hold.tile, hold.depth)
    if hold.queue and alone:
        tokens = hold.depth * max(1, size(hold.stream.order.time[hold.tile :])) + 2
        nets.token(writer, reader, ALWAYS, ALWAYS, "written", slots=tokens)
        return
    counts = _counts(nets, hold, writer, reader)
    if counts is None:
        whole(nets, writer, reader, hold.tile, hold.depth, "written")
        return
    queue = nets.queue(writer, reader, 0, "written", slots=hold.depth * sum(counts) + 2)
    pop, blocks = reader.starts(hold.tile + 1), _launched(nets, hold, writer, reader)
    writer.outputs.append(Port((queue,), writer.ends(hold.tile + 1)))
    reader.inputs.append(Port((queue,), pop, 1, counts=counts, counted=hold.tile, blocks=blocks))


def free(nets: Nets, reader: Draft, writer: Draft, tile: int, depth: int) -> None:
    """A token a tile: it is free again."""
    nets.token(reader, writer, reader.ends(tile), writer.starts(tile), "credit", slots=depth + 2, initial=depth)


def whole(nets: Nets, writer: Draft, reader: Draft, tile: int, depth: int, what: str) -> None:
    """A token a tile: it is complete."""
    nets.token(writer, reader, writer.ends(tile), reader.starts(tile), what, slots=depth + 2)


def _counts(nets: Nets, hold: Hold, writer: Draft, reader: Draft) -> tuple[int, ...] | None:
    """Blocks that each iteration of the reader's first loop waits for, beyond those before; None: the whole tile at once."""
    need = waited(nets.nests, hold, (writer.digits, writer.loops), (reader.digits, reader.loops))
    if need is None or need(0) >= need.blocks and _bound(nets, hold, writer, reader) is None:
        return None
    return tuple(b - a for a, b in pairwise(need.sum(j) for j in range(need.iterations + 1)))


def _launched(nets: Nets, hold: Hold, writer: Draft, reader: Draft) -> Blocks | None:
    """How many blocks are waited for, where a launch says it."""
    block, bound = first_inside(hold, writer.digits), _bound(nets, hold, writer, reader)
    if bound is None or block is None or not bound.arguments:
        return None
    most = reader.affine(replace(bound, const=bound.high, terms=()))
    return Blocks(most, nets.nests.granules[block.root], block.stride, writer.loops[hold.tile].size)


def _bound(nets: Nets, hold: Hold, writer: Draft, reader: Draft) -> Linear | None:
    """The bound of a writer's blocks that is the same in all iterations of the reader's first loop, a number or a
    launch's."""
    block, first = first_inside(hold, writer.digits), first_inside(hold, reader.digits)
    if block is None or block == first or _ends_inside(nets, block):
        return None
    bound = hold.stream.order.bound(block.root)
    return bound if isinstance(bound, Linear) and first not in bound.digits else None


def _ends_inside(nets: Nets, digit: Digit) -> bool:
    return digit.stride * digit.extent < nets.kernel.lengths[digit.root]
