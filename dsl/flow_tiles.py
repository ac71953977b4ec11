"""Holds, splits and merges in a flow: what is written and read in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdflow.dsl.axes import Digit, without
from rdflow.dsl.checked import Hold, Route
from rdflow.dsl.flow import FAR, Blocks
from rdflow.dsl.flow_builder import Builder
from rdflow.dsl.flow_ends import End
from rdflow.dsl.needs import Counted, waited
from rdflow.dsl.orders import Order
from rdflow.dsl.sockets import Space


def add_hold(builder: Builder, hold: Hold) -> None:
    order, source = hold.stream.order, hold.source.order
    gathered = without(source.space, order.space)
    times = without(source.time, (*order.space, *gathered))
    readers: list[End] = []
    writers: list[End] = []
    for space in builder.copies(order.space):
        reader = builder.node(order.time, order, space)
        own = [builder.node(times, source, {**space, **copy}) for copy in builder.copies(gathered)]
        for writer in own:
            _tile(builder, hold, writer, reader, alone=not gathered)
        writers += own
        readers.append(reader)
    builder.connect(hold.source, source, writers)
    for _, index in hold.gathers:
        builder.index(index, readers, order.time)
    builder.ends[hold.stream.name] = readers


def _tile(builder: Builder, hold: Hold, writer: End, reader: End, alone: bool) -> None:
    """Credits for free tiles one way, what is written the other way."""
    builder.credit(reader, writer, hold.tile, hold.depth)
    if hold.queue and alone:
        builder.tokens(writer, reader)
        return
    ends = _counted(builder, writer, hold.source.order), _counted(builder, reader, hold.stream.order)
    need = waited(builder.nests, hold, *ends)
    if need is None or need(0) >= need.blocks:
        builder.whole(writer, reader, hold.tile)
        return
    push, pop = writer.ends(hold.tile + 1).pulses(), reader.starts(hold.tile + 1).pulses()
    builder.flow.channel(writer.node, reader.node, push, Blocks(pop, need), FAR)


def _counted(builder: Builder, end: End, order: Order) -> Counted:
    return end.digits, builder.nests.loops(end.digits, order, end.space)


# -- splits and merges -------------------------------------------------------------------------------------------------


def add_route(builder: Builder, route: Route) -> None:
    """As a hold of which a tile is one block, with an actor that takes the selectors of a tile."""
    order, selector = route.stream.order, route.selector
    again = () if route.merge else without(route.choice, route.source.order.digits)
    routers: list[End] = []
    readers: list[End] = []
    writers: list[End] = []
    for space in builder.copies(order.space):
        router = _router(builder, route, space)
        reader = builder.node(order.time, order, space)
        builder.credit(reader, router, route.tile, route.depth)
        for writer in _writers(builder, route, space, again):
            if route.merge:
                builder.whole(router, writer, route.tile)
            else:
                _slots(builder, router, writer, again)
            builder.whole(writer, reader, route.tile)
            writers.append(writer.starts(len(writer.digits) - len(again)))
        routers.append(router)
        readers.append(reader)
    builder.connect(route.source, route.source.order, writers)
    builder.connect(selector, selector.order, routers)
    builder.ends[route.stream.name] = readers
    if route.counts is not None:  # those that it bounds are not linked to it: only what always waits is asked
        builder.ends[route.counts.name] = []


def _router(builder: Builder, route: Route, space: Space) -> End:
    """The actor of a copy that takes the selectors."""
    own = {d: v for d, v in space.items() if d not in route.choice}
    loops = (*route.stream.order.time[: route.tile], *route.choice)
    return builder.node(loops, route.selector.order, own)


def _writers(builder: Builder, route: Route, space: Space, again: Sequence[Digit]) -> list[End]:
    """The writers of a copy, each token as often as it is routed."""
    order, source = route.stream.order, route.source.order
    gathered = without(source.space, order.space)
    times = (*without(source.time, (*order.space, *gathered)), *again)
    bounded = replace(source, bounds=route.selector.order.bounds + source.bounds)
    return [builder.node(times, bounded, {**space, **copy}) for copy in builder.copies(gathered)]


def _slots(builder: Builder, router: End, writer: End, again: Sequence[Digit]) -> None:
    """A queue inside of a split: the slots of each token."""
    level = len(router.digits) - len(again)
    push, pop = router.ends(level).pulses(), writer.starts(level).pulses()
    builder.flow.channel(router.node, writer.node, push, pop, builder.slots(router))
