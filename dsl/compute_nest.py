"""Finds the copies, lanes and nest of a `pcu` line, and whether it is systolic."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl import syntax
from rdflow.dsl.axes import Digit, size, without
from rdflow.dsl.compute_line import Draft, Line, Operand, Shape


def find_shape(line: Line, drafts: Sequence[Draft]) -> Shape:
    """Copies, lanes and nest, from the explicit order or from the inputs."""
    reduced = tuple(dict.fromkeys(d for draft in drafts for d in draft.digits))
    inside = [o for o in line.operands if o.inside]
    copies, sockets = find_space(line, inside or line.operands, reduced)
    pair = find_pair(line, drafts, (*copies, *sockets))
    lanes = find_lanes(line, inside, (*copies, *sockets), pair)
    nest = find_nest(line, inside, reduced, (*copies, *sockets), pair)
    shape = Shape(nest, lanes, copies, sockets)
    if pair is not None:
        place_pair(line, shape, pair, reduced)
    return shape


def find_space(
    line: Line, operands: Sequence[Operand], reduced: tuple[Digit, ...]
) -> tuple[tuple[Digit, ...], tuple[Digit, ...]]:
    """Digits over which the unit exists: the explicit order's, else the inputs'; those reduced stay where they are."""
    given = tuple(dict.fromkeys(d for o in operands for d in o.order.copies))
    chips = tuple(dict.fromkeys(d for o in operands for d in o.order.sockets))
    if line.explicit is None:
        return given, chips
    taken = {*line.explicit.time, *line.explicit.lanes}
    copies = (
        *line.explicit.copies,
        *(d for d in given if d in reduced and d not in taken and d not in line.explicit.copies),
    )
    sockets = (*line.explicit.sockets, *(d for d in chips if d in reduced and d not in line.explicit.sockets))
    return copies, sockets


def find_pair(line: Line, drafts: Sequence[Draft], space: tuple[Digit, ...]) -> tuple[Operand, Operand] | None:
    """The two operands of a product-sum whose lanes have no digit in common: (wide, narrow)."""
    if len(drafts) != 1 or drafts[0].op != "sum":
        return None
    streams = [line.operand(f) for op, f in drafts[0].inner if op == "*" and isinstance(f, syntax.Ref | syntax.View)]
    if len(drafts[0].inner) != 2 or len(streams) != 2:
        return None
    a, b = streams
    if a is None or b is None or a is b:
        return None
    lanes_a, lanes_b = without(a.order.lanes, space), without(b.order.lanes, space)
    if set(lanes_a) & set(lanes_b) or not lanes_a and not lanes_b:
        return None
    if line.explicit is not None:  # with an axis of length 1 the wide operand may have no lanes left
        if set(line.explicit.lanes) == set(lanes_a) and lanes_b and set(lanes_b) <= set(line.explicit.time):
            return a, b
        if set(line.explicit.lanes) == set(lanes_b) and lanes_a and set(lanes_a) <= set(line.explicit.time):
            return b, a
    if not lanes_a or not lanes_b:
        return None
    return (a, b) if size(lanes_a) >= size(lanes_b) else (b, a)


def find_lanes(
    line: Line,
    inside: Sequence[Operand],
    space: tuple[Digit, ...],
    pair: tuple[Operand, Operand] | None,
) -> tuple[Digit, ...]:
    """The lanes of the unit: those of the wide operand, else the most that an operand or the explicit order has."""
    if pair is not None:
        return without(pair[0].order.lanes, space)
    candidates = [without(o.order.lanes, space) for o in inside]
    if line.explicit is not None:
        candidates.append(line.explicit.lanes)
    return max(candidates, key=size, default=())


def find_nest(
    line: Line,
    inside: Sequence[Operand],
    reduced: tuple[Digit, ...],
    space: tuple[Digit, ...],
    pair: tuple[Operand, Operand] | None,
) -> tuple[Digit, ...]:
    """The loops: the explicit order's for a map, else the longest input's with what is gathered put in its place."""
    timed = [d for d in reduced if any(d in o.order.time for o in inside)]
    longest = max((without(o.order.time, space) for o in inside), key=lambda t: (size(t), len(t)), default=())
    if line.explicit is None:
        return longest
    if not timed:
        return line.explicit.time
    kept = list(line.explicit.time)
    if pair is not None:
        kept = [d for d in kept if d not in pair[1].order.lanes]
    nest: list[Digit] = []
    for digit in longest:
        if digit in kept:
            before = kept[: kept.index(digit)]
            nest.extend(d for d in before if d not in nest and d not in longest)
        nest.append(digit)
    nest.extend(d for d in kept if d not in nest)
    return tuple(nest)


def place_pair(line: Line, shape: Shape, pair: tuple[Operand, Operand], reduced: tuple[Digit, ...]) -> None:
    """Systolic where dtypes, lanes and nest allow it; else the narrow lanes become the innermost loop of the nest."""
    wide, narrow = pair
    space = (*shape.copies, *shape.sockets)
    packed = all(o.stream.dtype in ("bf16", "int8") for o in pair)
    stages, most = without(narrow.order.lanes, space), line.scope.program.stages
    innermost = bool(shape.nest) and shape.nest[-1] in reduced
    shape.wide, shape.narrow = line.operands.index(wide), line.operands.index(narrow)
    shape.systolic = packed and size(stages) <= most and innermost and wide.stream.dtype != "int8"
    if not shape.systolic:
        shape.nest = shape.nest + tuple(d for d in stages if d not in shape.nest)
        if packed and size(stages) > most:
            name = line.scope.terms(stages)
            line.scope.report.warn(
                "RDF039",
                f"this product-sum is not systolic: `{narrow.name}` has {size(stages)} lanes",
                [(line.unit.span, "runs a lane at a time"), (narrow.stream.span, f"{name} on the lanes here")],
                notes=[f"the array has {most} stages: the second operand brings at most {most} lanes"],
                help=f"put {most} of them on the lanes: `| {narrow.order.lanes[-1].root}%ST`",
            )
