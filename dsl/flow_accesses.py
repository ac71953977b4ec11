"""Loads, stores and carries in a flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdflow.dsl.axes import size
from rdflow.dsl.checked import Carry, Load, Store, Stream
from rdflow.dsl.flow_builder import FIFO, Builder
from rdflow.dsl.flow_ends import BEFORE_LAST, FIRST, LATER, End
from rdflow.dsl.sockets import agree
from rdflow.dsl.waits import Access, loops_of, order_of, wait_level


def add_load(builder: Builder, load: Load) -> None:
    ends = _ends(builder, load)
    _gathers(builder, load, ends)
    _wait(builder, load, ends)
    builder.ends[load.stream.name] = ends


def add_store(builder: Builder, store: Store) -> None:
    ends = _ends(builder, store)
    builder.connect(store.source, store.source.order, ends)
    _gathers(builder, store, ends)
    _wait(builder, store, ends)


def _ends(builder: Builder, access: Access) -> list[End]:
    order, time = order_of(access), loops_of(access)
    return [builder.node(time, order, s) for s in builder.copies((*order.space, *access.streams))]


def _gathers(builder: Builder, access: Access, ends: Sequence[End]) -> None:
    for gather in access.view.gathers:
        if gather is not None:
            builder.index(gather, ends, order_of(access).time)


def _wait(builder: Builder, access: Access, ends: Sequence[End]) -> None:
    """Loads wait for the stores above them, stores for the loads above them."""
    tensor = access.view.tensor.name
    others = [(a, e) for a, e in builder.touched if a.view.tensor.name == tensor and type(a) is not type(access)]
    for above, done in others:
        for end in ends:
            level = wait_level(builder.nests, above, done.space, access, end.space)
            if level is not None and agree(done.space, end.space):
                builder.tokens(done.ends(level), end.starts(level), tensor=tensor)
    builder.touched += [(access, end) for end in ends]


# -- carries -----------------------------------------------------------------------------------------------------------


def add_carry(builder: Builder, carry: Carry) -> None:
    order = carry.stream.order
    ends = [builder.node(order.time, order, s) for s in builder.copies(order.space)]
    if isinstance(carry.initial, Stream):
        starts = [replace(e, ranges=dict.fromkeys(carry.over, FIRST)) for e in ends]
        builder.connect(carry.initial, carry.initial.order, starts)
    builder.ends[carry.stream.name] = ends


def close_carry(builder: Builder, carry: Carry) -> None:
    """The feedback of a carry over one digit, whose last iteration is dropped."""
    if len(carry.over) != 1 or carry.feedback not in builder.ends:
        return
    (over,) = carry.over
    time = carry.stream.order.time
    room = size(time[1 + time.index(over) :]) + FIFO
    sinks = [replace(e, ranges={over: LATER}) for e in builder.ends[carry.stream.name]]
    for sink in sinks:
        for source in builder.ends[carry.feedback]:
            if agree(source.space, sink.space) and over in source.digits and over not in source.ranges:
                kept = replace(source, ranges={**source.ranges, over: BEFORE_LAST})
                builder.join(kept, sink, carry.feedback, 1, room)
