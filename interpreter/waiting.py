"""Where a run stands: what is in a queue, where an actor is in its loops, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rdflow.interpreter.fuse import apart
from rdflow.interpreter.image import Image, words_of
from rdflow.interpreter.kernel import layout


def tokens(image: Image, queue: int) -> list[tuple[int | None, NDArray[np.float32] | None]]:
    """Tokens in a queue, oldest first: the cycle at which each can be popped (None: not yet served), its lanes."""
    row = image.tables.queues[queue]
    socket = image.mapped.netlist.actors[image.mapped.netlist.queues[queue].source].socket
    result = []
    for k in range(int(row["popped"]), int(row["pushed"])):
        place = k & int(row["mask"])
        at = int(row["ring"]) + place
        decided = image.tables.ready[at] >= 0
        words = None
        if image.values is not None and row["width"] > 0:
            start = int(row["word"]) + place * int(row["width"])
            words = words_of(image, socket)[start : start + int(row["width"])].copy()
        result.append((int(image.tables.ready[at]) if decided else None, words))
    return result


def counters_of(image: Image, actor: int) -> tuple[int, ...]:
    """Loop counters of the actor's next firing (all 0 when it is done)."""
    return apart(_counters(image, actor), image.nests[actor], image.mapped.netlist.actors[actor])


def _counters(image: Image, actor: int) -> tuple[int, ...]:
    """The same of the loops in the tables."""
    row = image.tables.actors[image.rank[actor]]
    depth = len(image.nests[actor].loops)
    return tuple(int(c) for c in image.tables.loops["counter"][row["loop"] : row["loop"] + depth])


Wait = tuple[Literal["input", "output", "interval", "done"], int | None, int | None]


def waiting(image: Image, actor: int) -> Wait:
    """What the actor's next firing waits for, the queue, and until when (None: that is not known).

    A queue without the token or the slot comes first; else it is what will be there last.
    """
    row = image.tables.actors[image.rank[actor]]
    if row["waiting"] == layout.DONE:
        return ("done", None, None)
    waits = list(_waits(image, actor))
    unknown = [w for w in waits if w[2] is None]
    if unknown:
        return unknown[0]
    latest: Wait = ("interval", None, int(row["next"]))
    for wait in waits:
        if wait[2] is not None and latest[2] is not None and wait[2] > latest[2]:
            latest = wait
    return latest


def _waits(image: Image, actor: int) -> Iterator[Wait]:
    """Every port of the next firing: its queue, and when its tokens or its slot are there."""
    subject = image.nests[actor]
    row = image.tables.actors[image.rank[actor]]
    indices = _counters(image, actor)
    for place, port in enumerate(subject.inputs + subject.outputs):
        if not port.gate.open(int(row["at_first"]), int(row["at_last"])):
            continue
        queue = port.queues[port.select.at(indices) if len(port.queues) > 1 else 0]
        if place >= len(subject.inputs):
            yield ("output", queue, _slot(image, queue))
            continue
        count = port.counts[indices[port.counted]] if port.counts else 1
        if count:
            yield ("input", queue, _arrival(image, queue, count))


def _arrival(image: Image, queue: int, count: int) -> int | None:
    """When the first `count` tokens of a queue can be popped."""
    row = image.tables.queues[queue]
    if row["available"] - row["popped"] < count:
        return None
    places = row["ring"] + (row["popped"] + np.arange(count) & row["mask"])
    return int(image.tables.ready[places].max())


def _slot(image: Image, queue: int) -> int | None:
    """When the next slot of a queue is free."""
    row = image.tables.queues[queue]
    if row["pushed"] - row["popped"] >= row["capacity"]:
        return None
    return int(image.tables.free[row["ring"] + (row["pushed"] - row["capacity"] & row["mask"])])
