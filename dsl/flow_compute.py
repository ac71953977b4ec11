"""Compute lines in a flow: bodies, drains, and trees over copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.checked import Compute, Stream
from rdflow.dsl.flow_builder import PIPELINE, Builder
from rdflow.dsl.flow_ends import FIRST, LAST, End
from rdflow.dsl.orders import packets
from rdflow.dsl.sockets import agree


def add_compute(builder: Builder, line: Compute) -> None:
    tree = tuple(d for r in line.reductions for d in (*r.copies, *r.sockets))
    pipeline = max(PIPELINE, builder.kernel.program.stages * line.chain)
    order, copies = line.order, builder.copies(line.copies + line.sockets)
    bodies = [builder.node(line.nest, order, s, pipeline) for s in copies]
    drains = [_drain(builder, line, b) for b in bodies] if line.systolic else bodies
    for operand in line.inputs:
        if operand.at_result and not tree:
            ends = [_once_a_result(d, operand.level, line.reduced) for d in drains]
            builder.connect(operand.stream, operand.order, ends)
        elif not operand.at_result:
            builder.connect(operand.stream, operand.order, [b.starts(operand.level) for b in bodies])
    for result in line.results:
        done = result.reduction.time if result.reduction is not None else ()
        ends = [replace(d, ranges=dict.fromkeys((i for i in done if i in d.digits), LAST)) for d in drains]
        builder.ends[result.stream.name] = _tree(builder, line, result.stream, ends, tree) if tree else ends


def _once_a_result(drain: End, level: int, reduced: tuple[Digit, ...]) -> End:
    """An operand that is read at the last reduced iteration, where its own loops start anew."""
    kept = without(drain.digits, reduced)
    last = [d for d in drain.digits if d in reduced]
    return replace(drain, ranges={**dict.fromkeys(kept[level:], FIRST), **dict.fromkeys(last, LAST)})


def _drain(builder: Builder, line: Compute, body: End) -> End:
    """The systolic array's second half: two arrays, one summed while the other is read."""
    level = line.outside
    drain = builder.node((*line.nest[:level], *line.stages), line.order, body.space)
    builder.tokens(body.ends(level), drain.starts(level))
    builder.tokens(drain.ends(level), body.starts(level), 2)
    return drain


def _tree(
    builder: Builder, line: Compute, stream: Stream, partial: Sequence[End], tree: tuple[Digit, ...]
) -> list[End]:
    """The tree over copies as one node with the room of all its levels."""
    order, levels = stream.order, size(tree).bit_length() + 1
    roots = [builder.node(order.time, order, s) for s in builder.copies(without(line.copies + line.sockets, tree))]
    for root in roots:
        for end in partial:
            if agree(end.space, root.space):
                builder.join(end, root, stream.name, packets(order.width, "f32"), levels=levels)
    for operand in line.inputs:
        if operand.at_result:
            builder.connect(operand.stream, operand.order, [r.starts(operand.level) for r in roots])
    return roots
