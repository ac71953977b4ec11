"""Carries as actors: a value of the first iteration, then what comes back from a line below (A5)."""

from __future__ import annotations

from collections.abc import Sequence

from rdflow.dsl.axes import Digit, size
from rdflow.dsl.checked import Carry, Stream
from rdflow.dsl.drafts import Draft, Endpoint, Sink
from rdflow.dsl.joins import connect
from rdflow.dsl.netlist import ALWAYS, Const, Gate, In, Operand, Row, UnitInfo
from rdflow.dsl.nets import Nets
from rdflow.dsl.orders import BYTES, PMU_BYTES
from rdflow.dsl.rows import Rows

QUEUE_TOKENS = 16  # on their way around, that the unit's own queue holds; more are kept in a PMU


def elaborate_carry(nets: Nets, carry: Carry) -> list[Draft]:
    """Add an actor a copy, which selects the initial value in the first iteration, and define its stream."""
    order, name = carry.stream.order, carry.stream.name
    unit = nets.unit(_info(nets, carry))
    spaces = nets.copies(order.space, order.sockets)
    drafts = [nets.draft(name, unit, "carry", order.time, order, space) for space in spaces]
    if isinstance(carry.initial, Stream):
        connect(nets, nets.sources[carry.initial.name], [Sink(d, _first(d, carry)) for d in drafts])
    nets.define(carry.stream, [_selected(nets, carry, draft) for draft in drafts])
    return drafts


def close_carry(nets: Nets, carry: Carry, drafts: Sequence[Draft]) -> None:
    """Connect the feedback, whose last iteration is dropped."""
    sinks = [Sink(d, _later(d, carry)) for d in drafts]
    slots = size(_inside(carry)) + QUEUE_TOKENS
    connect(nets, nets.sources[carry.feedback], sinks, slots=slots, not_last=carry.over)


def _first(draft: Draft, carry: Carry) -> Gate:
    return Gate(first=draft.mask(carry.over))


def _later(draft: Draft, carry: Carry) -> Gate:
    return Gate(not_first=draft.mask(carry.over))


def _inside(carry: Carry) -> tuple[Digit, ...]:
    """The loops inside of those that are carried over: their tokens are on their way around at once."""
    time = carry.stream.order.time
    return time[1 + max((time.index(d) for d in carry.over), default=-1) :]


def _selected(nets: Nets, carry: Carry, draft: Draft) -> Endpoint:
    """The rows of one copy: the initial value, or what has come back."""
    rows, first = Rows(draft, carry.stream.order.lanes), len(draft.scalars)
    out = draft.temp()
    initial: Operand
    if isinstance(carry.initial, Stream):
        initial, back = rows.operand(first, nets.sources[carry.initial.name].lanes), In(first + 1)
    else:
        initial, back = Const(carry.initial), In(first)
    draft.rows.append(Row("copy", out, (initial,), rows.width, _first(draft, carry)))
    if carry.over:  # a loop of one iteration has no feedback
        draft.rows.append(Row("copy", out, (back,), rows.width, _later(draft, carry)))
    return Endpoint(draft, ALWAYS, out.index)


def _info(nets: Nets, carry: Carry) -> UnitInfo:
    order, tokens = carry.stream.order, size(_inside(carry))
    held = tokens * max(1, order.width * BYTES[carry.stream.dtype])
    big = tokens > QUEUE_TOKENS
    return UnitInfo(
        carry.stream.name,
        "pmu" if big else "pcu",
        "carry",
        carry.span,
        nets.kernel.writer.order(order),
        max(1, size(order.copies)),
        0 if big else 1,
        -(-held // PMU_BYTES) if big else 0,
        0,
        held if big else 0,
    )
